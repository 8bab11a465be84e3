"""Docstrings of attributes and constants: the string below an assignment."""

from __future__ import annotations

import ast
import inspect
from itertools import pairwise
from textwrap import dedent
from types import ModuleType
from typing import Any


def documented(owner: ModuleType | type[Any]) -> dict[str, str]:
    """What a module or class assigns and documents: the text by the name assigned.

    Args:
        owner: The module or class; its source must be at hand.
    """
    tree = ast.parse(dedent(inspect.getsource(owner)))
    body = tree.body[0].body if isinstance(tree.body[0], ast.ClassDef) else tree.body
    return {
        assigned(statement): inspect.cleandoc(following.value.value)
        for statement, following in pairwise(body)
        if isinstance(following, ast.Expr)
        and isinstance(following.value, ast.Constant)
        and isinstance(following.value.value, str)
        and assigned(statement)
    }


def constants(module: ModuleType) -> dict[str, str]:
    """The strings that a module assigns and documents: the text by the string."""
    found = ((getattr(module, name), text) for name, text in documented(module).items())
    return {value: text for value, text in found if isinstance(value, str)}


def assigned(statement: ast.stmt) -> str:
    """The one name that a statement assigns; nothing for other statements."""
    if isinstance(statement, ast.AnnAssign) and isinstance(statement.target, ast.Name):
        return statement.target.id
    if isinstance(statement, ast.Assign) and isinstance(statement.targets[0], ast.Name):
        return statement.targets[0].id
    return ""
