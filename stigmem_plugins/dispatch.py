"""From admitted handlers to a fire: pluggy registers and orders, the combiners fold.

pluggy calls the `tryfirst` implementations of a hook first, then the unmarked ones, then the
`trylast` ones; the first two newest first, the last oldest first. So core handlers are
`tryfirst` or `trylast` as the hook's ordering policy says, and everything is registered in
the sequence that makes pluggy's call order the one that is wanted.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any, Never

from attrs import frozen
from pluggy import HookimplOpts, PluginManager, PluginValidationError

from stigmem_hookspecs import HOOK_SPECS, LIFECYCLE_MODULES, AuditEvent, HookOrdering, HookSemantic
from stigmem_hookspecs.markers import PROJECT_NAME, HookSpec, hookimpl
from stigmem_plugins import combiners
from stigmem_plugins.audit import AuditTrail
from stigmem_plugins.errors import ManifestError, PluginExecutionError, suggest
from stigmem_plugins.manifest import RESERVED_NAMES
from stigmem_plugins.ordering import dependency_order
from stigmem_plugins.registration import Registration
from stigmem_plugins.shim import Called, Handler, NativeHandler, hookimpl_function


class HookPluginManager(PluginManager):
    """pluggy's plugin manager with the hookspecs added, under the registry's gate.

    Native pluggy plugins may be registered on it; they are called as if registered after all
    others, so `tryfirst` ones come first of all and `trylast` ones last.

    Args:
        check: Raises if nothing may be registered now; gets the plugin's name.
    """

    def __init__(self, check: Callable[[str], None]) -> None:
        super().__init__(PROJECT_NAME)
        self._check = check
        for module in LIFECYCLE_MODULES:
            self.add_hookspecs(module)

    def register(self, plugin: object, name: str | None = None) -> str | None:
        """Register a native pluggy plugin.

        Raises:
            RegistryFrozenError: Registrations are not taken now.
            PluginValidationError: It implements an unknown hook, or is a wrapper.
        """
        self._check(f"native plugin {name or plugin!r}")
        if name in RESERVED_NAMES:
            raise PluginValidationError(
                plugin, f"the name {name!r} is reserved for the node itself"
            )
        return super().register(plugin, name)

    def unregister(self, plugin: object | None = None, name: str | None = None) -> Any:
        """Take a native pluggy plugin out again.

        Raises:
            RegistryFrozenError: Registrations are not taken now.
            ManifestError: It is one of the registry's own.
        """
        self._check(f"or take out native plugin {name or plugin!r}")
        if isinstance(plugin or self.get_plugin(name or ""), _Shims):
            message = (
                f"plugin {name or plugin!r} was registered from a manifest and cannot be taken out"
            )
            raise ManifestError(message, fix="make a new HookRegistry without it")
        return super().unregister(plugin, name)

    def parse_hookimpl_opts(self, plugin: object, name: str) -> HookimplOpts | None:
        """Refuse what pluggy would take and dispatch could not honour."""
        opts = super().parse_hookimpl_opts(plugin, name)
        if opts is None:
            return None
        hook = opts.get("specname") or name
        if hook not in HOOK_SPECS and not opts.get("optionalhook"):
            raise PluginValidationError(plugin, f"unknown hook {hook!r}{suggest(hook, HOOK_SPECS)}")
        if opts.get("wrapper") or opts.get("hookwrapper"):
            message = f"hook {hook!r} takes no wrappers: register a plain hookimpl"
            raise PluginValidationError(plugin, message)
        return opts

    def add_hookcall_monitoring(self, *_args: object) -> Never:
        """Refuse: dispatch reads pluggy's order and calls handlers itself, so it would see nothing.

        Raises:
            PluginExecutionError: Always; says what to use.
        """
        message = "hook calls cannot be monitored through pluggy: dispatch does not go through it"
        raise PluginExecutionError(message, fix="register core handlers, or read the audit events")

    def replace(self, old: list[_Shims], new: list[_Shims]) -> None:
        """Swap the registry's own plugins; native ones stay as if registered after them."""
        own = set(map(id, old))
        native = [(n, p) for n, p in self.list_name_plugin() if p is not None and id(p) not in own]
        for plugin in (*old, *(plugin for _, plugin in native)):
            super().unregister(plugin)
        for shims in new:
            super().register(shims, shims.name)
        for name, plugin in native:
            super().register(plugin, name)


class _Shims:
    """The object that pluggy knows a plugin or core handler by: its attributes are hookimpls."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.handlers: dict[str, Handler] = {}

    def __dir__(self) -> list[str]:
        """The hooks alone: pluggy looks at every name that it finds here, and takes long."""
        return list(self.handlers)

    def add(
        self, handler: Handler, spec: HookSpec, *, tryfirst: bool = False, trylast: bool = False
    ) -> None:
        shim = hookimpl_function(handler, spec)
        setattr(self, spec.name, hookimpl(shim, tryfirst=tryfirst, trylast=trylast))
        self.handlers[spec.name] = handler


@frozen(eq=False)
class CoreHandler:
    """A handler of the node itself."""

    spec: HookSpec
    handler: Handler

    @property
    def name(self) -> str:
        """A name of its own among everything that pluggy knows; sorts by the handler's."""
        return f"{self.handler.handler_name} ({self.spec.name})"


class Dispatcher:
    """Everything that can be fired, and the firing.

    Args:
        check: Raises if nothing may be registered now.
    """

    def __init__(self, check: Callable[[str], None]) -> None:
        self.trail = AuditTrail(self._emit)
        self.registrations: dict[str, Registration] = {}
        self._manager = HookPluginManager(check)
        self._core: dict[str, CoreHandler] = {}
        self._placed: list[_Shims] = []
        self._stale = False
        # Held wherever registrations and pluggy's view of them are read or changed together.
        self._lock = threading.RLock()

    @property
    def manager(self) -> HookPluginManager:
        """pluggy's view of what is registered, up to date."""
        with self._lock:
            if self._stale:
                new = self._arrange()
                self._manager.replace(self._placed, new)
                self._placed, self._stale = new, False
        return self._manager

    def add(self, registrations: list[Registration]) -> None:
        """Add admitted plugins, all at once."""
        with self._lock:
            self.registrations = self.registrations | {r.manifest.name: r for r in registrations}
            self._stale = True

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
            self._stale = True

    def handlers(self, hook: str) -> tuple[Called, ...]:
        """The handlers of a hook in call order.

        Raises:
            ManifestError: There is no such hook; the nearest is suggested.
        """
        self.spec(hook)
        with self._lock:
            impls = getattr(self.manager.hook, hook).get_hookimpls()
        return tuple(
            impl.plugin.handlers[hook] if isinstance(impl.plugin, _Shims) else NativeHandler(impl)
            for impl in reversed(impls)
        )

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

    def prepare(self, hook: str, semantic: HookSemantic) -> tuple[tuple[Called, ...], HookSpec]:
        """What a fire of `semantic` needs: the hook's handlers and its declaration.

        Raises:
            ManifestError: There is no such hook.
            PluginExecutionError: The hook has another semantic.
        """
        spec = self.spec(hook)
        if spec.semantic is not semantic:
            message = f"hook {hook!r} is a {spec.semantic} hook, not a {semantic} one"
            raise PluginExecutionError(message, fix=f"call fire_{spec.semantic}() instead")
        return self.handlers(hook), spec

    def _emit(self, event: AuditEvent) -> None:
        handlers, spec = self.prepare("audit_emit", HookSemantic.FIRE_AND_FORGET)
        combiners.notify(handlers, spec, self.trail, {"event": event}, strict=False)

    def _arrange(self) -> list[_Shims]:
        """Everything in the sequence in which pluggy must be given it."""
        graph = {name: r.manifest.depends_on for name, r in self.registrations.items()}
        first, last, among = [], [], {}
        for name, core in sorted(self._core.items()):
            shims = _Shims(name)
            if core.spec.ordering is HookOrdering.PLUGIN_ONLY:
                shims.add(core.handler, core.spec)
                among[name] = shims
            elif core.spec.ordering is HookOrdering.PLUGINS_FIRST:
                shims.add(core.handler, core.spec, trylast=True)
                last.append(shims)
            else:
                shims.add(core.handler, core.spec, tryfirst=True)
                first.append(shims)
        for name, registration in self.registrations.items():
            among[name] = _Shims(name)
            for hook, handler in registration.handlers.items():
                among[name].add(handler, HOOK_SPECS[hook])
        order = dependency_order(graph | dict.fromkeys(among.keys() - graph.keys(), frozenset()))
        return [*(among[name] for name in reversed(order)), *reversed(first), *last]
