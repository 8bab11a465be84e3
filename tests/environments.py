"""Throw-away virtual environments, for what only an installation can show."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

FOREIGN_PREFIXES = ("COV", "PYTEST", "PYTHON", "STIGMEM_")
"""Variables of the test run, or of the operator, that an environment must not inherit."""


@dataclass(frozen=True)
class Environment:
    """A virtual environment at `path`."""

    path: Path

    def run(
        self, *args: str, env: Mapping[str, str] | None = None, cwd: Path | None = None
    ) -> subprocess.CompletedProcess[str]:
        """Run the environment's Python with these arguments, outside the repository.

        Only what is installed can be imported: the interpreter is isolated (`-I`).

        Args:
            *args: The interpreter's arguments.
            env: Variables to add to the inherited ones.
            cwd: Where to run; default: in the environment's own folder.
        """
        inherited = {k: v for k, v in os.environ.items() if not k.startswith(FOREIGN_PREFIXES)}
        folder = "Scripts" if os.name == "nt" else "bin"
        return subprocess.run(
            [str(self.path / folder / "python"), "-I", *args],
            check=False,
            capture_output=True,
            text=True,
            env={**inherited, **(env or {})},
            cwd=cwd or self.path,
            timeout=300,
        )

    def install(self, *arguments: str) -> None:
        """Let pip install.

        Raises:
            RuntimeError: It cannot; the message is pip's own output.
        """
        pip = ("-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--no-compile")
        done = self.run(*pip, *arguments)
        if done.returncode:
            raise RuntimeError(f"pip install {' '.join(arguments)} failed:\n{done.stderr}")


def make_environment(path: Path, *requirements: str, no_deps: tuple[str, ...] = ()) -> Environment:
    """Make a virtual environment of the running interpreter's version.

    Args:
        path: Where; must not exist yet.
        *requirements: What pip installs, with what it depends on.
        no_deps: What pip installs afterwards, without what it depends on.

    Raises:
        RuntimeError: pip cannot install something.
    """
    subprocess.run([sys.executable, "-m", "venv", str(path)], check=True)
    environment = Environment(path)
    if requirements:
        environment.install(*requirements)
    if no_deps:
        environment.install("--no-deps", "--ignore-requires-python", *no_deps)
    return environment
