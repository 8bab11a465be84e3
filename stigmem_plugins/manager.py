"""What pluggy is shown: a plugin manager under the registry's gate, and shims for it to hold."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final, TypeAlias

from pluggy import HookImpl, HookimplOpts, PluginManager, PluginValidationError, Result

from stigmem_hookspecs import HOOK_SPECS, LIFECYCLE_MODULES
from stigmem_hookspecs.markers import PROJECT_NAME
from stigmem_plugins.errors import ManifestError, suggest
from stigmem_plugins.manifest import RESERVED_NAMES
from stigmem_plugins.shim import Handler
from stigmem_plugins.signatures import runs_nothing

BeforeTrace: TypeAlias = Callable[[str, Sequence[HookImpl], Mapping[str, Any]], None]
AfterTrace: TypeAlias = Callable[[Result[Any], str, Sequence[HookImpl], Mapping[str, Any]], None]


class HookPluginManager(PluginManager):
    """pluggy's plugin manager with the hookspecs added, under the registry's gate.

    Native pluggy plugins may be registered on it; they are called as if registered after all
    others, so `tryfirst` ones come first of all and `trylast` ones last.

    Args:
        check: Raises if nothing may be registered now; gets the plugin's name.
        changed: Called after every change that somebody else than `replace` makes.
    """

    def __init__(self, check: Callable[[str], None], changed: Callable[[], None]) -> None:
        super().__init__(PROJECT_NAME)
        self._check = check
        self._changed = changed
        self.monitors: list[tuple[BeforeTrace, AfterTrace]] = []
        """What `add_hookcall_monitoring` was given, and not taken back."""
        for module in LIFECYCLE_MODULES:
            self.add_hookspecs(module)

    def register(self, plugin: object, name: str | None = None) -> str | None:
        """Register a native pluggy plugin.

        Raises:
            RegistryFrozenError: Registrations are not taken now.
            PluginValidationError: It implements an unknown hook.
        """
        self._check(f"native plugin {name or plugin!r}")
        if name in RESERVED_NAMES:
            raise PluginValidationError(
                plugin, f"the name {name!r} is reserved for the node itself"
            )
        taken = super().register(plugin, name)
        self._changed()
        return taken

    def unregister(self, plugin: object | None = None, name: str | None = None) -> Any:
        """Take a native pluggy plugin out again.

        Raises:
            RegistryFrozenError: Registrations are not taken now.
            ManifestError: It is one of the registry's own.
        """
        self._check(f"or take out native plugin {name or plugin!r}")
        if isinstance(plugin or self.get_plugin(name or ""), Shims):
            message = (
                f"plugin {name or plugin!r} was registered from a manifest and cannot be taken out"
            )
            raise ManifestError(message, fix="make a new HookRegistry without it")
        taken = super().unregister(plugin, name)
        self._changed()
        return taken

    def parse_hookimpl_opts(self, plugin: object, name: str) -> HookimplOpts | None:
        """Refuse what pluggy would take and dispatch could not honour."""
        if isinstance(plugin, Shims):
            return plugin.options
        opts = super().parse_hookimpl_opts(plugin, name)
        if opts is None:
            return None
        hook = opts.get("specname") or name
        if hook not in HOOK_SPECS:
            if opts.get("optionalhook"):
                return opts
            raise PluginValidationError(plugin, f"unknown hook {hook!r}{suggest(hook, HOOK_SPECS)}")
        wraps = opts.get("wrapper") or opts.get("hookwrapper")
        if not wraps and runs_nothing(getattr(plugin, name), HOOK_SPECS[hook]):
            message = f"{hook!r} has a yield: mark it with @hookimpl(wrapper=True), or return"
            raise PluginValidationError(plugin, message)
        return opts

    def add_hookcall_monitoring(self, before: BeforeTrace, after: AfterTrace) -> Callable[[], None]:
        """Have every call of a hook reported; fires then go through pluggy.

        Args:
            before: Called with a hook's name, its implementations and the keywords.
            after: Called with the outcome as well.

        Returns:
            What ends it.

        Raises:
            RegistryFrozenError: Registrations are not taken now.
        """
        self._check("a hook call monitor")
        undo, monitor = super().add_hookcall_monitoring(before, after), (before, after)
        self.monitors.append(monitor)
        self._changed()

        def end() -> None:
            undo()
            if monitor in self.monitors:
                self.monitors.remove(monitor)
                self._changed()

        return end

    def replace(self, old: list[Shims], new: list[Shims]) -> None:
        """Swap the registry's own plugins; native ones stay as if registered after them."""
        own = set(map(id, old))
        native = [(n, p) for n, p in self.list_name_plugin() if p is not None and id(p) not in own]
        for plugin in (*old, *(plugin for _, plugin in native)):
            super().unregister(plugin)
        for shims in new:
            super().register(shims, shims.name)
        for name, plugin in native:
            super().register(plugin, name)


class Shims:
    """The object that pluggy knows a plugin or core handler by: its attributes are hookimpls.

    Args:
        name: The name that pluggy gets.
        handlers: The handlers by hook.
        tryfirst: Whether pluggy is to call them first.
        trylast: Or last.
    """

    def __init__(
        self,
        name: str,
        handlers: Mapping[str, Handler],
        *,
        tryfirst: bool = False,
        trylast: bool = False,
    ) -> None:
        self.name = name
        self.handlers = handlers
        self.options = _FIRST if tryfirst else _LAST if trylast else _AMONG
        """How pluggy is to take them: as a marker would say, but without one for each."""
        for hook, handler in handlers.items():
            setattr(self, hook, handler.hookimpl(HOOK_SPECS[hook]))

    def __dir__(self) -> list[str]:
        """The hooks alone: pluggy looks at every name that it finds here, and takes long."""
        return list(self.handlers)


def _options(*, tryfirst: bool, trylast: bool) -> HookimplOpts:
    return {
        "wrapper": False,
        "hookwrapper": False,
        "optionalhook": False,
        "tryfirst": tryfirst,
        "trylast": trylast,
        "specname": None,
    }


_FIRST: Final = _options(tryfirst=True, trylast=False)
_AMONG: Final = _options(tryfirst=False, trylast=False)
_LAST: Final = _options(tryfirst=False, trylast=True)
