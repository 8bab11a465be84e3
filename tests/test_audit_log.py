"""The audit log that lasts, and what a health endpoint shows."""

import sqlite3
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path

import pytest

from stigmem_plugins import (
    AuditEvent,
    AuditLog,
    Failure,
    HookRegistry,
    Outcome,
    PluginHealth,
    PluginHealthStatus,
    Success,
    event_facts,
    health_payload,
)
from tests.support import manifest

AT = datetime(2026, 1, 1, tzinfo=UTC)


def event(outcome: Outcome | None = None, **metadata):
    """An event about nothing in particular."""
    outcome = outcome or Success()
    return AuditEvent("fact.asserted", "agent:a", "fact-1", "acme", AT, outcome, metadata)


@pytest.fixture
def open_log(tmp_path: Path) -> Iterator[Callable[[], AuditLog]]:
    """Opens a log on the same file each time, and closes it in the end."""
    opened: list[AuditLog] = []

    def open_it() -> AuditLog:
        opened.append(AuditLog(tmp_path / "audit.db"))
        return opened[-1]

    yield open_it
    for log in opened:
        log.close()


def test_events_come_back_as_they_were_in_the_order_of_appending(open_log):
    """By number, from 1."""
    log = open_log()
    assert [log.append(event(n=number)) for number in range(3)] == [1, 2, 3]
    assert [(number, facts["metadata"]) for number, facts in log.events()] == [
        (1, {"n": 0}),
        (2, {"n": 1}),
        (3, {"n": 2}),
    ]
    assert [number for number, _ in log.events(after=1, limit=1)] == [2]


def test_an_event_becomes_json_whatever_its_metadata_are():
    """What JSON has no type for is written in words."""
    facts = event_facts(event(Failure("no", "ValueError"), path=Path("a"), many={"x": AT}))
    assert facts == {
        "event_type": "fact.asserted",
        "actor_uri": "agent:a",
        "target_uri": "fact-1",
        "tenant_id": "acme",
        "timestamp": "2026-01-01T00:00:00+00:00",
        "outcome": "failure",
        "reason": "no",
        "exception_type": "ValueError",
        "metadata": {"path": "a", "many": {"x": str(AT)}},
    }
    assert event_facts(event())["outcome"] == "success"


@pytest.mark.parametrize("sql", ["UPDATE audit SET event = ''", "DELETE FROM audit"])
def test_what_is_logged_cannot_be_changed(open_log, tmp_path, sql):
    """Not through the file either, as long as its triggers stand."""
    open_log().append(event())
    with (
        closing(sqlite3.connect(tmp_path / "audit.db")) as database,
        pytest.raises(sqlite3.IntegrityError, match="append-only"),
    ):
        database.execute(sql)


def test_a_log_goes_on_where_it_was_closed(open_log):
    """Numbers are never used again."""
    first = open_log()
    first.append(event())
    first.close()
    assert open_log().append(event()) == 2


def test_an_event_is_on_the_disk_when_append_returns(open_log):
    """Another connection reads it at once."""
    open_log().append(event())
    assert len(list(open_log().events())) == 1


def test_threads_share_a_log_and_none_of_their_events_is_lost(open_log):
    """Eight at once, and no number is missing."""
    log = open_log()
    with ThreadPoolExecutor(8) as pool:
        numbers = list(pool.map(lambda n: log.append(event(n=n)), range(80)))
    assert sorted(numbers) == list(range(1, 81))
    assert {facts["metadata"]["n"] for _, facts in log.events()} == set(range(80))


def test_a_file_that_is_no_database_is_refused(tmp_path, monkeypatch):
    """At the start, not with the first event; and nothing of it stays open."""
    path = tmp_path / "audit.db"
    path.write_bytes(b"no database at all" * 100)
    connected = []

    def connect(*arguments, **keywords):
        connected.append(sqlite3_connect(*arguments, **keywords))
        return connected[-1]

    sqlite3_connect = sqlite3.connect
    monkeypatch.setattr(sqlite3, "connect", connect)
    with pytest.raises(sqlite3.DatabaseError):
        AuditLog(path)
    with pytest.raises(sqlite3.ProgrammingError, match="closed"):
        connected[0].execute("SELECT 1")


def test_health_without_plugins_is_healthy():
    """Nobody complained."""
    assert health_payload(HookRegistry()) == {
        "status": "healthy",
        "plugins": [],
        "stuck_calls": {},
        "audit_failures": 0,
    }


@pytest.mark.parametrize(
    ("statuses", "worst"),
    [
        (["healthy", "healthy"], "healthy"),
        (["healthy", None], "unknown"),
        (["degraded", "healthy", None], "degraded"),
        (["degraded", "broken", "healthy"], "unhealthy"),
    ],
)
def test_health_is_that_of_the_worst_plugin(statuses, worst):
    """One that has no check is worse than a healthy one, and a check that fails is the worst."""

    def check(status):
        if status == "broken":
            return lambda ctx: 1 / 0
        return status and (lambda ctx: PluginHealth(PluginHealthStatus(status), "so"))

    registry = HookRegistry()
    for number, status in enumerate(statuses):
        registry.register_plugin(manifest(f"plugin-{number}", health_check=check(status)))
    registry.poll_plugin_health()
    payload = health_payload(registry)
    assert payload["status"] == worst
    assert [each["name"] for each in payload["plugins"]] == [
        f"plugin-{number}" for number in range(len(statuses))
    ]
