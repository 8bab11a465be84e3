"""Pictures of hooks: the stations of a fire, top to bottom in call order."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import islice
from typing import Final

from attrs import frozen

from stigmem_hookspecs import HookOrdering, HookSemantic
from stigmem_plugins.cli.pipelines import CORE, FIRST, Pipeline
from stigmem_plugins.cli.report.drawing import LINE, label, letters_in, svg, wrapped
from stigmem_plugins.cli.report.markup import Markup, element, join

WIDTH: Final = 264
TRACK: Final = 13
"""Where the line through the stations is, from the left."""
TEXT: Final = 36
"""Where names start."""
RADIUS: Final = 9.5
GAP: Final = 14
"""Between one station and the next."""
LONGEST: Final = 20
"""How many stations a picture has; of a longer hook there are several pictures."""

RESULTS: Final = {
    HookSemantic.VOTING: "Allow, or the first Deny",
    HookSemantic.FILTER_CHAIN: "the value, as the last one left it",
    HookSemantic.SCORE_DELTA: "the sum of all, by id",
    HookSemantic.FIRE_AND_FORGET: "no result: they are told",
}
"""What a fire comes to."""
POLICIES: Final = {
    HookOrdering.CORE_FIRST: "core first",
    HookOrdering.PLUGINS_FIRST: "plugins first",
    HookOrdering.CORE_ONLY_DEFAULT: "core as the baseline",
    HookOrdering.PLUGIN_ONLY: "plugins only",
}


@frozen
class Stop:
    """Who is called at one place, with its number.

    Args:
        number: From 1.
        plugin: The plugin's name, or `core`.
        after: The plugin that it waits for, if it depends on one.
    """

    number: int
    plugin: str
    after: str | None = None

    def __str__(self) -> str:
        waits = f" after {self.after}, which it depends on" if self.after else ""
        return f"{self.number} {self.plugin}{waits}"


@frozen
class _Station:
    """A stop with its place."""

    stop: Stop
    y: float
    lines: list[str]

    @property
    def end(self) -> float:
        """Where the next one could start."""
        return self.y + (len(self.lines) - 1) * LINE + RADIUS + GAP


def stops(pipeline: Pipeline) -> list[Stop]:
    """Who is called at a hook, in call order; the node has its place where it may have handlers."""
    called = [(step.plugin, step.after) for step in pipeline.steps]
    if pipeline.core_is_open:
        called.insert(0 if pipeline.core_stands == FIRST else len(called), (CORE, None))
    return [Stop(number, *each) for number, each in enumerate(called, 1)]


def chain(pipeline: Pipeline) -> list[Markup]:
    """The pictures of a hook: one, or several that go on where the one before ends."""
    called = stops(pipeline)
    parts = [called[at : at + LONGEST] for at in range(0, len(called), LONGEST)]
    return [_picture(pipeline, part, last=part is parts[-1]) for part in parts]


def _picture(pipeline: Pipeline, part: Sequence[Stop], *, last: bool) -> Markup:
    stations = _placed(part)
    foot = stations[-1].end + (6 if last else 0)
    result = RESULTS[pipeline.spec.semantic] if last else "goes on"
    drawn = [_line(stations[0].y, foot)]
    drawn += [_station(each) for each in stations]
    drawn.append(label([result], TEXT, foot, "result"))
    title = f"{pipeline.spec.name} calls {'; '.join(map(str, part))}"
    return svg(WIDTH, foot + 10, title, *drawn, class_="chain")


def _placed(part: Sequence[Stop]) -> list[_Station]:
    y, placed = RADIUS + 1.5, []
    for stop in part:
        station = _Station(stop, y, wrapped(stop.plugin, letters_in(WIDTH - TEXT)))
        placed.append(station)
        y = station.end + RADIUS
    return placed


def _line(top: float, foot: float) -> Markup:
    tip = foot + 4
    arrow = f"M{TRACK - 4.5:g} {tip - 6:g}L{TRACK} {tip:g}L{TRACK + 4.5:g} {tip - 6:g}"
    track = element("path", d=f"M{TRACK} {top:g}V{tip:g}", class_="track")
    return join([track, element("path", d=arrow, class_="track")])


def _station(station: _Station) -> Markup:
    y, own = station.y, station.stop.plugin == CORE
    if own:
        side = 2 * RADIUS - 1
        corner = {"x": TRACK - side / 2, "y": y - side / 2, "width": side, "height": side, "rx": 4}
        shape = element("rect", class_="core", **corner)
    else:
        shape = element("circle", cx=TRACK, cy=y, r=RADIUS, class_="plugin")
    number = element(
        "text",
        station.stop.number,
        x=TRACK,
        y=y,
        class_="on-core" if own else "on-plugin",
        text_anchor="middle",
        dominant_baseline="central",
    )
    name = label(station.lines, TEXT, y, "name core-name" if own else "name")
    return join([shape, number, name])


def policy(ordering: HookOrdering) -> Markup:
    """A small sign of who comes first: a square is the node, a dot a plugin."""
    shapes = {
        HookOrdering.CORE_FIRST: "core plugin plugin",
        HookOrdering.PLUGINS_FIRST: "plugin plugin core",
        HookOrdering.CORE_ONLY_DEFAULT: "core plugin",
        HookOrdering.PLUGIN_ONLY: "plugin plugin",
    }[ordering].split()
    x = 7 + 20 * (len(shapes) - 1)
    drawn = [element("path", d=f"M7 8H{x}", class_="track")]
    for shape, at in zip(shapes, islice(range(7, 80, 20), len(shapes)), strict=True):
        if shape == CORE:
            drawn.append(element("rect", x=at - 5, y=3, width=10, height=10, rx=2.5, class_="core"))
        else:
            drawn.append(element("circle", cx=at, cy=8, r=5, class_="plugin"))
    return svg(x + 7, 16, " then ".join(shapes), *drawn, class_="policy")
