"""A hook's handlers in call order, and why each stands where it stands."""

from __future__ import annotations

from collections.abc import Collection, Container, Iterable, Mapping, Sequence
from typing import Any, Final, Protocol

from attrs import asdict, frozen

from stigmem_hookspecs import HookOrdering
from stigmem_hookspecs.markers import HookSpec
from stigmem_plugins.ordering import dependency_order

CORE: Final = "core"
POLICY: Final = "policy"
DEPENDENCY: Final = "dependency"
NAME: Final = "name"
PLUGGY: Final = "pluggy"
REASONS: Final = (POLICY, DEPENDENCY, NAME, PLUGGY)
"""Why a handler stands where it stands, as JSON says it."""

FIRST: Final = "first"
LAST: Final = "last"
AMONG: Final = "among"
CORE_STANDS: Final[Mapping[HookOrdering, str]] = {
    HookOrdering.CORE_FIRST: FIRST,
    HookOrdering.CORE_ONLY_DEFAULT: FIRST,
    HookOrdering.PLUGINS_FIRST: LAST,
    HookOrdering.PLUGIN_ONLY: AMONG,
}
"""Where the node's own handlers stand by a hook's ordering policy."""


@frozen
class Step:
    """A handler of a pipeline.

    Args:
        handler: Its name.
        plugin: Its plugin; `core` for the node's own.
        reasons: Why it stands there: some of `REASONS`.
        why: The same in words.
        after: The plugin that it waits for, if it depends on one.
    """

    handler: str
    plugin: str
    reasons: tuple[str, ...]
    why: str
    after: str | None = None


@frozen
class Pipeline:
    """A hook and its handlers, in call order."""

    spec: HookSpec
    steps: tuple[Step, ...]

    @property
    def core_stands(self) -> str:
        """Where the node's own handlers stand: `first`, `last` or `among` those of plugins."""
        return CORE_STANDS[self.spec.ordering]

    @property
    def core_is_open(self) -> bool:
        """Whether a node may have handlers at an end of it that are not among the steps."""
        return self.core_stands != AMONG and all(each.plugin != CORE for each in self.steps)

    @property
    def title(self) -> str:
        """The hook, with how its handlers are called."""
        return f"{self.spec.name}, {self.spec.semantic}, {self.spec.ordering}"

    def facts(self) -> dict[str, Any]:
        """The same as names and JSON values."""
        return {
            "hook": self.spec.name,
            "semantic": self.spec.semantic,
            "ordering": self.spec.ordering,
            "core": self.core_stands,
            "handlers": [asdict(step) for step in self.steps],
        }


class Named(Protocol):
    """A handler as listings have it."""

    @property
    def handler_name(self) -> str:
        """Its own name."""

    @property
    def plugin_name(self) -> str:
        """Its plugin's name; `core` for the node's own."""


def explain_order(
    spec: HookSpec, handlers: Iterable[Named], depends_on: Mapping[str, Collection[str]]
) -> Pipeline:
    """Say why a hook's handlers are called in their order.

    Args:
        spec: The hook.
        handlers: Its handlers, in call order.
        depends_on: For each registered plugin the names of those it depends on.

    Example:
        >>> from stigmem_plugins import HOOK_SPECS, HookRegistry, PluginManifest
        >>> registry, hooks = HookRegistry(), {"audit_emit": lambda ctx, **_: None}
        >>> registry.register_plugin(PluginManifest("zeta", "1.0.0", hooks=hooks))
        >>> registry.register_plugin(
        ...     PluginManifest("app-log", "1.0.0", hooks=hooks, depends_on={"zeta"})
        ... )
        >>> pipeline = explain_order(
        ...     HOOK_SPECS["audit_emit"],
        ...     registry.handlers_for("audit_emit"),
        ...     {info.name: info.depends_on for info in registry.plugin_infos()},
        ... )
        >>> [(step.plugin, step.why) for step in pipeline.steps]
        [('zeta', 'by name'), ('app-log', 'after zeta, which it depends on')]
    """
    listed = list(handlers)
    order = dependency_order(depends_on)
    shown = {each.plugin_name for each in listed}
    return Pipeline(spec, tuple(_step(each, spec, depends_on, order, shown) for each in listed))


def _step(
    handler: Named,
    spec: HookSpec,
    depends_on: Mapping[str, Collection[str]],
    order: Sequence[str],
    shown: Container[str],
) -> Step:
    name, plugin = handler.handler_name, handler.plugin_name
    if plugin == CORE:
        return _core_step(name, spec)
    if plugin not in depends_on:
        return Step(name, plugin, (PLUGGY,), "registered with pluggy directly")
    before = order[: order.index(plugin)]
    last = next((each for each in reversed(before) if each in depends_on[plugin]), None)
    if last is None:
        return Step(name, plugin, (NAME,), "by name")
    why = f"after {last}, which it depends on"
    # Others that were ready by then come between, because their names are smaller.
    if any(each in shown for each in before[before.index(last) + 1 :]):
        return Step(name, plugin, (DEPENDENCY, NAME), f"{why}, then by name", last)
    return Step(name, plugin, (DEPENDENCY,), why, last)


def _core_step(name: str, spec: HookSpec) -> Step:
    stands = CORE_STANDS[spec.ordering]
    if stands == AMONG:
        return Step(name, CORE, (NAME,), "the node's own, by name among plugins")
    side = "before" if stands == FIRST else "after"
    why = f"the node's own: {side} plugins ({spec.ordering}), then by name"
    return Step(name, CORE, (POLICY, NAME), why)
