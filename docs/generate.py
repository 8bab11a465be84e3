"""Writes what is derived from the hookspecs; `--check` only compares."""  # noqa: INP001  # not a package

from __future__ import annotations

import inspect
import re
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import stigmem_hookspecs
import stigmem_plugins
from stigmem_hookspecs import HOOK_SPECS, LIFECYCLE_MODULES, NO_PAYLOAD, Band, HookSpec

PAGE = Path(__file__).parent / "reference" / "hooks.md"
CALLERS = Path(stigmem_plugins.__file__).parent / "callers.pyi"
COMMAND = "python docs/generate.py"
SECTIONS = ("Args", "Returns", "Raises", "Example")

INTRODUCTION = """\
# Hooks

<!-- Generated from the hookspecs by `{command}`: edit their docstrings, not this page. -->

All {count} hooks of a node, by the phase of its life that they belong to. A hook's *semantic*
says how handlers are called and what becomes of their results; *ordering* says where the node's
own (core) handlers stand; lower *bands* come first in a request: {bands}.

| Semantic | Called as | Result of a handler | Combined |
|---|---|---|---|
| `voting` | `handler(ctx, **keywords)` | `Allow()` or `Deny(reason)` | the first `Deny` wins |
| `filter_chain` | `handler(ctx, value, **keywords)` | the new value | each gets the last result |
| `score_delta` | `handler(ctx, value, **keywords)` | `dict[str, float]` by id | summed by id |
| `fire_and_forget` | `handler(ctx, **keywords)` | ignored | nothing; *strict* hooks raise |

A handler names the keywords that it wants, or takes all with `**kw`; keywords that a host does not
pass are left out, so give them defaults. `payload`, all keywords in one mapping, is what native
pluggy implementations get; manifest handlers do not ask for it.
"""


STUB = """\
# Generated from the hookspecs by `{command}`.

from os import PathLike
from typing import Any

from stigmem_hookspecs import {names}
from stigmem_plugins.dispatch import Dispatcher

class HookCallers:
    def __init__(self, dispatcher: Dispatcher) -> None: ...
    def bind(self, dispatcher: Dispatcher) -> None: ...
"""


def callers() -> str:
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
    return STUB.format(command=COMMAND, names=imports) + "\n".join([*methods, ""])


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


def page() -> str:
    """The whole page."""
    bands = ", ".join(f"{band.name} {band:d}" for band in Band)
    introduction = INTRODUCTION.format(command=COMMAND, count=len(HOOK_SPECS), bands=bands)
    parts = [introduction, *table()]
    for module in LIFECYCLE_MODULES:
        parts += ["", f"## {module.__name__.rpartition('.')[2].capitalize()}", ""]
        parts += [first_line(module)]
        for function, spec in declared(module):
            parts += ["", *section(function, spec)]
    return "\n".join(parts) + "\n"


def table() -> Iterator[str]:
    """One row per hook."""
    yield "| Hook | Band | Semantic | Ordering | Strict |"
    yield "|---|---|---|---|---|"
    for spec in HOOK_SPECS.values():
        link = f"[`{spec.name}`](#{anchor(spec.name)})"
        strict = "yes" if spec.strict else ""
        yield f"| {link} | {spec.band.name} | `{spec.semantic}` | `{spec.ordering}` | {strict} |"


def declared(module: ModuleType) -> Iterator[tuple[Callable[..., Any], HookSpec]]:
    """The hooks of a lifecycle module with their declarations, as they stand in it."""
    for name, spec in HOOK_SPECS.items():
        function = getattr(module, name, None)
        if function is not None:
            yield function, spec


def section(function: Callable[..., Any], spec: HookSpec) -> Iterator[str]:
    """A hook's part of the page."""
    documented = read(inspect.getdoc(function) or "")
    yield f"({anchor(spec.name)})="
    yield f"### {spec.name}"
    yield ""
    strict = ", strict" if spec.strict else ""
    yield f"*`{spec.semantic}`{strict}, `{spec.ordering}`, band {spec.band.name}*"
    yield ""
    yield from ["```py", signature(function), "```", ""]
    yield from [documented[""], ""]
    yield from ["**Arguments**", "", *definitions(documented["Args"]), ""]
    yield from ["**Returns**", "", inspect.cleandoc(documented["Returns"]), ""]
    yield from ["**Raises**", "", *definitions(documented["Raises"]), ""]
    yield from ["**Example**", "", "```pycon", documented["Example"].strip(), "```"]


def anchor(hook: str) -> str:
    """The target that links to a hook's section name."""
    return f"hook-{hook.replace('_', '-')}"


def signature(function: Callable[..., Any]) -> str:
    """The definition of a hookspec as source, a parameter per line."""
    shown = inspect.signature(function)
    lines = [f"def {function.__name__}("]
    for parameter in shown.parameters.values():
        line = f"    {parameter.name}: {parameter.annotation}"
        if parameter.default is NO_PAYLOAD:
            line += " = NO_PAYLOAD"
        elif parameter.default is not parameter.empty:
            line += f" = {parameter.default!r}"
        lines.append(f"{line},")
    return "\n".join([*lines, f") -> {shown.return_annotation}: ..."])


def read(docstring: str) -> dict[str, str]:
    """A Google-style docstring by section; the text before the first is under the empty name.

    Example:
        >>> read("Do it." + chr(10) + "Args:" + chr(10) + "    x: Any.")
        {'': 'Do it.', 'Args': 'x: Any.'}
    """
    heading = re.compile(rf"^({'|'.join(SECTIONS)}):$", re.MULTILINE)
    head, *rest = heading.split(docstring)
    bodies = zip(rest[::2], map(inspect.cleandoc, rest[1::2]), strict=True)
    return {"": head.strip(), **dict(bodies)}


def definitions(body: str) -> Iterator[str]:
    """`name: text` entries, their continuation lines indented, as a list."""
    for line in body.splitlines():
        if line.startswith(" "):
            yield f"  {line.strip()}"
        else:
            name, _, text = line.partition(": ")
            yield f"- `{name}`: {text}"


def first_line(module: ModuleType) -> str:
    """The sentence that a module's docstring starts with."""
    return (module.__doc__ or "").partition("\n")[0]


def main(arguments: list[str]) -> int:
    """Write the files, or compare them; returns the exit code."""
    differing = 0
    for path, wanted in ((PAGE, page()), (CALLERS, callers())):
        if "--check" not in arguments:
            path.parent.mkdir(exist_ok=True)
            path.write_text(wanted, encoding="utf-8")
        elif not path.exists() or path.read_text(encoding="utf-8") != wanted:
            sys.stderr.write(f"{path} is not what the hookspecs say; run: {COMMAND}\n")
            differing = 1
    return differing


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
