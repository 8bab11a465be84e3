"""The picture of who depends on whom: names in the order of loading, lines beside them."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import Any, Final

from attrs import frozen

from stigmem_plugins.cli.output import ACCEPTED
from stigmem_plugins.cli.report.drawing import LINE, label, letters_in, svg, wrapped
from stigmem_plugins.cli.report.markup import Markup, element, join
from stigmem_plugins.errors import PluginDependencyError
from stigmem_plugins.ordering import dependency_order

WIDTH: Final = 340
NARROWEST: Final = 180
"""What names have at least."""
LANE: Final = 12
"""From one line to the next."""
ROOM: Final = 22
"""From the dots to the first line."""
RADIUS: Final = 6
BEND: Final = 6
HUES: Final = 4
MISSING: Final = "not installed"


@frozen
class Node:
    """A plugin that something depends on, or that depends on something.

    Args:
        name: Its name.
        status: What a node's start makes of it; `not installed` if it is not there.
        needs: What it depends on.
    """

    name: str
    status: str
    needs: tuple[str, ...] = ()


@frozen
class Lane:
    """The line from one plugin to all that depend on it.

    Args:
        source: The row of the plugin.
        targets: The rows of those that depend on it.
        number: Which line it is, counted from the names to the left.
    """

    source: int
    targets: tuple[int, ...]
    number: int

    @property
    def rows(self) -> tuple[int, int]:
        """From where to where it goes."""
        return min(self.source, *self.targets), max(self.source, *self.targets)


def nodes(plugins: Iterable[Mapping[str, Any]]) -> list[Node]:
    """The plugins that are connected, dependencies first, ties by name.

    Args:
        plugins: The facts about all of them.
    """
    known = {
        plugin["name"]: Node(plugin["name"], plugin["status"], tuple(plugin["depends_on"]))
        for plugin in plugins
        if plugin["name"]
    }
    needed = {name for node in known.values() for name in node.needs}
    found = {**{name: Node(name, MISSING) for name in needed}, **known}
    concerned = {n: node for n, node in found.items() if node.needs or n in needed}
    return [concerned[name] for name in _ordered({n: c.needs for n, c in concerned.items()})]


def _ordered(graph: Mapping[str, Collection[str]]) -> tuple[str, ...]:
    """Dependencies first; of a circle, the plugin that a start blames comes first."""
    cut = dict(graph)
    while True:
        try:
            return dependency_order(cut)
        except PluginDependencyError as circle:
            cut[circle.plugin or ""] = ()


def lanes(rows: Sequence[Node]) -> list[Lane]:
    """The lines between rows: short ones next to the names, and none over another.

    Example:
        >>> rows = [Node("a", "accepted"), Node("b", "accepted"), Node("c", "accepted", ("a", "b"))]
        >>> [(lane.source, lane.targets, lane.number) for lane in lanes(rows)]
        [(1, (2,), 0), (0, (2,), 1)]
    """
    at = {node.name: row for row, node in enumerate(rows)}
    targets = {
        at[node.name]: tuple(row for row, each in enumerate(rows) if node.name in each.needs)
        for node in rows
    }
    drawn = [Lane(source, found, 0) for source, found in targets.items() if found]
    placed: list[Lane] = []
    for lane in sorted(drawn, key=lambda each: (each.rows[1] - each.rows[0], each.source)):
        taken = {other.number for other in placed if _meet(lane, other)}
        number = next(n for n in range(len(placed) + 1) if n not in taken)
        placed.append(Lane(lane.source, lane.targets, number))
    return placed


def _meet(one: Lane, other: Lane) -> bool:
    (top, foot), (other_top, other_foot) = one.rows, other.rows
    return top < other_foot and other_top < foot


def graph(rows: Sequence[Node]) -> Markup:
    """The picture of the rows."""
    drawn = lanes(rows)
    left = ROOM + 2 + max((lane.number for lane in drawn), default=0) * LANE
    width = max(WIDTH, left + 14 + NARROWEST)
    names = [_lines(node, letters_in(width - left - 14)) for node in rows]
    heights, y = [], 12.0
    for lines in names:
        heights.append(y)
        y += len(lines) * LINE + 12
    edges = [
        _edge(lane, heights[lane.source], heights[target], left)
        for lane in sorted(drawn, key=lambda each: -each.number)
        for target in lane.targets
    ]
    dots = [
        join([_dot(node, left, at), label(lines, left + 14, at, _class(node))])
        for node, lines, at in zip(rows, names, heights, strict=True)
    ]
    return svg(width, y - 4, in_words(rows), *edges, *dots, class_="graph")


def in_words(rows: Sequence[Node]) -> str:
    """Who depends on whom as a sentence, for those who do not see it."""
    listed = [f"{node.name} depends on {', '.join(node.needs)}" for node in rows if node.needs]
    return "; ".join(listed)


def _lines(node: Node, letters: int) -> list[str]:
    lines = wrapped(node.name, letters)
    return lines if node.status == ACCEPTED else [*lines, f"({node.status})"]


def _class(node: Node) -> str:
    return "name" if node.status == ACCEPTED else "name troubled"


def _edge(lane: Lane, source: float, target: float, left: float) -> Markup:
    """A line that leaves below the middle of a dot and comes in above that of another."""
    x = left - ROOM - lane.number * LANE
    start, end, way = source + 3, target - 3, 1 if target > source else -1
    path = (
        f"M{left:g} {start:g}H{x + BEND:g}Q{x:g} {start:g} {x:g} {start + way * BEND:g}"
        f"V{end - way * BEND:g}Q{x:g} {end:g} {x + BEND:g} {end:g}H{left - RADIUS - 2:g}"
    )
    tip = left - RADIUS - 1.5
    arrow = f"M{tip - 4:g} {end - 3:g}L{tip:g} {end:g}L{tip - 4:g} {end + 3:g}"
    hue = f"edge hue-{lane.number % HUES}"
    return join(
        [
            element("path", d=path, class_="halo"),
            element("path", d=path, class_=hue),
            element("path", d=arrow, class_=hue),
        ]
    )


def _dot(node: Node, x: float, y: float) -> Markup:
    """A full dot is accepted, a crossed one is not, a broken one is not there."""
    if node.status == ACCEPTED:
        return element("circle", cx=f"{x:g}", cy=f"{y:g}", r=RADIUS, class_="plugin")
    if node.status == MISSING:
        return element("circle", cx=f"{x:g}", cy=f"{y:g}", r=RADIUS, class_="absent")
    arm = RADIUS / 2
    cross = (
        f"M{x - arm:g} {y - arm:g}L{x + arm:g} {y + arm:g}"
        f"M{x + arm:g} {y - arm:g}L{x - arm:g} {y + arm:g}"
    )
    ring = element("circle", cx=f"{x:g}", cy=f"{y:g}", r=RADIUS, class_="barred")
    return join([ring, element("path", d=cross, class_="bar")])
