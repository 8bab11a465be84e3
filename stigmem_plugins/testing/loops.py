"""An event loop of one's own, for coroutine handlers that a test does not await."""

from __future__ import annotations

from collections.abc import Callable, Coroutine
from contextvars import copy_context
from typing import Any, TypeVar

R = TypeVar("R")


def run(function: Callable[[], Coroutine[Any, Any, R]]) -> R:
    """Await what a function returns; in a thread, where this one's event loop is running.

    Example:
        >>> async def answer():
        ...     return 42
        >>> run(answer)
        42
    """
    import asyncio  # noqa: PLC0415  # only where there are coroutine handlers

    def alone() -> R:
        # A loop that was not set as the thread's is not missed when it is gone.
        with asyncio.Runner(loop_factory=asyncio.new_event_loop) as runner:
            return runner.run(function())

    try:
        asyncio.get_running_loop()
    except RuntimeError:
        return alone()
    from concurrent.futures import ThreadPoolExecutor  # noqa: PLC0415  # the same

    with ThreadPoolExecutor(1) as pool:
        return pool.submit(copy_context().run, alone).result()
