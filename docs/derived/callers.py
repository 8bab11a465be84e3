"""The stub that types `registry.hook`, from the hookspecs."""

from __future__ import annotations

import inspect
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import stigmem_hookspecs
import stigmem_plugins
from derived.hooks import declared
from stigmem_hookspecs import HOOK_SPECS, LIFECYCLE_MODULES

PATH = Path(stigmem_plugins.__file__).parent / "callers.pyi"

STUB = """\
# Generated from the hookspecs by `python docs/generate.py`.

from os import PathLike
from typing import Any

from stigmem_hookspecs import {names}
from stigmem_plugins.dispatch import Dispatcher

class HookCallers:
    def __init__(self, dispatcher: Dispatcher) -> None: ...
    def bind(self, dispatcher: Dispatcher) -> None: ...
"""


def stub() -> str:
    """The stub that types `registry.hook`."""
    methods = [
        line
        for module in LIFECYCLE_MODULES
        for function, _ in declared(module)
        for line in method(function)
    ]
    words = set(re.findall(r"[A-Z]\w+", " ".join(methods))) & set(stigmem_hookspecs.__all__)
    names = ", ".join(sorted(words))
    imports = f"(\n    {names.replace(', ', f',{chr(10)}    ')},\n)"
    return STUB.format(names=imports) + "\n".join([*methods, ""])


def method(function: Callable[..., Any]) -> Iterator[str]:
    """A hookspec as a method, with keywords that are the host's own allowed."""
    shown = inspect.signature(function)
    yield f"    def {function.__name__}("
    yield "        self,"
    if "value" in shown.parameters:
        yield f"        value: {shown.parameters['value'].annotation},"
        yield "        /,"
    if HOOK_SPECS[function.__name__].keywords:
        yield "        *,"
    for name in HOOK_SPECS[function.__name__].keywords:
        annotation = shown.parameters[name].annotation
        yield f"        {name}: {annotation} = ...,"
    yield "        **further: Any,"
    yield f"    ) -> {shown.return_annotation}: ..."
