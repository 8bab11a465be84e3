"""Public names that are imported when they are first asked for (PEP 562)."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from importlib import import_module
from typing import Any


def names(
    namespace: dict[str, Any], modules: Mapping[str, str]
) -> tuple[Callable[[str], Any], Callable[[], list[str]]]:
    """A package's `__getattr__` and `__dir__`.

    Args:
        namespace: The package's `globals()`; a name that was asked for is kept there.
        modules: The names, and the modules of the package that they are in.

    Example:
        >>> namespace = {"__name__": "stigmem_plugins"}
        >>> getter, lister = names(namespace, {"AuditLog": "audit_log"})
        >>> getter("AuditLog").__name__, "AuditLog" in namespace, lister()
        ('AuditLog', True, ['AuditLog', '__name__'])
        >>> getter("lost")
        Traceback (most recent call last):
        AttributeError: module 'stigmem_plugins' has no attribute 'lost'
    """
    package = namespace["__name__"]

    def get(name: str) -> Any:
        if name not in modules:
            message = f"module {package!r} has no attribute {name!r}"
            raise AttributeError(message)
        value = namespace[name] = getattr(import_module(f"{package}.{modules[name]}"), name)
        return value

    return get, lambda: sorted({*namespace, *modules})
