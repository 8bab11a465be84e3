"""The example hosts of the embedding guide: every hook where it belongs, every fault answered.

Both hosts, the one that waits and the one under an asynchronous framework, are driven alike.
"""

from __future__ import annotations

import asyncio
import inspect
import sqlite3
import sys
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager
from importlib import import_module
from pathlib import Path
from typing import Any

import httpx
import pytest

from stigmem_plugins import (
    HOOK_SPECS,
    Allow,
    AuditLog,
    Deny,
    HookSemantic,
    Migration,
    PluginExecutionError,
    PluginManifest,
    PluginMigrationError,
    TenantContext,
    handler_timeout,
)
from tests.support import manifest

EXAMPLES = Path(__file__).parents[1] / "docs" / "examples"
FACT = {
    "source": "agent:ada",
    "entity": "ada",
    "relation": "born",
    "value": "1815",
    "confidence": 0.5,
    "scope": "public",
}
PEER = "https://b.test"
ADA, B = {"authorization": "Bearer ada="}, {"authorization": "Bearer b"}
TOKENS = {"ada's": "agent:ada", "b's": PEER}


@pytest.fixture(scope="module")
def examples() -> Iterator[Any]:
    """The modules, importable as if one stood in their folder."""
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(str(EXAMPLES))
        names = ("host", "store", "web")
        yield tuple(map(import_module, names))
        for name in names:
            sys.modules.pop(name)


class Driven:
    """A host with plugins, started: called the same way whether it waits or awaits."""

    def __init__(self, kind: type, folder: Path, examples: Any, *plugins: PluginManifest) -> None:
        host, store, _ = examples
        self.refused: type[Exception] = host.RefusedError
        self.trail = AuditLog(folder / "audit.db")
        self.host = kind(store.Store(str(folder / "facts.db")), self.trail, tokens=TOKENS)
        for plugin in plugins:
            self.host.registry.register_plugin(plugin)
        try:
            self.host.start()
        except BaseException:
            self.host.close()
            raise

    def __getattr__(self, name: str) -> Callable[..., Any]:
        def call(*arguments: Any) -> Any:
            result = getattr(self.host, name)(*arguments)
            return asyncio.run(result) if inspect.iscoroutine(result) else result

        return call

    def audited(self) -> list[tuple[str, str, Any]]:
        """Type, outcome and plugin of every event kept."""
        return [
            (facts["event_type"], facts["outcome"], facts["metadata"].get("plugin_name"))
            for _, facts in self.trail.events()
        ]


@pytest.fixture(params=["waits", "awaits"])
def start(
    request: pytest.FixtureRequest,
    tmp_path: Path,
    examples: Any,
    monkeypatch: pytest.MonkeyPatch,
) -> Iterator[Callable[..., Driven]]:
    """Starts a host of each kind with the plugins given."""
    monkeypatch.setenv("STIGMEM_PLUGIN_AUTO_DISCOVERY_ENABLED", "false")
    host, _, web = examples
    kind = host.Host if request.param == "waits" else web.AsyncHost
    started: list[Driven] = []

    def make(*plugins: PluginManifest) -> Driven:
        started.append(Driven(kind, tmp_path, examples, *plugins))
        return started[-1]

    yield make
    for each in started:
        each.close()


@asynccontextmanager
async def served(app: Any) -> AsyncIterator[httpx.AsyncClient]:
    """A client of an ASGI application that was started, and is ended afterwards."""
    transport = httpx.ASGITransport(app)
    async with (
        app.router.lifespan_context(app),
        httpx.AsyncClient(transport=transport, base_url="http://host.test") as client,
    ):
        yield client


def recorder(seen: list[str]) -> PluginManifest:
    """A plugin that takes part in every hook, changes nothing, and keeps the hooks' names."""

    def handler(hook: str) -> Callable[..., Any]:
        def record(_ctx: Any, *value: Any, **_payload: Any) -> Any:
            seen.append(hook)
            semantic = HOOK_SPECS[hook].semantic
            if semantic is HookSemantic.VOTING:
                return Allow()
            return {} if semantic is HookSemantic.SCORE_DELTA else next(iter(value), None)

        return record

    return manifest("recorder", hooks={hook: handler(hook) for hook in HOOK_SPECS})


def test_every_hook_is_fired_where_it_belongs(start: Callable[..., Driven]) -> None:
    """All 22, in the order of each route."""
    seen: list[str] = []

    def fired(action: Callable[..., Any], *arguments: Any) -> list[str]:
        seen.clear()
        action(*arguments)
        return [hook for hook in seen if hook != "audit_emit"]

    host = start(recorder(seen), manifest("another-plugin"))
    assert set(seen) == {"config_validate", "audit_emit", "migration_register"}
    enter = ["identity_resolve", "tenant_resolve", "capability_check"]
    assert fired(host.assert_fact, "ada's", FACT) == [
        *enter,
        "pre_assert_authorize",
        "pre_assert_validate",
        "pre_assert_transform",
        "post_assert_persist",
        "post_assert_propagate",
        "post_assert_audit",
    ]
    assert fired(host.recall, "ada's", {"entity": "ada"}) == [
        *enter,
        "pre_recall_authorize",
        "pre_recall_rewrite",
        "recall_filter",
        "recall_rank",
        "post_recall_audit",
    ]
    assert fired(host.add_peer, "ada's", {"node_url": PEER}) == [
        *enter,
        "federation_peer_authenticate",
    ]
    assert fired(host.receive, PEER, [FACT] if hasattr(host.host, "fact") else FACT) == [
        "federation_inbound_validate",
        "federation_inbound_filter",
    ]
    assert fired(host.send, PEER) == ["federation_outbound_filter", "federation_outbound_sign"]
    assert "facts.recalled" in {event for event, *_ in host.audited()}


def test_the_routes_together_fire_all_hooks(start: Callable[..., Driven]) -> None:
    """The reference names 22, and none is left for a plugin to wait for in vain."""
    seen: list[str] = []
    host = start(recorder(seen), manifest("another-plugin"))
    host.assert_fact("ada's", FACT)
    host.recall("ada's", {})
    host.add_peer("ada's", {"node_url": PEER})
    host.receive(PEER, [FACT] if hasattr(host.host, "fact") else FACT)
    host.send(PEER)
    assert set(seen) == set(HOOK_SPECS)


@pytest.mark.parametrize(
    ("hook", "status"), [("pre_assert_authorize", 403), ("pre_assert_validate", 422)]
)
def test_a_denial_tells_the_caller_why_and_the_trail_who(
    start: Callable[..., Driven], hook: str, status: int
) -> None:
    """The reason is the caller's; the plugin's name is the operator's."""
    strict = manifest("strict-plugin", hooks={hook: lambda ctx, **_: Deny("not today")})
    host = start(strict)
    with pytest.raises(host.refused) as refused:
        host.assert_fact("ada's", FACT)
    assert (refused.value.status, str(refused.value)) == (status, "not today")  # type: ignore[attr-defined]
    assert host.audited()[-2:] == [
        ("plugin.handler_denied", "failure", "strict-plugin"),
        ("fact.asserted", "failure", None),
    ]
    assert host.recall("ada's", {}) == []


def test_what_a_transform_made_of_a_fact_is_voted_on_too(start: Callable[..., Driven]) -> None:
    """Also if it changed the very object that it was given."""

    def forbid(_ctx: Any, *, req: dict[str, Any], **_: Any) -> Any:
        return Deny("no secrets") if req["value"] == "secret" else Allow()

    def leak(_ctx: Any, value: dict[str, Any], **_: Any) -> Any:
        value["value"] = "secret"
        return value

    hooks = {"pre_assert_validate": forbid, "pre_assert_transform": leak}
    host = start(manifest(hooks=hooks))
    with pytest.raises(host.refused, match="no secrets"):
        host.assert_fact("ada's", FACT)
    assert FACT["value"] == "1815"
    assert host.recall("ada's", {}) == []


def test_a_failing_handler_keeps_nothing_but_the_audit(start: Callable[..., Driven]) -> None:
    """Fail closed: nothing is stored, and the trail says whose fault it was."""

    def broken(_ctx: Any, value: Any, **_: Any) -> Any:
        raise ValueError("boom")

    host = start(manifest("broken-plugin", hooks={"pre_assert_transform": broken}))
    with pytest.raises(PluginExecutionError, match="boom"):
        host.assert_fact("ada's", FACT)
    assert ("plugin.handler_error", "failure", "broken-plugin") in host.audited()
    assert host.audited()[-1] == ("fact.asserted", "failure", None)
    assert host.recall("ada's", {}) == []


def test_the_host_asks_itself_first(start: Callable[..., Driven]) -> None:
    """Its own checks hold without any plugin."""
    host = start()
    with pytest.raises(host.refused, match="say who you are"):
        host.assert_fact(None, FACT)
    with pytest.raises(host.refused, match="a fact needs value, scope"):
        host.assert_fact("ada's", {k: v for k, v in FACT.items() if k not in {"value", "scope"}})
    with pytest.raises(host.refused, match="facts have no 'number; --'"):
        host.recall("ada's", {"number; --": 1})
    with pytest.raises(host.refused, match="not a peer"):
        host.send(PEER)


@pytest.mark.parametrize(
    ("column", "value", "reason"),
    [
        ("confidence", "high", "confidence must be a number"),
        ("confidence", None, "confidence must be a number"),
        ("confidence", True, "confidence must be a number"),
        ("confidence", float("nan"), "confidence must be a number"),
        ("confidence", 2, "confidence must be a number"),
        ("value", {"a": 1}, "value must be text"),
    ],
)
def test_no_fact_is_stored_that_would_break_every_recall(
    start: Callable[..., Driven], column: str, value: Any, reason: str
) -> None:
    """What cannot be stored or scored is refused with a reason, whoever sends it."""
    host = start()
    bad = {**FACT, column: value}
    with pytest.raises(host.refused, match=reason):
        host.assert_fact("ada's", bad)
    host.add_peer("ada's", {"node_url": PEER})
    if hasattr(host.host, "fact"):
        assert reason in host.receive(PEER, [bad])["refused"][0]
    else:
        with pytest.raises(host.refused, match=reason):
            host.receive(PEER, bad)
    assert host.recall("ada's", {}) == []


@pytest.mark.parametrize("registration", [{}, {"node_url": {}}])
def test_a_peer_needs_an_address(start: Callable[..., Driven], registration: Any) -> None:
    """One without is refused, and breaks nothing."""
    host = start()
    with pytest.raises(host.refused, match="a peer needs a node_url"):
        host.add_peer("ada's", registration)


def test_the_audit_is_told_of_an_assertion_as_far_as_it_got(start: Callable[..., Driven]) -> None:
    """Of the transformed request, unless it was refused before that."""
    seen: list[str] = []

    def shout(_ctx: Any, value: dict[str, Any], **_: Any) -> Any:
        return {**value, "value": value["value"].upper()}

    def audit(_ctx: Any, *, req: dict[str, Any], **_: Any) -> None:
        seen.append(req["value"])

    host = start(manifest(hooks={"pre_assert_transform": shout, "post_assert_audit": audit}))
    host.assert_fact("ada's", {**FACT, "value": "loud"})
    with pytest.raises(host.refused):
        host.assert_fact(None, {**FACT, "value": "quiet"})
    assert seen == ["LOUD", "quiet"]


def test_a_handler_with_a_deadline_can_read_facts(start: Callable[..., Driven]) -> None:
    """It runs in another thread: nothing that the host holds meanwhile may be in its way."""
    seen: list[Any] = []

    @handler_timeout(2)
    def look(ctx: Any, *, fact: dict[str, Any], **_: Any) -> None:
        seen.extend(ctx.get_facts_reader()(fact["entity"]))

    reading = manifest(hooks={"post_assert_persist": look}, capabilities={"facts.read"})
    host = start(reading)
    assert seen == [host.assert_fact("ada's", FACT)]


def test_the_best_comes_first(start: Callable[..., Driven]) -> None:
    """Plugins' scores are added to the host's own."""

    def by_value(_ctx: Any, value: list[Any], **_: Any) -> dict[str, float]:
        return {fact["id"]: float(fact["value"]) for fact in value}

    host = start(manifest(hooks={"recall_rank": by_value}))
    first, second = (host.assert_fact("ada's", {**FACT, "value": each}) for each in "12")
    assert host.recall("ada's", {"entity": "ada"}) == [second, first]


def test_tenants_are_kept_apart(start: Callable[..., Driven]) -> None:
    """What a plugin resolves decides whose facts are read and written."""

    def own(_ctx: Any, value: TenantContext, *, identity: str, **_: Any) -> TenantContext:
        return TenantContext(identity)

    host = start(manifest(hooks={"tenant_resolve": own}))
    host.assert_fact("ada's", FACT)
    assert host.recall("b's", {}) == []
    assert len(host.recall("ada's", {})) == 1


def test_migrations_of_plugins_run_once(start: Callable[..., Driven]) -> None:
    """A second start finds them in the ledger."""

    def notes(ctx: Any, value: list[Any], **_: Any) -> list[Any]:
        sql = "CREATE TABLE notes (text TEXT); INSERT INTO notes VALUES ('a;b')"
        return [*value, Migration(ctx.plugin_name, 1, sql, "notes")]

    plugin = manifest(hooks={"migration_register": notes})
    start(plugin).close()
    host = start(plugin)
    rows = host.host.store._database.execute("SELECT text FROM notes").fetchall()
    assert [tuple(row) for row in rows] == [("a;b",)]


def test_migrations_for_other_databases_are_left_alone(start: Callable[..., Driven]) -> None:
    """A plugin may declare one number for each backend."""

    def declare(ctx: Any, value: list[Any], **_: Any) -> list[Any]:
        sql = {"sqlite": "CREATE TABLE notes (text TEXT) -- ours", "postgresql": "no SQLite"}
        own = (Migration(ctx.plugin_name, 1, sql[b], "notes", backend=b) for b in sql)
        return [*value, *own]

    host = start(manifest(hooks={"migration_register": declare}))
    assert host.host.store._database.execute("SELECT * FROM notes").fetchall() == []


def test_a_migration_without_an_end_stops_the_start(start: Callable[..., Driven]) -> None:
    """It is not taken for one that has run."""

    def declare(ctx: Any, value: list[Any], **_: Any) -> list[Any]:
        sql = "CREATE TABLE notes (text TEXT DEFAULT 'open)"
        return [*value, Migration(ctx.plugin_name, 1, sql, "notes")]

    with pytest.raises(sqlite3.OperationalError, match="unrecognized token"):
        start(manifest(hooks={"migration_register": declare}))


def test_a_migration_that_was_edited_stops_the_start(start: Callable[..., Driven]) -> None:
    """And leaves the database as it was, the migrations before it included."""

    def tables(*statements: str) -> PluginManifest:
        def declare(ctx: Any, value: list[Any], **_: Any) -> list[Any]:
            numbered = enumerate(statements, 1)
            return [*value, *(Migration(ctx.plugin_name, n, sql, "") for n, sql in numbered)]

        return manifest(hooks={"migration_register": declare})

    start(tables("CREATE TABLE one (a)")).close()
    with pytest.raises(PluginMigrationError, match="checksum mismatch: migration 1"):
        start(tables("CREATE TABLE one (b)", "CREATE TABLE two (a)"))


def test_the_audit_outlives_a_rollback(start: Callable[..., Driven]) -> None:
    """It is in a file of its own: who broke an assertion is known though the fact is not kept."""
    host = start(manifest(hooks={"post_assert_persist": lambda ctx, **_: 1 / 0}))
    host.assert_fact("ada's", FACT)
    assert ("plugin.handler_error", "failure", "example-plugin") in host.audited()
    with pytest.raises(sqlite3.IntegrityError, match="append-only"):
        host.trail._database.execute("DELETE FROM audit")


def test_nobody_knows_a_peer_that_a_stranger_names(start: Callable[..., Driven]) -> None:
    """Whose facts are taken is not for everybody to say."""
    host = start()
    with pytest.raises(host.refused, match="say who you are") as refused:
        host.add_peer(None, {"node_url": PEER})
    assert refused.value.status == 403  # type: ignore[attr-defined]
    assert host.host.peers == set()


def test_refused_facts_leave_the_others_of_a_delivery_alone(
    tmp_path: Path, examples: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One by one: stored, refused with the reason, or failed without detail."""
    monkeypatch.setenv("STIGMEM_PLUGIN_AUTO_DISCOVERY_ENABLED", "false")

    def picky(_ctx: Any, *, fact: dict[str, Any], **_: Any) -> Any:
        return {"bad": Deny("bad value"), "worse": None}.get(fact["value"], Allow())

    plugin = manifest(hooks={"federation_inbound_validate": picky})
    host = Driven(examples[0].Host, tmp_path, examples, plugin)
    host.add_peer("ada's", {"node_url": PEER})
    delivery = [{**FACT, "value": each} for each in ("good", "bad", "worse")]
    taken = host.receive(PEER, delivery)
    assert [fact["value"] for fact in taken["stored"]] == ["good"]
    assert taken["refused"] == ["bad value", "internal error"]
    assert host.fact("ada's", 1)["value"] == "good"
    assert host.fact("ada's", 2) is None
    host.close()


def test_answers_hide_what_the_caller_must_not_know(
    tmp_path: Path, examples: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A status and a reason, or a status alone."""
    monkeypatch.setenv("STIGMEM_PLUGIN_AUTO_DISCOVERY_ENABLED", "false")
    answer = examples[0].answer
    plugin = manifest(hooks={"recall_filter": lambda ctx, value, **_: None})
    host = Driven(examples[0].Host, tmp_path, examples, plugin)
    assert answer(host.assert_fact, "ada's", FACT) == (200, {"id": "fact-1", **FACT})
    assert answer(host.assert_fact, None, FACT) == (403, {"error": "say who you are"})
    assert answer(host.recall, "ada's", {}) == (500, {"error": "internal error"})
    host.close()


def test_the_web_host_answers_over_http(
    tmp_path: Path, examples: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each route once, and each kind of refusal; it starts and ends with its server."""
    monkeypatch.setenv("STIGMEM_PLUGIN_AUTO_DISCOVERY_ENABLED", "false")
    monkeypatch.setenv("HOST_TOKENS", f"ada==agent:ada b={PEER}")
    monkeypatch.chdir(tmp_path)

    async def drive() -> None:
        async with served(examples[2].main()) as client:
            post, get = client.post, client.get
            stored = {"id": "fact-1", **FACT}
            assert (await post("/facts", json=FACT, headers=ADA)).json() == stored
            assert (await post("/facts", json=FACT)).status_code == 403
            assert (await post("/facts", content=b"{", headers=ADA)).status_code == 422
            assert (await get("/facts?entity=ada", headers=ADA)).json() == [stored]
            assert (await get("/federation/facts", headers=B)).status_code == 403
            assert (await post("/peers", json={"node_url": PEER}, headers=ADA)).status_code == 200
            assert (await post("/federation/facts", json=FACT, headers=B)).status_code == 200
            assert len((await get("/federation/facts", headers=B)).json()) == 2
            assert (await get("/health")).json()["status"] == "healthy"

    asyncio.run(drive())


def test_a_web_host_that_does_not_start_closes_its_files(
    tmp_path: Path, examples: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whoever corrects what is wrong can start it again in the same process."""
    monkeypatch.setenv("STIGMEM_PLUGIN_AUTO_DISCOVERY_ENABLED", "false")
    _, store, web = examples
    facts = store.Store(str(tmp_path / "facts.db"))
    host = web.AsyncHost(facts, AuditLog(tmp_path / "audit.db"), tokens={})
    broken = manifest(hooks={"migration_register": lambda ctx, value, **_: None})
    host.registry.register_plugin(broken)

    async def drive() -> None:
        async with served(web.make_app(host)):
            raise AssertionError

    with pytest.raises(PluginExecutionError, match="returned None"):
        asyncio.run(drive())
    with pytest.raises(sqlite3.ProgrammingError, match="closed"):
        facts.select("default")


def test_a_request_that_is_cancelled_is_audited(
    tmp_path: Path, examples: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whoever gave up waiting: the trail says how it ended, and of a stored fact, which."""
    monkeypatch.setenv("STIGMEM_PLUGIN_AUTO_DISCOVERY_ENABLED", "false")
    begun = asyncio.Event()

    async def wait(_ctx: Any, *_value: Any, **_: Any) -> None:
        begun.set()
        await asyncio.Event().wait()

    waiting = manifest(hooks={"post_assert_persist": wait, "pre_recall_rewrite": wait})
    host = Driven(examples[2].AsyncHost, tmp_path, examples, waiting)

    async def drive() -> None:
        for request in (host.host.assert_fact("ada's", FACT), host.host.recall("ada's", {})):
            begun.clear()
            task = asyncio.ensure_future(request)
            await begun.wait()
            task.cancel()
            with pytest.raises(asyncio.CancelledError):
                await task

    asyncio.run(drive())
    events = [facts for _, facts in host.trail.events()]
    ended = [
        (each["event_type"], each["target_uri"], each["exception_type"]) for each in events[-2:]
    ]
    assert ended == [
        ("fact.asserted", "fact-1", "CancelledError"),
        ("facts.recalled", None, "CancelledError"),
    ]
    host.close()


def test_the_web_host_hides_failures(
    tmp_path: Path, examples: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As the other does."""
    monkeypatch.setenv("STIGMEM_PLUGIN_AUTO_DISCOVERY_ENABLED", "false")
    _, store, web = examples
    trail = AuditLog(tmp_path / "audit.db")
    host = web.AsyncHost(
        store.Store(str(tmp_path / "facts.db")), trail, tokens={"ada=": "agent:ada"}
    )

    async def broken(_ctx: Any, value: Any, **_: Any) -> Any:
        raise ValueError("secret")

    host.registry.register_plugin(manifest(hooks={"recall_filter": broken}))

    async def drive() -> None:
        async with served(web.make_app(host)) as client:
            answer = await client.get("/facts", headers=ADA)
        assert (answer.status_code, answer.json()) == (500, {"error": "internal error"})

    asyncio.run(drive())
