"""The command `explain`: what each handler of a hook makes of one payload, and who decides."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any, Final

import click
from rich.text import Text

from stigmem_hookspecs import HookSemantic
from stigmem_hookspecs.markers import HookSpec
from stigmem_plugins.cli.changes import NOTHING, Change, brief
from stigmem_plugins.cli.inputs import STDIN, read_json, read_object
from stigmem_plugins.cli.output import (
    make_console,
    print_json,
    print_rows,
    printable,
    show_auto_discovery,
)
from stigmem_plugins.cli.parameters import HOOK
from stigmem_plugins.cli.starting import started
from stigmem_plugins.cli.watching import Fired, Outcome, Step, WatchedRegistry
from stigmem_plugins.errors import TEXT_LIMIT, suggest
from stigmem_plugins.settings import PluginSettings
from stigmem_plugins.trust.decision import UNSIGNED

SHOWN: Final = 8
"""How many changes, or score changes, of a handler are printed."""
LISTED: Final = 100
"""How many changes of a handler are in the JSON object."""


@click.command("explain")
@click.argument("spec", metavar="HOOK", type=HOOK)
@click.option(
    "--input",
    "payload",
    metavar="FILE|-|JSON",
    help="The payload's keywords, a flat JSON object. Default: none.",
)
@click.option(
    "--value",
    metavar="FILE|-|JSON",
    help="What a filter chain passes on, or what is scored; other hooks have no value.",
)
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
def explain_command(
    *, spec: HookSpec, payload: str | None, value: str | None, as_json: bool
) -> None:
    """Fire HOOK once, and show what each handler makes of it.

    The installed plugins are started as a node starts them, by the settings in force; then the
    hook is fired with every handler watched. Handlers run for real: what they write is written.
    The node is not there: its own handlers are not among them, and contexts offer no handles.

    FILE is JSON, - is standard input; JSON that begins with { or [ can be written out. Values
    stay as JSON has them: a plugin that expects an object of the node's, where JSON can only
    give a dict or text, may fail here and not in the node. Configured secrets are masked.

    A denial and a failure are results: the exit code is 0 if the hook could be fired.

    \b
        stigmem-plugins explain pre_assert_authorize --input payload.json
        stigmem-plugins explain recall_filter --input '{"identity": "bob"}' \\
            --value '[{"id": "f1", "source": "agent:a"}]'
    """  # noqa: D301  # click's mark for text that is not wrapped
    given, keywords = _read(spec, payload, value)
    with started(WatchedRegistry()) as registry:
        fired = registry.fire(spec, given, keywords)
    auto_discovery = PluginSettings.from_environment().plugin_auto_discovery_enabled
    if as_json:
        print_json(**_facts(spec, keywords, fired), auto_discovery=auto_discovery)
    else:
        _show(spec, keywords, fired, auto_discovery=auto_discovery)


def _read(
    spec: HookSpec, payload: str | None, value: str | None
) -> tuple[tuple[Any, ...], dict[str, Any]]:
    """The value, if the hook has one, and the keywords."""
    if spec.semantic.takes_value and value is None:
        message = f"{spec.name} is a {spec.semantic} hook, which needs a value: --value FILE"
        raise click.UsageError(message)
    if value is not None and not spec.semantic.takes_value:
        message = f"{spec.name} is a {spec.semantic} hook, which has no value: leave out --value"
        raise click.UsageError(message)
    if payload == value == STDIN:
        message = "only one of --input and --value can be standard input"
        raise click.UsageError(message)
    keywords = {} if payload is None else read_object(payload, "--input")
    return (() if value is None else (read_json(value, "--value"),)), keywords


def _facts(spec: HookSpec, keywords: Iterable[str], fired: Fired) -> dict[str, Any]:
    return {
        "hook": spec.name,
        "semantic": spec.semantic,
        "given": list(keywords),
        "not_given": [name for name in spec.keywords if name not in keywords],
        "unspecified": [name for name in keywords if name not in spec.keywords],
        "handlers": [_step(step) for step in fired.steps],
        "decided_by": [step.handler for step in fired.decided_by],
        "result": fired.result,
        "error": fired.error,
    }


def _step(step: Step) -> dict[str, Any]:
    return {
        "handler": step.handler,
        "plugin": step.plugin.name,
        "version": step.plugin.version,
        "signed_by": step.plugin.signed_by,
        "outcome": step.outcome,
        "text": step.text,
        "milliseconds": None if step.seconds is None else round(step.seconds * 1000, 3),
        "changes": [_change(change) for change in step.changes[:LISTED]],
        "more_changes": len(step.changes[LISTED:]),
        "deltas": dict(step.deltas),
    }


def _change(change: Change) -> dict[str, Any]:
    sides = {"at": change.at, "before": change.before, "after": change.after}
    return {name: side for name, side in sides.items() if side is not NOTHING}


def _show(
    spec: HookSpec, keywords: Mapping[str, Any], fired: Fired, *, auto_discovery: bool
) -> None:
    console = make_console()
    heading = printable(f"{spec.name}: {_verdict(spec, fired)}", console.encoding)
    console.print(Text(heading, style="bold", overflow="fold"))
    rows = [row for number, step in enumerate(fired.steps, 1) for row in _rows(number, step)]
    if rows:
        console.print()
        print_rows(console, rows)
    console.print()
    missing = [name for name in spec.keywords if name not in keywords]
    surplus = [f"{name}{suggest(name, missing)}" for name in keywords if name not in spec.keywords]
    facts = [
        ("given", ", ".join(keywords) or "no keywords"),
        ("not given", ", ".join(missing)),
        ("unspecified", ", ".join(surplus)),
        ("result", _result(spec, fired)),
        ("error", fired.error or ""),
    ]
    print_rows(console, [(label, text) for label, text in facts if text])
    show_auto_discovery(console, on=auto_discovery)


def _verdict(spec: HookSpec, fired: Fired) -> str:
    """What it came to, and by whom, in a few words."""
    names = ", ".join(step.handler for step in fired.decided_by)
    if not fired.steps:
        return "no installed plugin has a handler"
    if fired.error is not None:
        return f"failed at {names}"
    if spec.semantic is HookSemantic.VOTING:
        return f"denied by {names}" if names else "allowed by all"
    if spec.semantic is HookSemantic.FILTER_CHAIN:
        return f"changed by {names}" if names else "changed by nobody"
    if spec.semantic is HookSemantic.SCORE_DELTA:
        return f"scored by {names}" if names else "scored by nobody"
    return f"told to all, and failed at {names}, which is logged" if names else "told to all"


def _rows(number: int, step: Step) -> Iterator[tuple[str, str, str, str]]:
    """A line for the handler, and one for each thing to say of it."""
    plugin = f"{step.plugin.name} {step.plugin.version}"
    unsigned = ", unsigned" if step.plugin.signed_by == UNSIGNED else ""
    time = _time(step.seconds) if step.seconds is not None else ""
    yield str(number), step.outcome, time, f"{step.handler} of {plugin}{unsigned}"
    said = [*map(str, step.changes), *(f"{key}: {delta:+}" for key, delta in step.deltas.items())]
    if step.text:
        said.append(step.text)
    if step.outcome is Outcome.NOT_ASKED:
        said.append("an earlier one had decided")
    for line in said[:SHOWN]:
        yield "", "", "", line
    if len(said) > SHOWN:
        yield "", "", "", f"and {len(said) - SHOWN} more"


def _time(seconds: float) -> str:
    """A duration that fits a column.

    Example:
        >>> _time(0.00012), _time(0.0123), _time(4.5)
        ('   0.120 ms', '  12.300 ms', '4500.000 ms')
    """
    return f"{seconds * 1000:8.3f} ms"


def _result(spec: HookSpec, fired: Fired) -> str:
    if fired.error is not None or spec.semantic is HookSemantic.FIRE_AND_FORGET:
        return ""
    if spec.semantic is not HookSemantic.VOTING:
        return brief(fired.result, TEXT_LIMIT)
    reason = fired.result.get("reason")
    return "Allow" if reason is None else f"Deny: {reason}"
