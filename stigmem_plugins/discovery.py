"""What is installed: read from distribution metadata, and loaded only when told to."""

from __future__ import annotations

import logging
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any, Final

from attrs import field, frozen
from packaging.utils import canonicalize_name

from stigmem_plugins.errors import FAILURES, PluginDiscoveryError, describe
from stigmem_plugins.manifest import PluginManifest
from stigmem_plugins.ordering import dependency_order, require_dependencies
from stigmem_plugins.shim import discard
from stigmem_plugins.trust.policy import UNDECIDED, UNSIGNED

if TYPE_CHECKING:
    from importlib.metadata import Distribution, EntryPoint

log = logging.getLogger("stigmem.plugins.registry")

ENTRY_POINT_GROUP: Final = "stigmem.plugins"


@frozen
class InstalledPlugin:
    """An entry point of the group, known from metadata alone.

    Args:
        entry_point_name: The entry point's name, which need not be the plugin's.
        entry_point_value: `module:attribute` of the manifest factory.
        distribution: The name of the distribution that declares it.
        version: That distribution's version.
        entry_point: For loading it.
    """

    entry_point_name: str
    entry_point_value: str
    distribution: str | None
    version: str | None
    entry_point: EntryPoint = field(repr=False, eq=False)

    @property
    def name(self) -> str:
        """What it is called as long as nobody has seen its manifest."""
        return self.entry_point_name

    def discovery_source(self) -> dict[str, Any]:
        """How registrations and audit events name the place it came from."""
        return _source(self.entry_point_name, self.entry_point_value, self.distribution)

    def audit_metadata(self) -> dict[str, Any]:
        """What audit events say of it if it is refused before it is loaded."""
        return {
            "version": self.version,
            "capabilities": None,
            "hooks": None,
            "async_safe": None,
            "requires_stigmem": None,
            "signed_by": UNSIGNED,
            "discovery_source": self.discovery_source(),
            "signing": UNDECIDED,
        }


@frozen
class DiscoveredPlugin:
    """A plugin that was found and loaded.

    Args:
        manifest: What its factory returned.
        entry_point_name: The entry point's name.
        entry_point_value: `module:attribute` of the factory.
        distribution: The distribution that it came from, if known.
        signing_identity: The identity that signed it; `unsigned` if nobody did.
        signature_verified: Whether that identity was verified.
    """

    manifest: PluginManifest
    entry_point_name: str
    entry_point_value: str
    distribution: str | None = None
    signing_identity: str = UNSIGNED
    signature_verified: bool = False

    def discovery_source(self) -> dict[str, Any]:
        """How registrations and audit events name the place it came from."""
        return _source(self.entry_point_name, self.entry_point_value, self.distribution)


def _source(name: str, value: str, distribution: str | None) -> dict[str, Any]:
    return {
        "type": "python_entry_point",
        "entry_point_name": name,
        "entry_point_value": value,
        "distribution": distribution,
    }


def installed_plugins(group: str = ENTRY_POINT_GROUP) -> tuple[InstalledPlugin, ...]:
    """The entry points of a group, by name, without importing anything of theirs.

    A distribution whose entry points cannot be read is passed over, with a line on the log,
    unless it mentions the group.

    Raises:
        PluginDiscoveryError: Distributions that mention the group cannot be read; names them.
    """
    from importlib.metadata import distributions  # noqa: PLC0415  # slow, and rarely needed

    found: dict[str, list[InstalledPlugin]] = {}
    broken: list[str] = []
    for distribution in distributions():
        name = "unknown"
        try:
            name = canonicalize_name(distribution.name)
            if name in found:
                continue  # shadowed by one earlier on the search path
            found[name] = [
                InstalledPlugin(
                    each.name, each.value, distribution.name, distribution.version, each
                )
                for each in distribution.entry_points.select(group=group)
            ]
        except Exception as error:  # noqa: BLE001  # metadata can be broken in any way
            if group.encode() in _entry_points_text(distribution):
                broken.append(f"cannot read the entry points of {name}: {describe(error)}")
            else:
                log.warning("entry points of %s cannot be read: %s", name, describe(error))
    if broken:
        raise PluginDiscoveryError("; ".join(broken), fix="reinstall or uninstall what is named")
    listed = [plugin for plugins in found.values() for plugin in plugins]
    return tuple(sorted(listed, key=lambda p: (p.entry_point_name, p.entry_point_value)))


def _entry_points_text(distribution: Distribution) -> bytes:
    try:
        return (distribution.read_text("entry_points.txt") or "").encode()
    except UnicodeDecodeError as error:
        return error.object


def load_plugin(installed: InstalledPlugin) -> DiscoveredPlugin:
    """Import a plugin and call its manifest factory. Its code runs.

    Raises:
        PluginDiscoveryError: That fails, or yields no manifest; names entry point and error.
    """
    name, value = installed.entry_point_name, installed.entry_point_value
    fix = f"correct or uninstall {installed.distribution or name}"
    try:
        factory = installed.entry_point.load()
        manifest = factory() if callable(factory) else None
    except FAILURES as error:
        message = f"failed to load plugin {name} ({value}): {describe(error)}"
        raise PluginDiscoveryError(message, plugin=name, fix=fix) from error
    if not callable(factory):
        message = f"plugin {name} ({value}): expected a callable, got {type(factory).__name__}"
        raise PluginDiscoveryError(message, plugin=name, fix=fix)
    if not isinstance(manifest, PluginManifest):
        found = f"{type(discard(manifest)).__module__}.{type(manifest).__qualname__}"
        message = f"plugin {name} ({value}): expected PluginManifest, got {found}"
        raise PluginDiscoveryError(message, plugin=name, fix=fix)
    return DiscoveredPlugin(manifest, name, value, installed.distribution)


def duplicates(plugins: Iterable[DiscoveredPlugin]) -> dict[str, PluginDiscoveryError]:
    """The names that several plugins have, each with the error that names their entry points."""
    by_name: dict[str, list[str]] = {}
    for plugin in plugins:
        place = f"{plugin.entry_point_name} ({plugin.distribution or 'no distribution'})"
        by_name.setdefault(plugin.manifest.name, []).append(place)
    return {
        name: PluginDiscoveryError(
            f"duplicate plugin name {name!r} of entry points {' and '.join(entry_points)}",
            plugin=name,
            fix="uninstall all but one of them",
        )
        for name, entry_points in sorted(by_name.items())
        if len(entry_points) > 1
    }


def resolve_plugin_dependencies(
    discovered: Iterable[DiscoveredPlugin], *, registered_plugins: Iterable[str] = ()
) -> tuple[DiscoveredPlugin, ...]:
    """Sort plugins so that each comes after those it depends on, ties by name.

    Args:
        discovered: The plugins to sort.
        registered_plugins: Names of plugins that are there already.

    Raises:
        PluginDependencyError: A dependency is missing, or there is a circle.
        PluginDiscoveryError: Two plugins have one name.

    Example:
        >>> found = [
        ...     DiscoveredPlugin(PluginManifest(name, "1.0.0", depends_on=needs), name, "m:f")
        ...     for name, needs in [("app-log", {"zeta"}), ("zeta", set())]
        ... ]
        >>> [plugin.manifest.name for plugin in resolve_plugin_dependencies(found)]
        ['zeta', 'app-log']
    """
    plugins = list(discovered)
    for error in duplicates(plugins).values():
        raise error
    graph = {plugin.manifest.name: plugin.manifest.depends_on for plugin in plugins}
    require_dependencies(graph, tuple(registered_plugins))
    by_name = {plugin.manifest.name: plugin for plugin in plugins}
    return tuple(by_name[name] for name in dependency_order(graph))
