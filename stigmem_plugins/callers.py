"""`registry.hook`: a caller for each hook, as pluggy has them, on the same plans.

Its signatures, for type checkers, are in `callers.pyi`, which is generated from the hookspecs.
"""

from __future__ import annotations

from types import FunctionType
from typing import Any, NoReturn

from stigmem_hookspecs import ALLOW_SINGLETON, HOOK_SPECS
from stigmem_hookspecs.markers import HookSpec
from stigmem_plugins.dispatch import Dispatcher
from stigmem_plugins.errors import suggest
from stigmem_plugins.outline import RULES, compiled
from stigmem_plugins.plans import Function


class HookCallers:
    """Fires each hook by a method of its name: `hook.recall_filter(facts, tenant=tenant)`.

    It takes what `fire_…` takes after the hook's name, and returns and raises the same.

    Example:
        >>> from stigmem_plugins import HookRegistry
        >>> registry = HookRegistry()
        >>> registry.hook.pre_assert_authorize(identity="agent:a")
        Allow()
    """

    def __init__(self, dispatcher: Dispatcher) -> None:
        for spec in HOOK_SPECS.values():
            vars(self)[spec.name] = _live(spec, dispatcher)

    def __getattr__(self, name: str) -> NoReturn:
        message = f"there is no hook {name!r}{suggest(name, HOOK_SPECS)}"
        raise AttributeError(message)

    def bind(self, dispatcher: Dispatcher) -> None:
        """Make the callers direct, now that nothing can be registered any more."""
        if dispatcher.manager.monitors:
            return  # which can be taken back: what fires a hook is not settled yet
        for spec in HOOK_SPECS.values():
            vars(self)[spec.name] = _bound(spec, dispatcher)


def _live(spec: HookSpec, dispatcher: Dispatcher) -> Function:
    """A caller that looks up what fires the hook: also what is registered later."""
    table, name = dispatcher.fires[spec.semantic], spec.name

    def with_value(value: Any, /, **payload: Any) -> Any:
        return table[name](value, payload)

    def without_value(**payload: Any) -> Any:
        return table[name](payload)

    return with_value if spec.semantic.takes_value else without_value


def _bound(spec: HookSpec, dispatcher: Dispatcher) -> Function:
    """A caller that has what fires the hook."""
    if dispatcher.is_silent(spec.name):
        return _silent(spec)
    fire = dispatcher.fires[spec.semantic][spec.name]

    def with_value(value: Any, /, **payload: Any) -> Any:
        return fire(value, payload)

    def without_value(**payload: Any) -> Any:
        return fire(payload)

    return with_value if spec.semantic.takes_value else without_value


def _silent(spec: HookSpec) -> Function:
    """What fires a hook without handlers, called with keywords: it makes no dict of them."""
    value = "value, /, " if spec.semantic.takes_value else ""
    usual = "".join(f"{name}, " for name in spec.keywords)
    code = compiled(f"def fire({value}*, {usual}**_): return {RULES[spec.semantic].empty}")
    fire = FunctionType(code, {"ALLOW": ALLOW_SINGLETON}, spec.name)
    fire.__kwdefaults__ = dict.fromkeys(spec.keywords)
    return fire
