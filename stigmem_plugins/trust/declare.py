"""The process that learns what the plugins of a wheel declare, when it is signed.

`python -m stigmem_plugins.trust.declare WHEEL REPORT` writes the report, as JSON: `plugins` by
entry point name, or an `error`.
"""

from __future__ import annotations

import hashlib
import json
import sys
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from stigmem_plugins import bridge
from stigmem_plugins.discovery import ENTRY_POINT_GROUP, InstalledPlugin
from stigmem_plugins.errors import StigmemPluginError
from stigmem_plugins.loading import load_plugin
from stigmem_plugins.trust import importer
from stigmem_plugins.trust.files import entry_points
from stigmem_plugins.trust.statement import SignedPlugin
from stigmem_plugins.trust.unverified import Unverified
from stigmem_plugins.trust.wheel import read_wheel


def declared(wheel: Path, folder: Path) -> dict[str, Any]:
    """Import a wheel's plugins from its bytes; returns what is signed of each by entry point.

    Args:
        wheel: The wheel.
        folder: Where its files are put, for plugins that read data files.

    Raises:
        StigmemPluginError: A plugin cannot be loaded, or yields no manifest.
        Unverified: The wheel cannot be protected.
    """
    read = read_wheel(wheel)
    contents = read.signable()
    for path, data in contents.items():
        file = folder / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(data)
    digests = {path: hashlib.sha256(data).hexdigest() for path, data in contents.items()}
    sources = {path: data for path, data in contents.items() if path.endswith(".py")}
    files = importer.VerifiedFiles(folder, digests, sources)
    points = entry_points(contents[f"{read.folder}/entry_points.txt"])[ENTRY_POINT_GROUP]
    told = {}
    bridge.install()
    with importer.FINDER.attempt() as serve:
        serve(files)
        for name, factory in points.items():
            installed = InstalledPlugin(name, factory, wheel.name, None)
            plugin = load_plugin(installed, partial(importer.load, factory))
            signed = SignedPlugin.of(plugin.manifest, entry_point=name, factory=factory)
            told[name] = signed.fields()
    return told


def main(wheel: str, report: str) -> None:
    """Write the report about a wheel."""
    with TemporaryDirectory(prefix="stigmem-sign-") as folder:
        try:
            told: dict[str, Any] = {"plugins": declared(Path(wheel), Path(folder))}
        except (StigmemPluginError, Unverified) as error:
            told = {"error": getattr(error, "message", str(error))}
    Path(report).write_text(json.dumps(told), "utf-8")


if __name__ == "__main__":
    main(*sys.argv[1:])
