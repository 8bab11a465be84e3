"""Firing from an event loop: what is awaited, what runs where, and what a cancellation does."""

from __future__ import annotations

import asyncio
import threading
from contextvars import ContextVar
from functools import partial
from typing import Any

import pytest

from stigmem_plugins import (
    Allow,
    Deny,
    HookRegistry,
    PluginExecutionError,
    RejectError,
    hookimpl,
)
from stigmem_plugins.testing import TestPluginRegistry
from tests.support import allow, boom, manifest

VOTE, CHAIN, SCORE, TELL, STRICT = (
    "pre_assert_authorize",
    "recall_filter",
    "recall_rank",
    "post_assert_persist",
    "post_assert_audit",
)
request: ContextVar[str] = ContextVar("request", default="none")


def registry_of(hook: str, *handlers: Any, **fields: Any) -> TestPluginRegistry:
    return TestPluginRegistry(
        manifest(f"plugin-{number}", hooks={hook: handler}, **fields)
        for number, handler in enumerate(handlers)
    )


async def adeny(_ctx: Any, **_: Any) -> Deny:
    await asyncio.sleep(0)
    return Deny("later")


async def aboom(_ctx: Any, *_args: Any, **_: Any) -> Any:
    await asyncio.sleep(0)
    raise ValueError("boom")


class Voter:
    async def __call__(self, _ctx: Any, **_: Any) -> Deny:
        return Deny("instance")

    async def method(self, _ctx: Any, **_: Any) -> Deny:
        return Deny("method")


def test_sync_and_async_handlers_take_turns_in_the_order_of_dispatch() -> None:
    """Each gets what the one before it returned, whoever had to be awaited."""

    async def alink(_ctx: Any, value: Any, *, identity: str) -> Any:
        await asyncio.sleep(0)
        return [*value, f"async {identity}"]

    def link(_ctx: Any, value: Any, **_: Any) -> Any:
        return [*value, "sync"]

    registry = registry_of(CHAIN, alink, link, alink)
    fired = asyncio.run(registry.afire_filter_chain(CHAIN, [], identity="a"))
    assert fired == ["async a", "sync", "async a"]


def test_all_four_semantics_can_be_awaited() -> None:
    """With the results and errors of their sync sisters."""
    told: list[str] = []

    async def ascore(_ctx: Any, _value: Any, **_: Any) -> Any:
        return {"a": 1.0, "b": 2}

    async def tell(_ctx: Any, **_: Any) -> None:
        told.append("told")

    async def main() -> None:
        assert await registry_of(VOTE, allow, adeny).afire_voting(VOTE) == Deny("later")
        scores = registry_of(SCORE, ascore, ascore)
        assert await scores.afire_score_delta(SCORE, [1]) == {"a": 2.0, "b": 4.0}
        assert await scores.afire_score_delta(SCORE, (1,)) == {"a": 2.0, "b": 4.0}
        await registry_of(TELL, aboom, tell).afire_fire_and_forget(TELL)
        with pytest.raises(PluginExecutionError, match="audit hook 'post_assert_audit'"):
            await registry_of(STRICT, aboom, tell).afire_fire_and_forget(STRICT)
        for fired in ({}, {"class": 1}, {"other": 1}):
            with pytest.raises(PluginExecutionError, match=r"plugin-0\.aboom.*ValueError: boom"):
                await registry_of(CHAIN, aboom).afire_filter_chain(CHAIN, [], **fired)

    asyncio.run(main())
    assert told == ["told", "told"]


@pytest.mark.parametrize(
    ("handler", "reason"),
    [
        (Voter(), "instance"),
        (Voter().method, "method"),
        (partial(adeny), "later"),
        (lambda ctx, **_: adeny(ctx), "later"),
    ],
)
def test_every_shape_of_async_handler_is_awaited(handler: Any, reason: str) -> None:
    """Also a function that only returns a coroutine."""
    registry = registry_of(VOTE, handler)
    assert asyncio.run(registry.afire_voting(VOTE)) == Deny(reason)


def test_a_reject_error_from_a_coroutine_is_a_denial() -> None:
    """As from a function."""

    async def reject(_ctx: Any, **_: Any) -> Any:
        raise RejectError("not today")

    assert asyncio.run(registry_of(VOTE, reject).afire_voting(VOTE)) == Deny("not today")


@pytest.mark.parametrize("frozen", [False, True])
def test_a_sync_fire_over_a_coroutine_handler_is_an_error_that_calls_nobody(frozen: bool) -> None:
    """Naming plugin and handler; it is known when the plan is made."""
    called: list[str] = []
    registry = registry_of(TELL, lambda ctx, **_: called.append("first"), adeny)
    if frozen:
        registry.freeze()
    for fire in (partial(registry.fire_fire_and_forget, TELL), registry.hook.post_assert_persist):
        with pytest.raises(PluginExecutionError, match=r"'plugin-1\.adeny'.* is asynchronous"):
            fire()
    assert called == []


def test_an_async_audit_handler_does_not_keep_the_others_from_the_layers_own_events() -> None:
    """The layer emits its events synchronously; who cannot take them so is counted."""
    registry = TestPluginRegistry()
    registry.register_plugin(manifest("aaa", hooks={"audit_emit": aboom}))
    before = registry.audit_failures
    registry.register_plugin(manifest("bbb"))
    assert registry.audit_failures == before + 1
    assert registry.audit_events[-1].target_uri == "plugin:bbb"


@pytest.mark.parametrize(("async_safe", "inline"), [(True, True), (False, False)])
def test_a_sync_handler_runs_where_its_manifest_says(async_safe: bool, inline: bool) -> None:
    """Safe ones in the loop's thread; others in a worker, with the context variables kept."""
    seen: list[Any] = []

    def look(_ctx: Any, **_: Any) -> Allow:
        seen.append((threading.current_thread() is threading.main_thread(), request.get()))
        return Allow()

    async def main() -> None:
        request.set("r1")
        await registry_of(VOTE, look, async_safe=async_safe).afire_voting(VOTE)

    asyncio.run(main())
    assert seen == [(inline, "r1")]


def test_a_handler_in_a_worker_does_not_hold_up_the_loop() -> None:
    """It waits here for something that only the loop can do."""
    go = threading.Event()

    def wait(_ctx: Any, **_: Any) -> Any:
        return Deny("went on") if go.wait(10) else Deny("held up")

    async def main() -> Any:
        fire = asyncio.ensure_future(registry.afire_voting(VOTE))
        await asyncio.sleep(0.01)
        go.set()
        return await fire

    registry = registry_of(VOTE, wait, async_safe=False)
    assert asyncio.run(main()) == Deny("went on")
    registry.close()


@pytest.mark.parametrize("exception", [KeyboardInterrupt, ValueError])
def test_what_a_handler_raises_in_a_worker_arrives(exception: type[BaseException]) -> None:
    """Its own failure as ever, and what is the host's passes."""

    def fail(_ctx: Any, **_: Any) -> Any:
        raise exception

    async def main() -> Any:
        await registry_of(VOTE, fail, async_safe=False).afire_voting(VOTE)

    expected = PluginExecutionError if exception is ValueError else exception
    with pytest.raises(expected):
        asyncio.run(main())


def test_cancellation_passes_through_and_reaches_the_handler() -> None:
    """It is nobody's failure: nothing is audited, and no other handler runs."""
    seen: list[str] = []

    async def hang(_ctx: Any, **_: Any) -> None:
        try:
            await asyncio.sleep(10)
        except asyncio.CancelledError:
            seen.append("cancelled")
            raise

    async def main(registry: HookRegistry) -> None:
        fire = asyncio.ensure_future(registry.afire_fire_and_forget(TELL))
        await asyncio.sleep(0.01)
        fire.cancel()
        with pytest.raises(asyncio.CancelledError):
            await fire

    registry = registry_of(TELL, hang, lambda ctx, **_: seen.append("second"))
    events = len(registry.audit_events)
    asyncio.run(main(registry))
    assert seen == ["cancelled"]
    assert len(registry.audit_events) == events


def test_a_cancelled_fire_does_not_begin_what_waits_for_a_worker() -> None:
    """What runs cannot be stopped; what does not run yet never does."""
    go = threading.Event()
    begun: list[int] = []

    def wait(_ctx: Any, *, number: int) -> Allow:
        begun.append(number)
        go.wait(10)
        return Allow()

    async def main() -> None:
        fires = [asyncio.ensure_future(registry.afire_voting(VOTE, number=n)) for n in range(6)]
        while len(begun) < 4:  # noqa: ASYNC110  # handlers in threads begin
            await asyncio.sleep(0.001)
        assert sorted(begun) == [0, 1, 2, 3]
        for fire in fires:
            fire.cancel()
        await asyncio.gather(*fires, return_exceptions=True)
        assert registry.stuck_calls() == {"waiting": 4}
        go.set()

    registry = TestPluginRegistry([manifest("waiting", hooks={VOTE: wait}, async_safe=False)])
    asyncio.run(main())
    registry.close()
    for thread in threading.enumerate():
        if thread.name == "stigmem-plugin waiting":
            thread.join(10)
    assert sorted(begun) == [0, 1, 2, 3]
    assert registry.stuck_calls() == {}


def test_under_a_hookwrapper_coroutine_handlers_are_refused_and_others_work() -> None:
    """pluggy's own call cannot await."""

    class Wrapping:
        @hookimpl(wrapper=True)
        def pre_assert_authorize(self) -> Any:
            return (yield)

    registry = registry_of(VOTE, lambda ctx, **_: Deny("sync"))
    registry.plugin_manager.register(Wrapping())
    assert asyncio.run(registry.afire_voting(VOTE)) == Deny("sync")
    registry.register_plugin(manifest("later", hooks={VOTE: adeny}))
    for fire in (registry.fire_voting, lambda hook: asyncio.run(registry.afire_voting(hook))):
        with pytest.raises(PluginExecutionError, match=r"later\.adeny.*pluggy.*cannot await"):
            fire(VOTE)


def test_an_async_native_implementation_is_awaited() -> None:
    """It takes part like any other."""

    class Native:
        @hookimpl
        async def recall_filter(self, value: Any) -> Any:
            return [*value, "native"]

    registry = HookRegistry()
    registry.plugin_manager.register(Native())
    assert asyncio.run(registry.afire_filter_chain(CHAIN, [])) == ["native"]


def test_firing_the_wrong_semantic_names_the_awaitable_call() -> None:
    """Before anything is awaited."""
    with pytest.raises(PluginExecutionError, match=r"call afire_voting\(\) instead"):
        asyncio.run(HookRegistry().afire_filter_chain(VOTE, []))


def test_boom_is_a_failure_in_every_loop() -> None:
    """A sync handler's failure in an async fire is the same error."""
    with pytest.raises(PluginExecutionError, match=r"plugin-0\.boom.*ValueError: boom"):
        asyncio.run(registry_of(VOTE, boom).afire_voting(VOTE))
