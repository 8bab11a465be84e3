"""The command `report`: one page about all plugins, for people who decide together."""

from __future__ import annotations

import stat
from pathlib import Path
from typing import Final

import click

from stigmem_plugins.cli.output import (
    CouldNotCheck,
    NotFound,
    make_console,
    print_json,
    print_rows,
)
from stigmem_plugins.cli.report.known import look
from stigmem_plugins.cli.report.page import render
from stigmem_plugins.errors import StigmemPluginError
from stigmem_plugins.trust.replacing import replacing

STDOUT: Final = "-"


@click.command("report")
@click.option(
    "-o",
    "--output",
    required=True,
    metavar="FILE",
    help="Where to write the page; `-` is standard output.",
)
@click.option("--json", "as_json", is_flag=True, help="Print what it tells as one JSON object.")
def report_command(*, output: str, as_json: bool) -> None:
    """Write one page about all plugins, for a review.

    It is self-contained HTML for a browser or a printer: plugins and their publishers, what they
    may do, who is called at which hook, who depends on whom, what `doctor` finds, and the
    settings in force. Plugins that a start would load are loaded, and asked how they are.

    \b
        stigmem-plugins report -o report.html
    """  # noqa: D301  # click's mark for text that is not wrapped
    if output == STDOUT and as_json:
        message = "the page and the JSON cannot both be on standard output: name a file"
        raise click.UsageError(message)
    if output != STDOUT:
        _mode(Path(output))  # better said now than after looking
    try:
        known = look()
    except StigmemPluginError as error:
        raise CouldNotCheck(error.message, error.fix) from error
    made = render(known).encode()
    if output == STDOUT:
        click.echo(made, nl=False)  # bytes: the page is UTF-8 whatever the terminal is
        return
    _write(Path(output), made)
    if as_json:
        print_json(written=output, **known.facts())
        return
    counted = [f"{number} {status}" for status, number in known.statuses.items()]
    rows = [("written", output), ("plugins", ", ".join(counted) or "none")]
    print_rows(make_console(), rows)


def _mode(path: Path) -> int:
    """The permissions of the file to write: those of the one that it replaces.

    Raises:
        NotFound: It is a folder, a link or a device, or there is no folder for it.
    """
    try:
        mode = path.lstat().st_mode
    except OSError:
        if not path.name or not path.parent.is_dir():
            message = f"there is no folder {path.parent} to write {path.name} into"
            raise NotFound(message, "make it, or name another file") from None
        return 0o644
    if not stat.S_ISREG(mode):
        message = f"{path} is no regular file, and is not replaced"
        raise NotFound(message, "name another file, or `-` for standard output")
    return stat.S_IMODE(mode)


def _write(path: Path, content: bytes) -> None:
    try:
        with replacing(path, _mode(path)) as file:
            file.write(content)
    except OSError as error:
        message = f"cannot write {path}: {error.strerror or error}"
        raise CouldNotCheck(message, "name another file with -o") from error
