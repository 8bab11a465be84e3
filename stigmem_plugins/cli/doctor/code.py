"""Checks of plugins that a start would register: their health, and what their code is for."""

from __future__ import annotations

import inspect
import sys
from collections.abc import Callable, Iterator
from contextlib import redirect_stdout
from pathlib import Path
from typing import Any

from stigmem_hookspecs import HOOK_SPECS, PluginHealthStatus
from stigmem_plugins import health
from stigmem_plugins.capabilities import Capability
from stigmem_plugins.cli.doctor.installation import Installation, Remedy
from stigmem_plugins.cli.listing import Listed, registered
from stigmem_plugins.cli.output import LEFT_OUT
from stigmem_plugins.dispatch import AUDIT
from stigmem_plugins.findings import Finding, Level
from stigmem_plugins.signatures import handler_label, is_asynchronous, read_keywords
from stigmem_plugins.usage import Usage, find_usage

UNHEALTHY = "unhealthy"
CAPABILITY_UNUSED = "capability-unused"
NEVER_CALLED = "never-called"
LEVELS = {
    PluginHealthStatus.UNHEALTHY: Level.FAIL,
    PluginHealthStatus.DEGRADED: Level.WARN,
    PluginHealthStatus.UNKNOWN: Level.WARN,
}


def unhealthy(installation: Installation) -> Iterator[Finding]:
    """What the plugins' own health checks say; one that hangs is given up at its deadline."""
    for plugin in installation.accepted:
        assert plugin.plugin is not None  # it is accepted
        manifest = plugin.plugin.manifest
        if manifest.health_check is None:
            continue
        with redirect_stdout(sys.stderr):
            report = health.poll(registered(plugin.plugin))
        if report.status in LEVELS:
            said = report.error_summary or report.message
            yield Finding(
                UNHEALTHY,
                LEVELS[report.status],
                f"{report.status}: {said}" if said else f"its health check says {report.status}",
                code=f"{UNHEALTHY}.{report.status}",
                subject=plugin.name,
                hint="look at what its health check asks for"
                + "; outside of a node it has no handles" * bool(manifest.capabilities),
            )


def capability_unused(installation: Installation) -> Iterator[Finding]:
    """Capabilities that a plugin asks for, and none of its own files uses."""
    for plugin in installation.loaded:
        assert plugin.plugin is not None  # it is loaded
        wanted = {Capability(name) for name in plugin.plugin.manifest.capabilities}
        if not wanted:
            continue
        usage = find_usage(_sources(plugin))
        unused = sorted(wanted - usage.places.keys())
        if unused and usage.complete:
            accessors = ", ".join(capability.accessor for capability in unused)
            yield Finding(
                CAPABILITY_UNUSED,
                Level.WARN,
                f"it asks for {', '.join(unused)}, and its code never uses {accessors}",
                subject=plugin.name,
                hint="ask its author to declare only what it uses",
            )
        elif unused:
            yield Finding(
                CAPABILITY_UNUSED,
                Level.SKIP,
                f"whether it uses {', '.join(unused)} cannot be told: {_why(usage)}",
                code=f"{CAPABILITY_UNUSED}.unknown",
                subject=plugin.name,
            )


def _why(usage: Usage) -> str:
    if usage.unreadable:
        return f"{usage.unreadable[0]} cannot be read as Python"
    return f"{usage.dynamic[0]} looks attributes up by names that only running it tells"


def _sources(plugin: Listed) -> dict[str, bytes]:
    """A plugin's source files by path; what cannot be read counts as a file that is no Python."""
    if plugin.vetted.verified is not None:
        files = plugin.vetted.verified.files
        return {path: data for path, data in files.sources.items() if path.endswith(".py")}
    point = plugin.vetted.installed.entry_point
    assert point is not None  # an unsigned plugin was loaded by it
    listed = (point.dist.files if point.dist else None) or ()
    paths = {str(each): Path(str(each.locate())) for each in listed if each.suffix == ".py"}
    if not paths:  # an editable install, say: it lists none of its own files
        module = sys.modules[point.module.partition(".")[0]]
        roots = [Path(each) for each in getattr(module, "__path__", [])]
        found = [file for root in roots for file in root.rglob("*.py")]
        paths = {str(each): each for each in found or [Path(module.__file__ or "")]}
    return {name: _read(path) for name, path in paths.items()}


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError:
        return b"\0"


def never_called(installation: Installation) -> Iterator[Finding]:
    """Handlers of plugins that are left out, and those that no event of the layer reaches.

    Only what is certain: whether a node fires a hook, and with what, is its own affair.
    """
    for plugin in installation.plugins:
        if plugin.status == LEFT_OUT:
            yield Finding(
                NEVER_CALLED,
                Level.WARN,
                "this node does without it, so none of its handlers is called",
                code=f"{NEVER_CALLED}.left-out",
                subject=plugin.name,
                hint="uninstall it: the node has the feature itself",
            )
    for plugin in installation.accepted:
        assert plugin.plugin is not None  # the same
        handler = plugin.plugin.manifest.hooks.get(AUDIT)
        if handler is not None and (why := _unreachable(handler)):
            yield Finding(
                NEVER_CALLED,
                Level.WARN,
                f"its {AUDIT} handler {handler_label(handler)!r} hears nothing of the plugin "
                f"layer's own events: {why}",
                code=f"{NEVER_CALLED}.own-events",
                subject=plugin.name,
                hint="ask its author for `def` and the signature (ctx, *, event, **_)",
            )


def _unreachable(handler: Callable[..., Any]) -> str | None:
    if is_asynchronous(handler):
        return "it is asynchronous, and these are not awaited"
    spec = HOOK_SPECS[AUDIT]
    beyond = read_keywords(handler, spec).named.difference(spec.keywords)
    needed = [
        parameter.name
        for parameter in inspect.signature(handler).parameters.values()
        if parameter.name in beyond and parameter.default is parameter.empty
    ]
    return f"it needs {', '.join(needed)}, which they do not have" if needed else None


def uninstall_left_out(installation: Installation) -> Iterator[Remedy]:
    """Uninstall what the node does without, where pip can."""
    for plugin in installation.plugins:
        distribution = installation.distribution(plugin)
        if plugin.status == LEFT_OUT and distribution.importable:
            line = f"python -m pip uninstall {distribution.name}"
            yield Remedy(f"Uninstall {plugin.name}, which this node does without", (line,))
