"""Markdown from facts: the little that all pages need."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

NOTICE = "<!-- Generated from {source} by `python docs/generate.py`: edit that, not this page. -->"


def opening(title: str, source: str) -> str:
    """The heading of a generated page, and where its text comes from.

    Args:
        title: The page's heading.
        source: What to edit instead.
    """
    return f"# {title}\n\n{NOTICE.format(source=source)}\n"


def table(heads: Sequence[str], rows: Iterable[Sequence[str]]) -> Iterator[str]:
    """The lines of a table, whose cells may hold what else would end them."""
    yield line(heads)
    yield "|" + "---|" * len(heads)
    for row in rows:
        yield line(row)


def line(cells: Iterable[str]) -> str:
    """One line of a table."""
    return "| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |"


def code(text: object) -> str:
    """A name as code; nothing for nothing."""
    return f"`{text}`" if text not in {None, ""} else ""


def listed(names: Iterable[object]) -> str:
    """Names as code, with commas between them."""
    return ", ".join(map(code, names))


def joined(*parts: str | Iterable[str]) -> str:
    """A page of parts, which are texts or lines, with a blank line between them."""
    blocks = [part if isinstance(part, str) else "\n".join(part) for part in parts]
    return "\n\n".join(block.strip("\n") for block in blocks) + "\n"
