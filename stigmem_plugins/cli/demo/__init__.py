"""The demonstration: two plugins, installed with pip into a temporary place, in a small node."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from tempfile import TemporaryDirectory

from stigmem_plugins.cli.demo.narration import say, scene
from stigmem_plugins.cli.demo.packages import PACKAGES, install
from stigmem_plugins.cli.output import Failed
from stigmem_plugins.settings import PREFIX, SIGNING_REQUIRED


def run() -> None:
    """Make the plugins, install them, and start nodes that find them.

    Raises:
        Failed: There is no pip, or a part of the demonstration did not end as it must.
    """
    with TemporaryDirectory(prefix="stigmem-demo-") as folder:
        place = Path(folder)
        scene("1. Two plugin packages are made and installed with pip")
        install([package.build(place) for package in PACKAGES], place / "site")
        for package in PACKAGES:
            say(f"{package.distribution} {package.version}, which requires {package.requires}")
        say("pip install --no-deps --no-index, into a temporary folder")
        _start_node("production", place)
        _start_node("development", place, **{SIGNING_REQUIRED: "false"})
    scene("Done. The temporary folder is removed.")


def _start_node(part: str, place: Path, **settings: str) -> None:
    """Run a part in a process of its own that sees the plugins and no settings but these."""
    environment = {k: v for k, v in os.environ.items() if not k.upper().startswith(PREFIX)}
    paths = [str(place / "site"), *filter(None, sys.path)]
    environment |= {"PYTHONPATH": os.pathsep.join(paths), **settings}
    sys.stdout.flush()
    result = subprocess.run(  # noqa: S603  # our own arguments, no shell
        [sys.executable, "-m", __name__, part, str(place)],
        cwd=place,  # a pyproject.toml where the user is would configure plugins
        env=environment,
        check=False,
    )
    if result.returncode:
        message = f"the demo's part {part!r} failed with exit code {result.returncode}"
        raise Failed(message)
