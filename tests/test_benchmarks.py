"""What the benchmark makes of its numbers; the numbers themselves are for `nox -s bench`."""

from __future__ import annotations

from xml.etree import ElementTree as ET

import pytest

from tests.benchmarks.chart import draw
from tests.benchmarks.rounds import Contender, ratios
from tests.benchmarks.targets import TARGETS, TOLERANCE, Target


def test_a_contender_that_does_a_hundred_times_the_work_takes_many_times_as_long() -> None:
    """Statements are timed, synchronous and awaited ones alike."""

    async def awaited(count: int) -> None:
        sum(range(count))

    found = ratios(
        {
            "little": Contender("sum(range(count))", {"count": 100}),
            "much": Contender("sum(range(count))", {"count": 10_000}),
            "awaited": Contender("await awaited(count)", {"awaited": awaited, "count": 10_000}),
        },
        rounds=3,
    )
    assert found["little"] == 1.0
    assert found["much"] > 10
    assert found["awaited"] > 10


@pytest.mark.parametrize(
    ("target", "excess"),
    [
        (Target("case", "ours", 0.5), 2.0),
        (Target("case", "ours", 2.0), 0.5),
        (Target("case", "theirs", 8.0, over="ours"), 2.0),
        (Target("case", "theirs", 2.0, over="ours"), 0.5),
        (Target("case", "ours", 2.0, least=True), 2.0),
    ],
)
def test_a_target_says_by_which_factor_it_is_missed(target: Target, excess: float) -> None:
    """An upper bound, a lower bound, and how many times faster one is than another."""
    assert target.excess({"case": {"ours": 1.0, "theirs": 4.0}}) == excess


def test_no_target_is_given_twice() -> None:
    """Each says something of its own."""
    assert len(set(map(str, TARGETS))) == len(TARGETS)


def test_the_chart_has_a_bar_for_everybody_fastest_first() -> None:
    """It is well-formed, and its bars are as long as the ratios."""
    root = ET.fromstring(draw({"bare loop": 1.0, "a & b": 4.0, "by name": 0.5}))
    svg = "{http://www.w3.org/2000/svg}"
    bars = [(bar.get("class"), float(bar.get("width", 0))) for bar in root.iter(f"{svg}rect")]
    assert [kind for kind, _ in bars] == ["ours", "other", "other"]
    assert bars[1][1] == pytest.approx(bars[0][1] * 2, rel=0.01)
    assert bars[2][1] == pytest.approx(bars[0][1] * 8, rel=0.01)
    texts = [text.text for text in root.iter(f"{svg}text")]
    assert "a & b" in texts
    assert "stigmem-plugins" in texts


@pytest.mark.parametrize(("measured", "fails"), [(4.7, False), (4.8, True)])
def test_a_target_that_could_not_be_reached_is_held_where_it_was_left(
    measured: float, fails: bool
) -> None:
    """It still counts as missed, and nothing gets worse unseen."""
    target = Target("case", "ours", 3.0, reached=4.3, why="it is far")
    results = {"case": {"ours": measured}}
    assert target.excess(results) > TOLERANCE
    assert target.fails(results) is fails
