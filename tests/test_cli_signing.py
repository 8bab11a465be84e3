"""The commands `sign`, `verify` and `trust`, and `list` and `describe` of signed plugins."""

from __future__ import annotations

import json
import shutil
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from stigmem_plugins.cli import main
from stigmem_plugins.discovery import BUNDLE_NAME
from stigmem_plugins.testing.sigstore import LocalAuthority, ServedAuthority
from stigmem_plugins.testing.wheels import build_wheel
from tests.signed import PUBLISHER, good_wheel, sign_anyway, unpack

SETTINGS = (
    "SIGNING_REQUIRED",
    "TRUSTED_PUBLISHERS",
    "TRUST_OVERRIDE_PUBLISHERS",
    "TRUST_POLICY",
    "TRUSTED_ROOT",
    "DIR",
)


@pytest.fixture(scope="module")
def authority() -> LocalAuthority:
    return LocalAuthority()


@pytest.fixture(scope="module")
def served(authority: LocalAuthority) -> Iterator[ServedAuthority]:
    with authority.serve() as served:
        yield served


@pytest.fixture(autouse=True)
def site(tmp_path: Path, authority: LocalAuthority, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty plugin directory; the publisher is trusted."""
    for name in SETTINGS:
        monkeypatch.delenv(f"STIGMEM_PLUGIN_{name}", raising=False)
    for name in ("COLUMNS", "FORCE_COLOR", "SIGSTORE_IDENTITY_TOKEN"):
        monkeypatch.delenv(name, raising=False)
    folder = tmp_path / "plugins"
    folder.mkdir()
    root = authority.write_trusted_root(tmp_path / "root.json")
    monkeypatch.setenv("STIGMEM_PLUGIN_DIR", str(folder))
    monkeypatch.setenv("STIGMEM_PLUGIN_TRUSTED_ROOT", str(root))
    monkeypatch.setenv("STIGMEM_PLUGIN_TRUSTED_PUBLISHERS", PUBLISHER)
    monkeypatch.chdir(tmp_path)
    return folder


def run(*arguments: str | Path) -> Result:
    return CliRunner().invoke(main, list(map(str, arguments)))


def joined(text: str) -> str:
    return " ".join(text.split())


def results(*arguments: str | Path) -> list[dict[str, Any]]:
    document = json.loads(run("verify", *arguments, "--json").stdout)
    assert document["schema_version"] == 1
    listed: list[dict[str, Any]] = document["results"]
    return listed


# sign


def test_wheels_are_signed_with_a_token_over_http(
    tmp_path: Path, authority: LocalAuthority, served: ServedAuthority
) -> None:
    """Several at once, each told when it is done; then they verify."""
    config = served.write_trust_config(tmp_path / "config.json")
    token = authority.identity_token(PUBLISHER)
    one, two = good_wheel(tmp_path), good_wheel(tmp_path, version="2.0.0")
    result = run("sign", one, two, "--identity-token", token, "--trust-config", config)
    assert result.exit_code == 0, result.output
    told = joined(result.stdout)
    assert "[1/2] signed" in told
    assert "[2/2] signed" in told
    assert PUBLISHER in result.stdout.replace("\n", "")
    assert max(map(len, result.stdout.splitlines())) <= 80
    assert [each["status"] for each in results(one, two)] == ["verified", "verified"]


def test_the_token_can_come_from_the_environment(
    tmp_path: Path,
    authority: LocalAuthority,
    served: ServedAuthority,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Where it is not seen in a list of processes."""
    config = served.write_trust_config(tmp_path / "config.json")
    monkeypatch.setenv("SIGSTORE_IDENTITY_TOKEN", authority.identity_token(PUBLISHER))
    result = run("sign", good_wheel(tmp_path), "--trust-config", config)
    assert result.exit_code == 0, result.output
    assert "[1/1]" not in result.stdout


def test_what_was_signed_as_json(
    tmp_path: Path, authority: LocalAuthority, served: ServedAuthority
) -> None:
    """One object for all wheels, once all are signed."""
    config = served.write_trust_config(tmp_path / "config.json")
    token = authority.identity_token(PUBLISHER)
    wheel = good_wheel(tmp_path)
    result = run("sign", wheel, "--identity-token", token, "--trust-config", config, "--json")
    assert result.exit_code == 0, result.output
    facts = json.loads(result.stdout)
    assert facts["schema_version"] == 1
    (signed,) = facts["signed"]
    assert (signed["wheel"], signed["signed_by"]) == (str(wheel), PUBLISHER)
    assert signed["issuer"]


def test_a_ci_jobs_credential_is_found(
    tmp_path: Path,
    authority: LocalAuthority,
    served: ServedAuthority,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """As GitLab offers it: a variable with the token."""
    config = served.write_trust_config(tmp_path / "config.json")
    monkeypatch.setenv("GITLAB_CI", "true")
    monkeypatch.setenv("SIGSTORE_ID_TOKEN", authority.identity_token(PUBLISHER))
    result = run("sign", good_wheel(tmp_path), "--trust-config", config)
    assert result.exit_code == 0, result.output


def test_no_wheel_is_signed_if_one_cannot_be(
    tmp_path: Path, authority: LocalAuthority, served: ServedAuthority
) -> None:
    """All are looked at before the first is."""
    config = served.write_trust_config(tmp_path / "config.json")
    token = authority.identity_token(PUBLISHER)
    good = good_wheel(tmp_path)
    bad = good_wheel(tmp_path, version="2.0.0", plugins={"good": "absent:make"})
    before = good.read_bytes()
    result = run("sign", good, bad, "--identity-token", token, "--trust-config", config)
    assert result.exit_code == 1
    assert result.stderr.startswith(f"error: cannot sign {bad}: ")
    assert "hint: install what the plugin depends on" in result.stderr
    assert len(result.stderr.splitlines()) == 2
    assert good.read_bytes() == before


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        ([], "there is no identity to sign with"),
        (["--identity-token", "junk"], "the identity token cannot be used: IdentityError"),
    ],
)
def test_without_an_identity_nothing_is_signed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, arguments: list[str], says: str
) -> None:
    """And the author is told where identities come from."""
    for name in ("GITHUB_ACTIONS", "GITLAB_CI", "BUILDKITE", "CIRCLECI"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr("sigstore.oidc.detect_credential", lambda: None)
    result = run("sign", good_wheel(tmp_path), *arguments)
    assert result.exit_code == 1
    assert says in result.stderr
    assert "hint: " in result.stderr


def test_a_configuration_that_cannot_be_used_is_named(
    tmp_path: Path,
    authority: LocalAuthority,
    served: ServedAuthority,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A file that is none; the public one without a network."""
    token, config = authority.identity_token(PUBLISHER), tmp_path / "config.json"
    config.write_text("{}")
    result = run("sign", good_wheel(tmp_path), "--identity-token", token, "--trust-config", config)
    assert result.exit_code == 1
    assert f"the Sigstore configuration {config} cannot be used" in result.stderr

    def offline() -> None:
        raise ConnectionError("no network")

    monkeypatch.setattr("sigstore.models.ClientTrustConfig.production", offline)
    result = run("sign", good_wheel(tmp_path), "--identity-token", token)
    assert result.exit_code == 1
    assert "of the public instance cannot be used: ConnectionError: no network" in result.stderr
    assert "hint: check the network" in result.stderr


def test_an_instance_that_does_not_answer_is_named(
    tmp_path: Path, authority: LocalAuthority
) -> None:
    """Its certificate cannot be had; the wheel is as it was."""
    with authority.serve() as gone:
        config = gone.write_trust_config(tmp_path / "config.json")
    wheel = good_wheel(tmp_path)
    before = wheel.read_bytes()
    token = authority.identity_token(PUBLISHER)
    result = run("sign", wheel, "--identity-token", token, "--trust-config", config)
    assert result.exit_code == 1
    assert "error: the Sigstore instance gives no certificate: ConnectionError" in result.stderr
    assert wheel.read_bytes() == before


def test_a_new_signature_that_does_not_verify_is_reported(
    tmp_path: Path,
    authority: LocalAuthority,
    served: ServedAuthority,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """By the instance's own root, before anybody relies on it."""
    document = json.loads(served.trust_config_json())
    document["trustedRoot"]["tlogs"] = json.loads(LocalAuthority().trusted_root_json())["tlogs"]
    config = tmp_path / "config.json"
    config.write_text(json.dumps(document))
    token = authority.identity_token(PUBLISHER)
    result = run("sign", good_wheel(tmp_path), "--identity-token", token, "--trust-config", config)
    assert result.exit_code == 1
    assert "was signed, and does not verify" in result.stderr


# verify


def test_a_wheel_is_verified(tmp_path: Path, authority: LocalAuthority) -> None:
    """Exit code 0; identity, issuer and decision are shown."""
    wheel = good_wheel(tmp_path, authority)
    result = run("verify", wheel)
    assert result.exit_code == 0
    assert "trusted_publisher" in result.stdout
    (facts,) = results(wheel)
    assert facts == {
        "target": str(wheel),
        "status": "verified",
        "plugin": "good-plugin",
        "distribution": "good-plugin",
        "version": "1.0.0",
        "signed_by": PUBLISHER,
        "issuer": "https://token.actions.githubusercontent.com",
        "trust_decision": "trusted_publisher",
        "problem": None,
        "fix": None,
    }


def test_a_wheel_of_an_untrusted_publisher_is_refused(
    tmp_path: Path, authority: LocalAuthority
) -> None:
    """Exit code 1; who signed is shown, and where to say that they are trusted."""
    wheel = authority.sign_wheel(good_wheel(tmp_path), identity=PUBLISHER.replace("acme", "eve"))
    result = run("verify", wheel)
    assert result.exit_code == 1
    (facts,) = results(wheel)
    assert facts["status"] == "refused"
    assert facts["signed_by"] == PUBLISHER.replace("acme", "eve")
    assert "add the identity to STIGMEM_PLUGIN_TRUSTED_PUBLISHERS" in facts["fix"]


def test_exit_codes_tell_refused_from_could_not_check(
    tmp_path: Path, authority: LocalAuthority
) -> None:
    """Refused goes first; each target has a result of its own."""
    good, bad = good_wheel(tmp_path, authority), good_wheel(tmp_path, version="2.0.0")
    absent = tmp_path / "absent-1.0-py3-none-any.whl"
    assert run("verify", good).exit_code == 0
    assert run("verify", good, bad, absent).exit_code == 1
    assert run("verify", good, absent).exit_code == 3
    statuses = [each["status"] for each in results(good, bad, absent)]
    assert statuses == ["verified", "refused", "could not check"]


def test_installed_plugins_are_verified_by_any_of_their_names(
    site: Path, tmp_path: Path, authority: LocalAuthority
) -> None:
    """Or all at once; nothing of them is imported."""
    unpack(good_wheel(tmp_path, authority), site)
    for name in ("good", "good-plugin", "Good_Plugin"):
        assert run("verify", name).exit_code == 0
    assert run("verify", "--all").exit_code == 0
    (site / "good_tool.py").write_text("changed")
    result = run("verify", "--all")
    assert result.exit_code == 1
    assert "checksum mismatch: good_tool.py" in joined(result.stdout)
    assert "good_plugin" not in sys.modules


def test_verify_asks_for_a_signature_also_where_signing_is_off(
    site: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What a node would let in is another question."""
    monkeypatch.setenv("STIGMEM_PLUGIN_SIGNING_REQUIRED", "false")
    unpack(good_wheel(tmp_path), site)
    assert run("verify", "--all").exit_code == 1


def test_nothing_installed_is_nothing_wrong() -> None:
    """It is said."""
    result = run("verify", "--all")
    assert (result.exit_code, result.stdout) == (0, "No plugin is installed.\n")


@pytest.mark.parametrize("arguments", [[], ["--all", "good"], ["absent"]])
def test_wrong_usage_has_an_exit_code_of_its_own(arguments: list[str]) -> None:
    """Two."""
    assert run("verify", *arguments).exit_code == 2


@pytest.mark.parametrize(
    ("setting", "content"),
    [("TRUSTED_ROOT", "{}"), ("TRUSTED_ROOT", None), ("TRUST_POLICY", "[["), ("DIR", None)],
)
@pytest.mark.parametrize("target", ["--all", "wheel"])
def test_what_cannot_be_checked_has_an_exit_code_of_its_own(
    site: Path,
    tmp_path: Path,
    authority: LocalAuthority,
    monkeypatch: pytest.MonkeyPatch,
    setting: str,
    content: str | None,
    target: str,
) -> None:
    """Three: the root, the policy or the plugin directory cannot be read."""
    unpack(good_wheel(tmp_path, authority), site)
    path = tmp_path / "setting"
    if content is not None:
        path.write_text(content)
    monkeypatch.setenv(f"STIGMEM_PLUGIN_{setting}", str(path))
    wheel = good_wheel(tmp_path, authority)
    result = run("verify", wheel, "good") if target == "wheel" else run("verify", target)
    assert result.exit_code == 3
    assert str(path) in result.stderr
    assert len(result.stderr.splitlines()) == 2


# list and describe


def test_signed_plugins_are_shown_without_importing_them(
    site: Path, tmp_path: Path, authority: LocalAuthority
) -> None:
    """Their factories would end the process."""
    files = {"good_plugin.py": "raise SystemExit('imported')"}
    wheel = build_wheel(
        tmp_path, "good-plugin", files, plugins={"good": "good_plugin:plugin_manifest"}
    )
    unpack(sign_anyway(authority, wheel), site)
    result = run("list")
    assert result.exit_code == 0, result.output
    assert "1 installed, 1 accepted" in result.stdout
    (plugin,) = json.loads(run("list", "--json").stdout)["plugins"]
    assert plugin["name"] == "good-plugin"
    assert plugin["capabilities"] == ["audit.emit"]
    assert plugin["hooks"] == ["capability_check"]
    assert plugin["signed_by"] == PUBLISHER
    assert plugin["issuer"] == "https://token.actions.githubusercontent.com"
    assert plugin["trust_decision"] == "trusted_publisher"
    described = json.loads(run("describe", "good-plugin", "--json").stdout)["plugin"]
    assert (described["config"], described["health"]) == (None, None)
    assert "good_plugin" not in sys.modules


@pytest.mark.parametrize("required", ["true", "false"])
@pytest.mark.parametrize(
    ("fields", "says"),
    [
        ({"depends_on": ("absent-plugin",)}, "good-plugin missing absent-plugin"),
        ({"depends_on": ("good-plugin",)}, "depends_on names the plugin itself"),
        ({"requires_stigmem": ">=99"}, "requires stigmem >=99"),
        ({"hooks": ("recal_rank",)}, "unknown plugin hooks: 'recal_rank'"),
        ({"capabilities": ("facts.reed",)}, "unknown plugin capabilities: 'facts.reed'"),
    ],
)
def test_signed_manifests_are_judged_without_importing_them(
    site: Path,
    tmp_path: Path,
    authority: LocalAuthority,
    monkeypatch: pytest.MonkeyPatch,
    required: str,
    fields: dict[str, Any],
    says: str,
) -> None:
    """As a start would: dependencies, versions, hooks and capabilities."""
    monkeypatch.setenv("STIGMEM_PLUGIN_SIGNING_REQUIRED", required)
    files = {"good_plugin.py": "raise SystemExit('imported')"}
    wheel = build_wheel(
        tmp_path, "good-plugin", files, plugins={"good": "good_plugin:plugin_manifest"}
    )
    unpack(sign_anyway(authority, wheel, fields=fields), site)
    (plugin,) = json.loads(run("list", "--json").stdout)["plugins"]
    assert plugin["status"] in {"refused", "failed"}
    assert says in plugin["problem"]


def test_a_signed_validator_that_was_not_imported_has_no_say(
    site: Path, tmp_path: Path, authority: LocalAuthority
) -> None:
    """In a listing; what it would say of others only a start can tell."""
    for name in ("good-plugin", "other-plugin"):
        module = name.replace("-", "_")
        wheel = build_wheel(
            tmp_path,
            name,
            {f"{module}.py": "raise SystemExit('imported')"},
            plugins={name: f"{module}:make"},
        )
        facts = {"entry_point": name, "name": name, "hooks": ("config_validate",)}
        unpack(sign_anyway(authority, wheel, factory=f"{module}:make", fields=facts), site)
    plugins = json.loads(run("list", "--json").stdout)["plugins"]
    assert [each["status"] for each in plugins] == ["accepted", "accepted"]


def test_a_capability_ceiling_is_held_without_importing(
    site: Path, tmp_path: Path, authority: LocalAuthority, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What was signed says what the plugin would ask for."""
    policy = tmp_path / "policy.toml"
    policy.write_text(f'[[publishers]]\nidentity = "{PUBLISHER}"\ncapabilities = []\n')
    monkeypatch.setenv("STIGMEM_PLUGIN_TRUST_POLICY", str(policy))
    unpack(good_wheel(tmp_path, authority), site)
    (plugin,) = json.loads(run("list", "--json").stdout)["plugins"]
    assert plugin["status"] == "refused"
    assert "asks for audit.emit" in plugin["problem"]
    assert plugin["name"] == "good-plugin"
    assert plugin["signed_by"] == PUBLISHER


def test_a_distribution_without_entry_points_is_listed_by_its_name(
    site: Path, tmp_path: Path, authority: LocalAuthority
) -> None:
    """It carries a bundle, so it is meant to be a plugin."""
    unpack(good_wheel(tmp_path, authority), site)
    info = site / "good_plugin-1.0.0.dist-info"
    (info / "entry_points.txt").unlink()
    (plugin,) = json.loads(run("list", "--json").stdout)["plugins"]
    assert (plugin["distribution"], plugin["status"]) == ("good-plugin", "refused")
    shutil.rmtree(info)
    assert not (info / BUNDLE_NAME).exists()
    assert json.loads(run("list", "--json").stdout)["plugins"] == []


def test_a_plugin_that_signing_off_lets_in_is_shown_with_its_signer(
    site: Path, tmp_path: Path, authority: LocalAuthority, monkeypatch: pytest.MonkeyPatch
) -> None:
    """And with the decision that let it in; a listing warns of nothing."""
    monkeypatch.setenv("STIGMEM_PLUGIN_SIGNING_REQUIRED", "false")
    monkeypatch.delenv("STIGMEM_PLUGIN_TRUSTED_PUBLISHERS")
    unpack(good_wheel(tmp_path, authority), site)
    result = run("list", "--json")
    (plugin,) = json.loads(result.stdout)["plugins"]
    assert plugin["status"] == "accepted"
    assert plugin["signed_by"] == PUBLISHER
    assert plugin["trust_decision"] == "development_unsigned_override"
    assert result.stderr == ""


# trust


def test_trust_show_says_what_is_in_force(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Settings, policy, and the services whose keys the root holds."""
    policy = tmp_path / "policy.toml"
    policy.write_text(
        '[[publishers]]\nidentity = "ada@example.com"\nissuer = "https://a.example"\n'
        '[deny]\nidentities = ["eve@example.com"]\nplugins = ["bad-plugin<2"]\n'
    )
    monkeypatch.setenv("STIGMEM_PLUGIN_TRUST_POLICY", str(policy))
    result = run("trust", "show")
    assert result.exit_code == 0, result.output
    assert max(map(len, result.stdout.splitlines())) <= 80
    for text in ("signing required yes", "ada@example.com@https://a.example", "bad-plugin<2"):
        assert text in joined(result.stdout)
    facts = json.loads(run("trust", "show", "--json").stdout)["trust"]
    assert facts["trusted_publishers"] == [PUBLISHER]
    assert facts["denied"] == ["eve@example.com", "bad-plugin<2"]
    assert facts["root"].endswith("root.json")
    assert facts["root_taken"] is None
    assert (
        "transparency log: https://rekor.localhost, 2000-01-01 to 2100-01-01" in facts["services"]
    )


def test_trust_show_says_when_the_pinned_root_was_taken(monkeypatch: pytest.MonkeyPatch) -> None:
    """And from where."""
    monkeypatch.delenv("STIGMEM_PLUGIN_TRUSTED_ROOT")
    facts = json.loads(run("trust", "show", "--json").stdout)["trust"]
    assert facts["root"] == "pinned"
    assert facts["root_taken"] == "2026-11-24, from sigstore-python 4.5.1"


def test_trust_show_names_a_root_that_is_none(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With what to do."""
    (tmp_path / "root.json").write_text("{}")
    result = run("trust", "show")
    assert result.exit_code == 3
    assert "hint: get it anew with `stigmem-plugins trust refresh`" in result.stderr
