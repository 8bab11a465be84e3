"""What is installed, as the commands show it."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from contextlib import redirect_stdout
from typing import Any, Final

from attrs import frozen
from packaging.utils import canonicalize_name

from stigmem_plugins import bridge, health
from stigmem_plugins.capabilities import PluginContext
from stigmem_plugins.cli.output import NotFound
from stigmem_plugins.config import configure, masked
from stigmem_plugins.discovery import (
    DiscoveredPlugin,
    InstalledPlugin,
    installed_plugins,
    load_plugin,
)
from stigmem_plugins.errors import StigmemPluginError, suggest
from stigmem_plugins.registration import Candidate, Registration
from stigmem_plugins.settings import PluginSettings
from stigmem_plugins.trust.policy import UNSIGNED, unsigned_refused

LOADED: Final = "loaded"
REFUSED: Final = "refused"
FAILED: Final = "failed"


@frozen
class Listed:
    """An installed plugin, with what came of looking at it.

    Args:
        installed: What its distribution's metadata says.
        status: `loaded`; `refused`: a node would, and nothing was imported; `failed` to load.
        plugin: The plugin, where it was loaded.
        error: Why it was not.
    """

    installed: InstalledPlugin
    status: str
    plugin: DiscoveredPlugin | None = None
    error: StigmemPluginError | None = None

    def facts(self) -> dict[str, Any]:
        """The facts by name; None for those that only a loaded plugin can tell."""
        manifest = self.plugin.manifest if self.plugin else None
        return {
            "entry_point": self.installed.entry_point_name,
            "entry_point_value": self.installed.entry_point_value,
            "distribution": self.installed.distribution,
            "distribution_version": self.installed.version,
            "signed_by": UNSIGNED,
            "status": self.status,
            "problem": self.error.message if self.error else None,
            "fix": self.error.fix if self.error else None,
            "name": manifest.name if manifest else None,
            "version": manifest.version if manifest else None,
            "requires_stigmem": manifest.requires_stigmem if manifest else None,
            "capabilities": sorted(manifest.capabilities) if manifest else None,
            "hooks": sorted(manifest.hooks) if manifest else None,
            "depends_on": sorted(manifest.depends_on) if manifest else None,
        }


def list_plugins() -> list[Listed]:
    """Look at every installed plugin; each is loaded only if signing is not required.

    Raises:
        StigmemPluginError: A setting is malformed, or the process uses a node's own plugin layer.
    """
    if PluginSettings.from_environment().plugin_signing_required:
        return [
            Listed(plugin, REFUSED, error=unsigned_refused(plugin.name))
            for plugin in installed_plugins()
        ]
    bridge.install()
    return [_load(plugin) for plugin in installed_plugins()]


def _load(installed: InstalledPlugin) -> Listed:
    try:
        with redirect_stdout(sys.stderr):  # what plugins print is no result of ours
            return Listed(installed, LOADED, load_plugin(installed))
    except StigmemPluginError as error:
        return Listed(installed, FAILED, error=error)


def find(name: str, plugins: Sequence[Listed]) -> Listed:
    """The plugin of that name: its own, its entry point's or its distribution's.

    Raises:
        NotFound: There is none, or several; the nearest or all are named.
    """
    called = [(plugin, _names(plugin)) for plugin in plugins]
    wanted = canonicalize_name(name)
    several: list[Listed] = []
    for kind in range(3):
        found = [plugin for plugin, names in called if names[kind] == wanted]
        if len(found) == 1:
            return found[0]
        several = several or found
    if several:
        listed = ", ".join(
            f"{p.installed.entry_point_name} of {p.installed.distribution}" for p in several
        )
        message = (
            f"{name!r} is {len(several)} plugins, the entry points {listed}: name one of these"
        )
        raise NotFound(message)
    known = {known for _, names in called for known in names if known}
    near = suggest(name, sorted(known)) or "; `stigmem-plugins list` shows what is"
    message = f"no plugin {name!r} is installed{near}"
    raise NotFound(message)


def _names(listed: Listed) -> tuple[str, str, str]:
    installed = listed.installed
    return (
        canonicalize_name(listed.plugin.manifest.name if listed.plugin else ""),
        canonicalize_name(installed.entry_point_name),
        canonicalize_name(installed.distribution or ""),
    )


def describe_plugin(listed: Listed) -> dict[str, Any]:
    """The facts about a plugin and, where it was loaded, its configuration and health."""
    facts: dict[str, Any] = {**listed.facts(), "config": None, "health": None}
    if listed.plugin is None:
        return facts
    manifest = listed.plugin.manifest
    try:
        with redirect_stdout(sys.stderr):
            configuration = configure(manifest)
            context = PluginContext(
                plugin_name=manifest.name,
                plugin_version=manifest.version,
                capabilities=manifest.capabilities,
                config=configuration.value,
            )
            candidate = Candidate(manifest, listed.plugin.discovery_source())
            report = health.poll(Registration(candidate, context, {}, configuration.secrets))
    except StigmemPluginError as error:
        return {**facts, "problem": error.message, "fix": error.fix}
    return {
        **facts,
        "config": masked(configuration.value),
        "health": {
            "status": report.status,
            "message": report.message,
            "error": report.error_summary,
        },
    }
