"""Pages in a browser without a window: photographs of a report, and what tests want to know."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path
from typing import Final

from docs.pictures.examples import EXAMPLES, run, settings

BROWSERS: Final = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
PHOTOGRAPHS: Final = (
    ("report.png", "", "1240,1240", False),
    ("report-dark.png", "#capabilities", "1240,1240", True),
)
"""Pictures of the report: where from the window looks, its size, and whether it is dark."""
FRAME: Final = """<!doctype html><style>body { margin: 0 }
iframe { border: 0; width: 100vw; height: 100vh; display: block }</style>
<iframe src="report.html{}"></iframe>"""


def find() -> str | None:
    """A Chromium on the search path."""
    return next(filter(None, map(shutil.which, BROWSERS)), None)


def photograph(program: str, place: Path, folder: Path) -> None:
    """Write a report about the examples, and take pictures of it.

    Args:
        program: The browser.
        place: A folder for what is needed for it.
        folder: Where the pictures go.
    """
    wheels = [(each.build(place), each.publisher, each.issuer) for each in EXAMPLES]
    given = settings(place, wheels)
    run(place, given, "report", "-o", "report.html")
    for name, start, window, dark in PHOTOGRAPHS:
        frame = place / "frame.html"  # a window that looks elsewhere than at the top stays white
        frame.write_text(FRAME.replace("{}", start), encoding="utf-8")
        browse(program, place, frame, f"--screenshot={folder / name}", window, dark=dark)


def browse(
    program: str, profile: Path, page: Path, wanted: str, window: str, *, dark: bool = False
) -> subprocess.CompletedProcess[str]:
    """Open a page in a browser without a window or a network, for what is wanted of it.

    Args:
        program: The browser.
        profile: A folder for its files.
        page: The page.
        wanted: `--screenshot=…`, `--dump-dom` or `--print-to-pdf=…`.
        window: Its width and height.
        dark: Whether it prefers a dark colour scheme.
    """
    quiet = ["background-networking", "component-update", "sync", "gpu", "quic", "extensions"]
    return subprocess.run(  # noqa: S603  # our own arguments, no shell
        [
            program,
            "--headless",
            "--no-sandbox",
            "--no-first-run",
            "--hide-scrollbars",
            "--enable-logging=stderr",
            *(f"--disable-{what}" for what in quiet),
            f"--user-data-dir={profile / 'browser'}",
            f"--blink-settings=preferredColorScheme={0 if dark else 1}",
            f"--window-size={window}",
            wanted,
            page.as_uri(),
        ],
        capture_output=True,
        encoding="utf-8",
        errors="replace",
        timeout=120,
        check=True,
    )
