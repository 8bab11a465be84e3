"""From a manifest's handler to a pluggy hookimpl.

Payloads are open: a handler may name fewer keywords than a fire carries, or take them all with
`**kw`. pluggy's argument lists are closed, and it registers plain functions only. So a
`Handler` is bound to the keywords that `signatures` read, and pluggy gets a method of it that
asks for the value and the mapping of all keywords.
"""

from __future__ import annotations

from collections.abc import Callable
from types import CoroutineType
from typing import Any, Protocol

from attrs import field, frozen
from pluggy import HookImpl

from stigmem_hookspecs.markers import HookSpec, Payload
from stigmem_plugins.capabilities import PluginContext
from stigmem_plugins.signatures import Keywords, handler_label, is_asynchronous


class Called(Protocol):
    """What the combiners fold over."""

    @property
    def plugin_name(self) -> str:
        """The plugin that the handler belongs to; `core` for the node's own."""

    @property
    def handler_name(self) -> str:
        """The name that errors, audit events and listings use."""

    @property
    def secrets(self) -> tuple[str, ...]:
        """Configured values that must not be repeated in errors and audit events."""

    @property
    def asynchronous(self) -> bool:
        """Whether calling it gives a coroutine."""

    def __call__(self, payload: Payload, /, *value: Any) -> Any:
        """Call the handler with the payload's keywords and, if its hook has one, the value."""


@frozen(eq=False, repr=False, weakref_slot=False)
class Handler:
    """A handler of a plugin or of the node, bound to its context."""

    plugin_name: str
    handler_name: str
    function: Callable[..., Any]
    keywords: Keywords
    context: PluginContext
    secrets: tuple[str, ...] = field(default=(), repr=False)
    asynchronous: bool = False
    """Whether calling it gives a coroutine."""
    async_safe: bool = True
    """Whether it may run in an event loop's thread."""
    timeout: float | None = None
    """Its deadline in seconds."""

    @property
    def inline(self) -> bool:
        """Whether an event loop can call it, or await it, as it is."""
        return self.asynchronous or self.async_safe

    def __call__(self, payload: Payload, *value: Any) -> Any:
        """Call the function with the context, the value and the keywords that it takes."""
        return self.function(self.context, *value, **self.keywords.choose(payload))

    def hookimpl(self, spec: HookSpec) -> Callable[..., Any]:
        """What pluggy is given for it: a method that asks for the value and all keywords."""
        return self._with_value if spec.semantic.takes_value else self._without_value

    def _with_value(self, value: Any, payload: Payload) -> Any:
        return self(payload, value)

    def _without_value(self, payload: Payload) -> Any:
        return self(payload)


def discard(result: Any) -> Any:
    """A result that is refused, closed if it is a coroutine: nobody will await it.

    Example:
        >>> async def answer(): ...
        >>> discard(answer()).cr_frame is None
        True
    """
    if isinstance(result, CoroutineType):
        result.close()
    return result


@frozen(eq=False, repr=False, weakref_slot=False)
class NativeHandler:
    """An implementation that somebody registered with pluggy directly, called pluggy's way."""

    impl: HookImpl
    secrets: tuple[str, ...] = ()

    @property
    def asynchronous(self) -> bool:
        """Whether calling it gives a coroutine."""
        return is_asynchronous(self.impl.function)

    @property
    def plugin_name(self) -> str:
        """The name under which pluggy knows the plugin."""
        return self.impl.plugin_name

    @property
    def handler_name(self) -> str:
        """The plugin's name and the function's."""
        return f"{self.impl.plugin_name}.{handler_label(self.impl.function)}"

    def __call__(self, payload: Payload, *value: Any) -> Any:
        """Call the function with the arguments of the hookspec that it names."""
        # The payload is the other handlers' too: this one's to change is a copy.
        given = {**payload, "payload": dict(payload), **dict(zip(("value",), value, strict=False))}
        keywords = {name: given[name] for name in self.impl.kwargnames if name in given}
        # A keyword that this fire lacks is None, which is its default in every hookspec.
        return self.impl.function(*map(given.get, self.impl.argnames), **keywords)


@frozen(eq=False, repr=False, weakref_slot=False)
class Answered:
    """A handler that was called already: stands for it where the rest of a hook goes on.

    Args:
        handler: The handler.
        result: What it returned.
        error: What it raised instead.
        asynchronous: Not any more.
    """

    handler: Called
    result: Any = None
    error: BaseException | None = None
    asynchronous: bool = False

    @property
    def plugin_name(self) -> str:
        """The handler's."""
        return self.handler.plugin_name

    @property
    def handler_name(self) -> str:
        """The same."""
        return self.handler.handler_name

    @property
    def secrets(self) -> tuple[str, ...]:
        """The same."""
        return self.handler.secrets

    def __call__(self, _payload: Payload, *_value: Any) -> Any:
        """Return, or raise, what the handler did."""
        if self.error is not None:
            raise self.error
        return self.result
