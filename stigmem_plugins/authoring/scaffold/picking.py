"""Takes from a module the functions that are wanted, and what these need."""

from __future__ import annotations

import ast
from collections.abc import Callable, Collection, Iterator

from attrs import frozen

WIDTH = 88
"""Columns of the code that is written: what formatters take unless told otherwise."""


@frozen
class Statement:
    """A statement at the top of a module, with the string that documents it.

    Args:
        node: The statement.
        text: Its lines.
        gap: How many empty lines stand before it.
    """

    node: ast.stmt
    text: str
    gap: int

    @property
    def binds(self) -> frozenset[str]:
        """The names that it gives to what is in the module."""
        if isinstance(self.node, ast.Import | ast.ImportFrom):
            return frozenset(alias.asname or alias.name for alias in self.node.names)
        if isinstance(self.node, ast.FunctionDef):
            return frozenset([self.node.name])
        return frozenset(
            each.id
            for each in ast.walk(self.node)
            if isinstance(each, ast.Name) and isinstance(each.ctx, ast.Store)
        )

    @property
    def uses(self) -> frozenset[str]:
        """The names that it needs, its own included."""
        return frozenset(each.id for each in ast.walk(self.node) if isinstance(each, ast.Name))

    def rendered(self, needed: Collection[str]) -> str:
        """Its lines; those of an import without the names that are not needed."""
        if not isinstance(self.node, ast.ImportFrom) or self.node.module == "__future__":
            return self.text
        names = [alias.name for alias in self.node.names if alias.name in needed]
        return import_line(self.node.module or "", names)


def import_line(module: str, names: Collection[str]) -> str:
    """An import as a formatter writes it.

    Example:
        >>> print(import_line("stigmem_plugins", ["Allow", "Deny"]))
        from stigmem_plugins import Allow, Deny
    """
    line = f"from {module} import {', '.join(names)}"
    if len(line) <= WIDTH:
        return line
    return "\n".join([f"from {module} import (", *(f"    {name}," for name in names), ")"])


def pick(source: str, wanted: Callable[[str], bool]) -> str:
    """A module with some of its functions.

    Args:
        source: The module's text. Comments between its statements are lost.
        wanted: Says of a function's name whether it is to be in it.

    Returns:
        These functions and the functions, constants and imports that they need, as they stood;
        of an import, only the names that they need.

    Example:
        >>> source = '''
        ... import json
        ... from math import pi, tau
        ...
        ... def half():
        ...     return pi
        ...
        ... def whole():
        ...     return tau
        ... '''
        >>> print(pick(source, lambda name: name == "half"), end="")
        from math import pi
        <BLANKLINE>
        def half():
            return pi
    """
    statements = list(_statements(source))
    needed = {
        name
        for each in statements
        for name in each.binds
        if _is_always_there(each) or (isinstance(each.node, ast.FunctionDef) and wanted(name))
    }
    while more := _needed_by(statements, needed) - needed:
        needed |= more
    parts: list[str] = []
    gap = 0
    for each in statements:
        gap = max(gap, each.gap)
        if _is_always_there(each) or each.binds & needed:
            parts += [""] * gap if parts else []
            parts.append(each.rendered(needed))
            gap = 0
    return "\n".join([*parts, ""])


def _needed_by(statements: Collection[Statement], needed: Collection[str]) -> set[str]:
    return {name for each in statements if each.binds & set(needed) for name in each.uses}


def _is_always_there(each: Statement) -> bool:
    node = each.node
    is_future = isinstance(node, ast.ImportFrom) and node.module == "__future__"
    return isinstance(node, ast.Expr) or is_future or "pytestmark" in each.binds


def _statements(source: str) -> Iterator[Statement]:
    lines = source.splitlines()
    nodes = ast.parse(source).body
    end = 0
    for node, following in zip(nodes, [*nodes[1:], None], strict=True):
        if end and isinstance(node, ast.Expr):
            continue  # it documents the statement before it, and came with that
        decorators = getattr(node, "decorator_list", [])
        start = min(part.lineno for part in [node, *decorators])
        last = following if end and isinstance(following, ast.Expr) else node
        text = "\n".join(lines[start - 1 : last.end_lineno])
        yield Statement(node, text, gap=start - end - 1)
        end = last.end_lineno or start
