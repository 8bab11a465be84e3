"""How the commands print: results on stdout, faults in at most two lines on stderr."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterable, Mapping, Sequence
from typing import IO, Any, Final

import click
from rich.console import Console
from rich.table import Table
from rich.text import Text

from stigmem_plugins.discovery import ENTRY_POINT_GROUP
from stigmem_plugins.settings import AUTO_DISCOVERY_ENABLED
from stigmem_plugins.trust.decision import UNSIGNED

ACCEPTED: Final = "accepted"
REFUSED: Final = "refused"
FAILED: Final = "failed"
LEFT_OUT: Final = "left out"
STATUSES: Final = (ACCEPTED, REFUSED, FAILED, LEFT_OUT)
"""What a node's start makes of a plugin."""

SCHEMA_VERSION: Final = 1
"""Raised when a key of the JSON output changes its meaning or goes away."""
WIDTH: Final = 80
"""Columns where the output is no terminal."""
LABELS: Final = {
    "name": "plugin",
    "version": "version",
    "distribution": "package",
    "signed_by": "signed by",
    "issuer": "issuer",
    "trust_decision": "trust",
    "requires_stigmem": "requires",
    "capabilities": "capabilities",
    "hooks": "hooks",
    "depends_on": "depends on",
    "health": "health",
    "config": "config",
    "problem": "problem",
    "fix": "to do",
}
"""The facts that are shown, in this order, and how they are called."""


class Failed(click.ClickException):
    """Ends a command with `error: …` and, where there is one, `hint: …`.

    Args:
        message: What is wrong.
        hint: What to do about it.
    """

    def __init__(self, message: str, hint: str | None = None) -> None:
        super().__init__(message)
        self.hint = hint

    def show(self, file: IO[Any] | None = None) -> None:
        """Print it, by default to stderr."""
        click.echo(f"error: {printable(self.message)}", file=file, err=file is None)
        if self.hint:
            click.echo(f"hint: {printable(self.hint)}", file=file, err=file is None)


class NotFound(Failed):
    """What the user named is not there, or is not one thing."""

    exit_code = 2


class BadInput(Failed):
    """What the user gave cannot be used."""

    exit_code = 2


class CouldNotCheck(Failed):
    """What was to be judged, or what to judge it by, cannot be read."""

    exit_code = 3


def print_json(**content: Any) -> None:
    """Print a command's result as one JSON object."""
    click.echo(json.dumps({"schema_version": SCHEMA_VERSION, **content}, indent=2, default=str))


def make_console() -> Console:
    """A console for stdout that interprets no markup and is 80 columns wide in pipes and files."""
    terminal = sys.stdout is not None and sys.stdout.isatty()  # None where it was closed
    width = None if terminal else WIDTH
    return _Console(width=width, markup=False, highlight=False, emoji=False)


class _Console(Console):
    def on_broken_pipe(self) -> None:
        """Leave it to the group, as where click prints; rich itself would end the process."""
        raise BrokenPipeError


def printable(text: object, encoding: str = "utf-8") -> str:
    r"""Foreign text on one line, made safe for a terminal that takes `encoding`.

    Example:
        >>> printable("a\x1b[31m\nb")
        'a\\x1b[31m\\nb'
        >>> printable("où", "ascii")
        'o\\xf9'
    """
    safe = "".join(c if c.isprintable() else repr(c)[1:-1] for c in str(text))
    return safe.encode(encoding, "backslashreplace").decode(encoding)


def print_rows(console: Console, lines: Iterable[Sequence[str]], indent: int = 2) -> None:
    """Print columns without lines around them.

    Args:
        console: Where to.
        lines: The cells; the last of each line wraps, those before it must leave it room.
        indent: How far from the left.
    """
    table = Table.grid(padding=(0, 2, 0, 0))
    table.add_column(width=indent - 2)
    for *names, last in lines:
        cells = [Text(printable(name, console.encoding), no_wrap=True) for name in names]
        table.add_row("", *cells, Text(printable(last, console.encoding), overflow="fold"))
    with console.capture() as capture:
        console.print(table)
    for line in capture.get().splitlines():
        console.print(line.rstrip())  # rich fills every cell up with blanks


def show_listing(plugins: Sequence[Mapping[str, Any]], *, auto_discovery: bool) -> None:
    """Print the facts about plugins, a block for each, and what they mean for a node's start."""
    console = make_console()
    if not plugins:
        console.print(f"No plugin is installed: no package declares a {ENTRY_POINT_GROUP} entry")
        console.print("point. Install one with pip; `stigmem-plugins demo` shows two at work.")
    for facts in plugins:
        _show(console, facts)
    if plugins:
        statuses = [facts["status"] for facts in plugins]
        counted = [f"{n} {status}" for status in STATUSES if (n := statuses.count(status))]
        console.print(Text(", ".join([f"{len(plugins)} installed", *counted]), style="bold"))
        if auto_discovery:
            loaded = all(facts["signed_by"] == UNSIGNED for facts in plugins)
            console.print(outlook(statuses, loaded=loaded))
    show_auto_discovery(console, on=auto_discovery)


def show_plugin(facts: Mapping[str, Any], *, auto_discovery: bool) -> None:
    """Print all facts about one plugin."""
    console = make_console()
    _show(console, facts)
    if facts["status"] == ACCEPTED and facts["health"] is None:
        console.print("Its configuration and health are known once it is loaded: say --load.")
    show_auto_discovery(console, on=auto_discovery)


def outlook(statuses: Iterable[str], *, loaded: bool = True) -> str:
    """What the statuses of all plugins mean for a node's start.

    Args:
        statuses: Of all plugins.
        loaded: Whether they were loaded for it: only then is their configuration known to do.

    Example:
        >>> outlook([ACCEPTED, LEFT_OUT])
        'A node would start.'
    """
    if not {REFUSED, FAILED}.isdisjoint(statuses):
        return "A node would not start: it takes all of its plugins, or none."
    if not loaded:
        return "A node would start, if it can load and configure them: see `doctor`."
    return "A node would start."


def show_auto_discovery(console: Console, *, on: bool) -> None:
    """Print that nothing is started, where that is so."""
    if not on:
        console.print(f"{AUTO_DISCOVERY_ENABLED} is off: a node starts without plugins.")


def _show(console: Console, facts: Mapping[str, Any]) -> None:
    heading = f"{facts['entry_point']} = {facts['entry_point_value']} ({facts['status']})"
    heading = printable(heading, console.encoding)
    console.print(Text(heading, style="bold", overflow="fold"))
    package = f"{facts['distribution']} {facts['distribution_version']}"
    shown = {**facts, "distribution": package}
    if facts["requires_stigmem"]:
        shown["requires_stigmem"] = f"stigmem {facts['requires_stigmem']}"
    lines = [(label, _phrase(shown[key])) for key, label in LABELS.items() if shown.get(key)]
    print_rows(console, lines)
    console.print()


def _phrase(value: Any) -> str:
    if isinstance(value, list):
        return ", ".join(value)
    if isinstance(value, dict):
        return ", ".join(f"{key}: {part}" for key, part in value.items() if part not in {None, ""})
    return str(value)
