"""Writes what is derived from the code; `--check` only compares."""  # noqa: INP001  # not a package

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping
from pathlib import Path

from derived import (
    audit,
    callers,
    capabilities,
    checks,
    commands,
    drawing,
    hooks,
    metrics,
    settings,
)

COMMAND = "python docs/generate.py"
DOCS = Path(__file__).parent
FILES: Mapping[Path, Callable[[], str]] = {
    DOCS / "reference" / "hooks.md": hooks.page,
    DOCS / "reference" / "capabilities.md": capabilities.page,
    DOCS / "reference" / "settings.md": settings.page,
    DOCS / "reference" / "cli.md": commands.page,
    DOCS / "reference" / "audit.md": audit.page,
    DOCS / "reference" / "checks.md": checks.page,
    DOCS / "reference" / "metrics.md": metrics.page,
    DOCS / "_static" / "architecture.svg": drawing.picture,
    callers.PATH: callers.stub,
}
"""Every derived file, and what makes its text."""


def main(arguments: list[str]) -> int:
    """Write the files, or compare them; returns the exit code."""
    differing = 0
    for path, made in FILES.items():
        wanted = made()
        if "--check" not in arguments:
            path.parent.mkdir(exist_ok=True)
            path.write_text(wanted, encoding="utf-8")
        elif not path.exists() or path.read_text(encoding="utf-8") != wanted:
            sys.stderr.write(f"{path} is not what the code says; run: {COMMAND}\n")
            differing = 1
    return differing


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
