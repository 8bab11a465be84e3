"""What tools match on: the class of each error, and parts of its message."""

from __future__ import annotations

import logging
import re
import threading
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from attrs import frozen

from stigmem_plugins import (
    CapabilityError,
    Deny,
    DiscoveredPlugin,
    HandlerTimeoutError,
    HookRegistry,
    ManifestError,
    PluginContext,
    PluginDependencyError,
    PluginDiscoveryError,
    PluginExecutionError,
    PluginMigrationError,
    PluginSignatureError,
    PluginTrustPolicy,
    RegistryFrozenError,
    RejectError,
    StigmemPluginError,
    errors,
    handler_timeout,
    require_verified_signature,
    resolve_plugin_dependencies,
)
from stigmem_plugins.capabilities import lend
from stigmem_plugins.discovery import InstalledPlugin
from stigmem_plugins.loading import load_plugin
from stigmem_plugins.testing import TestPluginRegistry
from stigmem_plugins.trust.files import digest_faults, refuse_if
from stigmem_plugins.trust.gates import refused
from stigmem_plugins.trust.policy_file import parse_policy
from stigmem_plugins.trust.unverified import Unverified
from tests.support import allow, boom, deny, discovered, manifest

PAGE = Path(__file__).parent.parent / "docs" / "reference" / "errors.md"
IDENTITY = "https://github.com/acme/plugin/.github/workflows/release.yml@refs/tags/v1.0.0"
CLASSES: dict[type[Exception], type[Exception]] = {
    StigmemPluginError: Exception,
    ManifestError: ValueError,
    CapabilityError: PermissionError,
    PluginExecutionError: RuntimeError,
    HandlerTimeoutError: TimeoutError,
    PluginDiscoveryError: RuntimeError,
    PluginDependencyError: RuntimeError,
    PluginSignatureError: RuntimeError,
    RegistryFrozenError: RuntimeError,
    PluginMigrationError: RuntimeError,
    RejectError: RuntimeError,
}
"""Every error, with the builtin that it also is."""


@frozen
class Schema:
    """A configuration without defaults."""

    url: str


def registered(**fields: Any) -> TestPluginRegistry:
    """A registry with a plugin of these fields."""
    return TestPluginRegistry([manifest(**fields)])


def frozen_registry() -> HookRegistry:
    registry = HookRegistry()
    registry.freeze()
    return registry


def register_from_a_validator() -> None:
    """A plugin's validator tries to register another plugin."""
    registry = HookRegistry()

    def validate(_ctx: Any, **_: Any) -> Any:
        registry.register_plugin(manifest("other-plugin"))

    registry.register_plugin(manifest(hooks={"config_validate": validate}))


def too_slow() -> None:
    """A handler waits longer than it may; the cause is what is raised here."""
    release = threading.Event()

    @handler_timeout(0.01)
    def wait(_ctx: Any, **_: Any) -> Any:
        release.wait(10)

    registry = TestPluginRegistry.with_hooks(capability_check=wait)
    with pytest.raises(PluginExecutionError) as raised:
        registry.fire_voting("capability_check")
    release.set()
    registry.close()
    assert raised.value.__cause__
    raise raised.value.__cause__


def load(function: Callable[[], Any]) -> None:
    load_plugin(InstalledPlugin("example", "example:plugin_manifest", "example", "1.0.0"), function)


def verified(policy: PluginTrustPolicy) -> None:
    """A plugin whose signature a host has verified is held against a policy."""
    plugin = DiscoveredPlugin(
        manifest(), "example", "example:f", signing_identity=IDENTITY, signature_verified=True
    )
    require_verified_signature(plugin, policy=policy)


def changed_file() -> None:
    signed: Any = SimpleNamespace(files={"example.py": "0" * 64})
    try:
        refuse_if(digest_faults({"example.py": b""}, signed))
    except Unverified as finding:
        raise refused("example-plugin", finding) from None


def taken_back() -> None:
    context, take_back = lend(plugin_name="x", capabilities={"audit.emit"})
    take_back()
    context.get_audit_emitter()


def older_than_allowed() -> None:
    publisher = {"identity": IDENTITY, "minimum_version": "2.0"}
    verified(PluginTrustPolicy(file=parse_policy({"publishers": [publisher]}, "policy.toml")))


MESSAGES: list[tuple[str, type[Exception], Callable[[], Any]]] = [
    ("unknown plugin hooks", ManifestError, lambda: manifest(hooks={"no_hook": allow})),
    ("unknown plugin capabilities", ManifestError, lambda: manifest(capabilities={"no.such"})),
    ("invalid requires_stigmem", ManifestError, lambda: manifest(requires_stigmem="new")),
    ("requires stigmem", ManifestError, lambda: registered(requires_stigmem=">=99")),
    (
        "must accept at least",
        ManifestError,
        lambda: registered(hooks={"capability_check": lambda: None}),
    ),
    (
        "has a yield",
        ManifestError,
        lambda: registered(hooks={"capability_check": lambda ctx, **_: (yield)}),
    ),
    ("already registered", ManifestError, lambda: registered().register_plugin(manifest())),
    ("is misconfigured", ManifestError, lambda: registered(config_schema=Schema)),
    (
        "is refused by config_validate",
        ManifestError,
        lambda: registered(hooks={"config_validate": deny}),
    ),
    (
        "not declared",
        CapabilityError,
        lambda: PluginContext(plugin_name="x", capabilities=()).get_facts_reader(),
    ),
    ("taken back", CapabilityError, taken_back),
    (
        "failed for hook",
        PluginExecutionError,
        lambda: registered(hooks={"capability_check": boom}).fire_voting("capability_check"),
    ),
    (
        "expected Allow or Deny",
        PluginExecutionError,
        lambda: registered(hooks={"capability_check": lambda ctx, **_: True}).fire_voting(
            "capability_check"
        ),
    ),
    (
        "returned None",
        PluginExecutionError,
        lambda: registered(hooks={"recall_filter": lambda ctx, value, **_: None}).fire_filter_chain(
            "recall_filter", []
        ),
    ),
    (
        "expected dict",
        PluginExecutionError,
        lambda: registered(hooks={"recall_rank": lambda ctx, value, **_: []}).fire_score_delta(
            "recall_rank", []
        ),
    ),
    (
        "audit hook",
        PluginExecutionError,
        lambda: registered(hooks={"post_assert_audit": boom}).fire_fire_and_forget(
            "post_assert_audit"
        ),
    ),
    (
        "instead",
        PluginExecutionError,
        lambda: registered().fire_filter_chain("capability_check", []),
    ),
    ("timed out", HandlerTimeoutError, too_slow),
    ("failed to load", PluginDiscoveryError, lambda: load(lambda: 1 / 0)),
    ("expected a callable", PluginDiscoveryError, lambda: load(lambda: 1)),
    ("expected PluginManifest", PluginDiscoveryError, lambda: load(lambda: dict)),
    (
        "duplicate plugin name",
        PluginDiscoveryError,
        lambda: resolve_plugin_dependencies([discovered(), discovered()]),
    ),
    ("missing", PluginDependencyError, lambda: registered(depends_on={"not-there"})),
    (
        "->",
        PluginDependencyError,
        lambda: resolve_plugin_dependencies(
            [discovered("alpha", depends_on={"zeta"}), discovered("zeta", depends_on={"alpha"})]
        ),
    ),
    (
        "production plugin registration requires",
        PluginSignatureError,
        lambda: require_verified_signature(discovered()),
    ),
    ("untrusted identity", PluginSignatureError, lambda: verified(PluginTrustPolicy())),
    ("checksum mismatch", PluginSignatureError, changed_file),
    ("downgrade refused", PluginSignatureError, older_than_allowed),
    (
        "registry is frozen",
        RegistryFrozenError,
        lambda: frozen_registry().register_plugin(manifest()),
    ),
]


@pytest.mark.parametrize(("text", "kind", "act"), MESSAGES, ids=[text for text, *_ in MESSAGES])
def test_tools_find_the_text_in_an_error_of_the_right_class(
    text: str, kind: type[Exception], act: Callable[[], Any]
) -> None:
    """And the reference has it under that class."""
    with pytest.raises(kind, match=re.escape(text)) as raised:
        act()
    assert type(raised.value) is kind
    assert text in texts_of(kind.__name__)


def test_a_validator_that_registers_something_is_told_that_the_registry_is_sealed() -> None:
    """It is refused for what it raised."""
    with pytest.raises(ManifestError, match="the registry is sealed") as raised:
        register_from_a_validator()
    assert isinstance(raised.value.__cause__, RegistryFrozenError)
    assert "the registry is sealed" in texts_of("RegistryFrozenError")


def test_the_reference_promises_no_text_that_is_not_tested() -> None:
    """Every row of the tables of errors is in the list above."""
    promised = {text for kind in CLASSES for text in texts_of(kind.__name__)}
    assert promised - {text for text, *_ in MESSAGES} == {"the registry is sealed"}


@pytest.mark.parametrize("kind", CLASSES)
def test_each_error_is_of_the_root_and_of_a_builtin(kind: type[Exception]) -> None:
    """The reference says of which."""
    assert issubclass(kind, StigmemPluginError)
    assert issubclass(kind, CLASSES[kind])
    if kind is not StigmemPluginError:
        assert section(kind.__name__).startswith(f"*Also a `{CLASSES[kind].__name__}`.* ")


def test_no_error_is_left_out() -> None:
    """The module has those above and no other."""
    found = {each for each in vars(errors).values() if isinstance(each, type)}
    assert {each for each in found if issubclass(each, Exception)} == set(CLASSES)


def test_a_reject_error_is_a_denial() -> None:
    """The host never sees it."""

    def reject(_ctx: Any, **_: Any) -> Any:
        raise RejectError("not today")

    registry = registered(hooks={"capability_check": reject})
    assert registry.fire_voting("capability_check") == Deny("not today")


@pytest.mark.parametrize(("seconds", "text"), [(0, "positive"), (31, "30 seconds")])
def test_a_deadline_that_is_none_is_a_value_error(seconds: float, text: str) -> None:
    """It is the author's mistake, made before there is a plugin."""
    with pytest.raises(ValueError, match=text):
        handler_timeout(seconds)
    assert f"`{text}`" in section("Texts that are not of these errors")


def test_other_texts_stand_in_logs_reports_and_type_errors(
    caplog: pytest.LogCaptureFixture,
) -> None:
    """The last table of the reference has them."""
    registry = registered(hooks={"post_assert_persist": boom})
    with caplog.at_level(logging.WARNING, "stigmem.plugins.registry"):
        registry.fire_fire_and_forget("post_assert_persist")
    assert "failed for hook 'post_assert_persist'" in caplog.text
    (report,) = registry.poll_plugin_health()
    assert report.message == "no health check registered"
    with pytest.raises(TypeError, match="did you mean"):
        manifest(capabilites=set())
    table = section("Texts that are not of these errors")
    for text in ("failed for hook", "no health check registered", "did you mean"):
        assert f"| `{text}` |" in table


def section(heading: str) -> str:
    """A part of the reference."""
    page = PAGE.read_text("utf-8")
    assert f"\n## {heading}\n" in page
    return page.partition(f"\n## {heading}\n\n")[2].partition("\n## ")[0]


def texts_of(heading: str) -> set[str]:
    """The texts that the table of a part promises."""
    return set(re.findall(r"^\| `(.+?)` \|", section(heading), re.MULTILINE))
