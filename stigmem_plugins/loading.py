"""The last step before admission: a plugin's code runs for the first time."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from functools import partial
from typing import Any

from attrs import evolve, frozen

from stigmem_plugins.discovery import InstalledPlugin, source
from stigmem_plugins.errors import FAILURES, PluginDiscoveryError, describe
from stigmem_plugins.manifest import PluginManifest
from stigmem_plugins.ordering import dependency_order, require_dependencies
from stigmem_plugins.shim import discard
from stigmem_plugins.trust import importer
from stigmem_plugins.trust.decision import UNSIGNED
from stigmem_plugins.trust.gates import refused
from stigmem_plugins.trust.unverified import Unverified
from stigmem_plugins.trust.vetting import VettedPlugin


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
        signing_issuer: Who vouched for that identity, as a URL; None if that is not known.
    """

    manifest: PluginManifest
    entry_point_name: str
    entry_point_value: str
    distribution: str | None = None
    signing_identity: str = UNSIGNED
    signature_verified: bool = False
    signing_issuer: str | None = None

    def discovery_source(self) -> dict[str, Any]:
        """How registrations and audit events name the place it came from."""
        return source(self.entry_point_name, self.entry_point_value, self.distribution)


def load_plugin(installed: InstalledPlugin, load: Callable[[], Any]) -> DiscoveredPlugin:
    """Import a plugin and call its manifest factory. Its code runs.

    Args:
        installed: What was found of it.
        load: Imports what its entry point names.

    Raises:
        PluginDiscoveryError: That fails, or yields no manifest; names entry point and error.
    """
    name, value = installed.entry_point_name, installed.entry_point_value
    fix = f"correct or uninstall {installed.distribution or name}"
    try:
        factory = load()
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


def load_vetted(vetted: VettedPlugin) -> DiscoveredPlugin:
    """Load a plugin that may be loaded: a verified one from the verified bytes.

    Raises:
        PluginDiscoveryError: It cannot be loaded.
        PluginSignatureError: Its manifest is not the one that its publisher signed.
    """
    installed = vetted.installed
    if vetted.verified is None:
        return load_plugin(installed, installed.load)
    verified, signed = vetted.verified, vetted.signed
    assert signed is not None
    plugin = load_plugin(installed, partial(importer.load, signed.factory))
    if differences := signed.differences(plugin.manifest):
        text = f"its manifest is not the signed one: {'; '.join(differences)}"
        fix = "ask its publisher for a build that declares the same wherever it runs"
        raise refused(signed.name, Unverified(text, fix))
    signer = verified.signer
    return evolve(
        plugin,
        signing_identity=signer.identity,
        signature_verified=True,
        signing_issuer=signer.issuer,
    )


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
