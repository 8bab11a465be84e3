"""A plugin to be looked at: its metadata and its Python files, from wherever they are."""

from __future__ import annotations

import itertools
import os
from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path
from typing import Final

from attrs import field, frozen

from stigmem_plugins.authoring.metadata import (
    PYPROJECT,
    Metadata,
    from_core_metadata,
    from_pyproject,
)
from stigmem_plugins.errors import StigmemPluginError
from stigmem_plugins.trust.bundle import SignedStatement
from stigmem_plugins.trust.files import read_regular
from stigmem_plugins.trust.layout import is_metadata
from stigmem_plugins.trust.unverified import Unverified
from stigmem_plugins.trust.wheel import Wheel, open_wheel, wheel_faults

MOST_FILES: Final = 20_000
"""How many Python files a tree may have: a plugin's own folder has fewer."""
_TARGET: Final = f"name a wheel, or a folder with a {PYPROJECT}"
LARGEST_SOURCE: Final = 2**24
"""In bytes, of one file."""
_NOT_SHIPPED: Final = frozenset(
    {"build", "conftest.py", "dist", "doc", "docs", "noxfile.py", "setup.py", "test", "tests"}
)
"""What is at the top of a tree and usually in no wheel."""


@frozen
class Project:
    """A plugin's distribution, read and not run.

    Args:
        path: What was read.
        metadata: What its build says.
        sources: Its modules' sources by path, with forward slashes, relative to `path`.
        modules: Which of them are which modules, by dotted name.
        wheel: The wheel, if it is one.
        faults: Why the files of a wheel cannot be protected.
        signed: What was verified of a wheel's signature; None where there is none.
        unverified: Why a signature that is there does not verify.
    """

    path: Path
    metadata: Metadata
    sources: Mapping[str, bytes] = field(repr=False)
    modules: Mapping[str, str] = field(repr=False)
    wheel: Wheel | None = None
    faults: tuple[str, ...] = ()
    signed: SignedStatement | None = None
    unverified: Unverified | None = None


Verify = Callable[[Path], SignedStatement]
"""Verifies a wheel that carries a bundle."""


def read_project(path: Path, verify: Verify) -> Project:
    """Read a folder with a `pyproject.toml`, or a wheel.

    Args:
        path: The one or the other.
        verify: Verifies the wheel if it is signed; raises `Unverified` otherwise.

    Raises:
        StigmemPluginError: It is neither, or cannot be read.
    """
    try:
        return read_tree(path) if path.is_dir() else read_built(path, verify)
    except Unverified as finding:
        message = f"cannot read {path}: {finding.problem}"
        raise StigmemPluginError(message, fix=finding.fix) from None
    except OSError as error:
        message = f"cannot read {error.filename}: {error.strerror}"
        raise StigmemPluginError(message, fix="make it readable") from None


def read_built(path: Path, verify: Verify) -> Project:
    """Read a wheel.

    Raises:
        Unverified: It is none, or cannot be read.
        StigmemPluginError: The trusted root is malformed.
    """
    if path.is_file() and path.suffix != ".whl":
        message = "it is neither a folder nor a wheel"
        raise Unverified(message, _TARGET)
    wheel = open_wheel(path)
    if not wheel.folder:
        message = "it is no wheel: there is not exactly one .dist-info folder in it"
        raise Unverified(message, _TARGET)
    contents = wheel.contents
    metadata = from_core_metadata(
        contents.get(f"{wheel.folder}/METADATA", b""),
        contents.get(f"{wheel.folder}/entry_points.txt", b""),
        wheel.folder,
    )
    modules = module_files(p for p in contents if p.endswith(".py") and not is_metadata(p))
    sources = {file: contents[file] for file in modules.values()}
    signed, unverified = None, None
    if wheel.bundle in contents:
        try:
            signed = verify(path)
        except Unverified as finding:
            unverified = finding
    faults = tuple(wheel_faults(wheel))
    return Project(path, metadata, sources, modules, wheel, faults, signed, unverified)


def read_tree(path: Path) -> Project:
    """Read a source tree: packages in `src`, beside the `pyproject.toml`, or where they are.

    Raises:
        Unverified: There is no `pyproject.toml`, or it is more than a plugin.
        OSError: Something cannot be read.
    """
    if not (path / PYPROJECT).is_file():
        message = f"there is no {PYPROJECT} in it"
        raise Unverified(message, "name the plugin's own folder, or its wheel")
    others = any((path / name).exists() for name in ("setup.cfg", "setup.py"))
    metadata = from_pyproject(read_regular(str(path), PYPROJECT, LARGEST_SOURCE), others=others)
    files = list(itertools.islice(_python_files(path), MOST_FILES + 1))
    if len(files) > MOST_FILES:
        message = f"it has more than {MOST_FILES} Python files"
        raise Unverified(message, "name the plugin's own folder")
    in_src = _within("src/", files)
    modules = module_files(in_src or files, in_src)
    for value in metadata.plugins.values():
        modules |= _elsewhere(value.partition(":")[0], modules, files)
    sources = {f: read_regular(str(path), f, LARGEST_SOURCE) for f in modules.values()}
    return Project(path, metadata, sources, modules)


def module_files(files: Iterable[str], renamed: Mapping[str, str] | None = None) -> dict[str, str]:
    """The files of modules by their dotted names.

    Args:
        files: The paths of Python files.
        renamed: The paths that they have once installed, where these are others.

    Example:
        >>> module_files(["example/__init__.py", "example/part.py"])
        {'example': 'example/__init__.py', 'example.part': 'example/part.py'}
    """
    return {
        (renamed or {})
        .get(file, file)
        .removesuffix(".py")
        .removesuffix("/__init__")
        .replace("/", "."): file
        for file in files
    }


def _elsewhere(module: str, known: Mapping[str, str], files: Iterable[str]) -> dict[str, str]:
    """The modules beside one that an entry point names, if it is in one other folder."""
    path = module.replace(".", "/")
    ends = (f"/{path}.py", f"/{path}/__init__.py")
    found = [file for file in files if file.endswith(ends)]
    if module in known or len(found) != 1:
        return {}
    folder = f"{found[0].removesuffix(ends[1]).removesuffix(ends[0])}/"
    return module_files(renamed := _within(folder, files), renamed)


def _within(folder: str, files: Iterable[str]) -> dict[str, str]:
    """The files of a folder, with their paths from there."""
    return {file: file.removeprefix(folder) for file in files if file.startswith(folder)}


def _unreadable(error: OSError) -> None:
    raise error


def _python_files(root: Path) -> Iterator[str]:
    """The files of a tree that may be a plugin's: not its tests, documents and environments."""
    for place, folders, files in os.walk(root, onerror=_unreadable):
        folder = Path(place)
        left_out = _NOT_SHIPPED if folder == root else frozenset()
        folders[:] = sorted(
            name
            for name in folders
            if not name.startswith((".", "__pycache__", "node_modules"))
            and name not in left_out
            and not (folder / name / "pyvenv.cfg").exists()
        )
        for name in sorted({file for file in files if file.endswith(".py")} - left_out):
            file = folder / name
            if file.is_file() and not file.is_symlink():
                yield file.relative_to(root).as_posix()
