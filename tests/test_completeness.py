"""Everything that somebody can rely on has its entry in the reference, and a test that names it."""

from __future__ import annotations

import re
from collections.abc import Iterable
from pathlib import Path

import pytest

from stigmem_hookspecs import HOOK_SPECS
from stigmem_plugins import Capability, errors
from stigmem_plugins.audit import EVENT_TYPES
from stigmem_plugins.authoring.checks import CHECKS as OF_CHECK
from stigmem_plugins.checks import REASONS
from stigmem_plugins.cli.doctor import CHECKS as OF_DOCTOR
from stigmem_plugins.metrics import Collectors, declare
from stigmem_plugins.settings import SETTING_NAMES
from tests.pages import REFERENCE, load

TESTS = Path(__file__).parent
THESE = {"test_completeness.py", "test_docs.py"}
"""Tests of the documentation, which are no tests of what it documents."""


def metric_names() -> list[str]:
    """The names of all metrics, as Prometheus gets them."""

    def name(metric: str, *_rest: object) -> str:
        return metric

    declared: Collectors = declare(name, name, name)  # type: ignore[arg-type]  # only their names
    return [str(each) for each in declared]


def command_names() -> list[str]:
    """The commands, groups left out, without the name of the program."""
    return [path.partition(" ")[2] for path, _ in load("derived.commands").walk()]


def error_names() -> list[str]:
    """The classes of errors."""
    found = [each for each in vars(errors).values() if isinstance(each, type)]
    return [each.__name__ for each in found if issubclass(each, Exception)]


ENTRIES: dict[str, tuple[list[str], str, str]] = {
    "hooks": (list(HOOK_SPECS), "hooks.md", "### {}\n"),
    "capabilities": ([each.value for each in Capability], "capabilities.md", "| `{}` |"),
    "settings": (sorted(SETTING_NAMES), "settings.md", "| `{}` |"),
    "errors": (error_names(), "errors.md", "## {}\n"),
    "audit events": (list(EVENT_TYPES), "audit.md", "## {}\n"),
    "reasons": (list(REASONS), "audit.md", "| `{}` |"),
    "metrics": (metric_names(), "metrics.md", "| `{}` |"),
    "checks of a node": ([each.name for each in OF_DOCTOR], "checks.md", "| `{}` |"),
    "checks of a plugin": ([each.name for each in OF_CHECK], "checks.md", "| `{}` |"),
    "codes of these": ([code for each in OF_CHECK for code in each.codes], "checks.md", "| `{}` |"),
    "commands": (command_names(), "cli.md", "## stigmem-plugins {}\n"),
}
"""What there is of each kind, the page that it is on, and how its entry starts."""


def undocumented(names: Iterable[str], page: str, entry: str) -> list[str]:
    """The names without an entry on a page."""
    text = (REFERENCE / page).read_text("utf-8")
    return [name for name in names if f"\n{entry.format(name)}" not in text]


def untested(names: Iterable[str], kind: str) -> list[str]:
    """The names that no test has."""
    files = [path for path in TESTS.rglob("*.py") if path.name not in THESE]
    text = "\n".join(path.read_text("utf-8") for path in files)
    return [name for name in names if not re.search(spelt(name, kind), text)]


def spelt(name: str, kind: str) -> str:
    """How tests write a name: a command as arguments, a metric without the prefix of all."""
    if kind == "commands":
        return '"' + re.escape(name).replace(r"\ ", '(?: |", ")') + '[" ]'
    if kind == "metrics":
        name = name.removeprefix("stigmem_plugin_") + "(?:_count|_sum)?"
    return rf"(?<![\w.-]){name.replace('.', '[.]')}(?![\w-])"


@pytest.mark.parametrize("kind", ENTRIES)
def test_everything_has_its_entry_in_the_reference(kind: str) -> None:
    """Who adds something finds out here that it is not documented."""
    names, page, entry = ENTRIES[kind]
    assert names
    assert undocumented(names, page, entry) == []


@pytest.mark.parametrize("kind", ENTRIES)
def test_everything_is_named_by_a_test(kind: str) -> None:
    """Who adds something finds out here that it is not tested."""
    names, _, _ = ENTRIES[kind]
    assert untested(names, kind) == []


@pytest.mark.parametrize("kind", ENTRIES)
def test_what_is_missing_is_found(kind: str) -> None:
    """These tests can fail: nobody documents or tests what does not exist."""
    names, page, entry = ENTRIES[kind]
    invented = [f"invented-{name}" for name in names]
    assert undocumented(invented, page, entry) == invented
    assert untested(invented, kind) == invented


@pytest.mark.parametrize("path", command_names())
def test_every_command_shows_an_example(path: str) -> None:
    """Its help ends with lines that can be copied."""
    page = (REFERENCE / "cli.md").read_text("utf-8")
    part = page.partition(f"\n## stigmem-plugins {path}\n")[2].partition("\n## ")[0]
    assert f"stigmem-plugins {path}" in part.partition("```console\n")[2].partition("```")[0]
