"""Hooks between nodes: facts that come from a peer, and facts that go to one."""

from __future__ import annotations

from typing import Any

from stigmem_hookspecs.markers import (
    NO_PAYLOAD,
    Band,
    HookOrdering,
    Payload,
    filter_chain,
    voting,
)
from stigmem_hookspecs.values import (
    FactRecord,
    Identity,
    Peer,
    TenantContext,
    VotingDecision,
)


@voting(Band.AUTHN, HookOrdering.CORE_FIRST)
def federation_peer_authenticate(
    req: Any = None,
    identity: Identity = None,
    tenant: TenantContext | None = None,
    payload: Payload = NO_PAYLOAD,
) -> VotingDecision:
    """Decide whether a peer is who it says, beyond what the node itself checked.

    Called when a peer introduces itself or opens an exchange. The node's own checks come
    first: a plugin can refuse a peer, never admit one that the node refused.

    Args:
        req: The peer's request; the host's, do not change it.
        identity: The peer's identity as the node established it.
        tenant: The tenant that the exchange concerns.
        payload: All keywords of this fire, exactly as the host passed them.

    Returns:
        `Allow()`, or `Deny(reason)`: the exchange does not take place.

    Raises:
        RejectError: Counts as `Deny` with its reason.
        Exception: Any other refuses the peer too, and is audited as a handler error.

    Example:
        >>> from stigmem_hookspecs import Allow, Deny
        >>> from stigmem_plugins.testing import TestPluginRegistry
        >>> def partners_only(ctx, *, req, **_):
        ...     return Allow() if req["node_id"].endswith(".example") else Deny("unknown partner")
        >>> registry = TestPluginRegistry.with_hooks(federation_peer_authenticate=partners_only)
        >>> registry.fire_voting("federation_peer_authenticate", req={"node_id": "node.test"})
        Deny(reason='unknown partner')
    """


@voting(Band.VALIDATE, HookOrdering.CORE_FIRST)
def federation_inbound_validate(
    fact: dict[str, Any] | None = None,
    fact_scope: str | None = None,
    tenant: TenantContext | None = None,
    cap_token: Any = None,
    peer: Peer = None,
    token_payload: Any = None,
    payload: Payload = NO_PAYLOAD,
) -> VotingDecision:
    """Decide whether to take a fact that a peer sent.

    Called once per inbound fact, before it is filtered and stored.

    Args:
        fact: The fact as it arrived; do not change it here.
        fact_scope: The scope that it claims.
        tenant: The tenant that it would belong to.
        cap_token: The capability token that it came with; or else
        peer: the peer's record, and
        token_payload: what the peer's token says.
        payload: All keywords of this fire, exactly as the host passed them.

    Returns:
        `Allow()`, or `Deny(reason)`: this fact is dropped, and the peer may be told the reason.

    Raises:
        RejectError: Counts as `Deny` with its reason.
        Exception: Any other drops the fact too, and is audited as a handler error.

    Example:
        >>> from stigmem_hookspecs import Allow, Deny
        >>> from stigmem_plugins.testing import TestPluginRegistry
        >>> def speaks_for_itself(ctx, *, fact, peer=None, **_):
        ...     same = peer and fact["source"] == peer["node_id"]
        ...     return Allow() if same else Deny("a peer speaks for itself only")
        >>> registry = TestPluginRegistry.with_hooks(federation_inbound_validate=speaks_for_itself)
        >>> registry.fire_voting(
        ...     "federation_inbound_validate", fact={"source": "b"}, peer={"node_id": "a"}
        ... )
        Deny(reason='a peer speaks for itself only')
    """


@filter_chain(Band.FILTER, HookOrdering.PLUGINS_FIRST)
def federation_inbound_filter(
    value: dict[str, Any],
    fact_scope: str | None = None,
    tenant: TenantContext | None = None,
    cap_token: Any = None,
    peer: Peer = None,
    token_payload: Any = None,
    payload: Payload = NO_PAYLOAD,
) -> dict[str, Any]:
    """Change a peer's fact before it is stored: mark its origin, cut what is not wanted.

    Called after validation. Plugins come first; the node's own rules see the result.

    Args:
        value: The fact, as the handler before left it.
        fact_scope: The scope that it claims.
        tenant: The tenant that it will belong to.
        cap_token: The capability token that it came with; or else
        peer: the peer's record, and
        token_payload: what the peer's token says.
        payload: All keywords of this fire, exactly as the host passed them.

    Returns:
        The fact to store: a changed copy, or the one that came in. Never None: to drop it, deny
        it in `federation_inbound_validate`.

    Raises:
        Exception: The fact is not stored; audited as a handler error.

    Example:
        >>> from stigmem_plugins.testing import TestPluginRegistry
        >>> def trust_less(ctx, fact, **_):
        ...     return {**fact, "confidence": fact["confidence"] * 0.5}
        >>> registry = TestPluginRegistry.with_hooks(federation_inbound_filter=trust_less)
        >>> registry.fire_filter_chain("federation_inbound_filter", {"confidence": 0.5})
        {'confidence': 0.25}
    """


@filter_chain(Band.FILTER, HookOrdering.PLUGINS_FIRST)
def federation_outbound_filter(
    value: list[FactRecord],
    peer: Peer = None,
    token_payload: Any = None,
    tenant: TenantContext | None = None,
    payload: Payload = NO_PAYLOAD,
) -> list[FactRecord]:
    """Hold back facts that a peer shall not get.

    Called with each batch that a peer asks for, before it is signed.

    Args:
        value: Fact records, as the handler before left them.
        peer: The peer's record.
        token_payload: What the peer's token says.
        tenant: The tenant whose facts these are.
        payload: All keywords of this fire, exactly as the host passed them.

    Returns:
        The records that may leave, as a list; empty to send none. None is an error.

    Raises:
        Exception: Nothing of the batch is sent; audited as a handler error.

    Example:
        >>> from stigmem_plugins.testing import TestPluginRegistry
        >>> def keep_drafts(ctx, facts, *, peer, **_):
        ...     return [f for f in facts if f["status"] != "draft" or peer["internal"]]
        >>> registry = TestPluginRegistry.with_hooks(federation_outbound_filter=keep_drafts)
        >>> batch = [{"status": "draft"}, {"status": "final"}]
        >>> registry.fire_filter_chain(
        ...     "federation_outbound_filter", batch, peer={"internal": False}
        ... )
        [{'status': 'final'}]
    """


@filter_chain(Band.TRANSFORM, HookOrdering.PLUGINS_FIRST)
def federation_outbound_sign(
    value: list[FactRecord],
    peer: Peer = None,
    token_payload: Any = None,
    tenant: TenantContext | None = None,
    payload: Payload = NO_PAYLOAD,
) -> list[FactRecord]:
    """Attach signatures or attestations to facts that leave the node.

    Called with what `federation_outbound_filter` left. Plugins come first, so the node's own
    signature covers what they attach.

    Args:
        value: Fact records, as the handler before left them.
        peer: The peer's record.
        token_payload: What the peer's token says.
        tenant: The tenant whose facts these are.
        payload: All keywords of this fire, exactly as the host passed them.

    Returns:
        The records to send, in the same order. Never None.

    Raises:
        Exception: Nothing of the batch is sent; audited as a handler error.

    Example:
        >>> from stigmem_plugins.testing import TestPluginRegistry
        >>> def attest(ctx, facts, **_):
        ...     return [{**fact, "attested_by": ctx.plugin_name} for fact in facts]
        >>> registry = TestPluginRegistry.with_hooks(federation_outbound_sign=attest)
        >>> registry.fire_filter_chain("federation_outbound_sign", [{"id": "f1"}])
        [{'id': 'f1', 'attested_by': 'example-plugin'}]
    """
