"""Files that a user names: read without hanging where a pipe is in a file's place."""

from __future__ import annotations

import errno
import os
import stat
from pathlib import Path
from typing import Final

_FLAGS: Final = (
    os.O_RDONLY
    | getattr(os, "O_NONBLOCK", 0)  # opening a pipe that nobody writes to waits otherwise
    | getattr(os, "O_BINARY", 0)
)


def read_named(path: str | Path, *, most: int = -1, pipes: bool = False) -> bytes:
    """Read a file that a user names.

    Args:
        path: The file; links are followed.
        most: How many bytes to read; -1 for all.
        pipes: Whether it may be a pipe, which can be read only once. One that nobody writes to
            is empty.

    Raises:
        OSError: It cannot be read.
        ValueError: It is no path.
    """
    with open(path, "rb", opener=lambda name, _: os.open(name, _FLAGS)) as file:
        if stat.S_ISFIFO(os.fstat(file.fileno()).st_mode):
            if not pipes:
                raise OSError(errno.EINVAL, "it is a pipe", str(path))
            os.set_blocking(file.fileno(), True)  # somebody who writes to a pipe may be slow
        return file.read(most)
