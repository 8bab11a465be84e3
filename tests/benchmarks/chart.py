"""The chart of the README: a bar for each way to call three handlers, drawn as SVG."""

from __future__ import annotations

from collections.abc import Mapping
from html import escape
from typing import Final

from attrs import frozen

WIDTH: Final = 720
BAR: Final = 20
STEP: Final = 28
TOP: Final = 64
LABELS: Final = {"by name": "stigmem-plugins", "registry.hook": "… registry.hook"}

# A reader's page is light or dark; where the file is shown as an image, it asks which.
_STYLE: Final = """\
text { font: 13px system-ui, sans-serif; fill: #1f2328; }
.title { font-size: 15px; font-weight: 600; }
.note { font-size: 12px; fill: #59636e; }
.ours { fill: #0969da; }
.other { fill: #afb8c1; }
.one { stroke: #59636e; stroke-dasharray: 4 3; }
@media (prefers-color-scheme: dark) {
  text { fill: #e6edf3; }
  .note { fill: #9198a1; }
  .ours { fill: #4493f8; }
  .other { fill: #59636e; }
  .one { stroke: #9198a1; }
}"""


@frozen
class Chart:
    """What a chart says beside its bars.

    Args:
        title: What is shown.
        note: How it was measured.
        footer: How to draw it anew.
        ours: Whose bars stand out.
        left: How many pixels the names have.
    """

    title: str
    note: str
    footer: str
    ours: frozenset[str]
    left: int = 170


FIRES: Final = Chart(
    title="Time to tell three handlers, a bare loop being 1",
    note=(
        "for handler in handlers: handler(ctx, **payload)  with four keywords; shorter is faster"
    ),
    footer="Ratios of one run, Python 3.12: nox -s bench draws it anew.",
    ours=frozenset({"by name", "registry.hook"}),
)
"""The chart of the README."""


def draw(ratios: Mapping[str, float], chart: Chart = FIRES) -> str:
    """The chart of one case, fastest first.

    Args:
        ratios: For each contender its time as a multiple of the first one's.
        chart: What to say of it.
    """
    ordered = sorted(ratios.items(), key=lambda item: item[1])
    scale = (WIDTH - chart.left - 60) / ordered[-1][1]
    height = TOP + STEP * len(ordered) + 34
    bottom = TOP + STEP * len(ordered)
    one = chart.left + scale
    lines = [
        (
            f'<svg xmlns="http://www.w3.org/2000/svg" width="{WIDTH}" height="{height}" '
            f'viewBox="0 0 {WIDTH} {height}" role="img">'
        ),
        f"<title>{chart.title}</title>",
        f"<style>{_STYLE}</style>",
        f'<text class="title" x="0" y="20">{chart.title}</text>',
        f'<text class="note" x="0" y="42">{chart.note}</text>',
    ]
    for number, (name, ratio) in enumerate(ordered):
        top = TOP + STEP * number
        kind, label = "ours" if name in chart.ours else "other", escape(LABELS.get(name, name))
        lines += [
            f'<text x="{chart.left - 12}" y="{top + 15}" text-anchor="end">{label}</text>',
            (
                f'<rect class="{kind}" x="{chart.left}" y="{top}" width="{ratio * scale:.1f}" '
                f'height="{BAR}" rx="3"/>'
            ),
            f'<text x="{chart.left + ratio * scale + 8:.1f}" y="{top + 15}">{ratio:.2f}</text>',
        ]
    lines += [
        f'<line class="one" x1="{one:.1f}" x2="{one:.1f}" y1="{TOP - 6}" y2="{bottom}"/>',
        f'<text class="note" x="{chart.left}" y="{bottom + 20}">{chart.footer}</text>',
        "</svg>",
    ]
    return "\n".join(lines) + "\n"
