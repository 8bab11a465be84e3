"""Factories that the tests share."""

from __future__ import annotations

import os
import subprocess
import sys
import textwrap
from pathlib import Path
from typing import Any

from stigmem_plugins import Allow, Deny, DiscoveredPlugin, PluginManifest


def manifest(name: str = "example-plugin", **fields: Any) -> PluginManifest:
    """A manifest with a valid version."""
    return PluginManifest(**{"name": name, "version": "1.0.0", **fields})


def discovered(name: str = "example-plugin", **fields: Any) -> DiscoveredPlugin:
    """What a host's own discovery returns for a manifest of these fields."""
    return DiscoveredPlugin(
        manifest(name, **fields), name, f"{name.replace('-', '_')}:plugin_manifest"
    )


def allow(_ctx: Any, **_: Any) -> Allow:
    return Allow()


def deny(_ctx: Any, **_: Any) -> Deny:
    return Deny("no")


def boom(_ctx: Any, *_args: Any, **_: Any) -> Any:
    raise ValueError("boom")


def install_module(site: Path, name: str, source: str, *, plugins: dict[str, str]) -> None:
    """Put a module and the metadata of a distribution with plugin entry points into a folder."""
    site.mkdir(exist_ok=True)
    (site / f"{name}.py").write_text(textwrap.dedent(source))
    info = site / f"{name}-1.0.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text(
        f"Metadata-Version: 2.1\nName: {name.replace('_', '-')}\nVersion: 1.0.0\n"
    )
    lines = [f"{entry_point} = {value}" for entry_point, value in plugins.items()]
    (info / "entry_points.txt").write_text("\n".join(["[stigmem.plugins]", *lines, ""]))


def python(
    code: str, *, path: Path | None = None, **environ: str
) -> subprocess.CompletedProcess[str]:
    """Run code in a process of its own, with `path` first on its module search path."""
    env = {**os.environ, **environ}
    if path is not None:
        env["PYTHONPATH"] = str(path)
    return subprocess.run(
        [sys.executable, "-W", "error", "-c", textwrap.dedent(code)],
        check=False,
        capture_output=True,
        text=True,
        env=env,
        timeout=60,
    )
