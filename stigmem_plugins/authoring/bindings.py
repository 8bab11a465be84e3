"""Which names a scope binds, and by what."""

from __future__ import annotations

import ast
from collections.abc import Iterable, Iterator, Mapping
from typing import TypeAlias

from attrs import frozen

FunctionNode: TypeAlias = ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda


@frozen
class Imported:
    """What an import binds: a module, or a name in it."""

    module: str
    name: str | None = None


Binding: TypeAlias = Imported | ast.stmt | ast.expr | None
"""What binds a name: an import, a definition, the value assigned; None for anything else."""
Bindings: TypeAlias = Mapping[str, tuple[Binding, ...]]


def own_nodes(body: Iterable[ast.AST]) -> Iterator[ast.AST]:
    r"""The nodes of a body without those of the functions and classes defined in it.

    Example:
        >>> nodes = own_nodes(ast.parse("def f(): a\nb").body)
        >>> [type(node).__name__ for node in nodes]
        ['FunctionDef', 'Expr', 'Name', 'Load']
    """
    pending = list(body)[::-1]
    while pending:
        node = pending.pop()
        yield node
        if not isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef | ast.Lambda):
            pending.extend(list(ast.iter_child_nodes(node))[::-1])


def collected(bound: Iterable[tuple[str, Binding]]) -> dict[str, tuple[Binding, ...]]:
    """The different bindings of each name."""
    names: dict[str, dict[Binding, None]] = {}
    for name, binding in bound:
        names.setdefault(name, {})[binding] = None
    return {name: tuple(each) for name, each in names.items()}


def local_names(function: FunctionNode, package: str) -> Bindings:
    """The names that are a function's own.

    Args:
        function: The function.
        package: The package that it stands in.
    """
    body = [] if isinstance(function, ast.Lambda) else function.body
    parameters: list[tuple[str, Binding]] = [(each.arg, None) for each in parameters_of(function)]
    names = collected([*parameters, *bindings(body, package)])
    for node in own_nodes(body):
        if isinstance(node, ast.Global | ast.Nonlocal):
            for name in node.names:
                names.pop(name, None)
    return names


def parameters_of(function: FunctionNode) -> list[ast.arg]:
    """All parameters of a function."""
    arguments = function.args
    named = [*arguments.posonlyargs, *arguments.args, *arguments.kwonlyargs]
    return [*named, *filter(None, (arguments.vararg, arguments.kwarg))]


def bindings(body: Iterable[ast.stmt], package: str) -> Iterator[tuple[str, Binding]]:
    """The names that the statements of one scope bind, with what binds them.

    Args:
        body: The statements.
        package: The package that they stand in.

    Example:
        >>> dict(bindings(ast.parse("from .part import make as made").body, "example"))
        {'made': Imported(module='example.part', name='make')}
    """
    seen: set[ast.AST] = set()
    for node in own_nodes(body):
        match node:
            case ast.Import() | ast.ImportFrom():
                yield from _imports(node, package)
            case ast.Assign() | ast.AnnAssign():
                for target, value in _assigned(node):
                    seen.add(target)
                    if value is not None:
                        yield target.id, value
            case ast.Name(id=name, ctx=ast.Store() | ast.Del()) if node not in seen:
                yield name, None
            case _:
                yield from _named(node)


def _imports(node: ast.Import | ast.ImportFrom, package: str) -> Iterator[tuple[str, Imported]]:
    for alias in node.names:
        if isinstance(node, ast.ImportFrom):
            yield alias.asname or alias.name, Imported(_absolute(node, package), alias.name)
        else:
            top = alias.name.partition(".")[0]
            yield alias.asname or top, Imported(alias.name if alias.asname else top)


def _assigned(node: ast.Assign | ast.AnnAssign) -> Iterator[tuple[ast.Name, ast.expr | None]]:
    """The names that are assigned a value of their own."""
    targets = node.targets if isinstance(node, ast.Assign) else [node.target]
    for target in targets:
        if isinstance(target, ast.Name):
            yield target, node.value


def _named(node: ast.AST) -> Iterator[tuple[str, Binding]]:
    """What definitions, except clauses and patterns bind."""
    match node:
        case ast.FunctionDef(name=name) | ast.AsyncFunctionDef(name=name):
            if not any(map(_is_overload, node.decorator_list)):
                yield name, node
        case ast.ClassDef(name=name):
            yield name, node
        case ast.ExceptHandler(name=str(name)) | ast.MatchAs(name=str(name)):
            yield name, None
        case ast.MatchStar(name=str(name)) | ast.MatchMapping(rest=str(name)):
            yield name, None
        case _:
            pass


def _absolute(node: ast.ImportFrom, package: str) -> str:
    if not node.level:
        return node.module or ""
    parts = package.split(".")
    base = parts[: len(parts) - node.level + 1]
    return ".".join([*base, *([node.module] if node.module else [])])


def _is_overload(decorator: ast.expr) -> bool:
    match decorator:
        case ast.Name(id="overload") | ast.Attribute(attr="overload"):
            return True
        case _:
            return False
