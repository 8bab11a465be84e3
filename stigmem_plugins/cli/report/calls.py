"""Who is called at each hook, in which order and why: as a registry's dispatcher has it."""

from __future__ import annotations

from collections.abc import Iterable

from stigmem_hookspecs import HOOK_SPECS
from stigmem_plugins.admission import bound
from stigmem_plugins.capabilities import PluginContext
from stigmem_plugins.cli.pipelines import Pipeline, explain_order
from stigmem_plugins.dispatch import Dispatcher
from stigmem_plugins.loading import DiscoveredPlugin
from stigmem_plugins.registration import Candidate, Registration


def pipelines(plugins: Iterable[DiscoveredPlugin]) -> tuple[Pipeline, ...]:
    """The call order of every hook; nothing is judged, and nothing fired.

    Args:
        plugins: Those that a node's start accepts.
    """
    dispatcher = Dispatcher(lambda _what: None)
    registrations = [_registration(plugin) for plugin in plugins]
    dispatcher.add(registrations)
    depends_on = {each.manifest.name: each.manifest.depends_on for each in registrations}
    return tuple(
        explain_order(spec, dispatcher.handlers(hook), depends_on)
        for hook, spec in HOOK_SPECS.items()
    )


def _registration(plugin: DiscoveredPlugin) -> Registration:
    manifest = plugin.manifest
    context = PluginContext(plugin_name=manifest.name, capabilities=())
    candidate = Candidate(manifest, plugin.discovery_source())
    return Registration(candidate, context, bound(manifest, context))
