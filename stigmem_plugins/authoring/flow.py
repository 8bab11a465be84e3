"""What a function returns, as far as its source says so for certain."""

from __future__ import annotations

import ast
from collections.abc import Sequence
from enum import Enum
from typing import Final

from stigmem_plugins.authoring.bindings import FunctionNode, own_nodes
from stigmem_plugins.authoring.code import Code, Defined, Meaning, Scope
from stigmem_plugins.authoring.names import External

ALLOW: Final = "Allow"
DENY: Final = "Deny"
NONE: Final = "None"
_SHAPES: Final[dict[type[ast.AST], str]] = {
    ast.Dict: "dict",
    ast.DictComp: "dict",
    ast.List: "list",
    ast.ListComp: "list",
    ast.Set: "set",
    ast.SetComp: "set",
    ast.Tuple: "tuple",
    ast.JoinedStr: "str",
    ast.Compare: "bool",
    ast.GeneratorExp: "generator",
    ast.Lambda: "function",
}
_BUILTINS: Final = frozenset(
    {"bool", "bytes", "dict", "float", "frozenset", "int", "list", "set", "sorted", "str", "tuple"}
)
_MADE: Final = {"stigmem.Allow": ALLOW, "stigmem.Deny": DENY}


class End(Enum):
    """Whether a function can end without a `return` that gives something."""

    NEVER = "never"
    MAYBE = "maybe"
    SURELY = "surely"
    """No call would have to return, and no condition to be false, other than plainly can be."""


def kinds(code: Code, node: ast.expr, scope: Scope) -> list[str | None]:
    """The names of the types that an expression can have; None among them where unknown.

    A class that stands for itself, as in `return Deny`, is called `type Deny`.
    """
    pending, found = [node], []
    while pending:
        each = pending.pop()
        if isinstance(each, ast.IfExp):
            pending += [each.orelse, each.body]
        else:
            found.append(_kind(code, code.meaning(each, scope)))
    return found


def _kind(code: Code, meaning: Meaning) -> str | None:  # noqa: PLR0911  # one for each form
    match meaning:
        case External("stigmem.ALLOW_SINGLETON"):
            return ALLOW
        case External(name) if name in _MADE:
            return f"type {_MADE[name]}"
        case Defined(ast.Constant(value=value)):
            return NONE if value is None else type(value).__name__
        case Defined(ast.Call(func=function), where):
            return _made(code, function, where)
        case Defined(ast.UnaryOp(op=ast.Not())):
            return "bool"
        case Defined(node):
            return _SHAPES.get(type(node))
        case _:
            return None


def _made(code: Code, function: ast.expr, scope: Scope) -> str | None:
    """The type of what a call makes."""
    made = code.meaning(function, scope)
    name = made.name if isinstance(made, External) else ""
    builtin = name.removeprefix("builtins.")
    if builtin != name and builtin in _BUILTINS:
        return "list" if builtin == "sorted" else builtin
    return _MADE.get(name)


def is_generator(function: FunctionNode) -> bool:
    """Whether calling it makes a generator, and runs nothing.

    Example:
        >>> is_generator(ast.parse("lambda: (yield)", mode="eval").body)
        True
    """
    body = [function.body] if isinstance(function, ast.Lambda) else function.body
    return any(isinstance(node, ast.Yield | ast.YieldFrom) for node in own_nodes(body))


def end_of(function: FunctionNode) -> End:
    r"""Whether a function can end without returning anything.

    Example:
        >>> source = "def f(a):\n if a:\n  return 1"
        >>> end_of(ast.parse(source).body[0])
        <End.SURELY: 'surely'>
    """
    try:
        if isinstance(function, ast.Lambda) or not _completes(function.body):
            return End.NEVER
        return End.SURELY if _surely(function.body[-1]) else End.MAYBE
    except RecursionError:  # a chain of a thousand conditions is not judged
        return End.NEVER


def _surely(node: ast.stmt) -> bool:
    """Whether a last statement that can be gone through plainly can.

    Not every call returns, and some chains of conditions leave nothing out.
    """
    match node:
        case ast.Expr(value=ast.Call() | ast.Await()) | ast.Match() | ast.With() | ast.AsyncWith():
            return False
        case ast.For() | ast.AsyncFor() | ast.While() | ast.Try() | ast.TryStar():
            return False
        case ast.If(body=body, orelse=[ast.If()]):
            return _completes(body) and _surely(body[-1])
        case ast.If(body=body, orelse=[*_, last]):
            ends = [(body, body[-1]), (node.orelse, last)]
            return any(_completes(statements) and _surely(end) for statements, end in ends)
        case _:
            return True


def _completes(body: Sequence[ast.stmt]) -> bool:
    """Whether the statements can be gone through to their end."""
    return all(map(_passes, body))


def _passes(node: ast.stmt) -> bool:
    match node:
        case ast.Return() | ast.Raise() | ast.Continue() | ast.Break():
            return False
        case ast.If(test=ast.Constant(value=value), body=body, orelse=orelse):
            return _completes(body if value else orelse)
        case ast.If(body=body, orelse=orelse):
            return _completes(body) or _completes(orelse)
        case ast.While() | ast.For() | ast.AsyncFor():
            return _leaves(node)
        case ast.Expr(value=ast.Call(func=ast.Name(id=name) | ast.Attribute(attr=name))):
            return name not in {"exit", "quit", "abort", "fail", "assert_never"}
        case _:
            return _passes_block(node)


def _passes_block(node: ast.stmt) -> bool:
    match node:
        case ast.With(body=body) | ast.AsyncWith(body=body):
            return _completes(body)
        case ast.Try() | ast.TryStar():
            tried = _completes([*node.body, *node.orelse])
            handled = any(_completes(handler.body) for handler in node.handlers)
            return (tried or handled) and _completes(node.finalbody)
        case ast.Match(cases=cases):
            taken = any(_completes(case.body) for case in cases)
            return taken or not any(_takes_all(case) for case in cases)
        case ast.Assert(test=ast.Constant(value=value)):
            return bool(value)
        case _:
            return True


def _leaves(loop: ast.While | ast.For | ast.AsyncFor) -> bool:
    """Whether a loop can come to an end."""
    match loop:
        case ast.While(test=ast.Constant(value=value)) if value:
            return _breaks(loop.body)
        case _:
            return _completes(loop.orelse) or _breaks(loop.body)


def _takes_all(case: ast.match_case) -> bool:
    return isinstance(case.pattern, ast.MatchAs) and not case.pattern.pattern and not case.guard


def _breaks(body: Sequence[ast.stmt]) -> bool:
    """Whether a loop's body has a `break` of its own."""
    pending: list[ast.AST] = list(body)
    while pending:
        node = pending.pop()
        match node:
            case ast.Break():
                return True
            case ast.For() | ast.AsyncFor() | ast.While():
                pending.extend(node.orelse)
            case ast.FunctionDef() | ast.AsyncFunctionDef() | ast.ClassDef():
                pass
            case _:
                pending.extend(ast.iter_child_nodes(node))
    return False
