"""The demonstration's plugins as wheels, made and installed without a network."""

from __future__ import annotations

import base64
import hashlib
import importlib.util
import os
import subprocess
import sys
import zipfile
from importlib import resources
from pathlib import Path
from typing import Final

from attrs import frozen

from stigmem_plugins.cli.output import Failed
from stigmem_plugins.discovery import ENTRY_POINT_GROUP


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
        info = f"{self.module}-{self.version}.dist-info"
        files = {
            f"{self.module}.py": self.source,
            f"{info}/METADATA": (
                f"Metadata-Version: 2.1\nName: {self.distribution}\nVersion: {self.version}\n"
                f"Requires-Dist: {self.requires}\n"
            ),
            f"{info}/WHEEL": (
                "Wheel-Version: 1.0\nGenerator: stigmem-plugins demo\n"
                "Root-Is-Purelib: true\nTag: py3-none-any\n"
            ),
            f"{info}/entry_points.txt": (
                f"[{ENTRY_POINT_GROUP}]\n{self.module} = {self.module}:plugin_manifest\n"
            ),
        }
        record = "".join(_record(name, text.encode()) for name, text in files.items())
        files[f"{info}/RECORD"] = f"{record}{info}/RECORD,,\n"
        wheel = folder / f"{self.module}-{self.version}-py3-none-any.whl"
        with zipfile.ZipFile(wheel, "w") as archive:
            for name, text in files.items():
                archive.writestr(name, text)
        return wheel


def _record(name: str, content: bytes) -> str:
    digest = base64.urlsafe_b64encode(hashlib.sha256(content).digest()).rstrip(b"=").decode()
    return f"{name},sha256={digest},{len(content)}\n"


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
