"""Hookwrappers and monitors: such hooks go through pluggy's own call, and mean the same."""

from __future__ import annotations

from collections.abc import Generator
from typing import Any

import pytest
from pluggy import PluginValidationError, Result

from stigmem_plugins import (
    ALLOW_SINGLETON,
    Allow,
    Deny,
    HookRegistry,
    PluginExecutionError,
    RegistryFrozenError,
    hookimpl,
)
from stigmem_plugins.testing import TestPluginRegistry
from tests.support import allow, boom, deny, manifest

VOTE, CHAIN, SCORE, TELL, STRICT = (
    "pre_assert_authorize",
    "recall_filter",
    "recall_rank",
    "post_assert_persist",
    "post_assert_audit",
)


def link(name: str) -> Any:
    return lambda ctx, value, **_: [*value, name]


def wrapped(registry: HookRegistry, **wrappers: Any) -> HookRegistry:
    """The registry, with a native plugin of hookwrappers added."""
    plugin = type("Wrapping", (), {})()
    for hook, wrapper in wrappers.items():
        setattr(plugin, hook, hookimpl(wrapper, wrapper=True))
    registry.plugin_manager.register(plugin, name="wrapping")
    return registry


def test_a_wrapper_surrounds_the_handlers_and_sees_their_results() -> None:
    """Newest plugins inside, native ones and core handlers too, each in its place."""
    seen: list[Any] = []

    def watch(value: Any, tenant: Any, payload: Any) -> Generator[None, Any, Any]:
        results = yield
        seen.append((value, tenant, dict(payload), results))
        return results

    class Native:
        @hookimpl
        def recall_filter(self, value: Any, payload: Any) -> Any:
            return [*value, sorted(payload)]

    registry = HookRegistry()
    registry.register_plugin(manifest("alpha", hooks={CHAIN: link("alpha")}))
    registry.register_core_handler(CHAIN, link("core"), name="core.001")
    registry.plugin_manager.register(Native(), name="native")
    wrapped(registry, recall_filter=watch)
    final = [["other", "tenant"], "alpha", "core"]
    assert registry.fire_filter_chain(CHAIN, [], tenant="t", other=1) == final
    steps = [final[:1], final[:2], final[:3]]
    assert seen == [([], "t", {"tenant": "t", "other": 1}, steps)]
    assert [entry.plugin_name for entry in registry.handlers_for(CHAIN)] == [
        "native",
        "alpha",
        "core",
    ]


def test_an_old_style_wrapper_works_too() -> None:
    """`hookwrapper=True`, with a Result."""
    seen: list[Any] = []

    class Wrapping:
        @hookimpl(hookwrapper=True)
        def pre_assert_authorize(self) -> Generator[None, Result[Any], None]:
            outcome = yield
            seen.append(outcome.get_result())

    registry = TestPluginRegistry.with_hooks(pre_assert_authorize=deny)
    registry.plugin_manager.register(Wrapping())
    assert registry.fire_voting(VOTE) == Deny("no")
    assert seen == [[Deny("no")]]


def test_nobody_is_asked_after_a_denial_under_a_wrapper_either() -> None:
    """pluggy would go on."""
    asked: list[str] = []
    registry = TestPluginRegistry(
        [
            manifest("alpha", hooks={VOTE: deny}),
            manifest("beta", hooks={VOTE: lambda ctx, **_: asked.append("beta")}),
        ]
    )

    def overrule() -> Generator[None, Any, Any]:
        yield
        return [ALLOW_SINGLETON]

    wrapped(registry, pre_assert_authorize=overrule)
    assert registry.fire_voting(VOTE) == Deny("no")
    assert asked == []
    assert [e.event_type for e in registry.audit_events[2:]] == ["plugin.handler_denied"]


def test_a_wrapper_can_deny_what_handlers_allow() -> None:
    """What it makes of the results is judged like the results of a handler."""

    def stricter() -> Generator[None, Any, Any]:
        results = yield
        return [*results, Deny("wrapped")]

    registry = TestPluginRegistry.with_hooks(pre_assert_authorize=allow)
    wrapped(registry, pre_assert_authorize=stricter)
    assert registry.fire_voting(VOTE) == Deny("wrapped")
    assert registry.audit_events[-1].metadata["handler_name"] == "hookwrapper of wrapping"


def test_what_a_wrapper_makes_of_scores_is_checked() -> None:
    """No number passes unseen."""

    def worse(value: Any) -> Generator[None, Any, Any]:
        results = yield
        return [*results, {"b": float("nan")}]

    registry = TestPluginRegistry.with_hooks(recall_rank=lambda ctx, value, **_: {"a": 1})
    wrapped(registry, recall_rank=worse)
    with pytest.raises(PluginExecutionError, match=r"hookwrapper of wrapping.*finite"):
        registry.fire_score_delta(SCORE, [])


def test_a_wrapper_cannot_swallow_a_failure() -> None:
    """A chain that failed does not pass the value on."""

    def swallow(value: Any) -> Generator[None, Any, Any]:
        try:
            yield
        except PluginExecutionError:
            return [value]

    registry = TestPluginRegistry.with_hooks(recall_filter=boom)
    wrapped(registry, recall_filter=swallow)
    with pytest.raises(PluginExecutionError, match=r"example-plugin\.boom.*ValueError: boom"):
        registry.fire_filter_chain(CHAIN, [])


@pytest.mark.parametrize("hook", [VOTE, STRICT])
def test_a_failing_wrapper_fails_closed_and_is_named(hook: str) -> None:
    """Audited like a handler."""

    def broken() -> Generator[None, Any, Any]:
        yield
        raise ValueError("broken")

    registry = TestPluginRegistry()
    wrapped(registry, **{hook: broken})
    with pytest.raises(PluginExecutionError, match=r"hookwrapper of wrapping.*ValueError: broken"):
        getattr(registry.hook, hook)()
    assert registry.audit_events[-1].metadata["plugin_name"] == "wrapping"


@pytest.mark.parametrize("when", ["before", "after"])
@pytest.mark.parametrize("hook", [TELL, STRICT])
def test_listeners_are_told_whatever_becomes_of_a_wrapper(
    hook: str, when: str, caplog: pytest.LogCaptureFixture
) -> None:
    """Each once; the wrapper's failure is logged, and on a strict hook raised, as a listener's."""
    told: list[str] = []

    def broken() -> Generator[None, Any, Any]:
        if when == "after":
            yield
        raise ValueError("broken")

    registry = TestPluginRegistry.with_hooks(**{hook: lambda ctx, **_: told.append("told")})
    wrapped(registry, **{hook: broken})
    if hook == STRICT:
        with pytest.raises(PluginExecutionError, match=r"audit hook.*hookwrapper of wrapping"):
            registry.fire_fire_and_forget(hook)
    else:
        registry.fire_fire_and_forget(hook)
        assert "hookwrapper of wrapping" in caplog.text
    assert told == ["told"]


def test_a_broken_wrapper_of_audit_emit_undoes_no_registration_and_no_denial() -> None:
    """What the layer's own events report stands; the failure is counted."""

    def broken(event: Any) -> Generator[None, Any, Any]:
        yield from ()
        raise ValueError(event)

    registry = TestPluginRegistry()
    wrapped(registry, audit_emit=broken)
    registry.register_plugin(manifest(hooks={VOTE: deny}))
    assert registry.fire_voting(VOTE) == Deny("no")
    assert registry.audit_failures == 2
    told = [event.event_type for event in registry.audit_events]
    assert told == ["plugin.registered", "plugin.handler_denied"]


def test_listeners_are_all_told_and_a_strict_failure_is_raised() -> None:
    """The results of listeners are nobody's, under a wrapper as well."""
    told: list[str] = []

    def watch() -> Generator[None, Any, Any]:
        return (yield)

    hooks: list[Any] = [boom, lambda ctx, **_: told.append("told")]
    registry = TestPluginRegistry(
        manifest(f"plugin-{number}", hooks={TELL: hook, STRICT: hook})
        for number, hook in enumerate(hooks)
    )
    wrapped(registry, post_assert_persist=watch, post_assert_audit=watch)
    registry.fire_fire_and_forget(TELL)
    with pytest.raises(PluginExecutionError, match="audit hook 'post_assert_audit'"):
        registry.fire_fire_and_forget(STRICT)
    assert told == ["told", "told"]


def test_two_wrappers_of_one_native_plugin_are_both_called() -> None:
    """pluggy allows several implementations of a hook under one name."""
    seen: list[str] = []

    class Wrapping:
        @hookimpl(wrapper=True, specname="capability_check")
        def one(self) -> Generator[None, Any, Any]:
            seen.append("one")
            return (yield)

        @hookimpl(wrapper=True, specname="capability_check")
        def two(self) -> Generator[None, Any, Any]:
            seen.append("two")
            return (yield)

    registry = HookRegistry()
    registry.plugin_manager.register(Wrapping())
    assert registry.fire_voting("capability_check") is ALLOW_SINGLETON
    assert sorted(seen) == ["one", "two"]


def test_a_native_implementation_that_forgot_to_say_that_it_wraps_is_refused() -> None:
    """pluggy would call it, and nothing of it would run."""

    class Forgetful:
        @hookimpl
        def post_assert_audit(self) -> Generator[None, Any, Any]:
            yield

    with pytest.raises(PluginValidationError, match=r"has a yield: mark it.*wrapper=True"):
        HookRegistry().plugin_manager.register(Forgetful())


@pytest.mark.parametrize("surplus", [{}, {"class": 1}])
def test_a_native_implementation_cannot_change_what_others_are_given(surplus: Any) -> None:
    """However the payload is passed on: its mapping is a copy."""

    class Forging:
        @hookimpl(tryfirst=True)
        def pre_assert_authorize(self, payload: Any) -> Allow:
            payload["identity"] = "agent:admin"
            return Allow()

    registry = TestPluginRegistry.with_hooks(
        pre_assert_authorize=lambda ctx, *, identity, **_: Deny(identity)
    )
    registry.plugin_manager.register(Forging())
    assert registry.fire_voting(VOTE, identity="agent:a", **surplus) == Deny("agent:a")


def test_a_monitor_that_raises_is_named() -> None:
    """There is no wrapper then that could be to blame."""

    def broken(*_: Any) -> None:
        raise ValueError("broken")

    registry = TestPluginRegistry()
    registry.plugin_manager.add_hookcall_monitoring(broken, lambda *_: None)
    with pytest.raises(PluginExecutionError, match=r"'hook call monitor' failed.*broken"):
        registry.fire_voting(VOTE)


def test_monitors_see_every_fire_until_they_are_taken_back() -> None:
    """Before and after, with the implementations; then plans fire again."""
    seen: list[Any] = []
    registry = TestPluginRegistry.with_hooks(pre_assert_authorize=deny)
    undo = registry.plugin_manager.add_hookcall_monitoring(
        lambda name, impls, keywords: seen.append((name, [i.plugin_name for i in impls])),
        lambda outcome, name, impls, keywords: seen.append(outcome.get_result()),
    )
    assert registry.fire_voting(VOTE, identity="a") == Deny("no")
    assert seen[:1] == [(VOTE, ["example-plugin"])]
    assert [Deny("no")] in seen
    assert ("audit_emit", ["core.000.recorder (audit_emit)"]) in seen
    undo()
    undo()
    seen.clear()
    assert registry.fire_voting(VOTE) == Deny("no")
    assert seen == []


def test_tracing_works_and_a_frozen_registry_takes_no_new_monitor() -> None:
    """What fires are made of is settled then."""
    registry = TestPluginRegistry.with_hooks(pre_assert_authorize=allow)
    lines: list[str] = []
    registry.plugin_manager.trace.root.setwriter(lines.append)
    undo = registry.plugin_manager.enable_tracing()
    registry.fire_voting(VOTE, identity="agent:a")
    assert "agent:a" in "".join(lines)
    registry.freeze()
    undo()
    lines.clear()
    assert registry.fire_voting(VOTE) is ALLOW_SINGLETON
    assert registry.hook.pre_assert_authorize() is ALLOW_SINGLETON
    assert lines == []
    with pytest.raises(RegistryFrozenError, match="a hook call monitor"):
        registry.plugin_manager.enable_tracing()
