"""The source code of a plugin that is loaded: of a handler, and of everything around it."""

from __future__ import annotations

import inspect
import sys
from collections.abc import Callable, Iterable, Iterator
from functools import partial
from pathlib import Path
from textwrap import dedent
from types import ModuleType
from typing import Any, Final

from stigmem_plugins.capabilities import Capability
from stigmem_plugins.errors import FAILURES

_TELLING: Final = (b"getattr(", *(capability.accessor.encode() for capability in Capability))
"""What a file must contain to say anything of capabilities."""


def own_source(function: Callable[..., Any]) -> bytes:
    """The source of one function by itself; empty where it cannot be had.

    Example:
        >>> own_source(own_source).splitlines()[0]
        b'def own_source(function: Callable[..., Any]) -> bytes:'
    """
    try:
        return dedent(inspect.getsource(_plain(function))).encode()
    except FAILURES:  # built in, made by exec, or changed since it was imported
        return b""


def surrounding_sources(functions: Iterable[Callable[..., Any]]) -> dict[str, bytes] | None:
    """The sources of the modules and packages that functions are in, as far as they matter.

    Args:
        functions: Handlers and factories.

    Returns:
        Those that could name a capability's accessor, by path; None if there are none at all.
    """
    modules = {str(_plain(function).__module__) for function in functions}
    files = {file for name in modules for file in _files(name.partition(".")[0])}
    if not files:
        return None
    contents = ((str(file), file.read_bytes()) for file in sorted(files))
    return {name: data for name, data in contents if any(word in data for word in _TELLING)}


def _files(top: str) -> Iterator[Path]:
    """The files of a top-level module: of a package all, of a namespace what is imported."""
    module = sys.modules.get(top)
    if module is not None and (file := _file(module)):
        # Only what has a file of its own is a package: pytest also makes modules of folders.
        found = file.parent.rglob("*.py") if file.name == "__init__.py" else [file]
        yield from filter(Path.is_file, found)
        return
    for name in [name for name in sys.modules if name.startswith(f"{top}.")]:
        if file := _file(sys.modules[name]):
            yield file


def _file(module: ModuleType) -> Path | None:
    """The source file of a module, if it has one."""
    file = Path(getattr(module, "__file__", None) or "")
    return file if file.suffix == ".py" and file.is_file() else None


def _plain(function: Any) -> Any:
    """The function, or the class of an instance, behind what wraps it."""
    while isinstance(function, partial):
        function = function.func
    return function if inspect.isroutine(function) else type(function)
