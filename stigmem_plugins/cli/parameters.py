"""What commands are given: hooks, capabilities, plugins, and how shells complete their names."""

from __future__ import annotations

from typing import Any

import click
from click.shell_completion import CompletionItem

from stigmem_hookspecs import HOOK_SPECS
from stigmem_hookspecs.markers import HookSpec
from stigmem_plugins.capabilities import CAPABILITY_ALLOWLIST, Capability
from stigmem_plugins.cli.output import NotFound
from stigmem_plugins.discovery import installed_distributions
from stigmem_plugins.errors import StigmemPluginError, suggest
from stigmem_plugins.settings import PluginSettings


class HookName(click.ParamType):  # type: ignore[type-arg]  # generic in new versions alone
    """The name of a hook; a command gets its declaration."""

    name = "hook"

    def convert(
        self, value: Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> HookSpec:
        """Look the hook up.

        Raises:
            NotFound: There is none; the nearest is suggested.
        """
        del param, ctx
        if value not in HOOK_SPECS:
            message = f"unknown hook {value!r}{suggest(value, HOOK_SPECS)}"
            raise NotFound(message, f"the hooks are {', '.join(HOOK_SPECS)}")
        return HOOK_SPECS[value]

    def shell_complete(
        self, ctx: click.Context, param: click.Parameter, incomplete: str
    ) -> list[CompletionItem]:
        """The hooks that begin so, with their semantics."""
        del ctx, param
        return [
            CompletionItem(name, help=spec.semantic)
            for name, spec in HOOK_SPECS.items()
            if name.startswith(incomplete)
        ]


class CapabilityName(click.ParamType):  # type: ignore[type-arg]  # the same
    """The name of a capability; a command gets the `Capability`."""

    name = "capability"

    def convert(
        self, value: Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> Capability:
        """Look the capability up.

        Raises:
            NotFound: There is none; the nearest is suggested.
        """
        del param, ctx
        if value not in CAPABILITY_ALLOWLIST:
            message = f"unknown capability {value!r}{suggest(value, CAPABILITY_ALLOWLIST)}"
            raise NotFound(message, f"the capabilities are {', '.join(Capability)}")
        return Capability(value)

    def shell_complete(
        self, ctx: click.Context, param: click.Parameter, incomplete: str
    ) -> list[CompletionItem]:
        """The capabilities that begin so."""
        del ctx, param
        return [CompletionItem(each) for each in Capability if each.startswith(incomplete)]


def complete_plugin(
    ctx: click.Context, param: click.Parameter, incomplete: str
) -> list[CompletionItem]:
    """The installed entry points and distributions that begin so, read from metadata alone."""
    del ctx, param
    try:
        plugin_dir = PluginSettings.from_environment().plugin_dir
        installed = installed_distributions(plugin_dir=plugin_dir)
    except StigmemPluginError:
        return []  # the command itself says what is wrong
    named = {each.name: "distribution" for each in installed}
    named |= {p.entry_point_name: "plugin" for each in installed for p in each.plugins}
    return [
        CompletionItem(name, help=kind)
        for name, kind in sorted(named.items())
        if name.startswith(incomplete)
    ]


def complete_wheel_or_plugin(
    ctx: click.Context, param: click.Parameter, incomplete: str
) -> list[CompletionItem]:
    """The same, and files."""
    return [*complete_plugin(ctx, param, incomplete), CompletionItem(incomplete, type="file")]
