"""Plugins as their authors have them: source trees of a few files."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from textwrap import dedent

from stigmem_plugins.authoring.checks import findings
from stigmem_plugins.authoring.manifests import Reading, read_plugins
from stigmem_plugins.authoring.project import read_project
from stigmem_plugins.findings import Finding, Level
from stigmem_plugins.trust.bundle import SignedStatement
from stigmem_plugins.trust.unverified import Unverified

PYPROJECT = """\
[build-system]
requires = ["hatchling"]
build-backend = "hatchling.build"

[project]
name = "example-plugin"
version = "1.0.0"
requires-python = ">=3.11"
dependencies = ["stigmem-plugins"]

[project.entry-points."stigmem.plugins"]
example = "example_plugin:plugin_manifest"
"""
IMPORTS = """
import functools
from functools import partial
from stigmem_plugins import ALLOW_SINGLETON, Allow, Deny, RejectError
from stigmem_plugins import Capability, HookName, PluginContext, PluginManifest, handler_timeout
"""


def write(folder: Path, files: Mapping[str, str]) -> Path:
    """Put files into a folder, by path."""
    for name, text in files.items():
        file = folder / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(dedent(text), "utf-8")
    return folder


def author(
    folder: Path,
    source: str,
    *,
    pyproject: str = PYPROJECT,
    module: str = "src/example_plugin/__init__.py",
    **files: str,
) -> Path:
    """A source tree of one module."""
    return write(folder, {"pyproject.toml": pyproject, module: source, **files})


def manifest_of(fields: str) -> str:
    """A module whose factory returns a manifest with these arguments."""
    return f"{IMPORTS}\ndef plugin_manifest():\n    return PluginManifest({fields})\n"


def handling(hook: str, source: str, handler: str = "h", fields: str = "") -> str:
    """A module whose manifest names a handler for a hook."""
    given = f'"example-plugin", "1.0.0", hooks={{"{hook}": {handler}}}, {fields}'
    return IMPORTS + dedent(source) + manifest_of(given).removeprefix(IMPORTS)


def reading(path: Path) -> Reading:
    """What is known of a plugin that nobody signed."""

    def unsigned(_path: Path) -> SignedStatement:
        message = "nobody is trusted here"
        raise Unverified(message)

    return read_plugins(read_project(path, unsigned))


def complaints(path: Path) -> list[Finding]:
    """What the checks find that is not ok."""
    return [finding for finding in findings(reading(path)) if finding.level is not Level.OK]


def codes(path: Path) -> set[tuple[str, str]]:
    """Level and code of what the checks find that is not ok."""
    return {(str(finding.level), finding.code) for finding in complaints(path)}
