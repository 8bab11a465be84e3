"""Hooks in the life of a recall: a question to the node and the facts that answer it."""

from __future__ import annotations

from typing import Any

from stigmem_hookspecs.markers import (
    NO_PAYLOAD,
    Band,
    HookOrdering,
    Payload,
    filter_chain,
    fire_and_forget,
    score_delta,
    voting,
)
from stigmem_hookspecs.values import (
    FactRecord,
    Identity,
    Outcome,
    TenantContext,
    VotingDecision,
)


@voting(Band.AUTHZ, HookOrdering.CORE_FIRST)
def pre_recall_authorize(
    identity: Identity = None,
    tenant: TenantContext | None = None,
    request_id: str | None = None,
    query: dict[str, Any] | None = None,
    payload: Payload = NO_PAYLOAD,
) -> VotingDecision:
    """Decide whether this caller may ask this question.

    Called once per query, before it is rewritten or run. It is about the question: to hide
    single facts of the answer, use `recall_filter`. Core handlers vote before plugins.
    stigmem-node calls this hook, `pre_recall_rewrite`, `recall_filter` and `post_recall_audit` at
    `GET /v1/facts` alone: `POST /v1/recall` and routes that read one fact pass them by.

    Args:
        identity: Who asks, as `identity_resolve` left it.
        tenant: The tenant whose facts would be searched.
        request_id: The host's id of the request; the audit of this recall carries it too.
        query: The search terms by name, as the caller gave them; the host's, do not change it.
        payload: All keywords of this fire, exactly as the host passed them.

    Returns:
        `Allow()` to let the search run; `Deny(reason)` to answer with the reason instead of
        facts. Let it say nothing about what the search would have found.

    Raises:
        RejectError: Read as a `Deny` with the same reason.
        Exception: Ends the recall too: a question that cannot be checked is not answered.

    Example:
        >>> from stigmem_hookspecs import Allow, Deny
        >>> from stigmem_plugins.testing import TestPluginRegistry
        >>> def history_for_auditors(ctx, *, identity, query, **_):
        ...     asks_history = query.get("include_expired", False)
        ...     return Deny("auditors only") if asks_history and identity != "auditor" else Allow()
        >>> registry = TestPluginRegistry.with_hooks(pre_recall_authorize=history_for_auditors)
        >>> registry.fire_voting("pre_recall_authorize", identity="auditor", query={"entity": "a"})
        Allow()
    """


@filter_chain(Band.TRANSFORM, HookOrdering.PLUGINS_FIRST)
def pre_recall_rewrite(
    value: dict[str, Any],
    identity: Identity = None,
    tenant: TenantContext | None = None,
    request_id: str | None = None,
    payload: Payload = NO_PAYLOAD,
) -> dict[str, Any]:
    """Change what is searched for: resolve an alias, narrow a scope, lower a limit.

    Called after the recall is authorised and before it runs. Plugins rewrite first, then the
    node, whose own limits therefore hold whatever a plugin asks for.

    Args:
        value: The search terms by name, as the handler before left them; build a new dict.
        identity: Who asks.
        tenant: The tenant whose facts are searched; a rewrite does not move to another.
        request_id: The host's id of the request.
        payload: All keywords of this fire, without `value`.

    Returns:
        The terms to search with. Keep every key, also those that you do not know: the host
        reads them back one by one.

    Raises:
        PluginExecutionError: What the host gets if a handler fails; the search is not run,
            neither with the old terms nor with the new ones.

    Example:
        >>> from stigmem_plugins.testing import TestPluginRegistry
        >>> def at_most_fifty(ctx, value, **_):
        ...     return {**value, "limit": min(value["limit"], 50)}
        >>> registry = TestPluginRegistry.with_hooks(pre_recall_rewrite=at_most_fifty)
        >>> registry.fire_filter_chain("pre_recall_rewrite", {"entity": "ada", "limit": 500})
        {'entity': 'ada', 'limit': 50}
    """


@filter_chain(Band.FILTER, HookOrdering.PLUGINS_FIRST)
def recall_filter(
    value: list[FactRecord],
    identity: Identity = None,
    tenant: TenantContext | None = None,
    request_id: str | None = None,
    payload: Payload = NO_PAYLOAD,
) -> list[FactRecord]:
    """Take facts out of an answer, or mask parts of them.

    Called with what the search found, also if that is nothing, before ranking. Each handler sees
    only what those before it left, so a fact once dropped stays hidden; core handlers filter
    after the plugins. `pre_recall_authorize` says which requests come by here.

    Args:
        value: The facts found, in the host's order; the facts themselves are the host's.
        identity: Who will read the answer.
        tenant: The tenant that the facts belong to.
        request_id: The host's id of the request.
        payload: All keywords of this fire, without `value`.

    Returns:
        The facts to go on with, as a list; `[]`, not None, to hide them all. To mask part
        of a fact, put a changed copy in its place.

    Raises:
        PluginExecutionError: What the host gets if a handler fails. The caller then gets no
            answer rather than an unfiltered one.

    Example:
        >>> from stigmem_plugins.testing import TestPluginRegistry
        >>> def keep_private(ctx, value, *, identity=None, **_):
        ...     return [fact for fact in value if fact.get("owner") in (None, identity)]
        >>> registry = TestPluginRegistry.with_hooks(recall_filter=keep_private)
        >>> found = [{"id": "f1"}, {"id": "f2", "owner": "ada"}, {"id": "f3", "owner": "bob"}]
        >>> registry.fire_filter_chain("recall_filter", found, identity="bob")
        [{'id': 'f1'}, {'id': 'f3', 'owner': 'bob'}]
    """


@score_delta(Band.RANK, HookOrdering.PLUGINS_FIRST)
def recall_rank(
    value: list[FactRecord],
    identity: Identity = None,
    tenant: TenantContext | None = None,
    request_id: str | None = None,
    weights: Any = None,
    depth: int | None = None,
    payload: Payload = NO_PAYLOAD,
) -> dict[str, float]:
    """Move facts up or down in an answer.

    Called once the facts of an answer are chosen and, in a scored recall, have the host's
    scores. Handlers do not see each other's changes: the host gets the sum per fact, so
    order among handlers decides nothing.

    Args:
        value: The facts, bare or each as the `fact` of a scored result; the list is a copy
            of your own, its items are the host's.
        identity: Who will read the answer.
        tenant: The tenant that the facts belong to; hosts leave it out of scored recalls.
        request_id: The host's id of the request; left out like `tenant`.
        weights: How much each signal counts in the host's score; the host's, scored only.
        depth: How many hops from its starting points the recall went; scored only.
        payload: All keywords of this fire, without `value`.

    Returns:
        What to add to each fact's score, by fact id, in the units of the host's score (most
        often 0 to 1). Below zero moves down; a fact left out keeps its score; `{}` changes
        nothing. An id that is not in the list is kept in the sum.

    Raises:
        PluginExecutionError: What the host gets if a handler raises, an id is not a str, or
            a change is not a finite number.

    Example:
        >>> from types import SimpleNamespace as Fact
        >>> from stigmem_plugins.testing import TestPluginRegistry
        >>> def prefer_verified(ctx, value, **_):
        ...     facts = [getattr(item, "fact", item) for item in value]
        ...     return {fact.id: 0.25 for fact in facts if fact.verified}
        >>> registry = TestPluginRegistry.with_hooks(recall_rank=prefer_verified)
        >>> found = [Fact(id="f1", verified=False), Fact(id="f2", verified=True)]
        >>> registry.fire_score_delta("recall_rank", found, depth=2)
        {'f2': 0.25}
    """


@fire_and_forget(Band.AUDIT, HookOrdering.CORE_ONLY_DEFAULT, strict=True)
def post_recall_audit(
    result: Any = None,
    identity: Identity = None,
    tenant: TenantContext | None = None,
    request_id: str | None = None,
    outcome: Outcome | None = None,
    payload: Payload = NO_PAYLOAD,
) -> None:
    """Record who was told what.

    Called before an answer leaves the node, and when a vote refuses the query; not when it fails
    in between. The node records first and plugins after it; all of them run, even when one
    fails. `pre_recall_authorize` says which requests come by here.

    Args:
        result: The answer, filtered and ranked, in the host's own type; None if there is
            none. Do not change it: the caller gets this object.
        identity: Who asked.
        tenant: The tenant whose facts were searched.
        request_id: The host's id of the request, the same as in `pre_recall_authorize`.
        outcome: `Success()`, or `Failure(reason)` if the recall was refused.
        payload: All keywords of this fire, exactly as the host passed them.

    Returns:
        Nothing; the answer is what it is. To change it, use `recall_filter`.

    Raises:
        PluginExecutionError: What the host gets if a handler failed, once all of them ran. It
            can then keep back an answer of which there is no record.

    Example:
        >>> from stigmem_hookspecs import Failure
        >>> from stigmem_plugins.testing import TestPluginRegistry
        >>> refused = {}
        >>> def count_refusals(ctx, *, identity, outcome, **_):
        ...     refused[identity] = refused.get(identity, 0) + isinstance(outcome, Failure)
        >>> registry = TestPluginRegistry.with_hooks(post_recall_audit=count_refusals)
        >>> registry.fire_fire_and_forget("post_recall_audit", identity="b", outcome=Failure("no"))
        >>> refused
        {'b': 1}
    """
