"""Replaces a file at once: by a complete one, or not at all."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import NamedTemporaryFile
from typing import IO


@contextmanager
def replacing(path: Path, mode: int = 0o644) -> Iterator[IO[bytes]]:
    """A file to write, which takes the place of another when the block ends well.

    Args:
        path: The file to replace; it need not be there yet.
        mode: The permissions of the new one.

    Raises:
        OSError: It cannot be written; what was there is as it was.

    Example:
        >>> from tempfile import TemporaryDirectory
        >>> with TemporaryDirectory() as folder:
        ...     path = Path(folder) / "settings"
        ...     with replacing(path) as file:
        ...         _ = file.write(b"new")
        ...     path.read_text()
        'new'
    """
    with NamedTemporaryFile(dir=path.parent, prefix=f".{path.name}.", delete=False) as file:
        try:
            yield file
            file.flush()
            os.fsync(file.fileno())
            Path(file.name).chmod(mode)
            Path(file.name).replace(path)
        except BaseException:
            Path(file.name).unlink(missing_ok=True)
            raise
