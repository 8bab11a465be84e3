"""A shell to type into, as somebody who follows the documentation does."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType
from typing import Self

from tests.environments import FOREIGN_PREFIXES

MARK = "-- that was the command --"


class Terminal:
    """One shell: folders and variables stay as commands set them.

    Args:
        folder: Where it is opened; then where it is.
        venv: An environment that is active in it.
        given: Variables that are set in it.
    """

    def __init__(
        self, folder: Path, venv: Path | None = None, given: Mapping[str, str] | None = None
    ) -> None:
        self.folder = folder
        inherited = {k: v for k, v in os.environ.items() if not k.startswith(FOREIGN_PREFIXES)}
        path = [str(venv / "bin")] if venv else []
        self._shell = subprocess.Popen(
            ["bash", "-u"],
            cwd=folder,
            env={
                **inherited,
                "NO_COLOR": "1",
                "PATH": os.pathsep.join([*path, os.environ["PATH"]]),
                "PIP_DISABLE_PIP_VERSION_CHECK": "1",
                **(given or {}),
            },
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )

    def run(self, commands: str) -> str:
        """Run commands, of which the last must not fail; returns what they print."""
        assert self._shell.stdin
        assert self._shell.stdout
        self._shell.stdin.write(f'{{ {commands.strip()}\n}} </dev/null\necho "{MARK} $? $PWD"\n')
        self._shell.stdin.flush()
        lines: list[str] = []
        for line in self._shell.stdout:
            if line.startswith(MARK):
                code, folder = line.removeprefix(MARK).split()
                assert code == "0", f"$ {commands}\n{''.join(lines)}"
                self.folder = Path(folder)
                return "".join(lines)
            lines.append(line)
        raise AssertionError("the shell ended:\n" + "".join(lines))

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        _kind: type[BaseException] | None,
        _error: BaseException | None,
        _traceback: TracebackType | None,
    ) -> None:
        """Close it."""
        assert self._shell.stdin
        assert self._shell.stdout
        self._shell.stdin.close()
        self._shell.wait(timeout=60)
        self._shell.stdout.close()
