"""The functions that a manifest names, and the signatures that they are called by."""

from __future__ import annotations

import ast
import inspect
from typing import Any, Final

from attrs import evolve, field, frozen

from stigmem_plugins.authoring.bindings import FunctionNode
from stigmem_plugins.authoring.code import Code, Defined, Meaning, Scope
from stigmem_plugins.authoring.names import External
from stigmem_plugins.findings import Place

_TRANSPARENT: Final = frozenset(
    {
        "builtins.classmethod",
        "builtins.staticmethod",
        "functools.cache",
        "functools.lru_cache",
        "stigmem.handler_timeout",
        "stigmem.hookimpl",
        "typing.final",
        "typing.no_type_check",
        "typing.override",
        "typing_extensions.override",
    }
)
"""Decorators that leave a function's signature and results alone."""
_CLASS_MAKERS: Final = ("attr.", "attrs.", "dataclasses.", "typing.")
"""Where class decorators are from that leave methods alone."""
_DEPTH: Final = 10


@frozen(eq=False)
class Function:
    """A function of the plugin's, as a caller meets it.

    Args:
        node: Its definition.
        scope: Where it stands.
        filled: How many of its positional parameters are filled already.
        given: The names of parameters that are given by keyword already.
    """

    node: FunctionNode
    scope: Scope
    filled: int = 0
    given: frozenset[str] = field(default=frozenset())

    @property
    def name(self) -> str:
        """Its name."""
        return getattr(self.node, "name", "<lambda>")

    @property
    def place(self) -> Place:
        """Where it is defined."""
        return self.scope.module.place(self.node)

    @property
    def asynchronous(self) -> bool:
        """Whether it is a coroutine function."""
        return isinstance(self.node, ast.AsyncFunctionDef)

    @property
    def needed(self) -> list[str]:
        """The parameters that a call without arguments leaves unfilled."""
        various = {inspect.Parameter.VAR_POSITIONAL, inspect.Parameter.VAR_KEYWORD}
        return [
            parameter.name
            for _, parameter in self.arguments()
            if parameter.default is _EMPTY and parameter.kind not in various
        ]

    def body(self) -> Scope:
        """The scope of its body, made anew."""
        return self.scope.within(self.node)

    def arguments(self) -> list[tuple[ast.arg, inspect.Parameter]]:
        """The parameters that are left, without their annotations and the values of defaults."""
        spec, kinds = self.node.args, inspect.Parameter
        positional = [*spec.posonlyargs, *spec.args]
        plain = len(positional) - len(spec.defaults)
        found: list[tuple[ast.arg, Any, bool]] = [
            (arg, kinds.POSITIONAL_ONLY if i < len(spec.posonlyargs) else _NAMED, i >= plain)
            for i, arg in enumerate(positional)
        ][self.filled :]
        if spec.vararg is not None:
            found.append((spec.vararg, kinds.VAR_POSITIONAL, False))
        found += [
            (arg, kinds.KEYWORD_ONLY, default is not None)
            for arg, default in zip(spec.kwonlyargs, spec.kw_defaults, strict=True)
        ]
        if spec.kwarg is not None:
            found.append((spec.kwarg, kinds.VAR_KEYWORD, False))
        named = [i for i, (arg, kind, _) in enumerate(found) if arg.arg in self.given]
        # As partial has it: what is given by keyword, and what follows, is by keyword only.
        first = min(named, default=len(found))
        by_keyword = [
            (arg, kinds.KEYWORD_ONLY if i >= first and kind is _NAMED else kind, optional)
            for i, (arg, kind, optional) in enumerate(found)
        ]
        return [
            (arg, inspect.Parameter(arg.arg, kind, default=None if optional else _EMPTY))
            for arg, kind, optional in sorted(by_keyword, key=lambda each: each[1])
            if arg.arg not in self.given
        ]

    def stand_in(self) -> Any:
        """Something with its signature, to hold against what callers do; it runs nothing."""
        return _StandIn(self.name, inspect.Signature([each for _, each in self.arguments()]))


class _StandIn:
    def __init__(self, name: str, signature: inspect.Signature) -> None:
        self.__name__ = name
        self.__signature__ = signature

    def __call__(self) -> None:
        """Is never called; what is callable has one."""


_NAMED: Final = inspect.Parameter.POSITIONAL_OR_KEYWORD
_EMPTY: Final = inspect.Parameter.empty


def find_function(code: Code, meaning: Meaning, depth: int = _DEPTH) -> Function | None:
    """The function that something is; None if it is not one known function.

    Args:
        code: The plugin's modules.
        meaning: What was found for an expression: a function, a method, a lambda, a partial or
            an instance.
        depth: How many partials are looked into.
    """
    match meaning:
        case Defined(ast.FunctionDef() | ast.AsyncFunctionDef() | ast.Lambda() as node, scope):
            return Function(node, scope) if _is_plain(code, node, scope) else None
        case Defined(ast.Call() as call, scope) if depth:
            return _of_call(code, call, scope, depth)
        case Defined(ast.Attribute(value=owner, attr=name), scope):
            return _method(code, owner, scope, name)
        case _:
            return None


def _of_call(code: Code, call: ast.Call, scope: Scope, depth: int) -> Function | None:
    """The function of `partial(function, …)`, or the `__call__` of an instance that is made."""
    match code.meaning(call.func, scope):
        case External("functools.partial"):
            starred = any(isinstance(each, ast.Starred) for each in call.args)
            names = [keyword.arg for keyword in call.keywords]
            if starred or None in names or not call.args:
                return None
            function = find_function(code, code.meaning(call.args[0], scope), depth - 1)
            given = frozenset(filter(None, names))
            return function and evolve(
                function,
                filled=function.filled + len(call.args) - 1,
                given=function.given | given,
            )
        case Defined(ast.ClassDef()):
            return _method(code, call, scope, "__call__")
        case _:
            return None


def _method(code: Code, owner: ast.expr, scope: Scope, name: str) -> Function | None:
    """The method of a class of the source, or of an instance that is made of it."""
    bound = False
    found = code.meaning(owner, scope)
    if isinstance(found, Defined) and isinstance(found.node, ast.Call):
        found, bound = code.meaning(found.node.func, found.scope), True
    if not isinstance(found, Defined) or not isinstance(found.node, ast.ClassDef):
        return None
    decorated = [_decorator(code, each, found.scope) for each in found.node.decorator_list]
    methods = [each for each in found.node.body if getattr(each, "name", None) == name]
    match methods:
        case [ast.FunctionDef() | ast.AsyncFunctionDef() as method] if _is_plain(
            code, method, found.scope
        ) and all(each.startswith(_CLASS_MAKERS) for each in decorated):
            marks = {_decorator(code, each, found.scope) for each in method.decorator_list}
            bound |= "builtins.classmethod" in marks
            filled = bound and "builtins.staticmethod" not in marks
            return Function(method, found.scope, filled=int(filled))
        case _:
            return None


def _is_plain(code: Code, node: FunctionNode, scope: Scope) -> bool:
    """Whether a function is what its definition says, for all that its decorators do."""
    decorators = getattr(node, "decorator_list", [])
    return all(_decorator(code, each, scope) in _TRANSPARENT for each in decorators)


def _decorator(code: Code, node: ast.expr, scope: Scope) -> str:
    """The name of a decorator from outside; empty for one of the source."""
    function = node.func if isinstance(node, ast.Call) else node
    found = code.meaning(function, scope)
    return found.name if isinstance(found, External) else ""
