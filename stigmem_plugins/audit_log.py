"""An audit trail that lasts: events appended to a SQLite file, never changed."""

from __future__ import annotations

import json
import sqlite3
import threading
from collections.abc import Iterator
from os import PathLike
from typing import Any, Final

from stigmem_hookspecs import AuditEvent, Failure
from stigmem_plugins.capabilities import PluginContext

_SCHEMA: Final = """
PRAGMA journal_mode = WAL;
PRAGMA synchronous = FULL;
CREATE TABLE IF NOT EXISTS audit (number INTEGER PRIMARY KEY AUTOINCREMENT, event TEXT NOT NULL);
CREATE TRIGGER IF NOT EXISTS no_change BEFORE UPDATE ON audit
BEGIN SELECT RAISE(ABORT, 'the audit trail is append-only'); END;
CREATE TRIGGER IF NOT EXISTS no_removal BEFORE DELETE ON audit
BEGIN SELECT RAISE(ABORT, 'the audit trail is append-only'); END;
"""
_BUSY_SECONDS: Final = 30.0


def event_facts(event: AuditEvent) -> dict[str, Any]:
    """An audit event as JSON values; what JSON has no type for, in words.

    Example:
        >>> from datetime import UTC, datetime
        >>> from stigmem_hookspecs import Failure
        >>> at = datetime(2026, 1, 1, tzinfo=UTC)
        >>> event = AuditEvent("fact.asserted", "agent:a", None, "acme", at, Failure("no"))
        >>> facts = event_facts(event)
        >>> facts["timestamp"], facts["outcome"], facts["reason"]
        ('2026-01-01T00:00:00+00:00', 'failure', 'no')
    """
    failure = event.outcome if isinstance(event.outcome, Failure) else None
    facts = {
        "event_type": event.event_type,
        "actor_uri": event.actor_uri,
        "target_uri": event.target_uri,
        "tenant_id": event.tenant_id,
        "timestamp": event.timestamp.isoformat(),
        "outcome": "failure" if failure else "success",
        "reason": failure.reason if failure else None,
        "exception_type": failure.exception_type if failure else None,
        "metadata": event.metadata,
    }
    return json.loads(json.dumps(facts, default=str))  # type: ignore[no-any-return]  # a dict again


class AuditLog:
    """Keeps every event of the `audit_emit` hook in a SQLite file.

    An event is on the disk when `append` returns. The file is best one of its own: events are
    then kept whatever becomes of a transaction on the host's data, and none waits for it.
    Threads may share a log.

    Args:
        path: The file; made if it is not there.

    Raises:
        sqlite3.Error: It cannot be opened, or is no database.

    Example:
        >>> from stigmem_plugins import HookRegistry, PluginManifest
        >>> log, registry = AuditLog(":memory:"), HookRegistry()
        >>> registry.register_core_handler("audit_emit", log.handler, name="core.000.audit_log")
        >>> registry.register_plugin(PluginManifest("example-plugin", "1.0.0"))
        >>> [(number, facts["event_type"]) for number, facts in log.events()]
        [(1, 'plugin.registered')]
        >>> log.close()
    """

    def __init__(self, path: str | PathLike[str]) -> None:
        self._lock = threading.Lock()
        self._database = sqlite3.connect(
            path, timeout=_BUSY_SECONDS, isolation_level=None, check_same_thread=False
        )
        try:
            self._database.executescript(_SCHEMA)
        except BaseException:
            self._database.close()
            raise

    def append(self, event: AuditEvent) -> int:
        """Keep an event; returns its number, counted from 1 without a gap.

        Raises:
            sqlite3.Error: It cannot be written. On a strict hook the host then learns of it.
        """
        text = json.dumps(event_facts(event))
        with self._lock:
            added = self._database.execute("INSERT INTO audit (event) VALUES (?)", (text,))
        return added.lastrowid or 0

    def handler(self, _ctx: PluginContext, *, event: AuditEvent) -> None:
        """The same as a handler for `audit_emit`."""
        self.append(event)

    def events(self, after: int = 0, limit: int = 1000) -> Iterator[tuple[int, dict[str, Any]]]:
        """Numbers and facts of the events after a number, the oldest first.

        Args:
            after: The last number that is known already.
            limit: At most how many.
        """
        query = "SELECT number, event FROM audit WHERE number > ? ORDER BY number LIMIT ?"
        with self._lock:
            rows = self._database.execute(query, (after, limit)).fetchall()
        for number, text in rows:
            yield number, json.loads(text)

    def close(self) -> None:
        """Close the file."""
        self._database.close()
