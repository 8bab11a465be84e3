"""Starting signed plugins: what loads, what is refused, and what is shown and audited of it."""

from __future__ import annotations

import importlib.resources
import json
import logging
import shutil
import sys
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from stigmem_plugins import (
    DiscoveredPlugin,
    ManifestError,
    PluginDependencyError,
    PluginDiscoveryError,
    PluginSettings,
    PluginSignatureError,
    PluginSigningInfo,
    RegistryFrozenError,
    StigmemPluginError,
    discover_plugin_manifests,
    register_discovered_plugins,
)
from stigmem_plugins.discovery import BUNDLE_NAME, installed_distributions
from stigmem_plugins.testing import TestPluginRegistry
from stigmem_plugins.testing.sigstore import GITHUB_ISSUER, LocalAuthority
from stigmem_plugins.testing.wheels import build_wheel
from tests.signed import PUBLISHER, good_wheel, python_in, sign_anyway, unpack, with_pip

SIMPLE = """
from stigmem_plugins import {imports}PluginManifest
{top}
def plugin_manifest():
    return PluginManifest("{name}", "1.0.0"{fields})
"""


class Place:
    """A plugin directory, and what is installed there."""

    def __init__(self, folder: Path, authority: LocalAuthority) -> None:
        self.folder = folder
        self.site = folder / "plugins"
        self.site.mkdir()
        self.authority = authority
        self.modules: set[str] = set()

    def install(
        self,
        name: str,
        /,
        *,
        top: str = "",
        fields: str = "",
        imports: str = "",
        identity: str | None = PUBLISHER,
        into: Path | None = None,
        **signed: Any,
    ) -> Path:
        """Install a plugin, signed by somebody or not; `signed` is what is signed of it."""
        module = name.replace("-", "_")
        self.modules.add(module)
        source = SIMPLE.format(name=name, top=top, fields=fields, imports=imports)
        wheel = build_wheel(
            self.folder,
            name,
            {f"{module}.py": source},
            plugins={name: f"{module}:plugin_manifest"},
        )
        if signed:
            factory = f"{module}:plugin_manifest"
            facts = {"entry_point": name, "name": name, "capabilities": (), "hooks": (), **signed}
            sign_anyway(
                self.authority, wheel, factory=factory, identity=identity or "", fields=facts
            )
        elif identity:
            self.authority.sign_wheel(wheel, identity=identity)
        unpack(wheel, into or self.site)
        return (into or self.site) / f"{module}-1.0.0.dist-info"


@pytest.fixture(scope="module")
def authority() -> LocalAuthority:
    return LocalAuthority()


@pytest.fixture
def place(
    tmp_path: Path, authority: LocalAuthority, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Place]:
    """An empty plugin directory; the publisher is trusted, and signing is required."""
    made = Place(tmp_path, authority)
    root = authority.write_trusted_root(tmp_path / "root.json")
    monkeypatch.setenv("STIGMEM_PLUGIN_TRUSTED_ROOT", str(root))
    monkeypatch.setenv("STIGMEM_PLUGIN_TRUSTED_PUBLISHERS", PUBLISHER)
    monkeypatch.setenv("STIGMEM_PLUGIN_DIR", str(made.site))
    yield made
    for module in made.modules:
        sys.modules.pop(module, None)


def start(**options: Any) -> TestPluginRegistry:
    registry = TestPluginRegistry()
    register_discovered_plugins(registry=registry, **options)
    return registry


def refusal(
    kind: type[StigmemPluginError] = PluginSignatureError, **options: Any
) -> tuple[StigmemPluginError, list[tuple[str, str, str]]]:
    """The error of a start that must fail, and who was refused for what, by whom signed."""
    registry = TestPluginRegistry()
    with pytest.raises(kind) as raised:
        register_discovered_plugins(registry=registry, **options)
    assert registry.registered_plugins() == frozenset()
    events = [e for e in registry.audit_events if e.event_type == "plugin.registration_failed"]
    return raised.value, [
        (e.metadata["plugin_name"], e.metadata["reason"], e.metadata["signed_by"]) for e in events
    ]


off = pytest.fixture(
    lambda monkeypatch: monkeypatch.setenv("STIGMEM_PLUGIN_SIGNING_REQUIRED", "no")
)


# What loads


def test_a_trusted_plugin_is_shown_and_audited_as_its_publishers(place: Place) -> None:
    """With the identity and the issuer of the certificate."""
    place.install("alpha-plugin")
    registry = start()
    info = registry.plugin_info("alpha-plugin")
    assert info is not None
    assert info.signed_by == PUBLISHER
    assert info.discovery_source == {
        "type": "python_entry_point",
        "entry_point_name": "alpha-plugin",
        "entry_point_value": "alpha_plugin:plugin_manifest",
        "distribution": "alpha-plugin",
    }
    decision = {
        "trust_decision": "trusted_publisher",
        "trust_reason": None,
        "issuer": GITHUB_ISSUER,
    }
    assert registry.plugin_signing_metadata("alpha-plugin") == decision
    (event,) = registry.audit_events
    assert event.event_type == "plugin.registered"
    assert event.metadata["signed_by"] == PUBLISHER
    assert event.metadata["signing"] == decision
    assert registry.development_unsigned_plugins() == ()


def test_an_override_is_audited_as_such(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    """It accepts an identity outside the list, never an unsigned plugin."""
    monkeypatch.setenv("STIGMEM_PLUGIN_TRUSTED_PUBLISHERS", "")
    monkeypatch.setenv("STIGMEM_PLUGIN_TRUST_OVERRIDE_PUBLISHERS", PUBLISHER)
    place.install("alpha-plugin")
    decision = start().plugin_signing_metadata("alpha-plugin")
    assert decision["trust_decision"] == "operator_override"
    place.install("beta-plugin", identity=None)
    error, refused = refusal()
    assert "'beta-plugin' is unsigned" in str(error)
    assert refused == [("beta-plugin", "signature", "unsigned")]


def test_a_second_start_has_nothing_to_add_and_a_second_registry_gets_the_same(
    place: Place,
) -> None:
    """The modules of the first start are of the verified bytes, and serve again."""
    place.install("alpha-plugin", top="LOADED = []")
    first = start()
    assert register_discovered_plugins(registry=first) == ()
    assert start().registered_plugins() == {"alpha-plugin"}


def test_an_upgrade_under_a_running_node_is_refused(place: Place) -> None:
    """One process cannot have the modules of both."""
    info = place.install("alpha-plugin")
    start()
    shutil.rmtree(info)
    place.install("alpha-plugin", top="# another build")
    error, _ = refusal()
    assert "module alpha_plugin is served from other files" in str(error)
    assert "restart the node" in str(error)


def test_plugins_are_imported_in_the_order_of_their_signed_dependencies(place: Place) -> None:
    """Dependencies first, ties by name."""
    trace = place.folder / "trace"
    for name, needs in [("alpha-plugin", "zeta-plugin"), ("beta-plugin", ""), ("zeta-plugin", "")]:
        place.install(
            name,
            top=f"import os\nif {str(trace)!r} and 'TRACE' in os.environ:\n"
            f"    open({str(trace)!r}, 'a').write('{name} ')",
            fields=f", depends_on={{'{needs}'}}" if needs else "",
        )
    code = "from stigmem_plugins import *; register_discovered_plugins()"
    environ = {
        "STIGMEM_PLUGIN_DIR": str(place.site),
        "STIGMEM_PLUGIN_TRUSTED_PUBLISHERS": PUBLISHER,
        "STIGMEM_PLUGIN_TRUSTED_ROOT": str(place.folder / "root.json"),
    }
    # Files are opened for ever there: ResourceWarnings are no matter of this test.
    done = python_in(
        place.folder,
        f"import warnings; warnings.simplefilter('ignore'); {code}",
        TRACE="1",
        **environ,
    )
    assert done.returncode == 0, done.stderr
    assert trace.read_text().split() == ["beta-plugin", "zeta-plugin", "alpha-plugin"]


def test_discovery_returns_what_was_verified(place: Place) -> None:
    """By entry point name; a host's own start accepts it by identity and issuer."""
    place.install("beta-plugin")
    place.install("alpha-plugin")
    found = discover_plugin_manifests()
    assert [plugin.manifest.name for plugin in found] == ["alpha-plugin", "beta-plugin"]
    assert {p.signing_identity for p in found} == {PUBLISHER}
    assert {p.signing_issuer for p in found} == {GITHUB_ISSUER}
    assert all(plugin.signature_verified for plugin in found)
    registry = start(discover=lambda: found)
    assert registry.registered_plugins() == {"alpha-plugin", "beta-plugin"}
    assert discover_plugin_manifests(group="another.group") == ()


def test_a_command_of_the_plugin_is_no_unsigned_file(place: Place) -> None:
    """pip makes it of a signed entry point, and lists it in RECORD."""
    wheel = good_wheel(place.folder, scripts={"good-command": "good_tool:main"})
    place.authority.sign_wheel(wheel, identity=PUBLISHER)
    shutil.rmtree(place.site)
    with_pip(wheel, place.site)
    place.modules |= {"good_plugin", "good_plugin.part", "good_tool"}
    record = place.site / "good_plugin-1.0.0.dist-info/RECORD"
    assert "bin/good-command" in record.read_text()
    assert start().registered_plugins() == {"good-plugin"}
    record.write_text(record.read_text() + "../../bin/other-command,,\n")
    error, _ = refusal()
    assert "not signed: ../../bin/other-command, which" in str(error)


# What is refused


def test_all_refused_plugins_are_named_at_once_and_none_is_imported(place: Place) -> None:
    """The good one beside them neither."""
    place.install("good-one", top="raise SystemExit('imported')", version="1.0.0")
    place.install("of-mallory", identity=PUBLISHER.replace("acme", "mallory"))
    place.install("of-nobody", identity=None)
    edited = place.install("tampered-with")
    (place.site / "tampered_with.py").write_text("raise SystemExit('imported')")
    assert edited.exists()
    error, refused = refusal()
    assert refused == [
        ("of-mallory", "signature", PUBLISHER.replace("acme", "mallory")),
        ("of-nobody", "signature", "unsigned"),
        ("tampered-with", "signature", "unsigned"),
    ]
    assert "3 plugins are refused" in str(error)
    assert "good-one" not in str(error)


@pytest.mark.parametrize(
    ("fields", "says"),
    [
        ({"name": "another-name"}, "name: signed 'another-name', found 'alpha-plugin'"),
        ({"version": "1.0.1"}, "version: signed '1.0.1'"),
        ({"capabilities": ("audit.emit",)}, "capabilities: signed ('audit.emit',), found ()"),
        ({"hooks": ("audit_emit",)}, "hooks: signed ('audit_emit',), found ()"),
        ({"depends_on": ("beta-plugin",)}, "depends_on: signed ('beta-plugin',), found ()"),
        ({"requires_stigmem": ">=0.9.0a2"}, "requires_stigmem: signed '>=0.9.0a2'"),
    ],
)
def test_a_manifest_that_is_not_the_signed_one_is_refused(
    place: Place, fields: dict[str, Any], says: str
) -> None:
    """A factory that declares something else where it runs."""
    place.install("alpha-plugin", **fields)
    error, ((_, reason, signed_by),) = refusal()
    assert f"its manifest is not the signed one: {says}" in str(error)
    assert (reason, signed_by) == ("signature", PUBLISHER)
    assert "alpha_plugin" not in sys.modules


def test_a_signed_plugin_that_cannot_be_loaded_stops_the_start(place: Place) -> None:
    """And is no matter of its signature."""
    place.install("alpha-plugin", top="raise LookupError('no ledger')", version="1.0.0")
    error, refused = refusal(PluginDiscoveryError)
    assert "LookupError: no ledger" in str(error)
    assert refused == [("alpha-plugin", "manifest_invalid", PUBLISHER)]


@pytest.mark.parametrize(
    ("fields", "kind", "reason"),
    [
        (", depends_on={'absent-plugin'}", PluginDependencyError, "dependency"),
        (", depends_on={'beta-plugin'}", PluginDependencyError, "dependency"),
        (", requires_stigmem='>=9'", ManifestError, "manifest_invalid"),
    ],
)
def test_admission_refuses_signed_plugins_like_others(
    place: Place, fields: str, kind: type[StigmemPluginError], reason: str
) -> None:
    """Nothing of the start is left, the finder's modules included."""
    place.install("alpha-plugin", fields=fields)
    place.install("beta-plugin", fields=", depends_on={'alpha-plugin'}")
    _, refused = refusal(kind)
    assert (reason, PUBLISHER) in [(why, who) for _, why, who in refused]
    assert not {"alpha_plugin", "beta_plugin"} & sys.modules.keys()


def test_two_distributions_with_one_module_are_refused(place: Place) -> None:
    """The second would run the code of the first."""
    place.install("alpha-plugin")
    wheel = build_wheel(
        place.folder,
        "zeta-plugin",
        {"alpha_plugin.py": SIMPLE.format(name="zeta-plugin", top="", fields="", imports="")},
        plugins={"zeta-plugin": "alpha_plugin:plugin_manifest"},
    )
    place.authority.sign_wheel(wheel, identity=PUBLISHER)
    other = unpack(wheel, place.folder / "other")
    (other / "alpha_plugin.py").unlink()
    shutil.copytree(other, place.site, dirs_exist_ok=True)
    error, _ = refusal()
    assert "zeta-plugin" in str(error)
    assert "checksum mismatch: alpha_plugin.py" in str(error)


def test_a_frozen_registry_is_asked_before_anything_is_imported(place: Place) -> None:
    """Verified plugins are something to add."""
    place.install("alpha-plugin", top="raise SystemExit('imported')", version="1.0.0")
    registry = TestPluginRegistry()
    registry.freeze()
    with pytest.raises(RegistryFrozenError):
        register_discovered_plugins(registry=registry)


# A host's own say


def test_a_hosts_verifier_is_a_further_gate(place: Place) -> None:
    """It sees the verified identity, may refuse, and cannot rename the signer."""
    place.install("alpha-plugin")
    seen: list[DiscoveredPlugin] = []

    def rename(plugin: DiscoveredPlugin) -> PluginSigningInfo:
        seen.append(plugin)
        return PluginSigningInfo("somebody@example.com", "trusted_publisher")

    registry = start(signature_verifier=rename)
    info = registry.plugin_info("alpha-plugin")
    assert info is not None
    assert info.signed_by == PUBLISHER
    assert [each.signing_identity for each in seen] == [PUBLISHER]

    def refuse(plugin: DiscoveredPlugin) -> None:
        message = f"not on a Friday: {plugin.manifest.name}"
        raise PluginSignatureError(message)

    error, _ = refusal(signature_verifier=refuse)
    assert str(error) == "not on a Friday: alpha-plugin"


def test_a_signed_plugin_is_left_out_by_its_own_name_without_loading(
    place: Place, caplog: pytest.LogCaptureFixture
) -> None:
    """Also where neither entry point nor distribution is called so."""
    wheel = build_wheel(
        place.folder,
        "some-dist",
        {"some_dist.py": "raise SystemExit('imported')"},
        plugins={"some": "some_dist:make"},
    )
    facts = {"entry_point": "some", "name": "unwanted-plugin", "capabilities": (), "hooks": ()}
    sign_anyway(place.authority, wheel, factory="some_dist:make", fields=facts)
    unpack(wheel, place.site)
    with caplog.at_level(logging.INFO, "stigmem.plugins.registry"):
        registry = start(ignore={"unwanted-plugin"}, freeze=False)
    assert registry.registered_plugins() == frozenset()
    assert "plugin 'unwanted-plugin' is left out" in caplog.text
    assert register_discovered_plugins(registry=registry, ignore={"unwanted-plugin"}) == ()


def test_a_hosts_settings_may_name_the_paths(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    """What its object lacks, the environment says."""
    place.install("alpha-plugin")
    monkeypatch.delenv("STIGMEM_PLUGIN_TRUSTED_ROOT")
    fields = {
        "plugin_signing_required": True,
        "plugin_trusted_publishers": [PUBLISHER],
        "plugin_trust_override_publishers": "",
        "plugin_auto_discovery_enabled": True,
    }
    root = place.folder / "root.json"
    registry = start(settings=SimpleNamespace(**fields, plugin_trusted_root=root))
    assert registry.registered_plugins() == {"alpha-plugin"}
    with pytest.raises(StigmemPluginError, match="no usable 'plugin_trusted_root'"):
        start(settings=SimpleNamespace(**fields, plugin_trusted_root=3))
    in_force = PluginSettings.in_force(SimpleNamespace(**fields, plugin_dir=""))
    assert (in_force.plugin_dir, in_force.plugin_trusted_root) == (None, None)


# Signing off


@pytest.mark.usefixtures("off")
def test_with_signing_off_a_valid_signature_is_still_verified_and_shown(
    place: Place, caplog: pytest.LogCaptureFixture
) -> None:
    """A trusted publisher's as such; an unlisted one's with a warning and its identity."""
    other = PUBLISHER.replace("acme", "mallory")
    place.install("alpha-plugin")
    place.install("beta-plugin", identity=other)
    registry = start()
    assert {info.name: info.signed_by for info in registry.plugin_infos()} == {
        "alpha-plugin": PUBLISHER,
        "beta-plugin": other,
    }
    decisions = {
        name: registry.plugin_signing_metadata(name)["trust_decision"]
        for name in registry.registered_plugins()
    }
    assert decisions == {
        "alpha-plugin": "trusted_publisher",
        "beta-plugin": "development_unsigned_override",
    }
    assert registry.development_unsigned_plugins() == ("beta-plugin",)
    assert "SECURITY WARNING: plugin 'beta-plugin' is let in" in caplog.text
    assert "STIGMEM_PLUGIN_SIGNING_REQUIRED=false" in caplog.text
    assert "alpha-plugin" not in caplog.text


@pytest.mark.usefixtures("off")
@pytest.mark.parametrize("damage", ["file", "bundle", "manifest"])
def test_with_signing_off_a_broken_signature_is_still_refused(place: Place, damage: str) -> None:
    """Somebody meant it to hold."""
    signed: dict[str, Any] = {"version": "2.0.0"} if damage == "manifest" else {}
    info = place.install("alpha-plugin", **signed)
    if damage == "file":
        (place.site / "alpha_plugin.py").write_text("raise SystemExit('imported')")
    if damage == "bundle":
        (info / BUNDLE_NAME).write_text("{}")
    _, ((name, reason, _),) = refusal()
    assert (name, reason) == ("alpha-plugin", "signature")


@pytest.mark.usefixtures("off")
def test_with_signing_off_an_unsigned_plugin_loads_ordinarily(
    place: Place, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """Beside signed ones; with the warning that names the setting."""
    environment = place.folder / "environment"
    place.install("alpha-plugin", fields=", depends_on={'beta-plugin'}")
    place.install("beta-plugin", identity=None, into=environment)
    monkeypatch.syspath_prepend(environment)
    registry = start()
    assert registry.plugin_registration_order() == ("beta-plugin", "alpha-plugin")
    assert registry.development_unsigned_plugins() == ("beta-plugin",)
    assert "'beta-plugin' has no trusted signature" in caplog.text


@pytest.mark.usefixtures("off")
def test_an_unsigned_plugin_of_the_plugin_directory_is_refused(place: Place) -> None:
    """It cannot be imported from there, and verified bytes of it there are none."""
    place.install("alpha-plugin", identity=None)
    error, _ = refusal()
    assert "only signed plugins can be in the plugin directory" in str(error)


@pytest.mark.usefixtures("off")
def test_what_the_policy_denies_is_refused_with_signing_off_too(
    place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Signed plugins by their name, unsigned ones by their distribution's or their own."""
    environment = place.folder / "environment"
    place.install("alpha-plugin")
    place.install("beta-plugin", identity=None, into=environment)
    wheel = build_wheel(
        place.folder,
        "gamma-dist",
        {"gamma_dist.py": SIMPLE.format(name="gamma-plugin", top="", fields="", imports="")},
        plugins={"gamma": "gamma_dist:plugin_manifest"},
    )
    place.modules.add("gamma_dist")
    unpack(wheel, environment)
    monkeypatch.syspath_prepend(environment)
    policy = place.folder / "policy.toml"
    monkeypatch.setenv("STIGMEM_PLUGIN_TRUST_POLICY", str(policy))
    policy.write_text('[deny]\nplugins = ["alpha-plugin", "beta-plugin<2"]\n')
    error, refused = refusal()
    assert [name for name, _, _ in refused] == ["alpha-plugin", "beta-plugin"]
    assert "denied by beta-plugin<2 of the trust policy" in str(error)
    policy.write_text('[deny]\nplugins = ["gamma-plugin"]\n')
    error, refused = refusal()
    assert [name for name, _, _ in refused] == ["gamma-plugin"]


# The plugin directory


def test_a_name_that_environment_and_directory_both_offer_is_refused(
    place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Which of the two would run, nobody should have to guess."""
    place.install("alpha-plugin")
    place.install("alpha-plugin", into=place.folder / "environment")
    monkeypatch.syspath_prepend(place.folder / "environment")
    error, _ = refusal()
    assert "alpha-plugin is installed twice, also in" in str(error)
    assert str(place.site) in str(error)


def test_the_plugin_directory_is_never_on_the_search_path(place: Place) -> None:
    """Verified modules are imported from bytes, the others there not at all."""
    place.install("alpha-plugin")
    (place.site / "beside.py").write_text("raise SystemExit('imported')")
    before = list(sys.path)
    start()
    assert sys.path == before
    with pytest.raises(ModuleNotFoundError):
        __import__("beside")


def test_a_plugin_directory_that_is_none_stops_the_start(
    place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With the setting that names it."""
    monkeypatch.setenv("STIGMEM_PLUGIN_DIR", str(place.folder / "absent"))
    with pytest.raises(StigmemPluginError, match="absent is no folder") as raised:
        start()
    assert "STIGMEM_PLUGIN_DIR" in (raised.value.fix or "")


def test_a_relative_directory_is_where_it_was_at_start(
    place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Data files are found after the node has gone elsewhere."""
    unpack(good_wheel(place.folder, place.authority), place.site)
    monkeypatch.chdir(place.folder)
    monkeypatch.setenv("STIGMEM_PLUGIN_DIR", "plugins")
    start()
    monkeypatch.chdir("/")
    assert importlib.resources.files("good_plugin").joinpath("data.txt").read_text() == "data"


def test_a_directory_that_is_also_on_the_search_path_is_one_place(
    place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its plugins are not installed twice."""
    place.install("alpha-plugin")
    monkeypatch.syspath_prepend(place.site)
    (found,) = [d for d in installed_distributions(plugin_dir=str(place.site)) if d.is_signed]
    assert found.others == ()
    assert start().registered_plugins() == {"alpha-plugin"}


@pytest.mark.parametrize("others", [3, 300])
def test_nothing_of_sigstore_is_imported_where_nothing_is_signed(place: Place, others: int) -> None:
    """With signing required or not; it is slow to import."""
    environment = place.folder / "environment"
    place.install("alpha-plugin", identity=None, into=environment)
    for number in range(others):
        info = environment / f"other_{number}-1.0.dist-info"
        info.mkdir()
        (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: other-{number}\nVersion: 1\n")
    code = """
        import sys, json
        from stigmem_plugins import *
        for required in (True, False):
            try:
                register_discovered_plugins(registry=HookRegistry(), signing_required=required)
            except PluginSignatureError:
                assert required
        slow = {"sigstore", "cryptography"}
        print(json.dumps([name for name in sys.modules if name.split(".")[0] in slow]))
    """
    done = python_in(place.folder, code, PYTHONPATH=str(environment))
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout) == []
