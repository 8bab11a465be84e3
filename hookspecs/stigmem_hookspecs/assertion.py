"""Hooks in the life of an assertion: a fact on its way into the node."""

from __future__ import annotations

from stigmem_hookspecs.markers import (
    NO_PAYLOAD,
    Band,
    HookOrdering,
    Payload,
    filter_chain,
    fire_and_forget,
    voting,
)
from stigmem_hookspecs.values import (
    AssertionRequest,
    FactRecord,
    Identity,
    Outcome,
    TenantContext,
    VotingDecision,
)


@voting(Band.AUTHZ, HookOrdering.CORE_FIRST)
def pre_assert_authorize(
    req: AssertionRequest = None,
    identity: Identity = None,
    tenant: TenantContext | None = None,
    request_id: str | None = None,
    payload: Payload = NO_PAYLOAD,
) -> VotingDecision:
    """Decide whether this caller may assert this fact.

    Called once per assertion, before anything looks at what the fact says.

    Args:
        req: The assertion as it arrived; the host's, do not change it.
        identity: Who asserts it, as `identity_resolve` left it.
        tenant: The tenant that the fact would belong to.
        request_id: The host's id of the request, for correlation.
        payload: All keywords of this fire, exactly as the host passed them.

    Returns:
        `Allow()` to let the assertion go on; `Deny(reason)` to refuse it, which no later
        handler can undo. The host shows the reason to the caller.

    Raises:
        RejectError: Counts as `Deny` with its reason.
        Exception: Any other refuses the assertion too, and is audited as a handler error.

    Example:
        >>> from stigmem_hookspecs import Allow, Deny
        >>> from stigmem_plugins.testing import TestPluginRegistry
        >>> def only_the_owner(ctx, *, req, identity, **_):
        ...     return Allow() if identity == req["source"] else Deny("not your source")
        >>> registry = TestPluginRegistry.with_hooks(pre_assert_authorize=only_the_owner)
        >>> registry.fire_voting(
        ...     "pre_assert_authorize", req={"source": "agent:a"}, identity="agent:b"
        ... )
        Deny(reason='not your source')
    """


@voting(Band.VALIDATE, HookOrdering.CORE_FIRST)
def pre_assert_validate(
    req: AssertionRequest = None,
    identity: Identity = None,
    tenant: TenantContext | None = None,
    request_id: str | None = None,
    payload: Payload = NO_PAYLOAD,
) -> VotingDecision:
    """Decide whether what the fact says is acceptable.

    Called after `pre_assert_authorize` allowed the caller, and before any transformation.

    Args:
        req: The assertion as it arrived; the host's, do not change it.
        identity: Who asserts it.
        tenant: The tenant that the fact would belong to.
        request_id: The host's id of the request, for correlation.
        payload: All keywords of this fire, exactly as the host passed them.

    Returns:
        `Allow()` if the content is in order; `Deny(reason)` if it is not: hosts answer that as
        a fault of the request (422), not of the caller's rights (403).

    Raises:
        RejectError: Counts as `Deny` with its reason.
        Exception: Any other stops the assertion, and is audited as a handler error.

    Example:
        >>> from stigmem_hookspecs import Allow
        >>> from stigmem_plugins import RejectError
        >>> from stigmem_plugins.testing import TestPluginRegistry
        >>> def confidence_is_a_share(ctx, *, req, **_):
        ...     if not 0.0 <= req["confidence"] <= 1.0:
        ...         raise RejectError("confidence must be between 0 and 1")
        ...     return Allow()
        >>> registry = TestPluginRegistry.with_hooks(pre_assert_validate=confidence_is_a_share)
        >>> registry.fire_voting("pre_assert_validate", req={"confidence": 1.5})
        Deny(reason='confidence must be between 0 and 1')
    """


@filter_chain(Band.TRANSFORM, HookOrdering.PLUGINS_FIRST)
def pre_assert_transform(
    value: AssertionRequest,
    identity: Identity = None,
    tenant: TenantContext | None = None,
    request_id: str | None = None,
    payload: Payload = NO_PAYLOAD,
) -> AssertionRequest:
    """Change an assertion before it is stored: normalise, redact, enrich.

    Called after validation. Plugins come first, so the node's own normalisation sees what they
    made of the request. A host should validate again if the request changed.

    Args:
        value: The assertion request, as the handler before left it.
        identity: Who asserts it.
        tenant: The tenant that the fact will belong to.
        request_id: The host's id of the request, for correlation.
        payload: All keywords of this fire, exactly as the host passed them.

    Returns:
        The request to go on with: a changed copy, or the one that came in. Never None.

    Raises:
        Exception: Stops the assertion, and is audited as a handler error.

    Example:
        >>> from stigmem_plugins.testing import TestPluginRegistry
        >>> def lower_case_entity(ctx, req, **_):
        ...     return {**req, "entity": req["entity"].lower()}
        >>> registry = TestPluginRegistry.with_hooks(pre_assert_transform=lower_case_entity)
        >>> registry.fire_filter_chain("pre_assert_transform", {"entity": "Project:Apollo"})
        {'entity': 'project:apollo'}
    """


@fire_and_forget(Band.PERSIST, HookOrdering.PLUGIN_ONLY)
def post_assert_persist(
    fact: FactRecord = None,
    identity: Identity = None,
    tenant: TenantContext | None = None,
    request_id: str | None = None,
    payload: Payload = NO_PAYLOAD,
) -> None:
    """Keep something beside a fact that was just stored: an index, a copy elsewhere.

    Called once the fact is in the node's own store.

    Args:
        fact: The stored fact, with its id; do not change it.
        identity: Who asserted it.
        tenant: The tenant that it belongs to.
        request_id: The host's id of the request, for correlation.
        payload: All keywords of this fire, exactly as the host passed them.

    Returns:
        Nothing; the fact stays stored whatever happens here.

    Raises:
        Exception: Logged and audited; the other handlers still run.

    Example:
        >>> from stigmem_plugins.testing import TestPluginRegistry
        >>> by_entity = {}
        >>> def index(ctx, *, fact, **_):
        ...     by_entity.setdefault(fact["entity"], []).append(fact["id"])
        >>> registry = TestPluginRegistry.with_hooks(post_assert_persist=index)
        >>> registry.fire_fire_and_forget(
        ...     "post_assert_persist", fact={"id": "f1", "entity": "project:apollo"}
        ... )
        >>> by_entity
        {'project:apollo': ['f1']}
    """


@fire_and_forget(Band.PERSIST, HookOrdering.PLUGIN_ONLY)
def post_assert_propagate(
    fact: FactRecord = None,
    identity: Identity = None,
    tenant: TenantContext | None = None,
    request_id: str | None = None,
    payload: Payload = NO_PAYLOAD,
) -> None:
    """Tell the outside of a new fact: subscribers, queues, caches.

    Called after the fact was stored. A handler that talks to a network should hand the work to
    a queue of its own: the caller waits for it otherwise.

    Args:
        fact: The stored fact; do not change it.
        identity: Who asserted it.
        tenant: The tenant that it belongs to; do not tell others' subscribers.
        request_id: The host's id of the request, for correlation.
        payload: All keywords of this fire, exactly as the host passed them.

    Returns:
        Nothing.

    Raises:
        Exception: Logged and audited; the other handlers still run.

    Example:
        >>> from stigmem_hookspecs import TenantContext
        >>> from stigmem_plugins.testing import TestPluginRegistry
        >>> outbox = []
        >>> def enqueue(ctx, *, fact, tenant, **_):
        ...     outbox.append((tenant.tenant_id, fact["id"]))
        >>> registry = TestPluginRegistry.with_hooks(post_assert_propagate=enqueue)
        >>> registry.fire_fire_and_forget(
        ...     "post_assert_propagate", fact={"id": "f1"}, tenant=TenantContext("acme")
        ... )
        >>> outbox
        [('acme', 'f1')]
    """


@fire_and_forget(Band.AUDIT, HookOrdering.CORE_ONLY_DEFAULT, strict=True)
def post_assert_audit(
    fact: FactRecord | None = None,
    req: AssertionRequest = None,
    identity: Identity = None,
    tenant: TenantContext | None = None,
    request_id: str | None = None,
    outcome: Outcome | None = None,
    payload: Payload = NO_PAYLOAD,
) -> None:
    """Record how an assertion ended: stored, denied or failed.

    Called at the end of every assertion, whatever its outcome; the node's own record comes
    first.

    Args:
        fact: The stored fact, or None if none was stored.
        req: The assertion as it was last; do not change it.
        identity: Who asserted it.
        tenant: The tenant concerned.
        request_id: The host's id of the request, for correlation.
        outcome: `Success()`, or `Failure(reason)`.
        payload: All keywords of this fire, exactly as the host passed them.

    Returns:
        Nothing.

    Raises:
        Exception: The other handlers still run; then the host gets a `PluginExecutionError`,
            because an assertion that cannot be audited must not pass silently.

    Example:
        >>> from stigmem_hookspecs import Failure
        >>> from stigmem_plugins.testing import TestPluginRegistry
        >>> refusals = []
        >>> def count_refusals(ctx, *, outcome, **_):
        ...     if isinstance(outcome, Failure):
        ...         refusals.append(outcome.reason)
        >>> registry = TestPluginRegistry.with_hooks(post_assert_audit=count_refusals)
        >>> registry.fire_fire_and_forget(
        ...     "post_assert_audit", fact=None, outcome=Failure("not your source")
        ... )
        >>> refusals
        ['not your source']
    """
