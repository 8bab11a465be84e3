"""Which files a signed wheel may have: those that verification can protect once installed.

`sign` refuses to sign any other wheel, and a node refuses it again, whoever signed it.
"""

from __future__ import annotations

import sys
from collections import Counter
from collections.abc import Collection, Iterable
from pathlib import PurePosixPath
from typing import Final

from packaging.utils import canonicalize_version

from stigmem_plugins.discovery import BUNDLE_NAME
from stigmem_plugins.trust.statement import same_distribution

NATIVE_SUFFIXES: Final = frozenset({".so", ".pyd", ".dll", ".dylib"})
STARTUP_MODULES: Final = frozenset({"sitecustomize", "usercustomize"})
OWN_MODULES: Final = frozenset({"stigmem_plugins", "stigmem_hookspecs", "stigmem_node"})
INSTALLER_FILES: Final = frozenset(
    {
        BUNDLE_NAME,
        "RECORD",
        "INSTALLER",
        "REQUESTED",
        "direct_url.json",
        "provenance_url.json",
        "uv_build.json",
        "uv_cache.json",
    }
)
"""What is in an installed `.dist-info` folder without being signed: nothing that is run."""


def top_level(path: str) -> str:
    """The first part of a path.

    Example:
        >>> top_level("example/data/x.json"), top_level("example.py")
        ('example', 'example.py')
    """
    return path.partition("/")[0]


def is_metadata(path: str) -> bool:
    """Whether a path is in a `.dist-info` folder.

    Example:
        >>> is_metadata("example-1.0.dist-info/METADATA"), is_metadata("example/__init__.py")
        (True, False)
    """
    return top_level(path).endswith(".dist-info")


def module_names(paths: Iterable[str]) -> frozenset[str]:
    """The names of the modules and packages that paths put at the top.

    Example:
        >>> sorted(module_names(["example/a.py", "one.py", "x-1.dist-info/METADATA"]))
        ['example', 'one']
    """
    tops = {path for path in map(_module, paths) if path}
    return frozenset(tops)


def _module(path: str) -> str | None:
    if is_metadata(path):
        return None
    if "/" in path:
        return top_level(path)
    return path.removesuffix(".py") if path.endswith(".py") else None


def metadata_folder(paths: Iterable[str]) -> str | None:
    """The one `.dist-info` folder among paths; None if there is none, or several."""
    folders = {top_level(path) for path in paths if is_metadata(path)}
    return folders.pop() if len(folders) == 1 else None


def belongs_to(folder: str, distribution: str, version: str) -> bool:
    """Whether a `.dist-info` folder has the name of a distribution and version.

    Example:
        >>> belongs_to("Example_Plugin-1.0.dist-info", "example-plugin", "1.0.0")
        True
    """
    name, _, installed = folder.removesuffix(".dist-info").rpartition("-")
    return same_distribution(name, distribution) and same_version(installed, version)


def same_version(one: str, other: str) -> bool:
    """Whether two spellings are of one version.

    Example:
        >>> same_version("1.0", "1.0.0"), same_version("1.0-rc1", "1.0rc1")
        (True, True)
    """
    return canonicalize_version(one) == canonicalize_version(other)


def layout_faults(paths: Collection[str]) -> list[str]:
    """Why files of these paths cannot be protected; empty if they can.

    Args:
        paths: The paths of a wheel's files, as the wheel has them.

    Example:
        >>> layout_faults(["example/__init__.py", "example-1.0.dist-info/METADATA"])
        []
        >>> layout_faults(["x.pth", "example-1.0.dist-info/METADATA"])
        ['x.pth: a .pth file runs before any node does']
    """
    faults = [f"{path}: {fault}" for path in sorted(paths) if (fault := _path_fault(path))]
    if metadata_folder(paths) is None:
        faults.append("there is not exactly one .dist-info folder")
    spelled = Counter(path.lower() for path in paths)
    faults += [
        f"{path}: another file differs from it only in case"
        for path in sorted(paths)
        if spelled[path.lower()] > 1
    ]
    packages = {top_level(path) for path in paths if "/" in path and not is_metadata(path)}
    faults += [
        f"{package}/: a top-level package without __init__.py can be added to by any other wheel"
        for package in sorted(packages)
        if f"{package}/__init__.py" not in paths and package.isidentifier()
    ]
    reserved = OWN_MODULES | STARTUP_MODULES | sys.stdlib_module_names
    faults += [
        f"{module}: a module of this name is not the plugin's to bring"
        for module in sorted(module_names(paths) & reserved)
    ]
    return faults


def _path_fault(path: str) -> str | None:
    parts = path.split("/")
    suffix = PurePosixPath(path).suffix.lower()
    is_plain = not path.startswith("/") and "\\" not in path and ":" not in parts[0]
    faults = {
        "not a plain path within the wheel": not is_plain or bool({"", ".", ".."} & set(parts)),
        "a path with unprintable characters": not path.isprintable(),
        "a .pth file runs before any node does": suffix == ".pth" and len(parts) == 1,
        "a .data folder is installed to places that are not checked": parts[0].endswith(".data"),
        "native code cannot be imported from verified bytes": suffix in NATIVE_SUFFIXES
        or ".so." in parts[-1],
        "bytecode is not looked at: only source is run": suffix == ".pyc" or "__pycache__" in parts,
    }
    return next((fault for fault, found in faults.items() if found), None)
