"""A registry that keeps its audit events, and a swap of the process's registry."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from typing import Any, Final, Self

from stigmem_hookspecs import AuditEvent
from stigmem_plugins.capabilities import CoreApis, PluginContext
from stigmem_plugins.manifest import PluginManifest
from stigmem_plugins.process import set_registry
from stigmem_plugins.registration import Candidate
from stigmem_plugins.registry import HookRegistry

EXAMPLE_PLUGIN: Final = "example-plugin"
OPTIONS: Final = ("core_apis", "handler_timeout_seconds", "stigmem_version")
"""What a test can say of its registry, beside the plugins."""


class TestPluginRegistry(HookRegistry):
    """A `HookRegistry` that registers manifests and keeps every audit event.

    Args:
        manifests: Plugins to register, in any order.
        core_apis: The handles that plugins with the right capabilities get.
        handler_timeout_seconds: The deadline of handlers that declare none.
        stigmem_version: The version that `requires_stigmem` is held against.

    Example:
        >>> from stigmem_hookspecs import Deny
        >>> registry = TestPluginRegistry.with_hooks(capability_check=lambda ctx, **_: Deny("no"))
        >>> registry.fire_voting("capability_check", capability="admin")
        Deny(reason='no')
        >>> [event.event_type for event in registry.audit_events]
        ['plugin.registered', 'plugin.handler_denied']
    """

    __test__ = False
    """The name starts with Test, and pytest shall not collect it."""

    def __init__(
        self,
        manifests: Iterable[PluginManifest] = (),
        *,
        core_apis: CoreApis | None = None,
        handler_timeout_seconds: float | None = None,
        stigmem_version: str | None = None,
    ) -> None:
        super().__init__(
            core_apis=core_apis,
            handler_timeout_seconds=handler_timeout_seconds,
            stigmem_version=stigmem_version,
        )
        self.audit_events: list[AuditEvent] = []
        """What went to the `audit_emit` hook, the registry's own events included."""
        self.register_core_handler("audit_emit", self._keep, name="core.000.recorder")
        with self._gate.sealed() as seal:
            self._admit([Candidate(manifest) for manifest in manifests], seal)

    @classmethod
    def with_hooks(cls, **hooks: Callable[..., Any]) -> Self:
        """A registry with one plugin, `example-plugin` 1.0.0, that has these handlers."""
        return cls([PluginManifest(EXAMPLE_PLUGIN, "1.0.0", hooks=hooks)])

    def _keep(self, _ctx: PluginContext, *, event: AuditEvent) -> None:
        self.audit_events.append(event)


@contextmanager
def stigmem_plugins(
    manifests: Iterable[PluginManifest] = (),
    *,
    core_apis: CoreApis | None = None,
    handler_timeout_seconds: float | None = None,
    stigmem_version: str | None = None,
) -> Iterator[TestPluginRegistry]:
    """Swap the process's registry for one with these plugins; put it back afterwards.

    Args:
        manifests: Plugins to register, in any order.
        core_apis: The handles that plugins with the right capabilities get.
        handler_timeout_seconds: The deadline of handlers that declare none.
        stigmem_version: The version that `requires_stigmem` is held against.

    Yields:
        The registry that `get_registry()` returns inside the block.

    Example:
        >>> manifest = PluginManifest(name="example-plugin", version="1.0.0")
        >>> with stigmem_plugins([manifest]) as registry:
        ...     sorted(registry.registered_plugins())
        ['example-plugin']
    """
    registry = TestPluginRegistry(
        manifests,
        core_apis=core_apis,
        handler_timeout_seconds=handler_timeout_seconds,
        stigmem_version=stigmem_version,
    )
    with swapped(registry):
        yield registry


@contextmanager
def swapped(registry: HookRegistry) -> Iterator[None]:
    """Make a registry the process's, and put the previous one back."""
    previous = set_registry(registry)
    try:
        yield
    finally:
        set_registry(previous)
