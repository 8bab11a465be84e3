"""The values of expressions, as far as they are known without running anything."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Final

from attrs import frozen

from stigmem_hookspecs import HookName
from stigmem_plugins.authoring.code import DEEPEST, Code, Defined, Meaning, Scope
from stigmem_plugins.authoring.names import External
from stigmem_plugins.capabilities import Capability
from stigmem_plugins.findings import Place

_MEMBERS: Final[dict[str, str]] = {
    **{f"stigmem.Capability.{each.name}": each.value for each in Capability},
    **{f"stigmem.HookName.{each.name}": str(each.value) for each in HookName},
}
_COLLECTIONS: Final = {"set": set, "frozenset": frozenset, "list": list, "tuple": tuple}
_WRAPPERS: Final = frozenset({"builtins.dict", "types.MappingProxyType", "stigmem.FrozenDict"})


MOST_STEPS: Final = 10_000
"""How many expressions are looked at for one value: more are no manifest's."""


class NotKnownError(Exception):
    """Only running the code can tell the value."""


@frozen(eq=False)
class Item:
    """One element of a collection, or one entry of a mapping.

    Args:
        value: The element, or the key.
        place: Where it stands.
        node: The expression, or that of the entry's value.
        scope: Where it stands.
    """

    value: Any
    place: Place
    node: ast.expr
    scope: Scope


class Values:
    """Evaluates the expressions of a plugin's code that need no running.

    Args:
        code: The plugin's modules.
    """

    def __init__(self, code: Code) -> None:
        self._code = code
        self._active: list[ast.AST] = []
        self._steps = 0

    @contextmanager
    def _meaning(self, node: ast.expr, scope: Scope) -> Iterator[Meaning]:
        """What an expression stands for, while that is evaluated.

        Raises:
            NotKnownError: It contains itself, or is too large.
        """
        meaning = self._code.meaning(node, scope)
        found = meaning.node if isinstance(meaning, Defined) else node
        self._steps = self._steps + 1 if self._active else 0
        if found in self._active or len(self._active) > DEEPEST or self._steps > MOST_STEPS:
            raise NotKnownError
        self._active.append(found)
        try:
            yield meaning
        finally:
            self._active.pop()

    def literal(self, node: ast.expr, scope: Scope) -> Any:
        """The value of an expression: a constant, or a collection of such.

        Raises:
            NotKnownError: It is not known.
        """
        match self._code.meaning(node, scope):
            case External(name) if name.removesuffix(".value") in _MEMBERS:
                return _MEMBERS[name.removesuffix(".value")]
            case Defined(ast.Constant(value=value)):
                return value
            case Defined(ast.expr() as found, where):
                return self._collection(found, where)
            case _:
                raise NotKnownError

    def _collection(self, node: ast.expr, scope: Scope) -> Any:
        values = [each.value for each in self.elements(node, scope)]
        match node:
            case ast.List():
                return values
            case ast.Tuple():
                return tuple(values)
            case ast.Call(func=function):
                return _COLLECTIONS[self._builtin(function, scope)](values)
            case _:
                return frozenset(values)

    def elements(self, node: ast.expr, scope: Scope) -> list[Item]:
        """The elements of a collection.

        Raises:
            NotKnownError: They are not known.
        """
        with self._meaning(node, scope) as meaning:
            match meaning:
                case Defined(ast.Set(parts) | ast.List(parts) | ast.Tuple(parts), where):
                    return [item for part in parts for item in self._part(part, where)]
                case Defined(ast.BinOp(left, ast.BitOr() | ast.Add(), right), where):
                    return [*self.elements(left, where), *self.elements(right, where)]
                case Defined(ast.Call(function, parts, []), where):
                    if self._builtin(function, where) in _COLLECTIONS and len(parts) <= 1:
                        return [item for part in parts for item in self.elements(part, where)]
                case _:
                    pass
        raise NotKnownError

    def _part(self, node: ast.expr, scope: Scope) -> list[Item]:
        if isinstance(node, ast.Starred):
            return self.elements(node.value, scope)
        value = self.literal(node, scope)
        try:
            hash(value)
        except TypeError:
            raise NotKnownError from None
        return [Item(value, scope.module.place(node), node, scope)]

    def entries(self, node: ast.expr, scope: Scope) -> list[Item]:
        """The entries of a mapping: the value of each is left as it is.

        Raises:
            NotKnownError: Its keys are not known.
        """
        with self._meaning(node, scope) as meaning:
            match meaning:
                case Defined(ast.Dict(keys, values), where):
                    pairs = zip(keys, values, strict=True)
                    return [item for key, value in pairs for item in self._entry(key, value, where)]
                case Defined(ast.BinOp(left, ast.BitOr(), right), where):
                    return [*self.entries(left, where), *self.entries(right, where)]
                case Defined(ast.Call(function, parts, keywords), where):
                    made = self._code.meaning(function, where)
                    if isinstance(made, External) and made.name in _WRAPPERS and len(parts) <= 1:
                        wrapped = [self.entries(part, where) for part in parts]
                        named = [self._keyword(each, where) for each in keywords]
                        return [item for items in (*wrapped, *named) for item in items]
                case _:
                    pass
        raise NotKnownError

    def _entry(self, key: ast.expr | None, value: ast.expr, scope: Scope) -> list[Item]:
        if key is None:
            return self.entries(value, scope)
        return [Item(item.value, item.place, value, scope) for item in self._part(key, scope)]

    def _keyword(self, keyword: ast.keyword, scope: Scope) -> list[Item]:
        if keyword.arg is None:
            return self.entries(keyword.value, scope)
        place = scope.module.place(keyword.value)
        return [Item(keyword.arg, place, keyword.value, scope)]

    def _builtin(self, function: ast.expr, scope: Scope) -> str:
        """The name of the builtin that is called; empty if it is something else."""
        made = self._code.meaning(function, scope)
        is_builtin = isinstance(made, External) and made.name.startswith("builtins.")
        return (
            made.name.removeprefix("builtins.") if is_builtin and isinstance(made, External) else ""
        )
