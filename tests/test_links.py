"""Links within the repository lead somewhere, with Sphinx and without it."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.pages import DOCS, REFERENCE, ROOT

PAGES = [
    page
    for page in (
        ROOT / "README.md",
        ROOT / "CHANGELOG.md",
        *sorted((ROOT / ".github").glob("*.md")),
        *sorted(DOCS.glob("*.md")),
        *sorted(REFERENCE.glob("*.md")),
    )
    if page.exists()
]
IN_DOCS = [page for page in PAGES if DOCS in page.parents]
LINK = re.compile(r"\]\(([^)\s]+)\)")
HEADING = re.compile(r"^#{1,6} (.+)$", re.MULTILINE)
FENCE = re.compile(r"^(`{3,}).*?^\1$", re.MULTILINE | re.DOTALL)

pytestmark = pytest.mark.skipif(
    not (ROOT / "stigmem_plugins").exists(), reason="only a checkout has all that is linked"
)


def prose(page: Path) -> str:
    """A page without its blocks of code."""
    return FENCE.sub("", page.read_text("utf-8"))


def links(page: Path) -> Iterator[str]:
    """The targets of a page's links that stay within the repository."""
    text = re.sub(r"`[^`\n]+`", "", prose(page))
    return (target for target in LINK.findall(text) if not re.match("[a-z]+:", target))


def anchors(page: Path) -> set[str]:
    """What a link can name of a page: its headings, as code hosts and MyST spell them."""
    spelt = (re.sub(r"[^\w -]", "", heading).lower() for heading in HEADING.findall(prose(page)))
    return {words.replace(" ", "-") for words in spelt}


def broken(page: Path) -> list[str]:
    """The links of a page that lead nowhere."""
    found = []
    for link in links(page):
        path, _, anchor = link.partition("#")
        target = page.parent / path if path else page
        if not target.exists() or (anchor and anchor not in anchors(target)):
            found.append(link)
    return found


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_every_link_leads_to_a_file_and_a_heading(page: Path) -> None:
    """Of the repository; what is elsewhere is not asked for."""
    assert broken(page) == []


@pytest.mark.parametrize("page", IN_DOCS, ids=lambda page: page.name)
def test_no_page_has_a_heading_twice(page: Path) -> None:
    """A link could mean either; and a merge that went wrong shows in it."""
    counted = Counter(HEADING.findall(prose(page)))
    assert [heading for heading, times in counted.items() if times > 1] == []


def test_a_broken_link_is_found(tmp_path: Path) -> None:
    """To a file or a heading that is not there; what code shows is no link."""
    page = tmp_path / "page.md"
    page.write_text(
        "# A plugin's `name`\n[a](#a-plugins-name) [b](#other) [c](none.md) [d](page.md#none)\n"
        "[e](https://example.com/none) `[f](none.md)`\n```text\n# no heading\n[g](none.md)\n```\n"
        "[h](#no-heading)\n"
    )
    assert broken(page) == ["#other", "none.md", "page.md#none", "#no-heading"]


@pytest.mark.parametrize("page", IN_DOCS, ids=lambda page: page.name)
def test_every_page_can_be_reached_from_the_first(page: Path) -> None:
    """Through links in the text, so that who reads on a code host finds them too."""
    reached, new = set[Path](), [DOCS / "index.md"]
    while new:
        current = new.pop()
        if current in reached or current.suffix != ".md" or not current.exists():
            continue
        reached.add(current)
        named = [link.partition("#")[0] for link in links(current)]
        new += [(current.parent / name).resolve() for name in named if name]
    assert page in reached
