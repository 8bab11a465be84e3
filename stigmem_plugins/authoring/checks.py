"""All checks of what an author has made, and how they are run."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Final

from stigmem_plugins.authoring import building, declaring, entering, handling, returning, using
from stigmem_plugins.authoring.manifests import Reading, read_plugins
from stigmem_plugins.authoring.project import Verify, read_project
from stigmem_plugins.authoring.table import Check
from stigmem_plugins.findings import Finding, Level

CHECKS: Final[tuple[Check, ...]] = (
    *building.CHECKS,
    entering.CHECK,
    *declaring.CHECKS,
    handling.CHECK,
    returning.CHECK,
    using.CHECK,
    building.WHEEL,
)
"""In the order in which an author puts things right."""


def check_project(path: Path, verify: Verify) -> tuple[Finding, ...]:
    """Look at a source tree or a wheel; nothing of it is imported or run.

    Args:
        path: A folder with a `pyproject.toml`, or a wheel.
        verify: Verifies the wheel if it is signed.

    Returns:
        The findings, check by check: one of level ok for each that finds nothing.

    Raises:
        StigmemPluginError: It is neither, or cannot be read.
    """
    return tuple(findings(read_plugins(read_project(path, verify))))


def findings(reading: Reading) -> Iterator[Finding]:
    """What the checks find."""
    for check in CHECKS:
        if check.of_wheels and reading.project.wheel is None:
            continue
        some = list(check.look(reading))
        yield from some or [Finding(check.name, Level.OK, check.description)]
