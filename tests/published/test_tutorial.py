"""The tutorial, followed as it stands: every command is run, every file is written."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.pages import DOCS, ROOT
from tests.published.terminal import Terminal

pytestmark = pytest.mark.network

NAMED = re.compile(r"`([\w/]+\.\w+)`")


def blocks() -> Iterator[tuple[str, str, str]]:
    """The blocks of the page: the paragraph before, the language, the text."""
    paragraph: list[str] = []
    lines = iter((DOCS / "tutorial.md").read_text("utf-8").splitlines())
    for line in lines:
        if line.startswith("```"):
            text = "".join(f"{each}\n" for each in iter(lines.__next__, "```"))
            yield " ".join(paragraph), line.removeprefix("```"), text
            paragraph = []
        elif line:
            paragraph.append(line)
        elif paragraph and not paragraph[-1].endswith(":"):
            paragraph = []


def with_function(source: str, function: str) -> str:
    """A module whose function of the same name is another one, or that has one more."""
    name = re.match(r"def (\w+)\(", function)
    assert name
    old = re.compile(rf"^def {name[1]}\(.*?(?=^[^\s)]|\Z)", re.MULTILINE | re.DOTALL)
    if old.search(source):
        return old.sub(lambda _: f"{function}\n\n", source)
    return f"{source}\n\n{function}"


class Reader(Terminal):
    """Somebody who does what the page says, in one shell."""

    def save(self, path: str, text: str) -> None:
        """Write a file, or change the function of a file that is there."""
        file = self.folder / path
        file.write_text(with_function(file.read_text(), text) if file.exists() else text)


@pytest.fixture
def reader(tmp_path: Path) -> Iterator[Reader]:
    """In a folder that has nothing but the checkout."""
    (tmp_path / "stigmem-plugins").symlink_to(ROOT)
    with Reader(tmp_path) as reader:
        yield reader


def test_the_tutorial_leads_from_nothing_to_a_signed_plugin(reader: Reader) -> None:
    """Each line that the page shows is printed by the commands before it, in that order."""
    printed, shown = "", 0
    for before, language, text in blocks():
        if language == "console":
            printed = reader.run(text)
        elif language == "text":
            shown += 1
            rest = printed
            for line in text.splitlines():
                assert line in rest, f"after {before!r}:\n{printed}"
                rest = rest.partition(line)[2]
        else:
            reader.save(NAMED.findall(before)[-1], text)
    assert shown >= 7
