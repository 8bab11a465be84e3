"""How findings are printed: a block for each, and what they come to."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from rich.console import Console
from rich.text import Text

from stigmem_plugins.cli.output import print_rows, printable
from stigmem_plugins.findings import Finding, Level

STYLES: Final = {
    Level.OK: "green",
    Level.WARN: "yellow",
    Level.FAIL: "bold red",
    Level.SKIP: "dim",
}


def show_findings(console: Console, findings: Sequence[Finding]) -> None:
    """Print findings in the order given; level and check in a heading, the facts below.

    Args:
        console: Where to.
        findings: What was found.
    """
    for finding in findings:
        heading = Text(overflow="fold")
        heading.append(f"{finding.level:<4}", STYLES[finding.level])
        about = [finding.check, finding.subject, finding.place and str(finding.place)]
        named = [printable(each, console.encoding) for each in about if each]
        lines = [(finding.message,)]
        if finding.place and len("  ".join(["    ", *named])) > console.width:
            lines.insert(0, (named.pop(),))  # a line of its own, rather than cut in two
        console.print(heading.append(f"  {'  '.join(named)}", "bold"))
        if finding.hint:
            lines.append((f"to do: {finding.hint}",))
        print_rows(console, lines, indent=6)


def summary(findings: Sequence[Finding]) -> str:
    """How many of each level.

    Example:
        >>> summary([Finding("unsigned", Level.FAIL, "no bundle is installed")])
        '1 fail'
        >>> summary([])
        'nothing was checked'
    """
    levels = [finding.level for finding in findings]
    order = (Level.FAIL, Level.WARN, Level.OK, Level.SKIP)
    counted = [f"{n} {level}" for level in order if (n := levels.count(level))]
    return ", ".join(counted) or "nothing was checked"
