"""Puts a new package on the disk: all of it, or nothing."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path
from secrets import token_hex

from stigmem_plugins.authoring.scaffold.naming import check_name
from stigmem_plugins.authoring.scaffold.package import PLACEHOLDER, NewPackage
from stigmem_plugins.errors import StigmemPluginError


class PlaceTakenError(StigmemPluginError, FileExistsError):
    """There is something already where a package was to be written."""


def write_package(package: NewPackage, parent: Path) -> Path:
    """Write a package into a new folder of its name.

    It is written beside that place and then moved there: whatever fails, nothing is left, and
    nothing is overwritten.

    Args:
        package: What to write.
        parent: The folder that the package's own is made in.

    Returns:
        The new folder.

    Raises:
        UnusableNameError: The package has a name that no package can have.
        PlaceTakenError: There is something of this name already.
        StigmemPluginError: The files cannot be written.
    """
    folder = parent / check_name(package.name)
    if os.path.lexists(folder):
        fix = "choose another name, or move it away"
        message = f"{folder} is there already, and nothing is overwritten"
        raise PlaceTakenError(message, fix=fix)
    beside = parent / f".{package.name}-{token_hex(4)}"
    try:
        _write(package, beside)
        beside.rename(folder)
    except OSError as error:
        message = f"cannot write {folder}: {error.strerror}"
        raise StigmemPluginError(
            message, fix="make its parent folder writable, and see that there is room"
        ) from error
    finally:
        shutil.rmtree(beside, ignore_errors=True)
    return folder


def _write(package: NewPackage, folder: Path) -> None:
    folder.mkdir()
    for path, text in package.files().items():
        file = folder / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text, encoding="utf-8", newline="\n")


def author_of(folder: Path) -> str:
    """The name that git signs commits in a folder with; a placeholder if it has none."""
    try:
        # The path comes from PATH, as for every command of an author's.
        done = subprocess.run(
            ["git", "config", "user.name"],  # noqa: S607  # see above
            cwd=folder,
            capture_output=True,
            text=True,
            check=False,
        )
    except OSError:
        return PLACEHOLDER
    name = "".join(c for c in done.stdout.strip() if c.isprintable())
    return name or PLACEHOLDER
