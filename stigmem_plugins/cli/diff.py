"""The command `diff`: what a new version of a plugin may do that the old one may not."""

from __future__ import annotations

import os
from collections import Counter
from pathlib import Path
from typing import Final

import click
from packaging.utils import canonicalize_name
from rich.text import Text

from stigmem_plugins.authoring.difference import (
    Change,
    Difference,
    compare,
    is_same_publisher,
)
from stigmem_plugins.authoring.opening import of_installed, of_wheel
from stigmem_plugins.authoring.snapshot import Publisher, Snapshot
from stigmem_plugins.cli.listing import find
from stigmem_plugins.cli.output import (
    CouldNotCheck,
    make_console,
    print_json,
    print_rows,
)
from stigmem_plugins.cli.parameters import complete_wheel_or_plugin
from stigmem_plugins.cli.verification import terms_in_force
from stigmem_plugins.discovery import installed_distributions
from stigmem_plugins.errors import StigmemPluginError
from stigmem_plugins.trust.vetting import TrustTerms, VettedPlugin, vet

PUBLISHER: Final = "publisher"
PLUGIN: Final = "plugin"
_PLURALS: Final = {"capability": "capabilities", "hook": "hooks", PLUGIN: "plugins"}


@click.command("diff")
@click.argument("old", metavar="OLD", shell_complete=complete_wheel_or_plugin)
@click.argument("new", metavar="NEW", shell_complete=complete_wheel_or_plugin)
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
@click.pass_context
def diff_command(context: click.Context, old: str, new: str, *, as_json: bool) -> None:
    """Show what changes from one version of a plugin to another.

    OLD and NEW are wheels, or names of what is installed. Signed plugins are compared as their
    publishers signed them, others as their files say; nothing of them is run. The exit code is
    1 if rights grow: by a capability, a hook, another publisher or a lost signature. It is 3 if
    that could not be told.

    \b
        stigmem-plugins diff example-plugin example_plugin-1.1.0-py3-none-any.whl
    """  # noqa: D301  # click's mark for text that is not wrapped
    terms = terms_in_force()
    try:
        before, after = _snapshot(old, terms), _snapshot(new, terms)
    except StigmemPluginError as error:
        raise CouldNotCheck(error.message, error.fix) from error
    difference = compare(before, after)
    if as_json:
        print_json(
            old=before.facts(),
            new=after.facts(),
            grows=difference.grows,
            changes=[change.facts() for change in difference.changes],
            unknown=list(difference.unknown),
        )
    else:
        _show(before, after, difference)
    context.exit(1 if difference.grows else 3 if difference.unknown else 0)


def _snapshot(target: str, terms: TrustTerms) -> Snapshot:
    """A wheel, where the target is one or names a file; else what is installed."""
    if target.endswith(".whl") or os.sep in target or Path(target).is_file():
        return of_wheel(Path(target), terms.verifier)
    installed = {each.name: each for each in installed_distributions(plugin_dir=terms.plugin_dir)}
    wanted = canonicalize_name(target)
    named = [each for name, each in installed.items() if canonicalize_name(name) == wanted]
    if not named:
        found = find(target, vet(installed.values(), terms), _called)
        named = [installed[found.installed.distribution or ""]]
    return of_installed(target, named[0], terms.verifier)


def _called(plugin: VettedPlugin) -> tuple[str, str, str]:
    """The names that a plugin can be called by; its own is known if it is signed."""
    installed = plugin.installed
    own = plugin.signed.name if plugin.signed else ""
    return own, installed.entry_point_name, installed.distribution or ""


def _show(old: Snapshot, new: Snapshot, difference: Difference) -> None:
    console = make_console()
    print_rows(console, [row for each in (("old", old), ("new", new)) for row in _heading(*each)])
    several = len({change.plugin for change in difference.changes if change.plugin}) > 1
    grown = [change for change in difference.changes if change.grows]
    others = [change for change in difference.changes if not change.grows]
    titles = ("Rights grow", "Other changes" if grown else "Changes")
    for title, changes in zip(titles, (grown, others), strict=True):
        if changes:
            console.print(Text(f"\n{title}", style="bold"))
            publisher = _publisher(old.publisher, new.publisher)
            print_rows(console, [_row(each, publisher, several=several) for each in changes])
    if difference.unknown:
        console.print(Text("\nOnly running the code can tell", style="bold"))
        print_rows(console, [(note,) for note in difference.unknown])
    verdict, style = _verdict(difference, _publisher(old.publisher, new.publisher))
    console.print()
    console.print(Text(verdict, style=style, overflow="fold"))


def _heading(label: str, snapshot: Snapshot) -> list[tuple[str, str]]:
    about = f"{snapshot.name} {snapshot.version}"
    named = about if snapshot.target == snapshot.name else f"{about}, {snapshot.target}"
    problem = snapshot.publisher.problem
    return [
        (label, named),
        ("", str(snapshot.publisher)),
        *([("", f"not verified: {problem}")] if problem else []),
    ]


def _publisher(old: Publisher, new: Publisher) -> str:
    """What became of the publisher, in words; who it is stands in the heading."""
    if new.signer is None:
        return "the signature is lost"
    if old.verified and not new.verified:
        return "the signature does not verify any more"
    if not is_same_publisher(old.signer, new.signer):
        return "another publisher" if old.signer else "signed now"
    return "the signature verifies now"


def _row(change: Change, publisher: str, *, several: bool) -> tuple[str, ...]:
    """The line about one change: `+` for what is added, `-` removed, `~` changed."""
    sign = "+" if change.old is None else "-" if change.new is None else "~"
    if change.what == PUBLISHER:
        return sign, change.what, publisher
    of = f" ({change.plugin})" if several and change.plugin and change.what != PLUGIN else ""
    texts = [text for text in (change.old, change.new) if text is not None]
    return sign, change.what, f"{' -> '.join(texts)}{of}"


def _verdict(difference: Difference, publisher: str) -> tuple[str, str]:
    """What it comes to, and in which style that is printed."""
    if difference.grows:
        grown = Counter(change.what for change in difference.changes if change.grows)
        counted = [
            publisher if what == PUBLISHER else f"{n} {what if n == 1 else _PLURALS[what]}"
            for what, n in grown.items()
        ]
        return f"Rights grow: {', '.join(counted)}.", "bold red"
    if difference.unknown:
        verdict = "Whether rights grow cannot be told: read the code, or compare signed wheels."
        return verdict, "bold yellow"
    if difference.changes:
        return "Rights do not grow.", "bold green"
    return "Nothing changes in what it declares.", "bold green"
