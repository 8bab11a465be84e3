"""What the plugin layer before this one let happen, and this one does not.

One test for each weakness; the last test counts them.
"""

from __future__ import annotations

import asyncio
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable
from contextvars import ContextVar
from pathlib import Path
from typing import Any

import attrs
import pytest
from attrs.exceptions import FrozenInstanceError

from stigmem_plugins import (
    Allow,
    AuditEvent,
    CoreApis,
    Deny,
    HookRegistry,
    ManifestError,
    Migration,
    PluginContext,
    PluginDependencyError,
    PluginExecutionError,
    PluginHealthStatus,
    PluginManifest,
    PluginSignatureError,
    RegistryFrozenError,
    StigmemPluginError,
    discover_plugin_manifests,
    get_registry,
    handler_timeout,
    register_discovered_plugins,
    resolve_plugin_dependencies,
)
from stigmem_plugins.testing import TestPluginRegistry
from stigmem_plugins.testing.sigstore import LocalAuthority
from tests.signed import PUBLISHER, good_wheel, unpack
from tests.support import allow, boom, deny, discovered, install_module, manifest

COVERED: list[str] = []


def weakness(sentence: str) -> Callable[[Any], Any]:
    """Note which weakness a test is about."""

    def note(test: Any) -> Any:
        COVERED.append(sentence)
        return test

    return note


def failures(registry: TestPluginRegistry) -> list[AuditEvent]:
    return [e for e in registry.audit_events if e.event_type == "plugin.registration_failed"]


@weakness("one bad plugin of several leaves the earlier ones live in an unfrozen registry")
def test_startup_is_all_or_nothing() -> None:
    """The good plugin beside a bad one is not registered either."""
    registry = TestPluginRegistry()
    plugins = [
        discovered("aaa-good", hooks={"recall_filter": lambda ctx, v, **_: ["live"]}),
        discovered("bad", hooks={"config_validate": deny}),
    ]
    with pytest.raises(ManifestError, match="'bad' is refused"):
        register_discovered_plugins(
            registry=registry, discover=lambda: plugins, signing_required=False
        )
    assert registry.registered_plugins() == frozenset()
    assert registry.fire_filter_chain("recall_filter", []) == []
    assert [event.metadata["reason"] for event in failures(registry)] == ["config_validate"]


@weakness("a rejected signature or dependency leaves no audit event")
@pytest.mark.parametrize(
    ("plugin", "required", "error", "reason"),
    [
        (discovered(), True, PluginSignatureError, "signature"),
        (discovered(depends_on={"absent"}), False, PluginDependencyError, "dependency"),
        (discovered(depends_on={"example-plugin-2"}), False, PluginDependencyError, "dependency"),
    ],
)
def test_every_refusal_is_one_audit_event_with_its_reason(
    plugin: Any, required: bool, error: type[Exception], reason: str
) -> None:
    """Signature, missing dependency, circle."""
    registry = TestPluginRegistry()
    other = discovered("example-plugin-2", depends_on={"example-plugin"})
    found = [plugin, other] if "example-plugin-2" in plugin.manifest.depends_on else [plugin]
    with pytest.raises(error):
        register_discovered_plugins(
            registry=registry, discover=lambda: found, signing_required=required
        )
    (event,) = failures(registry)
    assert event.target_uri == "plugin:example-plugin"
    assert event.metadata["reason"] == reason
    assert event.metadata["validation_failure"]
    assert event.metadata["signed_by"] == "unsigned"


@weakness("register_plugin(signing_identity=...) is believed")
def test_a_claimed_identity_is_never_shown_as_verified() -> None:
    """It is kept apart, as a claim."""
    registry = TestPluginRegistry()
    registry.register_plugin(
        manifest(),
        signing_identity="trusted@example.com",
        signing_metadata={"trust_decision": "trusted_publisher"},
    )
    info = registry.plugin_info("example-plugin")
    assert info is not None
    assert info.signed_by == "unsigned"
    claimed = {"trust_decision": "trusted_publisher", "signing_identity": "trusted@example.com"}
    assert registry.plugin_signing_metadata("example-plugin") == {"claimed": claimed}
    metadata = registry.audit_events[-1].metadata
    assert metadata["signed_by"] == "unsigned"
    undecided = {"trust_decision": None, "trust_reason": None}
    assert metadata["signing"] == {**undecided, "claimed": claimed}


@weakness("a validator can rewrite another plugin's mutable hooks, or re-enter registration")
def test_a_validator_can_neither_rewrite_a_manifest_nor_register() -> None:
    """Manifests are immutable all the way down, and the registry is sealed to re-entry."""
    registry, outcomes = HookRegistry(), []

    def meddle(_ctx: Any, *, plugin: PluginManifest) -> Allow:
        for attempt in (
            lambda: plugin.hooks.update(recall_filter=boom),  # type: ignore[attr-defined]
            lambda: plugin.hooks.__setitem__("recall_filter", boom),  # type: ignore[index]
            lambda: setattr(plugin, "hooks", {}),
            lambda: registry.register_plugin(manifest("smuggled")),
        ):
            try:
                attempt()
            except (TypeError, FrozenInstanceError, RegistryFrozenError) as error:
                outcomes.append(type(error).__name__)
        return Allow()

    registry.register_plugin(manifest("meddler", hooks={"config_validate": meddle}))
    assert outcomes == ["TypeError", "TypeError", "FrozenInstanceError", "RegistryFrozenError"]
    assert registry.registered_plugins() == {"meddler"}


@weakness("unknown manifest keywords are silently ignored")
def test_an_unknown_manifest_keyword_is_an_error_with_a_suggestion() -> None:
    """And several faults are reported together."""
    with pytest.raises(
        TypeError, match=r"no field 'capabilites' \(did you mean 'capabilities'\?\)"
    ):
        PluginManifest(name="x", version="1", capabilites=set())  # type: ignore[arg-type]
    with pytest.raises(ManifestError) as raised:
        manifest("X", version="?", capabilities={"facts.raed"}, hooks={"recal_rank": 3})
    for fragment in (
        "name must match",
        "invalid version '?'",
        "unknown plugin capabilities: 'facts.raed' (did you mean 'facts.read'?)",
        "unknown plugin hooks: 'recal_rank' (did you mean 'recall_rank'?)",
        "must be callable, not 3",
    ):
        assert fragment in str(raised.value)


@weakness("ctx._core_apis and ctx._capabilities can be read and assigned")
def test_a_context_holds_the_granted_handles_only_and_cannot_be_assigned_to() -> None:
    """Nothing that is reachable from it leads to a handle that was not declared."""
    secret_handle = object()
    ctx = PluginContext(
        plugin_name="example-plugin",
        capabilities={"audit.emit"},
        core_apis=CoreApis(audit_emitter=print, facts_writer=secret_handle),
    )
    for name in ("plugin_name", "capabilities", "get_facts_writer", "_core_apis"):
        with pytest.raises((FrozenInstanceError, AttributeError)):
            setattr(ctx, name, None)
    reachable = [getattr(ctx, name) for name in dir(ctx)]
    for thing in list(reachable):
        for cell in getattr(thing, "__closure__", None) or ():
            reachable.append(cell.cell_contents)
            if isinstance(cell.cell_contents, dict):
                reachable.extend(cell.cell_contents.values())
    assert print in reachable
    assert secret_handle not in reachable
    assert not hasattr(ctx, "_core_apis")
    assert not hasattr(ctx, "__dict__")


@weakness("a plugin may be named core, or become core while it loads")
def test_a_plugin_cannot_become_core(tmp_path: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """Reserved names; and nothing can be registered while plugins load, from any thread."""
    for name in ("core", "system"):
        with pytest.raises(ManifestError, match="reserved"):
            manifest(name)
    source = """
        import threading
        from stigmem_plugins import *
        from stigmem_plugins import process

        refused = []

        def attempt(action):
            try:
                action()
            except RegistryFrozenError:
                refused.append(threading.current_thread() is threading.main_thread())

        def actions():
            handler = lambda ctx, **_: None
            registry = get_registry()
            attempt(lambda: register_core_handler("audit_emit", handler, name="core.000"))
            attempt(lambda: registry.register_plugin(PluginManifest("smuggled", "1.0.0")))
            attempt(lambda: registry.plugin_manager.register(object()))
            attempt(lambda: set_registry(HookRegistry()))
            attempt(lambda: register_discovered_plugins())

        actions()
        thread = threading.Thread(target=actions)
        thread.start()
        thread.join()

        def plugin_manifest():
            actions()
            return PluginManifest("climber", "1.0.0")
    """
    install_module(
        tmp_path / "site", "climber", source, plugins={"climber": "climber:plugin_manifest"}
    )
    monkeypatch.syspath_prepend(tmp_path / "site")
    monkeypatch.setenv("STIGMEM_PLUGIN_SIGNING_REQUIRED", "false")
    own = HookRegistry()
    started = register_discovered_plugins(registry=own)
    assert [plugin.manifest.name for plugin in started] == ["climber"]
    import climber  # type: ignore[import-not-found]

    assert Counter(climber.refused) == {True: 10, False: 5}
    assert get_registry().registered_plugins() == frozenset()
    assert own.registered_plugins() == {"climber"}
    climber.refused.clear()
    assert len(discover_plugin_manifests()) == 1
    assert Counter(climber.refused) == {True: 5}


@weakness("dispatch order ignores depends_on; depends_on unchecked in manual registration")
def test_dependencies_are_checked_and_ordered_in_manual_registration_too() -> None:
    """The dependency first, whatever the names."""
    registry = HookRegistry()
    dependent = manifest(
        "alpha", depends_on={"zeta"}, hooks={"recall_filter": lambda ctx, v, **_: [*v, "alpha"]}
    )
    with pytest.raises(PluginDependencyError, match="alpha missing zeta"):
        registry.register_plugin(dependent)
    registry.register_plugin(
        manifest("zeta", hooks={"recall_filter": lambda ctx, v, **_: [*v, "zeta"]})
    )
    registry.register_plugin(dependent)
    assert registry.fire_filter_chain("recall_filter", []) == ["zeta", "alpha"]


@weakness("NaN, inf, bool and text deltas accepted; keys 1 and '1' merge")
@pytest.mark.parametrize("deltas", [{"a": float("nan")}, {"a": True}, {"a": "1.5"}, {1: 1.0}])
def test_scores_are_checked(deltas: Any) -> None:
    """Keys are str, deltas finite real numbers; anything else is an audited failure."""
    registry = TestPluginRegistry.with_hooks(recall_rank=lambda ctx, v, **_: deltas)
    with pytest.raises(PluginExecutionError, match="expected"):
        registry.fire_score_delta("recall_rank", [])
    assert registry.audit_events[-1].event_type == "plugin.handler_error"


@weakness("a rank handler can mutate the caller's list")
def test_a_rank_handler_has_a_list_of_its_own() -> None:
    """Neither the caller nor the next handler sees what it does to it."""

    def vandal(_ctx: Any, results: list[str], **_: Any) -> dict[str, float]:
        results.clear()
        return {}

    registry = TestPluginRegistry.with_hooks(recall_rank=vandal)
    seen: list[Any] = []

    def watch(_ctx: Any, results: list[str], **_: Any) -> dict[str, float]:
        seen.append(results)
        return {}

    registry.register_plugin(manifest("watcher", hooks={"recall_rank": watch}))
    results = ["f1", "f2"]
    registry.fire_score_delta("recall_rank", results)
    assert results == ["f1", "f2"]
    assert seen == [["f1", "f2"]]


@weakness("a payload keyword called entry or hook collides with the dispatcher's arguments")
def test_payload_names_are_free() -> None:
    """The dispatcher's own arguments are positional-only."""
    seen: list[Any] = []
    registry = TestPluginRegistry.with_hooks(post_assert_persist=lambda c, **kw: seen.append(kw))
    payload = {"entry": 1, "hook": 2, "self": 3, "payload": 4, "spec": 5}
    registry.fire_fire_and_forget("post_assert_persist", **payload)
    assert seen == [payload]


@weakness("a strict audit failure stops the later audit handlers")
def test_a_strict_failure_stops_nobody() -> None:
    """All run, then one error with all causes."""
    told: list[str] = []
    registry = TestPluginRegistry.with_hooks(post_recall_audit=boom)
    registry.register_plugin(
        manifest("zeta", hooks={"post_recall_audit": lambda ctx, **_: told.append("zeta")})
    )
    with pytest.raises(PluginExecutionError, match="audit hook 'post_recall_audit'"):
        registry.fire_fire_and_forget("post_recall_audit")
    assert told == ["zeta"]


@weakness("concurrent denials lose audit events")
def test_eight_threads_of_denials_lose_no_audit_event() -> None:
    """200 each into a slow sink; recursion is stopped per context only."""
    events: list[str] = []

    def slow_sink(_ctx: Any, *, event: AuditEvent) -> None:
        time.sleep(0.0005)
        events.append(event.event_type)

    registry = HookRegistry()
    registry.register_core_handler("audit_emit", slow_sink, name="core.sink")
    registry.register_plugin(manifest(hooks={"pre_assert_authorize": deny}))
    registry.freeze()
    barrier = threading.Barrier(8)

    def fire() -> None:
        barrier.wait()
        for _ in range(200):
            registry.fire_voting("pre_assert_authorize")

    threads = [threading.Thread(target=fire) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert Counter(events)["plugin.handler_denied"] == 1600
    assert registry.audit_failures == 0


@weakness("SystemExit from a fire-and-forget handler ends the node")
def test_system_exit_is_contained_and_keyboard_interrupt_passes() -> None:
    """A plugin cannot end the node; the person at the keyboard can."""

    def leave(_ctx: Any, **_: Any) -> None:
        raise SystemExit(1)

    def interrupt(_ctx: Any, **_: Any) -> None:
        raise KeyboardInterrupt

    registry = TestPluginRegistry.with_hooks(
        post_assert_persist=leave, post_assert_propagate=interrupt
    )
    registry.fire_fire_and_forget("post_assert_persist")
    assert registry.audit_events[-1].metadata["error_type"] == "SystemExit"
    with pytest.raises(KeyboardInterrupt):
        registry.fire_fire_and_forget("post_assert_propagate")


@weakness("an invalid plugin is left half registered")
def test_admission_is_atomic() -> None:
    """A refused plugin leaves no trace: no handler, no name, and its context is of no use."""
    kept: list[PluginContext] = []

    def keep(ctx: PluginContext, **_: Any) -> Deny:
        kept.append(ctx)
        return Deny("no")

    registry = TestPluginRegistry(core_apis=CoreApis(facts_reader=object()))
    with pytest.raises(ManifestError):
        registry.register_plugin(
            manifest(
                capabilities={"facts.read"},
                hooks={"capability_check": allow, "config_validate": keep},
            )
        )
    assert registry.registered_plugins() == frozenset()
    assert registry.handlers_for("capability_check") == ()
    assert registry.plugin_info("example-plugin") is None
    with pytest.raises(PermissionError, match="taken back"):
        kept[0].get_facts_reader()
    registry.register_plugin(manifest(hooks={"capability_check": allow}))


@weakness("exception text is copied into audit records")
def test_exception_text_is_bounded_and_secrets_are_masked(monkeypatch: pytest.MonkeyPatch) -> None:
    """In audit events, in error messages and in the log; also where a cut would split a secret."""

    @attrs.frozen
    class Config:
        token: str = attrs.field(repr=False)

    def fail(ctx: PluginContext, **_: Any) -> None:
        raise ValueError("x" * 480 + ctx.config.token + "y" * 10_000)

    monkeypatch.setenv("STIGMEM_PLUGIN_EXAMPLE_PLUGIN_TOKEN", "hunter2-" * 8)
    registry = TestPluginRegistry(
        [manifest(config_schema=Config, hooks={"post_assert_audit": fail})]
    )
    with pytest.raises(PluginExecutionError) as raised:
        registry.fire_fire_and_forget("post_assert_audit")
    recorded = registry.audit_events[-1].metadata["error"]
    assert "hunter2" not in recorded
    assert "hunter2" not in str(raised.value)
    assert "***" in recorded
    assert len(recorded) <= 500


@weakness("a bogus health status crashes the command line")
@pytest.mark.parametrize("result", ["fine", None, "healthy"])
def test_a_bogus_health_result_is_unhealthy(result: Any) -> None:
    """And so is a check that raises."""
    from stigmem_plugins import PluginHealth

    def check(_ctx: Any) -> Any:
        return result if result == "fine" else PluginHealth(result and f"very {result}")

    registry = HookRegistry()
    registry.register_plugin(manifest(health_check=check))
    (report,) = registry.poll_plugin_health()
    assert report.status is PluginHealthStatus.UNHEALTHY
    assert report.error_summary


@weakness("a version such as 1.0.0-foo passes, 1.0.0.dev1 is refused")
def test_versions_are_pep_440() -> None:
    """As `packaging` reads them."""
    assert manifest(version="1.0.0.dev1").version == "1.0.0.dev1"
    with pytest.raises(ManifestError, match=r"invalid version '1\.0\.0-foo'"):
        manifest(version="1.0.0-foo")


@weakness("the dependency resolver recurses")
def test_ten_thousand_plugins_in_one_chain_resolve() -> None:
    """In whatever order they are found."""
    chain = [
        discovered(f"plugin-{n:05}", depends_on={f"plugin-{n + 1:05}"} if n < 9_999 else set())
        for n in range(10_000)
    ]
    ordered = resolve_plugin_dependencies(chain)
    assert ordered == tuple(reversed(chain))


@weakness("one broken entry point aborts the discovery of all, without saying which are fine")
def test_every_broken_entry_point_is_named_at_once(
    tmp_path: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Beside good ones, each with its own error."""
    source = """
        from stigmem_plugins import PluginManifest

        not_callable = 3

        def raises():
            raise RuntimeError("cannot start")

        def other():
            return {"name": "other"}

        def good():
            return PluginManifest("good", "1.0.0")
    """
    plugins = {
        name: f"mixed_bag:{name}" for name in ("good", "raises", "other", "not_callable", "gone")
    }
    install_module(tmp_path / "site", "mixed_bag", source, plugins=plugins | {"lost": "no_such:x"})
    monkeypatch.syspath_prepend(tmp_path / "site")
    monkeypatch.setenv("STIGMEM_PLUGIN_SIGNING_REQUIRED", "false")
    registry = TestPluginRegistry()
    with pytest.raises(StigmemPluginError) as raised:
        register_discovered_plugins(registry=registry)
    for fragment in (
        "5 plugins are refused",
        "failed to load plugin raises (mixed_bag:raises): RuntimeError: cannot start",
        "plugin other (mixed_bag:other): expected PluginManifest, got builtins.dict",
        "plugin not_callable (mixed_bag:not_callable): expected a callable, got int",
        "failed to load plugin gone (mixed_bag:gone): AttributeError",
        "failed to load plugin lost (no_such:x): ModuleNotFoundError",
    ):
        assert fragment in str(raised.value)
    assert "mixed_bag:good" not in str(raised.value)
    assert registry.registered_plugins() == frozenset()
    assert len(failures(registry)) == 5


@weakness("a migration may carry another plugin's name")
def test_a_migration_is_namespaced_to_its_plugin() -> None:
    """Also when it is slipped into the list that came in."""

    def forge(_ctx: Any, migrations: list[Migration], **_: Any) -> list[Migration]:
        migrations.append(Migration("victim", 1, "DROP TABLE facts", "oops"))
        return migrations

    registry = TestPluginRegistry.with_hooks(migration_register=forge)
    with pytest.raises(PluginExecutionError, match="declares migration 1 of 'victim'"):
        registry.fire_filter_chain("migration_register", [])


@weakness("config_schema is never used")
def test_a_config_schema_is_filled_and_handed_to_handlers(monkeypatch: pytest.MonkeyPatch) -> None:
    """As ctx.config; what does not fit refuses the plugin."""

    @attrs.frozen
    class Config:
        blocked: str = "nobody"

    registry = TestPluginRegistry()
    monkeypatch.setenv("STIGMEM_PLUGIN_EXAMPLE_PLUGIN_BLOCKED", "agent:b")
    registry.register_plugin(
        manifest(
            config_schema=Config,
            hooks={"pre_assert_authorize": lambda ctx, **_: Deny(ctx.config.blocked)},
        )
    )
    assert registry.fire_voting("pre_assert_authorize") == Deny("agent:b")


@weakness("plugin code runs before its signature is looked at, which is a flag that nothing sets")
def test_a_signature_is_verified_before_anything_is_imported(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of an edited plugin nothing runs; of the one that was signed, the verified bytes."""
    authority = LocalAuthority()
    site = unpack(good_wheel(tmp_path, authority), tmp_path / "site")
    root = authority.write_trusted_root(tmp_path / "root.json")
    monkeypatch.setenv("STIGMEM_PLUGIN_DIR", str(site))
    monkeypatch.setenv("STIGMEM_PLUGIN_TRUSTED_ROOT", str(root))
    monkeypatch.setenv("STIGMEM_PLUGIN_TRUSTED_PUBLISHERS", PUBLISHER)
    signed = (site / "good_plugin/part.py").read_text()
    (site / "good_plugin/part.py").write_text("raise SystemExit('imported')")
    with pytest.raises(PluginSignatureError, match=r"checksum mismatch: good_plugin/part\.py"):
        discover_plugin_manifests()
    assert "good_plugin" not in sys.modules
    (site / "good_plugin/part.py").write_text(signed)
    (found,) = discover_plugin_manifests()
    assert (found.signing_identity, found.signature_verified) == (PUBLISHER, True)


@weakness("async def handlers return un-awaited coroutines as values; strict audits do nothing")
def test_a_coroutine_is_awaited_or_refused_and_never_lost() -> None:
    """A strict audit either records or raises."""
    recorded: list[Any] = []

    async def record(_ctx: Any, *, outcome: Any, **_: Any) -> None:
        recorded.append(outcome)

    async def narrow(_ctx: Any, value: list[int], **_: Any) -> list[int]:
        return value[:1]

    registry = TestPluginRegistry.with_hooks(post_assert_audit=record, recall_filter=narrow)
    with pytest.raises(PluginExecutionError, match=r"example-plugin\.record.*is asynchronous"):
        registry.fire_fire_and_forget("post_assert_audit", outcome="stored")
    with pytest.raises(PluginExecutionError, match=r"example-plugin\.narrow.*is asynchronous"):
        registry.fire_filter_chain("recall_filter", [1, 2])
    asyncio.run(registry.afire_fire_and_forget("post_assert_audit", outcome="stored"))
    assert recorded == ["stored"]
    assert asyncio.run(registry.afire_filter_chain("recall_filter", [1, 2])) == [1]


@weakness("a hung handler starves other plugins' handlers; a handler's TimeoutError is misreported")
def test_a_hung_handler_holds_up_nobody_else() -> None:
    """A bulkhead per plugin; late results dropped, stuck calls counted, contextvars kept."""
    hang, request = threading.Event(), ContextVar("request", default="none")

    def own_timeout(_ctx: Any, **_: Any) -> None:
        raise TimeoutError("of my own")

    @handler_timeout(0.02)
    def hung(_ctx: Any, **_: Any) -> Deny:
        hang.wait(20)
        return Deny("late")

    registry = TestPluginRegistry(
        [
            manifest("hung", hooks={"pre_assert_authorize": hung}),
            manifest("own", hooks={"pre_recall_authorize": handler_timeout(20)(own_timeout)}),
            manifest(
                "sound",
                hooks={"capability_check": handler_timeout(20)(lambda ctx: Deny(request.get()))},
            ),
        ]
    )
    for _ in range(20):
        with pytest.raises(PluginExecutionError, match=r"'hung\.hung' failed.*timed out"):
            registry.fire_voting("pre_assert_authorize")
    request.set("kept")
    assert registry.fire_voting("capability_check") == Deny("kept")
    with pytest.raises(PluginExecutionError) as raised:
        registry.fire_voting("pre_recall_authorize")
    assert type(raised.value.__cause__) is TimeoutError
    assert "timed out" not in str(raised.value)
    assert registry.stuck_calls() == {"hung": 4}
    threads = [thread for thread in threading.enumerate() if thread.name == "stigmem-plugin hung"]
    assert len(threads) == 4
    registry.close()
    hang.set()
    for thread in threads:
        thread.join(20)
        assert not thread.is_alive()
    assert registry.stuck_calls() == {}


@weakness("health checks and validators have no deadline")
def test_health_checks_and_validators_have_a_deadline() -> None:
    """A hung one is unhealthy, or refuses the plugin, and the host goes on."""
    hang = threading.Event()

    def wait(_ctx: Any, **_: Any) -> Any:
        hang.wait(20)

    registry = TestPluginRegistry(handler_timeout_seconds=0.02)
    registry.register_plugin(manifest("mute", health_check=wait))
    (report,) = registry.poll_plugin_health()
    assert report.status is PluginHealthStatus.UNHEALTHY
    assert report.error_summary == "HandlerTimeoutError: timed out after 0.02 seconds"
    registry.register_core_handler("config_validate", allow, name="core.001")
    with pytest.raises(ManifestError, match=r"'validator' is refused.*timed out after 0\.02"):
        registry.register_plugin(manifest("validator", hooks={"config_validate": wait}))
    assert registry.stuck_calls() == {"mute": 1, "validator": 1}
    hang.set()
    registry.close()


def test_every_weakness_is_covered() -> None:
    """26 rows."""
    assert len(set(COVERED)) == len(COVERED) == 26
