"""Checks of what is installed where."""

from __future__ import annotations

from collections.abc import Iterator

from stigmem_plugins.checks import DUPLICATE
from stigmem_plugins.cli.doctor.installation import Installation, Remedy
from stigmem_plugins.discovery import ENTRY_POINT_GROUP
from stigmem_plugins.findings import Finding, Level
from stigmem_plugins.settings import AUTO_DISCOVERY_ENABLED
from stigmem_plugins.trust.vetting import is_ambiguous

NOTHING_DISCOVERED = "nothing-discovered"
NAME_IN_TWO_PLACES = "name-in-two-places"


def nothing_discovered(installation: Installation) -> Iterator[Finding]:
    """No plugin, or a node that looks for none."""
    if not installation.plugins:
        folder = installation.settings.plugin_dir
        where = f", here or in {folder}" if folder else ""
        yield Finding(
            NOTHING_DISCOVERED,
            Level.WARN,
            f"no package with a {ENTRY_POINT_GROUP} entry point is installed{where}",
            hint="install one with pip" + (f" --target {folder}" if folder else ""),
        )
    if not installation.settings.plugin_auto_discovery_enabled:
        yield Finding(
            NOTHING_DISCOVERED,
            Level.WARN,
            f"{AUTO_DISCOVERY_ENABLED} is off: a node starts without plugins",
            code=f"{NOTHING_DISCOVERED}.switched-off",
            hint=f"unset {AUTO_DISCOVERY_ENABLED} if plugins are wanted",
        )


def switch_on(installation: Installation) -> Iterator[Remedy]:
    """Let the node look for plugins."""
    if not installation.settings.plugin_auto_discovery_enabled:
        yield Remedy("Let the node look for plugins", (f"unset {AUTO_DISCOVERY_ENABLED}",))


def name_in_two_places(installation: Installation) -> Iterator[Finding]:
    """Copies of one distribution, or two of which each has a plugin of one name."""
    required = installation.terms.required
    for distribution in installation.installed:
        if distribution.others:
            refused = is_ambiguous(distribution, required=required)
            first = str(distribution.info or "an archive")
            counts = "a node refuses all" if refused else "the first counts"
            yield Finding(
                NAME_IN_TWO_PLACES,
                Level.FAIL if refused else Level.WARN,
                f"it is installed in {', and in '.join([first, *distribution.others])}: {counts}",
                code=f"{NAME_IN_TWO_PLACES}.distribution",
                subject=distribution.name,
                hint="uninstall all but one of them",
            )
    clashes = {each.name: each.error for each in installation.refused(DUPLICATE) if each.error}
    for name, error in clashes.items():
        yield Finding(NAME_IN_TWO_PLACES, Level.FAIL, error.message, subject=name, hint=error.fix)
