"""The command `new`: the package that an author begins with."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

import click
from rich.text import Text

from stigmem_hookspecs.markers import HookSpec
from stigmem_plugins.authoring.scaffold import (
    DEFAULT_HOOKS,
    NewPackage,
    PlaceTakenError,
    UnusableNameError,
    author_of,
    write_package,
)
from stigmem_plugins.capabilities import Capability
from stigmem_plugins.cli.output import BadInput, make_console, print_json, printable
from stigmem_plugins.cli.parameters import CAPABILITY, HOOK

STEPS = (
    "cd {name}",
    'python -m pip install --editable ".[dev]"',
    "pytest",
    "stigmem-plugins check .",
    "python -m build",
)
"""What an author does next."""


@click.command("new")
@click.argument("name")
@click.option(
    "--hook",
    "hooks",
    type=HOOK,
    multiple=True,
    metavar="HOOK",
    default=DEFAULT_HOOKS,
    show_default=True,
    help="A hook that the plugin takes part in; may be given again.",
)
@click.option(
    "--capability",
    "capabilities",
    type=CAPABILITY,
    multiple=True,
    metavar="CAPABILITY",
    help="Something that it asks the node for; may be given again. Default: nothing.",
)
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
def new_command(
    name: str, hooks: tuple[HookSpec, ...], capabilities: tuple[Capability, ...], *, as_json: bool
) -> None:
    """Write a plugin to begin with, into the folder ./NAME.

    NAME is what the plugin and its distribution will be called. The package builds, passes its
    own tests, and has workflows that test it and sign what they release. Nothing is
    overwritten.

    \b
        stigmem-plugins new my-plugin
        stigmem-plugins new my-plugin --hook recall_filter --capability audit.emit
    """  # noqa: D301  # click's mark for text that is not wrapped
    here = Path()
    chosen = [hook.name for hook in hooks]
    package = NewPackage(name, chosen, capabilities, author=author_of(here))
    try:
        folder = write_package(package, here)
    except (UnusableNameError, PlaceTakenError) as error:
        raise BadInput(error.message, error.fix) from None
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
