"""For tests of plugins and hosts: registries without a node, and checks. Needs no pytest."""

from importlib import import_module
from typing import TYPE_CHECKING, Any, Final

from stigmem_plugins.testing.registries import TestPluginRegistry, stigmem_plugins

if TYPE_CHECKING:
    from stigmem_plugins.testing.conforming import ConformanceWarning, conformance
    from stigmem_plugins.testing.events import audited
    from stigmem_plugins.testing.votes import assert_allows, assert_denies

__all__ = [
    "ConformanceWarning",
    "TestPluginRegistry",
    "assert_allows",
    "assert_denies",
    "audited",
    "conformance",
    "stigmem_plugins",
]

_LATER: Final = {
    "ConformanceWarning": "conforming",
    "assert_allows": "votes",
    "assert_denies": "votes",
    "audited": "events",
    "conformance": "conforming",
}
"""Names that are imported when they are first asked for: whoever serves a node imports this too."""


def __getattr__(name: str) -> Any:
    """Import a name of `_LATER`."""
    if name not in _LATER:
        message = f"module {__name__!r} has no attribute {name!r}"
        raise AttributeError(message)
    value = globals()[name] = getattr(import_module(f"{__name__}.{_LATER[name]}"), name)
    return value


def __dir__() -> list[str]:
    """All names, those of `_LATER` too."""
    return sorted({*globals(), *_LATER})
