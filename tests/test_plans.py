"""What is compiled for a hook, when, and what it leaves to the fold."""

from __future__ import annotations

import threading
import traceback
from enum import Enum, StrEnum
from typing import Any

import pytest

from stigmem_plugins import (
    ALLOW_SINGLETON,
    HOOK_SPECS,
    Allow,
    Deny,
    HookRegistry,
    HookSemantic,
    PluginExecutionError,
    firing,
    hookimpl,
    outline,
    register_discovered_plugins,
)
from stigmem_plugins.plans import Plan
from stigmem_plugins.testing import TestPluginRegistry
from tests.support import allow, boom, deny, manifest

VOTE, CHAIN, SCORE, TELL = (
    "pre_assert_authorize",
    "recall_filter",
    "recall_rank",
    "post_assert_persist",
)


def named(ctx: Any, req: Any, *, identity: Any = "nobody") -> Any:
    return Deny(f"{req} {identity}") if req == "bad" else Allow()


def everything(_ctx: Any, **keywords: Any) -> Any:
    return Deny(repr(keywords)) if "deny" in keywords else Allow()


def registry_of(hook: str, *handlers: Any) -> TestPluginRegistry:
    return TestPluginRegistry(
        manifest(f"plugin-{number:03}", hooks={hook: handler})
        for number, handler in enumerate(handlers)
    )


def source(registry: HookRegistry, hook: str) -> str:
    """The plan of a hook as the command line prints it."""
    spec = HOOK_SPECS[hook]
    return Plan(spec, registry._dispatcher.handlers(hook), spec.keywords).get_source()


def test_a_plan_calls_each_handler_with_its_own_arguments() -> None:
    """By position where the signature has one, else by keyword; whose call it is stands beside."""
    registry = registry_of(VOTE, named, everything, lambda ctx: Allow())
    text = source(registry, VOTE)
    assert text.startswith("def pre_assert_authorize(payload, /):\n")
    assert "result = h0(c0, k_req, identity=k_identity)  # plugin-000.named" in text
    assert (
        "result = h1(c1, req=k_req, identity=k_identity, tenant=k_tenant, "
        "request_id=k_request_id)  # plugin-001.everything"
    ) in text
    assert "result = h2(c2)  # plugin-002.<lambda>" in text


def test_many_handlers_are_called_in_a_loop_for_each_way_to_call() -> None:
    """So that a plan does not grow without end."""
    handlers = [everything] * 70 + [named] * 2
    text = source(registry_of(VOTE, *handlers), VOTE)
    assert text.count("result = ") == 2
    assert "for at, handler, context in handlers[0:70]:  # plugin-000.everything" in text
    assert "for at, handler, context in handlers[70:72]:  # plugin-070.named" in text


@pytest.mark.parametrize("count", [1, 2, 64, 65, 100])
def test_the_number_of_handlers_changes_no_result(count: int) -> None:
    """One by one or in a loop, the last one counts, and a denial in the middle too."""
    votes = [allow] * count
    assert registry_of(VOTE, *votes).fire_voting(VOTE) is ALLOW_SINGLETON
    assert registry_of(VOTE, *votes, deny).fire_voting(VOTE) == Deny("no")
    links = [lambda ctx, value, **_: [*value, len(value)]] * count
    assert registry_of(CHAIN, *links).fire_filter_chain(CHAIN, []) == list(range(count))
    scores = [lambda ctx, value, **_: {"a": 1.0}] * count
    assert registry_of(SCORE, *scores).fire_score_delta(SCORE, []) == {"a": float(count)}


def test_a_loop_stops_at_a_bad_score() -> None:
    """And names the handler that gave it."""
    scores = [lambda ctx, value, **_: {"a": 1.0}] * 70
    registry = registry_of(SCORE, *scores, lambda ctx, value, **_: {"a": None}, *scores)
    with pytest.raises(PluginExecutionError, match=r"plugin-070\..*finite real numbers"):
        registry.fire_score_delta(SCORE, [])


def test_each_handler_gets_what_it_would_get_from_a_call_with_the_payload() -> None:
    """Whatever the payload's shape: usual, surplus, missing, or no identifier."""
    seen: list[Any] = []

    def link(ctx: Any, value: Any, *, identity: str = "default", **rest: Any) -> Any:
        seen.append((identity, rest))
        return value

    registry = registry_of(CHAIN, link)
    payloads: list[dict[str, Any]] = [
        {"identity": 1, "tenant": 2, "request_id": 3},
        {"identity": 1, "tenant": 2, "other": 3},
        {"identity": 1, "tenant": 2, "request_id": 3, "k_identity": 4, "at": 5},
        {"tenant": 2},
        {},
        {"class": 1, "not an identifier": 2, "": 3},
    ]
    for payload in payloads * 2:
        registry.fire_filter_chain(CHAIN, [], **payload)
    expected = [
        (payload.get("identity", "default"), {k: v for k, v in payload.items() if k != "identity"})
        for payload in payloads
    ]
    assert seen == expected * 2


def test_a_keyword_arrives_as_the_host_spelled_it() -> None:
    """Also one that Python's source would read as another, or not at all."""

    class Key(StrEnum):
        IDENTITY = "identity"

    class Mixed(str, Enum):  # noqa: UP042  # it prints as no StrEnum does
        TENANT = "tenant"

    seen: list[dict[str, Any]] = []
    registry = registry_of(TELL, lambda ctx, **keywords: seen.append(keywords))
    payloads: list[dict[str, Any]] = [
        {"__debug__": 1},
        {"\ufb01": 1, "fi": 2},
        {Key.IDENTITY: 1},
        {Mixed.TENANT: 1},
    ]
    for payload in payloads:
        registry.fire_fire_and_forget(TELL, **payload)
    assert seen == payloads


def test_hooks_whose_handlers_are_called_alike_share_one_code() -> None:
    """Whatever their keywords are called: compiling is most of what a freeze costs."""
    fires = []
    for hook in ("pre_assert_transform", "pre_recall_rewrite"):
        registry = registry_of(hook, lambda ctx, value, identity: value)
        fires.append(registry._dispatcher.fires[HookSemantic.FILTER_CHAIN][hook])
    other = registry_of(CHAIN, lambda ctx, value, tenant: value)
    fires.append(other._dispatcher.fires[HookSemantic.FILTER_CHAIN][CHAIN])
    assert len({fire.__code__.co_code for fire in fires}) == 1
    assert [fire.__globals__["K0"] for fire in fires] == ["identity", "identity", "tenant"]


def test_a_host_with_ever_new_keywords_does_not_fill_the_memory() -> None:
    """After some shapes of payload, further ones are fired without a plan, to the same effect."""
    seen: list[Any] = []
    registry = registry_of(TELL, lambda ctx, **keywords: seen.append(keywords))
    payloads = [{f"keyword_{number}": number} for number in range(firing.SHAPES + 5)]
    compiled = outline.compiled.cache_info().currsize
    for payload in payloads:
        registry.fire_fire_and_forget(TELL, **payload)
    assert seen == payloads
    assert outline.compiled.cache_info().currsize - compiled <= firing.SHAPES + 1


def test_scores_are_asked_for_anything_that_can_be_scored() -> None:
    """A list is copied; what is no list goes through the fold."""
    registry = registry_of(SCORE, lambda ctx, value, **_: {"n": float(len(value))})
    assert registry.fire_score_delta(SCORE, (1, 2)) == {"n": 2.0}
    assert registry.fire_score_delta(SCORE, {"a": 1}) == {"n": 1.0}


def test_scores_before_an_unusual_one_are_kept_and_none_counts_twice() -> None:
    """The fold goes on at the very change that the plan could not add."""
    registry = registry_of(
        SCORE,
        lambda ctx, value, **_: {"a": 1.0},
        lambda ctx, value, **_: {"a": 2.0, "b": 3, "c": 4.0},
        lambda ctx, value, **_: {"a": 5.0},
    )
    assert registry.fire_score_delta(SCORE, []) == {"a": 8.0, "b": 3.0, "c": 4.0}


def test_a_subclass_of_allow_allows() -> None:
    """And the handlers after it are asked."""

    class Permit(Allow):
        pass

    registry = registry_of(VOTE, lambda ctx: Permit(), deny)
    assert registry.fire_voting(VOTE) == Deny("no")


def test_a_traceback_shows_the_line_of_the_plan_and_the_plugin() -> None:
    """Whoever reads it sees whose call it was."""
    with pytest.raises(PluginExecutionError) as raised:
        registry_of(VOTE, allow, boom).fire_voting(VOTE, req=1, identity=2, tenant=3, request_id=4)
    text = "".join(traceback.format_exception(raised.value.__cause__))
    assert ", in pre_assert_authorize\n    result = h1(c1, req=k_req" in text
    assert "# plugin-001.boom" in text


def test_a_registration_is_seen_by_the_next_fire() -> None:
    """Of a plugin, a core handler, a native plugin, or taking one out again."""

    class Native:
        @hookimpl(tryfirst=True)
        def recall_filter(self, value: Any) -> Any:
            return [*value, "native"]

    def link(name: str) -> Any:
        return lambda ctx, value, **_: [*value, name]

    registry, native = HookRegistry(), Native()
    caller = registry.hook.recall_filter
    assert registry.fire_filter_chain(CHAIN, []) == []
    registry.register_plugin(manifest(hooks={CHAIN: link("plugin")}))
    assert registry.fire_filter_chain(CHAIN, []) == ["plugin"]
    registry.register_core_handler(CHAIN, link("core"), name="core.001")
    assert registry.fire_filter_chain(CHAIN, []) == ["plugin", "core"]
    registry.plugin_manager.register(native)
    assert registry.fire_filter_chain(CHAIN, []) == caller([]) == ["native", "plugin", "core"]
    registry.plugin_manager.unregister(native)
    assert registry.fire_filter_chain(CHAIN, []) == ["plugin", "core"]
    registry.freeze()
    assert registry.fire_filter_chain(CHAIN, []) == caller([]) == ["plugin", "core"]


@pytest.mark.parametrize("by", ["freeze", "start"])
def test_a_frozen_registry_has_all_its_plans_and_fires_without_a_lock(by: str) -> None:
    """Nothing is made, and nobody is waited for, in a request; however it was frozen."""
    registry = registry_of(VOTE, allow)
    live = registry.hook.pre_assert_authorize
    if by == "freeze":
        registry.freeze()
    else:
        register_discovered_plugins(registry=registry, discover=list, signing_required=False)
    assert registry.hook.pre_assert_authorize is not live
    tables = registry._dispatcher.fires.values()
    assert {hook for table in tables for hook in table} == set(HOOK_SPECS)
    with registry._dispatcher._lock:
        thread = threading.Thread(target=lambda: registry.fire_voting(VOTE), daemon=True)
        thread.start()
        thread.join(10)
        assert not thread.is_alive()


def test_registering_a_plugin_leaves_the_others_as_they_are(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A hundred registrations show pluggy a hundred plugins, not five thousand."""
    from stigmem_plugins.manager import Shims

    made: list[str] = []
    make = Shims.__init__

    def counted(shims: Shims, name: str, *handlers: Any, **options: Any) -> None:
        made.append(name)
        make(shims, name, *handlers, **options)

    monkeypatch.setattr(Shims, "__init__", counted)
    registry = HookRegistry()
    registry.register_core_handler("audit_emit", lambda ctx, **_: None, name="core.audit")
    for number in range(100):
        registry.register_plugin(manifest(f"plugin-{number:03}", hooks={VOTE: allow}))
    registry.freeze()
    assert len(made) <= 103
    assert len(registry.handlers_for(VOTE)) == 100


@pytest.mark.parametrize("frozen", [False, True])
def test_hooks_can_be_fired_by_their_names(frozen: bool) -> None:
    """As `fire_…` does, with keywords of any name."""
    registry = TestPluginRegistry.with_hooks(
        pre_assert_authorize=everything,
        recall_filter=lambda ctx, value, /, **keywords: [*value, keywords],
        recall_rank=lambda ctx, value, **_: {"a": 1.0},
        post_assert_persist=boom,
    )
    if frozen:
        registry.freeze()
    hook = registry.hook
    assert hook.pre_assert_authorize(req=1) is ALLOW_SINGLETON
    assert hook.pre_assert_authorize(deny=1, self=2) == Deny("{'deny': 1, 'self': 2}")
    assert hook.recall_filter([0], value=1, identity=2) == [0, {"value": 1, "identity": 2}]
    assert hook.recall_rank([]) == {"a": 1.0}
    hook.post_assert_persist(fact=1)
    assert registry.audit_events[-1].event_type == "plugin.handler_error"
    value = {"entity": "ada"}
    assert hook.pre_recall_rewrite(value, value=1, hook=2) is value
    assert hook.capability_check(identity=1, anything=2) is ALLOW_SINGLETON
    with pytest.raises(AttributeError, match="did you mean 'recall_filter'"):
        hook.recal_filter  # type: ignore[attr-defined]  # noqa: B018  # that is the mistake
