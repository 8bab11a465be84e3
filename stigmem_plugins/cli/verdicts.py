"""What a node's start would say of each plugin, found out in a registry of its own."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any, Final

import attrs

from stigmem_hookspecs import ALLOW_SINGLETON, HOOK_SPECS, Allow
from stigmem_plugins.errors import ManifestError, PluginDependencyError, StigmemPluginError
from stigmem_plugins.loading import DiscoveredPlugin, duplicates
from stigmem_plugins.manifest import PluginManifest
from stigmem_plugins.ordering import dependency_order
from stigmem_plugins.registry import HookRegistry
from stigmem_plugins.settings import PluginSettings
from stigmem_plugins.signatures import read_keywords
from stigmem_plugins.startup import register_discovered_plugins
from stigmem_plugins.trust.vetting import VettedPlugin

AUDIT_HOOK: Final = "audit_emit"


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


def verdicts(plugins: Sequence[DiscoveredPlugin]) -> dict[str, StigmemPluginError | None]:
    """Put plugins through a node's start, each on its own merits.

    What depends on a refused plugin is judged as if that were there, so that every error is
    about the plugin that has to be corrected. No plugin's audit handler hears of it.

    Args:
        plugins: All that are installed and could be loaded.

    Returns:
        By name of the plugin the error that it would be refused with, or None for one that is
        accepted. Those that the node leaves out are missing.
    """
    refused: dict[str, StigmemPluginError] = dict(duplicates(plugins))
    unique = {p.manifest.name: p for p in plugins if p.manifest.name not in refused}
    registry = HookRegistry()
    with warnings_off():
        for name in _dependencies_first(unique, refused):
            candidate = _candidate(unique[name], refused)
            try:
                _start(registry, lambda: [candidate])  # noqa: B023  # called at once
            except StigmemPluginError as error:
                refused[name] = error
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
    plugins: Mapping[str, DiscoveredPlugin], refused: dict[str, StigmemPluginError]
) -> tuple[str, ...]:
    """The order of registration; of each circle the plugin that a start blames is refused."""
    graph = {name: plugin.manifest.depends_on for name, plugin in plugins.items()}
    while True:
        try:
            return dependency_order(graph)
        except PluginDependencyError as circle:
            blamed = circle.plugin or ""
            refused[blamed] = circle
            del graph[blamed]


def _candidate(plugin: DiscoveredPlugin, refused: Iterable[str]) -> DiscoveredPlugin:
    manifest = plugin.manifest
    hooks = {h: _deaf(f) if h == AUDIT_HOOK else f for h, f in manifest.hooks.items()}
    depends_on = manifest.depends_on.difference(refused)
    return attrs.evolve(plugin, manifest=attrs.evolve(manifest, hooks=hooks, depends_on=depends_on))


def _deaf(handler: Callable[..., Any]) -> Callable[..., Any]:
    """A handler that does nothing, in the place of a usable one."""
    try:
        read_keywords(handler, HOOK_SPECS[AUDIT_HOOK])
    except ManifestError:
        return handler  # a start refuses it, so it is never called
    return lambda _ctx, **_: None
