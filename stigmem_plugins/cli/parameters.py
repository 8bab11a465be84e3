"""What commands are given: hooks, capabilities, plugins, and how shells complete their names."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

import click
from click.shell_completion import CompletionItem

from stigmem_hookspecs import HOOK_SPECS
from stigmem_plugins.capabilities import Capability
from stigmem_plugins.cli.output import NotFound
from stigmem_plugins.discovery import installed_distributions
from stigmem_plugins.errors import StigmemPluginError, suggest
from stigmem_plugins.settings import PluginSettings


class Known(click.ParamType):  # type: ignore[type-arg]  # generic in new versions alone
    """One of the things that have names; a command gets the thing.

    Args:
        kind: What it is, in one word.
        several: The same, of many.
        things: All there are, by name.
        helps: What to say of each where a shell lists them.
    """

    def __init__(
        self, kind: str, several: str, things: Mapping[str, Any], helps: Mapping[str, str]
    ) -> None:
        self.name = kind
        self._several = several
        self._things = things
        self._helps = helps

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        """Look it up.

        Raises:
            NotFound: There is none of that name; the nearest is suggested.
        """
        del param, ctx
        if value not in self._things:
            message = f"unknown {self.name} {value!r}{suggest(value, self._things)}"
            raise NotFound(message, f"the {self._several} are {', '.join(self._things)}")
        return self._things[value]

    def shell_complete(
        self, ctx: click.Context, param: click.Parameter, incomplete: str
    ) -> list[CompletionItem]:
        """Those whose names begin so."""
        del ctx, param
        return [
            CompletionItem(name, help=self._helps.get(name))
            for name in self._things
            if name.startswith(incomplete)
        ]


HOOK: Final = Known(
    "hook", "hooks", HOOK_SPECS, {name: spec.semantic for name, spec in HOOK_SPECS.items()}
)
"""The name of a hook; a command gets its declaration."""
CAPABILITY: Final = Known(
    "capability", "capabilities", {each.value: each for each in Capability}, {}
)
"""The name of a capability; a command gets the `Capability`."""


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
