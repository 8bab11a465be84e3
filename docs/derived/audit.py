"""The reference of audit events: each is made here, and shown as it came."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from typing import Any

from derived.docstrings import constants
from derived.markdown import code, joined, listed, opening, table
from stigmem_plugins import (
    AuditEvent,
    Deny,
    Failure,
    PluginExecutionError,
    PluginManifest,
    StigmemPluginError,
    audit,
    checks,
)
from stigmem_plugins.errors import SHORTEST_SECRET, TEXT_LIMIT
from stigmem_plugins.testing import TestPluginRegistry
from stigmem_plugins.trust import decision

TIMESTAMP = "2026-01-01T00:00:00+00:00"
"""In the place of the time at which an example was made."""

TEXT = """\
The plugin layer hands an `AuditEvent` for each of these to the `audit_emit` hook. The host's own
handler there, a [core handler](../embed.md#handlers-and-handles-of-your-own), keeps them.

Text that comes from a plugin is cut at {limit} characters, and the plugin's secret configuration
values are masked in it, if they have {shortest} characters or more. If a handler of `audit_emit`
fails on one of these events, that is logged and counted, and what the event is about stands.
"""

FIELDS = f"""\
| Field of the event | What it is |
|---|---|
| `event_type` | one of those above |
| `actor_uri` | `{audit.ACTOR_URI}` |
| `target_uri` | `plugin:` and the plugin's name |
| `tenant_id` | `system` |
| `timestamp` | when, with its time zone |
| `outcome` | `Success()`, or `Failure` with the reason |
| `metadata` | what is known besides; see below |
"""

REASONS = """\
## Reasons

The `reason` of a `plugin.registration_failed`. What to do about each is in
[operating](../operate.md#why-a-plugin-is-refused).
"""

DECISIONS = """\
## Trust decisions

The `trust_decision` under `signing`; `trust_reason` beside it says why in words, and `issuer` who
vouched for a verified identity. Both are None where nobody was asked, which is so for plugins that
the host registers itself. `signed_by` is the verified identity or `unsigned`. What a host merely
claims stands under `claimed`.
"""


def page() -> str:
    """The whole page."""
    meanings = constants(audit)
    examples = made()
    events = (
        [f"[`{each}`](#{anchor(each)})", meanings[each], listed(list(examples[each].metadata)[1:])]
        for each in audit.EVENT_TYPES
    )
    reasons, decisions = constants(checks), constants(decision)
    return joined(
        opening("Audit events", "`stigmem_plugins/audit.py` and `checks.py`"),
        TEXT.format(limit=TEXT_LIMIT, shortest=SHORTEST_SECRET),
        table(["Event", "When", "`metadata` besides `plugin_name`"], events),
        FIELDS,
        REASONS,
        table(["Reason", "What is wrong"], ([code(r), reasons[r]] for r in checks.REASONS)),
        DECISIONS,
        table(["Decision", "Why it was let in"], ([code(d), t] for d, t in decisions.items())),
        *(part for each in audit.EVENT_TYPES for part in example(examples[each])),
    )


def anchor(event_type: str) -> str:
    """What links to an event's section."""
    return event_type.replace(".", "")


def made() -> dict[str, AuditEvent]:
    """One event of each type, from a registry to which it happened.

    Raises:
        LookupError: There is a type that nothing here makes.
    """
    registry = TestPluginRegistry(stigmem_version="0.9.0a12")
    acts: tuple[Callable[[], Any], ...] = (
        lambda: registry.register_plugin(PLUGIN),
        lambda: registry.register_plugin(PLUGIN),
        lambda: registry.fire_voting("pre_assert_authorize", identity="agent:blocked"),
        lambda: registry.fire_filter_chain("recall_filter", []),
    )
    for act in acts:
        with suppress(StigmemPluginError, PluginExecutionError):
            act()
    events = {event.event_type: event for event in registry.audit_events}
    if missing := set(audit.EVENT_TYPES) - set(events):
        raise LookupError(missing)
    return events


def keep_out(_ctx: Any, **_: Any) -> Deny:
    """Deny whatever is asked."""
    return Deny("this agent is blocked")


def hide(_ctx: Any, facts: list[Any], **_: Any) -> list[Any]:
    """Fail."""
    message = f"no rule for {len(facts)} facts"
    raise RuntimeError(message)


PLUGIN = PluginManifest(
    "example-plugin",
    "1.0.0",
    capabilities={"audit.emit"},
    hooks={"pre_assert_authorize": keep_out, "recall_filter": hide},
)


def example(event: AuditEvent) -> Iterator[str]:
    """An event's part of the page."""
    failed = isinstance(event.outcome, Failure)
    shown = {
        "event_type": event.event_type,
        "actor_uri": event.actor_uri,
        "target_uri": event.target_uri,
        "tenant_id": event.tenant_id,
        "timestamp": TIMESTAMP,
        "outcome": repr(event.outcome) if failed else "Success()",
        "metadata": event.metadata,
    }
    yield f"## {event.event_type}"
    text = json.dumps(shown, indent=2, default=plain)
    yield f"```json\n{text}\n```"


def plain(value: Any) -> Any:
    """What JSON does not know, as it does."""
    return dict(value) if isinstance(value, Mapping) else list(value)
