"""Hooks where nodes meet: facts that come from other nodes and facts that go to them."""

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
    """Decide whether another node may become a peer.

    Called when a peer is registered, before the host contacts it or keeps anything of it.
    The vote is on the node as a whole; its facts are voted on one by one as they arrive.

    Args:
        req: The registration: the other node's address, its key and the scopes that it asks
            for, in the host's own type. Do not change it. Nothing in it is verified yet.
        identity: Who registers the peer, which is not the peer itself.
        tenant: The tenant of whoever registers it.
        payload: All keywords of this fire, exactly as the host passed them.

    Returns:
        `Allow()` to let the host go on to its own verification, which a plugin cannot skip;
        `Deny(reason)` to refuse the peer. Whoever registers it is shown the reason.

    Raises:
        RejectError: A refusal with that reason.
        Exception: Any other leaves the peer unregistered: nobody becomes one by accident.

    Example:
        >>> from stigmem_hookspecs import Allow, Deny
        >>> from stigmem_plugins.testing import TestPluginRegistry
        >>> def https_only(ctx, *, req, **_):
        ...     secure = req["node_url"].startswith("https://")
        ...     return Allow() if secure else Deny("peers are reached by https only")
        >>> registry = TestPluginRegistry.with_hooks(federation_peer_authenticate=https_only)
        >>> registry.fire_voting("federation_peer_authenticate", req={"node_url": "http://b.test"})
        Deny(reason='peers are reached by https only')
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
    """Decide whether to take in one fact from another node.

    Called for each fact of a delivery by itself, once its origin is verified; a refusal leaves
    the others alone. A sender proves itself with a capability token or as a known peer, and the
    host passes `cap_token` in the one case, `peer` and `token_payload` in the other: give all
    three a default. stigmem-node does not call it for facts that it fetches from a peer itself,
    but for those only that a peer pushes.

    Args:
        fact: The fact as received, a dict of the wire format; do not change it.
        fact_scope: The scope that the fact claims, such as `public`.
        tenant: The local tenant that it would be stored for.
        cap_token: The capability token that came with the delivery, as the host parsed it.
        peer: The peer that sent the delivery, in the host's own type.
        token_payload: The claims of that peer's token.
        payload: All keywords of this fire, exactly as the host passed them.

    Returns:
        `Allow()` to take the fact in; `Deny(reason)` to leave it out. The reason goes back to
        the sending node, so keep local details out of it.

    Raises:
        RejectError: Leaves the fact out, with that reason.
        Exception: Stops the host from taking the fact in, like every failed vote, and those
            that come after it in the delivery.

    Example:
        >>> from stigmem_hookspecs import Allow, Deny
        >>> from stigmem_plugins.testing import TestPluginRegistry
        >>> def known_peers(ctx, *, fact, peer=None, **_):
        ...     if fact["relation"] == "same_as" and peer is None:
        ...         return Deny("only a known peer may say so")
        ...     return Allow()
        >>> registry = TestPluginRegistry.with_hooks(federation_inbound_validate=known_peers)
        >>> registry.fire_voting("federation_inbound_validate", fact={"relation": "same_as"})
        Deny(reason='only a known peer may say so')
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
    """Change a fact from another node before it is stored here.

    Called for each fact that `federation_inbound_validate` allowed, and for no other: facts that
    stigmem-node fetches itself pass it by. Plugins change it first, and the node's own handlers
    clean up what they leave.

    Args:
        value: The fact in the wire format, as the handler before left it; build a new dict.
        fact_scope: The scope that the fact claimed on arrival, whatever `value` says now.
        tenant: The local tenant that it is stored for.
        cap_token: The sender's capability token; absent if it is a known peer.
        peer: The sending peer; absent if it came with a capability token.
        token_payload: The claims of the peer's token; present where `peer` is.
        payload: All keywords of this fire, without `value`.

    Returns:
        The fact to store. It cannot be dropped here, since None is refused: to keep a fact
        out, vote against it in `federation_inbound_validate`.

    Raises:
        PluginExecutionError: What the host gets if a handler fails, and then the fact is not
            stored as it came either.

    Example:
        >>> from stigmem_plugins.testing import TestPluginRegistry
        >>> def doubt_hearsay(ctx, value, *, peer=None, **_):
        ...     trust = 1.0 if peer == "node:hq" else 0.5
        ...     return {**value, "confidence": value["confidence"] * trust}
        >>> registry = TestPluginRegistry.with_hooks(federation_inbound_filter=doubt_hearsay)
        >>> fact = {"id": "f1", "confidence": 0.8}
        >>> registry.fire_filter_chain("federation_inbound_filter", fact, peer="node:branch")
        {'id': 'f1', 'confidence': 0.4}
    """


@filter_chain(Band.FILTER, HookOrdering.PLUGINS_FIRST)
def federation_outbound_filter(
    value: list[FactRecord],
    peer: Peer = None,
    token_payload: Any = None,
    tenant: TenantContext | None = None,
    payload: Payload = NO_PAYLOAD,
) -> list[FactRecord]:
    """Keep facts from leaving the node, or strip what a peer must not see.

    Called with the facts that a peer is about to get, which the host already chose by what
    the peer is entitled to. The node's handlers look last at what plugins let through.

    Args:
        value: The facts in the order of sending; the facts themselves are the host's.
        peer: The peer that they go to.
        token_payload: The claims of the token that the peer presented.
        tenant: The tenant whose facts they are.
        payload: All keywords of this fire, without `value`.

    Returns:
        The facts that may leave, as a list. A fact that is left out is not sent later by
        itself: hosts remember how far a peer has read, not what was held back.

    Raises:
        PluginExecutionError: What the host gets if a handler fails; nothing is sent.

    Example:
        >>> from stigmem_plugins.testing import TestPluginRegistry
        >>> class WithoutRelations(frozenset):
        ...     def __call__(self, ctx, value, **_):
        ...         return [fact for fact in value if fact["relation"] not in self]
        >>> keep_home = WithoutRelations({"salary", "diagnosis"})
        >>> registry = TestPluginRegistry.with_hooks(federation_outbound_filter=keep_home)
        >>> facts = [{"relation": "salary"}, {"relation": "employer"}]
        >>> registry.fire_filter_chain("federation_outbound_filter", facts, peer="node:b")
        [{'relation': 'employer'}]
    """


@filter_chain(Band.TRANSFORM, HookOrdering.PLUGINS_FIRST)
def federation_outbound_sign(
    value: list[FactRecord],
    peer: Peer = None,
    token_payload: Any = None,
    tenant: TenantContext | None = None,
    payload: Payload = NO_PAYLOAD,
) -> list[FactRecord]:
    """Add a seal or other proof to the facts that leave.

    Called directly after `federation_outbound_filter`, with what it left: the last look of a
    plugin at facts before they are sent. The node signs after the plugins, so its signature
    covers what they added, and a change made to a sealed fact is yours to avoid.

    Args:
        value: The facts that will be sent, in order; seal copies, the originals are stored.
        peer: The peer that they go to, for a proof made out to one recipient.
        token_payload: The claims of the token that the peer presented.
        tenant: The tenant on whose behalf they are sent.
        payload: All keywords of this fire, without `value`.

    Returns:
        The same facts with their proofs, all of them and under their own ids. The host
        looks them up again by id; facts are held back in the hook before this one.

    Raises:
        PluginExecutionError: What the host gets if a handler fails; nothing is sent unsealed.

    Example:
        >>> import hmac
        >>> from stigmem_plugins.testing import TestPluginRegistry
        >>> def seal(ctx, value, *, peer, **_):
        ...     mark = lambda fact: hmac.new(b"secret", f"{peer} {fact['id']}".encode(), "sha256")
        ...     return [{**fact, "seal": mark(fact).hexdigest()[:8]} for fact in value]
        >>> registry = TestPluginRegistry.with_hooks(federation_outbound_sign=seal)
        >>> registry.fire_filter_chain("federation_outbound_sign", [{"id": "f1"}], peer="node:b")
        [{'id': 'f1', 'seal': '432a00be'}]
    """
