"""The commands `list`, `describe` and `explain` where plugins are signed."""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner
from sigstore.models import Bundle
from sigstore.verify import Verifier, policy

from stigmem_plugins import bridge
from stigmem_plugins.cli import main
from stigmem_plugins.discovery import BUNDLE_NAME
from stigmem_plugins.testing.sigstore import LocalAuthority
from stigmem_plugins.testing.wheels import build_wheel
from tests.signed import PUBLISHER, sign_anyway, unpack

PLUGINS = 200
HOOKS = ("audit_emit", "recall_filter", "recall_rank")
SOURCE = """
from attrs import field, frozen
from stigmem_plugins import Deny, PluginHealth, PluginManifest

@frozen
class Config:
    region: str = "north"
    token: str = field(default="hunter22", repr=False)

def vote(ctx, **_):
    return Deny("closed in " + ctx.config.region)

def plugin_manifest():
    return PluginManifest(
        "cts-plugin",
        "1.0.0",
        hooks={"capability_check": vote},
        health_check=lambda ctx: PluginHealth("degraded", "slow in " + ctx.config.region),
        config_schema=Config,
    )
"""


@pytest.fixture(scope="module")
def authority() -> LocalAuthority:
    return LocalAuthority()


@pytest.fixture
def site(
    tmp_path: Path, authority: LocalAuthority, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Path]:
    """A plugin directory; its publisher is trusted, and signing is required."""
    folder = tmp_path / "plugins"
    folder.mkdir()
    root = authority.write_trusted_root(tmp_path / "root.json")
    monkeypatch.setenv("STIGMEM_PLUGIN_TRUSTED_ROOT", str(root))
    monkeypatch.setenv("STIGMEM_PLUGIN_TRUSTED_PUBLISHERS", PUBLISHER)
    monkeypatch.setenv("STIGMEM_PLUGIN_DIR", str(folder))
    monkeypatch.chdir(tmp_path)
    yield folder
    for module in ("cts_plugin", "cts_other"):
        sys.modules.pop(module, None)
    bridge.uninstall()
    bridge.install_fallback()


@pytest.fixture
def plugin(site: Path, authority: LocalAuthority) -> Path:
    """A signed plugin in it, with a configuration and a health check."""
    wheel = build_wheel(
        site.parent,
        "cts-plugin",
        {"cts_plugin.py": SOURCE},
        plugins={"cts": "cts_plugin:plugin_manifest"},
    )
    return unpack(authority.sign_wheel(wheel, identity=PUBLISHER), site)


def run(*arguments: str) -> Any:
    return CliRunner().invoke(main, arguments)


def best(call: Callable[[], Any], rounds: int) -> float:
    """The shortest time of several, as the processor counts it: others may be at work beside."""
    times = []
    for _ in range(rounds):
        begin = time.process_time()
        call()
        times.append(time.process_time() - begin)
    return min(times)


def test_listing_many_signed_plugins_costs_little_more_than_their_cryptography(
    site: Path, authority: LocalAuthority
) -> None:
    """At most six times one bare `verify_dsse` for each, and none of them is imported."""
    for number in range(PLUGINS):
        module = f"cts_many_{number}"
        name = module.replace("_", "-")
        wheel = build_wheel(
            site.parent,
            name,
            {f"{module}.py": "raise SystemExit('imported')"},
            plugins={name: f"{module}:make"},
        )
        facts = {"entry_point": name, "name": name, "capabilities": (), "hooks": HOOKS}
        unpack(sign_anyway(authority, wheel, factory=f"{module}:make", fields=facts), site)
    bundle = Bundle.from_json((site / f"cts_many_0-1.0.0.dist-info/{BUNDLE_NAME}").read_bytes())
    verifier = Verifier(trusted_root=authority.trusted_root)
    identity = policy.Identity(identity=PUBLISHER)
    listed: list[Any] = []

    def listing() -> None:
        listed.append(run("list", "--json"))

    ratios = []
    for _ in range(2):
        bare = best(lambda: verifier.verify_dsse(bundle, identity), 20)
        ratios.append(best(listing, 1) / bare / PLUGINS)
    assert min(ratios) <= 6
    result = listed[-1]
    assert result.exit_code == 0, result.output
    plugins = json.loads(result.stdout)["plugins"]
    assert len(plugins) == PLUGINS
    assert {each["status"] for each in plugins} == {"accepted"}
    assert {each["signed_by"] for each in plugins} == {PUBLISHER}
    assert not [name for name in sys.modules if name.startswith("cts_many")]


@pytest.mark.usefixtures("plugin")
def test_a_signed_plugin_is_described_without_importing_it() -> None:
    """What its publisher signed is shown, and how to learn the rest."""
    result = run("describe", "cts-plugin")
    assert result.exit_code == 0
    assert "trust      trusted_publisher" in result.stdout
    assert "hooks      capability_check" in result.stdout
    assert "Its configuration and health are known once it is loaded: say --load." in result.stdout
    facts = json.loads(run("describe", "cts-plugin", "--json").stdout)["plugin"]
    assert (facts["config"], facts["health"]) == (None, None)
    assert "cts_plugin" not in sys.modules


@pytest.mark.usefixtures("plugin")
def test_a_signed_plugin_that_is_loaded_tells_its_configuration_and_health(
    site: Path, authority: LocalAuthority
) -> None:
    """From the verified bytes, as at a start, beside others; secrets are masked."""
    files = {"cts_other.py": SOURCE.replace("cts-plugin", "cts-other").replace("hunter", "")}
    points = {"cts-first": "cts_other:plugin_manifest"}
    wheel = build_wheel(site.parent, "cts-other", files, plugins=points)
    unpack(authority.sign_wheel(wheel, identity=PUBLISHER), site)
    result = run("describe", "cts", "--load")
    assert result.exit_code == 0
    assert "status: degraded, message: slow in north" in result.stdout
    assert "region: north, token: ***" in result.stdout
    assert "--load" not in result.stdout
    facts = json.loads(run("describe", "cts", "--load", "--json").stdout)["plugin"]
    assert facts["config"] == {"region": "north", "token": "***"}
    assert facts["health"] == {"status": "degraded", "message": "slow in north", "error": None}
    assert facts["trust_decision"] == "trusted_publisher"


@pytest.mark.usefixtures("plugin")
def test_what_a_node_refuses_is_not_loaded_to_look_at_it(monkeypatch: pytest.MonkeyPatch) -> None:
    """The error is that of a start."""
    monkeypatch.setenv("STIGMEM_PLUGIN_TRUSTED_PUBLISHERS", "")
    result = run("describe", "cts-plugin", "--load")
    assert (result.exit_code, result.stdout) == (1, "")
    assert "error: plugin 'cts-plugin'" in result.stderr
    assert "cts_plugin" not in sys.modules


@pytest.mark.usefixtures("plugin")
def test_what_a_node_does_without_is_not_loaded(monkeypatch: pytest.MonkeyPatch) -> None:
    """It is said."""
    monkeypatch.setenv("STIGMEM_PLUGIN_AUTO_DISCOVERY_ENABLED", "no")
    result = run("describe", "cts-plugin", "--load")
    assert (result.exit_code, result.stdout) == (1, "")
    assert result.stderr.startswith("error: a node starts without 'cts-plugin'")


@pytest.mark.usefixtures("plugin")
def test_a_handler_of_a_signed_plugin_is_explained() -> None:
    """With its publisher, and without the word that marks unsigned ones."""
    result = run("explain", "capability_check")
    assert "deny" in result.stdout
    assert "cts-plugin.vote of cts-plugin 1.0.0\n" in result.stdout
    (step,) = json.loads(run("explain", "capability_check", "--json").stdout)["handlers"]
    assert step["signed_by"] == PUBLISHER
    assert step["text"] == "closed in north"


@pytest.mark.usefixtures("plugin")
def test_a_listing_claims_no_more_than_it_looked_at(monkeypatch: pytest.MonkeyPatch) -> None:
    """A signed plugin is not loaded, so its configuration may still be what stops a start."""
    monkeypatch.setenv("STIGMEM_PLUGIN_CTS_PLUGIN_REGION", "")
    last = run("list").stdout.splitlines()[-1]
    assert last == "A node would start, if it can load and configure them: see `doctor`."


def signed(site: Path, authority: LocalAuthority, name: str, *needs: str) -> Path:
    """A signed plugin without handlers, whose entry point is spelt like its module."""
    module = name.replace("-", "_")
    factory = f"{module}:make"
    wheel = build_wheel(site.parent, name, {f"{module}.py": ""}, plugins={module: factory})
    facts = {"entry_point": module, "name": name, "depends_on": needs}
    unpack(sign_anyway(authority, wheel, factory=factory, fields=facts), site)
    return site / f"{module}.py"


def test_whose_dependency_is_refused_is_not_blamed(site: Path, authority: LocalAuthority) -> None:
    """It is there, so it is not missing; each refusal has its own remedy, beside the problem."""
    signed(site, authority, "cts-base").write_text("# changed")
    signed(site, authority, "cts-upon", "cts-base")
    base, upon = json.loads(run("list", "--json").stdout)["plugins"]
    assert (base["entry_point"], base["status"]) == ("cts_base", "refused")
    assert (upon["name"], upon["status"], upon["problem"]) == ("cts-upon", "accepted", None)
    listed = " ".join(run("list").stdout.split())
    assert "is not the file that was signed to do install it anew" in listed


def test_who_signed_what_was_changed_is_not_claimed_to_be_nobody(
    site: Path, authority: LocalAuthority
) -> None:
    """A signature is there, and does not verify: that is another thing than none."""
    signed(site, authority, "cts-base").write_text("# changed")
    signed(site, authority, "cts-upon")
    for command in ("list", "verify --all", "describe cts-base"):
        assert "signed by not verified" in " ".join(run(*command.split()).stdout.split())
    signers = [each["signed_by"] for each in json.loads(run("list", "--json").stdout)["plugins"]]
    assert signers == ["not verified", PUBLISHER]
    page = run("report", "-o", "-").stdout
    assert '<span class="muted">not verified</span>' in page


@pytest.mark.parametrize("pick", [0, 1])
def test_who_is_refused_beside_others_is_still_told_apart(
    site: Path, authority: LocalAuthority, pick: int
) -> None:
    """One that a start refuses does not make the others refused."""
    for number, needs in enumerate([(), ("absent-plugin",)]):
        name = f"cts-some-{number}"
        module = name.replace("-", "_")
        wheel = build_wheel(
            site.parent, name, {f"{module}.py": ""}, plugins={name: f"{module}:make"}
        )
        facts = {"entry_point": name, "name": name, "hooks": HOOKS, "depends_on": needs}
        unpack(sign_anyway(authority, wheel, factory=f"{module}:make", fields=facts), site)
    plugin = json.loads(run("list", "--json").stdout)["plugins"][pick]
    assert plugin["status"] == ["accepted", "refused"][pick]
