"""What only the code of a plugin can tell: how it is configured, and how it is."""

from __future__ import annotations

from typing import Any

from stigmem_plugins.cli.listing import Listed, alive
from stigmem_plugins.cli.output import Failed
from stigmem_plugins.cli.quiet import QuietRegistry
from stigmem_plugins.cli.starting import started


def ask_loaded(listed: Listed) -> dict[str, Any]:
    """The facts about a plugin, its configuration and its health.

    All plugins are started: those that it depends on must be there, and what a node refuses is
    not run to look at it.

    Raises:
        StigmemPluginError: A plugin is refused, as it would be at a start.
        Failed: A node starts without this one.
    """
    source = listed.vetted.installed.discovery_source()
    with started(QuietRegistry()) as registry:
        for registration in registry.registrations():
            if registration.candidate.discovery_source == source:
                return {**listed.facts(), **alive(registration)}
    message = f"a node starts without {listed.vetted.name!r}: it is not loaded"
    raise Failed(message, "leave out --load to see what is known of it")
