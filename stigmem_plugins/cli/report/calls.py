"""Who is called at each hook, in which order: as a registry's dispatcher says it."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from typing import Any, Final

from attrs import frozen

from stigmem_hookspecs import HOOK_SPECS, HookOrdering
from stigmem_hookspecs.markers import HookSpec
from stigmem_plugins.capabilities import PluginContext
from stigmem_plugins.dispatch import CoreHandler, Dispatcher
from stigmem_plugins.loading import DiscoveredPlugin
from stigmem_plugins.registration import Candidate, Registration
from stigmem_plugins.shim import Handler
from stigmem_plugins.signatures import handler_label, read_keywords

CORE: Final = "core"
"""The plugin name of the node's own handlers."""


@frozen
class Step:
    """One handler of a hook, or the place of the node's own.

    Args:
        plugin: The plugin's name, or `core`.
        handler: The handler's name; None where it is not known without loading the plugin.
    """

    plugin: str
    handler: str | None = None


@frozen
class Pipeline:
    """A hook, and who is called at it, in call order."""

    spec: HookSpec
    steps: tuple[Step, ...]

    @property
    def plugins(self) -> tuple[str, ...]:
        """The plugins that take part, in call order."""
        return tuple(step.plugin for step in self.steps if step.plugin != CORE)

    def facts(self) -> dict[str, Any]:
        """The same by name, for JSON."""
        return {
            "hook": self.spec.name,
            "band": self.spec.band.name,
            "semantic": str(self.spec.semantic),
            "ordering": str(self.spec.ordering),
            "strict": self.spec.strict,
            "calls": [{"plugin": step.plugin, "handler": step.handler} for step in self.steps],
        }


def pipelines(
    plugins: Iterable[DiscoveredPlugin], unknown: Collection[str] = ()
) -> tuple[Pipeline, ...]:
    """The call order of every hook.

    A handler of the node stands in for however many it has: of a hook that is made for plugins
    it has none.

    Args:
        plugins: Those that a node's start accepts.
        unknown: The names of those that were not loaded, so that the names of their handlers
            are not known.
    """
    dispatcher = Dispatcher(lambda _what: None)
    for spec in HOOK_SPECS.values():
        if spec.ordering is not HookOrdering.PLUGIN_ONLY:
            dispatcher.add_core(CoreHandler(spec, _handler(CORE, spec, _own, _context(CORE))))
    dispatcher.add([_registration(plugin) for plugin in plugins])
    return tuple(
        Pipeline(
            spec,
            tuple(
                Step(each.plugin_name)
                if each.plugin_name in {CORE, *unknown}
                else Step(each.plugin_name, each.handler_name)
                for each in dispatcher.handlers(name)
            ),
        )
        for name, spec in HOOK_SPECS.items()
    )


def _own(_ctx: object, *_args: object, **_: object) -> None:
    """Stands for the node's own handlers; nothing is fired."""


def _context(name: str) -> PluginContext:
    return PluginContext(plugin_name=name, capabilities=())


def _handler(name: str, spec: HookSpec, function: Any, context: PluginContext) -> Handler:
    label = f"{name}.{handler_label(function)}"
    return Handler(name, label, function, read_keywords(function, spec), context)


def _registration(plugin: DiscoveredPlugin) -> Registration:
    manifest = plugin.manifest
    context = _context(manifest.name)
    handlers = {
        hook: _handler(manifest.name, HOOK_SPECS[hook], function, context)
        for hook, function in manifest.hooks.items()
    }
    return Registration(Candidate(manifest, plugin.discovery_source()), context, handlers)
