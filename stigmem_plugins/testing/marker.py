"""The marker `stigmem_plugins`: which plugins a test's registry has."""

from __future__ import annotations

import inspect
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    import pytest

    from stigmem_plugins.manifest import PluginManifest

# Imported at every start of pytest: what reading a marker needs is imported when one is read.

NAME: Final = "stigmem_plugins"
USAGE: Final = (
    "stigmem_plugins(*manifests_or_factories, core_apis=None, handler_timeout_seconds=None, "
    "stigmem_version=None): let hook_registry, and the process's registry, have these plugins"
)
_EXAMPLE: Final = "@pytest.mark.stigmem_plugins(plugin_manifest)"


class Marker:
    """`pytest.mark.stigmem_plugins`, which takes a lone function as a manifest factory.

    pytest's own would take it for the test that is to be marked.

    Args:
        plain: pytest's own.
    """

    def __init__(self, plain: pytest.MarkDecorator) -> None:
        self._plain = plain

    def __call__(self, *plugins: Any, **options: Any) -> Any:
        """Make the decorator; used without parentheses, decorate."""
        [test] = plugins if len(plugins) == 1 and not options else [None]
        if inspect.isclass(test) or getattr(test, "__name__", "").startswith("test"):
            return self._plain(test)
        return self._plain.with_args(*plugins, **options)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._plain, name)


def read(marks: Iterable[pytest.Mark]) -> tuple[list[PluginManifest], dict[str, Any]]:
    """The manifests and options of a test's markers, the nearest first.

    Raises:
        StigmemPluginError: One is used wrongly; says how to use it.
    """
    from stigmem_plugins.errors import StigmemPluginError, suggest  # noqa: PLC0415  # see above
    from stigmem_plugins.testing.factories import manifest_of  # noqa: PLC0415  # the same
    from stigmem_plugins.testing.registries import OPTIONS  # noqa: PLC0415  # the same

    manifests: list[PluginManifest] = []
    options: dict[str, Any] = {}
    for mark in marks:
        if unknown := sorted(mark.kwargs.keys() - set(OPTIONS)):
            message = (
                f"the marker {NAME} has no option {unknown[0]!r}{suggest(unknown[0], OPTIONS)}"
            )
            raise StigmemPluginError(message, fix=f"its options are {', '.join(OPTIONS)}")
        if not (mark.args or mark.kwargs):
            message = f"the marker {NAME} names no plugin"
            raise StigmemPluginError(message, fix=f"write {_EXAMPLE}")
        if any(isinstance(each, (list, tuple, set, frozenset)) for each in mark.args):
            message = f"the marker {NAME} takes plugins one by one, not in a collection"
            raise StigmemPluginError(message, fix=f"write @pytest.mark.{NAME}(*plugins)")
        nearer = {manifest.name for manifest in manifests}
        marked = [manifest_of(each) for each in mark.args]
        manifests += [manifest for manifest in marked if manifest.name not in nearer]
        options = {**mark.kwargs, **options}
    return manifests, options
