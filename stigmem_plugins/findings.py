"""What a check finds: one value for `doctor`, `check`, the conformance fixture and the report."""

from __future__ import annotations

from collections.abc import Iterable
from enum import StrEnum
from typing import Any

from attrs import asdict, frozen


class Level(StrEnum):
    """How much a finding matters."""

    OK = "ok"
    WARN = "warn"
    FAIL = "fail"
    SKIP = "skip"
    """Not checked; the message says why."""


@frozen
class Place:
    """Where in a file.

    Args:
        file: Relative to what was checked, with forward slashes.
        line: From 1; 0 stands for the whole file.
        column: From 1; 0 stands for the whole line.

    Example:
        >>> str(Place("src/example.py", 12, 5)), str(Place("pyproject.toml"))
        ('src/example.py:12:5', 'pyproject.toml')
    """

    file: str
    line: int = 0
    column: int = 0

    def __str__(self) -> str:
        return ":".join([self.file, *map(str, filter(None, (self.line, self.column)))])


@frozen
class Finding:
    """What one check says of one thing.

    Args:
        check: The check's name, by which a user asks for it.
        level: How much it matters.
        message: The facts, in one sentence without a full stop.
        code: Names this finding for machines and stays the same between versions; by default the
            check's name.
        subject: The plugin, distribution, setting or handler that it is about.
        hint: What to do, as an instruction.
        place: Where in the source it was found.

    Example:
        >>> finding = Finding("unsigned", Level.FAIL, "no bundle is installed", subject="example")
        >>> finding.code, str(finding.level)
        ('unsigned', 'fail')
    """

    check: str
    level: Level
    message: str
    code: str = ""
    subject: str | None = None
    hint: str | None = None
    place: Place | None = None

    def __attrs_post_init__(self) -> None:
        """Name it by its check where it has no name of its own."""
        if not self.code:
            object.__setattr__(self, "code", self.check)

    def facts(self) -> dict[str, Any]:
        """The same as names and JSON values."""
        return asdict(self)


def failed(findings: Iterable[Finding]) -> bool:
    """Whether any of them is a failure: warnings are none.

    Example:
        >>> failed([Finding("unsigned", Level.WARN, "signing is off")])
        False
    """
    return any(finding.level is Level.FAIL for finding in findings)
