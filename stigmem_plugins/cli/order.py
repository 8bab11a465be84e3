"""The command `order`: who is called at a hook, in which order and why, and by what code."""

from __future__ import annotations

import textwrap
from collections.abc import Sequence

import click
from rich.console import Console
from rich.text import Text

from stigmem_hookspecs import HOOK_SPECS
from stigmem_hookspecs.markers import HookSpec
from stigmem_plugins.cli.graphs import OWN, dot, mermaid
from stigmem_plugins.cli.output import (
    Failed,
    make_console,
    print_json,
    print_rows,
    printable,
    show_auto_discovery,
)
from stigmem_plugins.cli.parameters import HOOK
from stigmem_plugins.cli.pipelines import FIRST, Pipeline, explain_order
from stigmem_plugins.cli.quiet import QuietRegistry
from stigmem_plugins.cli.starting import started
from stigmem_plugins.plans import Plan
from stigmem_plugins.settings import PluginSettings
from stigmem_plugins.shim import Called


@click.command("order")
@click.argument("spec", metavar="[HOOK]", required=False, type=HOOK)
@click.option("--plan", is_flag=True, help="Print the code that fires HOOK.")
@click.option("--dot", "as_dot", is_flag=True, help="Print a graph for Graphviz.")
@click.option("--mermaid", "as_mermaid", is_flag=True, help="Print a graph for Mermaid.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
def order_command(
    *, spec: HookSpec | None, plan: bool, as_dot: bool, as_mermaid: bool, as_json: bool
) -> None:
    """Show which handlers HOOK calls, in which order, and why.

    Without HOOK, show all hooks that have handlers. The installed plugins are started as a node
    starts them, by the settings in force; nothing is fired but their validators. The node's own
    handlers are not known outside of it: only where they stand is shown.

    \b
        stigmem-plugins order capability_check
        stigmem-plugins order --dot | dot -Tsvg -o order.svg
    """  # noqa: D301  # click's mark for text that is not wrapped
    if sum([as_dot, as_mermaid, as_json or plan]) > 1:
        message = "choose one of --dot, --mermaid, and --json or --plan"
        raise click.UsageError(message)
    if plan and spec is None:
        message = "name the HOOK whose plan you want"
        raise click.UsageError(message)
    if plan and spec and spec.check:
        message = f"{spec.name} is fired by a loop, which compares each result with the one before"
        raise Failed(message, "leave out --plan")
    specs = [spec] if spec else HOOK_SPECS.values()
    with started(QuietRegistry()) as registry:
        pipelines = [each for one in specs if (each := _pipeline(registry, one)).steps or spec]
    if as_dot or as_mermaid:
        click.echo(dot(pipelines) if as_dot else mermaid(pipelines))
    elif spec is None:
        _show_all(pipelines, as_json=as_json)
    else:
        source = _source(spec, registry.called(spec.name)) if plan else None
        _show_one(pipelines[0], source, as_json=as_json)
    auto_discovery = PluginSettings.from_environment().plugin_auto_discovery_enabled
    if not (as_dot or as_mermaid or as_json or plan):
        show_auto_discovery(make_console(), on=auto_discovery)


def _pipeline(registry: QuietRegistry, spec: HookSpec) -> Pipeline:
    depends_on = {r.manifest.name: r.manifest.depends_on for r in registry.registrations()}
    return explain_order(spec, registry.called(spec.name), depends_on)


def _source(spec: HookSpec, handlers: Sequence[Called]) -> str:
    """The code that fires a hook."""
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
