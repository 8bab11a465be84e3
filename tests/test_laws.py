"""Laws that hold for all plugins, as properties."""

from __future__ import annotations

import random
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from stigmem_plugins import Allow, Deny, HookRegistry
from stigmem_plugins.ordering import dependency_order
from tests.support import manifest

VOTES = st.lists(st.sampled_from([Allow(), Deny("a"), Deny("b")]), max_size=6)
DELTAS = st.lists(
    st.dictionaries(st.sampled_from("xyz"), st.floats(-1e6, 1e6), max_size=3), max_size=6
)
STEPS = st.lists(st.integers(-5, 5), max_size=6)


def registry_of(hook: str, results: list[Any]) -> HookRegistry:
    """A plugin for each result, whose handler returns it."""
    registry = HookRegistry()
    for number, result in enumerate(results):
        handler = lambda ctx, *args, result=result, **_: result  # noqa: E731  # bound per plugin
        registry.register_plugin(manifest(f"plugin-{number:03}", hooks={hook: handler}))
    return registry


def chain_of(steps: list[int]) -> HookRegistry:
    """A plugin for each step, whose handler appends to the value and adds to its sum."""
    registry = HookRegistry()
    for number, step in enumerate(steps):
        handler = lambda ctx, value, step=step, **_: (value[0] * 2 + step, *value)  # noqa: E731
        registry.register_plugin(manifest(f"plugin-{number:03}", hooks={"recall_filter": handler}))
    return registry


@st.composite
def graphs(draw: st.DrawFn) -> dict[str, frozenset[str]]:
    """An acyclic dependency graph over shuffled names."""
    labels = draw(st.lists(st.text("abc", min_size=3, max_size=5), unique=True, max_size=8))
    return {
        label: frozenset(draw(st.sets(st.sampled_from(labels[:index])))) if index else frozenset()
        for index, label in enumerate(labels)
    }


@given(VOTES, st.sampled_from([Allow(), Deny("late")]))
def test_a_further_voter_never_turns_deny_into_allow(votes: list[Any], further: Any) -> None:
    """Plugins can only take away."""
    before = registry_of("pre_assert_authorize", votes).fire_voting("pre_assert_authorize")
    after = registry_of("pre_assert_authorize", [*votes, further]).fire_voting(
        "pre_assert_authorize"
    )
    if isinstance(before, Deny):
        assert after == before
    else:
        assert after == further


@given(st.integers(), st.integers(0, 5))
def test_a_chain_of_identities_is_the_identity(value: int, length: int) -> None:
    """And so is the empty chain."""
    registry = HookRegistry()
    for number in range(length):
        registry.register_plugin(
            manifest(f"plugin-{number}", hooks={"recall_filter": lambda ctx, value, **_: value})
        )
    assert registry.fire_filter_chain("recall_filter", value) == value


@given(DELTAS, st.randoms(use_true_random=False))
def test_merging_does_not_depend_on_the_order_of_handlers(
    deltas: list[Any], shuffler: random.Random
) -> None:
    """Within 1e-9 relative to the magnitudes summed."""
    shuffled = deltas[:]
    shuffler.shuffle(shuffled)
    one = registry_of("recall_rank", deltas).fire_score_delta("recall_rank", [])
    other = registry_of("recall_rank", shuffled).fire_score_delta("recall_rank", [])
    assert one.keys() == other.keys()
    for key, total in one.items():
        magnitude = sum(abs(delta.get(key, 0.0)) for delta in deltas)
        assert abs(total - other[key]) <= 1e-9 * magnitude


@given(graphs(), st.randoms(use_true_random=False))
def test_dispatch_order_is_the_topological_order_for_every_admissible_registration(
    graph: dict[str, frozenset[str]], shuffler: random.Random
) -> None:
    """Among the plugins that are ready, always the smallest name next."""
    expected: list[str] = []
    placed: set[str] = set()
    while len(expected) < len(graph):
        ready = [n for n, needs in graph.items() if n not in placed and needs <= placed]
        expected.append(min(ready))
        placed.add(expected[-1])
    assert list(dependency_order(graph)) == expected
    registry, waiting = HookRegistry(), list(graph)
    while waiting:
        ready = [name for name in waiting if graph[name] <= registry.registered_plugins()]
        name = shuffler.choice(ready)
        waiting.remove(name)
        handler = lambda ctx, value, name=name, **_: [*value, name]  # noqa: E731  # per plugin
        registry.register_plugin(
            manifest(name, hooks={"recall_filter": handler}, depends_on=graph[name])
        )
        registry.fire_filter_chain("recall_filter", [])
    assert registry.fire_filter_chain("recall_filter", []) == expected


@given(STEPS)
def test_freezing_changes_no_result(steps: list[int]) -> None:
    """It only ends registration."""
    registry = chain_of(steps)
    before = registry.fire_filter_chain("recall_filter", (1,))
    registry.freeze()
    assert registry.fire_filter_chain("recall_filter", (1,)) == before


@given(VOTES)
def test_a_vote_is_the_first_deny_of_pluggys_own_call(votes: list[Any]) -> None:
    """pluggy calls every shim and lists the results in call order."""
    registry = registry_of("pre_assert_authorize", votes)
    listed = registry.plugin_manager.hook.pre_assert_authorize(payload={})
    assert listed == votes
    denied = [vote for vote in listed if isinstance(vote, Deny)]
    assert registry.fire_voting("pre_assert_authorize") == (denied[0] if denied else Allow())


@given(STEPS)
def test_a_chain_is_pluggys_own_call_of_one_plugin_after_the_other(steps: list[int]) -> None:
    """Each call goes through pluggy with all the other plugins left out."""
    registry, value = chain_of(steps), (1,)
    manager = registry.plugin_manager
    by_name = dict(manager.list_name_plugin())
    for entry in registry.handlers_for("recall_filter"):
        others = [plugin for name, plugin in by_name.items() if name != entry.plugin_name]
        (value,) = manager.subset_hook_caller("recall_filter", others)(value=value, payload={})
    assert registry.fire_filter_chain("recall_filter", (1,)) == value


@given(DELTAS)
def test_merged_scores_are_the_sums_of_pluggys_own_call(deltas: list[Any]) -> None:
    """Added in call order."""
    registry = registry_of("recall_rank", deltas)
    listed = registry.plugin_manager.hook.recall_rank(value=[], payload={})
    assert listed == deltas
    sums: dict[str, float] = {}
    for delta in listed:
        for key, amount in delta.items():
            sums[key] = sums.get(key, 0.0) + amount
    assert registry.fire_score_delta("recall_rank", []) == sums


@given(st.lists(st.integers(), max_size=6))
def test_listeners_are_told_as_pluggys_own_call_tells_them(numbers: list[int]) -> None:
    """In the same sequence, with the same keywords."""
    told: list[Any] = []
    registry = HookRegistry()
    for index, number in enumerate(numbers):
        handler = lambda ctx, number=number, **kw: told.append((number, kw))  # noqa: E731
        registry.register_plugin(
            manifest(f"plugin-{index:03}", hooks={"post_assert_persist": handler})
        )
    registry.fire_fire_and_forget("post_assert_persist", fact="f")
    ours = told[:]
    told.clear()
    registry.plugin_manager.hook.post_assert_persist(payload={"fact": "f"})
    assert ours == told == [(number, {"fact": "f"}) for number in numbers]
