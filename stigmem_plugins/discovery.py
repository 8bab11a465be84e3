"""What is installed: read from the metadata of distributions, without importing anything."""

from __future__ import annotations

import logging
import os
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from attrs import evolve, field, frozen
from packaging.utils import canonicalize_name

from stigmem_plugins.errors import PluginDiscoveryError, StigmemPluginError, describe
from stigmem_plugins.settings import PLUGIN_DIR

if TYPE_CHECKING:
    from importlib.metadata import Distribution, EntryPoint

log = logging.getLogger("stigmem.plugins.registry")

ENTRY_POINT_GROUP: Final = "stigmem.plugins"
BUNDLE_NAME: Final = "stigmem-plugin.sigstore.json"
"""The file in a distribution's `.dist-info` folder that holds its publisher's signature."""


@frozen
class InstalledPlugin:
    """An entry point of the group, known from metadata alone.

    Args:
        entry_point_name: The entry point's name, which need not be the plugin's.
        entry_point_value: `module:attribute` of the manifest factory.
        distribution: The name of the distribution that declares it.
        version: That distribution's version.
        entry_point: For loading it; None where it is not loaded by way of the metadata.
    """

    entry_point_name: str
    entry_point_value: str
    distribution: str | None
    version: str | None
    entry_point: EntryPoint | None = field(default=None, repr=False, eq=False)

    def discovery_source(self) -> dict[str, Any]:
        """How registrations and audit events name the place it came from."""
        return source(self.entry_point_name, self.entry_point_value, self.distribution)

    def load(self) -> Any:
        """Import what the entry point names, ordinarily; the plugin's code runs.

        Raises:
            Exception: Whatever the import raises.
        """
        assert self.entry_point is not None  # only what the metadata declares is loaded so
        return self.entry_point.load()


@frozen
class InstalledDistribution:
    """A distribution that declares plugins, or carries a plugin bundle.

    Args:
        name: Its name, as its metadata has it.
        version: Its version.
        plugins: The plugins that its metadata declares.
        info: Its `.dist-info` folder; None where it is not in a folder.
        is_signed: Whether there is a bundle in that folder.
        importable: Whether its modules are on the module search path: not those of a plugin
            directory.
        others: Where else a distribution of its name is installed.
    """

    name: str
    version: str | None
    plugins: tuple[InstalledPlugin, ...]
    info: Path | None = None
    is_signed: bool = False
    importable: bool = True
    others: tuple[str, ...] = ()


def source(name: str, value: str, distribution: str | None) -> dict[str, Any]:
    """How registrations and audit events name the entry point that a plugin came from."""
    return {
        "type": "python_entry_point",
        "entry_point_name": name,
        "entry_point_value": value,
        "distribution": distribution,
    }


def installed_distributions(
    group: str = ENTRY_POINT_GROUP, *, plugin_dir: str | None = None
) -> tuple[InstalledDistribution, ...]:
    """The distributions with entry points of a group or a bundle, without importing anything.

    A distribution whose entry points cannot be read is passed over, with a line on the log,
    unless it mentions the group.

    Args:
        group: The entry point group.
        plugin_dir: A folder to look into besides the module search path.

    Returns:
        The distributions, by their first entry point. Of several that have one name, the first
        on the search path that is concerned, with the places of the others.

    Raises:
        PluginDiscoveryError: Distributions that mention the group cannot be read; names them.
        StigmemPluginError: The plugin directory is none.
    """
    from importlib.metadata import distributions  # noqa: PLC0415  # slow, and rarely needed

    found: dict[str, list[tuple[str, InstalledDistribution]]] = {}
    broken: list[str] = []
    places = [(each, True) for each in distributions()]
    if plugin_dir is not None:
        if not Path(plugin_dir).is_dir():
            message = f"the plugin directory {plugin_dir} is no folder"
            raise StigmemPluginError(message, fix=f"make it, or correct {PLUGIN_DIR}")
        # Absolute: data files are read later, wherever the node has gone by then.
        folder = str(Path(plugin_dir).absolute())
        places += [(each, False) for each in distributions(path=[folder])]
    for distribution, importable in places:
        name = "unknown"
        try:
            name = _key(distribution)
            read = _read(distribution, group, importable=importable)
            found.setdefault(name, []).append((_place(distribution), read))
        except Exception as error:  # noqa: BLE001  # metadata can be broken in any way
            if group.encode() in _entry_points_text(distribution):
                broken.append(f"cannot read the entry points of {name}: {describe(error)}")
            else:
                log.warning("entry points of %s cannot be read: %s", name, describe(error))
    if broken:
        raise PluginDiscoveryError("; ".join(broken), fix="reinstall or uninstall what is named")
    concerned = [each for copies in found.values() if (each := _concerned(copies))]
    return tuple(sorted(concerned, key=_first_entry_point))


def _first_entry_point(distribution: InstalledDistribution) -> tuple[str, str]:
    names = [plugin.entry_point_name for plugin in distribution.plugins]
    return min(names, default=""), distribution.name


def _folder(distribution: Distribution) -> Path | None:
    """The folder with a distribution's metadata; the standard library has no public name for it."""
    path = getattr(distribution, "_path", None)
    return path if isinstance(path, Path) else None


def _place(distribution: Distribution) -> str:
    folder = _folder(distribution)
    return str(folder.resolve() if folder else distribution.locate_file(""))


def _key(distribution: Distribution) -> str:
    """The distribution's normalized name: of its folder where possible, which is quick to read."""
    folder = _folder(distribution)
    if folder is not None and folder.suffix == ".dist-info":
        return canonicalize_name(folder.stem.rpartition("-")[0] or folder.stem)
    return canonicalize_name(distribution.name)


def _read(distribution: Distribution, group: str, *, importable: bool) -> InstalledDistribution:
    folder = _folder(distribution)
    points = distribution.entry_points.select(group=group)
    has_bundle = folder is not None and os.path.lexists(folder / BUNDLE_NAME)
    is_signed = has_bundle and group == ENTRY_POINT_GROUP  # what other groups name, nobody signs
    if not points and not is_signed:
        return InstalledDistribution("", None, ())
    metadata: Any = distribution.metadata  # `name` and `version` fail or warn where it has none
    name, version = metadata.get("Name") or _key(distribution), metadata.get("Version")
    plugins = [InstalledPlugin(each.name, each.value, name, version, each) for each in points]
    return InstalledDistribution(name, version, tuple(plugins), folder, is_signed, importable)


def _concerned(
    copies: Sequence[tuple[str, InstalledDistribution]],
) -> InstalledDistribution | None:
    """The first of one name that has plugins, with the places of the others."""
    for place, distribution in copies:
        if distribution.plugins or distribution.is_signed:
            others = dict.fromkeys(other for other, _ in copies if other != place)
            return evolve(distribution, others=tuple(others))
    return None


def _entry_points_text(distribution: Distribution) -> bytes:
    try:
        return (distribution.read_text("entry_points.txt") or "").encode()
    except UnicodeDecodeError as error:
        return error.object
