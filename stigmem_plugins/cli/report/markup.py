"""HTML and SVG from Python values: whatever is not markup already is escaped."""

from __future__ import annotations

import re
from collections.abc import Iterable
from html import escape
from typing import Final, TypeAlias

from stigmem_plugins.cli.output import printable


class Markup(str):
    """Text that is HTML already, made by the functions of this module."""

    __slots__ = ()


Content: TypeAlias = object
"""Markup, which stays as it is; None, which is nothing; anything else is text."""

VOID: Final = frozenset({"meta", "use", "path", "circle", "rect", "line"})
"""Elements without content."""
_BREAKS: Final = re.compile(r"(?<=[^/:][/@_])(?=[^/@_\s])")


def text(content: object) -> Markup:
    r"""Foreign text as HTML: one line, with what cannot be seen or turns text around escaped.

    Example:
        >>> text("<b>\n\u202e'")
        '&lt;b&gt;\\n\\u202e&#x27;'
    """
    return Markup(escape(printable(content)))


def element(name: str, /, *content: Content, **attributes: object) -> Markup:
    """An element.

    Args:
        name: Its name.
        *content: What is in it, in order.
        **attributes: Its attributes, with `_` for `-` and a `_` after a word of Python's. None
            leaves one out, True makes one without a value.

    Example:
        >>> element("p", "a < b", None, element("b", "!"), class_="note", hidden=True, id=None)
        '<p class="note" hidden>a &lt; b<b>!</b></p>'
        >>> element("circle", r=4, stroke_width=2)
        '<circle r="4" stroke-width="2"/>'
    """
    tag = name + "".join(_attribute(*each) for each in attributes.items())
    if name in VOID:
        return Markup(f"<{tag}/>")
    return Markup(f"<{tag}>{join(content)}</{name}>")


def join(content: Iterable[Content], separator: str = "") -> Markup:
    """Pieces one after another.

    Example:
        >>> join(["a&b", Markup("<hr>"), None, 3], ", ")
        'a&amp;b, <hr>, 3'
    """
    made = [
        each if isinstance(each, Markup) else text(each) for each in content if each is not None
    ]
    return Markup(separator.join(made))


def breakable(content: object) -> Markup:
    """A name or an address that may go on in the next line after its own separators.

    Example:
        >>> breakable("https://a.example/b@c")
        'https://a.example/<wbr>b@<wbr>c'
    """
    return Markup("<wbr>".join(map(text, _BREAKS.split(printable(content)))))


def _attribute(name: str, value: object) -> str:
    if value is None:
        return ""
    shown = name.rstrip("_").replace("_", "-")
    return f" {shown}" if value is True else f' {shown}="{text(value)}"'
