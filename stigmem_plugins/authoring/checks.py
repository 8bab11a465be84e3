"""All checks of what an author has made, and how they are run."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from stigmem_plugins.authoring import building, declaring, entering, handling, returning, using
from stigmem_plugins.authoring.manifests import Reading
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


def findings(reading: Reading) -> Iterator[Finding]:
    """Look at a plugin; nothing of it is imported or run.

    Args:
        reading: A source tree or wheel, as `read_plugins` gives it.

    Returns:
        The findings, check by check: one of level ok for each that finds nothing.
    """
    for check in CHECKS:
        if check.of_wheels and reading.project.wheel is None:
            continue
        some = list(check.look(reading))
        yield from some or [Finding(check.name, Level.OK, check.description)]
