"""Makes the recording and the photographs anew."""

from __future__ import annotations

import sys
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Final

from docs.pictures.browser import BROWSERS, find, photograph
from docs.pictures.terminal import draw, record

STATIC: Final = Path(__file__).parents[1] / "_static"
RECORDING: Final = STATIC / "recording.svg"


def main() -> int:
    """Make both; the exit code is 1 where there is no browser for the photographs."""
    RECORDING.write_text(draw(record()), encoding="utf-8")
    program = find()
    if program is None:
        sys.stderr.write(
            f"the report's pictures are as they were: no {' or '.join(BROWSERS)} on PATH\n"
        )
        return 1
    with TemporaryDirectory() as folder:
        photograph(program, Path(folder), STATIC)
    return 0


if __name__ == "__main__":
    sys.exit(main())
