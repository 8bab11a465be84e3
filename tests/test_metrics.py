"""What a registry with metrics shows to Prometheus, and what one without them spares."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from typing import Any

import pytest
from prometheus_client import REGISTRY

from stigmem_plugins import (
    Deny,
    HookRegistry,
    ManifestError,
    PluginExecutionError,
    hookimpl,
)
from tests.support import allow, boom, deny, manifest, python

VOTE, CHAIN, SCORE, TELL = (
    "pre_assert_authorize",
    "recall_filter",
    "recall_rank",
    "post_assert_persist",
)


def shown(name: str, **labels: str) -> float:
    """What Prometheus would read now."""
    return REGISTRY.get_sample_value(f"stigmem_plugin_{name}", labels) or 0.0


def counted(act: Callable[[], object], name: str, **labels: str) -> float:
    """By how much something goes up."""
    before = shown(name, **labels)
    act()
    return shown(name, **labels) - before


def registry_of(hook: str, *handlers: Any) -> HookRegistry:
    """A registry with metrics and a plugin per handler."""
    registry = HookRegistry(emit_metrics=True)
    for number, handler in enumerate(handlers):
        registry.register_plugin(manifest(f"plugin-{number}", hooks={hook: handler}))
    return registry


def fire(registry: HookRegistry, hook: str) -> Any:
    """Fire one of the four hooks that are used here."""
    return {
        VOTE: lambda: registry.fire_voting(VOTE),
        CHAIN: lambda: registry.fire_filter_chain(CHAIN, []),
        SCORE: lambda: registry.fire_score_delta(SCORE, []),
        TELL: lambda: registry.fire_fire_and_forget(TELL),
    }[hook]()


ANSWERS: dict[str, Any] = {
    VOTE: allow,
    CHAIN: lambda _ctx, value, **_: value,
    SCORE: lambda _ctx, value, **_: {},
    TELL: lambda _ctx, **_: None,
}


@pytest.mark.parametrize("hook", ANSWERS)
@pytest.mark.parametrize(
    ("name", "labels", "times"),
    [
        ("hook_fire_total", {}, 1),
        ("hook_duration_seconds_count", {}, 1),
        ("handler_invocation_total", {"plugin": "plugin-1"}, 1),
        ("handler_duration_seconds_count", {"plugin": "plugin-1"}, 1),
        ("handler_invocation_total", {"plugin": "plugin-2"}, 0),
    ],
)
def test_each_fire_and_each_call_of_a_handler_is_counted_and_timed(
    hook: str, name: str, labels: dict[str, str], times: int
) -> None:
    """By hook, and by the plugin that the handler belongs to."""
    registry = registry_of(hook, ANSWERS[hook], ANSWERS[hook])
    assert counted(lambda: fire(registry, hook), name, hook=hook, **labels) == times


def test_durations_are_those_of_the_handler_and_of_the_fire_around_it() -> None:
    """In seconds."""

    def slow(_ctx: Any, **_: Any) -> None:
        time.sleep(0.02)

    registry = registry_of(TELL, slow, slow)
    handler = {"hook": TELL, "plugin": "plugin-0"}
    seconds = counted(lambda: fire(registry, TELL), "handler_duration_seconds_sum", **handler)
    assert 0.02 <= seconds < 2
    assert counted(lambda: fire(registry, TELL), "hook_duration_seconds_sum", hook=TELL) >= 0.04


def test_a_handler_that_fails_is_counted_by_the_type_of_its_error() -> None:
    """What it raised, or that it returned something wrong; its call counts too."""
    registry = registry_of(CHAIN, boom)
    labels = {"hook": CHAIN, "plugin": "plugin-0"}

    def failing() -> None:
        with pytest.raises(PluginExecutionError):
            fire(registry, CHAIN)

    assert counted(failing, "handler_error_total", **labels, error_type="ValueError") == 1
    assert counted(failing, "handler_invocation_total", **labels) == 1
    assert counted(failing, "handler_duration_seconds_count", **labels) == 1
    assert counted(failing, "hook_duration_seconds_count", hook=CHAIN) == 1
    wrong = registry_of(CHAIN, lambda _ctx, value, **_: None)
    registry = wrong
    labels["error_type"] = "PluginExecutionError"
    assert counted(failing, "handler_error_total", **labels) == 1


@pytest.mark.parametrize(("handler", "decision"), [(allow, "allow"), (deny, "deny")])
def test_votes_are_counted_by_their_decision(handler: Any, decision: str) -> None:
    """Once for the hook, however many handlers it has."""
    registry = registry_of(VOTE, allow, handler)
    act = lambda: fire(registry, VOTE)  # noqa: E731  # what is counted
    for each in ("allow", "deny"):
        times = counted(act, "voting_decision_total", hook=VOTE, decision=each)
        assert times == (each == decision)


def test_registrations_are_counted_with_the_reason_of_a_refusal() -> None:
    """And so many plugins are registered."""
    registry = HookRegistry(emit_metrics=True)

    def good() -> None:
        registry.register_plugin(manifest("alpha"))

    def twice() -> None:
        with pytest.raises(ManifestError):
            registry.register_plugin(manifest("alpha"))

    assert counted(good, "registration_total", outcome="success", reason="") == 1
    assert shown("registered_count") == 1
    assert counted(twice, "registration_total", outcome="failure", reason="duplicate") == 1
    assert shown("registered_count") == 1


def test_a_frozen_registry_shows_how_many_handlers_each_hook_has() -> None:
    """Core handlers too."""
    registry = registry_of(VOTE, allow, allow)
    registry.register_core_handler(VOTE, allow, name="core.001")
    registry.freeze()
    assert shown("handlers_per_hook", hook=VOTE) == 3
    assert shown("handlers_per_hook", hook=CHAIN) == 0


def test_awaited_handlers_are_timed_until_they_are_done() -> None:
    """Not until they have made a coroutine."""

    async def slow(_ctx: Any, **_: Any) -> Deny:
        await asyncio.sleep(0.02)
        return Deny("slowly")

    registry = registry_of(VOTE, slow)

    def awaited() -> None:
        assert asyncio.run(registry.afire_voting(VOTE)) == Deny("slowly")

    labels = {"hook": VOTE, "plugin": "plugin-0"}
    assert counted(awaited, "handler_duration_seconds_sum", **labels) >= 0.019
    assert counted(awaited, "hook_duration_seconds_sum", hook=VOTE) >= 0.019
    assert counted(awaited, "hook_fire_total", hook=VOTE) == 1
    assert counted(awaited, "voting_decision_total", hook=VOTE, decision="deny") == 1


@pytest.mark.parametrize("wrapped", [False, True])
def test_native_plugins_are_counted_under_the_name_that_pluggy_has(wrapped: bool) -> None:
    """Also where a hookwrapper sends the fire through pluggy."""

    class Native:
        @hookimpl
        def recall_filter(self, value: Any) -> Any:
            return [*value, "native"]

    class Wrapper:
        @hookimpl(wrapper=True)
        def recall_filter(self) -> Any:
            return (yield)

    registry = registry_of(CHAIN, ANSWERS[CHAIN])
    registry.plugin_manager.register(Native(), name="native")
    if wrapped:
        registry.plugin_manager.register(Wrapper(), name="wrapper")
    act = lambda: fire(registry, CHAIN)  # noqa: E731  # what is counted
    assert fire(registry, CHAIN) == ["native"]
    for plugin in ("native", "plugin-0"):
        assert counted(act, "handler_invocation_total", hook=CHAIN, plugin=plugin) == 1


def test_a_fire_that_nobody_handles_is_counted_too() -> None:
    """However it is fired."""
    registry = registry_of(CHAIN)
    registry.freeze()
    act = lambda: registry.hook.recall_filter([])  # noqa: E731  # what is counted
    assert counted(act, "hook_fire_total", hook=CHAIN) == 1


def test_a_registry_without_metrics_counts_nothing() -> None:
    """Even where another has them."""
    registry_of(VOTE)
    registry = HookRegistry()
    registry.register_plugin(manifest(hooks={VOTE: allow}))
    assert counted(lambda: fire(registry, VOTE), "hook_fire_total", hook=VOTE) == 0


def test_prometheus_is_imported_only_for_metrics() -> None:
    """A node that does not turn them on need not have it."""
    ran = python("""
        import sys
        sys.modules["prometheus_client"] = None
        from stigmem_plugins import HookRegistry
        HookRegistry().freeze()
        """)
    assert (ran.returncode, ran.stderr) == (0, "")


def test_metrics_without_the_client_are_an_error_that_says_what_to_install() -> None:
    """When the registry is made, not when something is fired."""
    ran = python("""
        import sys
        sys.modules["prometheus_client"] = None
        from stigmem_plugins import HookRegistry, StigmemPluginError
        try:
            HookRegistry(emit_metrics=True)
        except StigmemPluginError as error:
            print(error)
        """)
    assert "install stigmem-plugins[prometheus]" in ran.stdout


def test_names_that_are_taken_are_an_error_and_no_traceback_of_prometheus() -> None:
    """Prometheus takes a name once in a process."""
    ran = python("""
        from prometheus_client import Counter
        from stigmem_plugins import HookRegistry, StigmemPluginError
        Counter("stigmem_plugin_hook_fire_total", "Somebody else's.")
        try:
            HookRegistry(emit_metrics=True)
        except StigmemPluginError as error:
            print(error)
        """)
    assert "something else has their names" in ran.stdout
    assert "stigmem_plugin_hook_fire" in ran.stdout
