"""From admitted handlers to a fire: pluggy registers and orders, plans call.

pluggy calls the `tryfirst` implementations of a hook first, then the unmarked ones, then the
`trylast` ones; the first two newest first, the last oldest first. So core handlers are
`tryfirst` or `trylast` as the hook's ordering policy says, and everything is registered in
the sequence that makes pluggy's call order the one that is wanted.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Final

from attrs import evolve, frozen
from pluggy import HookImpl

from stigmem_hookspecs import HOOK_SPECS, AuditEvent, HookOrdering, HookSemantic
from stigmem_hookspecs.markers import HookSpec
from stigmem_plugins.audit import AuditTrail
from stigmem_plugins.errors import ManifestError, PluginExecutionError, suggest
from stigmem_plugins.firing import Hook, Table
from stigmem_plugins.manager import HookPluginManager, Shims
from stigmem_plugins.ordering import dependency_order
from stigmem_plugins.plans import Function
from stigmem_plugins.registration import Registration
from stigmem_plugins.shim import Called, Handler, NativeHandler
from stigmem_plugins.workers import Bulkheads

if TYPE_CHECKING:
    from stigmem_plugins.metrics import Metrics


@frozen(eq=False, repr=False)
class CoreHandler:
    """A handler of the node itself."""

    spec: HookSpec
    handler: Handler

    @property
    def name(self) -> str:
        """A name of its own among everything that pluggy knows; sorts by the handler's."""
        return f"{self.handler.handler_name} ({self.spec.name})"


AUDIT: Final = "audit_emit"


class Dispatcher:
    """Everything that can be fired, and what fires it.

    What fires a hook is made when the hook is first fired, or when the registry freezes, and
    thrown away when a registration touches the hook. Fires look it up and take no lock.

    Args:
        check: Raises if nothing may be registered now.
        emit_metrics: Whether to count and time fires and handlers.
    """

    def __init__(self, check: Callable[[str], None], *, emit_metrics: bool = False) -> None:
        self.trail = AuditTrail(self._emit)
        self.bulkheads = Bulkheads()
        self.registrations: dict[str, Registration] = {}
        self.fires = {each: Table(self._fire, each, asynchronous=False) for each in HookSemantic}
        self.afires = {each: Table(self._fire, each, asynchronous=True) for each in HookSemantic}
        self._manager = HookPluginManager(check, self._forget)
        self._core: dict[str, CoreHandler] = {}
        self._placed: list[Shims] = []
        self._unplaced: set[str] = set()  # hooks whose handlers pluggy does not know all of
        self._arranged = True
        self._own: Function | None = None  # fires the layer's own audit events
        # Held wherever registrations and pluggy's view of them are read or changed together.
        self._lock = threading.RLock()
        self._metrics: Metrics | None = None
        if emit_metrics:
            from stigmem_plugins.metrics import Metrics  # noqa: PLC0415  # where it is asked for

            self._metrics = Metrics(lambda: len(self.registrations))
            self.trail.watch = self._metrics.watch

    @property
    def manager(self) -> HookPluginManager:
        """pluggy's view of what is registered, up to date."""
        with self._lock:
            if not self._arranged:
                new = self._arrange()
                self._manager.replace(self._placed, new)
                self._placed, self._arranged = new, True
                self._unplaced.clear()
        return self._manager

    def knows(self, name: str) -> bool:
        """Whether a plugin of that name is registered, with us or with pluggy, or blocked."""
        with self._lock:
            manager = self._manager
            return (
                name in self.registrations or manager.has_plugin(name) or manager.is_blocked(name)
            )

    def add(self, registrations: list[Registration]) -> None:
        """Add admitted plugins, all at once."""
        with self._lock:
            self.registrations = self.registrations | {r.manifest.name: r for r in registrations}
            self._touch({hook for r in registrations for hook in r.handlers})

    def add_core(self, core: CoreHandler) -> None:
        """Add a handler of the node.

        Raises:
            ManifestError: The hook has a core handler of that name.
        """
        with self._lock:
            if core.name in self._core:
                message = f"core handler {core.name} is already registered"
                fix = "give each core handler of a hook a name of its own"
                raise ManifestError(message, fix=fix)
            self._core = self._core | {core.name: core}
            self._touch({core.spec.name})

    def freeze(self) -> None:
        """Make what fires each hook, now that nothing can change any more."""
        for name, spec in HOOK_SPECS.items():
            self.fires[spec.semantic][name]  # looking it up makes it

    def handlers(self, hook: str) -> tuple[Called, ...]:
        """The handlers of a hook in call order.

        Raises:
            ManifestError: There is no such hook; the nearest is suggested.
        """
        return self._hook(self.spec(hook)).handlers

    def is_silent(self, hook: str) -> bool:
        """Whether firing the hook calls nobody at all, and nobody counts it."""
        return self._metrics is None and self._hook(self.spec(hook)).is_silent

    @staticmethod
    def spec(hook: str) -> HookSpec:
        """The declaration of a hook.

        Raises:
            ManifestError: There is no such hook; the nearest is suggested.
        """
        try:
            return HOOK_SPECS[hook]
        except (KeyError, TypeError):
            message = f"unknown plugin hooks: {hook!r}{suggest(str(hook), HOOK_SPECS)}"
            raise ManifestError(message, fix="see HOOK_SPECS for the hooks there are") from None

    def _touch(self, hooks: Iterable[str]) -> None:
        """Registrations have handlers for these hooks; the order of all others stays.

        Nothing that is registered depends on what is added, so the handlers that a hook has
        keep their order, and a hook without a new one needs no new plan.
        """
        self._arranged = False
        self._unplaced.update(hooks)
        self._forget(hooks)

    def _forget(self, hooks: Iterable[str] | None = None) -> None:
        with self._lock:
            self._own = None
            for hook in HOOK_SPECS if hooks is None else hooks:
                for table in (*self.fires.values(), *self.afires.values()):
                    table.pop(hook, None)

    def _hook(self, spec: HookSpec) -> Hook:
        with self._lock:
            manager = self.manager if spec.name in self._unplaced else self._manager
            impls = getattr(manager.hook, spec.name).get_hookimpls()
            called = [(impl, self._called(impl, spec)) for impl in impls]
            return Hook(spec, called, tuple(manager.monitors), self.trail, self.bulkheads)

    def _called(self, impl: HookImpl, spec: HookSpec) -> Called | None:
        called = _called(impl, spec)
        if called and self._metrics:
            return self._metrics.handler(called, spec)
        return called

    def _fire(self, table: Table, name: str) -> Function:
        """What fires a hook, made and kept.

        Raises:
            ManifestError: There is no such hook.
            PluginExecutionError: The hook has another semantic than the table.
        """
        spec = self.spec(name)
        if spec.semantic is not table.semantic:
            message = f"hook {name!r} is a {spec.semantic} hook, not a {table.semantic} one"
            call = f"{'a' if table.asynchronous else ''}fire_{spec.semantic}()"
            raise PluginExecutionError(message, fix=f"call {call} instead")
        with self._lock:
            # A registration that comes in meanwhile waits, and then throws it away.
            hook, awaits = self._hook(spec), table.asynchronous
            fire = hook.afire() if awaits else hook.fire()
            if self._metrics:
                fire = self._metrics.fire(spec, fire, len(hook.handlers), awaits=awaits)
            table[spec.name] = fire
        return fire

    def _emit(self, event: AuditEvent) -> None:
        """Hand one of the layer's own events to the `audit_emit` handlers; raises nothing."""
        with self._lock:
            if self._own is None:
                self._own = self._hook(evolve(HOOK_SPECS[AUDIT], strict=False)).fold
            fire = self._own
        fire({"event": event})

    def _arrange(self) -> list[Shims]:
        """Everything in the sequence in which pluggy must be given it."""
        graph = {name: r.manifest.depends_on for name, r in self.registrations.items()}
        first, last, among = [], [], {}
        for name, core in sorted(self._core.items()):
            handlers = {core.spec.name: core.handler}
            if core.spec.ordering is HookOrdering.PLUGIN_ONLY:
                among[name] = Shims(name, handlers)
            elif core.spec.ordering is HookOrdering.PLUGINS_FIRST:
                last.append(Shims(name, handlers, trylast=True))
            else:
                first.append(Shims(name, handlers, tryfirst=True))
        for name, registration in self.registrations.items():
            among[name] = Shims(name, registration.handlers)
        order = dependency_order(graph | dict.fromkeys(among.keys() - graph.keys(), frozenset()))
        return [*(among[name] for name in reversed(order)), *reversed(first), *last]


def _called(impl: HookImpl, spec: HookSpec) -> Handler | NativeHandler | None:
    """What a fire calls for an implementation; None for a wrapper."""
    if impl.wrapper or impl.hookwrapper:
        return None
    if isinstance(impl.plugin, Shims):
        return impl.plugin.handlers[spec.name]
    return NativeHandler(impl)
