"""Audit events of the plugin layer itself: what was registered, refused, denied, or failed."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Mapping
from contextvars import ContextVar
from datetime import UTC, datetime
from typing import Any, Final

from stigmem_hookspecs import SYSTEM_TENANT, AuditEvent, Failure, Success
from stigmem_hookspecs.markers import HookSpec
from stigmem_plugins.errors import PluginExecutionError, bounded, describe
from stigmem_plugins.shim import Called

log = logging.getLogger("stigmem.plugins.registry")

ACTOR_URI: Final = "system:plugin-registry"
PLUGIN_REGISTERED: Final = "plugin.registered"
"""A plugin was registered."""
REGISTRATION_FAILED: Final = "plugin.registration_failed"
"""A plugin was refused; of one that was never loaded, less is known."""
HANDLER_DENIED: Final = "plugin.handler_denied"
"""A voting handler denied an operation."""
HANDLER_ERROR: Final = "plugin.handler_error"
"""A handler raised, overran its deadline, or returned what its hook does not take."""
EVENT_TYPES: Final = (PLUGIN_REGISTERED, REGISTRATION_FAILED, HANDLER_DENIED, HANDLER_ERROR)

_emitting: ContextVar[tuple[AuditTrail, ...]] = ContextVar("stigmem_emitting", default=())


class AuditTrail:
    """Builds the plugin layer's own events and hands each to one sink.

    An event that arises while another is being emitted in the same context (an audit handler
    that fails, or fires a hook that is denied) is logged and counted, not emitted: otherwise
    it would go round for ever. Other threads and tasks are not affected.

    Args:
        sink: Gets each event; must not raise.
    """

    def __init__(self, sink: Callable[[AuditEvent], None]) -> None:
        self.sink = sink
        self.watch: Callable[[str, str, Mapping[str, Any]], None] = lambda *_event: None
        """Is told of each event's type, plugin and metadata, also of those not emitted."""
        self._lock = threading.Lock()
        self.undelivered = 0
        """How many events were not emitted because they arose from emitting another."""

    def emit(
        self, event_type: str, plugin_name: str, failure: str | None = None, **metadata: Any
    ) -> None:
        """Emit one event about a plugin; `failure` is the reason of one that failed."""
        self.watch(event_type, plugin_name, metadata)
        active = _emitting.get()
        if self in active:
            with self._lock:
                self.undelivered += 1
            log.warning("audit event %r of %r arose within another", event_type, plugin_name)
            return
        event = AuditEvent(
            event_type=event_type,
            actor_uri=ACTOR_URI,
            target_uri=f"plugin:{plugin_name}",
            tenant_id=SYSTEM_TENANT.tenant_id,
            timestamp=datetime.now(UTC),
            outcome=Success() if failure is None else Failure(failure),
            metadata={"plugin_name": plugin_name, **metadata},
        )
        token = _emitting.set((*active, self))
        try:
            self.sink(event)
        finally:
            _emitting.reset(token)

    def denied(self, handler: Called, spec: HookSpec, reason: str) -> None:
        """Record that a handler denied an operation."""
        reason = bounded(reason, handler.secrets)
        self.emit(
            HANDLER_DENIED,
            handler.plugin_name,
            reason,
            hook=spec.name,
            handler_name=handler.handler_name,
            reason=reason,
        )

    def failed(
        self, handler: Called, spec: HookSpec, problem: BaseException | str
    ) -> PluginExecutionError:
        """Record that a handler raised, or returned something wrong; returns the error to raise.

        Its cause is what was raised, or a TypeError about what was returned.

        Args:
            handler: The handler to blame.
            spec: The hook that was fired.
            problem: What it raised, or a sentence about what it returned.
        """
        if isinstance(problem, BaseException):
            error_type, text = type(problem).__name__, describe(problem, handler.secrets)
        else:
            error_type, text = PluginExecutionError.__name__, bounded(problem, handler.secrets)
        self.emit(
            HANDLER_ERROR,
            handler.plugin_name,
            text,
            hook=spec.name,
            handler_name=handler.handler_name,
            error_type=error_type,
            error=text,
        )
        message = f"handler {handler.handler_name!r} failed for hook {spec.name!r}: {text}"
        error = PluginExecutionError(message, plugin=handler.plugin_name)
        error.__cause__ = problem if isinstance(problem, BaseException) else TypeError(text)
        return error
