"""The decorators that declare a hook, and the vocabulary they use.

A hook is declared once, by decorating its specification with one of `voting`,
`filter_chain`, `score_delta` or `fire_and_forget`. The decorator records band, ordering and
strictness; everything else that names hooks is derived from that record.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from enum import IntEnum, StrEnum
from types import MappingProxyType
from typing import Any, Final, Protocol, TypeAlias, TypeVar

from attrs import frozen
from pluggy import HookimplMarker, HookspecMarker

PROJECT_NAME: Final = "stigmem"
"""The pluggy project name: markers and plugin manager must agree on it."""

hookspec: Final = HookspecMarker(PROJECT_NAME)
hookimpl: Final = HookimplMarker(PROJECT_NAME)
"""Marks a function as a native pluggy implementation of one of the hooks."""

Payload: TypeAlias = Mapping[str, Any]
"""All keywords of a fire, exactly as the host passed them."""

NO_PAYLOAD: Final[Payload] = MappingProxyType({})


class Band(IntEnum):
    """The phase of a request that a hook belongs to; lower bands come first."""

    AUTHN = 10
    AUTHZ = 20
    VALIDATE = 30
    TRANSFORM = 40
    FILTER = 50
    RANK = 60
    PERSIST = 70
    AUDIT = 80
    OBSERVE = 90


class HookSemantic(StrEnum):
    """How the results of several handlers become one result."""

    VOTING = "voting"
    FILTER_CHAIN = "filter_chain"
    SCORE_DELTA = "score_delta"
    FIRE_AND_FORGET = "fire_and_forget"

    @property
    def takes_value(self) -> bool:
        """Whether handlers get a value as their second positional argument."""
        return self in {HookSemantic.FILTER_CHAIN, HookSemantic.SCORE_DELTA}


class HookOrdering(StrEnum):
    """Where the node's own (core) handlers stand among those of plugins."""

    CORE_FIRST = "core_first"
    PLUGINS_FIRST = "plugins_first"
    CORE_ONLY_DEFAULT = "core_only_default"
    PLUGIN_ONLY = "plugin_only"


ResultCheck: TypeAlias = Callable[[str, Any, Any], str | None]
"""`check(plugin_name, value, result)` returns what is wrong with a handler's result, or None."""


@frozen
class HookSpec:
    """The declaration of one hook, as its decorator recorded it."""

    name: str
    band: Band
    semantic: HookSemantic
    ordering: HookOrdering
    strict: bool = False
    check: ResultCheck | None = None
    keywords: tuple[str, ...] = ()
    """The keywords that a node passes, as far as the specification names them."""

    @property
    def positional(self) -> int:
        """How many positional arguments a handler gets, counting the context."""
        return 2 if self.semantic.takes_value else 1


DECLARATION: Final = "stigmem_hook"
_F = TypeVar("_F", bound=Callable[..., Any])


class _Decorator(Protocol):
    def __call__(self, function: _F, /) -> _F: ...


def _declare(
    semantic: HookSemantic,
    band: Band,
    ordering: HookOrdering,
    *,
    strict: bool = False,
    check: ResultCheck | None = None,
) -> _Decorator:
    def declare(function: _F) -> _F:
        parameters = inspect.signature(function).parameters
        keywords = tuple(name for name in parameters if name not in {"value", "payload"})
        spec = HookSpec(function.__name__, band, semantic, ordering, strict, check, keywords)
        setattr(function, DECLARATION, spec)
        return hookspec(function)

    return declare


def voting(band: Band, ordering: HookOrdering) -> _Decorator:
    """Declare a hook whose handlers return Allow or Deny; the first Deny wins."""
    return _declare(HookSemantic.VOTING, band, ordering)


def filter_chain(
    band: Band, ordering: HookOrdering, *, check: ResultCheck | None = None
) -> _Decorator:
    """Declare a hook whose handlers each return the value that the next one gets.

    Args:
        band: The phase that the hook belongs to.
        ordering: Where core handlers stand.
        check: Looks at each handler's result beyond its being there.
    """
    return _declare(HookSemantic.FILTER_CHAIN, band, ordering, check=check)


def score_delta(band: Band, ordering: HookOrdering) -> _Decorator:
    """Declare a hook whose handlers return score changes by id, which are summed."""
    return _declare(HookSemantic.SCORE_DELTA, band, ordering)


def fire_and_forget(band: Band, ordering: HookOrdering, *, strict: bool = False) -> _Decorator:
    """Declare a hook whose handlers are told of something and return nothing.

    Args:
        band: The phase that the hook belongs to.
        ordering: Where core handlers stand.
        strict: Whether a handler's failure reaches the host, once all handlers have run.
    """
    return _declare(HookSemantic.FIRE_AND_FORGET, band, ordering, strict=strict)
