"""Startup: from what is installed to a frozen registry, all or nothing."""

from __future__ import annotations

import logging
from functools import partial
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import attrs
import pytest

from stigmem_plugins import (
    DiscoveredPlugin,
    HookRegistry,
    PluginDiscoveryError,
    PluginSettings,
    PluginSignatureError,
    PluginSigningInfo,
    PluginTrustPolicy,
    RegistryFrozenError,
    StigmemPluginError,
    discover_plugin_manifests,
    get_registry,
    register_discovered_plugins,
    require_verified_signature,
    resolve_plugin_dependencies,
)
from stigmem_plugins.testing import TestPluginRegistry
from tests.support import deny, discovered, install_module, manifest

IDENTITY = "https://code.example/acme/plugin/.github/workflows/release.yml@refs/tags/v1"
FACTORY = """
    from stigmem_plugins import PluginManifest

    def plugin_manifest():
        return PluginManifest("{name}", "1.0.0", depends_on={depends_on!r})
"""


@pytest.fixture
def site(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder on the module search path with two installed plugins, and signing switched off."""
    folder = tmp_path / "site"
    for module, name, depends_on in [("mod_a", "alpha", {"zeta"}), ("mod_z", "zeta", set())]:
        install_module(
            folder,
            module,
            FACTORY.format(name=name, depends_on=depends_on),
            plugins={name: f"{module}:plugin_manifest"},
        )
    monkeypatch.syspath_prepend(folder)
    monkeypatch.setenv("STIGMEM_PLUGIN_SIGNING_REQUIRED", "false")
    return folder


def verified(name: str = "example-plugin", identity: str = IDENTITY) -> DiscoveredPlugin:
    """A plugin as a host's discovery returns it that verified its signature."""
    return attrs.evolve(discovered(name), signing_identity=identity, signature_verified=True)


def settings(**fields: Any) -> Any:
    """A host's own settings object, with the attributes of the contract."""
    return SimpleNamespace(
        **{
            "plugin_signing_required": True,
            "plugin_trusted_publishers": "",
            "plugin_trust_override_publishers": "",
            "plugin_auto_discovery_enabled": True,
            **fields,
        }
    )


def start(registry: HookRegistry, *plugins: DiscoveredPlugin, **options: Any) -> Any:
    """Start with a host's own discovery."""
    return register_discovered_plugins(registry=registry, discover=lambda: plugins, **options)


def test_installed_plugins_are_registered_in_dependency_order(site: Path) -> None:
    """Into the process's registry, which is frozen then."""
    started = register_discovered_plugins()
    registry = get_registry()
    assert [plugin.manifest.name for plugin in started] == ["zeta", "alpha"]
    assert registry.plugin_registration_order() == ("zeta", "alpha")
    assert registry.development_unsigned_plugins() == ("zeta", "alpha")
    info = registry.plugin_info("alpha")
    assert info is not None
    assert info.discovery_source == {
        "type": "python_entry_point",
        "entry_point_name": "alpha",
        "entry_point_value": "mod_a:plugin_manifest",
        "distribution": "mod-a",
    }
    with pytest.raises(RegistryFrozenError):
        registry.register_plugin(manifest())


def test_a_second_start_of_the_same_registry_has_nothing_to_add(site: Path) -> None:
    """A node that is started twice in one process, as test clients do."""
    register_discovered_plugins()
    assert register_discovered_plugins() == ()


def test_a_frozen_registry_with_something_to_add_is_an_error(site: Path) -> None:
    """Before anything is loaded."""
    registry = HookRegistry()
    registry.freeze()
    with pytest.raises(RegistryFrozenError, match="registry is frozen"):
        register_discovered_plugins(registry=registry)
    with pytest.raises(RegistryFrozenError, match="registry is frozen"):
        start(registry, discovered(), signing_required=False)


def test_discovery_can_be_used_by_itself(site: Path) -> None:
    """It loads, and registers nothing."""
    found = discover_plugin_manifests()
    assert [plugin.manifest.name for plugin in found] == ["alpha", "zeta"]
    assert discover_plugin_manifests(group="another.group") == ()
    assert get_registry().registered_plugins() == frozenset()


def test_nothing_is_discovered_when_discovery_is_off(
    site: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The registry is frozen all the same, unless the host says otherwise."""
    monkeypatch.setenv("STIGMEM_PLUGIN_AUTO_DISCOVERY_ENABLED", "no")
    registry = HookRegistry()
    assert register_discovered_plugins(registry=registry, freeze=False) == ()
    registry.register_plugin(manifest())
    assert register_discovered_plugins(registry=registry) == ()
    with pytest.raises(RegistryFrozenError):
        registry.register_plugin(manifest("another"))


def test_plugins_can_be_left_out_by_name(site: Path, caplog: pytest.LogCaptureFixture) -> None:
    """That is logged."""
    with caplog.at_level(logging.INFO, "stigmem.plugins.registry"):
        started = register_discovered_plugins(registry=HookRegistry(), ignore={"alpha"})
    assert [plugin.manifest.name for plugin in started] == ["zeta"]
    assert "plugin 'alpha' is left out" in caplog.text


def test_signing_is_required_by_default(site: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Every unsigned plugin is named; each refusal is an audit event."""
    monkeypatch.delenv("STIGMEM_PLUGIN_SIGNING_REQUIRED")
    registry = TestPluginRegistry()
    with pytest.raises(PluginSignatureError) as raised:
        register_discovered_plugins(registry=registry)
    assert "production plugin registration requires" in str(raised.value)
    assert "'alpha'" in str(raised.value)
    assert "'zeta'" in str(raised.value)
    assert [e.metadata["reason"] for e in registry.audit_events] == ["signature", "signature"]
    with pytest.raises(PluginSignatureError):
        discover_plugin_manifests()


def test_two_plugins_of_one_name_are_refused_with_their_entry_points(site: Path) -> None:
    """One audit event for the name; found by the host or by us."""
    install_module(
        site,
        "mod_b",
        FACTORY.format(name="alpha", depends_on=set()),
        plugins={"second": "mod_b:plugin_manifest"},
    )
    registry = TestPluginRegistry()
    message = r"duplicate plugin name 'alpha' of entry points alpha \(mod-a\) and second \(mod-b\)"
    with pytest.raises(PluginDiscoveryError, match=message):
        register_discovered_plugins(registry=registry)
    assert [e.metadata["reason"] for e in registry.audit_events] == ["duplicate"]
    twins = [discovered(), attrs.evolve(discovered(), entry_point_name="twin")]
    with pytest.raises(PluginDiscoveryError, match=r"example-plugin .* and twin"):
        start(TestPluginRegistry(), *twins, signing_required=False)
    with pytest.raises(PluginDiscoveryError, match=r"example-plugin .* and twin"):
        resolve_plugin_dependencies(twins)


def test_a_trusted_publisher_is_shown_and_audited() -> None:
    """With the verified identity."""
    registry = TestPluginRegistry()
    start(registry, verified(), settings=settings(plugin_trusted_publishers=f"x@y, {IDENTITY}"))
    info = registry.plugin_info("example-plugin")
    assert info is not None
    assert info.signed_by == IDENTITY
    decision = {"trust_decision": "trusted_publisher", "trust_reason": None}
    assert registry.plugin_signing_metadata("example-plugin") == decision
    assert registry.audit_events[-1].metadata["signing"] == decision


def test_an_override_is_audited_as_such() -> None:
    """An exception that the operator made."""
    registry = TestPluginRegistry()
    start(registry, verified(), settings=settings(plugin_trust_override_publishers=[IDENTITY]))
    decision = registry.plugin_signing_metadata("example-plugin")["trust_decision"]
    assert decision == "operator_override"


@pytest.mark.parametrize(
    ("plugin", "fragment"),
    [
        (verified(), "untrusted identity"),
        (discovered(), "production plugin registration requires"),
        (
            attrs.evolve(discovered(), signing_identity=IDENTITY),
            "production plugin registration requires",
        ),
        (verified(identity="unsigned"), "production plugin registration requires"),
    ],
)
def test_whoever_is_not_trusted_is_refused(plugin: DiscoveredPlugin, fragment: str) -> None:
    """An identity counts only if it was verified."""
    registry = TestPluginRegistry()
    trusted = IDENTITY if "production" in fragment else "somebody@example.com"
    with pytest.raises(PluginSignatureError, match=fragment):
        start(registry, plugin, settings=settings(plugin_trusted_publishers=trusted))
    assert registry.audit_events[-1].metadata["reason"] == "signature"


def test_with_signing_off_a_trusted_identity_is_still_shown_as_trusted(
    caplog: pytest.LogCaptureFixture,
) -> None:
    """Only the others are overrides, with a warning that has the setting in it."""
    registry = TestPluginRegistry()
    plugins = [verified("alpha"), verified("beta", "else@example.com"), discovered("gamma")]
    start(
        registry,
        *plugins,
        settings=settings(plugin_signing_required=False, plugin_trusted_publishers=IDENTITY),
    )
    signed_by = {info.name: info.signed_by for info in registry.plugin_infos()}
    assert signed_by == {"alpha": IDENTITY, "beta": "else@example.com", "gamma": "unsigned"}
    assert registry.development_unsigned_plugins() == ("beta", "gamma")
    warnings = [r.getMessage() for r in caplog.records if r.levelno == logging.WARNING]
    assert len(warnings) == 2
    assert all("STIGMEM_PLUGIN_SIGNING_REQUIRED=false" in warning for warning in warnings)


def test_a_hosts_verifier_gets_the_very_object_and_is_the_gate() -> None:
    """What it returns is the decision; None stands for the plugin's own verified identity."""
    seen: list[DiscoveredPlugin] = []
    plugins = [discovered("alpha"), verified("beta"), discovered("gamma")]
    answers = [PluginSigningInfo("ci@example.com", "operator_override", "by hand"), None, None]

    def verifier(plugin: DiscoveredPlugin) -> PluginSigningInfo | None:
        seen.append(plugin)
        return answers[len(seen) - 1]

    registry = TestPluginRegistry()
    start(registry, *plugins, signature_verifier=verifier)
    assert all(one is other for one, other in zip(seen, plugins, strict=True))
    signed_by = [info.signed_by for info in registry.plugin_infos()]
    assert signed_by == ["ci@example.com", IDENTITY, "unsigned"]


def test_a_verifier_that_fails_refuses_the_plugin() -> None:
    """Whatever it raises."""

    def verifier(_plugin: DiscoveredPlugin) -> None:
        raise KeyError("oops")

    registry = TestPluginRegistry()
    with pytest.raises(PluginSignatureError, match="verifier failed on plugin 'example-plugin'"):
        start(registry, discovered(), signature_verifier=verifier)
    policy = PluginTrustPolicy({IDENTITY})
    with pytest.raises(PluginSignatureError, match="untrusted identity"):
        start(
            registry,
            verified(identity="else@example.com"),
            signature_verifier=partial(require_verified_signature, policy=policy),
        )
    assert registry.registered_plugins() == frozenset()


def test_the_default_policy_reads_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    """And the empty policy accepts nobody."""
    with pytest.raises(PluginSignatureError, match="untrusted identity"):
        require_verified_signature(verified())
    monkeypatch.setenv("STIGMEM_PLUGIN_TRUSTED_PUBLISHERS", IDENTITY)
    assert require_verified_signature(verified()).trust_decision == "trusted_publisher"


def test_all_refused_plugins_are_named_in_one_error() -> None:
    """With one audit event each."""
    registry = TestPluginRegistry()
    plugins = [
        discovered("alpha", requires_stigmem=">=99"),
        discovered("beta", depends_on={"no-such"}),
    ]
    with pytest.raises(
        StigmemPluginError, match=r"2 plugins are refused: .*'alpha'.*beta missing no-such"
    ):
        start(registry, *plugins, signing_required=False)
    assert len(registry.audit_events) == 2


def test_no_validator_runs_while_another_plugin_cannot_be_admitted_anyway() -> None:
    """Nothing of a batch is run before all of it is checked from outside."""
    asked: list[str] = []
    asking = discovered(
        "alpha", hooks={"config_validate": lambda ctx, *, plugin: asked.append(plugin.name)}
    )
    with pytest.raises(StigmemPluginError, match="must accept"):
        start(
            HookRegistry(),
            asking,
            discovered("beta", hooks={"recall_rank": lambda: None}),
            signing_required=False,
        )
    assert asked == []


def test_a_plugin_that_refuses_itself_has_no_say_about_the_others() -> None:
    """One misconfigured plugin is one refusal, whoever comes after it."""
    registry = TestPluginRegistry()
    plugins = [discovered("alpha", hooks={"config_validate": deny}), discovered("beta")]
    with pytest.raises(StigmemPluginError, match="plugin 'alpha' is refused"):
        start(registry, *plugins, signing_required=False)
    assert [event.target_uri for event in registry.audit_events] == ["plugin:alpha"]


def test_a_host_that_finds_nothing_starts_with_nothing() -> None:
    """No plugins are no error."""
    assert start(HookRegistry()) == ()


@pytest.mark.parametrize("name", ["SIGNING_REQUIRED", "AUTO_DISCOVERY_ENABLED"])
def test_a_malformed_setting_is_an_error_that_names_it(
    name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """No guess is made about what an operator meant."""
    monkeypatch.setenv(f"STIGMEM_PLUGIN_{name}", "maybe")
    with pytest.raises(StigmemPluginError, match=f"STIGMEM_PLUGIN_{name} must be one of"):
        PluginSettings.from_environment()
    with pytest.raises(StigmemPluginError, match=name):
        register_discovered_plugins(registry=HookRegistry())


@pytest.mark.parametrize(
    "fields",
    [
        {"plugin_signing_required": "false"},
        {"plugin_trusted_publishers": None},
        {"plugin_trust_override_publishers": [3]},
        {"plugin_auto_discovery_enabled": 1},
    ],
)
def test_a_hosts_settings_object_must_say_what_it_means(fields: dict[str, Any]) -> None:
    """The text "false" is true, and no guess is made; a missing attribute is named."""
    (name,) = fields
    with pytest.raises(StigmemPluginError, match=f"no usable '{name}'"):
        start(HookRegistry(), settings=settings(**fields))
    incomplete = settings()
    delattr(incomplete, name)
    with pytest.raises(StigmemPluginError, match=f"no usable '{name}'"):
        PluginTrustPolicy.from_settings(incomplete)


@pytest.mark.usefixtures("site")
def test_where_a_host_asks_for_an_acknowledgement_signing_is_off_only_with_it() -> None:
    """As on the node whose settings have it; the refusal says what to set."""
    registry = HookRegistry()
    asked = settings(plugin_signing_required=False, plugin_unsigned_ack="yes")
    with pytest.raises(PluginSignatureError) as refusal:
        register_discovered_plugins(registry=registry, settings=asked)
    said, acknowledgement = str(refusal.value).rsplit("=", 1)
    assert said.endswith("STIGMEM_PLUGIN_SIGNING_REQUIRED=false and STIGMEM_PLUGIN_UNSIGNED_ACK")
    asked.plugin_unsigned_ack = acknowledgement
    started = register_discovered_plugins(registry=registry, settings=asked)
    assert [plugin.manifest.name for plugin in started] == ["zeta", "alpha"]


def test_a_policy_can_be_read_off_a_hosts_settings() -> None:
    """As lists or as comma lists."""
    policy = PluginTrustPolicy.from_settings(
        settings(plugin_trusted_publishers="a@x, b@x", plugin_trust_override_publishers=["c@x"])
    )
    assert policy == PluginTrustPolicy({"a@x", "b@x"}, {"c@x"})
