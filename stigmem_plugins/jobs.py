"""A call that is made in another thread, and what it comes to."""

from __future__ import annotations

from collections.abc import Callable
from contextvars import Context, copy_context
from typing import Any

from stigmem_plugins.shim import discard


class Job:
    """One call on its way through a worker.

    Args:
        call: What to call.
        finish: Called in the worker's thread once the outcome is there, wanted or not.
    """

    def __init__(self, call: Callable[[], Any], finish: Callable[[], None]) -> None:
        self._call = call
        self._context: Context = copy_context()
        self.finish = finish
        self.done = self.given_up = self.overran = False
        self._result: Any = None
        self._error: BaseException | None = None

    def run(self) -> None:
        """Make the call, in the context variables of whoever asked for it."""
        try:
            self._result = self._context.run(self._call)
        except BaseException as error:  # noqa: BLE001  # whoever waits for it gets it
            self._error = error

    def refuse(self, error: BaseException) -> None:
        """Let the outcome be an error, without a call."""
        self._error = error

    def drop(self) -> None:
        """Nobody waits for the outcome any more."""
        discard(self._result)

    def outcome(self) -> Any:
        """Return what the call returned, or raise what it raised."""
        if self._error is not None:
            raise self._error
        return self._result
