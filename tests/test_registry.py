"""What a host can read off a registry, and health."""

from __future__ import annotations

import sys
from datetime import UTC, datetime
from typing import Any

import pytest

from stigmem_hookspecs.values import FrozenDict
from stigmem_plugins import (
    Allow,
    AuditEvent,
    Deny,
    Failure,
    HookRegistry,
    ManifestError,
    PluginHealth,
    PluginHealthStatus,
    PluginInfo,
    PluginManifest,
    RejectError,
    Success,
    get_registry,
    register_core_handler,
)
from stigmem_plugins.errors import bounded, describe
from stigmem_plugins.testing import TestPluginRegistry, stigmem_plugins
from tests.support import allow, boom, manifest


def test_a_registered_plugin_is_described_by_sorted_tuples() -> None:
    """PluginInfo, for listings."""
    registry = HookRegistry()
    registry.register_plugin(manifest("base-plugin"))
    registry.register_plugin(
        manifest(
            capabilities={"facts.write", "audit.emit"},
            hooks={"recall_rank": lambda c, v, **_: {}, "audit_emit": allow},
            depends_on={"base-plugin"},
        )
    )
    expected = PluginInfo(
        "example-plugin",
        "1.0.0",
        ("audit.emit", "facts.write"),
        ("audit_emit", "recall_rank"),
        ("base-plugin",),
        {"type": "manual"},
        "unsigned",
    )
    assert registry.plugin_info("example-plugin") == expected
    assert registry.plugin_infos()[1] == expected
    assert registry.registered_plugins() == {"base-plugin", "example-plugin"}
    assert registry.plugin_registration_order() == ("base-plugin", "example-plugin")


def test_an_unknown_plugin_has_no_info_and_no_signing_metadata() -> None:
    """None, {} and (): no exception to catch."""
    registry = HookRegistry()
    assert registry.plugin_info("nobody") is None
    assert registry.plugin_signing_metadata("nobody") == {}
    assert registry.development_unsigned_plugins() == ()
    assert registry.plugin_health_reports() == ()


def test_a_registration_is_audited() -> None:
    """With everything that an operator asks about it."""
    registry = TestPluginRegistry()
    registry.register_plugin(manifest(async_safe=False), discovery_source={"type": "test"})
    (event,) = registry.audit_events
    assert (event.event_type, event.actor_uri, event.target_uri, event.tenant_id) == (
        "plugin.registered",
        "system:plugin-registry",
        "plugin:example-plugin",
        "system",
    )
    assert event.outcome == Success()
    assert event.timestamp.tzinfo is not None
    assert event.metadata == {
        "plugin_name": "example-plugin",
        "version": "1.0.0",
        "capabilities": (),
        "hooks": (),
        "async_safe": False,
        "requires_stigmem": ">=0.9.0a1",
        "signed_by": "unsigned",
        "discovery_source": {"type": "test"},
        "signing": {"trust_decision": None, "trust_reason": None},
    }


def reject(_ctx: Any, **_: Any) -> Any:
    raise RejectError("not here")


@pytest.mark.parametrize(
    ("handler", "reason", "text"),
    [
        (lambda ctx, *, plugin: Deny(f"no {plugin.name}"), "config_validate", "no example-plugin"),
        (reject, "config_validate", "not here"),
        (boom, "config_exception", "ValueError: boom"),
        (lambda ctx, **_: True, "config_result", "expected Allow or Deny, got bool"),
    ],
)
@pytest.mark.parametrize("own", [True, False])
def test_config_validate_of_others_and_of_itself_can_refuse_a_plugin(
    handler: Any, reason: str, text: str, own: bool
) -> None:
    """One audit event with the reason; the error names the validator."""
    registry = TestPluginRegistry()
    if not own:
        # A validator is asked about its own plugin too.
        def others_only(ctx: Any, *, plugin: PluginManifest) -> Any:
            return Allow() if plugin.name == "validator" else handler(ctx, plugin=plugin)

        registry.register_plugin(manifest("validator", hooks={"config_validate": others_only}))
    registry.audit_events.clear()
    with pytest.raises(ManifestError, match="is refused by config_validate of") as raised:
        registry.register_plugin(manifest(hooks={"config_validate": handler} if own else {}))
    assert text in str(raised.value)
    (event,) = registry.audit_events
    assert event.event_type == "plugin.registration_failed"
    assert event.metadata["reason"] == reason
    assert isinstance(event.outcome, Failure)
    assert text in event.metadata["validation_failure"]


@pytest.mark.parametrize(
    ("check", "status", "message", "error"),
    [
        (None, "unknown", "no health check registered", None),
        (lambda ctx: PluginHealth("degraded", "slow"), "degraded", "slow", None),
        (boom, "unhealthy", "health check failed", "ValueError: boom"),
        (
            lambda ctx: "fine",
            "unhealthy",
            "health check failed",
            "expected PluginHealth with a message of type str, got str",
        ),
        (
            dict,
            "unhealthy",
            "health check failed",
            "TypeError: 'PluginContext' object is not iterable",
        ),
        (lambda ctx: sys.exit(1), "unhealthy", "health check failed", "SystemExit: 1"),
    ],
)
def test_health_is_reported_whatever_the_check_does(
    check: Any, status: str, message: str, error: str | None
) -> None:
    """Reports come in the order of registration, and are kept."""
    registry = HookRegistry()
    registry.register_plugin(manifest(health_check=check))
    reports = registry.poll_plugin_health()
    assert reports == registry.plugin_health_reports()
    (report,) = reports
    assert (report.plugin_name, report.plugin_version) == ("example-plugin", "1.0.0")
    assert (report.status, report.message, report.error_summary) == (status, message, error)
    assert report.status is PluginHealthStatus(status)
    assert report.checked_at.tzinfo is not None


def test_the_context_manager_swaps_the_process_registry_and_puts_it_back() -> None:
    """Manifests come in any order."""
    before = get_registry()
    plugins = [manifest("alpha", depends_on={"zeta"}), manifest("zeta")]
    with stigmem_plugins(plugins) as registry:
        assert get_registry() is registry
        register_core_handler("capability_check", allow, name="core.001")
        assert registry.plugin_registration_order() == ("zeta", "alpha")
    assert get_registry() is before


def test_the_process_registry_is_put_back_after_an_error() -> None:
    """A failing test does not spoil the next one."""
    before = get_registry()
    with pytest.raises(RuntimeError, match="inside"), stigmem_plugins():
        raise RuntimeError("inside")
    assert get_registry() is before


def test_an_audit_event_has_an_aware_timestamp_and_read_only_metadata() -> None:
    """A naive time is refused."""
    now = datetime.now(UTC)
    event = AuditEvent("a.b", "agent:a", None, "t", now, Success(), {"k": 1})
    assert isinstance(event.metadata, FrozenDict)
    with pytest.raises(ValueError, match="timezone-aware"):
        AuditEvent("a.b", "agent:a", None, "t", datetime(2026, 1, 1), Success())  # noqa: DTZ001


def test_a_secret_that_is_in_every_other_word_is_not_masked() -> None:
    """Of fewer than four characters: masking it would make every text unreadable."""
    assert bounded("the end of abcd", ["e", "end", "abcd"]) == "the end of ***"


def test_an_exception_without_a_usable_text_can_still_be_described() -> None:
    """A handler's exception may misbehave in any way."""

    class MuteError(Exception):
        def __str__(self) -> str:
            raise ValueError

    assert describe(MuteError()) == "MuteError: (no text: its __str__ failed)"
