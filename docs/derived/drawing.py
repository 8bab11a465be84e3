"""The picture of how a plugin gets from an installed distribution to a fired hook."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple
from xml.sax.saxutils import escape

WIDTH = 520
LEFT, BOX_WIDTH, BOX_HEIGHT, STEP = 20, 350, 52, 78
TOP = 24
LANE = 430
"""Where the lane of the audit events is, from the left."""

STYLE = """\
text { font: 14px system-ui, sans-serif; fill: #1f2328; }
.what { font-weight: 600; }
.note { font-size: 12.5px; fill: #59636e; }
.page { fill: #ffffff; stroke: #d1d9e0; }
.box { fill: #f6f8fa; stroke: #d1d9e0; }
.runs { fill: #ddf4ff; stroke: #54aeff; }
.flow { fill: none; stroke: #59636e; stroke-width: 1.5; }
.head { fill: #59636e; }
.audit { fill: none; stroke: #9a6700; stroke-width: 1.5; stroke-dasharray: 4 3; }
.audithead { fill: #9a6700; }
.edge { stroke: #cf222e; stroke-dasharray: 6 4; }
.edgetext { font-size: 12.5px; fill: #cf222e; }
@media (prefers-color-scheme: dark) {
  text { fill: #e6edf3; }
  .note { fill: #b7bdc5; }
  .page { fill: #151b23; stroke: #3d444d; }
  .box { fill: #212830; stroke: #3d444d; }
  .runs { fill: #0c2d6b; stroke: #388bfd; }
  .flow { stroke: #9198a1; }
  .head { fill: #9198a1; }
  .audit { stroke: #d29922; }
  .audithead { fill: #d29922; }
  .edge { stroke: #f85149; }
  .edgetext { fill: #f85149; }
}"""


class Stage(NamedTuple):
    """A station on the way.

    Args:
        what: What a plugin is there.
        how: Which room of the package makes it that, and how.
        runs: Whether the plugin's code has run by then.
        audited: Whether audit events come from there.
    """

    what: str
    how: str
    runs: bool = False
    audited: bool = False


STAGES = (
    Stage("installed distribution", "discovery: metadata only"),
    Stage("verified files, signed manifest", "trust: by a publisher that you trust", audited=True),
    Stage("manifest", "loading: imported from the verified bytes", runs=True),
    Stage("registration", "admission: checks, all plugins or none", runs=True, audited=True),
    Stage("order", "pluggy: dependencies first, core by policy", runs=True),
    Stage("plan", "plans: one function for each hook", runs=True),
    Stage("combined result", "combiners: vote, chain, sum or tell", runs=True, audited=True),
)


def picture() -> str:
    """The whole picture."""
    height = TOP + STEP * len(STAGES) + 30
    opened = (
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{WIDTH}" height="{height}" '
        f'viewBox="0 0 {WIDTH} {height}" role="img">'
    )
    lines = [opened, "<title>From an installed distribution to a combined result</title>"]
    lines.append(f"<style>{STYLE}</style>")
    lines.append(box("page", 0.5, 0.5, WIDTH - 1, height - 1, 8))
    for number, stage in enumerate(STAGES):
        lines += drawn(stage, TOP + number * STEP)
        if number < len(STAGES) - 1:
            lines += arrow_down(LEFT + 60, TOP + number * STEP + BOX_HEIGHT, STEP - BOX_HEIGHT)
    lines += boundary(next(n for n, stage in enumerate(STAGES) if stage.runs))
    lines += lane(height - 34)
    host = TOP + STEP * (len(STAGES) - 1) - 9
    lines.append(text("note", LEFT + 76, host, "the host fires the hook"))
    return "\n".join([*lines, "</svg>", ""])


def drawn(stage: Stage, top: int) -> Iterator[str]:
    """A station, with its line to the audit events."""
    yield box("runs" if stage.runs else "box", LEFT, top, BOX_WIDTH, BOX_HEIGHT, 6)
    yield text("what", LEFT + 14, top + 22, stage.what)
    yield text("note", LEFT + 14, top + 41, stage.how)
    if stage.audited:
        middle = top + BOX_HEIGHT // 2
        yield f'<path class="audit" d="M{LEFT + BOX_WIDTH} {middle}H{LANE}"/>'


def lane(bottom: int) -> Iterator[str]:
    """Where audit events go: down and out, to the host."""
    first = next(number for number, stage in enumerate(STAGES) if stage.audited)
    top = TOP + first * STEP + BOX_HEIGHT // 2
    yield f'<path class="audit" d="M{LANE} {top}V{bottom - 18}"/>'
    points = f"{LANE - 5},{bottom - 20} {LANE + 5},{bottom - 20} {LANE},{bottom - 10}"
    yield f'<polygon class="audithead" points="{points}"/>'
    yield text("note", LANE, bottom + 8, "audit events", "middle")


def boundary(first: int) -> Iterator[str]:
    """Where the plugin's code runs for the first time."""
    height = TOP + first * STEP - (STEP - BOX_HEIGHT) // 2
    for start, end in ((LEFT + 76, LEFT + 96), (LEFT + 310, LANE - 8)):
        yield f'<path class="edge" d="M{start} {height}H{end}"/>'
    # As wide in every font, or the line would run through it.
    place = f'x="{LEFT + 102}" y="{height + 4}" textLength="202"'
    yield f'<text class="edgetext" {place}>above, no plugin code has run</text>'


def arrow_down(left: int, top: int, length: int) -> Iterator[str]:
    """An arrow between two stations."""
    bottom = top + length
    yield f'<path class="flow" d="M{left} {top + 2}V{bottom - 9}"/>'
    points = f"{left - 5},{bottom - 10} {left + 5},{bottom - 10} {left},{bottom - 2}"
    yield f'<polygon class="head" points="{points}"/>'


def box(kind: str, left: float, top: float, width: float, height: float, radius: int) -> str:
    """A rectangle with round corners."""
    place = f'x="{left}" y="{top}" width="{width}" height="{height}" rx="{radius}"'
    return f'<rect class="{kind}" {place}/>'


def text(kind: str, left: int, base: int, words: str, anchor: str = "start") -> str:
    """Words in the picture."""
    place = f'x="{left}" y="{base}" text-anchor="{anchor}"'
    return f'<text class="{kind}" {place}>{escape(words)}</text>'
