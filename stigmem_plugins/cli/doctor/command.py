"""The command `doctor`."""

from __future__ import annotations

import textwrap
from collections.abc import Iterator, Sequence
from itertools import groupby

import click
from attrs import asdict
from click.shell_completion import CompletionItem
from rich.console import Console
from rich.text import Text

from stigmem_plugins.cli.doctor import CHECKS, Installation, Remedy, diagnose, remedies
from stigmem_plugins.cli.doctor.checks import chosen
from stigmem_plugins.cli.findings import STYLES, summary
from stigmem_plugins.cli.output import (
    CouldNotCheck,
    make_console,
    outlook,
    print_json,
    print_rows,
    printable,
)
from stigmem_plugins.errors import StigmemPluginError
from stigmem_plugins.findings import Finding, Level, failed

NAMES = max(len(check.name) for check in CHECKS)


def complete_check(
    ctx: click.Context, param: click.Parameter, incomplete: str
) -> list[CompletionItem]:
    """The checks that begin so, with what they look for."""
    del ctx, param
    return [
        CompletionItem(check.name, help=check.description)
        for check in CHECKS
        if check.name.startswith(incomplete)
    ]


@click.command("doctor")
@click.argument("checks", nargs=-1, metavar="[CHECK]...", shell_complete=complete_check)
@click.option("--fix", is_flag=True, help="Print commands that put right what was found.")
@click.option("--list", "listed", is_flag=True, help="Show the checks that there are.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
@click.pass_context
def doctor_command(
    context: click.Context, checks: tuple[str, ...], *, fix: bool, listed: bool, as_json: bool
) -> None:
    """Find out what is wrong with the plugins and settings of a node.

    Every check is made, or those that are named. Plugins that a start would load are loaded, and
    asked how they are. Nothing is changed, also not by --fix: it prints commands for a shell, to
    be read before they are run.

    The exit code is 0 if nothing fails (warnings do not), 1 if something does, 2 for an unknown
    check, 3 if the settings, or what is installed, cannot be read.

    \b
        stigmem-plugins doctor
        stigmem-plugins doctor unsigned untrusted --json
    """  # noqa: D301  # click's mark for text that is not wrapped
    wanted = chosen(checks)
    if listed:
        table = [(check.name, check.description) for check in wanted]
        if as_json:
            print_json(checks=[{"name": name, "description": text} for name, text in table])
        else:
            print_rows(make_console(), table)
        return
    try:
        installation = Installation.look()
    except StigmemPluginError as error:
        raise CouldNotCheck(error.message, error.fix) from error
    findings = diagnose(checks, installation)
    found = remedies(checks, installation) if fix else ()
    if as_json:
        facts = {"remedies": [asdict(each) for each in found]} if fix else {}
        print_json(findings=[finding.facts() for finding in findings], **facts)
    else:
        _show(findings, installation)
        if fix:
            _show_remedies(found)
    context.exit(1 if failed(findings) else 0)


def _show(findings: Sequence[Finding], installation: Installation) -> None:
    console, number = make_console(), len(installation.plugins)
    for level, heading, lines in _blocks(findings):
        _print_block(console, level, heading, lines)
    count = f"{number} plugin{'' if number == 1 else 's'}"
    console.print(Text(f"{count}: {summary(findings)}", style="bold"))
    if installation.settings.plugin_auto_discovery_enabled:
        console.print(outlook(each.status for each in installation.plugins))


def _blocks(findings: Sequence[Finding]) -> Iterator[tuple[Level, str, list[str]]]:
    """Headings, each with the lines below it: what is said of several is said once.

    What was not checked comes last, since one reason is that of many checks.
    """
    skipped = [each for each in findings if each.level is Level.SKIP]
    for check, alike in groupby([e for e in findings if e not in skipped], lambda e: e.check):
        said: dict[tuple[Level, str, str | None], list[str]] = {}
        for finding in alike:
            about = (finding.level, _text(finding), finding.hint)
            said.setdefault(about, []).append(finding.subject or "")
        hints = [hint for _, _, hint in said]
        for number, ((level, text, hint), subjects) in enumerate(said.items(), 1):
            name = f"{check:<{NAMES}}"
            if level is Level.OK:
                yield level, f"{name}  {text}", []
            else:
                todo = [f"to do: {hint}"] if hint and hint not in hints[number:] else []
                yield level, f"{name}  {', '.join(subjects)}", [text, *todo]
    for message in dict.fromkeys(each.message for each in skipped):
        named = [f"{e.check} {e.subject or ''}" for e in skipped if e.message == message]
        yield Level.SKIP, ", ".join(map(str.strip, named)), [message]


def _text(finding: Finding) -> str:
    """The message below a heading that names the plugin already."""
    plugin = f"plugin {finding.subject!r} "
    text = finding.message.removeprefix(f"{plugin}is refused: ")
    return f"it {text.removeprefix(plugin)}" if text.startswith(plugin) else text


def _print_block(console: Console, level: Level, heading: str, lines: Sequence[str]) -> None:
    first, *more = _wrapped(console, heading)
    style = "" if level in {Level.OK, Level.SKIP} else "bold"
    console.print(Text(f"{level:<6}", STYLES[level]).append(first, style), soft_wrap=True)
    for line in [*more, *(wrapped for each in lines for wrapped in _wrapped(console, each))]:
        console.print(Text(f"      {line}"), soft_wrap=True)


def _wrapped(console: Console, text: str) -> list[str]:
    safe = printable(text, console.encoding)
    return textwrap.wrap(safe, console.width - 6, break_on_hyphens=False)


def _show_remedies(found: Sequence[Remedy]) -> None:
    """Print remedies as lines to be copied: whole, however wide."""
    if not found:
        click.echo("No command puts right what was found: see what is to do, above.")
        return
    click.echo("\n# For a shell; read it before you run it.")
    for remedy in found:
        for line in (f"# {remedy.purpose}:", *remedy.lines):
            click.echo(printable(line))
