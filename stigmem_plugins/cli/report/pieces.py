"""The pieces that sections are made of: tables, states, lists of names."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Final

from attrs import frozen

from stigmem_plugins.cli.output import ACCEPTED, FAILED, LEFT_OUT, REFUSED
from stigmem_plugins.cli.report.markup import Content, Markup, element, join

OK: Final = "ok"
WARN: Final = "warn"
FAIL: Final = "fail"
SKIP: Final = "skip"
TONES: Final = {ACCEPTED: OK, REFUSED: FAIL, FAILED: FAIL, LEFT_OUT: SKIP}
"""The tone of each status; a sign and a word say the same, for colours are not seen by all."""
SIGNS: Final = {
    OK: "M4.2 8.4 7 11.1 11.9 5.3",
    FAIL: "M5 5 11 11M11 5 5 11",
    WARN: "M8 4V9M8 11.4V11.6",
    SKIP: "M4.8 8H11.2",
}


@frozen
class Section:
    """A part of the page.

    Args:
        id: What links lead to.
        title: Its heading.
        count: What the contents say of it: how many there are.
        content: Everything below the heading.
    """

    id: str
    title: str
    count: str
    content: Sequence[Content]

    def html(self) -> Markup:
        """The section as a landmark that is named by its heading."""
        heading = element("h2", self.title, id=f"{self.id}-title")
        labelled = {"id": self.id, "aria_labelledby": f"{self.id}-title"}
        return element("section", heading, *self.content, **labelled)


def signs() -> Markup:
    """What `sign` refers to; drawn once, unseen."""
    symbols = [
        element(
            "symbol",
            element("circle", cx=8, cy=8, r=7.25, class_="disc"),
            element("path", d=path, class_="stroke"),
            id=f"sign-{tone}",
            viewBox="0 0 16 16",
        )
        for tone, path in SIGNS.items()
    ]
    return element("svg", *symbols, width=0, height=0, aria_hidden="true", class_="signs")


def state(tone: str, word: object) -> Markup:
    """A word with its sign."""
    use = element("use", href=f"#sign-{tone}")
    sign = element("svg", use, class_="sign", width=14, height=14, aria_hidden="true")
    return element("span", sign, element("span", word), class_=f"state {tone}")


def hidden(words: object) -> Markup:
    """Words that are read out, and not seen."""
    return element("span", words, class_="hidden")


def code(content: Content) -> Markup:
    """A name as it is written in code."""
    return element("code", content)


def names(listed: Iterable[Content]) -> Markup:
    """Names with commas between them."""
    return join(map(code, listed), ", ")


def note(*content: Content) -> Markup:
    """A sentence beside the matter."""
    return element("p", *content, class_="note")


def table(
    caption: str, columns: Sequence[str], bodies: Iterable[Markup], class_: str = "stack"
) -> Markup:
    """A table with a heading for each column.

    Args:
        caption: What it lists; read out, and not seen.
        columns: The headings.
        bodies: Its `tbody` elements.
        class_: `stack` for one whose rows become blocks where there is little room.
    """
    head = element("tr", *(element("th", column, scope="col") for column in columns))
    return element(
        "table",
        element("caption", caption, class_="hidden"),
        element("thead", head),
        *bodies,
        class_=class_,
    )


def row(head: Content, cells: Mapping[str, Content]) -> Markup:
    """A row: what it is about, and a cell for each column, named by it."""
    made = [element("td", element("div", c), data_label=name) for name, c in cells.items()]
    return element("tr", element("th", head, scope="row"), *made)
