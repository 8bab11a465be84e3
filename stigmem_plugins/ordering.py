"""Dependency order: one deterministic topological sort, for startup and for dispatch."""

from __future__ import annotations

import heapq
from collections.abc import Collection, Mapping
from graphlib import CycleError, TopologicalSorter

from stigmem_plugins.errors import PluginDependencyError


def dependency_order(graph: Mapping[str, Collection[str]]) -> tuple[str, ...]:
    """Sort names so that each comes after what it depends on, ties by name.

    Among the names whose dependencies are all placed, the smallest comes next.

    Args:
        graph: For each name the names it depends on; a dependency that is not itself a key of
            the graph is taken as met.

    Returns:
        All keys of the graph, in order.

    Raises:
        PluginDependencyError: A cycle; the message gives its path, from its smallest name
            along `depends_on`.

    Example:
        >>> dependency_order({"b": [], "a": ["z"], "z": []})
        ('b', 'z', 'a')
        >>> dependency_order({"beta": ["alpha"], "alpha": ["gamma"], "gamma": ["beta"]})
        Traceback (most recent call last):
        stigmem_plugins.errors.PluginDependencyError: plugins depend on each other in a circle: \
alpha -> gamma -> beta -> alpha; remove one of these from a depends_on
    """
    sorter = TopologicalSorter(
        {name: sorted(graph.keys() & set(needs)) for name, needs in sorted(graph.items())}
    )
    try:
        sorter.prepare()
    except CycleError as error:
        # graphlib's path runs from dependency to dependent and closes with its first name.
        path = error.args[1][:0:-1]
        start = path.index(min(path))
        path = [*path[start:], *path[:start], path[start]]
        message = f"plugins depend on each other in a circle: {' -> '.join(path)}"
        raise PluginDependencyError(
            message, plugin=path[0], fix="remove one of these from a depends_on"
        ) from None
    order: list[str] = []
    ready: list[str] = []
    while sorter.is_active():
        for name in sorter.get_ready():
            heapq.heappush(ready, name)
        smallest = heapq.heappop(ready)
        order.append(smallest)
        sorter.done(smallest)
    return tuple(order)


def missing_dependencies(
    graph: Mapping[str, Collection[str]], available: Collection[str] = ()
) -> dict[str, list[str]]:
    """For each name the dependencies that are neither in the graph nor available.

    Example:
        >>> missing_dependencies({"x": ["b", "a", "y"], "y": []}, available=["b"])
        {'x': ['a']}
    """
    return {
        name: missing
        for name, needs in sorted(graph.items())
        if (missing := sorted(set(needs) - set(available) - graph.keys()))
    }


def require_dependencies(
    graph: Mapping[str, Collection[str]], available: Collection[str] = ()
) -> None:
    """Refuse a graph that depends on what is not there.

    Raises:
        PluginDependencyError: Naming each plugin and all that it misses.

    Example:
        >>> require_dependencies({"x": ["b", "a"]})
        Traceback (most recent call last):
        stigmem_plugins.errors.PluginDependencyError: plugin dependencies are not met: \
x missing a, b; install what is missing, or remove the plugins that need it
    """
    if missing := missing_dependencies(graph, available):
        listed = "; ".join(f"{name} missing {', '.join(names)}" for name, names in missing.items())
        message = f"plugin dependencies are not met: {listed}"
        fix = "install what is missing, or remove the plugins that need it"
        raise PluginDependencyError(message, plugin=next(iter(missing)), fix=fix)
