"""The tutorial, followed as it stands: every command is run, every file is written."""

from __future__ import annotations

import os
import re
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.environments import FOREIGN_PREFIXES
from tests.pages import DOCS, ROOT

pytestmark = pytest.mark.network

NAMED = re.compile(r"`([\w/]+\.\w+)`")
MARK = "-- that was the command --"


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


class Reader:
    """Somebody who does what the page says, in one shell."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        inherited = {k: v for k, v in os.environ.items() if not k.startswith(FOREIGN_PREFIXES)}
        self._shell = subprocess.Popen(
            ["bash", "-u"],
            cwd=folder,
            env={**inherited, "NO_COLOR": "1", "PIP_DISABLE_PIP_VERSION_CHECK": "1"},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )

    def run(self, commands: str) -> str:
        """Run commands in the shell, of which the last must not fail; returns what they print."""
        assert self._shell.stdin
        assert self._shell.stdout
        self._shell.stdin.write(f'{commands}\necho "{MARK} $? $PWD"\n')
        self._shell.stdin.flush()
        lines: list[str] = []
        for line in self._shell.stdout:
            if line.startswith(MARK):
                code, folder = line.removeprefix(MARK).split()
                assert code == "0", commands + "".join(lines)
                self.folder = Path(folder)
                return "".join(lines)
            lines.append(line)
        raise AssertionError("the shell ended:\n" + "".join(lines))

    def save(self, path: str, text: str) -> None:
        """Write a file, or change the function of a file that is there."""
        file = self.folder / path
        file.write_text(with_function(file.read_text(), text) if file.exists() else text)

    def close(self) -> None:
        assert self._shell.stdin
        self._shell.stdin.close()
        self._shell.wait(timeout=60)


@pytest.fixture
def reader(tmp_path: Path) -> Iterator[Reader]:
    """In a folder that has nothing but the checkout."""
    (tmp_path / "stigmem-plugins").symlink_to(ROOT)
    reader = Reader(tmp_path)
    yield reader
    reader.close()


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
