"""Serves `stigmem_node.plugins`, the name that plugins written for a node import.

Importing this module changes nothing. `install()` makes `stigmem_node.plugins` and its
submodules this package's public names, in the place of an installed node's own plugin layer;
`install_fallback()` does so only where no `stigmem_node` can be imported.
"""

from __future__ import annotations

import importlib
import sys
from collections.abc import Iterator, Sequence
from importlib.machinery import ModuleSpec
from types import ModuleType
from typing import TYPE_CHECKING, Any, Final

from packaging.version import Version

from stigmem_plugins.errors import StigmemPluginError

if TYPE_CHECKING:
    from stigmem_plugins.settings import SettingsLike

NODE: Final = "stigmem_node"
SERVED: Final = "stigmem_node.plugins"
SUBMODULES: Final = (
    "bands",
    "capabilities",
    "context",
    "discovery",
    "errors",
    "handlers",
    "hooks",
    "lifecycle",
    "manifest",
    "registry",
    "signing",
    "testing",
)
PROGRAMS: Final = ("main", "cli")
"""The modules of a node's server and of its command line."""
SUPERSEDED: Final = {"stigmem-plugin-memory-garden-acl": Version("0.9.0a12")}
"""Plugins whose feature moved into the node, with the first node version that has it."""


def install() -> None:
    """Serve `stigmem_node.plugins` from now on, whether or not a node is installed.

    Calling it again changes nothing.

    Raises:
        StigmemPluginError: The node's own `stigmem_node.plugins` was imported already: there
            would be two classes of each name.
    """
    for name, module in _foreign():
        origin = module.__spec__.origin if module.__spec__ else "somewhere"
        message = (
            f"{name} was imported from {origin} before stigmem_plugins.bridge could serve it, "
            "and one process can have only one of the two"
        )
        raise StigmemPluginError(
            message,
            fix=(
                "start the node with `stigmem-plugins run`, or "
                "call stigmem_plugins.bridge.install() before anything imports stigmem_node"
            ),
        )
    if _front not in sys.meta_path:
        sys.meta_path.insert(0, _front)
    install_fallback()


def install_fallback() -> None:
    """Serve `stigmem_node.plugins` where no `stigmem_node` can be imported otherwise."""
    if _fallback not in sys.meta_path:
        sys.meta_path.append(_fallback)


def uninstall() -> None:
    """Take back `install()` and `install_fallback()`: for tests of hosts."""
    for finder in (_front, _fallback):
        if finder in sys.meta_path:
            sys.meta_path.remove(finder)
    for name in [name for name in sys.modules if name == NODE or name.startswith(f"{NODE}.")]:
        if _is_ours(sys.modules[name]):
            del sys.modules[name]
            parent, _, attribute = name.rpartition(".")
            vars(sys.modules.get(parent, ModuleType(parent))).pop(attribute, None)


def node_settings() -> SettingsLike | None:
    """The settings object of the node that runs in this process, as it is now.

    None if no node runs here: neither its server nor its command line was imported. A plugin
    that imports a module of the node does not make it run.
    """
    if not any(f"{NODE}.{program}" in sys.modules for program in PROGRAMS):
        return None
    settings: SettingsLike = importlib.import_module(f"{NODE}.settings").settings
    return settings


def superseded_plugins(node_version: str | None) -> frozenset[str]:
    """The plugins that a node of this version does not need any more; none without a node.

    Example:
        >>> superseded_plugins("0.9.0a12")
        frozenset({'stigmem-plugin-memory-garden-acl'})
        >>> superseded_plugins("0.9.0a11"), superseded_plugins(None)
        (frozenset(), frozenset())
    """
    if node_version is None:
        return frozenset()
    return frozenset(n for n, since in SUPERSEDED.items() if Version(node_version) >= since)


def _foreign() -> Iterator[tuple[str, ModuleType]]:
    """Modules of another plugin layer that somebody can still get hold of by its names.

    An import that failed half-way leaves modules below a package that is gone, and a package
    that was taken out of `sys.modules` is still an attribute of the one that it is in.
    """
    attribute = getattr(sys.modules.get(NODE), "plugins", None)
    known = {**({SERVED: attribute} if attribute else {}), **sys.modules}
    for name, module in known.items():
        if (name == SERVED or name.startswith(f"{SERVED}.")) and not _is_ours(module):
            yield name, module


def _is_ours(module: ModuleType) -> bool:
    return isinstance(getattr(module.__spec__, "loader", None), _BridgeLoader)


# importlib.abc has bases for these two, and takes as long to import as ten modules of ours.
class _BridgeLoader:
    @staticmethod
    def create_module(_spec: ModuleSpec) -> None:
        """Let Python make an ordinary module."""

    def exec_module(self, module: ModuleType) -> None:
        if module.__name__ == NODE:
            return
        import stigmem_plugins  # noqa: PLC0415  # only once somebody asks for the names
        from stigmem_plugins import testing  # noqa: PLC0415  # the same

        sources = [stigmem_plugins]
        if module.__name__ == f"{SERVED}.testing":
            sources.append(testing)
        for source in sources:
            vars(module).update({name: getattr(source, name) for name in source.__all__})
        vars(module)["__all__"] = [name for source in sources for name in source.__all__]


class _BridgeFinder:
    def __init__(self, *names: str) -> None:
        self._names = {*names, SERVED, *(f"{SERVED}.{name}" for name in SUBMODULES)}

    def find_spec(
        self,
        fullname: str,
        path: Sequence[str] | None = None,  # noqa: ARG002  # the finder protocol's
        target: ModuleType | None = None,  # noqa: ARG002  # the same
    ) -> ModuleSpec | None:
        if fullname not in self._names:
            return None
        is_package = fullname in {NODE, SERVED}
        loader: Any = _BridgeLoader()  # has what a loader needs, and not its base
        return ModuleSpec(fullname, loader, origin=__name__, is_package=is_package)


_front: Final = _BridgeFinder()
_fallback: Final = _BridgeFinder(NODE)
