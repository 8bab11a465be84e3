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
    if getattr(module, "__file__", None) is None:
        for name in [name for name in sys.modules if name.startswith(f"{top}.")]:
            yield from _file(sys.modules[name])
        return
    yield from _file(module)
    for folder in getattr(module, "__path__", ()):
        yield from Path(folder).rglob("*.py")


def _file(module: ModuleType | None) -> Iterator[Path]:
    file = Path(getattr(module, "__file__", None) or "")
    if file.suffix == ".py" and file.is_file():
        yield file


def _plain(function: Any) -> Any:
    """The function, or the class of an instance, behind what wraps it."""
    while isinstance(function, partial):
        function = function.func
    return function if inspect.isroutine(function) else type(function)
