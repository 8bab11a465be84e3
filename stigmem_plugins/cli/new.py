"""The command `new`: the package that an author begins with."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from pathlib import Path

import click
from click.shell_completion import CompletionItem
from rich.text import Text

from stigmem_hookspecs import HOOK_SPECS
from stigmem_plugins.authoring.scaffold import (
    DEFAULT_HOOKS,
    NewPackage,
    PlaceTakenError,
    UnusableNameError,
    author_of,
    write_package,
)
from stigmem_plugins.capabilities import CAPABILITY_ALLOWLIST
from stigmem_plugins.cli.output import NotFound, make_console, print_json, printable
from stigmem_plugins.errors import suggest

STEPS = (
    "cd {name}",
    'python -m pip install --editable ".[dev]"',
    "pytest",
    "stigmem-plugins check .",
    "python -m build",
)
"""What an author does next."""


def _one_of(known: Iterable[str]) -> Callable[..., list[CompletionItem]]:
    def complete(
        _context: click.Context, _parameter: click.Parameter, incomplete: str
    ) -> list[CompletionItem]:
        return [CompletionItem(name) for name in sorted(known) if name.startswith(incomplete)]

    return complete


@click.command("new")
@click.argument("name")
@click.option(
    "--hook",
    "hooks",
    multiple=True,
    metavar="HOOK",
    default=DEFAULT_HOOKS,
    show_default=True,
    shell_complete=_one_of(HOOK_SPECS),
    help="A hook that the plugin takes part in; may be given again.",
)
@click.option(
    "--capability",
    "capabilities",
    multiple=True,
    metavar="CAPABILITY",
    shell_complete=_one_of(CAPABILITY_ALLOWLIST),
    help="Something that it asks the node for; may be given again. Default: nothing.",
)
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
def new_command(
    name: str, hooks: tuple[str, ...], capabilities: tuple[str, ...], *, as_json: bool
) -> None:
    """Write a plugin to begin with, into the folder ./NAME.

    NAME is what the plugin and its distribution will be called. The package builds, passes its
    own tests, and has workflows that test it and sign what they release. Nothing is
    overwritten.

    \b
        stigmem-plugins new my-plugin
        stigmem-plugins new my-plugin --hook recall_filter --capability audit.emit
    """  # noqa: D301  # click's mark for text that is not wrapped
    _check("hook", hooks, HOOK_SPECS)
    _check("capability", capabilities, CAPABILITY_ALLOWLIST)
    here = Path()
    package = NewPackage(name, hooks, capabilities, author=author_of(here))
    try:
        folder = write_package(package, here)
    except (UnusableNameError, PlaceTakenError) as error:
        raise NotFound(error.message, error.fix) from None
    steps = [step.format(name=name) for step in STEPS]
    if as_json:
        print_json(
            plugin=name,
            folder=str(folder.resolve()),
            hooks=package.hooks,
            capabilities=package.capabilities,
            files=list(package.files()),
            next=steps,
        )
    else:
        _show(package, steps)


def _check(kind: str, given: Iterable[str], known: Iterable[str]) -> None:
    """Refuse names that are not known.

    Raises:
        NotFound: One is not; the nearest is named.
    """
    for name in given:
        if name not in set(known):
            message = f"there is no {kind} {name!r}{suggest(name, known)}"
            raise NotFound(message, f"choose from: {', '.join(sorted(known))}")


def _show(package: NewPackage, steps: Iterable[str]) -> None:
    console = make_console()
    parts = f"{package.name} takes part in {', '.join(package.hooks)}."
    console.print(Text(printable(parts, console.encoding), overflow="fold"))
    console.print("Next:")
    console.print()
    for step in steps:
        click.echo(f"    {step}")
    console.print()
    console.print("Then its README.md: how to try it, release it signed, and install it in a node.")
