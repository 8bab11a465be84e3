"""Hooks in the life of a recall: facts on their way out of the node, to a caller."""

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

    Called before the query touches the store.

    Args:
        identity: Who asks.
        tenant: The tenant whose facts are asked for.
        request_id: The host's id of the request, for correlation.
        query: What is asked, as the host's query dict; do not change it here.
        payload: All keywords of this fire, exactly as the host passed them.

    Returns:
        `Allow()`, or `Deny(reason)`: the caller gets no facts and is told the reason.

    Raises:
        RejectError: Counts as `Deny` with its reason.
        Exception: Any other refuses the recall too, and is audited as a handler error.

    Example:
        >>> from stigmem_hookspecs import Allow, Deny
        >>> from stigmem_plugins.testing import TestPluginRegistry
        >>> def no_browsing(ctx, *, query, **_):
        ...     return Allow() if query.get("entity") else Deny("name an entity")
        >>> registry = TestPluginRegistry.with_hooks(pre_recall_authorize=no_browsing)
        >>> registry.fire_voting("pre_recall_authorize", query={"limit": 50})
        Deny(reason='name an entity')
    """


@filter_chain(Band.TRANSFORM, HookOrdering.PLUGINS_FIRST)
def pre_recall_rewrite(
    value: dict[str, Any],
    identity: Identity = None,
    tenant: TenantContext | None = None,
    request_id: str | None = None,
    payload: Payload = NO_PAYLOAD,
) -> dict[str, Any]:
    """Change a query before it runs: expand a name, narrow a scope, cap a limit.

    Called after the caller was authorised. Plugins come first, so limits that the node itself
    sets have the last word.

    Args:
        value: The query dict, as the handler before left it.
        identity: Who asks.
        tenant: The tenant whose facts are asked for.
        request_id: The host's id of the request, for correlation.
        payload: All keywords of this fire, exactly as the host passed them.

    Returns:
        The query to go on with, with every key that came in. Never None.

    Raises:
        Exception: Stops the recall, and is audited as a handler error.

    Example:
        >>> from stigmem_plugins.testing import TestPluginRegistry
        >>> def at_most_fifty(ctx, query, **_):
        ...     return {**query, "limit": min(query["limit"], 50)}
        >>> registry = TestPluginRegistry.with_hooks(pre_recall_rewrite=at_most_fifty)
        >>> registry.fire_filter_chain("pre_recall_rewrite", {"entity": "a", "limit": 500})
        {'entity': 'a', 'limit': 50}
    """


@filter_chain(Band.FILTER, HookOrdering.PLUGINS_FIRST)
def recall_filter(
    value: list[FactRecord],
    identity: Identity = None,
    tenant: TenantContext | None = None,
    request_id: str | None = None,
    payload: Payload = NO_PAYLOAD,
) -> list[FactRecord]:
    """Take facts out of a result that this caller shall not see.

    Called with what the store found, before ranking. Plugins come first, so a core filter
    sees, and can still remove, whatever they leave or add.

    Args:
        value: Fact records, as the handler before left them.
        identity: Who asked.
        tenant: The tenant whose facts these are.
        request_id: The host's id of the request, for correlation.
        payload: All keywords of this fire, exactly as the host passed them.

    Returns:
        The records to keep, as a list. An empty list hides all; None is an error.

    Raises:
        Exception: The caller gets nothing at all; audited as a handler error.

    Example:
        >>> from stigmem_plugins.testing import TestPluginRegistry
        >>> def hide_private(ctx, facts, *, identity=None, **_):
        ...     return [f for f in facts if f["scope"] != "private" or f["source"] == identity]
        >>> registry = TestPluginRegistry.with_hooks(recall_filter=hide_private)
        >>> found = [{"scope": "private", "source": "a"}, {"scope": "public", "source": "a"}]
        >>> registry.fire_filter_chain("recall_filter", found, identity="b")
        [{'scope': 'public', 'source': 'a'}]
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
    """Raise or lower the scores of facts in a result.

    Called after filtering. The changes of all handlers are summed by id, and the host adds the
    sums to its own scores.

    Args:
        value: Fact records, scored or not; a list of the handler's own.
        identity: Who asked.
        tenant: The tenant whose facts these are.
        request_id: The host's id of the request, for correlation.
        weights: The host's weights for the parts of a score, where it has any.
        depth: How many steps a graph recall went, where it is one.
        payload: All keywords of this fire, exactly as the host passed them.

    Returns:
        A finite change of score by fact id (str); {} for none. Ids that are not in the list are
        kept: the host may know them.

    Raises:
        Exception: Stops the recall, and is audited as a handler error.

    Example:
        >>> from stigmem_plugins.testing import TestPluginRegistry
        >>> def prefer_certain(ctx, facts, **_):
        ...     return {f["id"]: f["confidence"] - 0.5 for f in facts}
        >>> registry = TestPluginRegistry.with_hooks(recall_rank=prefer_certain)
        >>> registry.fire_score_delta("recall_rank", [{"id": "f1", "confidence": 0.75}])
        {'f1': 0.25}
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
    """Record who was given what.

    Called at the end of every recall, before the caller gets the answer.

    Args:
        result: The host's answer, or None if there was none; do not change it.
        identity: Who asked.
        tenant: The tenant whose facts were asked for.
        request_id: The host's id of the request, for correlation.
        outcome: `Success()`, or `Failure(reason)`.
        payload: All keywords of this fire, exactly as the host passed them.

    Returns:
        Nothing.

    Raises:
        Exception: The other handlers still run; then the host gets a `PluginExecutionError`,
            and should not answer: facts would leave the node unrecorded.

    Example:
        >>> from stigmem_hookspecs import Success
        >>> from stigmem_plugins.testing import TestPluginRegistry
        >>> reads = []
        >>> def log_read(ctx, *, identity, result, **_):
        ...     reads.append((identity, len(result["facts"])))
        >>> registry = TestPluginRegistry.with_hooks(post_recall_audit=log_read)
        >>> registry.fire_fire_and_forget(
        ...     "post_recall_audit",
        ...     identity="agent:a",
        ...     result={"facts": ["f1", "f2"]},
        ...     outcome=Success(),
        ... )
        >>> reads
        [('agent:a', 2)]
    """
