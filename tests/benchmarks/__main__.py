"""Measure everything, print it, and say which targets are met."""

from __future__ import annotations

import argparse
import json
import platform
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path

from attrs import evolve

from tests.benchmarks import cpex_plugins, whole
from tests.benchmarks.chart import draw
from tests.benchmarks.contenders import (
    NOTIFY,
    SEMANTICS,
    VOTING,
    asynchronous,
    contenders,
)
from tests.benchmarks.rounds import Contender, ratios
from tests.benchmarks.targets import TARGETS, TOLERANCE, Target

Results = dict[str, dict[str, float]]
COUNTS = (0, 1, 3, 10, 50)
CHARTED = f"{NOTIFY.semantic}, 3 handlers"


def statements() -> Iterator[tuple[str, dict[str, Contender]]]:
    """What is timed as a statement, by the name of its case."""
    for case in SEMANTICS:
        for count in COUNTS:
            yield f"{case.semantic}, {count} handlers", contenders(case, count)
    # A bare loop takes every keyword to every handler, so handlers must take them all.
    opened = evolve(VOTING, style="open")
    more = evolve(VOTING, fired=(*VOTING.keywords, "source"))
    less = evolve(VOTING, fired=tuple(name for name in VOTING.keywords if name != "tenant"))
    yield "voting, 3 handlers (_ctx, **_)", _ours(contenders(opened, 3))
    yield "voting, 3 handlers, one keyword more", _ours(contenders(evolve(more, style="both"), 3))
    yield "voting, 3 handlers, one keyword less", _ours(contenders(less, 3))
    measured = contenders(VOTING, 3, emit_metrics=True)
    yield "voting, 3 handlers, metrics on", _ours(measured)
    awaited = asynchronous(evolve(VOTING, asynchronous=True), 3)
    yield "voting awaited, 3 handlers", {**awaited, "CPEX": cpex_plugins.contender(3)}


def _ours(all_of_them: Mapping[str, Contender]) -> dict[str, Contender]:
    """Those who can fire any payload at handlers of any shape."""
    return {name: all_of_them[name] for name in ("bare loop", "by name", "registry.hook")}


def measure(rounds: int) -> Results:
    """The ratios of every case."""
    results: Results = {}
    for name, each in statements():
        results[name] = ratios(each, rounds)
        _show(name, results[name])
    few = max(3, rounds // 3)
    results["throughput of 8 threads"] = {"against 1": whole.threads(rounds)}
    results["import and an empty registry"] = {"against pluggy": whole.importing(rounds)}
    results["memory per plugin with 3 hooks"] = {"KiB": whole.memory()}
    results["freeze, 22 hooks of 3 handlers"] = {
        "against pluggy": whole.first_freeze(few),
        "where the like was frozen before": whole.freeze(rounds),
    }
    scans = {str(count): whole.scanning(count, few) for count in (10, 100, 1000)}
    results["one plugin found among distributions, against importlib's scan"] = scans
    for name in list(results)[-5:]:
        _show(name, results[name])
    return results


def _show(case: str, found: Mapping[str, float]) -> None:
    listed = "  ".join(f"{name} {ratio:.2f}" for name, ratio in found.items())
    print(f"{case:42} {listed}", flush=True)  # noqa: T201  # what the command is for


def judge(results: Results) -> list[Target]:
    """Print how each target is met; returns those for which a check fails."""
    missed = []
    for target in TARGETS:
        excess = target.excess(results)
        verdict = "met" if excess <= 1 else "nearly" if excess <= TOLERANCE else "MISSED"
        why = f": {target.why}" if target.why and excess > TOLERANCE else ""
        print(f"{verdict:7} {target}, is {target.measured(results):.2f}{why}")  # noqa: T201  # the same
        if target.fails(results):
            missed.append(target)
    return missed


def main() -> int:
    """Run from the command line; the exit code says whether a check failed."""
    parser = argparse.ArgumentParser(prog="nox -s bench --", description=__doc__)
    parser.add_argument("--check", action="store_true", help="fail if a target is missed")
    parser.add_argument("--rounds", type=int, default=25, help="turns that each contender gets")
    parser.add_argument("--json", type=Path, help="write the ratios to this file")
    parser.add_argument("--chart", type=Path, help="draw the chart into this file")
    options = parser.parse_args()
    results = measure(options.rounds)
    if options.json:
        content = {"python": platform.python_version(), "ratios": results}
        options.json.write_text(json.dumps(content, indent=2) + "\n", encoding="utf-8")
    if options.chart:
        chosen = {k: v for k, v in results[CHARTED].items() if k != "pluggy, first result"}
        options.chart.write_text(draw(chosen), encoding="utf-8")
    missed = judge(results)
    return 1 if options.check and missed else 0


if __name__ == "__main__":
    sys.exit(main())
