"""Audit events as a test expects them, and what is different about those that came."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from itertools import zip_longest
from typing import Any, Final

from attrs import asdict

from stigmem_hookspecs import AuditEvent
from stigmem_plugins.errors import shown

_MISSING: Final = object()
_NOTHING: Final[Any] = object()


class ExpectedEvent:
    """Equals every audit event that has these fields and metadata."""

    __hash__ = None  # type: ignore[assignment]  # it equals events that are not equal

    def __init__(self, event_type: str, facts: Mapping[str, Any]) -> None:
        self.event_type = event_type
        self._facts = facts

    def differences(self, event: AuditEvent) -> list[str]:
        """Where an event is not as expected, a line each."""
        found = {**event.metadata, **asdict(event, recurse=False)}
        return list(_differences({"event_type": self.event_type, **self._facts}, found))

    def __eq__(self, other: object) -> bool:
        return not self.differences(other) if isinstance(other, AuditEvent) else NotImplemented

    def __repr__(self) -> str:
        facts = "".join(f", {name}={shown(value)}" for name, value in self._facts.items())
        return f"audited({self.event_type!r}{facts})"


def audited(event_type: str, /, **facts: Any) -> Any:
    """What a test expects of an audit event: compare it with events, or look for it among them.

    When an `assert` that compares with `==` fails, pytest shows which facts differ.

    Args:
        event_type: Its type, such as `plugin.handler_denied`.
        **facts: Other fields of `AuditEvent`, such as `outcome`, or keys of its metadata. What is
            not named may be anything, also in a mapping.

    Example:
        >>> from stigmem_hookspecs import Deny
        >>> from stigmem_plugins.testing import TestPluginRegistry
        >>> registry = TestPluginRegistry.with_hooks(capability_check=lambda ctx, **_: Deny("no"))
        >>> registry.fire_voting("capability_check")
        Deny(reason='no')
        >>> registry.audit_events == [
        ...     audited("plugin.registered", plugin_name="example-plugin"),
        ...     audited("plugin.handler_denied", hook="capability_check", reason="no"),
        ... ]
        True
        >>> audited("plugin.handler_error") in registry.audit_events
        False
    """
    return ExpectedEvent(event_type, facts)


def explain(op: str, left: object, right: object) -> list[str] | None:
    """Lines that say how events differ from those expected; None if it is not about these."""
    if op == "in" and isinstance(left, ExpectedEvent) and isinstance(right, list):
        events = [event for event in right if isinstance(event, AuditEvent)]
        came = [line for event in events for line in _nearness(left, event)]
        return [f"{left!r} is not among these {len(events)} audit events:", *came]
    if op == "==" and isinstance(left, list) and isinstance(right, list):
        return _explain_lists(left, right)
    pair = _pair(left, right) if op == "==" else None
    return _nearness(*pair) if pair else None


def _nearness(expected: ExpectedEvent, event: AuditEvent) -> list[str]:
    """An event; and how near it comes to the expected one, if it is of the same type."""
    if event.event_type != expected.event_type:
        return [_summary(event)]
    differences = [f"    {line}" for line in expected.differences(event)]
    return [f"{event.event_type} is not {expected!r}:", *differences]


def _explain_lists(left: list[Any], right: list[Any]) -> list[str] | None:
    if not any(isinstance(each, ExpectedEvent) for each in (*left, *right)):
        return None
    lines = []
    expecting_right = any(isinstance(each, ExpectedEvent) for each in right)
    for at, (one, other) in enumerate(zip_longest(left, right, fillvalue=_NOTHING)):
        came, expected = (one, other) if expecting_right else (other, one)
        if came is _NOTHING:
            lines.append(f"[{at}] did not come: {expected!r}")
        elif expected is _NOTHING:
            lines.append(f"[{at}] was not expected: {_summary(came)}")
        elif came == expected:
            lines.append(f"[{at}] {_summary(came)}")
        else:
            different = explain("==", came, expected) or [_summary(came)]
            lines += [f"[{at}] {different[0]}", *different[1:]]
    return ["audit events are not as expected:", *lines]


def _pair(left: object, right: object) -> tuple[ExpectedEvent, AuditEvent] | None:
    for expected, event in ((left, right), (right, left)):
        if isinstance(expected, ExpectedEvent) and isinstance(event, AuditEvent):
            return expected, event
    return None


def _summary(event: object) -> str:
    if not isinstance(event, AuditEvent):
        return shown(event)
    named = {name: event.metadata.get(name) for name in ("plugin_name", "hook", "reason")}
    facts = ", ".join(f"{name}={value!r}" for name, value in named.items() if value is not None)
    return f"{event.event_type} ({facts})"


def _differences(
    expected: Mapping[str, Any], found: Mapping[str, Any], prefix: str = ""
) -> Iterator[str]:
    for name, value in expected.items():
        got = found.get(name, _MISSING)
        if got is _MISSING:
            known = ", ".join(sorted(found))
            yield f"{prefix}{name}: not there, expected {shown(value)}; there are {known}"
        elif isinstance(value, Mapping) and isinstance(got, Mapping):
            yield from _differences(value, got, f"{prefix}{name}.")
        elif got != value:
            yield f"{prefix}{name}: {shown(got)}, expected {shown(value)}"
