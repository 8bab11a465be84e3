"""A registry for looking at plugins: their audit handlers hear nothing of it."""

from __future__ import annotations

from collections.abc import Callable

from stigmem_hookspecs import AuditEvent
from stigmem_plugins.registration import Registration
from stigmem_plugins.registry import HookRegistry
from stigmem_plugins.shim import Called


class QuietRegistry(HookRegistry):
    """A registry that keeps the layer's own audit events from the `audit_emit` handlers.

    They would keep records of what never happened in a node. Whoever fires the hook itself
    reaches them.

    Args:
        hear: Gets these events instead.
    """

    def __init__(self, hear: Callable[[AuditEvent], None] = lambda _event: None) -> None:
        super().__init__()
        self._dispatcher.trail.sink = hear

    def called(self, hook: str) -> tuple[Called, ...]:
        """What a fire of the hook calls, in call order."""
        return self._dispatcher.handlers(hook)

    def registrations(self) -> tuple[Registration, ...]:
        """What is known of the registered plugins, in the order of registration."""
        return tuple(self._dispatcher.registrations.values())
