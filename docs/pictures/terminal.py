"""The recording: what commands print, drawn as a terminal."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Final
from xml.etree import ElementTree as ET

from attrs import frozen
from rich.text import Text

from docs.pictures.examples import run, settings
from stigmem_plugins.cli.demo import PUBLISHER
from stigmem_plugins.cli.demo.packages import PACKAGES
from stigmem_plugins.cli.report.markup import Markup, element, join
from stigmem_plugins.testing.sigstore.identities import GITHUB_ISSUER

COMMANDS: Final = (("list",), ("order", "pre_assert_authorize"), ("verify", "--all"))
"""What is recorded."""


@frozen
class Recorded:
    """A command, and the lines that it printed."""

    command: str
    lines: tuple[Text, ...]


def record() -> list[Recorded]:
    """Run the commands with the two plugins of the demonstration."""
    with TemporaryDirectory() as folder:
        place = Path(folder)
        given = settings(
            place, [(each.build(place), PUBLISHER, GITHUB_ISSUER) for each in PACKAGES]
        )
        return [_recorded(arguments, run(place, given, *arguments)) for arguments in COMMANDS]


def _recorded(arguments: tuple[str, ...], printed: str) -> Recorded:
    lines = tuple(Text.from_ansi(line) for line in printed.rstrip("\n").split("\n"))
    return Recorded(" ".join(["stigmem-plugins", *arguments]), lines)


def transcript(recorded: Iterable[Recorded]) -> list[str]:
    """The lines of a recording as text."""
    return [
        line
        for each in recorded
        for line in (f"$ {each.command}", *(line.plain.rstrip() for line in each.lines), "")
    ] + ["$"]


def transcript_of(picture: str) -> list[str]:
    """The lines that a picture shows."""
    root = ET.fromstring(picture)  # noqa: S314  # our own
    return ["".join(line.itertext()) for line in root.iter("{http://www.w3.org/2000/svg}text")]


LINE: Final = 18
LEFT: Final = 22
TOP: Final = 62
COLUMN: Final = 7.85
STYLE: Final = """
text { font: 13px ui-monospace, "SF Mono", Menlo, Consolas, "Liberation Mono", monospace;
  fill: #1d2127; white-space: pre; }
.window { fill: #fbfbfc; stroke: #d9dde3; }
.bar { stroke: #e4e6ea; }
.dots { fill: #d3d8df; }
.bold { font-weight: 700; }
.dim { fill: #5b626d; }
.good { fill: #17713f; }
.prompt { fill: #2450c8; font-weight: 700; }
.cursor { fill: #5b626d; animation: blink 1.2s steps(1) infinite; }
@keyframes blink { 50% { opacity: 0; } }
@media (prefers-reduced-motion: reduce) { .cursor { animation: none; } }
@media (prefers-color-scheme: dark) {
  text { fill: #dfe2e7; }
  .window { fill: #16191d; stroke: #2b3037; }
  .bar { stroke: #2b3037; }
  .dots { fill: #3a414b; }
  .dim, .cursor { fill: #98a0ac; }
  .good { fill: #5fc98c; }
  .prompt { fill: #86a8ff; }
}
"""
GOOD: Final = re.compile(r"\(accepted\)|(?<=: )verified$|A node would start[.,].*")
LABEL: Final = re.compile(r"  [a-z]+( [a-z]+)?(?=  )|  \d(?=  )")


def draw(recorded: Sequence[Recorded]) -> str:
    """The picture of a recording: what was typed appears, and then what was printed."""
    rows = [
        row
        for each in recorded
        for row in (_command(each.command), *map(_line, each.lines), Markup(""))
    ]
    lines = [element("text", row, x=LEFT, y=TOP + at * LINE) for at, row in enumerate(rows)]
    foot = TOP + len(rows) * LINE
    prompt = [
        element("text", element("tspan", "$", class_="prompt"), x=LEFT, y=foot),
        element("rect", x=LEFT + 2 * COLUMN, y=foot - 11, width=8, height=14, class_="cursor"),
    ]
    width, height = 2 * LEFT + 80 * COLUMN, foot + 22
    title = f"A terminal: {', '.join(each.command for each in recorded)}"
    frame = [
        element("rect", x=0.5, y=0.5, width=width - 1, height=height - 1, rx=9, class_="window"),
        element("path", d=f"M1 36.5H{width - 1:g}", class_="bar"),
        *(element("circle", cx=20 + 16 * n, cy=18.5, r=5, class_="dots") for n in range(3)),
    ]
    size = {"width": f"{width:g}", "height": f"{height:g}", "viewBox": f"0 0 {width:g} {height:g}"}
    picture = element(
        "svg",
        element("title", title),
        element("style", Markup(STYLE)),
        *frame,
        *lines,
        *prompt,
        xmlns="http://www.w3.org/2000/svg",
        role="img",
        **size,
    )
    return re.sub("(<(?:rect|text|style|title)[ >]|</svg>)", r"\n\1", picture) + "\n"


def _command(command: str) -> Markup:
    return join(
        [element("tspan", "$", class_="prompt"), " ", element("tspan", command, class_="bold")]
    )


def _line(line: Text) -> Markup:
    """A line of output, with its bold, its labels and its good news set off."""
    plain = line.plain.rstrip()
    styles = {at: "bold" for span in line.spans for at in range(span.start, span.end)}
    for pattern, style in ((LABEL, "dim"), (GOOD, "good")):
        found = pattern.match(plain) if pattern is LABEL else pattern.search(plain)
        bold = "bold " if found and found.start() in styles else ""
        styles |= dict.fromkeys(range(*found.span()), bold + style) if found else {}
    return join(
        element("tspan", part, class_=style) if style else part
        for style, part in _runs(plain, styles)
    )


def _runs(plain: str, styles: Mapping[int, str]) -> Iterator[tuple[str | None, str]]:
    start = 0
    for at in range(1, len(plain) + 1):
        if at == len(plain) or styles.get(at) != styles.get(start):
            yield styles.get(start), plain[start:at]
            start = at
