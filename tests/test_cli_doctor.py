"""The command `doctor`, and the checks behind it."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from datetime import date
from pathlib import Path
from textwrap import dedent
from typing import Any

import pytest
from attrs import evolve, frozen
from click.testing import CliRunner, Result

from stigmem_plugins import bridge
from stigmem_plugins.cli import main
from stigmem_plugins.cli.doctor import CHECKS, Installation, diagnose, remedies
from stigmem_plugins.cli.doctor.installation import Sees
from stigmem_plugins.cli.doctor.roots import OLDEST
from stigmem_plugins.errors import StigmemPluginError
from stigmem_plugins.findings import Finding, Level
from stigmem_plugins.testing.sigstore import LocalAuthority
from stigmem_plugins.testing.wheels import build_wheel
from stigmem_plugins.trust.root import PINNED_ON
from tests import attacks
from tests.signed import ISSUER, PUBLISHER, sign_anyway, unpack

WORKFLOW = PUBLISHER.partition("@")[0]
ADA = "ada@example.com"
PLUGIN = """
    from attrs import frozen
    from stigmem_plugins import Allow, Deny, PluginHealth, PluginManifest, handler_timeout

    {before}

    def plugin_manifest():
        return PluginManifest("{name}", "1.0.0", {fields})
"""


@pytest.fixture(scope="module")
def authority() -> LocalAuthority:
    return LocalAuthority()


@frozen
class Node:
    """A node's environment and its plugin directory."""

    site: Path
    folder: Path
    authority: LocalAuthority
    monkeypatch: pytest.MonkeyPatch

    def set(self, name: str, value: str) -> None:
        self.monkeypatch.setenv(f"STIGMEM_PLUGIN_{name}", value)

    def let_in(self) -> None:
        self.set("SIGNING_REQUIRED", "false")

    def install(
        self, name: str, fields: str = "", before: str = "", *, into: Path | None = None, **at: Any
    ) -> Path:
        """Install an unsigned plugin into the environment, or a folder."""
        module = at.get("module", f"doctored_{name.replace('-', '_')}")
        source = dedent(PLUGIN).format(name=name, fields=fields, before=dedent(before))
        wheel = build_wheel(
            self.site.parent,
            at.get("distribution", f"{name}-dist"),
            {f"{module}.py": source},
            plugins={name: f"{module}:plugin_manifest"},
        )
        return unpack(wheel, into or self.site)

    def sign(
        self, name: str = "good-plugin", fields: str = "", before: str = "", **signed: Any
    ) -> Path:
        """Install a signed plugin into the plugin directory; returns its wheel."""
        module = f"doctored_{name.replace('-', '_')}"
        source = dedent(PLUGIN).format(name=name, fields=fields, before=dedent(before))
        wheel = build_wheel(
            self.site.parent,
            f"{name}-dist",
            {f"{module}.py": source},
            plugins={"good": f"{module}:plugin_manifest"},
        )
        if "issuer" in signed:
            self.authority.sign_wheel(wheel, **signed)
        else:
            identity = signed.pop("identity", PUBLISHER)
            declared = {"name": name, "capabilities": (), "hooks": (), **signed}
            factory = f"{module}:plugin_manifest"
            sign_anyway(self.authority, wheel, factory=factory, identity=identity, fields=declared)
        unpack(wheel, self.folder)
        return wheel


@pytest.fixture
def node(
    tmp_path: Path, authority: LocalAuthority, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Node]:
    """A node without plugins, which trusts one publisher."""
    for name in os.environ:
        if name.startswith("STIGMEM_"):
            monkeypatch.delenv(name)
    for name in ("COLUMNS", "FORCE_COLOR"):
        monkeypatch.delenv(name, raising=False)
    made = Node(tmp_path / "site", tmp_path / "plugins", authority, monkeypatch)
    made.site.mkdir()
    made.folder.mkdir()
    made.set("DIR", str(made.folder))
    made.set("TRUSTED_ROOT", str(authority.write_trusted_root(tmp_path / "root.json")))
    made.set("TRUSTED_PUBLISHERS", PUBLISHER)
    monkeypatch.syspath_prepend(made.site)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("stigmem_plugins.startup.installed_node_version", lambda: "0.9.0a12")
    yield made
    for module in [name for name in sys.modules if name.startswith("doctored_")]:
        del sys.modules[module]
    bridge.uninstall()
    bridge.install_fallback()


def run(*arguments: str) -> Result:
    return CliRunner().invoke(main, ["doctor", *arguments])


def joined(text: str) -> str:
    return " ".join(text.split())


def bad(*names: str) -> list[Finding]:
    """What is found, but for what is well."""
    return [each for each in diagnose(names) if each.level is not Level.OK]


def failures() -> dict[str | None, str]:
    """The codes of what fails, by subject."""
    return {each.subject: each.code for each in diagnose() if each.level is Level.FAIL}


# The table


def test_a_node_with_a_good_plugin_is_well(node: Node) -> None:
    """Every check says so, each in its line, and the exit code is 0."""
    node.sign()
    result = run()
    assert result.exit_code == 0, result.output
    lines = result.stdout.splitlines()
    assert [line.split()[:2] for line in lines[:-2]] == [["ok", each.name] for each in CHECKS]
    assert lines[-2:] == [f"1 plugin: {len(CHECKS)} ok", "A node would start."]


@pytest.mark.parametrize("check", CHECKS, ids=lambda check: check.name)
def test_every_check_is_described_and_can_be_asked_for_alone(check: Any, node: Node) -> None:
    """In one sentence; what a check finds carries its name."""
    assert check.description.endswith(".")
    assert not check.well.endswith(".")
    assert {finding.check for finding in diagnose([check.name])} == {check.name}


def test_names_are_unique() -> None:
    """Each names one check."""
    assert len({check.name for check in CHECKS}) == len(CHECKS)


def test_the_checks_are_listed() -> None:
    """For reading and for machines; no installation is looked at."""
    shown = joined(run("--list").stdout)
    assert all(f"{check.name} {check.description}" in shown for check in CHECKS)
    listed = json.loads(run("--list", "--json").stdout)["checks"]
    assert listed == [{"name": each.name, "description": each.description} for each in CHECKS]


def test_an_unknown_check_is_wrong_usage() -> None:
    """The nearest is named."""
    result = run("unsinged")
    assert (result.exit_code, result.stdout) == (2, "")
    assert result.stderr.splitlines() == [
        "error: there is no check 'unsinged' (did you mean 'unsigned'?)",
        "hint: `stigmem-plugins doctor --list` shows them",
    ]


def test_warnings_do_not_fail(node: Node) -> None:
    """Exit code 0, whatever should not stay as it is."""
    node.let_in()
    result = run("signing-off", "nothing-discovered")
    assert result.exit_code == 0
    assert result.stdout.splitlines()[-2:] == ["0 plugins: 2 warn", "A node would start."]


def test_json_has_the_findings(node: Node) -> None:
    """One object; the exit code is the same."""
    node.install("plain-plugin")
    result = run("unsigned", "cycle", "--json")
    assert result.exit_code == 1
    document = json.loads(result.stdout)
    assert document["schema_version"] == 1
    assert [(each["code"], each["level"]) for each in document["findings"]] == [
        ("unsigned", "fail"),
        ("cycle.not-checked", "skip"),
    ]
    assert document["findings"][0]["subject"] == "plain-plugin"
    assert "remedies" not in document


@pytest.mark.parametrize(
    ("setting", "value", "says"),
    [
        ("SIGNING_REQUIRED", "perhaps", "must be one of"),
        ("TRUST_POLICY", "absent.toml", "cannot read the trust policy absent.toml"),
        ("TRUSTED_ROOT", "absent.json", "cannot read the trusted root absent.json"),
        ("DIR", "absent", "the plugin directory absent is no folder"),
        ("TRUSTED_ROOT", "/dev/null", "the trusted root /dev/null is none"),
    ],
)
def test_what_it_judges_by_must_be_readable(
    node: Node, setting: str, value: str, says: str
) -> None:
    """Otherwise it could not check: exit code 3 and two lines; the function raises."""
    node.set(setting, value)
    result = run()
    assert (result.exit_code, result.stdout) == (3, "")
    error, hint = result.stderr.splitlines()
    assert says in error
    assert hint.startswith("hint: ")
    with pytest.raises(StigmemPluginError, match=says):
        diagnose()


def test_nothing_is_judged_anew(node: Node) -> None:
    """The facts and what to do are those of a start."""
    node.install("plain-plugin")
    (finding,) = bad("unsigned")
    listed = CliRunner().invoke(main, ["list", "--json"])
    (plugin,) = json.loads(listed.stdout)["plugins"]
    assert [finding.message, finding.hint] == [plugin["problem"], plugin["fix"]]


def test_in_a_process_of_its_own(node: Node) -> None:
    """A health check that never returns holds up nobody; what plugins print is no result."""
    hangs = """
        import time
        print("imported")
        check = handler_timeout(0.05)(lambda ctx: print("asked") or time.sleep(600))
    """
    node.let_in()
    node.install("hanging-plugin", "health_check=check", hangs)
    done = subprocess.run(
        [sys.executable, "-W", "error", "-m", "stigmem_plugins", "doctor", "unhealthy", "--json"],
        env={**os.environ, "PYTHONPATH": str(node.site)},
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    assert done.returncode == 1, done.stderr
    assert done.stderr.splitlines()[:2] == ["imported", "asked"]
    (finding,) = json.loads(done.stdout)["findings"]
    assert finding["message"] == "unhealthy: HandlerTimeoutError: timed out after 0.05 seconds"


def test_what_is_said_of_several_is_said_once(node: Node) -> None:
    """Plugins share a block, and blocks what is to do; the heading names the plugin alone."""
    node.let_in()
    node.install("alpha", "depends_on={'absent'}")
    node.install("beta", "depends_on={'absent'}")
    assert run("unsigned", "dependency-missing").stdout.splitlines() == [
        "warn  unsigned              alpha, beta",
        "      nobody signed it, and it loads because",
        "      STIGMEM_PLUGIN_SIGNING_REQUIRED=false",
        "      to do: have a build of it that its publisher signed before signing is",
        "      required",
        "fail  dependency-missing    alpha",
        "      plugin dependencies are not met: alpha missing absent",
        "fail  dependency-missing    beta",
        "      plugin dependencies are not met: beta missing absent",
        "      to do: install what is missing, or remove the plugins that need it",
        "2 plugins: 2 fail, 2 warn",
        "A node would not start: it takes all of its plugins, or none.",
    ]


def test_foreign_text_stays_within_80_columns_and_cannot_steer_the_terminal(node: Node) -> None:
    """No name is cut off, either."""
    node.let_in()
    long = "a-plugin-" + "with-a-long-name" * 3
    node.install(long, f"requires_stigmem='>=99', depends_on={{{'x' * 200!r}}}")
    node.install("rude-plugin", before="raise ValueError('\\x1b[31m')")
    result = run()
    assert max(map(len, result.stdout.splitlines())) <= 80
    assert long in result.stdout
    assert "ValueError: \\x1b[31m" in result.stdout


# What a start refuses

CONFIGURED = """
    @frozen
    class Config:
        limit: int
"""
JUDGE = """
    def judge(ctx, *, plugin, **_):
        {verdict}
"""
REFUSED = {
    "raises": ("", "raise ValueError('no')", "load-failed"),
    "leaves": ("", "raise SystemExit", "load-failed"),
    "returns no manifest": ("", "PluginManifest = dict.fromkeys", "load-failed"),
    "unknown hook": ("hooks={'recal_rank': print}", "", "load-failed"),
    "handler of another shape": ("hooks={'audit_emit': lambda: None}", "", "manifest-invalid"),
    "other node": ("requires_stigmem='>=99'", "", "incompatible-version"),
    "absent": ("depends_on={'absent-plugin'}", "", "dependency-missing"),
    "no settings": ("config_schema=int", "", "config-invalid"),
    "settings": ("config_schema=Config", CONFIGURED, "config-invalid"),
    "denied": (
        "hooks={'config_validate': judge}",
        JUDGE.format(verdict="return Deny('no')"),
        "config-invalid",
    ),
    "validator raises": (
        "hooks={'config_validate': judge}",
        JUDGE.format(verdict="raise ValueError"),
        "config-invalid.validator-failed",
    ),
    "validator says nothing": (
        "hooks={'config_validate': judge}",
        JUDGE.format(verdict="return None"),
        "config-invalid.validator-result",
    ),
    "validator cannot be awaited": (
        "hooks={'config_validate': judge}",
        JUDGE.replace("def", "async def").format(verdict="return Allow()"),
        "config-invalid.validator-result",
    ),
}


@pytest.mark.parametrize(("fields", "before", "code"), REFUSED.values(), ids=list(REFUSED))
def test_what_a_start_refuses_is_a_failure_of_one_check(
    node: Node, fields: str, before: str, code: str
) -> None:
    """By its reason; a good plugin beside it is not blamed, and nothing ends in a traceback."""
    node.let_in()
    node.install("odd-plugin", fields, before)
    node.install("plain-plugin")
    assert failures() == {"odd-plugin": code}
    result = run()
    assert result.exit_code == 1
    assert f"fail  {code.partition('.')[0]}" in result.stdout
    assert "Traceback" not in result.output


def test_a_circle_is_told_at_the_plugin_that_a_start_blames(node: Node) -> None:
    """With its path; a missing dependency beside it is another check's."""
    node.let_in()
    node.install("alpha", "depends_on={'beta'}")
    node.install("beta", "depends_on={'alpha'}")
    node.install("gamma", "depends_on={'absent-plugin'}")
    assert failures() == {"alpha": "cycle", "gamma": "dependency-missing"}
    (finding,) = bad("cycle")
    assert "alpha -> beta -> alpha" in finding.message


def test_signed_plugins_are_loaded_to_see_what_was_not_signed(node: Node) -> None:
    """Their configuration, say: the plugin directory's modules are on no search path."""
    node.sign("odd-plugin", "config_schema=Config", CONFIGURED)
    node.sign("good-plugin")
    assert failures() == {"odd-plugin": "config-invalid"}
    assert "limit is required" in joined(run("config-invalid").stdout)


# Settings that nothing reads


def unread() -> dict[str | None, str]:
    return {each.subject: each.message for each in bad("setting-unread")}


def test_a_misspelled_setting_is_a_warning(node: Node) -> None:
    """With the nearest that is one."""
    node.set("TRUSTED_PUBLISHER", ADA)
    said = unread()["STIGMEM_PLUGIN_TRUSTED_PUBLISHER"]
    assert said.endswith("(did you mean 'STIGMEM_PLUGIN_TRUSTED_PUBLISHERS'?)")


def test_variables_and_tables_of_plugins_are_read(node: Node, tmp_path: Path) -> None:
    """By its schema, so no key that it lacks; what a plugin reads itself is its own affair."""
    node.let_in()
    node.install("odd-plugin", "config_schema=Config", CONFIGURED)
    node.install("plain-plugin")
    node.set("ODD_PLUGIN_LIMIT", "1")
    node.set("PLAIN_PLUGIN_ANYTHING", "1")
    (tmp_path / "pyproject.toml").write_text("[tool.stigmem.plugins.plain-plugin]\n")
    assert unread() == {}
    node.set("ODD_PLUGIN_LIMITS", "1")
    assert list(unread()) == ["STIGMEM_PLUGIN_ODD_PLUGIN_LIMITS"]


def test_a_table_of_no_plugin_is_a_warning(node: Node, tmp_path: Path) -> None:
    """So is a file that cannot be read, though no plugin asks for it."""
    node.install("plain-plugin")  # it is not loaded: its distribution's name may be its own
    file = tmp_path / "pyproject.toml"
    file.write_text("[tool.stigmem.plugins]\nplain-plugn = {}\nplain-plugin-dist = {}\n")
    assert unread() == {
        "[tool.stigmem.plugins.plain-plugn]": "no plugin of that name is installed "
        "(did you mean 'plain-plugin'?)"
    }
    file.write_text("[tool")
    assert [each.code for each in bad("setting-unread")] == ["setting-unread.file"]


# Signatures


def test_an_unsigned_plugin_fails_while_signing_is_required(node: Node) -> None:
    """It is not imported, so what only its code shows is not checked; that is said."""
    node.install("plain-plugin", before="raise SystemExit('imported')")
    assert failures() == {"plain-plugin": "unsigned"}
    skipped = [each for each in diagnose() if each.level is Level.SKIP]
    assert [e.check for e in skipped] == [e.name for e in CHECKS if e.sees is not Sees.ALL]
    assert {each.message for each in skipped} == {
        "not checked for plain-plugin, which a start does not load",
        "not checked for plain-plugin, which a start refuses",
    }
    # One block for each reason.
    assert run().stdout.count("not checked for") == 2


def test_what_a_check_cannot_judge_it_does_not_call_well(node: Node) -> None:
    """A plugin that does not load has no handlers to look at; a refused one is asked nothing."""
    node.let_in()
    node.install("broken-plugin", before="raise ValueError")
    node.install("odd-plugin", "requires_stigmem='>=99', health_check=print")
    node.install("stigmem-plugin-memory-garden-acl")
    skipped = {each.check: each.message for each in diagnose() if each.level is Level.SKIP}
    assert "load-failed" not in skipped
    assert skipped["cycle"] == "not checked for broken-plugin, which a start does not load"
    asked = "not checked for broken-plugin, odd-plugin, which a start refuses"
    assert skipped["unhealthy"] == skipped["never-called"] == asked


def test_an_unsigned_plugin_that_is_let_in_is_a_warning(node: Node) -> None:
    """So is that signing is off."""
    node.let_in()
    node.install("plain-plugin")
    assert [each.code for each in bad()] == ["unsigned.let-in", "signing-off"]


def test_an_unsigned_plugin_has_no_place_in_the_plugin_directory(node: Node) -> None:
    """Whether or not signing is required."""
    node.install("plain-plugin", into=node.folder)
    assert failures() == {"plain-plugin": "unsigned"}
    node.let_in()
    assert failures() == {"plain-plugin": "unsigned"}


def test_a_changed_file_is_named(node: Node) -> None:
    """The signature is not that of what is installed."""
    node.sign()
    (node.folder / "doctored_good_plugin.py").write_text("import os\n")
    assert failures() == {"good": "signature-invalid"}
    assert "checksum mismatch: doctored_good_plugin.py" in bad("signature-invalid")[0].message
    assert bad("unsigned") == []
    assert "      checksum mismatch: doctored_good_plugin.py" in run("signature-invalid").stdout


def test_a_manifest_that_is_not_the_signed_one_is_an_invalid_signature(node: Node) -> None:
    """That shows when the plugin is loaded."""
    node.sign(fields="capabilities={'audit.emit'}")
    assert failures() == {"good-plugin": "signature-invalid"}
    assert "its manifest is not the signed one" in bad("signature-invalid")[0].message


def test_a_module_that_was_imported_before_is_an_invalid_signature(node: Node) -> None:
    """Nobody knows what bytes are running."""
    node.sign()
    sys.modules["doctored_good_plugin"] = sys
    assert failures() == {"good-plugin": "signature-invalid"}


def test_another_publisher_is_not_trusted(node: Node) -> None:
    """While signing is off, that is a warning."""
    node.set("TRUSTED_PUBLISHERS", "ada@example.com@https://accounts.google.com")
    node.sign(capabilities=("audit.emit",))
    assert failures() == {"good-plugin": "untrusted"}
    assert [each.code for each in bad("capability-unused")] == ["capability-unused.not-checked"]
    node.let_in()
    assert [each.code for each in bad("untrusted")] == ["untrusted.let-in"]


@pytest.mark.parametrize("signed", [True, False])
def test_what_is_denied_is_not_trusted(node: Node, tmp_path: Path, *, signed: bool) -> None:
    """Signed or not, and also while signing is off."""
    (tmp_path / "policy.toml").write_text('deny.plugins = ["good-plugin", "good-plugin-dist"]')
    node.set("TRUST_POLICY", "policy.toml")
    node.let_in()
    if signed:
        node.sign()
    else:
        node.install("good-plugin")
    assert failures() == {"good-plugin": "untrusted"}
    assert "is denied by" in bad("untrusted")[0].message
    if signed:
        (node.folder / "doctored_good_plugin.py").unlink()
        assert failures() == {"good": "signature-invalid"}


def test_an_exception_in_use_is_a_warning(node: Node) -> None:
    """An exception that nothing needs is none."""
    node.set("TRUST_OVERRIDE_PUBLISHERS", PUBLISHER)
    node.sign()
    assert bad() == []
    node.set("TRUSTED_PUBLISHERS", "")
    (finding,) = bad()
    assert (finding.code, finding.level) == ("override-in-use", Level.WARN)
    assert PUBLISHER in finding.message


def put(wheel: Path, folder: Path) -> None:
    unpack(wheel, folder)


make_site = attacks.site_fixture(put)
OF_TRUST = ("unsigned", "signature-invalid", "untrusted", "name-in-two-places")


@pytest.mark.parametrize("row", attacks.ATTACKS, ids=lambda row: row.title)
def test_what_a_start_refuses_of_an_attack_is_told_once(
    row: attacks.Attack,
    make_site: attacks.MakeSite,
    tmp_path: Path,
    node: Node,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """By one of four checks; nothing fails where a start succeeds with the verified bytes."""
    site = make_site(tmp_path / "work")
    row.act(site)
    root = site.authority.write_trusted_root(tmp_path / "root.json")
    for name, value in {"TRACE": str(site.trace), **site.environ}.items():
        monkeypatch.setenv(name, value)
    node.set("TRUSTED_ROOT", str(root))
    monkeypatch.setattr(sys, "path", [*site.paths, str(site.folder), *sys.path])
    found = [each for each in diagnose(OF_TRUST) if each.level is Level.FAIL]
    assert len(found) == (row.runs is None)
    assert site.trace.exists() == (row.runs is not None)


# Publishers

POLICY = f"""
    [[publishers]]
    identity = "{ADA}"
"""


@pytest.mark.parametrize("setting", ["TRUSTED_PUBLISHERS", "TRUST_OVERRIDE_PUBLISHERS"])
def test_an_identity_that_anybody_may_vouch_for_is_a_warning(node: Node, setting: str) -> None:
    """A workflow's issuer is implied; an entry that names one is well."""
    node.set(setting, f"{PUBLISHER}, {ADA}, bob@example.com@{ISSUER}")
    (finding,) = bad("issuer-not-pinned")
    assert (finding.subject, finding.level) == (ADA, Level.WARN)
    assert finding.hint == f"write {ADA}@ISSUER, the URL of who vouches for it"
    assert setting in finding.message


def test_the_issuer_of_what_is_installed_is_suggested(node: Node, tmp_path: Path) -> None:
    """In the list, and in the policy file; only if it is one."""
    node.sign(identity=ADA, issuer=ISSUER)
    node.set("TRUSTED_PUBLISHERS", ADA)
    (finding,) = bad("issuer-not-pinned")
    assert finding.hint == f"write {ADA}@{ISSUER}"
    (tmp_path / "policy.toml").write_text(dedent(POLICY))
    node.set("TRUST_POLICY", "policy.toml")
    _, finding = bad("issuer-not-pinned")
    assert finding.hint == f"give its table an issuer: {ISSUER}"
    assert "policy.toml accepts" in finding.message
    assert run("issuer-not-pinned", "--fix").stdout.splitlines()[-4:] == [
        "# Name who vouches for them, as on the plugins installed now:",
        f"export STIGMEM_PLUGIN_TRUSTED_PUBLISHERS={ADA}@{ISSUER}",
        f"# Name who vouches for {ADA}: to its table in policy.toml add:",
        f'#   issuer = "{ISSUER}"',
    ]
    node.sign("other-plugin", identity=ADA, issuer="https://github.com/login/oauth")
    assert "the URL of who vouches" in (bad("issuer-not-pinned")[0].hint or "")
    assert "export" not in run("issuer-not-pinned", "--fix").stdout


def test_a_workflow_on_any_ref_is_a_warning(node: Node, tmp_path: Path) -> None:
    """On any tag it is well."""
    node.set("TRUSTED_PUBLISHERS", f"{WORKFLOW}@refs/tags/*")
    assert bad("any-ref") == []
    (tmp_path / "policy.toml").write_text(f'[[publishers]]\nidentity = "{WORKFLOW}@*"')
    node.set("TRUST_POLICY", "policy.toml")
    (finding,) = bad("any-ref")
    assert "pull requests" in finding.message
    assert f"{WORKFLOW}@refs/tags/*" in (finding.hint or "")


# The trusted root


def root_findings(**changes: Any) -> list[Finding]:
    installation = evolve(Installation.look(), **changes)
    return [each for each in diagnose(["root-outdated"], installation) if each.level is Level.WARN]


@pytest.fixture
def pinned(node: Node, monkeypatch: pytest.MonkeyPatch) -> None:
    """The root of this package is in force."""
    monkeypatch.delenv("STIGMEM_PLUGIN_TRUSTED_ROOT")


@pytest.mark.usefixtures("pinned")
def test_the_pinned_root_is_well_until_it_is_old() -> None:
    """The last day, and the one after; and a clock that runs behind."""
    last = date.fromordinal(PINNED_ON.toordinal() + OLDEST)
    assert root_findings(today=PINNED_ON) == root_findings(today=last) == []
    (old,) = root_findings(today=date.fromordinal(last.toordinal() + 1))
    assert old.code == "root-outdated.old"
    assert f"{OLDEST + 1} days ago" in old.message
    assert [each.lines for each in remedies((), evolve(Installation.look(), today=date.max))] == [
        (
            "stigmem-plugins trust refresh --output trusted_root.json",
            'export STIGMEM_PLUGIN_TRUSTED_ROOT="$PWD/trusted_root.json"',
        )
    ]
    (early,) = root_findings(today=date.fromordinal(PINNED_ON.toordinal() - 1))
    assert early.code == "root-outdated.clock"


@pytest.mark.parametrize("years", [("2020", "2021"), ("3020", "3021")])
def test_a_root_without_a_valid_key_of_some_kind_is_a_warning(
    node: Node, tmp_path: Path, authority: LocalAuthority, years: tuple[str, str]
) -> None:
    """Keys that were replaced are no matter; a kind that an instance lacks is none either."""
    root = json.loads(authority.trusted_root_json())
    start, end = years
    over = {"start": f"{start}-01-01T00:00:00Z", "end": f"{end}-01-01T00:00:00Z"}
    valid, replaced = root["certificateAuthorities"][0], root["certificateAuthorities"][0].copy()
    root["certificateAuthorities"] = [{**replaced, "validFor": over}, valid]
    root["timestampAuthorities"][0]["validFor"] = over
    root["ctlogs"] = []
    path = tmp_path / "own root.json"
    path.write_text(json.dumps(root))
    node.set("TRUSTED_ROOT", str(path))
    (finding,) = bad("root-outdated")
    assert (finding.code, finding.subject) == ("root-outdated.no-valid-key", str(path))
    assert "timestamp authority" in finding.message
    assert f"{start}-01-01 to {end}-01-01" in finding.message
    assert run("root-outdated", "--fix").stdout.splitlines()[-2:] == [
        "# Fetch the trusted root anew; this needs the network:",
        f"stigmem-plugins trust refresh --output '{path}'",
    ]


def test_an_own_root_is_as_old_as_its_file(node: Node, tmp_path: Path) -> None:
    """As far as can be known."""
    os.utime(tmp_path / "root.json", (0, 0))
    (finding,) = bad("root-outdated")
    assert "it is of 1970-01-01" in finding.message


# What is installed where


def test_nothing_installed_is_said_with_where(node: Node, monkeypatch: pytest.MonkeyPatch) -> None:
    """It does not fail: a node starts without plugins."""
    (finding,) = bad()
    assert (finding.code, finding.level) == ("nothing-discovered", Level.WARN)
    assert str(node.folder) in finding.message
    assert finding.hint == f"install one with pip --target {node.folder}"
    monkeypatch.delenv("STIGMEM_PLUGIN_DIR")
    assert bad()[0].hint == "install one with pip"


def test_a_node_that_looks_for_no_plugins_is_a_warning(node: Node) -> None:
    """And how it looks for them again is printed."""
    node.set("AUTO_DISCOVERY_ENABLED", "off")
    node.sign()
    assert [each.code for each in bad()] == ["nothing-discovered.switched-off"]
    result = run("--fix")
    assert "unset STIGMEM_PLUGIN_AUTO_DISCOVERY_ENABLED" in result.stdout.splitlines()
    assert "A node would start" not in result.stdout


def test_environment_and_plugin_directory_that_offer_one_distribution(node: Node) -> None:
    """Both places are named, and no other check blames it too."""
    node.sign()
    node.install("good-plugin")
    assert failures() == {"good-plugin-dist": "name-in-two-places.distribution"}
    (finding,) = bad("name-in-two-places")
    assert str(node.site) in finding.message
    assert str(node.folder) in finding.message


def test_copies_on_the_search_path_are_a_warning_where_the_first_counts(
    node: Node, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """While signing is off, and they are unsigned."""
    node.let_in()
    node.install("plain-plugin")
    monkeypatch.syspath_prepend(node.install("plain-plugin", into=tmp_path / "other"))
    (finding,) = bad("name-in-two-places")
    assert finding.level is Level.WARN
    assert finding.message.endswith("the first counts")
    assert failures() == {}


def test_two_distributions_with_plugins_of_one_name(node: Node) -> None:
    """One finding names both."""
    node.let_in()
    node.sign("twin-plugin")
    node.install("twin-plugin", distribution="twin", module="doctored_twin")
    assert failures() == {"twin-plugin": "name-in-two-places"}
    (finding,) = bad("name-in-two-places")
    assert "of entry points" in finding.message


# What the code does

ASKS = "capabilities={'audit.emit', 'facts.read'}, hooks={'audit_emit': hear}"


@pytest.mark.parametrize(
    ("health", "level", "message"),
    [
        ("lambda ctx: PluginHealth('unhealthy', 'no disk')", Level.FAIL, "unhealthy: no disk"),
        ("lambda ctx: PluginHealth('degraded')", Level.WARN, "its health check says degraded"),
        ("lambda ctx: PluginHealth('unknown')", Level.WARN, "its health check says unknown"),
        ("lambda ctx: 1 / 0", Level.FAIL, "unhealthy: ZeroDivisionError: division by zero"),
        ("lambda ctx: PluginHealth('healthy', 'yes')", Level.OK, ""),
        ("None", Level.OK, ""),
    ],
)
def test_a_plugin_is_asked_how_it_is(node: Node, health: str, level: Level, message: str) -> None:
    """With its configuration; a plugin without a check is not."""
    node.sign(fields=f"health_check={health}")
    (finding,) = diagnose(["unhealthy"])
    assert finding.level is level
    assert level is Level.OK or finding.message == message


def test_a_health_check_may_miss_the_nodes_handles(node: Node) -> None:
    """Where a plugin has capabilities, that is said."""
    node.let_in()
    for name, capabilities in [("asking-plugin", "{'audit.emit'}"), ("plain-plugin", "()")]:
        node.install(name, f"capabilities={capabilities}, health_check=lambda ctx: 1 / 0")
    asking, plain = bad("unhealthy")
    assert "no handles" in (asking.hint or "")
    assert "no handles" not in (plain.hint or "")


@pytest.mark.parametrize("signed", [True, False])
def test_a_capability_that_no_code_uses_is_a_warning(node: Node, *, signed: bool) -> None:
    """Those that are used are not named; a plugin that asks for none is well."""
    before = "def hear(ctx, **_): ctx.get_audit_emitter()"
    node.let_in()
    if signed:
        declared = {"capabilities": ("audit.emit", "facts.read"), "hooks": ("audit_emit",)}
        node.sign("good-plugin", ASKS, before, **declared)
    else:
        node.install("good-plugin", ASKS, before)
    (finding,) = bad("capability-unused")
    assert (finding.subject, finding.level) == ("good-plugin", Level.WARN)
    assert finding.message == "it asks for facts.read, and its code never uses get_facts_reader"


def test_a_name_that_only_running_tells_leaves_it_open(node: Node) -> None:
    """So does a file that cannot be read."""
    node.let_in()
    node.install("good-plugin", ASKS, "def hear(ctx, *, event): getattr(ctx, str(event))")
    (finding,) = bad("capability-unused")
    assert (finding.code, finding.level) == ("capability-unused.unknown", Level.SKIP)
    assert "doctored_good_plugin.py:" in finding.message
    assert run("capability-unused").stdout.startswith("skip  capability-unused good-plugin\n")
    seen = Installation.look()
    (node.site / "doctored_good_plugin.py").unlink()
    (finding,) = diagnose(["capability-unused"], seen)
    assert "doctored_good_plugin.py cannot be read as Python" in finding.message


@pytest.mark.parametrize("package", [True, False])
def test_an_editable_install_is_looked_at_where_its_code_is(node: Node, *, package: bool) -> None:
    """Its metadata lists none of its files."""
    node.let_in()
    node.install("good-plugin", ASKS, "def hear(ctx, **_): ctx.get_audit_emitter()")
    (record,) = node.site.glob("good_plugin*/RECORD")
    record.unlink()
    if package:
        folder = node.site / "doctored_good_plugin"
        folder.mkdir()
        shutil.move(f"{folder}.py", folder / "__init__.py")
        (folder / "more.py").write_text("def more(ctx): ctx.get_facts_reader()")
    found = [each.message for each in bad("capability-unused")]
    unused = "it asks for facts.read, and its code never uses get_facts_reader"
    assert found == ([] if package else [unused])


@pytest.mark.parametrize(
    ("handler", "why"),
    [
        ("async def hear(ctx, *, event): ...", "it is asynchronous"),
        ("def hear(ctx, *, event, outcome): ...", "it needs outcome, which"),
        ("def hear(ctx, event, *, outcome=None): ...", None),
        ("def hear(*_, **more): ...", None),
    ],
)
def test_an_audit_handler_that_no_own_event_reaches_is_a_warning(
    node: Node, handler: str, why: str | None
) -> None:
    """The plugin layer fires that hook itself, with the event alone, and awaits nobody."""
    node.let_in()
    node.install("good-plugin", "hooks={'audit_emit': hear}", handler)
    found = bad("never-called")
    assert len(found) == (why is not None)
    assert all((why or "") in each.message for each in found)


@pytest.mark.parametrize("signed", [True, False])
def test_handlers_of_what_the_node_does_without_are_never_called(
    node: Node, *, signed: bool
) -> None:
    """How to uninstall it is printed where pip can do it."""
    name = "stigmem-plugin-memory-garden-acl"
    node.let_in()
    (node.sign if signed else node.install)(name)
    (finding,) = bad("never-called")
    assert (finding.code, finding.subject) == ("never-called.left-out", name)
    line = f"python -m pip uninstall {name}-dist"
    assert (line in run("--fix").stdout.splitlines()) != signed


# What can be done


def test_fix_prints_what_a_shell_understands(node: Node, tmp_path: Path) -> None:
    """Decisions are comments, so that pasting all of it makes none."""
    node.set("TRUSTED_PUBLISHERS", "")
    node.sign()
    script = run("--fix").stdout.partition("\n\n")[2].rstrip()
    assert script.splitlines()[-1] == (
        '# export STIGMEM_PLUGIN_TRUSTED_PUBLISHERS="${STIGMEM_PLUGIN_TRUSTED_PUBLISHERS:+'
        f'$STIGMEM_PLUGIN_TRUSTED_PUBLISHERS,}}"{PUBLISHER}'
    )
    for before, after in [("", PUBLISHER), ("ada", f"ada,{PUBLISHER}")]:
        shell = f"{script.replace('# export', 'export')}\necho $STIGMEM_PLUGIN_TRUSTED_PUBLISHERS"
        env = {"STIGMEM_PLUGIN_TRUSTED_PUBLISHERS": before}
        done = subprocess.run(
            ["sh", "-c", shell], capture_output=True, text=True, env=env, check=True
        )
        assert done.stdout.strip() == after


def test_the_publisher_is_offered_with_who_vouches_for_it(node: Node) -> None:
    """Where its identity does not imply that; one that a list cannot hold is not offered."""
    node.sign("good-plugin", identity=ADA, issuer=ISSUER)
    assert run("--fix").stdout.splitlines()[-1].endswith(f'"{ADA}@{ISSUER}')
    shutil.rmtree(node.folder)
    node.sign("good-plugin", identity='"a,b"@example.com', issuer=ISSUER)
    assert "export" not in run("untrusted", "--fix").stdout


def test_a_publisher_is_offered_once_and_not_if_the_file_has_a_say(
    node: Node, tmp_path: Path
) -> None:
    """What the policy file bounds or denies is not put right by the list."""
    node.set("TRUSTED_PUBLISHERS", "")
    node.sign()
    node.sign("other-plugin")
    assert run("--fix").stdout.count("# export") == 1
    node.set("TRUST_POLICY", "policy.toml")
    for policy in (
        f'[[publishers]]\nidentity = "{PUBLISHER}"\nplugins = []',
        f'[deny]\nidentities = ["{PUBLISHER}"]',
    ):
        (tmp_path / "policy.toml").write_text(policy)
        result = run("--fix")
        assert "fail  untrusted" in result.stdout
        assert result.stdout.splitlines()[-1].startswith("No command puts right")


def test_remedies_are_in_the_json(node: Node) -> None:
    """If they are asked for."""
    node.let_in()
    assert json.loads(run("--fix", "--json").stdout)["remedies"] == [
        {
            "purpose": "Load signed plugins only",
            "lines": ["unset STIGMEM_PLUGIN_SIGNING_REQUIRED"],
        }
    ]
