"""Handles that record what a plugin does with them, and contexts that hold them."""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterable, Mapping
from typing import Any, Self, TypeAlias
from unittest.mock import MagicMock

from attrs import evolve

from stigmem_plugins.capabilities import Capability, CoreApis, PluginContext
from stigmem_plugins.config import configure
from stigmem_plugins.errors import StigmemPluginError, suggest
from stigmem_plugins.manifest import PluginManifest
from stigmem_plugins.testing.factories import manifest_of

Plugin: TypeAlias = str | PluginManifest | Callable[[], PluginManifest]


class FakeHandle(MagicMock):
    """A handle of any shape: a `MagicMock` that can also be awaited, and then is itself.

    Example:
        >>> reader = FakeHandle(name="facts_reader")
        >>> reader.search.return_value = ["f1"]
        >>> reader.search(entity="ada")
        ['f1']
        >>> reader.search.mock_calls
        [call(entity='ada')]
    """

    def __await__(self) -> Generator[None, None, Self]:
        yield from ()
        return self


def fake_handles(capabilities: Iterable[str]) -> CoreApis:
    """A fake for each of these capabilities.

    Example:
        >>> apis = fake_handles({"audit.emit"})
        >>> apis.audit_emitter("seen").anything, apis.facts_reader
        (<FakeHandle name='audit_emitter().anything' id='...'>, None)
    """
    names = [Capability(name).field for name in capabilities]
    return CoreApis(**{name: FakeHandle(name=name) for name in names})


def make_context(
    plugin: Plugin,
    capabilities: Iterable[str],
    config: Any,
    handles: Mapping[str, Any],
) -> PluginContext:
    """What the fixture `plugin_context` makes.

    Raises:
        StigmemPluginError: A handle that there is none of, or that the manifest does not declare.
    """
    by_field = {capability.field: capability for capability in Capability}
    for name in handles:
        if name not in by_field:
            message = f"there is no handle {name!r}{suggest(name, by_field)}"
            fix = f"give one of {', '.join(by_field)}"
            raise StigmemPluginError(message, fix=fix)
    given = {by_field[name] for name in handles}
    if isinstance(plugin, str):
        manifest = PluginManifest(plugin, "0.0.0", capabilities={*capabilities, *given})
    else:
        manifest = manifest_of(plugin)
        if missing := {*given, *capabilities} - manifest.capabilities:
            names = ", ".join(sorted(map(str, missing)))
            message = f"plugin {manifest.name!r} does not declare {names}"
            fix = "add it to the manifest's capabilities: a node grants nothing else"
            raise StigmemPluginError(message, plugin=manifest.name, fix=fix)
    return PluginContext(
        plugin_name=manifest.name,
        plugin_version=manifest.version,
        capabilities=manifest.capabilities,
        core_apis=evolve(fake_handles(manifest.capabilities), **handles),
        config=configure(manifest).value if config is None else config,
    )
