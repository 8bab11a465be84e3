"""The command `order`: who is called at a hook, in which order and why, and by what code."""

from __future__ import annotations

import sys
import textwrap
from collections.abc import Sequence
from contextlib import redirect_stdout

import click
from rich.console import Console
from rich.text import Text

from stigmem_hookspecs import HOOK_SPECS
from stigmem_plugins.admission import admit
from stigmem_plugins.capabilities import CoreApis
from stigmem_plugins.checks import Terms
from stigmem_plugins.cli.graphs import OWN, dot, mermaid
from stigmem_plugins.cli.output import (
    Failed,
    NotFound,
    make_console,
    print_json,
    print_rows,
    printable,
)
from stigmem_plugins.cli.pipelines import FIRST, Pipeline, explain_order
from stigmem_plugins.cli.verdicts import loaded_as_at_start
from stigmem_plugins.dispatch import Dispatcher
from stigmem_plugins.errors import ManifestError
from stigmem_plugins.host import host_version
from stigmem_plugins.plans import Plan
from stigmem_plugins.registration import Candidate
from stigmem_plugins.startup import discover_plugin_manifests, unwanted_plugins


@click.command("order")
@click.argument("hook", required=False)
@click.option("--plan", is_flag=True, help="Print the code that fires HOOK.")
@click.option("--dot", "as_dot", is_flag=True, help="Print a graph for Graphviz.")
@click.option("--mermaid", "as_mermaid", is_flag=True, help="Print a graph for Mermaid.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
def order_command(
    *, hook: str | None, plan: bool, as_dot: bool, as_mermaid: bool, as_json: bool
) -> None:
    """Show which handlers HOOK calls, in which order, and why.

    Without HOOK, show all hooks that have handlers. The installed plugins are loaded and checked
    as at a node's start; nothing is fired but their validators. The node's own handlers are not
    known outside of it: only where they stand is shown.

    \b
        stigmem-plugins order capability_check
        stigmem-plugins order --dot | dot -Tsvg -o order.svg
    """  # noqa: D301  # click's mark for text that is not wrapped
    if sum([as_dot, as_mermaid, as_json or plan]) > 1:
        message = "choose one of --dot, --mermaid, and --json or --plan"
        raise click.UsageError(message)
    if plan and hook is None:
        message = "name the HOOK whose plan you want"
        raise click.UsageError(message)
    hooks = [_known(hook)] if hook else [*HOOK_SPECS]
    if plan and HOOK_SPECS[hooks[0]].check:
        message = f"{hook} is fired by a loop, which compares each result with what came before"
        raise Failed(message, "leave out --plan")
    with redirect_stdout(sys.stderr):  # what plugins print is no result of ours
        dispatcher = _started()
    pipelines = [each for name in hooks if (each := _pipeline(dispatcher, name)).steps or hook]
    if as_dot or as_mermaid:
        click.echo(dot(pipelines) if as_dot else mermaid(pipelines))
    elif hook is None:
        _show_all(pipelines, as_json=as_json)
    else:
        _show_one(pipelines[0], _source(dispatcher, hook) if plan else None, as_json=as_json)


def _known(hook: str) -> str:
    """The name of a hook.

    Raises:
        NotFound: There is none of that name; the nearest is suggested.
    """
    try:
        return Dispatcher.spec(hook).name
    except ManifestError as error:
        raise NotFound(error.message, "`stigmem-plugins order` shows those in use") from None


def _started() -> Dispatcher:
    """All installed plugins, registered as at a start, whose audit handlers hear nothing of it.

    Raises:
        StigmemPluginError: A plugin is refused, as it would be at a start.
    """
    dispatcher = Dispatcher(lambda _what: None)
    dispatcher.trail.sink = lambda _event: None
    unwanted = unwanted_plugins()
    found = [each for each in discover_plugin_manifests() if each.manifest.name not in unwanted]
    candidates = [Candidate(plugin.manifest, plugin.discovery_source()) for plugin in found]
    terms = Terms(CoreApis(), host_version())

    def register() -> None:
        admit(candidates, dispatcher, terms)

    loaded_as_at_start(register)  # registries take nothing while validators run, either
    return dispatcher


def _pipeline(dispatcher: Dispatcher, hook: str) -> Pipeline:
    depends_on = {name: r.manifest.depends_on for name, r in dispatcher.registrations.items()}
    return explain_order(HOOK_SPECS[hook], dispatcher.handlers(hook), depends_on)


def _source(dispatcher: Dispatcher, hook: str) -> str:
    """The code that fires a hook."""
    spec, handlers = HOOK_SPECS[hook], dispatcher.handlers(hook)
    waits = any(handler.asynchronous for handler in handlers)
    return Plan(spec, handlers, spec.keywords, asynchronous=waits).get_source()


def _show_one(pipeline: Pipeline, source: str | None, *, as_json: bool) -> None:
    console = make_console()
    if as_json:
        print_json(**pipeline.facts(), plan=source)
    elif source is not None:
        click.echo("\n".join(map(printable, source.splitlines())))
    elif not pipeline.steps:
        console.print(f"No installed plugin has a handler for {pipeline.spec.name}.")
    else:
        _show_heading(console, pipeline)
        rows = [(str(n), step.handler, step.why) for n, step in enumerate(pipeline.steps, 1)]
        own = ("-", OWN, f"if there are any ({pipeline.spec.ordering})")
        if pipeline.core_is_open:
            rows.insert(0 if pipeline.core_stands == FIRST else len(rows), own)
        if max(len(printable(name, console.encoding)) for _, name, _ in rows) <= console.width // 2:
            print_rows(console, rows)
        else:
            print_rows(console, [row for n, name, why in rows for row in ((n, name), ("", why))])


def _show_all(pipelines: Sequence[Pipeline], *, as_json: bool) -> None:
    console = make_console()
    if as_json:
        print_json(hooks=[pipeline.facts() for pipeline in pipelines])
        return
    for pipeline in pipelines:
        _show_heading(console, pipeline)
        chain = [step.handler for step in pipeline.steps]
        if pipeline.core_is_open:
            chain.insert(0 if pipeline.core_stands == FIRST else len(chain), f"({OWN})")
        text = printable(" -> ".join(chain), console.encoding)
        for line in textwrap.wrap(text, console.width - 2, break_on_hyphens=False):
            console.print(Text(f"  {line}"), soft_wrap=True)
    console.print(Text(f"{len(pipelines)} of {len(HOOK_SPECS)} hooks have handlers.", "bold"))
    if pipelines:
        console.print("`stigmem-plugins order HOOK` says why they are called in this order.")


def _show_heading(console: Console, pipeline: Pipeline) -> None:
    console.print(Text(pipeline.title, style="bold"))
