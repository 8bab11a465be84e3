"""Reading a file that a user names."""

from __future__ import annotations

import os
import threading
from pathlib import Path

import pytest

from stigmem_plugins import StigmemPluginError
from stigmem_plugins.config import read_tables
from stigmem_plugins.reading import read_named


@pytest.fixture
def pipe(tmp_path: Path) -> Path:
    os.mkfifo(tmp_path / "pipe")
    return tmp_path / "pipe"


def test_a_file_is_read_also_through_a_link(tmp_path: Path) -> None:
    """Whole, or as far as one cares."""
    (tmp_path / "file").write_bytes(b"content")
    (tmp_path / "link").symlink_to("file")
    assert read_named(tmp_path / "file") == b"content"
    assert read_named(str(tmp_path / "link"), most=3) == b"con"
    assert read_named(os.devnull) == b""


def test_what_is_no_file_is_refused(tmp_path: Path, pipe: Path) -> None:
    """At once, with its name."""
    for path, says in [
        (tmp_path, "Is a directory"),
        (pipe, "it is a pipe"),
        (tmp_path / "absent", "No such file"),
    ]:
        with pytest.raises(OSError, match=says) as raised:
            read_named(path)
        assert str(raised.value.filename) == str(path)


def test_a_pipe_that_nobody_writes_to_is_empty(pipe: Path) -> None:
    """Where pipes are welcome; it does not hang."""
    assert read_named(pipe, pipes=True) == b""


def test_a_pipe_that_somebody_writes_to_is_read_to_its_end(pipe: Path) -> None:
    """However slow they are: the reader is there before the last byte is."""
    reading = os.open(pipe, os.O_RDONLY | os.O_NONBLOCK)
    writing = os.open(pipe, os.O_WRONLY)
    os.write(writing, b"first, ")

    def finish() -> None:
        os.write(writing, b"last")
        os.close(writing)

    later = threading.Timer(0.05, finish)
    later.start()
    try:
        assert read_named(pipe, pipes=True) == b"first, last"
    finally:
        later.join()
        os.close(reading)


def test_a_pipe_in_the_place_of_a_configuration_does_not_hang_a_node(tmp_path: Path) -> None:
    """It is refused like any file that cannot be read."""
    os.mkfifo(tmp_path / "pyproject.toml")
    with pytest.raises(StigmemPluginError, match="it is a pipe"):
        read_tables(tmp_path)
