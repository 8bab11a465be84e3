"""The command `check`: an author's look at a source tree or wheel, without running it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import click
from rich.text import Text

from stigmem_plugins.authoring.checks import CHECKS, findings
from stigmem_plugins.authoring.manifests import Reading, read_plugins
from stigmem_plugins.authoring.project import read_project
from stigmem_plugins.authoring.sarif import sarif_log
from stigmem_plugins.cli.findings import show_findings, summary
from stigmem_plugins.cli.output import (
    CouldNotCheck,
    make_console,
    print_json,
    print_rows,
    printable,
)
from stigmem_plugins.cli.verification import terms_in_force
from stigmem_plugins.errors import StigmemPluginError
from stigmem_plugins.findings import Finding, Level, failed
from stigmem_plugins.trust.bundle import SignedStatement
from stigmem_plugins.trust.wheel import verify_wheel

FORMATS = click.Choice(["text", "json", "sarif"])


@click.command("check")
@click.argument("path", required=False, type=click.Path(path_type=Path), metavar="PATH|WHEEL")
@click.option("--json", "as_json", is_flag=True, help="The same as --format json.")
@click.option("--format", "form", type=FORMATS, help="Default: text. SARIF is for code hosts.")
@click.option("--list", "as_list", is_flag=True, help="Show what is checked, and check nothing.")
@click.pass_context
def check_command(
    context: click.Context, path: Path | None, form: str | None, *, as_json: bool, as_list: bool
) -> None:
    """Check a plugin that you are writing, without running it.

    PATH is a folder with a pyproject.toml; nothing of it is imported. What cannot be known
    without running the code is skipped. The exit code is 0 if nothing failed, 1 if something
    did, 3 if it could not be checked.

    \b
        stigmem-plugins check .
        stigmem-plugins check dist/example_plugin-1.0.0-py3-none-any.whl
        stigmem-plugins check . --format sarif > check.sarif
    """  # noqa: D301  # click's mark for text that is not wrapped
    if as_json and form not in {None, "json"}:
        message = f"--json and --format {form} exclude each other"
        raise click.UsageError(message)
    form = "json" if as_json else form or "text"
    if as_list:
        _list(form)
        return
    if path is None:
        message = "name a folder with a pyproject.toml, or a wheel; --list shows what is checked"
        raise click.UsageError(message)
    try:
        reading = read_plugins(read_project(path, _verified))
    except StigmemPluginError as error:
        raise CouldNotCheck(error.message, error.fix) from error
    found = tuple(findings(reading))
    if form == "json":
        print_json(target=str(path), plugins=_names(reading), findings=[f.facts() for f in found])
    elif form == "sarif":
        click.echo(json.dumps(_sarif(reading, found), indent=2))
    else:
        _show(reading, found)
    context.exit(1 if failed(found) else 0)


def _verified(wheel: Path) -> SignedStatement:
    """The signature of a wheel, verified against the root that a node here would use."""
    return verify_wheel(wheel, terms_in_force().verifier)


def _names(reading: Reading) -> list[str]:
    return [reading.subject(plugin) for plugin in reading.plugins]


def _sarif(reading: Reading, found: tuple[Finding, ...]) -> dict[str, Any]:
    from importlib.metadata import version  # noqa: PLC0415  # slow, and needed here only

    own, default = version("stigmem-plugins"), reading.project.metadata.file
    return sarif_log(found, CHECKS, version=own, default=default)


def _show(reading: Reading, found: tuple[Finding, ...]) -> None:
    console = make_console()
    show_findings(console, [finding for finding in found if finding.level is not Level.OK])
    metadata = reading.project.metadata
    version = f" {reading.version()}" if reading.version() else ""
    names = ", ".join(_names(reading)) or metadata.name or str(reading.project.path)
    line = printable(f"{names}{version}: {summary(found)}", console.encoding)
    console.print(Text(line, style="bold", overflow="fold"))


def _list(form: str) -> None:
    """Show the table of checks."""
    if form != "text":
        checks = [
            {"check": each.name, "description": each.description, "codes": dict(each.codes)}
            for each in CHECKS
        ]
        print_json(checks=checks)
        return
    console = make_console()
    print_rows(console, [(check.name, check.description) for check in CHECKS])
