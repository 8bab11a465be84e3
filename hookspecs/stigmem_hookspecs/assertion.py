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

    Called once per assertion, before anything looks at what the fact says. stigmem-node looks at
    the caller's own permission to write only afterwards: do not take it for settled here.

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

    Called once every `pre_assert_authorize` handler has allowed the assertion. Core handlers come
    first: a plugin sees only what they let through, and can be stricter. stigmem-node has none
    of them; it checks sizes, gardens and permissions once the assertion is transformed.

    Args:
        req: The assertion, not yet transformed; the host's, do not change it.
        identity: Who asserts it; no plugin that was asked has objected to that.
        tenant: The tenant whose rules for facts apply.
        request_id: The id that the audit record of this assertion will carry.
        payload: All keywords of this fire, exactly as the host passed them.

    Returns:
        `Allow()` if nothing is wrong with the content; `Deny(reason)` if something is. The
        host then reports an invalid assertion, so let the reason say how to correct it.

    Raises:
        RejectError: The same as `Deny`, handy from deep inside a parser.
        Exception: A validator that breaks accepts nothing: the assertion is refused.

    Example:
        >>> from stigmem_hookspecs import Allow
        >>> from stigmem_plugins import RejectError
        >>> from stigmem_plugins.testing import TestPluginRegistry
        >>> def born_is_a_year(ctx, *, req, **_):
        ...     if req["relation"] == "born" and not req["value"].isdigit():
        ...         raise RejectError("'born' takes a year, such as 1815")
        ...     return Allow()
        >>> registry = TestPluginRegistry.with_hooks(pre_assert_validate=born_is_a_year)
        >>> registry.fire_voting("pre_assert_validate", req={"relation": "born", "value": "May"})
        Deny(reason="'born' takes a year, such as 1815")
    """


@filter_chain(Band.TRANSFORM, HookOrdering.PLUGINS_FIRST)
def pre_assert_transform(
    value: AssertionRequest,
    identity: Identity = None,
    tenant: TenantContext | None = None,
    request_id: str | None = None,
    payload: Payload = NO_PAYLOAD,
) -> AssertionRequest:
    """Change an assertion before it is stored.

    Called after the last vote on it. Nothing votes on the result, but the node's own handlers
    run after those of plugins and have the last word on what is stored. It may yet be refused:
    stigmem-node looks at the caller's permission to write after this hook.

    Args:
        value: The assertion as the handler before left it; change a copy, not this object.
        identity: Who asserts it.
        tenant: The tenant that the fact will belong to; it cannot be changed here.
        request_id: The host's id of the request.
        payload: All keywords of this fire, without `value`.

    Returns:
        The assertion to store, of the type that came in; `value` itself to leave it alone.

    Raises:
        PluginExecutionError: What the host gets when a handler raises or returns None.
            Nothing is stored then, so catch what you can do without.

    Example:
        >>> from stigmem_plugins.testing import TestPluginRegistry
        >>> registry = TestPluginRegistry.with_hooks(
        ...     pre_assert_transform=lambda ctx, value, **_: {
        ...         **value, "relation": value["relation"].strip().lower()
        ...     }
        ... )
        >>> registry.fire_filter_chain("pre_assert_transform", {"relation": " Lives_In "})
        {'relation': 'lives_in'}
    """


@fire_and_forget(Band.PERSIST, HookOrdering.PLUGIN_ONLY)
def post_assert_persist(
    fact: FactRecord = None,
    identity: Identity = None,
    tenant: TenantContext | None = None,
    request_id: str | None = None,
    payload: Payload = NO_PAYLOAD,
) -> None:
    """Keep something of your own in step with the stored fact, such as an index.

    Called as soon as the fact is written. The host may still hold its transaction open: be
    quick, do not write to the node from here, and expect that the fact can yet be rolled
    back. To tell the outside world of a fact, use `post_assert_propagate`.

    Args:
        fact: The fact as written, with its id; the host's, do not change it.
        identity: Who asserted it.
        tenant: The tenant that it belongs to; keep what you derive from it apart by tenant.
        request_id: The host's id of the request.
        payload: All keywords of this fire, exactly as the host passed them.

    Returns:
        Nothing; a result is ignored. The fact cannot be stopped any more.

    Raises:
        Exception: Logged and audited; the other handlers still run and the fact stays.

    Example:
        >>> from stigmem_plugins.testing import TestPluginRegistry
        >>> class WordIndex(dict):
        ...     def add(self, ctx, *, fact, **_):
        ...         self.update(dict.fromkeys(fact["value"].split(), fact["id"]))
        >>> index = WordIndex()
        >>> registry = TestPluginRegistry.with_hooks(post_assert_persist=index.add)
        >>> registry.fire_fire_and_forget("post_assert_persist", fact={"id": 7, "value": "red hat"})
        >>> index
        {'red': 7, 'hat': 7}
    """


@fire_and_forget(Band.PERSIST, HookOrdering.PLUGIN_ONLY)
def post_assert_propagate(
    fact: FactRecord = None,
    identity: Identity = None,
    tenant: TenantContext | None = None,
    request_id: str | None = None,
    payload: Payload = NO_PAYLOAD,
) -> None:
    """Pass a stored fact on: to a queue, a webhook, another system.

    Called when storing has succeeded, after `post_assert_persist` and before the audit. The
    caller still waits for its answer, so hand slow work to a queue. The node registers
    nothing of its own here; plugins come in dependency order.

    Args:
        fact: The fact as the caller will get it back; the host's, do not change it.
        identity: Who asserted it.
        tenant: The tenant that it belongs to: check it before the fact leaves the node.
        request_id: The host's id of the request; a receiver can quote it when asking back.
        payload: All keywords of this fire, exactly as the host passed them.

    Returns:
        Nothing. There is no delivery receipt: keep one yourself if you need it.

    Raises:
        Exception: Logged and audited, never retried, and unseen by the caller.

    Example:
        >>> from functools import partial
        >>> from stigmem_plugins.testing import TestPluginRegistry
        >>> def enqueue(ctx, *, fact, queue, **_):
        ...     queue.append(f"{fact['id']} by {ctx.plugin_name}")
        >>> outbox = []
        >>> registry = TestPluginRegistry.with_hooks(
        ...     post_assert_propagate=partial(enqueue, queue=outbox)
        ... )
        >>> registry.fire_fire_and_forget("post_assert_propagate", fact={"id": "f1"})
        >>> outbox
        ['f1 by example-plugin']
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
    """Record how an assertion ended.

    Called at the end of an assertion that was stored, refused by a vote or refused by the host;
    not of one that ended with a handler's failure before it was to be stored. The node's own
    record is written first; plugins add theirs. This hook is strict: if a handler fails after
    the fact was stored, stigmem-node calls it again, with `Failure`, and the fact stays.

    Args:
        fact: The stored fact, or None if none was stored; the host's, do not change it.
        req: The assertion as far as it got: transformed, unless it was refused before that.
        identity: Who asserted it.
        tenant: The tenant in whose trail the record belongs.
        request_id: The host's id of the request, which ties this record to the host's logs.
        outcome: `Success()`, or `Failure(reason)` with the reason of the vote or the error.
        payload: All keywords of this fire, exactly as the host passed them.

    Returns:
        Nothing; to write to the node's own trail, use the handle of `audit.emit`.

    Raises:
        PluginExecutionError: What the host gets, after all handlers ran, if any of them
            failed: an assertion that could not be audited does not pass in silence.

    Example:
        >>> from stigmem_plugins.testing import TestPluginRegistry
        >>> def append_to_ledger(ctx, **_):
        ...     raise OSError("ledger is full")
        >>> registry = TestPluginRegistry.with_hooks(post_assert_audit=append_to_ledger)
        >>> registry.fire_fire_and_forget("post_assert_audit")  # doctest: +ELLIPSIS
        Traceback (most recent call last):
        stigmem_plugins.errors.PluginExecutionError: audit hook 'post_assert_audit': ...is full...
    """
