"""From a hook's handlers to the function that calls them.

`outline` writes its source, for the way in which each handler is called; a `Plan` knows that
way, and gives the function its handlers. Hooks whose outlines are equal share one code.

`stigmem-plugins order HOOK --plan` prints a plan; tracebacks show its lines, with the handlers.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from functools import cache, lru_cache
from types import CoroutineType, FunctionType
from typing import Any, Final, TypeAlias, TypedDict

from attrs import evolve, frozen

from stigmem_hookspecs import ALLOW_SINGLETON, Allow, HookSemantic
from stigmem_hookspecs.markers import HookSpec
from stigmem_plugins.errors import FAILURES
from stigmem_plugins.outline import RULES, Outline, compiled, written
from stigmem_plugins.shim import Called, Handler
from stigmem_plugins.signatures import Keywords

UNROLLED: Final = 64
"""Up to how many handlers a plan calls one by one, a fifth faster than in loops."""

Shape: TypeAlias = tuple[str, ...]
Function: TypeAlias = Callable[..., Any]
"""Fires a hook, as `fire(payload)` or `fire(value, payload)`; a coroutine function for async."""

START: Final = object()
"""Stands for the id of a score change, before a handler's first."""
DONE: Final = object()
"""The same, after a handler's last."""

_numbers = itertools.count(1)


def rest(deltas: Any, key: Any) -> Any:
    """A handler's score changes from `key` on; what is no dict, or not begun, as it is.

    Example:
        >>> rest({"a": 1.0, "b": None, "c": 2.0}, "b")
        {'b': None, 'c': 2.0}
    """
    if key is START:
        return deltas
    return dict(itertools.dropwhile(lambda item: item[0] is not key, deltas.items()))


_NAMES: Final[Mapping[str, Any]] = {
    "ALLOW": ALLOW_SINGLETON,
    "Allow": Allow,
    "Coroutine": CoroutineType,
    "FAILURES": FAILURES,
    "START": START,
    "DONE": DONE,
    "rest": rest,
}
"""What every plan can name."""


class Exits(TypedDict):
    """Where a plan leaves what it is not made for."""

    other: Function
    """Fires a payload of another shape."""
    plain: Function
    """Fires in the plain way, by folding."""
    returned: Function
    """Goes on after a handler's unusual result; gets its index, the result, payload and state."""
    raised: Function
    """The same for what a handler raised."""


@frozen(eq=False, repr=False)
class Plan:
    """What is to be written: a hook, its handlers in call order, and the shape of the payload.

    Args:
        spec: The hook.
        handlers: Its handlers.
        shape: The keywords that the plan is made for; they must fit.
        usual: Whether payloads of other shapes reach it too, which it passes on.
        asynchronous: Whether it is a coroutine function, which may await handlers.
    """

    spec: HookSpec
    handlers: Sequence[Called]
    shape: Shape
    usual: bool = True
    asynchronous: bool = False

    def compile(self, exits: Exits) -> Function:
        """The function that fires the hook."""
        name, fetched = self.spec.name, self._fetched()
        filename = f"plan {next(_numbers)} of {name}"
        variables = {key: f"k{number}" for number, key in enumerate(fetched)}
        keys = [f"K{number}" for number in range(len(fetched))]
        code = compiled(written(self._outline(variables, keys)))
        parts = [_parts(handler) for handler in self.handlers]
        names: dict[str, Any] = {
            "__name__": filename,
            "__loader__": self,
            **_NAMES,
            **dict(zip(keys, fetched, strict=True)),
            **exits,
        }
        if self._looped:
            names["handlers"] = [(number, *each) for number, each in enumerate(parts)]
        else:
            for number, (function, context) in enumerate(parts):
                names[f"h{number}"], names[f"c{number}"] = function, context
        return FunctionType(
            code.replace(co_filename=filename, co_name=name, co_qualname=name), names
        )

    def get_source(self, _name: str = "") -> str:
        """The source with the hook's and the handlers' names; tracebacks ask for it too."""
        fetched = self._fetched()
        variables = {key: f"k_{key}" for key in fetched}
        outline = self._outline(variables, map(repr, fetched))
        labels = tuple(handler.handler_name for handler in self.handlers)
        first, *others = evolve(outline, labels=labels).lines()
        return "\n".join([first.replace(" fire(", f" {self.spec.name}(", 1), *others])

    def _outline(self, variables: Mapping[str, str], keys: Iterable[str]) -> Outline:
        compare = ("!=" if self._exact else "<") if self.usual else ""
        value = RULES[self.spec.semantic].value
        given = tuple(variables.items())
        calls = tuple(
            f"{'await ' if handler.asynchronous else ''}{{handler}}"
            f"({_arguments(handler.keywords, value, self.shape, given)})"
            if isinstance(handler, Handler)
            else f"{{handler}}(payload{value})"
            for handler in self.handlers
        )
        fetched = tuple(zip(variables.values(), keys, strict=True))
        semantic, awaits = self.spec.semantic, self.asynchronous
        return Outline(semantic, awaits, compare, fetched, calls, self._looped)

    @property
    def _looped(self) -> bool:
        return len(self.handlers) > UNROLLED

    @property
    def _keywords(self) -> Iterator[Keywords]:
        """Those of the handlers that are given keywords; others get the payload."""
        return (each.keywords for each in self.handlers if isinstance(each, Handler))

    @property
    def _exact(self) -> bool:
        """Whether any handler could be given something else from another shape."""
        return any(
            keywords.everything or not keywords.named.issubset(self.shape)
            for keywords in self._keywords
        )

    def _fetched(self) -> Shape:
        """The keywords that the plan reads: those that any handler is given."""
        if self.usual and self._exact:
            return self.shape  # all must be there
        given = {name for keywords in self._keywords for name in _given(keywords, self.shape)}
        return tuple(name for name in self.shape if name in given)


@cache
def silent(semantic: HookSemantic, *, asynchronous: bool) -> Function:
    """Fires a hook that has no handlers; one function for all hooks of a semantic."""
    code = compiled(written(Outline(semantic, asynchronous, "", (), (), looped=False)))
    return FunctionType(code, dict(_NAMES), "silent")


@lru_cache(maxsize=512)
def _given(keywords: Keywords, shape: Shape) -> Shape:
    """The keywords of a shape that a handler gets."""
    if keywords.everything:
        return tuple(name for name in shape if name not in keywords.taken)
    return tuple(name for name in shape if name in keywords.named)


@lru_cache(maxsize=512)
def _arguments(
    keywords: Keywords, value: str, shape: Shape, variables: tuple[tuple[str, str], ...]
) -> str:
    """The arguments that a handler is called with."""
    given, variable = _given(keywords, shape), dict(variables)
    order = tuple(itertools.takewhile(given.__contains__, keywords.order))
    named = (f"{name}={variable[name]}" for name in given if name not in order)
    return ", ".join([f"{{context}}{value}", *(variable[name] for name in order), *named])


def _parts(handler: Called) -> tuple[Function, Any]:
    """What a plan calls for a handler, and the context that it gives it, if any."""
    if isinstance(handler, Handler):
        return handler.function, handler.context
    return handler, None
