"""The command `order`: who is called at a hook, in which order, and by what code."""

from __future__ import annotations

import sys
from contextlib import redirect_stdout

import click
from rich.text import Text

from stigmem_hookspecs.markers import HookSpec
from stigmem_plugins.admission import admit
from stigmem_plugins.capabilities import CoreApis
from stigmem_plugins.checks import Terms
from stigmem_plugins.cli.output import Failed, make_console, print_json, print_rows, printable
from stigmem_plugins.cli.verdicts import loaded_as_at_start
from stigmem_plugins.dispatch import Dispatcher
from stigmem_plugins.host import host_version
from stigmem_plugins.plans import Plan
from stigmem_plugins.registration import Candidate
from stigmem_plugins.startup import discover_plugin_manifests


@click.command("order")
@click.argument("hook")
@click.option("--plan", is_flag=True, help="Print the code that fires the hook.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
def order_command(*, hook: str, plan: bool, as_json: bool) -> None:
    """Show which handlers HOOK calls, in call order.

    The installed plugins are loaded and checked as at a node's start; nothing is fired but
    their validators. The node's own handlers are not among those shown.

    \b
        stigmem-plugins order pre_assert_authorize
    """  # noqa: D301  # click's mark for text that is not wrapped
    spec = Dispatcher.spec(hook)
    if plan and spec.check:
        message = f"{hook} is fired by a loop, which compares each result with what came before"
        raise Failed(message, "leave out --plan")
    with redirect_stdout(sys.stderr):  # what plugins print is no result of ours
        dispatcher = _started()
    handlers = dispatcher.handlers(hook)
    waits = any(handler.asynchronous for handler in handlers)
    source = Plan(spec, handlers, spec.keywords, asynchronous=waits).get_source()
    if as_json:
        listed = [{"handler": h.handler_name, "plugin": h.plugin_name} for h in handlers]
        shown = source if plan else None
        print_json(hook=hook, semantic=spec.semantic, handlers=listed, plan=shown)
    elif plan:
        click.echo("\n".join(map(printable, source.splitlines())))
    else:
        _show(spec, [handler.handler_name for handler in handlers])


def _started() -> Dispatcher:
    """All installed plugins, registered as at a start, whose audit handlers hear nothing of it.

    Raises:
        StigmemPluginError: A plugin is refused, as it would be at a start.
    """
    dispatcher = Dispatcher(lambda _what: None)
    dispatcher.trail.sink = lambda _event: None
    found = discover_plugin_manifests()
    candidates = [Candidate(plugin.manifest, plugin.discovery_source()) for plugin in found]
    terms = Terms(CoreApis(), host_version())

    def register() -> None:
        admit(candidates, dispatcher, terms)

    loaded_as_at_start(register)  # registries take nothing while validators run, either
    return dispatcher


def _show(spec: HookSpec, names: list[str]) -> None:
    console = make_console()
    if not names:
        console.print(f"No installed plugin has a handler for {spec.name}.")
        return
    console.print(Text(f"{spec.name}, {spec.semantic}, {spec.ordering}", style="bold"))
    print_rows(console, [(str(number), name) for number, name in enumerate(names, 1)])
