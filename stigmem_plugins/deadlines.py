"""Deadlines of handlers: declared, and kept as far as Python can.

A handler with a deadline is put behind a function that has its arguments and keeps the time;
one without is called directly. A coroutine that overruns is cancelled, and abandoned if it
does not end soon; a function runs in a worker of its plugin and is given up (see `workers`).
"""

from __future__ import annotations

from collections.abc import Callable, Coroutine
from functools import partial
from types import CoroutineType
from typing import Any, Final, TypeVar

from attrs import evolve

from stigmem_plugins.errors import HandlerTimeoutError, ManifestError, shown
from stigmem_plugins.shim import Called, Handler
from stigmem_plugins.workers import Bulkhead, Bulkheads, timed_out

LONGEST: Final = 30.0
LIFECYCLE_SECONDS: Final = 5.0
"""The deadline of health checks and `config_validate` handlers where nothing else is said."""
GRACE_SECONDS: Final = 0.25
"""How long a cancelled coroutine may take to end before it is abandoned."""

_ATTRIBUTE: Final = "stigmem_handler_timeout"
F = TypeVar("F", bound=Callable[..., Any])


def handler_timeout(seconds: float) -> Callable[[F], F]:
    """Declare how long a handler may take; for sync and async functions.

    Args:
        seconds: More than 0, at most 30.

    Raises:
        ValueError: It is not.

    Example:
        >>> @handler_timeout(2)
        ... def recall_filter(ctx, value, **_):
        ...     return value
        >>> declared_timeout(recall_filter)
        2.0
        >>> handler_timeout(0)
        Traceback (most recent call last):
        stigmem_plugins.errors.ManifestError: handler timeout must be a positive number of at most \
30 seconds, not 0
    """
    checked = checked_timeout(seconds)

    def declare(function: F) -> F:
        setattr(function, _ATTRIBUTE, checked)
        return function

    return declare


def checked_timeout(seconds: Any) -> float:
    """A deadline as a float.

    Raises:
        ManifestError: It is not a number, or out of range.
    """
    number = isinstance(seconds, (int, float)) and not isinstance(seconds, bool)
    if not number or not 0 < seconds <= LONGEST:
        message = (
            f"handler timeout must be a positive number of at most {LONGEST:g} seconds, "
            f"not {shown(seconds)}"
        )
        raise ManifestError(message)
    return float(seconds)


def declared_timeout(function: Any) -> float | None:
    """The deadline that `handler_timeout` gave a handler, or None.

    Raises:
        ManifestError: The attribute was set by hand, to something else.
    """
    while isinstance(function, partial):
        function = function.func
    for bearer in (function, getattr(function, "__func__", None), type(function).__call__):
        # Looked up in the object itself: a mock has every attribute.
        seconds = getattr(bearer, "__dict__", {}).get(_ATTRIBUTE)
        if seconds is not None:
            return checked_timeout(seconds)
    return None


def limited(handler: Called, bulkheads: Bulkheads, seconds: float | None = None) -> Called:
    """The handler as a sync fire calls it: in a worker, if it has a deadline.

    Args:
        handler: Any handler; native ones and coroutine functions are left as they are.
        bulkheads: Whose workers there are.
        seconds: The deadline of a plugin's handler that has none of its own.
    """
    if not isinstance(handler, Handler) or handler.asynchronous:
        return handler
    seconds = handler.timeout or (None if handler.plugin_name == "core" else seconds)
    if seconds is None:
        return handler
    bulkhead = bulkheads.of(handler.plugin_name)
    return evolve(handler, function=in_worker(handler.function, bulkhead, seconds))


def awaited(handler: Called, bulkheads: Bulkheads) -> Called:
    """The handler as an async fire calls it: what must not run in the loop's thread does not."""
    if not isinstance(handler, Handler) or (handler.timeout is None and handler.inline):
        return handler
    bulkhead = bulkheads.of(handler.plugin_name)
    if handler.asynchronous and handler.timeout is not None:
        function = _cancelled(handler.function, bulkhead, handler.timeout)
    else:
        function = _in_worker(handler.function, bulkhead, handler.timeout)
    return evolve(handler, function=function, asynchronous=True)


def in_worker(function: Callable[..., Any], bulkhead: Bulkhead, seconds: float) -> Any:
    """A function that calls `function` in a worker, and waits for it that long."""

    def call(*arguments: Any, **keywords: Any) -> Any:
        return bulkhead.call(seconds, partial(function, *arguments, **keywords))

    return call


def _in_worker(function: Callable[..., Any], bulkhead: Bulkhead, seconds: float | None) -> Any:
    async def call(*arguments: Any, **keywords: Any) -> Any:
        result = await bulkhead.acall(seconds, partial(function, *arguments, **keywords))
        if seconds is not None and isinstance(result, CoroutineType):
            return await _cancelled(lambda: result, bulkhead, seconds)()
        return result

    return call


def _cancelled(
    function: Callable[..., Coroutine[Any, Any, Any]], bulkhead: Bulkhead, seconds: float
) -> Any:
    """A coroutine function that awaits one of a handler: wait, cancel, grace, abandon."""

    async def call(*arguments: Any, **keywords: Any) -> Any:
        import asyncio  # noqa: PLC0415  # whoever awaits has it already

        exits: list[SystemExit] = []

        async def contained() -> Any:
            # asyncio ends the whole loop for a task that raises SystemExit.
            try:
                return await function(*arguments, **keywords)
            except SystemExit as error:
                exits.append(error)

        task = asyncio.ensure_future(contained())
        try:
            await asyncio.wait({task}, timeout=seconds)
        finally:
            in_time = task.done()
            if not in_time:
                task.cancel()
                try:
                    await asyncio.wait({task}, timeout=GRACE_SECONDS)
                finally:
                    _let_go(task, bulkhead)
        if not in_time:
            raise HandlerTimeoutError(timed_out(seconds))
        if exits:
            raise exits.pop()
        return task.result()

    return call


def _let_go(task: Any, bulkhead: Bulkhead) -> None:
    """Drop what a cancelled task comes to; count it for as long as it goes on."""
    if not task.done():
        returned = bulkhead.abandoned()
        task.add_done_callback(lambda _: returned())
    # Whatever it raises now has nobody to go to: asked for, asyncio does not complain of it.
    task.add_done_callback(lambda done: done.cancelled() or done.exception())
