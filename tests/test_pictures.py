"""The pictures of the README and the docs, which their own tooling makes."""

from __future__ import annotations

import struct
from pathlib import Path
from xml.etree import ElementTree as ET

import pytest

from docs.pictures import __main__ as making
from docs.pictures.browser import PHOTOGRAPHS
from docs.pictures.terminal import draw, record, transcript, transcript_of

pytestmark = pytest.mark.slow

COMMAND = "python -m docs.pictures"


def test_the_recording_is_what_the_commands_print() -> None:
    """Who changes what a command prints is told how to record it again."""
    recorded = record()
    shown = making.RECORDING.read_text("utf-8")
    assert transcript_of(shown) == transcript(recorded), f"run: {COMMAND}"
    assert draw(recorded) == shown, f"the picture is drawn differently now; run: {COMMAND}"


def test_the_recording_is_fit_for_a_code_host() -> None:
    """No script, nothing from elsewhere, no place on somebody's machine; 80 columns, and small."""
    shown = making.RECORDING.read_text("utf-8")
    assert len(shown) < 100_000
    tags = {each.tag.rpartition("}")[2] for each in ET.fromstring(shown).iter()}
    assert tags == {"svg", "title", "style", "rect", "path", "circle", "text", "tspan"}
    assert "url(" not in shown
    lines = transcript_of(shown)
    assert max(map(len, lines)) <= 80
    assert not [word for line in lines for word in line.split() if word.startswith(("/", "~"))]
    assert "prefers-color-scheme: dark" in shown
    assert "prefers-reduced-motion" in shown


@pytest.mark.parametrize(("name", "size"), [(name, size) for name, _, size, _ in PHOTOGRAPHS])
def test_a_photograph_is_there_and_small(name: str, size: str) -> None:
    """As large as the browser's window, and under 200 KB."""
    data = (making.STATIC / name).read_bytes()
    assert data.startswith(b"\x89PNG")
    assert struct.unpack(">II", data[16:24]) == tuple(map(int, size.split(",")))
    assert len(data) < 200_000


def test_without_a_browser_it_says_what_is_missing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """The recording is made all the same."""
    monkeypatch.setattr(making, "record", list)
    monkeypatch.setattr(making, "RECORDING", tmp_path / "recording.svg")
    monkeypatch.setenv("PATH", "")
    assert making.main() == 1
    assert "no chromium or chromium-browser" in capsys.readouterr().err
    assert (tmp_path / "recording.svg").exists()
