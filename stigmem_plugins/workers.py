"""Worker threads, a few for each plugin, so that one that hangs holds up nobody but itself.

Python cannot stop a thread. A call that overruns is given up: its caller goes on, its late
result is dropped, and its worker counts as stuck until it returns, if ever. The next calls of
the plugin have its other workers; when all are stuck, they fail at once.
"""

from __future__ import annotations

import logging
import os
import threading
from collections import deque
from collections.abc import Callable, Mapping
from contextlib import suppress
from typing import Any, Final
from weakref import WeakSet

from stigmem_plugins.errors import HandlerTimeoutError
from stigmem_plugins.jobs import Job

log = logging.getLogger("stigmem.plugins.registry")

SIZE: Final = 4
"""How many calls of one plugin may be running in threads."""

IDLE_SECONDS: Final = 30.0
"""How long a worker waits for another call before it ends."""

_bulkheads: WeakSet[Bulkhead] = WeakSet()


def _forked() -> None:
    for bulkhead in _bulkheads:
        bulkhead._begin()  # noqa: SLF001  # of one piece with it


with suppress(AttributeError):  # not every system forks
    os.register_at_fork(after_in_child=_forked)


class Bulkhead:
    """The workers of one plugin; threads start when they are needed, and end when they idle.

    Args:
        plugin: The plugin's name.
        size: How many workers it may have.
    """

    def __init__(self, plugin: str, size: int = SIZE) -> None:
        self._plugin = plugin
        self._size = size
        self._closed = False
        self._begin()
        _bulkheads.add(self)

    def _begin(self) -> None:
        """Without any worker, at first and in a forked process, which has none of its parent's."""
        self._lock = threading.Lock()
        self._wake = threading.Condition(self._lock)  # there is a job, or nothing more to wait for
        self._jobs: deque[Job] = deque()
        self._threads = self._idle = 0
        self._late: set[Job] = set()  # given up, and still running
        self._abandoned = 0  # coroutines, the same

    @property
    def stuck(self) -> int:
        """How many calls were given up and still run."""
        return len(self._late) + self._abandoned

    def call(self, seconds: float, call: Callable[[], Any]) -> Any:
        """Make a call in a worker and wait for it.

        Raises:
            HandlerTimeoutError: It took longer than `seconds`, or no worker was free.
        """
        ready = threading.Lock()
        ready.acquire()
        job = self._submit(Job(call, ready.release))
        in_time = overran = False
        try:
            in_time = ready.acquire(timeout=seconds)
            overran = not in_time  # and was not interrupted
        finally:
            given_up = not in_time and self._give_up(job, overran=overran)
        if given_up:
            raise HandlerTimeoutError(timed_out(seconds), plugin=self._plugin)
        return job.outcome()

    async def acall(self, seconds: float | None, call: Callable[[], Any]) -> Any:
        """The same for an event loop, which goes on meanwhile; None waits as long as it takes.

        A cancelled one is given up: if no worker has begun it, none will.
        """
        import asyncio  # noqa: PLC0415  # whoever awaits has it already

        loop = asyncio.get_running_loop()
        ready = loop.create_future()

        def finish() -> None:
            with suppress(RuntimeError):  # the loop was closed meanwhile
                loop.call_soon_threadsafe(ready.set_result, None)

        job = self._submit(Job(call, finish))
        try:
            await asyncio.wait({ready}, timeout=seconds)
        except BaseException:
            self._give_up(job)
            raise
        if seconds is not None and not ready.done() and self._give_up(job, overran=True):
            raise HandlerTimeoutError(timed_out(seconds), plugin=self._plugin)
        return job.outcome()

    def abandoned(self) -> Callable[[], None]:
        """Count a coroutine that goes on though it was given up; call the result when it ends."""
        with self._lock:
            self._abandoned += 1
        self._warn()
        return self._returned

    def close(self) -> None:
        """End the workers: idle ones now, stuck ones when they return; nothing is begun again."""
        with self._lock:
            self._closed = True
            while self._jobs:
                job = self._jobs.popleft()
                job.refuse(self._closed_error())
                job.done = True
                job.finish()
            self._wake.notify_all()

    def _submit(self, job: Job) -> Job:
        with self._lock:
            if self._closed:
                raise self._closed_error()
            if self._late and sum(late.overran for late in self._late) >= self._size:
                message = (
                    f"timed out at once: all {self._size} workers of plugin {self._plugin!r} are "
                    "stuck in calls that were given up"
                )
                fix = "correct the plugin's handler; only a restart ends a thread"
                raise HandlerTimeoutError(message, plugin=self._plugin, fix=fix)
            if len(self._jobs) >= self._idle and self._threads < self._size:
                name = f"stigmem-plugin {self._plugin}"
                threading.Thread(target=self._work, name=name, daemon=True).start()
                self._threads += 1
            self._jobs.append(job)
            self._wake.notify()
        return job

    def _give_up(self, job: Job, *, overran: bool = False) -> bool:
        """Whether the job was given up; False if its outcome came just now.

        Args:
            job: The job.
            overran: Whether it took too long; else whoever waited for it was stopped.
        """
        with self._lock:
            job.given_up, job.overran = not job.done, overran
            running = job.given_up and job not in self._jobs
            if running:
                self._late.add(job)
            elif job.given_up:
                self._jobs.remove(job)
        if running:
            self._warn()
        return job.given_up

    def _warn(self) -> None:
        log.warning("a call of plugin %r was given up and still runs", self._plugin)

    def _returned(self) -> None:
        with self._lock:
            self._abandoned -= 1

    def _work(self) -> None:
        while (job := self._next()) is not None:
            job.run()
            with self._lock:
                job.done = True
                self._late.discard(job)
            if job.given_up:
                job.drop()
            job.finish()
            del job  # else the worker keeps it, and what it returned, until the next

    def _next(self) -> Job | None:
        """The next job; None when the worker is to end."""
        with self._lock:
            self._idle += 1
            self._wake.wait_for(lambda: self._jobs or self._closed, IDLE_SECONDS)
            self._idle -= 1
            if self._jobs:
                return self._jobs.popleft()
            self._threads -= 1
            return None

    def _closed_error(self) -> HandlerTimeoutError:
        message = f"plugin {self._plugin!r} has no workers any more: its registry is closed"
        return HandlerTimeoutError(message, plugin=self._plugin, fix="fire before close()")


class Bulkheads:
    """The bulkhead of every plugin that needs one; made when it is first needed."""

    def __init__(self) -> None:
        self._by_plugin: dict[str, Bulkhead] = {}
        self._lock = threading.Lock()
        self._closed = False

    def of(self, plugin: str) -> Bulkhead:
        """The plugin's."""
        with self._lock:
            bulkhead = self._by_plugin.get(plugin)
            if bulkhead is None:
                bulkhead = self._by_plugin[plugin] = Bulkhead(plugin)
                if self._closed:
                    bulkhead.close()
            return bulkhead

    def stuck(self) -> Mapping[str, int]:
        """How many calls of each plugin were given up and still run; those with none left out."""
        with self._lock:
            return {name: each.stuck for name, each in self._by_plugin.items() if each.stuck}

    def close(self) -> None:
        """Close them all, and those that are asked for later."""
        with self._lock:
            self._closed = True
            for bulkhead in self._by_plugin.values():
                bulkhead.close()


def timed_out(seconds: float) -> str:
    """The sentence about a call that overran.

    Example:
        >>> timed_out(0.5)
        'timed out after 0.5 seconds'
    """
    return f"timed out after {seconds:g} seconds"
