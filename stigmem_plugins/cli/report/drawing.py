"""What the pictures have in common. Sizes are in pixels; colours come from the style sheet."""

from __future__ import annotations

from typing import Final

from stigmem_plugins.cli.output import printable
from stigmem_plugins.cli.report.markup import Markup, element

LETTER: Final = 7.3
"""How wide a letter of a name is, at most."""
LINE: Final = 16
"""From one line of a name to the next."""


def svg(width: float, height: float, title: str, *content: Markup, **attributes: object) -> Markup:
    """A picture that says what it shows.

    Args:
        width: Its natural width; where there is less room it shrinks.
        height: Its height.
        title: What it shows, in words: for those who do not see it.
        *content: What is drawn.
        **attributes: Further attributes.

    Example:
        >>> svg(20, 10, "a dot", element("circle", r=4))
        '<svg role="img" viewBox="0 0 20 10" width="20" height="10"><title>a dot</title>\
<circle r="4"/></svg>'
    """
    return element(
        "svg",
        element("title", title),
        *content,
        role="img",
        viewBox=f"0 0 {width:g} {height:g}",
        width=f"{width:g}",
        height=f"{height:g}",
        **attributes,
    )


def wrapped(name: str, letters: int) -> list[str]:
    """A name in lines, broken after a dash or dot where there is one, and never cut.

    Example:
        >>> wrapped("example-stigmem-plugin", 16)
        ['example-stigmem-', 'plugin']
        >>> wrapped("abcdefgh", 3)
        ['abc', 'def', 'gh']
    """
    rest, lines = printable(name), []
    while len(rest) > letters:
        head = rest[:letters]
        end = max(head.rfind(separator) for separator in "-._ /") + 1 or letters
        lines.append(rest[:end])
        rest = rest[end:]
    return [*lines, rest]


def label(lines: list[str], x: float, y: float, class_: str = "name") -> Markup:
    """Lines of text, the first of which is centred on `y`."""
    spans = [
        element("tspan", line, x=f"{x:g}", y=f"{y + number * LINE:g}")
        for number, line in enumerate(lines)
    ]
    return element("text", *spans, class_=class_, dominant_baseline="central")


def letters_in(width: float) -> int:
    """How many letters of a name have room.

    Example:
        >>> letters_in(100)
        13
    """
    return int(width / LETTER)
