"""The values that hosts and handlers exchange: immutable, and equal when their fields are."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from enum import StrEnum
from typing import Any, Final, Never, Self, TypeAlias

from attrs import Attribute, field, frozen
from attrs.validators import instance_of

AssertionRequest: TypeAlias = Any
"""A request to store a fact; its type is the host's."""
FactRecord: TypeAlias = Any
"""A stored fact; its type is the host's. In federation it is a dict."""
Identity: TypeAlias = Any
"""Who is asking, as the host authenticated it; its type is the host's."""
Peer: TypeAlias = Any
"""The federation peer on the other side; its type is the host's."""


class FrozenDict(dict[str, Any]):
    """A dict that refuses to be changed, and so do the dicts in it.

    It stays a dict so that JSON encoders, `copy`, `pickle` and `==` treat it as one.

    Example:
        >>> metadata = FrozenDict(source="hook")
        >>> metadata == {"source": "hook"}
        True
        >>> metadata["source"] = "me"
        Traceback (most recent call last):
        TypeError: FrozenDict is read-only; build a new one: {**old, 'key': value}
    """

    def __new__(cls, *args: Any, **kwargs: Any) -> Self:
        """Take what `dict` takes; one of its own kind is as good as a copy of it."""
        if len(args) == 1 and type(args[0]) is cls and not kwargs:
            return args[0]
        self = super().__new__(cls)
        for key, value in dict(*args, **kwargs).items():
            dict.__setitem__(self, key, cls(value) if isinstance(value, dict) else value)
        return self

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        """Filled by `__new__`; calling this again changes nothing."""

    def _refuse(self, *_args: object, **_kwargs: object) -> Never:
        message = "FrozenDict is read-only; build a new one: {**old, 'key': value}"
        raise TypeError(message)

    __setitem__ = __delitem__ = __ior__ = _refuse
    clear = pop = popitem = setdefault = update = _refuse

    def __hash__(self) -> int:  # type: ignore[override]  # a dict has none because it changes
        """Of its items, if they have one."""
        return hash(frozenset(self.items()))

    def __reduce__(self) -> tuple[type[Self], tuple[dict[str, Any]]]:
        return type(self), (dict(self),)


@frozen
class Allow:
    """A vote that lets the operation go on."""


@frozen
class Deny:
    """A vote that stops the operation.

    Args:
        reason: Why, in words that the caller may be shown.
    """

    reason: str


VotingDecision: TypeAlias = Allow | Deny

ALLOW_SINGLETON: Final = Allow()
"""The `Allow` that combiners return; every `Allow()` equals it."""


@frozen
class Success:
    """The outcome of an operation that was carried out."""


@frozen
class Failure:
    """The outcome of an operation that was not carried out.

    Args:
        reason: Why not.
        exception_type: The name of the exception's class, if one was raised.
    """

    reason: str
    exception_type: str | None = None


Outcome: TypeAlias = Success | Failure


@frozen
class TenantContext:
    """The tenant on whose behalf a request runs.

    Args:
        tenant_id: The tenant's id.
        metadata: Where that id came from; copied, then read-only.
    """

    tenant_id: str
    metadata: Mapping[str, Any] = field(factory=FrozenDict, converter=FrozenDict)


SYSTEM_TENANT: Final = TenantContext("system", {"tenant_context_source": "system"})


@frozen
class Migration:
    """A change to the host's database schema that a plugin asks for.

    Args:
        plugin_name: The plugin that declares it; it must be the declaring plugin's own name.
        migration_id: Its number within that plugin, counted from 1.
        sql: The statements to run.
        description: What it does, in a few words.
        plugin_version: The version of the plugin that declares it.
        backend: The database that `sql` is written for.
    """

    plugin_name: str
    migration_id: int = field(validator=instance_of(int))
    sql: str
    description: str
    plugin_version: str = "0.0.0"
    backend: str = "sqlite"


class PluginHealthStatus(StrEnum):
    """How a plugin is doing."""

    HEALTHY = "healthy"
    DEGRADED = "degraded"
    UNHEALTHY = "unhealthy"
    UNKNOWN = "unknown"


@frozen
class PluginHealth:
    """What a plugin's health check returns.

    Args:
        status: A `PluginHealthStatus` or its value; anything else is a ValueError.
        message: For the operator.
    """

    status: PluginHealthStatus = field(converter=PluginHealthStatus)
    message: str = ""


def _aware(_instance: AuditEvent, attribute: Attribute[datetime], value: datetime) -> None:
    if getattr(value, "tzinfo", None) is None:
        message = (
            f"{attribute.name} must be a timezone-aware datetime; use datetime.now(timezone.utc)"
        )
        raise ValueError(message)


@frozen
class AuditEvent:
    """Something that the audit trail records.

    Args:
        event_type: Dotted name of what happened, such as `plugin.registered`.
        actor_uri: Who did it.
        target_uri: What it was done to, or None.
        tenant_id: The tenant concerned.
        timestamp: When, as an aware datetime; a naive one is a ValueError.
        outcome: `Success()` or `Failure(reason)`.
        metadata: Further facts; copied, then read-only.
    """

    event_type: str
    actor_uri: str
    target_uri: str | None
    tenant_id: str
    timestamp: datetime = field(validator=_aware)
    outcome: Outcome
    metadata: Mapping[str, Any] = field(factory=FrozenDict, converter=FrozenDict)
