"""What a plugin's build says of itself: `pyproject.toml`, or the metadata in a wheel."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterator, Mapping
from email import message_from_bytes
from typing import Any, Final

from attrs import field, frozen

from stigmem_plugins.discovery import ENTRY_POINT_GROUP
from stigmem_plugins.findings import Place
from stigmem_plugins.trust.files import entry_points
from stigmem_plugins.trust.unverified import Unverified

PYPROJECT: Final = "pyproject.toml"
EVERYTHING: Final = frozenset(
    {"name", "version", "requires-python", "dependencies", "entry-points", "build-system"}
)
_REMAPS: Final = frozenset({"sources", "force-include", "package-dir", "packages", "where"})
"""Keys of build tools by which files can get other paths in the wheel than in the tree."""
_HEADER: Final = {"dependencies": "requires-dist"}


@frozen
class Metadata:
    """The metadata of a distribution, as far as they can be read without building it.

    Args:
        file: Where they stand.
        name: The distribution's name; None where there is none.
        version: Its version.
        version_in: The file, or else `module.attribute`, that a build takes the version from.
        requires_python: Which Pythons it is for.
        dependencies: What it needs, a PEP 508 requirement each.
        plugins: The values of its plugin entry points by name.
        groups: The names of all its groups of entry points.
        unknown: Of `EVERYTHING` what only a build can tell.
        remapped: Whether a build tool is told to give files other paths.
        fault: Why they cannot be read.
        lines: Where keys stand, by table and key.
    """

    file: str
    name: str | None = None
    version: str | None = None
    version_in: str | None = None
    requires_python: str | None = None
    dependencies: tuple[str, ...] = ()
    plugins: Mapping[str, str] = field(factory=dict)
    groups: tuple[str, ...] = ()
    unknown: frozenset[str] = frozenset()
    remapped: bool = False
    fault: str | None = None
    lines: Mapping[tuple[str, str], tuple[str, int]] = field(factory=dict, repr=False)

    def place(self, key: str = "", table: str = "project") -> Place:
        """Where a key stands; the whole file where that is not known."""
        return Place(*self.lines.get((table, key), (self.file, 0)))

    def plugin_place(self, entry_point: str) -> Place:
        """Where an entry point stands."""
        return self.place(entry_point, ENTRY_POINT_GROUP)


def from_pyproject(text: bytes, *, others: bool = False) -> Metadata:
    r"""Read a `pyproject.toml`.

    Args:
        text: The file.
        others: Whether there are other files that a build tool may read.

    Example:
        >>> metadata = from_pyproject(b"[project]\nname = 'example'\nversion = '1.0'\n")
        >>> metadata.name, metadata.place("version")
        ('example', Place(file='pyproject.toml', line=3, column=0))
    """
    try:
        document = tomllib.loads(text.decode())
    except (ValueError, RecursionError) as error:
        line = re.search(r"line (\d+)", str(error))
        where = {("project", ""): (PYPROJECT, int(line[1]) if line else 0)}
        return Metadata(PYPROJECT, unknown=EVERYTHING, fault=str(error), lines=where)
    project = _table(document, "project")
    points = _table(project, "entry-points")
    plugins = _table(points, ENTRY_POINT_GROUP)
    unknown = {key for key in _list(project.get("dynamic")) if key in EVERYTHING}
    tools = _table(document, "tool")
    if "project" not in document and (others or tools.keys() & {"poetry", "flit"}):
        unknown |= EVERYTHING - {"build-system"}
    if "build-system" not in document:
        unknown.add("build-system")
    return Metadata(
        PYPROJECT,
        name=_text(project.get("name")),
        version=_text(project.get("version")),
        version_in=_text(_version_in(tools)),
        requires_python=_text(project.get("requires-python")),
        dependencies=tuple(_list(project.get("dependencies"))),
        plugins={name: str(value) for name, value in plugins.items()},
        groups=tuple(points),
        unknown=frozenset(unknown),
        remapped=bool(_REMAPS & set(_keys(tools))),
        lines=_toml_lines(text.decode()),
    )


def from_core_metadata(metadata: bytes, points: bytes, folder: str) -> Metadata:
    r"""Read the `METADATA` and `entry_points.txt` of a wheel or of what is installed.

    Args:
        metadata: The one.
        points: The other; empty where there is none.
        folder: The `.dist-info` folder that they are in.

    Example:
        >>> from_core_metadata(b"Name: example\nVersion: 1.0\n", b"", "example.dist-info").version
        '1.0'
    """
    file = f"{folder}/METADATA"
    headers = message_from_bytes(metadata)
    fault, groups = None, {}
    try:
        groups = entry_points(points)
    except Unverified as finding:
        fault = finding.problem
    lines = {
        ("project", key): (file, number)
        for number, line in enumerate(metadata.decode(errors="replace").splitlines(), 1)
        for key in EVERYTHING
        if line.lower().startswith(f"{_HEADER.get(key, key)}:")
    }
    for number, line in enumerate(points.decode(errors="replace").splitlines(), 1):
        name = line.partition("=")[0].strip()
        lines[ENTRY_POINT_GROUP, name] = (f"{folder}/entry_points.txt", number)

    def header(name: str) -> str | None:
        return None if (value := headers.get(name)) is None else str(value)

    return Metadata(
        file,
        name=header("Name"),
        version=header("Version"),
        requires_python=header("Requires-Python"),
        dependencies=tuple(map(str, headers.get_all("Requires-Dist", []))),
        plugins=groups.get(ENTRY_POINT_GROUP, {}),
        groups=tuple(groups),
        fault=fault,
        lines=lines,
    )


def _version_in(tools: Mapping[str, Any]) -> Any:
    """Where hatch or setuptools are told to look for the version."""
    hatch = _table(_table(tools, "hatch"), "version")
    dynamic = _table(_table(tools, "setuptools"), "dynamic")
    return hatch.get("path") or _table(dynamic, "version").get("attr")


def _table(parent: Mapping[str, Any], key: str) -> dict[str, Any]:
    found = parent.get(key)
    return found if isinstance(found, dict) else {}


def _text(value: Any) -> str | None:
    return value if isinstance(value, str) else None


def _list(value: Any) -> list[str]:
    return [str(each) for each in value] if isinstance(value, list) else []


def _keys(table: Mapping[str, Any]) -> Iterator[str]:
    for key, value in table.items():
        yield key
        if isinstance(value, dict):
            yield from _keys(value)


def _toml_lines(text: str) -> dict[tuple[str, str], tuple[str, int]]:
    """Where keys stand in the tables that are looked at; good enough to point at."""
    found: dict[tuple[str, str], tuple[str, int]] = {}
    table = ""
    for number, line in enumerate(text.splitlines(), 1):
        if header := re.match(r"\s*\[([^\[\]]+)\]", line):
            table = header[1].replace('"', "").replace("'", "").replace(" ", "")
            table = table.removeprefix("project.entry-points.")
            found.setdefault((table, ""), (PYPROJECT, number))
        elif key := re.match(r"\s*[\"']?([\w.-]+)[\"']?\s*=", line):
            found.setdefault((table, key[1]), (PYPROJECT, number))
    return found
