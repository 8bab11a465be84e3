"""The source of a plan: a function that calls a hook's handlers in the one way they are called.

A loop over handlers finds out at every fire what cannot change any more: which of the payload's
keywords each handler takes, and how its result is judged. A plan knows: it is written for one
*shape*, the keywords that a fire carries, and calls each handler with exactly its own arguments.
It holds only what happens when all goes well; as soon as a handler denies, fails or returns
something else, it breaks off, and the fold of `combiners` goes on where it stopped.

Handlers, contexts and the payload's keys stand in numbered variables: no payload's keyword can
meet a name of the plan's own, and hooks whose handlers are called alike share one code.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Mapping
from functools import lru_cache
from types import CodeType
from typing import Final, NamedTuple

from attrs import frozen

from stigmem_hookspecs import HookSemantic


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


@frozen(repr=False)
class Outline:
    """All that a plan's source depends on: hooks whose handlers are called alike share one.

    Args:
        semantic: The hook's.
        asynchronous: Whether the plan is a coroutine function.
        compare: How the number of keywords tells a payload of another shape: `<` where surplus
            ones do not matter, `!=` where they do, and nothing where no other can come.
        fetched: The keywords that the plan reads: variables, and the expressions of their keys.
        calls: How each handler is called.
        looped: Whether handlers that are called alike are called in a loop, not one by one.
        labels: What to say of each handler.
    """

    semantic: HookSemantic
    asynchronous: bool
    compare: str
    fetched: tuple[tuple[str, str], ...]
    calls: tuple[str, ...]
    looped: bool
    labels: tuple[str, ...] = ()

    def lines(self) -> Iterator[str]:
        """The function, called `fire`."""
        rules = RULES[self.semantic]
        value = "value, " if self.semantic.takes_value else ""
        wait = "await " if self.asynchronous else ""
        yield f"{'async ' if self.asynchronous else ''}def fire({value}payload, /):"
        if not self.calls:
            yield f"    return {rules.empty}"
            return
        yield from self._guard(f"return {wait}other({value}payload)")
        yield from (f"    {line}" for line in rules.before)
        if self.semantic is HookSemantic.SCORE_DELTA:
            yield "    if value.__class__ is not list:"
            yield f"        return {wait}plain(value, payload)"
        yield "    at = 0"
        yield "    while True:"
        yield "        try:"
        yield from (f"            {line}" for line in self._calls(rules))
        yield "        except FAILURES as error:"
        yield f"            return {wait}raised(at, error, payload{rules.state})"
        yield f"        return {rules.result}"
        yield f"    return {wait}returned(at, {rules.unusual}, payload{rules.state})"

    def _guard(self, other: str) -> Iterator[str]:
        """Lines that send away other shapes and put the keywords into variables."""
        fetch = [f"    {variable} = payload[{key}]" for variable, key in self.fetched]
        if not self.compare:
            yield from fetch
        elif fetch or self.compare == "!=":
            yield f"    if len(payload) {self.compare} {len(fetch)}:"
            yield f"        {other}"
            yield "    try:"
            yield from (f"    {line}" for line in fetch)
            yield "    except KeyError:"
            yield f"        {other}"

    def _calls(self, rules: Rules) -> Iterator[str]:
        """The calls one by one, or, if they are many, in a loop for each way to call."""
        labels = [f"  # {label}" for label in self.labels] or [""] * len(self.calls)
        if not self.looped:
            for number, (call, label) in enumerate(zip(self.calls, labels, strict=True)):
                if number:
                    yield f"at = {number}"
                yield f"result = {call.format(handler=f'h{number}', context=f'c{number}')}{label}"
                yield from rules.judge
            return
        end = 0
        for call, alike in itertools.groupby(self.calls):
            start, end = end, end + len(list(alike))
            yield f"for at, handler, context in handlers[{start}:{end}]:{labels[start]}"
            yield f"    result = {call.format(handler='handler', context='context')}"
            yield from (f"    {line}" for line in rules.judge)
            yield f"if {rules.off}:"
            yield "    break"


@lru_cache(maxsize=512)
def written(outline: Outline) -> str:
    """The source of a plan."""
    return "\n".join(outline.lines())


@lru_cache(maxsize=512)
def compiled(source: str) -> CodeType:
    """The code of the one function in `source`; hooks whose plans read the same share it."""
    module = compile(source, "plan", "exec", dont_inherit=True)
    return next(constant for constant in module.co_consts if isinstance(constant, CodeType))
