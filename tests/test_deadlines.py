"""Deadlines: who has one, what happens to a call that overruns, and to the calls after it."""

from __future__ import annotations

import asyncio
import gc
import logging
import math
import os
import threading
import time
import weakref
from contextvars import ContextVar
from functools import partial, wraps
from typing import Any

import pytest

from stigmem_plugins import (
    ALLOW_SINGLETON,
    Allow,
    Deny,
    HandlerTimeoutError,
    HookRegistry,
    ManifestError,
    PluginExecutionError,
    handler_timeout,
    workers,
)
from stigmem_plugins.deadlines import declared_timeout
from stigmem_plugins.jobs import Job
from stigmem_plugins.testing import TestPluginRegistry
from stigmem_plugins.workers import Bulkhead
from tests.support import allow, manifest, python

VOTE, TELL = "pre_assert_authorize", "post_assert_persist"
SHORT, LONG = 0.05, 20.0
request: ContextVar[str] = ContextVar("request", default="none")


class Gate:
    """A handler that waits until it is let go, and counts its calls."""

    def __init__(self) -> None:
        self.let_go = threading.Event()
        self.calls = 0

    def __call__(self, _ctx: Any, **_: Any) -> Any:
        self.calls += 1
        self.let_go.wait(LONG)
        return Deny("late")

    def sync(self, seconds: float = SHORT) -> Any:
        """It as a handler with a deadline."""
        return handler_timeout(seconds)(lambda ctx, **_: self(ctx))


async def answer() -> None:
    """A coroutine function."""


def until(condition: Any) -> None:
    """Wait until a condition holds that other threads bring about."""
    end = time.monotonic() + LONG
    while not condition():
        assert time.monotonic() < end, "it never came about"
        time.sleep(0.002)


@pytest.mark.parametrize(
    "seconds", [0, -1, 30.001, math.nan, math.inf, True, "1", None, pytest.param(1j, id="complex")]
)
def test_a_deadline_is_a_positive_number_of_at_most_thirty_seconds(seconds: Any) -> None:
    """Declared on a handler, on the registry, or by hand on a function: a ValueError."""
    with pytest.raises(ValueError, match=r"positive.*30 seconds"):
        handler_timeout(seconds)
    if seconds is None:
        return
    with pytest.raises(ValueError, match=r"positive.*30 seconds"):
        HookRegistry(handler_timeout_seconds=seconds)

    def handler(ctx: Any, **_: Any) -> Allow:
        raise AssertionError

    handler.stigmem_handler_timeout = seconds  # type: ignore[attr-defined]
    registry = TestPluginRegistry()
    for fields in ({"hooks": {VOTE: handler}}, {"health_check": handler}):
        with pytest.raises(ManifestError, match=r"positive.*30 seconds"):
            registry.register_plugin(manifest(**fields))
    assert registry.registered_plugins() == frozenset()
    with pytest.raises(ManifestError, match=r"positive.*30 seconds"):
        registry.register_core_handler(VOTE, handler, name="core.001")


def test_a_deadline_is_found_on_every_shape_of_handler() -> None:
    """Partials, bound methods, callable instances and what wraps."""

    class Voter:
        @handler_timeout(1)
        def method(self, _ctx: Any) -> None: ...

        @handler_timeout(2)
        def __call__(self, _ctx: Any) -> None: ...

    @handler_timeout(3)
    def plain(_ctx: Any) -> None: ...

    @wraps(plain)
    def wrapper(ctx: Any) -> None: ...

    shapes = [Voter().method, Voter(), plain, partial(plain), wrapper, print]
    assert [declared_timeout(shape) for shape in shapes] == [1.0, 2.0, 3.0, 3.0, 3.0, None]


def test_a_handler_that_overruns_fails_closed_and_its_late_result_is_dropped() -> None:
    """The fire goes on at the deadline; the call is counted for as long as it runs."""
    gate = Gate()
    registry = TestPluginRegistry.with_hooks(pre_assert_authorize=gate.sync())
    with pytest.raises(
        PluginExecutionError, match=r"example-plugin\.<lambda>.*timed out after 0\.05 seconds"
    ) as raised:
        registry.fire_voting(VOTE)
    assert isinstance(raised.value.__cause__, HandlerTimeoutError)
    event = registry.audit_events[-1]
    assert event.metadata["error_type"] == "HandlerTimeoutError"
    assert registry.stuck_calls() == {"example-plugin": 1}
    gate.let_go.set()
    until(lambda: registry.stuck_calls() == {})
    assert registry.audit_events[-1] is event
    registry.close()


def test_a_handler_in_time_is_a_handler_as_ever() -> None:
    """Result, failure, context variables and what is not the handler's to raise."""
    seen: list[Any] = []

    @handler_timeout(LONG)
    def look(_ctx: Any, *, identity: str) -> Any:
        seen.append((identity, request.get(), threading.current_thread().name))
        request.set("changed in a copy")
        return Deny("seen")

    @handler_timeout(LONG)
    def interrupt(_ctx: Any, **_: Any) -> Any:
        raise KeyboardInterrupt

    registry = TestPluginRegistry.with_hooks(pre_assert_authorize=look, capability_check=interrupt)
    request.set("r1")
    for _ in range(2):
        assert registry.fire_voting(VOTE, identity="a") == Deny("seen")
    assert seen == [("a", "r1", "stigmem-plugin example-plugin")] * 2
    assert request.get() == "r1"
    with pytest.raises(KeyboardInterrupt):
        registry.fire_voting("capability_check")
    registry.close()


def test_a_core_handlers_deadline_counts_and_the_registrys_is_for_plugins() -> None:
    """The node's own handlers run in its own thread unless they say otherwise."""
    seen: list[str] = []

    def note(_ctx: Any, **_: Any) -> Allow:
        seen.append(threading.current_thread().name)
        return Allow()

    registry = HookRegistry(handler_timeout_seconds=LONG)
    registry.register_core_handler(VOTE, note, name="core.001")
    registry.register_plugin(manifest(hooks={VOTE: note}))
    limited = handler_timeout(LONG)(lambda ctx: note(ctx, core=True))
    registry.register_core_handler(VOTE, limited, name="core.002")
    registry.register_core_handler("config_validate", note, name="core.001")
    registry.register_plugin(manifest("validated"))
    assert seen == [threading.current_thread().name]
    seen.clear()
    assert registry.fire_voting(VOTE) is ALLOW_SINGLETON
    assert seen == [
        threading.current_thread().name,
        "stigmem-plugin core",
        "stigmem-plugin example-plugin",
    ]
    registry.close()


def test_a_plugin_whose_workers_all_hang_fails_at_once() -> None:
    """Each stuck call costs one worker; then nobody waits for the deadline any more."""
    gate = Gate()
    registry = TestPluginRegistry.with_hooks(pre_assert_authorize=gate.sync())
    for _ in range(workers.SIZE):
        with pytest.raises(PluginExecutionError, match="timed out after"):
            registry.fire_voting(VOTE)
    with pytest.raises(PluginExecutionError, match=r"timed out at once: all 4 workers"):
        registry.fire_voting(VOTE)
    assert gate.calls == workers.SIZE
    gate.let_go.set()
    until(lambda: registry.stuck_calls() == {})
    assert registry.fire_voting(VOTE) == Deny("late")
    registry.close()


def test_a_call_that_found_no_worker_in_time_is_never_begun() -> None:
    """It is given up in the queue."""
    gate, bulkhead = Gate(), Bulkhead("example-plugin", size=1)
    first = threading.Thread(target=lambda: bulkhead.call(LONG, lambda: gate(None)))
    first.start()
    until(lambda: gate.calls == 1)
    with pytest.raises(HandlerTimeoutError, match="timed out after"):
        bulkhead.call(SHORT, lambda: gate(None))
    assert bulkhead.stuck == 0
    gate.let_go.set()
    first.join(LONG)
    assert bulkhead.call(LONG, lambda: "next") == "next"
    assert gate.calls == 1
    bulkhead.close()


def test_an_outcome_that_comes_with_the_deadline_counts() -> None:
    """Giving up and being done are decided under one lock."""
    bulkhead = Bulkhead("example-plugin")
    job = bulkhead._submit(Job(lambda: "done", lambda: None))
    until(lambda: job.done)
    assert not bulkhead._give_up(job)
    assert job.outcome() == "done"
    bulkhead.close()


def test_a_worker_keeps_nothing_of_a_call_once_it_is_made() -> None:
    """It may idle for a while, and what it returned may be large."""
    registry = TestPluginRegistry.with_hooks(
        recall_filter=handler_timeout(LONG)(lambda ctx, value, **_: value)
    )
    value = Gate()
    kept = weakref.ref(registry.fire_filter_chain("recall_filter", value))
    del value
    until(lambda: gc.collect() >= 0 and kept() is None)
    registry.close()


def test_a_coroutine_that_comes_too_late_is_closed() -> None:
    """Nobody will await it; Python would complain of that."""
    gate = Gate()
    late: Any = answer()

    @handler_timeout(SHORT)
    def slow(ctx: Any, **_: Any) -> Any:
        gate(ctx)
        return late

    registry = TestPluginRegistry.with_hooks(pre_assert_authorize=slow)
    with pytest.raises(PluginExecutionError, match="timed out after"):
        registry.fire_voting(VOTE)
    gate.let_go.set()
    until(lambda: late.cr_frame is None)
    registry.close()


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system forks no processes")
def test_a_forked_process_has_workers_of_its_own() -> None:
    """Threads do not come along: a server that starts and then forks would wait for none."""
    done = python(
        """
        import os, warnings
        from stigmem_plugins.workers import Bulkhead

        warnings.simplefilter("ignore")  # that a process with threads forks
        bulkhead = Bulkhead("example-plugin")
        bulkhead.call(20, lambda: None)
        while not bulkhead._idle:
            pass
        child = os.fork()
        if child == 0:
            raise SystemExit(bulkhead.call(20, lambda: 3))
        print(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))
        """
    )
    assert (done.stdout, done.stderr) == ("3\n", "")


def test_workers_end_when_they_idle(monkeypatch: pytest.MonkeyPatch) -> None:
    """A plugin that is no longer called holds no thread; called again, it gets one."""
    monkeypatch.setattr(workers, "IDLE_SECONDS", 0.001)
    bulkhead = Bulkhead("example-plugin")
    for _ in range(20):
        assert bulkhead.call(LONG, threading.current_thread) is not threading.current_thread()
    until(lambda: bulkhead._threads == 0)


def test_a_closed_registry_begins_no_call_in_a_worker() -> None:
    """Neither those that wait nor new ones; idle threads end."""
    gate = Gate()
    registry = TestPluginRegistry.with_hooks(
        pre_assert_authorize=gate.sync(LONG), capability_check=handler_timeout(LONG)(allow)
    )
    errors: list[Any] = []

    def fire() -> None:
        try:
            registry.fire_voting(VOTE)
        except PluginExecutionError as error:
            errors.append(str(error))

    threads = [threading.Thread(target=fire) for _ in range(workers.SIZE + 2)]
    for thread in threads:
        thread.start()
    bulkhead = registry._dispatcher.bulkheads.of("example-plugin")
    until(lambda: gate.calls == workers.SIZE and len(bulkhead._jobs) == 2)
    registry.close()
    registry.close()
    until(lambda: len(errors) == 2)
    gate.let_go.set()
    for thread in threads:
        thread.join(LONG)
    assert gate.calls == workers.SIZE
    assert all("its registry is closed" in error for error in errors)
    with pytest.raises(PluginExecutionError, match="its registry is closed"):
        registry.fire_voting("capability_check")
    until(lambda: bulkhead._threads == 0)
    late = HookRegistry()
    late.close()
    late.register_plugin(manifest("late", hooks={VOTE: handler_timeout(LONG)(allow)}))
    with pytest.raises(PluginExecutionError, match="its registry is closed"):
        late.fire_voting(VOTE)


# In an event loop


def test_an_async_handler_that_overruns_is_cancelled() -> None:
    """It gets the chance to clean up, and the fire fails closed."""
    seen: list[str] = []

    @handler_timeout(SHORT)
    async def hang(_ctx: Any, **_: Any) -> Any:
        try:
            await asyncio.sleep(LONG)
        finally:
            seen.append("cleaned up")

    async def main() -> None:
        with pytest.raises(PluginExecutionError, match=r"hang.*timed out after 0\.05 seconds"):
            await registry.afire_voting(VOTE)
        assert seen == ["cleaned up"]  # before the loop ends, which would cancel it

    registry = TestPluginRegistry.with_hooks(pre_assert_authorize=hang)
    asyncio.run(main())
    assert registry.stuck_calls() == {}


@pytest.mark.parametrize("ending", ["returns", "raises"])
def test_an_async_handler_that_swallows_cancellation_cannot_hang_the_fire(
    ending: str, caplog: pytest.LogCaptureFixture
) -> None:
    """Wait, cancel, grace, abandon; what it comes to later is dropped without a word."""

    async def main() -> None:
        go = asyncio.Event()

        @handler_timeout(SHORT)
        async def stubborn(_ctx: Any, **_: Any) -> Any:
            while not go.is_set():
                try:
                    await go.wait()
                except asyncio.CancelledError:
                    continue
            if ending == "raises":
                raise ValueError("late")
            return Deny("late")

        registry = TestPluginRegistry.with_hooks(pre_assert_authorize=stubborn)
        with pytest.raises(PluginExecutionError, match="timed out"):
            await registry.afire_voting(VOTE)
        assert registry.stuck_calls() == {"example-plugin": 1}
        go.set()
        while registry.stuck_calls():  # noqa: ASYNC110  # it has no event
            await asyncio.sleep(0.001)

    asyncio.run(main())
    gc.collect()
    assert "was given up and still runs" in caplog.text
    assert [record for record in caplog.records if record.name == "asyncio"] == []


def test_an_async_handler_that_ends_within_the_grace_has_overrun_all_the_same() -> None:
    """Its late result is dropped, and nothing is left to count."""

    @handler_timeout(SHORT)
    async def late(_ctx: Any, **_: Any) -> Any:
        try:
            await asyncio.sleep(LONG)
        except asyncio.CancelledError:
            return Deny("late")

    registry = TestPluginRegistry.with_hooks(pre_assert_authorize=late)
    with pytest.raises(PluginExecutionError, match="timed out"):
        asyncio.run(registry.afire_voting(VOTE))
    assert registry.stuck_calls() == {}


def test_cancelling_a_fire_cancels_a_handler_with_a_deadline() -> None:
    """Nothing is left running that can be stopped."""
    seen: list[str] = []

    @handler_timeout(LONG)
    async def hang(_ctx: Any, **_: Any) -> Any:
        try:
            await asyncio.sleep(LONG)
        finally:
            seen.append("cancelled")

    async def main() -> None:
        fire = asyncio.ensure_future(registry.afire_voting(VOTE))
        await asyncio.sleep(0.01)
        fire.cancel()
        with pytest.raises(asyncio.CancelledError):
            await fire
        assert seen == ["cancelled"]

    registry = TestPluginRegistry.with_hooks(pre_assert_authorize=hang)
    asyncio.run(main())


def test_a_coroutine_that_a_function_returns_has_its_deadline_too() -> None:
    """A function that wraps a coroutine function looks like any other."""
    seen: list[str] = []

    @handler_timeout(SHORT)
    def wrapper(_ctx: Any, **_: Any) -> Any:
        return hang()

    async def hang() -> None:
        try:
            await asyncio.sleep(LONG)
        finally:
            seen.append("cancelled")

    async def main() -> None:
        with pytest.raises(PluginExecutionError, match="timed out after"):
            await registry.afire_voting(VOTE)
        assert seen == ["cancelled"]

    registry = TestPluginRegistry.with_hooks(pre_assert_authorize=wrapper)
    asyncio.run(main())
    registry.close()


def test_system_exit_from_a_coroutine_with_a_deadline_does_not_end_the_loop() -> None:
    """It is contained like an exception, though asyncio would end the loop for a task's own."""
    told: list[str] = []

    @handler_timeout(LONG)
    async def leave(_ctx: Any, **_: Any) -> None:
        raise SystemExit(3)

    async def main() -> None:
        await registry.afire_fire_and_forget(TELL)

    registry = TestPluginRegistry(
        [
            manifest("alpha", hooks={TELL: leave}),
            manifest("beta", hooks={TELL: lambda ctx, **_: told.append("told")}),
        ]
    )
    asyncio.run(main())
    assert told == ["told"]
    assert registry.audit_events[-1].metadata["error_type"] == "SystemExit"


def test_calls_whose_fires_were_cancelled_do_not_count_as_hanging() -> None:
    """They are slow at most: the next one waits for a worker, and fails no sooner."""
    gate = Gate()

    async def main() -> Any:
        fires = [asyncio.ensure_future(registry.afire_voting(VOTE)) for _ in range(workers.SIZE)]
        while gate.calls < workers.SIZE:  # noqa: ASYNC110  # handlers in threads begin
            await asyncio.sleep(0.001)
        for fire in fires:
            fire.cancel()
        await asyncio.gather(*fires, return_exceptions=True)
        assert registry.stuck_calls() == {"slow-plugin": workers.SIZE}
        last = asyncio.ensure_future(registry.afire_voting(VOTE))
        await asyncio.sleep(0)
        gate.let_go.set()
        return await last

    registry = TestPluginRegistry(
        [manifest("slow-plugin", hooks={VOTE: lambda ctx, **_: gate(ctx)}, async_safe=False)]
    )
    assert asyncio.run(main()) == Deny("late")
    registry.close()


def test_handlers_in_time_are_as_ever_in_an_event_loop() -> None:
    """Async ones, and sync ones in a worker, with their context variables."""
    seen: list[str] = []

    @handler_timeout(LONG)
    async def alook(_ctx: Any, **_: Any) -> Allow:
        seen.append(request.get())
        return Allow()

    @handler_timeout(LONG)
    def look(_ctx: Any, **_: Any) -> Deny:
        seen.append(request.get())
        return Deny("seen")

    async def main() -> Any:
        request.set("r2")
        return await registry.afire_voting(VOTE)

    registry = TestPluginRegistry(
        [manifest("alpha", hooks={VOTE: alook}), manifest("beta", hooks={VOTE: look})]
    )
    assert asyncio.run(main()) == Deny("seen")
    assert seen == ["r2", "r2"]
    registry.close()


def test_a_sync_handler_that_overruns_holds_up_neither_fire_nor_loop() -> None:
    """The loop can even be gone when its late result comes."""
    gate = Gate()
    registry = TestPluginRegistry.with_hooks(pre_assert_authorize=gate.sync())
    with pytest.raises(PluginExecutionError, match="timed out after"):
        asyncio.run(registry.afire_voting(VOTE))
    assert registry.stuck_calls() == {"example-plugin": 1}
    gate.let_go.set()
    until(lambda: registry.stuck_calls() == {})
    registry.close()


def test_a_loop_that_closes_under_a_worker_is_no_error() -> None:
    """The worker finds nobody to tell, and goes on to its next call."""
    gate, bulkhead = Gate(), Bulkhead("example-plugin")

    async def main() -> None:
        asyncio.ensure_future(bulkhead.acall(None, lambda: gate(None)))  # noqa: RUF006  # dropped
        while gate.calls == 0:  # noqa: ASYNC110  # the same
            await asyncio.sleep(0.001)

    loop = asyncio.new_event_loop()
    loop.run_until_complete(main())
    pending = asyncio.all_tasks(loop)
    for task in pending:
        task.cancel()
    loop.run_until_complete(asyncio.gather(*pending, return_exceptions=True))
    loop.close()
    gate.let_go.set()
    until(lambda: bulkhead.stuck == 0)
    assert bulkhead.call(LONG, lambda: "next") == "next"
    bulkhead.close()


def test_a_notification_that_overruns_is_logged(caplog: pytest.LogCaptureFixture) -> None:
    """And the listeners after it are told in time."""
    gate = Gate()
    told: list[str] = []
    registry = TestPluginRegistry(
        [
            manifest("alpha", hooks={TELL: gate.sync()}),
            manifest("beta", hooks={TELL: lambda ctx, **_: told.append("told")}),
        ]
    )
    with caplog.at_level(logging.WARNING, "stigmem.plugins.registry"):
        registry.fire_fire_and_forget(TELL)
    assert told == ["told"]
    assert "timed out after 0.05 seconds" in caplog.text
    gate.let_go.set()
    registry.close()
