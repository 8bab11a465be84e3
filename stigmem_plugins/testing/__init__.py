"""For tests of plugins and hosts: registries without a node, and checks. Needs no pytest."""

from typing import TYPE_CHECKING

from stigmem_plugins import later
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

# Names that are imported when they are first asked for: whoever serves a node imports this too.
__getattr__, __dir__ = later.names(
    globals(),
    {
        "ConformanceWarning": "conforming",
        "assert_allows": "votes",
        "assert_denies": "votes",
        "audited": "events",
        "conformance": "conforming",
    },
)
