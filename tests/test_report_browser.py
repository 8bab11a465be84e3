"""The report in a browser: nothing is reported on the console, overflows, or is hard to read."""

from __future__ import annotations

import html
import json
import os
import re
from pathlib import Path
from typing import Any

import pytest

from docs.pictures.browser import BROWSERS, browse, find
from stigmem_plugins.cli.report.known import Known
from stigmem_plugins.cli.report.page import render
from stigmem_plugins.findings import Finding, Level
from tests.reports import facts, known, many, unsigned

pytestmark = pytest.mark.slow

LONG = "a-name-without-end-" * 3
NODES = {
    "none": known(),
    "two": known([facts("alpha"), facts("zeta", depends_on=["alpha"])]),
    "many": many(60),
    "odd": known(
        [
            facts("x" * 64, status="refused", problem="w" * 300, signed_by="s" * 200),
            facts(f"{LONG}one", depends_on=[f"{LONG}two", "y" * 64]),
            unsigned("z" * 200),
        ],
        [Finding("check" * 30, level, "m" * 300, subject="s" * 100, hint="h") for level in Level],
    ),
}
WIDTHS = (360, 768, 1280)
WRAPPER = Path(__file__).parent / "data" / "report_frames.html"
"""Measures the frames in it."""
FRAME = '<iframe width="{width}" height="900" srcdoc="{page}"></iframe>'


@pytest.fixture(scope="module")
def program() -> str:
    """A browser, without which nothing can be said."""
    found = find()
    if found is None:
        missing = f"no {' or '.join(BROWSERS)} on PATH: the report was not looked at"
        (pytest.fail if "CI" in os.environ else pytest.skip)(missing)
    return found


@pytest.fixture(params=[False, True], ids=["light", "dark"])
def dark(request: pytest.FixtureRequest) -> bool:
    return bool(request.param)


@pytest.fixture(params=NODES.values(), ids=list(NODES))
def node(request: pytest.FixtureRequest) -> Known:
    found: Known = request.param
    return found


def looked_at(program: str, place: Path, page: str, *, dark: bool) -> tuple[list[Any], list[str]]:
    """What a browser measures of a page at each width, and what is on its console."""
    frames = [FRAME.format(width=width, page=html.escape(page)) for width in WIDTHS]
    wrapper = place / "wrapper.html"
    source = WRAPPER.read_text("utf-8").replace("FRAMES", "\n".join(frames))
    wrapper.write_text(source, encoding="utf-8")
    seen = browse(program, place, wrapper, "--dump-dom", "1400,1000", dark=dark)
    found = re.search(r'<pre id="result">(.*)</pre>', seen.stdout)
    assert found, seen.stdout[-2000:]
    console = [line for line in seen.stderr.splitlines() if "CONSOLE" in line]
    return json.loads(html.unescape(found[1])), console


def test_it_is_at_home_in_every_window(
    program: str, node: Known, tmp_path: Path, *, dark: bool
) -> None:
    """Nothing is wider than a phone or a desk, cut off, too small, or too pale to read."""
    measured, console = looked_at(program, tmp_path, render(node), dark=dark)
    assert console == []
    assert [int(each["width"]) for each in measured] == list(WIDTHS)
    for each, width in zip(measured, WIDTHS, strict=True):
        assert each["styled"], "the policy refuses the page's own style sheet"
        assert each["dark"] is dark
        assert each["scroll"] <= width
        assert (each["outside"], each["cut"]) == ([], [])
        ratio, where = each["palest"]
        assert ratio >= 4.5, f"{ratio:.2f} at {where}"
        assert each["smallest"] is None or each["smallest"] >= 9


def test_the_browser_would_say_what_is_wrong(program: str, tmp_path: Path) -> None:
    """A page that breaks its own policy, overflows, and is pale: the measurements show it."""
    wrong = (
        render(known())
        .replace("<main", '<p style="width: 999px">x</p><main')
        .replace("--muted: #5b626d", "--muted: #999")
    )
    lax = re.sub(r"sha256-[^&]*&", "unsafe-inline&", wrong)
    measured, console = looked_at(program, tmp_path, lax, dark=False)
    assert console == []
    assert measured[0]["scroll"] > WIDTHS[0]
    assert measured[0]["outside"]
    assert measured[0]["palest"][0] < 4.5
    _, console = looked_at(program, tmp_path, wrong, dark=False)
    assert any("Content Security Policy" in line for line in console)


def test_it_prints(program: str, tmp_path: Path) -> None:
    """Sixty plugins come to a stack of pages, not to one without end."""
    page = tmp_path / "report.html"
    page.write_text(render(many(60)), encoding="utf-8")
    printed = tmp_path / "report.pdf"
    browse(program, tmp_path, page, f"--print-to-pdf={printed}", "1280,1000", dark=True)
    pages = re.findall(rb"/Type\s*/Page\b(?!s)", printed.read_bytes())
    assert 10 <= len(pages) <= 40
