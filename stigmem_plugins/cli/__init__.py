"""The command `stigmem-plugins`: what is installed, who signed it, and what it does.

`main` is a click group, which a node can mount under its own command line.
"""

from __future__ import annotations

import click

from stigmem_plugins.cli import demo as demonstration
from stigmem_plugins.cli.check import check_command
from stigmem_plugins.cli.diff import diff_command
from stigmem_plugins.cli.doctor.command import doctor_command
from stigmem_plugins.cli.explain import explain_command
from stigmem_plugins.cli.group import PluginCommands
from stigmem_plugins.cli.listing import describe_plugin, find, list_plugins, names
from stigmem_plugins.cli.loaded import ask_loaded
from stigmem_plugins.cli.new import new_command
from stigmem_plugins.cli.order import order_command
from stigmem_plugins.cli.output import print_json, show_listing, show_plugin
from stigmem_plugins.cli.parameters import complete_plugin
from stigmem_plugins.cli.report import report_command
from stigmem_plugins.cli.run import run_command
from stigmem_plugins.cli.signing import sign_command, trust_group, verify_command
from stigmem_plugins.settings import PluginSettings


@click.group(
    cls=PluginCommands,
    name="stigmem-plugins",
    context_settings={"help_option_names": ["-h", "--help"]},
)
@click.version_option(package_name="stigmem-plugins", message="stigmem-plugins %(version)s")
def main() -> None:
    """Look at the plugins of a Stigmem node.

    \b
        stigmem-plugins list
        stigmem-plugins describe example-plugin
        stigmem-plugins verify --all

    Results are on stdout, everything else on stderr; --json prints one object. The exit code is
    0 if all is well, or was only to be shown, 1 if something was found or refused, 2 for wrong
    usage, 3 if something could not be read or checked. NO_COLOR=1 turns colours off.

    Your shell completes commands, hooks and plugins once it has run one of

    \b
        eval "$(_STIGMEM_PLUGINS_COMPLETE=bash_source stigmem-plugins)"
        eval "$(_STIGMEM_PLUGINS_COMPLETE=zsh_source stigmem-plugins)"
        _STIGMEM_PLUGINS_COMPLETE=fish_source stigmem-plugins | source
    """  # noqa: D301  # click's mark for text that is not wrapped


@main.command("list")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
def list_command(*, as_json: bool) -> None:
    """List the installed plugins.

    Signed ones show what their publishers signed, and are not imported; nothing is while
    signing is required. With STIGMEM_PLUGIN_SIGNING_REQUIRED=false unsigned ones are loaded to
    learn what they declare. All are put through the checks of a node's start.

    \b
        stigmem-plugins list
        stigmem-plugins list --json
    """  # noqa: D301  # click's mark for text that is not wrapped
    plugins = [plugin.facts() for plugin in list_plugins()]
    auto_discovery = PluginSettings.from_environment().plugin_auto_discovery_enabled
    if as_json:
        print_json(auto_discovery=auto_discovery, plugins=plugins)
    else:
        show_listing(plugins, auto_discovery=auto_discovery)


@main.command("describe")
@click.argument("name", shell_complete=complete_plugin)
@click.option("--load", is_flag=True, help="Start the plugins, and ask this one how it is.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
def describe_command(name: str, *, load: bool, as_json: bool) -> None:
    """Show all that is known of one plugin.

    NAME is the plugin's name, its entry point's or its distribution's.

    A signed plugin is shown as its publisher signed it, and not imported. Its configuration and
    its health only its code can tell: with --load all plugins are started as a node starts
    them, and this one's health check is run. Secret values are masked.

    \b
        stigmem-plugins describe example-plugin
        stigmem-plugins describe example-plugin --load --json
    """  # noqa: D301  # click's mark for text that is not wrapped
    plugin = find(name, list_plugins(), names)
    facts = ask_loaded(plugin) if load else describe_plugin(plugin)
    auto_discovery = PluginSettings.from_environment().plugin_auto_discovery_enabled
    if as_json:
        print_json(auto_discovery=auto_discovery, plugin=facts)
    else:
        show_plugin(facts, auto_discovery=auto_discovery)


@main.command("demo")
def demo_command() -> None:
    """Show two signed plugins at work in a small node.

    They are installed with pip into a temporary folder, which is removed afterwards.

    \b
        stigmem-plugins demo
    """  # noqa: D301  # click's mark for text that is not wrapped
    demonstration.run()


main.add_command(check_command)
main.add_command(diff_command)
main.add_command(doctor_command)
main.add_command(explain_command)
main.add_command(new_command)
main.add_command(order_command)
main.add_command(report_command)
main.add_command(run_command)
main.add_command(sign_command)
main.add_command(verify_command)
main.add_command(trust_group)
