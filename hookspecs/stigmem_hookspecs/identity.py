"""Hooks that settle who is asking, for which tenant, and what they may do."""

from __future__ import annotations

from stigmem_hookspecs.markers import (
    NO_PAYLOAD,
    Band,
    HookOrdering,
    Payload,
    filter_chain,
    voting,
)
from stigmem_hookspecs.values import Identity, TenantContext, VotingDecision


@filter_chain(Band.AUTHN, HookOrdering.CORE_FIRST)
def identity_resolve(
    value: Identity,
    raw_credentials: str | None = None,
    payload: Payload = NO_PAYLOAD,
) -> Identity:
    """Refine who is asking: add groups, map an external account to a local one.

    Called for each request once the host has checked its credentials, not for peers with a token
    of the federation. The node's handlers come first, so what a plugin returns is what all later
    hooks get as `identity`.

    Args:
        value: The identity that the host established, as the handler before left it; change
            a copy, since hosts may share one object among requests.
        raw_credentials: What the caller presented, as text; None for an anonymous caller.
            It is a secret: do not log, keep or forward it.
        payload: All keywords of this fire, without `value`; it holds the secret as well.

    Returns:
        The identity that the request runs as. The host does not check it again: returning
        another one is a complete change of who the caller is.

    Raises:
        PluginExecutionError: What the host gets if a handler fails. The request goes no
            further, not even as the unrefined identity.

    Example:
        >>> from stigmem_plugins.testing import TestPluginRegistry
        >>> groups = {"agent:ada": ["editors"]}
        >>> registry = TestPluginRegistry.with_hooks(
        ...     identity_resolve=lambda ctx, value, **_: value | {"groups": groups[value["uri"]]}
        ... )
        >>> registry.fire_filter_chain("identity_resolve", {"uri": "agent:ada"})
        {'uri': 'agent:ada', 'groups': ['editors']}
    """


@filter_chain(Band.AUTHN, HookOrdering.CORE_FIRST)
def tenant_resolve(
    value: TenantContext,
    identity: Identity = None,
    payload: Payload = NO_PAYLOAD,
) -> TenantContext:
    """Choose the tenant on whose behalf a request runs.

    Called directly after `identity_resolve`, with the node's default tenant. Core comes
    first and plugins after it: where several plugins choose, the choice of the last counts.

    Args:
        value: The tenant chosen so far; immutable, `attrs.evolve` makes a changed copy.
        identity: Who is asking, fully resolved; the host's, do not change it.
        payload: All keywords of this fire, without `value`.

    Returns:
        The tenant whose facts the request reads and writes, which every later hook gets as
        `tenant`. A host may put its default tenant in place of an id that it does not accept.

    Raises:
        PluginExecutionError: What the host gets if a handler fails, so that nobody ends up
            among the facts of the wrong tenant.

    Example:
        >>> import attrs
        >>> from stigmem_hookspecs import TenantContext
        >>> from stigmem_plugins.testing import TestPluginRegistry
        >>> def by_domain(ctx, value, *, identity, **_):
        ...     return attrs.evolve(value, tenant_id=identity.partition("@")[2] or value.tenant_id)
        >>> registry = TestPluginRegistry.with_hooks(tenant_resolve=by_domain)
        >>> default = TenantContext("default")
        >>> registry.fire_filter_chain("tenant_resolve", default, identity="ada@acme").tenant_id
        'acme'
    """


@voting(Band.AUTHZ, HookOrdering.CORE_FIRST)
def capability_check(
    identity: Identity = None,
    capability: str | None = None,
    tenant: TenantContext | None = None,
    payload: Payload = NO_PAYLOAD,
) -> VotingDecision:
    """Decide whether a caller may use one of their permissions now.

    Called whenever the node is about to rely on a permission that the caller holds, which can
    be several times in a request: answer from memory. It can only take away; a permission
    that the caller lacks is not voted on. It is not about the capabilities of plugins.

    Args:
        identity: Who wants to use it; the host's, do not change it.
        capability: The permission by name, such as `write` or `federate`.
        tenant: The tenant that the caller belongs to.
        payload: All keywords of this fire, exactly as the host passed them.

    Returns:
        `Allow()` to let the permission count; `Deny(reason)` to treat the caller as not
        having it. The reason is for the audit trail: hosts need not show it.

    Raises:
        RejectError: Takes the permission away for this once, with its reason.
        Exception: Fails the request that needed the permission.

    Example:
        >>> from stigmem_hookspecs import Allow, Deny, TenantContext
        >>> from stigmem_plugins.testing import TestPluginRegistry
        >>> frozen = {"acme"}
        >>> def no_writes_while_frozen(ctx, *, capability, tenant, **_):
        ...     blocked = capability == "write" and tenant.tenant_id in frozen
        ...     return Deny(f"{tenant.tenant_id} is read-only") if blocked else Allow()
        >>> registry = TestPluginRegistry.with_hooks(capability_check=no_writes_while_frozen)
        >>> acme = TenantContext("acme")
        >>> registry.fire_voting("capability_check", capability="write", tenant=acme)
        Deny(reason='acme is read-only')
    """
