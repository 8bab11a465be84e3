"""The command `stigmem-plugins`: what is installed, who signed it, and a demonstration.

`main` is a click group, which a node can mount under its own command line.
"""

from __future__ import annotations

from typing import Any

import click

from stigmem_plugins.cli import demo as demonstration
from stigmem_plugins.cli.listing import describe_plugin, find, list_plugins, names
from stigmem_plugins.cli.order import order_command
from stigmem_plugins.cli.output import Failed, print_json, show_listing, show_plugin
from stigmem_plugins.cli.run import ProgramGroup, run_command
from stigmem_plugins.cli.signing import sign_command, trust_group, verify_command
from stigmem_plugins.errors import StigmemPluginError
from stigmem_plugins.settings import PluginSettings


class PluginCommands(ProgramGroup):
    """A group whose commands report the layer's errors in two lines, without a traceback."""

    def invoke(self, ctx: click.Context) -> Any:
        """Run the command that was asked for."""
        try:
            return super().invoke(ctx)
        except StigmemPluginError as error:
            raise Failed(error.message, error.fix) from error


@click.group(cls=PluginCommands, name="stigmem-plugins")
def main() -> None:
    """Look at the plugins of a Stigmem node."""


@main.command("list")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
def list_command(*, as_json: bool) -> None:
    """List the installed plugins.

    Signed ones show what their publishers signed, and are not imported; nothing is while
    signing is required. With STIGMEM_PLUGIN_SIGNING_REQUIRED=false unsigned ones are loaded to
    learn what they declare. All are put through the checks of a node's start.
    """
    plugins = [plugin.facts() for plugin in list_plugins()]
    auto_discovery = PluginSettings.from_environment().plugin_auto_discovery_enabled
    if as_json:
        print_json(auto_discovery=auto_discovery, plugins=plugins)
    else:
        show_listing(plugins, auto_discovery=auto_discovery)


@main.command("describe")
@click.argument("name")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
def describe_command(name: str, *, as_json: bool) -> None:
    """Show all that is known of one plugin.

    NAME is the plugin's name, its entry point's or its distribution's.
    """
    facts = describe_plugin(find(name, list_plugins(), names))
    auto_discovery = PluginSettings.from_environment().plugin_auto_discovery_enabled
    if as_json:
        print_json(auto_discovery=auto_discovery, plugin=facts)
    else:
        show_plugin(facts, auto_discovery=auto_discovery)


@main.command("demo")
def demo_command() -> None:
    """Show two signed plugins at work in a small node.

    They are installed with pip into a temporary folder, which is removed afterwards.
    """
    demonstration.run()


main.add_command(order_command)
main.add_command(run_command)
main.add_command(sign_command)
main.add_command(verify_command)
main.add_command(trust_group)
