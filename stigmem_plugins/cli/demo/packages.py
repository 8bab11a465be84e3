"""The demonstration's plugins as wheels, made and installed without a network."""

from __future__ import annotations

import importlib.util
import os
import subprocess
import sys
from importlib import resources
from pathlib import Path
from typing import Final

from attrs import frozen

from stigmem_plugins.cli.output import Failed
from stigmem_plugins.testing.wheels import build_wheel


class NoPip(Failed):
    """This Python has no pip."""

    exit_code = 3


@frozen
class Package:
    """A plugin package: one module, and one entry point of its name.

    Args:
        distribution: The name that pip knows it by.
        requires: The distribution that it depends on.
    """

    distribution: str
    requires: str
    version: str = "1.0.0"

    @property
    def module(self) -> str:
        """The import name."""
        return self.distribution.replace("-", "_")

    @property
    def source(self) -> str:
        """The module's text."""
        path = resources.files(__package__) / "plugins" / f"{self.module}.py.txt"
        return path.read_text("utf-8")

    def build(self, folder: Path) -> Path:
        """Write the wheel into a folder; returns its path."""
        return build_wheel(
            folder,
            self.distribution,
            {f"{self.module}.py": self.source},
            version=self.version,
            plugins={self.module: f"{self.module}:plugin_manifest"},
            requires=[self.requires],
        )


PACKAGES: Final = (
    Package("example-stigmem-plugin", "stigmem-node>=0.9.0a1"),
    Package("example-audit-plugin", "example-stigmem-plugin"),
)


def install(wheels: list[Path], place: Path) -> None:
    """Install wheels into a folder with pip, from nowhere else and without what they need.

    Raises:
        NoPip: This Python has none.
        Failed: pip fails.
    """
    if importlib.util.find_spec("pip") is None:
        message = "the demo installs its plugins with pip, which this Python does not have"
        raise NoPip(message, f"run: {sys.executable} -m ensurepip")
    options = ["--isolated", "--disable-pip-version-check", "--no-input", "--quiet"]
    only_these = ["--no-deps", "--no-index", "--target", str(place), *map(str, wheels)]
    result = subprocess.run(  # noqa: S603  # our own arguments, no shell
        [sys.executable, "-m", "pip", *options, "install", *only_these],
        env={**os.environ, "PIP_CONFIG_FILE": os.devnull},
        capture_output=True,
        text=True,
        check=False,
    )
    if result.returncode:
        last = (result.stderr.strip().splitlines() or ["pip said nothing"])[-1]
        message = f"pip could not install the demo's plugins: {last}"
        raise Failed(message)
