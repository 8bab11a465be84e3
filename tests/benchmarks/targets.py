"""What must hold, as ratios of one run; `--check` allows a tenth more, for a noisy machine."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from attrs import evolve, frozen

TOLERANCE: Final = 1.1


@frozen
class Target:
    """One bound on a ratio.

    Args:
        case: The measurement, as the results name it.
        contender: Whose ratio to the first of the case.
        limit: The bound.
        over: Another contender of the case: then the ratio is this one's over the other's, that
            is, how many times faster the other is, and must be at least the limit.
        least: Whether the ratio must be at least the limit.
        reached: What was reached where the limit could not be: the check holds this instead.
        why: What stands between the two.
    """

    case: str
    contender: str
    limit: float
    over: str | None = None
    least: bool = False
    reached: float | None = None
    why: str = ""

    def measured(self, results: Mapping[str, Mapping[str, float]]) -> float:
        """What the results say of it."""
        ratios = results[self.case]
        return ratios[self.contender] / (ratios[self.over] if self.over else 1.0)

    def excess(self, results: Mapping[str, Mapping[str, float]]) -> float:
        """How far it is missed: 1 is exactly met, more is missed by that factor."""
        measured = self.measured(results)
        return self.limit / measured if self.least or self.over else measured / self.limit

    def fails(self, results: Mapping[str, Mapping[str, float]]) -> bool:
        """Whether a check fails for it."""
        held = evolve(self, limit=self.reached) if self.reached else self
        return held.excess(results) > TOLERANCE

    def __str__(self) -> str:
        if self.over:
            return (
                f"{self.case}: {self.over} at least {self.limit} times faster than {self.contender}"
            )
        bound = "at least" if self.least else "at most"
        return f"{self.case}: {self.contender} {bound} {self.limit}"


NAME, HOOK = "by name", "registry.hook"
CALLS: Final = ("voting", "filter_chain", "fire_and_forget")

TARGETS: Final = (
    *(Target(f"{each}, 3 handlers", NAME, 0.60) for each in CALLS),
    *(Target(f"{each}, 3 handlers", "pluggy", 4.5, over=NAME) for each in CALLS),
    Target("score_delta, 3 handlers", NAME, 1.1),
    Target("score_delta, 3 handlers", "pluggy, merged", 1.5, over=NAME),
    *(Target(f"{each}, 0 handlers", NAME, 1.8) for each in (*CALLS, "score_delta")),
    *(Target(f"{each}, 0 handlers", HOOK, 0.6) for each in (*CALLS, "score_delta")),
    *(Target(f"{each}, 50 handlers", NAME, 0.35) for each in CALLS),
    Target("voting, 3 handlers (_ctx, **_)", NAME, 0.85),
    Target("voting, 3 handlers, one keyword more", NAME, 1.5),
    Target("voting, 3 handlers, one keyword less", NAME, 1.5),
    Target("voting, 3 handlers, metrics on", NAME, 12.0),
    Target("voting awaited, 3 handlers", NAME, 0.90),
    Target("throughput of 8 threads", "against 1", 0.90, least=True),
    Target("import and an empty registry", "against pluggy", 3.5),
    Target("memory per plugin with 3 hooks", "KiB", 3.5),
    Target(
        "freeze, 22 hooks of 3 handlers",
        "against pluggy",
        3.0,
        reached=4.3,
        why="CPython's compile() of twelve functions alone takes 2.7 times what pluggy does",
    ),
)
