"""From what a test is given of a plugin, a manifest or its factory, to the manifest."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from stigmem_plugins.errors import FAILURES, StigmemPluginError, describe, shown
from stigmem_plugins.manifest import PluginManifest
from stigmem_plugins.shim import discard
from stigmem_plugins.signatures import handler_label


def manifest_of(plugin: Any) -> PluginManifest:
    """A manifest as it is, or what a factory makes.

    Raises:
        StigmemPluginError: It is neither, or the factory fails.

    Example:
        >>> manifest_of(lambda: PluginManifest("example-plugin", "1.0.0")).name
        'example-plugin'
        >>> manifest_of("example-plugin")
        Traceback (most recent call last):
        stigmem_plugins.errors.StigmemPluginError: expected a manifest or its factory, got \
'example-plugin'; pass the function that the entry point names, such as plugin_manifest
    """
    if isinstance(plugin, PluginManifest):
        return plugin
    if not callable(plugin):
        message = f"expected a manifest or its factory, got {shown(plugin)}"
        fix = "pass the function that the entry point names, such as plugin_manifest"
        raise StigmemPluginError(message, fix=_fix(type(plugin), fix))
    return call_factory(plugin)


def call_factory(factory: Callable[[], Any]) -> PluginManifest:
    """What a factory makes.

    Raises:
        StigmemPluginError: It raises, or makes something else than a manifest.
    """
    name = f"{handler_label(factory)}()"
    try:
        made = factory()
    except StigmemPluginError as error:  # it says itself what to do
        message = f"{name} raised {describe(error)}"
        raise StigmemPluginError(message) from error
    except FAILURES as error:
        message = f"{name} raised {describe(error)}"
        fix = "a factory takes no arguments and only describes the plugin"
        raise StigmemPluginError(message, fix=fix) from error
    if isinstance(made, PluginManifest):
        return made
    kind = type(discard(made))
    message = f"{name} returned a {kind.__module__}.{kind.__qualname__}, not a PluginManifest"
    raise StigmemPluginError(message, fix=_fix(kind, "return a stigmem_plugins.PluginManifest"))


def _fix(kind: type[Any], fix: str) -> str:
    if kind.__name__ != PluginManifest.__name__:
        return fix
    return "set stigmem_plugins_bridge = true in pytest's ini file: it is the node's own class"
