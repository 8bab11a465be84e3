"""What a node's start would say of each plugin, found out in a registry of its own."""

from __future__ import annotations

import logging
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager

import attrs

from stigmem_hookspecs import ALLOW_SINGLETON, Allow, AuditEvent
from stigmem_plugins.checks import DEPENDENCY, DUPLICATE, MANIFEST_INVALID, Refusal
from stigmem_plugins.cli.quiet import QuietRegistry
from stigmem_plugins.errors import PluginDependencyError, StigmemPluginError
from stigmem_plugins.loading import DiscoveredPlugin, duplicates
from stigmem_plugins.manifest import PluginManifest
from stigmem_plugins.ordering import dependency_order
from stigmem_plugins.registry import HookRegistry
from stigmem_plugins.settings import PluginSettings
from stigmem_plugins.startup import register_discovered_plugins
from stigmem_plugins.trust.vetting import VettedPlugin


def loaded_as_at_start(load: Callable[[], None]) -> None:
    """Call `load` the way a start does: registries take nothing while plugins load."""

    def discover() -> Iterable[DiscoveredPlugin]:
        load()
        return ()  # loaded, but nothing is to be registered yet

    _start(HookRegistry(), discover)


def stand_in(vetted: VettedPlugin) -> DiscoveredPlugin:
    """A signed plugin as its publisher declared it, with handlers that do nothing.

    Raises:
        ManifestError: What was signed is no manifest of this surface: an unknown hook, say.
    """
    signed, installed = vetted.signed, vetted.installed
    assert signed is not None
    manifest = PluginManifest(
        name=signed.name,
        version=signed.version,
        requires_stigmem=signed.requires_stigmem,
        capabilities=signed.capabilities,
        hooks=dict.fromkeys(signed.hooks, _allow),
        depends_on=signed.depends_on,
    )
    return DiscoveredPlugin(
        manifest, installed.entry_point_name, installed.entry_point_value, installed.distribution
    )


def _allow(_ctx: object, *_args: object, **_: object) -> Allow:
    """What a stand-in says when it is asked about the configuration of others."""
    return ALLOW_SINGLETON


def verdicts(
    plugins: Sequence[DiscoveredPlugin], *, refused_before: Collection[str] = ()
) -> dict[str, Refusal | None]:
    """Put plugins through a node's start, each on its own merits.

    What depends on a refused plugin is judged as if that were there, so that every error is
    about the plugin that has to be corrected. No plugin's audit handler hears of it.

    Args:
        plugins: All that are installed and could be loaded.
        refused_before: The names of those that could not be, or are not trusted.

    Returns:
        By name of the plugin the refusal that it would meet, or None for one that is accepted.
        Those that the node leaves out are missing.
    """
    refused = {name: Refusal(DUPLICATE, error) for name, error in duplicates(plugins).items()}
    reasons: dict[str, str] = {}

    def hear(event: AuditEvent) -> None:
        reasons[event.metadata["plugin_name"]] = event.metadata.get("reason", "")

    unique = {
        p.manifest.name: _candidate(p, refused_before)
        for p in plugins
        if p.manifest.name not in refused
    }
    with warnings_off():
        registry = QuietRegistry()
        try:
            _start(registry, unique.values)  # most often nothing is wrong with any of them
        except StigmemPluginError:
            registry = QuietRegistry(hear)
            for name in _dependencies_first(unique, refused):
                candidate = _candidate(unique[name], refused)
                try:
                    _start(registry, lambda: [candidate])  # noqa: B023  # called at once
                except StigmemPluginError as error:
                    refused[name] = Refusal(reasons.get(name, MANIFEST_INVALID), error)
    return {**dict.fromkeys(registry.plugin_registration_order()), **refused}


def _start(registry: HookRegistry, discover: Callable[[], Iterable[DiscoveredPlugin]]) -> None:
    settings = attrs.evolve(
        PluginSettings.from_environment(),
        plugin_signing_required=False,  # what is signed was vetted, and what is not is let in
        plugin_auto_discovery_enabled=True,
    )
    register_discovered_plugins(
        registry=registry, freeze=False, settings=settings, discover=discover
    )


@contextmanager
def warnings_off() -> Iterator[None]:
    """A start warns of every unsigned plugin that it runs; a listing runs none."""
    log = logging.getLogger("stigmem.plugins.registry")
    level = log.level
    log.setLevel(logging.ERROR)
    try:
        yield
    finally:
        log.setLevel(level)


def _dependencies_first(
    plugins: Mapping[str, DiscoveredPlugin], refused: dict[str, Refusal]
) -> tuple[str, ...]:
    """The order of registration; of each circle the plugin that a start blames is refused."""
    graph = {name: plugin.manifest.depends_on for name, plugin in plugins.items()}
    found = circles(graph)
    refused.update({name: Refusal(DEPENDENCY, error) for name, error in found.items()})
    return dependency_order({name: graph[name] for name in graph.keys() - found.keys()})


def circles(graph: Mapping[str, Collection[str]]) -> dict[str, PluginDependencyError]:
    """The circles in which plugins depend on each other.

    Args:
        graph: For each plugin the names of those it depends on.

    Returns:
        The error of each circle, by the name of the plugin that a start blames for it.

    Example:
        >>> [str(error) for error in circles({"app": ["log"], "log": ["app"], "zeta": []}).values()]
        ['plugins depend on each other in a circle: app -> log -> app; remove one of these from a \
depends_on']
    """
    rest, found = dict(graph), {}
    while True:
        try:
            dependency_order(rest)
        except PluginDependencyError as circle:
            blamed = circle.plugin or ""
            found[blamed] = circle
            del rest[blamed]
        else:
            return found


def _candidate(plugin: DiscoveredPlugin, refused: Iterable[str]) -> DiscoveredPlugin:
    depends_on = plugin.manifest.depends_on.difference(refused)
    return attrs.evolve(plugin, manifest=attrs.evolve(plugin.manifest, depends_on=depends_on))
