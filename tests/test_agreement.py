"""Whatever way a hook is fired, it means the same: plan, loop, pluggy's own call, and awaited."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from stigmem_plugins import (
    HOOK_SPECS,
    Allow,
    Deny,
    Migration,
    PluginExecutionError,
    RejectError,
    hookimpl,
    plans,
)
from stigmem_plugins.relay import Relay
from stigmem_plugins.testing import TestPluginRegistry
from tests.support import manifest

NAMES = [
    *("r", "exc", "self", "hook", "value", "payload", "ctx", "identity", "tenant", "request_id"),
    *(
        "at",
        "h0",
        "c0",
        "k_r",
        "k0",
        "K0",
        "result",
        "error",
        "totals",
        "other",
        "ALLOW",
        "weights",
        "depth",
    ),
]
ERRORS = [ValueError("boom"), RejectError("no"), SystemExit(3), StopIteration(1), TimeoutError()]
RESULTS: dict[str, list[Any]] = {
    "voting": [*[Allow()] * 8, Deny("no"), None, True, Deny(3)],  # type: ignore[arg-type]
    "filter_chain": [*[["kept"]] * 6, [], 0, None],
    "score_delta": [{"a": 0.5}, {"a": -1.0, "b": 2.5}, {}, {"b": 3}, {"a": float("inf")}, {1: 1.0}],
    "fire_and_forget": [None, None, None, "ignored"],
}
HOOKS = [
    *("pre_assert_authorize", "recall_filter", "recall_rank", "post_assert_persist"),
    *("post_assert_audit", "capability_check", "migration_register"),
]


@st.composite
def handlers(draw: st.DrawFn, hook: str) -> Callable[[list[Any]], Any]:
    """A handler of any signature, which notes how it was called, and then answers."""
    semantic = HOOK_SPECS[hook].semantic
    answer = draw(st.sampled_from([*RESULTS[semantic] * 3, *ERRORS]))
    named = draw(st.lists(st.sampled_from(NAMES), unique=True, max_size=4))
    defaults = [draw(st.sampled_from(["", "=None"])) for _ in named]
    split = draw(st.integers(0, len(named)))
    positional = [name + default for name, default in zip(named, defaults, strict=True)][:split]
    positional.sort(key=lambda parameter: "=" in parameter)
    keyword = [name + default for name, default in zip(named, defaults, strict=True)][split:]
    everything = draw(st.sampled_from(["", "**_kw"]))
    first = ["_ctx", *(["_value"] if semantic.takes_value else [])]
    # Positional-only or not: the names in a payload may be those of the first parameters.
    first += draw(st.sampled_from([[], ["/"]]))
    parts = [*first, *positional, *(["*", *keyword] if keyword else []), everything]
    signature = ", ".join(part for part in parts if part)

    def make(log: list[Any]) -> Any:
        def note(given: dict[str, Any]) -> Any:
            given.pop("_ctx")
            further = given.pop("_kw", {})
            log.append((id(make), sorted(given.items()), sorted(further.items())))
            if isinstance(answer, BaseException):
                raise type(answer)(*answer.args)
            return answer

        scope: dict[str, Any] = {"note": note}
        exec(f"def handler({signature}): return note(locals())", scope)
        return scope["handler"]

    return make


@st.composite
def fires(draw: st.DrawFn) -> tuple[str, list[Any], dict[str, Any]]:
    """A hook, makers of handlers for it, and a payload of names that might collide."""
    hook = draw(st.sampled_from(HOOKS))
    makers = draw(st.lists(handlers(hook), max_size=5))
    usual = st.just(dict.fromkeys(HOOK_SPECS[hook].keywords, 1))
    payload = draw(usual | st.dictionaries(st.sampled_from(NAMES), st.integers(0, 3), max_size=5))
    return hook, makers, payload


def registry_of(
    hook: str, makers: list[Any], log: list[Any], *, frozen: bool
) -> TestPluginRegistry:
    """Every third handler is the node's own; a native implementation is the first of all."""
    registry = TestPluginRegistry()
    for number, make in enumerate(makers):
        if number % 3 == 2:
            registry.register_core_handler(hook, make(log), name=f"core.{number:03}")
        else:
            registry.register_plugin(manifest(f"plugin-{number}", hooks={hook: make(log)}))
    native = type("Native", (), {})()
    setattr(native, hook, hookimpl(NATIVE[HOOK_SPECS[hook].semantic](log)))
    registry.plugin_manager.register(native, name="native")
    if frozen:
        registry.freeze()
    return registry


def answering(answer: Callable[..., Any]) -> Callable[[list[Any]], Any]:
    """Makes native implementations that note their arguments, and then answer."""

    takes_value = answer is not Allow and answer.__code__.co_argcount

    def make(log: list[Any]) -> Any:
        def valued(value: Any, payload: Any) -> Any:
            log.append((value, sorted(payload)))
            return answer(value)

        def valueless(tenant: Any, payload: Any) -> Any:
            log.append((tenant, sorted(payload)))
            return answer()

        return valued if takes_value else valueless

    return make


NATIVE: dict[str, Callable[[list[Any]], Any]] = {
    "voting": answering(Allow),
    "filter_chain": answering(lambda value: [*value, 1]),
    "score_delta": answering(lambda _value: {"n": 1.0}),
    "fire_and_forget": answering(lambda: None),
}


def outcome(fire: Callable[[], Any]) -> Any:
    """What came of a fire, comparable: the result, or the error with its causes."""
    try:
        return "returned", fire()
    except PluginExecutionError as error:
        cause = error.__cause__
        causes = cause.exceptions if isinstance(cause, ExceptionGroup) else [cause]
        return "raised", str(error), error.plugin, [(type(each), str(each)) for each in causes]


def ways(hook: str, registry: TestPluginRegistry) -> dict[str, Callable[..., Any]]:
    """Each way to fire the hook, called with the payload and the value, if there is one."""
    spec = HOOK_SPECS[hook]
    standing = registry._dispatcher._hook(spec)
    by_name = getattr(registry, f"fire_{spec.semantic}")
    awaited = getattr(registry, f"afire_{spec.semantic}")
    relay = Relay(spec, standing._called, (), registry._dispatcher.trail)
    return {
        "loop": standing.fold,
        "plan": lambda payload, *value: by_name(hook, *value, **payload),
        "caller": lambda payload, *value: getattr(registry.hook, hook)(*value, **payload),
        "pluggy": relay.fire,
        "awaited": lambda payload, *value: run(awaited(hook, *value, **payload)),
    }


def run(coroutine: Any) -> Any:
    """Run a coroutine that waits for nothing: what it raises passes through no event loop."""
    try:
        coroutine.send(None)
    except StopIteration as stop:
        return stop.value
    raise AssertionError("it waits")


@contextmanager
def unrolling(count: int) -> Iterator[None]:
    """Plans call up to this many handlers one by one."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(plans, "UNROLLED", count)
        yield


@settings(max_examples=300)
@given(fires(), st.booleans(), st.sampled_from([0, 64]))
def test_every_way_to_fire_agrees_on_result_error_calls_and_audit(
    fired: tuple[str, list[Any], dict[str, Any]], frozen: bool, unrolled: int
) -> None:
    """For random plugins, signatures, payload names, results and exceptions."""
    hook, makers, payload = fired
    log: list[Any] = []
    seen: dict[str, Any] = {}
    with unrolling(unrolled):
        registry = registry_of(hook, makers, log, frozen=frozen)
        value = [["fact"]] if HOOK_SPECS[hook].semantic.takes_value else []
        for way, fire in ways(hook, registry).items():
            log.clear()
            registry.audit_events.clear()
            came_to = outcome(partial(fire, payload, *value))
            events = [(e.event_type, e.metadata) for e in registry.audit_events]
            seen[way] = (came_to, log[:], events)
    for way, what in seen.items():
        assert (way, what) == (way, seen["loop"])


def test_migrations_are_checked_whatever_the_way() -> None:
    """A forged migration is found by the plan of a frozen registry too."""
    forged = [Migration("victim", 1, "DROP TABLE facts", "oops")]
    registry = TestPluginRegistry.with_hooks(migration_register=lambda ctx, value, **_: forged)
    registry.freeze()
    for fire in ways("migration_register", registry).values():
        with pytest.raises(PluginExecutionError, match="declares migration 1 of 'victim'"):
            fire({}, [])


def test_an_event_loop_comes_to_the_same() -> None:
    """The property above drives coroutines by hand; this one does not."""
    registry = TestPluginRegistry.with_hooks(recall_filter=lambda ctx, value, **_: [*value, 1])
    assert asyncio.run(registry.afire_filter_chain("recall_filter", [])) == [1]
