"""The registry of the process: the one that a node fires and that startup fills."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable
from typing import Any

from stigmem_plugins.errors import StigmemPluginError
from stigmem_plugins.registry import HookRegistry

_lock = threading.Lock()
_registry: HookRegistry | None = None


def get_registry() -> HookRegistry:
    """The process's registry; made when first asked for."""
    global _registry  # noqa: PLW0603  # being process-wide is its purpose
    with _lock:
        if _registry is None:
            _registry = HookRegistry()
        return _registry


def set_registry(registry: HookRegistry) -> HookRegistry:
    """Make `registry` the process's registry; returns the previous one.

    Raises:
        RegistryFrozenError: Plugins are being loaded into the present one.
        StigmemPluginError: It is no registry.

    Example:
        >>> mine = HookRegistry()
        >>> previous = set_registry(mine)
        >>> get_registry() is mine
        True
        >>> set_registry(previous) is mine
        True
    """
    global _registry  # noqa: PLW0603  # the same
    given: object = registry
    if not isinstance(given, HookRegistry):
        message = f"expected HookRegistry, got {type(given).__name__}"
        raise StigmemPluginError(message, fix="pass the registry, or what set_registry returned")
    previous = get_registry()
    with previous._gate.sealed("another process registry"), _lock:
        _registry = registry
    return previous


def register_core_handler(
    hook: str,
    handler: Callable[..., Any],
    *,
    name: str,
    capabilities: Iterable[str] | None = None,
) -> None:
    """Register a handler of the node with the process's registry.

    See `HookRegistry.register_core_handler`.
    """
    get_registry().register_core_handler(hook, handler, name=name, capabilities=capabilities)
