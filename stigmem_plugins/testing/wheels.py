"""Wheels of a few files, made without a build tool or a network."""

from __future__ import annotations

import base64
import hashlib
import zipfile
from collections.abc import Iterable, Mapping
from pathlib import Path

from stigmem_plugins.discovery import ENTRY_POINT_GROUP


def build_wheel(
    folder: Path,
    distribution: str,
    files: Mapping[str, str | bytes],
    *,
    version: str = "1.0.0",
    plugins: Mapping[str, str] | None = None,
    scripts: Mapping[str, str] | None = None,
    requires: Iterable[str] = (),
) -> Path:
    """Make a wheel that pip installs.

    Args:
        folder: Where to put it.
        distribution: The distribution's name.
        files: The contents of its files by path.
        version: Its version.
        plugins: The values of its plugin entry points by name.
        scripts: The values of its commands by name.
        requires: What it depends on.

    Returns:
        The wheel's path.

    Example:
        >>> from tempfile import TemporaryDirectory
        >>> with TemporaryDirectory() as folder:
        ...     build_wheel(Path(folder), "example-plugin", {"example_plugin.py": ""}).name
        'example_plugin-1.0.0-py3-none-any.whl'
    """
    stem = f"{distribution.replace('-', '_')}-{version}"
    info = f"{stem}.dist-info"
    metadata = ["Metadata-Version: 2.1", f"Name: {distribution}", f"Version: {version}"]
    metadata += [f"Requires-Dist: {requirement}" for requirement in requires]
    groups = {ENTRY_POINT_GROUP: plugins, "console_scripts": scripts}
    points = [
        line
        for group, values in groups.items()
        if values
        for line in (f"[{group}]", *(f"{name} = {value}" for name, value in values.items()))
    ]
    wheel = ["Wheel-Version: 1.0", "Generator: stigmem-plugins", "Root-Is-Purelib: true"]
    contents = {
        **files,
        f"{info}/METADATA": "\n".join([*metadata, ""]),
        f"{info}/WHEEL": "\n".join([*wheel, "Tag: py3-none-any", ""]),
    }
    if points:
        contents[f"{info}/entry_points.txt"] = "\n".join([*points, ""])
    data = {path: c.encode() if isinstance(c, str) else c for path, c in contents.items()}
    record = "".join(_row(path, content) for path, content in data.items())
    data[f"{info}/RECORD"] = f"{record}{info}/RECORD,,\n".encode()
    built = folder / f"{stem}-py3-none-any.whl"
    with zipfile.ZipFile(built, "w", zipfile.ZIP_DEFLATED) as archive:
        for path, content in data.items():
            archive.writestr(path, content)
    return built


def _row(path: str, content: bytes) -> str:
    digest = base64.urlsafe_b64encode(hashlib.sha256(content).digest()).rstrip(b"=").decode()
    return f"{path},sha256={digest},{len(content)}\n"
