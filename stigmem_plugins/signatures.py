"""What a handler's signature says: which keywords it takes, and whether it must be awaited."""

from __future__ import annotations

import inspect
import itertools
from collections.abc import Callable, Iterable
from functools import lru_cache, partial
from types import FunctionType, MethodType
from typing import Any, Final

from attrs import frozen

from stigmem_hookspecs.markers import HookSemantic, HookSpec, Payload
from stigmem_plugins.errors import ManifestError

_NAMED: Final = {inspect.Parameter.POSITIONAL_OR_KEYWORD, inspect.Parameter.KEYWORD_ONLY}
_MOST_WRAPPERS: Final = 100
_YIELDING: Final = inspect.CO_GENERATOR | inspect.CO_ASYNC_GENERATOR
_POSITIONAL: Final = {
    inspect.Parameter.POSITIONAL_ONLY,
    inspect.Parameter.POSITIONAL_OR_KEYWORD,
}


@frozen(eq=False)
class Keywords:
    """Which of a payload's keywords a handler gets.

    Args:
        named: The keywords that it names.
        taken: Parameters that the positional arguments fill: a keyword of the same name is
            surplus, and dropped like any other. Positional-only ones take no name.
        everything: Whether it takes all the others with `**kw`.
        order: Those that can be given by position too, after the positional arguments.
    """

    named: frozenset[str]
    taken: frozenset[str]
    everything: bool
    order: tuple[str, ...] = ()

    def choose(self, payload: Payload) -> Payload:
        """The part of the payload that is passed on.

        Example:
            >>> Keywords(frozenset({"fact"}), frozenset({"ctx"}), False).choose({"fact": 1, "z": 2})
            {'fact': 1}
            >>> Keywords(frozenset(), frozenset({"ctx"}), True).choose({"ctx": 1, "z": 2})
            {'z': 2}
        """
        if self.everything:
            if self.taken.isdisjoint(payload):
                return payload
            return {name: value for name, value in payload.items() if name not in self.taken}
        return {name: payload[name] for name in self.named if name in payload}


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
        ManifestError: It cannot be called with the hook's positional arguments, or calling it
            would run nothing.

    Example:
        >>> from stigmem_hookspecs import HOOK_SPECS
        >>> read_keywords(lambda ctx, *, event: None, HOOK_SPECS["audit_emit"])
        Keywords(named=frozenset({'event'}), taken=frozenset({'ctx'}), everything=False, order=())
    """
    if runs_nothing(function, spec):
        message = (
            f"handler {handler_label(function)!r} for hook {spec.name!r} has a yield, so that "
            "calling it runs nothing"
        )
        raise ManifestError(message, fix="collect what it yields, and return that")
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
    everything = _takes_everything(layers[-1])
    order = _order(function, positional, spec)
    return _shared(frozenset(named - taken), frozenset(taken), everything, order)


@lru_cache(maxsize=1024)
def _shared(
    named: frozenset[str],
    taken: frozenset[str],
    everything: bool,  # noqa: FBT001  # as Keywords has it
    order: tuple[str, ...],
) -> Keywords:
    """The first of these: most handlers take the same keywords, and sets are large."""
    return Keywords(named, taken, everything, order)


def _order(
    function: Callable[..., Any], positional: list[inspect.Parameter], spec: HookSpec
) -> tuple[str, ...]:
    """The names in their order, where the signature is surely that of the function itself."""
    if not inspect.isroutine(function) or hasattr(function, "__signature__"):
        return ()
    following = itertools.takewhile(lambda p: p.kind in _NAMED, positional[spec.positional :])
    return tuple(p.name for p in following)


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


def runs_nothing(function: Any, spec: HookSpec) -> bool:
    """Whether calling it as a handler does nothing: it is a generator function, of either kind.

    In a chain, whoever reads its result runs it.

    Example:
        >>> from stigmem_hookspecs import HOOK_SPECS
        >>> runs_nothing(lambda ctx, event: (yield), HOOK_SPECS["audit_emit"])
        True
    """
    if spec.semantic is HookSemantic.FILTER_CHAIN:
        return False
    while isinstance(function, partial):
        function = function.func
    plain = isinstance(function, (FunctionType, MethodType))
    code = getattr(function if plain else type(function).__call__, "__code__", None)
    return code is not None and bool(code.co_flags & _YIELDING)


def is_asynchronous(function: Any) -> bool:
    """Whether calling it gives a coroutine, as far as can be seen without doing so.

    Example:
        >>> class Voter:
        ...     async def __call__(self, ctx): ...
        >>> is_asynchronous(partial(Voter())), is_asynchronous(print)
        (True, False)
    """
    while isinstance(function, partial):
        function = function.func
    return inspect.iscoroutinefunction(function) or (
        not inspect.isroutine(function) and inspect.iscoroutinefunction(type(function).__call__)
    )
