"""The hook reference, from the hookspecs."""

from __future__ import annotations

import inspect
import re
from collections.abc import Callable, Iterator
from types import ModuleType
from typing import Any

from derived.markdown import code, opening, table
from stigmem_hookspecs import HOOK_SPECS, LIFECYCLE_MODULES, NO_PAYLOAD, Band, HookSpec

SECTIONS = ("Args", "Returns", "Raises", "Example")

INTRODUCTION = """\
All {count} hooks of a node, by the phase of its life that they belong to. A hook's *semantic*
says how handlers are called and what becomes of their results; *ordering* says where the node's
own (core) handlers stand; lower *bands* come first in a request:
{bands}.

| Semantic | Called as | Result of a handler | Combined |
|---|---|---|---|
| `voting` | `handler(ctx, **keywords)` | `Allow()` or `Deny(reason)` | the first `Deny` wins |
| `filter_chain` | `handler(ctx, value, **keywords)` | the new value | each gets the last result |
| `score_delta` | `handler(ctx, value, **keywords)` | `dict[str, float]` by id | summed by id |
| `fire_and_forget` | `handler(ctx, **keywords)` | ignored | nothing; *strict* hooks raise |

A handler names the keywords that it wants, or takes all with `**kw`. Hosts may leave keywords out:
give those that you can do without a default. `payload`, all keywords in one mapping, is what native
pluggy implementations get; manifest handlers do not ask for it.
"""


def page() -> str:
    """The whole page."""
    bands = ", ".join(f"{band.name} {band:d}" for band in Band)
    introduction = INTRODUCTION.format(count=len(HOOK_SPECS), bands=bands)
    parts = [opening("Hooks", "the docstrings of the hookspecs"), introduction, *overview()]
    for module in LIFECYCLE_MODULES:
        parts += ["", f"## {module.__name__.rpartition('.')[2].capitalize()}", ""]
        parts += [first_line(module)]
        for function, spec in declared(module):
            parts += ["", *section(function, spec)]
    return "\n".join(parts) + "\n"


def overview() -> Iterator[str]:
    """One row per hook."""
    return table(
        ["Hook", "Band", "Semantic", "Ordering", "Strict"],
        (
            [
                f"[`{spec.name}`](#{spec.name})",
                spec.band.name,
                code(spec.semantic),
                code(spec.ordering),
                "yes" if spec.strict else "",
            ]
            for spec in HOOK_SPECS.values()
        ),
    )


def declared(module: ModuleType) -> Iterator[tuple[Callable[..., Any], HookSpec]]:
    """The hooks of a lifecycle module with their declarations, as they stand in it."""
    for name, spec in HOOK_SPECS.items():
        function = getattr(module, name, None)
        if function is not None:
            yield function, spec


def section(function: Callable[..., Any], spec: HookSpec) -> Iterator[str]:
    """A hook's part of the page."""
    documented = read(inspect.getdoc(function) or "")
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
