"""Rounds: contenders take turns, and each is compared with the first of its own round."""

from __future__ import annotations

import asyncio
import gc
import textwrap
from collections.abc import Callable, Mapping, Sequence
from statistics import median
from typing import Any

from attrs import frozen

ROUND = 0.002
"""Seconds that one contender runs for in a round: too short for a neighbour's noise to settle."""

_TIMED = """\
{kind} timed(number):
    turns = repeat(None, number)
    start = clock()
    for _ in turns:
        {statement}
    return clock() - start
"""


@frozen
class Contender:
    """A statement to time.

    Args:
        statement: One statement; it may await.
        names: What it refers to.
    """

    statement: str
    names: Mapping[str, Any]

    def timer(self) -> Callable[[int], float]:
        """What runs it a number of times and returns how many seconds that took."""
        from itertools import repeat  # a name of the timed code
        from time import perf_counter  # the same

        kind = "async def" if "await " in self.statement else "def"
        scope: dict[str, Any] = {**self.names, "repeat": repeat, "clock": perf_counter}
        exec(textwrap.dedent(_TIMED).format(kind=kind, statement=self.statement), scope)
        timed = scope["timed"]
        if kind == "def":
            return timed  # type: ignore[no-any-return]  # made by exec
        return lambda number: asyncio.run(timed(number))


def ratios(contenders: Mapping[str, Contender], rounds: int) -> dict[str, float]:
    """The time of each contender as a multiple of the first one's: the median over the rounds.

    Args:
        contenders: By name; the first is the measure.
        rounds: How many turns each gets. Who begins changes from round to round.
    """
    timers = {name: contender.timer() for name, contender in contenders.items()}
    numbers = {name: _calibrate(timer) for name, timer in timers.items()}
    names = list(timers)
    found: dict[str, list[float]] = {name: [] for name in names}
    gc.collect()
    gc.disable()
    try:
        for turn in range(rounds):
            start = turn % len(names)
            once = {
                name: timers[name](numbers[name]) / numbers[name]
                for name in [*names[start:], *names[:start]]
            }
            for name in names:
                found[name].append(once[name] / once[names[0]])
    finally:
        gc.enable()
    return {name: median(values) for name, values in found.items()}


def _calibrate(timer: Callable[[int], float]) -> int:
    timer(10)
    number = 20
    while (taken := timer(number)) < ROUND / 4:
        number *= 4
    return max(1, round(number * ROUND / taken))


def paired(measure: Callable[[], Sequence[float]], rounds: int) -> float:
    """The median, over rounds, of the first number that `measure` returns over the second."""
    pairs = [measure() for _ in range(rounds)]
    return median(one / other for one, other in pairs)
