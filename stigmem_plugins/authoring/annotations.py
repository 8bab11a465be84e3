"""Annotations as sets of type names, as far as these say for certain what they exclude."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from collections.abc import Set as AbstractSet
from functools import lru_cache
from types import NoneType, UnionType
from typing import Any, Final, Union, get_args, get_origin, get_type_hints

from stigmem_hookspecs import LIFECYCLE_MODULES
from stigmem_hookspecs.markers import HookSpec

_PLAIN: Final = frozenset({"bool", "bytes", "dict", "float", "int", "list", "set", "str", "tuple"})
_OURS: Final = frozenset(
    {
        "Allow",
        "AuditEvent",
        "Deny",
        "Failure",
        "Migration",
        "PluginContext",
        "PluginHealth",
        "Success",
        "TenantContext",
    }
)
_ALIASES: Final = {
    "Dict": {"dict"},
    "List": {"list"},
    "None": {"None"},
    "Outcome": {"Failure", "Success"},
    "Set": {"set"},
    "Tuple": {"tuple"},
    "VotingDecision": {"Allow", "Deny"},
}


def described(annotation: ast.expr | None) -> frozenset[str]:
    """The types that an annotation allows; none where it may allow others too.

    Example:
        >>> def see(text):
        ...     return sorted(described(ast.parse(text, mode="eval").body))
        >>> see("Allow | Deny"), see("Optional[list[str]]"), see("Mapping[str, Any]")
        (['Allow', 'Deny'], ['None', 'list'], [])
    """
    return frozenset(_described(annotation) or ())


def _described(node: ast.expr | None) -> AbstractSet[str] | None:
    match node:
        case ast.Constant(value=None):
            return {"None"}
        case ast.Constant(value=str(text)):
            return _described(_parsed(text))
        case ast.Name(id=name) | ast.Attribute(attr=name):
            return {name} if name in _PLAIN | _OURS else _ALIASES.get(name)
        case ast.BinOp(op=ast.BitOr()):
            return _union(*map(_described, _alternatives(node)))
        case ast.Subscript(ast.Name(id=name) | ast.Attribute(attr=name), inner):
            parts = inner.elts if isinstance(inner, ast.Tuple) else [inner]
            made = {"Optional": [*parts, _NONE], "Union": parts}.get(name, [node.value])
            return _union(*map(_described, made))
        case _:
            return None


_NONE: Final = ast.Constant(value=None)


def _parsed(text: str) -> ast.expr | None:
    try:
        return ast.parse(text, mode="eval").body
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return None


def _alternatives(node: ast.expr) -> Iterator[ast.expr]:
    """The types that `|` puts together, however many."""
    pending = [node]
    while pending:
        match pending.pop():
            case ast.BinOp(left, ast.BitOr(), right):
                pending += [right, left]
            case other:
                yield other


def _union(*parts: AbstractSet[str] | None) -> AbstractSet[str] | None:
    """All of them together; None if one of them is not known."""
    known = [part for part in parts if part is not None]
    return frozenset().union(*known) if len(known) == len(parts) else None


@lru_cache
def expected(spec: HookSpec) -> dict[str, frozenset[str]]:
    """The types that a hook's specification names, by keyword, `ctx`, `value` and `return`.

    Those that are the host's to choose are not among them.

    Example:
        >>> from stigmem_hookspecs import HOOK_SPECS
        >>> types = expected(HOOK_SPECS["capability_check"])
        >>> sorted(types["return"]), sorted(types["capability"])
        (['Allow', 'Deny'], ['None', 'str'])
    """
    (function,) = (
        getattr(module, spec.name) for module in LIFECYCLE_MODULES if hasattr(module, spec.name)
    )
    hints = {name: _names(hint) for name, hint in get_type_hints(function).items()}
    return {"ctx": frozenset({"PluginContext"}), **{n: f for n, f in hints.items() if f}}


def _names(hint: Any) -> frozenset[str]:
    parts = get_args(hint) if get_origin(hint) in {Union, UnionType} else (hint,)
    types = ["None" if part is NoneType else (get_origin(part) or part).__name__ for part in parts]
    known = set(types) <= {*_PLAIN, *_OURS, "None"}
    return frozenset(types) if known else frozenset()
