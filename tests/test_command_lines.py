"""The commands that pages show are commands that there are, with options that they have."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator
from itertools import takewhile
from pathlib import Path

import click
import pytest

from stigmem_plugins.cli import main
from tests.pages import DOCS, REFERENCE, ROOT

PAGES = [ROOT / "README.md", *sorted(DOCS.glob("*.md")), *sorted(REFERENCE.glob("*.md"))]
SHOWN = re.compile(
    r"`stigmem-plugins ([^`]+)`"  # in a sentence
    r"|^[ \t]*(?:- run: )?(?:\w+=\S* )*stigmem-plugins ((?:\\\n|[^\n])+)$",  # in a block
    re.MULTILINE,
)
ENDS = {"|", ">", ">>", "&&", ";"}
"""Where a shell begins something else."""


def command_lines(page: str) -> Iterator[list[str]]:
    """The arguments of each command that a page shows; usage, with its brackets, is none."""
    for inline, block in SHOWN.findall(page):
        line = (inline or block).replace("\\\n", " ").replace("\n", " ")
        if "[" not in line.partition("'")[0]:
            yield list(takewhile(lambda word: word not in ENDS, shlex.split(line)))


def check(words: list[str]) -> None:
    """Parse a command line as the program would, up to what arguments mean.

    Raises:
        click.UsageError: There is no such command, or it does not take that.
    """
    command: click.Command = main
    while isinstance(command, click.Group) and words and not words[0].startswith("-"):
        name, *words = words
        if name not in command.commands:
            message = f"no command {name}"
            raise click.UsageError(message)
        command = command.commands[name]
    context = click.Context(command, **{**main.context_settings, **command.context_settings})
    command.make_parser(context).parse_args(words)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_every_command_that_a_page_shows_can_be_given(page: Path) -> None:
    """Whoever renames a command or an option finds out here which pages show it."""
    wrong = []
    for words in command_lines(page.read_text("utf-8")):
        try:
            check(words)
        except click.UsageError as error:
            wrong.append((" ".join(words), error.format_message()))
    assert wrong == []


@pytest.mark.parametrize(
    "text",
    ["`stigmem-plugins lits`", "```console\nA=1 stigmem-plugins trust show --jsno\n```\n"],
)
def test_a_command_that_there_is_not_is_found(text: str) -> None:
    """In a sentence and in a block, behind variables that are set for it."""
    [words] = command_lines(text)
    with pytest.raises(click.UsageError):
        check(words)


def test_many_commands_are_shown() -> None:
    """The expression that looks for them finds some of each kind."""
    shown = [words for page in PAGES for words in command_lines(page.read_text("utf-8"))]
    assert {words[0] for words in shown} >= set(main.commands)
