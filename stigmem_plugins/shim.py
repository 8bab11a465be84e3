"""From a manifest's handler to a pluggy hookimpl.

Payloads are open: a handler may name fewer keywords than a fire carries, or take them all with
`**kw`. pluggy's argument lists are closed, and it registers plain functions only. So a
`Handler` reads the callable's own signature once, and `hookimpl_function` gives pluggy a
plain function that asks for the value and the mapping of all keywords.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterable
from functools import partial
from types import CoroutineType, MethodType
from typing import Any, Final, Protocol

from attrs import field, frozen
from pluggy import HookImpl

from stigmem_hookspecs.markers import HookSpec, Payload
from stigmem_plugins.capabilities import PluginContext
from stigmem_plugins.errors import ManifestError

_NAMED: Final = {inspect.Parameter.POSITIONAL_OR_KEYWORD, inspect.Parameter.KEYWORD_ONLY}
_MOST_WRAPPERS: Final = 100
_POSITIONAL: Final = {
    inspect.Parameter.POSITIONAL_ONLY,
    inspect.Parameter.POSITIONAL_OR_KEYWORD,
}


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

    def __call__(self, payload: Payload, *value: Any) -> Any:
        """Call the handler with the payload's keywords and, if its hook has one, the value."""


@frozen
class Keywords:
    """Which of a payload's keywords a handler gets.

    Args:
        named: The keywords that it names.
        taken: Parameters that the positional arguments fill: a keyword of the same name is
            surplus, and dropped like any other. Positional-only ones take no name.
        everything: Whether it takes all the others with `**kw`.
    """

    named: frozenset[str]
    taken: frozenset[str]
    everything: bool

    def choose(self, payload: Payload) -> Payload:
        """The part of the payload that is passed on.

        Example:
            >>> Keywords(frozenset({"fact"}), frozenset({"ctx"}), False).choose({"fact": 1, "z": 2})
            {'fact': 1}
        """
        if self.everything:
            if self.taken.isdisjoint(payload):
                return payload
            return {name: value for name, value in payload.items() if name not in self.taken}
        return {name: payload[name] for name in self.named if name in payload}


@frozen(eq=False)
class Handler:
    """A handler of a plugin or of the node, bound to its context."""

    plugin_name: str
    handler_name: str
    function: Callable[..., Any]
    keywords: Keywords
    context: PluginContext
    secrets: tuple[str, ...] = field(default=(), repr=False)

    def __call__(self, payload: Payload, *value: Any) -> Any:
        """Call the function with the context, the value and the keywords that it takes."""
        return self.function(self.context, *value, **self.keywords.choose(payload))


def handler_label(function: Callable[..., Any]) -> str:
    """The callable's own name: of a partial its function's, of an instance its class's.

    Example:
        >>> handler_label(partial(print)), handler_label(inspect.Signature())
        ('print', 'Signature')
    """
    while isinstance(function, partial):
        function = function.func
    return str(getattr(function, "__name__", type(function).__name__))


def read_keywords(function: Callable[..., Any], spec: HookSpec) -> Keywords:
    """Read from a handler's signature which keywords it can be given.

    Args:
        function: Any callable.
        spec: The hook that it is to handle.

    Raises:
        ManifestError: It cannot be called with the hook's positional arguments.

    Example:
        >>> from stigmem_hookspecs import HOOK_SPECS
        >>> read_keywords(lambda ctx, *, event: None, HOOK_SPECS["audit_emit"])
        Keywords(named=frozenset({'event'}), taken=frozenset({'ctx'}), everything=False)
    """
    try:
        parameters, layers = _parameters(function), _layers(function)
    except (ValueError, TypeError):
        message = f"handler {handler_label(function)!r} for hook {spec.name!r} has no signature"
        raise ManifestError(message, fix="wrap it in a function") from None
    kinds = {parameter.kind for parameter in parameters}
    positional = [parameter for parameter in parameters if parameter.kind in _POSITIONAL]
    unfillable = [
        parameter.name
        for parameter in positional[spec.positional :]
        if parameter.kind is inspect.Parameter.POSITIONAL_ONLY
        and parameter.default is parameter.empty
    ]
    accepts = len(positional) if inspect.Parameter.VAR_POSITIONAL not in kinds else spec.positional
    if accepts < spec.positional or unfillable:
        arguments = "(ctx, value, **payload)" if spec.semantic.takes_value else "(ctx, **payload)"
        message = (
            f"handler {handler_label(function)!r} for hook {spec.name!r} must accept at least "
            f"{spec.positional} positional argument{'s' if spec.positional > 1 else ''} and need "
            "no other that cannot be given by keyword"
        )
        raise ManifestError(message, fix=f"give it the signature {arguments}")
    taken = _bound(function)
    named: set[str] = set()
    for layer in layers:
        filled = [p for p in layer if p.kind in _POSITIONAL][: spec.positional]
        taken.update(p.name for p in filled if p.kind in _NAMED)
        named.update(p.name for p in layer if p.kind in _NAMED)
    return Keywords(frozenset(named - taken), frozenset(taken), _takes_everything(layers[-1]))


def _parameters(function: Callable[..., Any]) -> list[inspect.Parameter]:
    return list(inspect.signature(function, follow_wrapped=False).parameters.values())


def _takes_everything(parameters: Iterable[inspect.Parameter]) -> bool:
    return any(parameter.kind is inspect.Parameter.VAR_KEYWORD for parameter in parameters)


def _layers(function: Callable[..., Any]) -> list[list[inspect.Parameter]]:
    """The parameters of a function and of those it wraps, as far as `**kw` passes keywords on."""
    layers = [_parameters(function)]
    owner = getattr(function, "__self__", None)
    while _takes_everything(layers[-1]) and hasattr(function, "__wrapped__"):
        function = function.__wrapped__
        layers.append(_parameters(function if owner is None else MethodType(function, owner)))
        if len(layers) > _MOST_WRAPPERS:
            message = f"{handler_label(function)!r} is wrapped too often"
            raise ValueError(message)
    return layers


def _bound(function: Callable[..., Any]) -> set[str]:
    """The names that keywords cannot have, since parameters of theirs are filled already."""
    if isinstance(function, partial):
        inner = [p for p in _parameters(function.func) if p.kind in _POSITIONAL]
        filled = inner[: len(function.args)]
        return _bound(function.func).union(p.name for p in filled if p.kind in _NAMED)
    if inspect.ismethod(function):
        filled = _parameters(function.__func__)[:1]
    elif not inspect.isroutine(function) and inspect.isfunction(call := type(function).__call__):
        filled = _parameters(call)[:1]
    else:
        filled = []
    return {p.name for p in filled if p.kind in _NAMED}


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


def hookimpl_function(handler: Handler, spec: HookSpec) -> Callable[..., Any]:
    """A plain function for pluggy that calls the handler."""

    def with_value(value: Any, payload: Payload) -> Any:
        return handler(payload, value)

    def without_value(payload: Payload) -> Any:
        return handler(payload)

    return with_value if spec.semantic.takes_value else without_value


@frozen(eq=False)
class NativeHandler:
    """An implementation that somebody registered with pluggy directly, called pluggy's way."""

    impl: HookImpl
    secrets: tuple[str, ...] = ()

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
        given = {**payload, "payload": payload, **dict(zip(("value",), value, strict=False))}
        keywords = {name: given[name] for name in self.impl.kwargnames if name in given}
        # A keyword that this fire lacks is None, which is its default in every hookspec.
        return self.impl.function(*map(given.get, self.impl.argnames), **keywords)
