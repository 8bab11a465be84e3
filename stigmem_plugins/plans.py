"""From a hook's handlers to one function that calls them: written as source, compiled once.

A loop over handlers finds out at every fire what cannot change any more: which of the payload's
keywords each handler takes, and how its result is judged. A plan knows. It is written for one
*shape*, the keywords that a fire carries, and calls each handler with exactly its own
arguments. It holds only what happens when all goes well; as soon as a handler denies, fails
or returns something else, the rest is left to the fold of `combiners`, which goes on where
the plan stopped. A payload's names are keys and, behind a prefix, local variables: none can
meet a name of the plan's own.

`stigmem-plugins order HOOK --plan` prints a plan; tracebacks show its lines, with the handlers.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import lru_cache
from types import CodeType, CoroutineType, FunctionType
from typing import Any, Final, NamedTuple, TypeAlias, TypedDict

from attrs import frozen

from stigmem_hookspecs import ALLOW_SINGLETON, Allow, HookSemantic
from stigmem_hookspecs.markers import HookSpec
from stigmem_plugins.errors import FAILURES
from stigmem_plugins.shim import Called, Handler

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


class Rules(NamedTuple):
    """How the plans of one semantic are written."""

    off: str
    """Whether a result is not the plain, good one that lets the plan go on."""
    judge: tuple[str, ...]
    """Lines after a call; they break off if so."""
    empty: str
    """What no handlers come to."""
    result: str
    """What all of them come to."""
    before: tuple[str, ...] = ()
    """Lines before the first call."""
    value: str = ""
    """How a handler is given the value."""
    state: str = ""
    """What the fold needs, beside the rest of the handlers, to go on from here."""
    unusual: str = "result"
    """The result that made the plan break off, as the fold shall see it."""


_VOTE: Final = "result is not ALLOW and result.__class__ is not Allow"
_CHAIN: Final = "result is None or result.__class__ is Coroutine"
_NOTIFY: Final = "result is not None and result.__class__ is Coroutine"
_MERGE: Final = """\
if result.__class__ is not dict:
    key = START
    break
for key, delta in result.items():
    if key.__class__ is not str or delta.__class__ is not float:
        break
    total = sum_of(key, 0.0) + delta
    if total - total:  # infinite, or no number
        break
    totals[key] = total
else:
    key = DONE
if key is not DONE:
    break"""

RULES: Final[Mapping[HookSemantic, Rules]] = {
    HookSemantic.VOTING: Rules(_VOTE, (f"if {_VOTE}:", "    break"), "ALLOW", "ALLOW"),
    HookSemantic.FILTER_CHAIN: Rules(
        _CHAIN,
        (f"if {_CHAIN}:", "    break", "value = result"),
        empty="value",
        result="value",
        value=", value",
        state=", value",
    ),
    HookSemantic.SCORE_DELTA: Rules(
        "key is not DONE",
        tuple(_MERGE.splitlines()),
        empty="{}",
        result="totals",
        before=("totals = {}", "sum_of = totals.get"),
        value=", value.copy()",
        state=", value, totals",
        unusual="rest(result, key)",
    ),
    HookSemantic.FIRE_AND_FORGET: Rules(_NOTIFY, (f"if {_NOTIFY}:", "    break"), "None", "None"),
}


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
        filename = f"plan {next(_numbers)} of {self.spec.name}"
        code = compiled("\n".join(self._lines()))
        parts = [_parts(handler) for handler in self.handlers]
        names: dict[str, Any] = {
            "__name__": filename,
            "__loader__": self,
            "ALLOW": ALLOW_SINGLETON,
            "Allow": Allow,
            "Coroutine": CoroutineType,
            "FAILURES": FAILURES,
            "START": START,
            "DONE": DONE,
            "rest": rest,
            **exits,
        }
        if len(parts) > UNROLLED:
            names["handlers"] = [(number, *each) for number, each in enumerate(parts)]
        else:
            for number, (function, context) in enumerate(parts):
                names[f"h{number}"], names[f"c{number}"] = function, context
        name = self.spec.name
        return FunctionType(
            code.replace(co_filename=filename, co_name=name, co_qualname=name), names
        )

    def get_source(self, _name: str = "") -> str:
        """The source with the hook's and the handlers' names; tracebacks ask for it too."""
        first, *others = self._lines(named=True)
        return "\n".join([first.replace(" fire(", f" {self.spec.name}(", 1), *others])

    def _lines(self, *, named: bool = False) -> Iterator[str]:
        """The function as source: unless named, the same for all handlers called the same way."""
        rules = RULES[self.spec.semantic]
        value = "value, " if self.spec.semantic.takes_value else ""
        wait = "await " if self.asynchronous else ""
        yield f"{'async ' if self.asynchronous else ''}def fire({value}payload, /):"
        if not self.handlers:
            yield f"    return {rules.empty}"
            return
        before = [*self._guard(f"return {wait}other({value}payload)"), *rules.before]
        if self.spec.semantic is HookSemantic.SCORE_DELTA:
            before += ["if value.__class__ is not list:", f"    return {wait}plain(value, payload)"]
        yield from (f"    {line}" for line in before)
        yield "    at = 0"
        yield "    while True:"
        yield "        try:"
        yield from (f"            {line}" for line in self._calls(rules, named=named))
        yield "        except FAILURES as error:"
        yield f"            return {wait}raised(at, error, payload{rules.state})"
        yield f"        return {rules.result}"
        yield f"    return {wait}returned(at, {rules.unusual}, payload{rules.state})"

    def _guard(self, other: str) -> Iterator[str]:
        """Lines that send away other shapes and put the keywords into variables."""
        exact = any(self._sees_more(handler) for handler in self.handlers)
        fetched = self.shape if exact and self.usual else self._used()
        if not self.usual:
            yield from (f"k_{name} = payload[{name!r}]" for name in fetched)
        elif exact or fetched:
            yield f"if len(payload) {'!=' if exact else '<'} {len(fetched)}:"
            yield f"    {other}"
            yield "try:"
            yield from (f"    k_{name} = payload[{name!r}]" for name in fetched)
            yield "except KeyError:"
            yield f"    {other}"

    def _sees_more(self, handler: Called) -> bool:
        """Whether the handler could be given something else from another shape."""
        if not isinstance(handler, Handler):
            return False  # it gets the payload
        return handler.keywords.everything or not handler.keywords.named <= {*self.shape}

    def _used(self) -> Shape:
        """The keywords that any handler is given."""
        given = {
            name
            for handler in self.handlers
            if isinstance(handler, Handler)
            for name in _given(handler, self.shape)
        }
        return tuple(name for name in self.shape if name in given)

    def _calls(self, rules: Rules, *, named: bool) -> Iterator[str]:
        """The calls one by one, or, if they are many, in a loop for each way to call."""
        calls = [self._arguments(handler, rules) for handler in self.handlers]
        labels = [f"  # {each.handler_name}" if named else "" for each in self.handlers]
        if len(calls) <= UNROLLED:
            for number, ((wait, arguments), label) in enumerate(zip(calls, labels, strict=True)):
                if number:
                    yield f"at = {number}"
                call = f"h{number}({arguments.format(context=f'c{number}')})"
                yield f"result = {wait}{call}{label}"
                yield from rules.judge
            return
        end = 0
        for (wait, arguments), alike in itertools.groupby(calls):
            start, end = end, end + len(list(alike))
            yield f"for at, handler, context in handlers[{start}:{end}]:{labels[start]}"
            yield f"    result = {wait}handler({arguments.format(context='context')})"
            yield from (f"    {line}" for line in rules.judge)
            yield f"if {rules.off}:"
            yield "    break"

    def _arguments(self, handler: Called, rules: Rules) -> tuple[str, str]:
        """How a handler is called: `await ` or not, and its arguments."""
        wait = "await " if handler.asynchronous else ""
        if not isinstance(handler, Handler):
            return wait, f"payload{rules.value}"
        given = _given(handler, self.shape)
        order = tuple(itertools.takewhile(given.__contains__, handler.keywords.order))
        named = (f"{name}=k_{name}" for name in given if name not in order)
        return wait, ", ".join([f"{{context}}{rules.value}", *(f"k_{n}" for n in order), *named])


def rest(deltas: Any, key: Any) -> Any:
    """A handler's score changes from `key` on; what is no dict, or not begun, as it is.

    Example:
        >>> rest({"a": 1.0, "b": None, "c": 2.0}, "b")
        {'b': None, 'c': 2.0}
    """
    if key is START:
        return deltas
    return dict(itertools.dropwhile(lambda item: item[0] is not key, deltas.items()))


def _given(handler: Handler, shape: Shape) -> Shape:
    """The keywords of a shape that a handler gets."""
    keywords = handler.keywords
    if keywords.everything:
        return tuple(name for name in shape if name not in keywords.taken)
    return tuple(name for name in shape if name in keywords.named)


def _parts(handler: Called) -> tuple[Function, Any]:
    """What a plan calls for a handler, and the context that it gives it, if any."""
    if isinstance(handler, Handler):
        return handler.function, handler.context
    return handler, None


@lru_cache(maxsize=512)
def compiled(source: str) -> CodeType:
    """The code of the one function in `source`; hooks whose plans read the same share it."""
    module = compile(source, "plan", "exec", dont_inherit=True)
    return next(constant for constant in module.co_consts if isinstance(constant, CodeType))
