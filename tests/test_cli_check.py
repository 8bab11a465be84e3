"""The command `check`."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from stigmem_plugins.authoring.checks import CHECKS
from stigmem_plugins.authoring.sarif import sarif_log
from stigmem_plugins.cli import main
from stigmem_plugins.findings import Finding, Level, Place
from stigmem_plugins.testing.sigstore import LocalAuthority
from stigmem_plugins.testing.wheels import build_wheel
from tests.authored import PYPROJECT, author, handling, write
from tests.signed import good_wheel, sign_anyway

ROOT = Path(__file__).parents[1]
GOOD = handling("pre_assert_authorize", "def h(ctx, **_): return Allow()")
BAD = handling("pre_assert_authorize", "def h(ctx, *, req): return req == 1")


@pytest.fixture(scope="module")
def authority() -> LocalAuthority:
    return LocalAuthority()


@pytest.fixture(autouse=True)
def _settings(
    tmp_path_factory: pytest.TempPathFactory,
    authority: LocalAuthority,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The authority's root is the one in force, and no pyproject.toml of this project near."""
    for name in ("TRUSTED_PUBLISHERS", "TRUST_POLICY", "DIR", "SIGNING_REQUIRED"):
        monkeypatch.delenv(f"STIGMEM_PLUGIN_{name}", raising=False)
    for name in ("COLUMNS", "FORCE_COLOR"):
        monkeypatch.delenv(name, raising=False)
    root = authority.write_trusted_root(tmp_path_factory.mktemp("root") / "root.json")
    monkeypatch.setenv("STIGMEM_PLUGIN_TRUSTED_ROOT", str(root))
    monkeypatch.chdir(root.parent)


def run(*arguments: str | Path) -> Result:
    return CliRunner().invoke(main, ["check", *map(str, arguments)])


def findings(*arguments: str | Path) -> dict[str, dict[str, Any]]:
    """The findings that are not ok, by code."""
    document = json.loads(run(*arguments, "--json").stdout)
    assert document["schema_version"] == 1
    return {each["code"]: each for each in document["findings"] if each["level"] != "ok"}


def test_a_good_plugin_is_one_line(tmp_path: Path) -> None:
    """All checks pass, each counted."""
    result = run(author(tmp_path, GOOD))
    number = len([check for check in CHECKS if not check.of_wheels])
    assert (result.exit_code, result.stderr) == (0, "")
    assert result.stdout == f"example-plugin 1.0.0: {number} ok\n"


def test_a_mistake_is_shown_with_its_place_and_what_to_do(tmp_path: Path) -> None:
    """And fails the command."""
    result = run(author(tmp_path, BAD))
    assert result.exit_code == 1
    line = BAD[: BAD.index("def h")].count("\n") + 1
    assert f"src/example_plugin/__init__.py:{line}:28" in result.stdout
    assert "      it votes by bool\n      to do: return Allow() or Deny(reason)\n" in result.stdout
    assert result.stdout.splitlines()[-1] == "example-plugin 1.0.0: 1 fail, 9 ok"
    assert max(map(len, result.stdout.splitlines())) <= 80


def test_warnings_alone_are_no_failure(tmp_path: Path) -> None:
    """They are shown, and the exit code is 0."""
    pyproject = PYPROJECT.replace('version = "1.0.0"', 'version = "1.0.1"')
    result = run(author(tmp_path, GOOD, pyproject=pyproject))
    assert result.exit_code == 0
    assert "the distribution is 1.0.1, and its manifest says 1.0.0" in result.stdout
    assert "1 warn" in result.stdout


def test_json_has_every_finding(tmp_path: Path) -> None:
    """Also what passed, in the order of the checks."""
    document = json.loads(run(author(tmp_path, BAD), "--format", "json").stdout)
    assert document["plugins"] == ["example-plugin"]
    assert document["target"] == str(tmp_path)
    names = [finding["check"] for finding in document["findings"]]
    assert names == [check.name for check in CHECKS if not check.of_wheels]
    (failure,) = [each for each in document["findings"] if each["level"] == "fail"]
    assert failure["code"] == "returns.type"
    assert failure["subject"] == "example-plugin pre_assert_authorize"
    assert failure["place"]["file"] == "src/example_plugin/__init__.py"


def test_nothing_of_the_plugin_is_run(tmp_path: Path) -> None:
    """Neither a module nor a build backend."""
    trap = "raise SystemExit('run')\n"
    author(tmp_path, trap + GOOD, **{"setup.py": trap, "conftest.py": trap})
    modules = set(sys.modules)
    assert run(tmp_path).exit_code == 0
    assert not [name for name in set(sys.modules) - modules if name.startswith("example")]


def test_the_table_is_shown() -> None:
    """By name and sentence; as JSON with the codes."""
    text = run("--list")
    assert text.exit_code == 0
    assert [line.split()[0] for line in text.stdout.splitlines() if line[2] != " "] == [
        check.name for check in CHECKS
    ]
    listed = json.loads(run("--list", "--json").stdout)["checks"]
    assert {each["check"]: each["codes"] for each in listed} == {
        check.name: dict(check.codes) for check in CHECKS
    }


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        ([], "name a folder with a pyproject.toml, or a wheel"),
        ([".", "--json", "--format", "sarif"], "--json and --format sarif exclude each other"),
        ([".", "--format", "xml"], "'xml' is not one of"),
        ([".", "--fast"], "No such option"),
    ],
)
def test_usage_errors(arguments: list[str], says: str) -> None:
    """Exit code 2, and nothing on stdout."""
    result = run(*arguments)
    assert (result.exit_code, result.stdout) == (2, "")
    assert says in result.stderr


def no_such(folder: Path) -> Path:
    return folder / "nothing"


def no_pyproject(folder: Path) -> Path:
    return folder


def no_wheel(folder: Path) -> Path:
    (folder / "x.whl").write_text("no wheel")
    return folder / "x.whl"


def source_archive(folder: Path) -> Path:
    (folder / "x.tar.gz").write_bytes(b"\x1f\x8b")
    return folder / "x.tar.gz"


@pytest.mark.parametrize(
    ("target", "says"),
    [
        (no_such, "there is no such file"),
        (no_pyproject, "there is no pyproject.toml in it"),
        (no_wheel, "it is no wheel that can be read"),
        (source_archive, "it is neither a folder nor a wheel"),
    ],
)
def test_what_cannot_be_checked(tmp_path: Path, target: Any, says: str) -> None:
    """One line with the path, one with what to do, exit code 3."""
    path = target(tmp_path)
    result = run(path)
    assert (result.exit_code, result.stdout) == (3, "")
    error, hint = result.stderr.splitlines()
    assert error.startswith(f"error: cannot read {path}: {says}")
    assert hint.startswith("hint: ")


# wheels


def test_a_wheel_is_read_as_a_tree_is(tmp_path: Path) -> None:
    """With places inside it; findings about its metadata stand there."""
    plugins = {"example": "example_plugin:plugin_manifest"}
    wheel = build_wheel(tmp_path, "example-plugin", {"example_plugin.py": BAD}, plugins=plugins)
    found = findings(wheel)
    assert found["returns.type"]["place"]["file"] == "example_plugin.py"
    info = "example_plugin-1.0.0.dist-info"
    assert found["metadata.no-python"]["place"]["file"] == f"{info}/METADATA"
    assert run(wheel).exit_code == 1


def test_a_signature_that_verifies_passes(tmp_path: Path, authority: LocalAuthority) -> None:
    """Whoever signed: whom to trust is the operator's business."""
    assert "wheel.signature" not in findings(good_wheel(tmp_path, authority))


def test_a_broken_signature_fails(tmp_path: Path, authority: LocalAuthority) -> None:
    """The publisher's next upload would be refused by every node."""
    one, two = good_wheel(tmp_path, authority), tmp_path / "good_plugin-1.0.0-py2.py3-none-any.whl"
    two.write_bytes(one.read_bytes().replace(b"good_tool.py", b"evil_tool.py"))
    found = findings(two)["wheel.signature"]
    assert found["level"] == "fail"
    assert "evil_tool.py" in found["message"]


def test_what_is_signed_stands_in_for_what_cannot_be_told(
    tmp_path: Path, authority: LocalAuthority
) -> None:
    """A manifest that only running makes is known by its signature."""
    source = "from elsewhere import plugin_manifest\n"
    plugins = {"good": "good_plugin:plugin_manifest"}
    wheel = build_wheel(tmp_path, "good-plugin", {"good_plugin.py": source}, plugins=plugins)
    assert {"manifest.unknown", "version.unknown"} <= findings(wheel).keys()
    fields = {"hooks": ("no_such_hook",), "capabilities": ("facts.read",)}
    found = findings(sign_anyway(authority, wheel, fields=fields))
    assert {"manifest.unknown", "version.unknown"}.isdisjoint(found)
    assert found["hooks.unknown"]["subject"] == "good-plugin"


def test_a_signed_wheel_asks_for_what_is_signed(tmp_path: Path, authority: LocalAuthority) -> None:
    """Capabilities count as declared that the signature names."""
    source = "from elsewhere import plugin_manifest\ndef see(ctx): ctx.get_facts_reader()\n"
    plugins = {"good": "good_plugin:plugin_manifest"}
    wheel = build_wheel(tmp_path, "good-plugin", {"good_plugin.py": source}, plugins=plugins)
    declared = sign_anyway(authority, wheel, fields={"capabilities": ("facts.read",)})
    assert "capabilities.undeclared" not in findings(declared)
    other = sign_anyway(authority, wheel, fields={"capabilities": ("facts.write",)})
    assert findings(other)["capabilities.undeclared"]["level"] == "warn"


def test_a_setting_that_cannot_be_read(
    tmp_path: Path, authority: LocalAuthority, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A signed wheel needs the trusted root, and says so."""
    wheel = good_wheel(tmp_path, authority)
    monkeypatch.setenv("STIGMEM_PLUGIN_TRUSTED_ROOT", str(tmp_path / "none.json"))
    result = run(wheel)
    assert result.exit_code == 3
    assert "none.json" in result.stderr


# SARIF


def check_sarif(log: dict[str, Any], root: Path) -> None:
    """What SARIF 2.1.0 requires of a log, and code hosts of its results."""
    assert log.keys() == {"$schema", "version", "runs"}
    assert log["version"] == "2.1.0"
    (run_,) = log["runs"]
    assert run_["columnKind"] == "unicodeCodePoints"
    driver = run_["tool"]["driver"]
    assert driver["name"] == "stigmem-plugins"
    assert re.fullmatch(r"\d+(\.\d+)+.*", driver["version"])
    rules = driver["rules"]
    assert len({rule["id"] for rule in rules}) == len(rules)
    for rule in rules:
        assert rule.keys() == {"id", "name", "shortDescription", "fullDescription"}
        assert rule["name"].isidentifier()
        for text in (rule["shortDescription"]["text"], rule["fullDescription"]["text"]):
            assert text.endswith(".")
            assert text.capitalize()[0] == text[0]
    (invocation,) = run_["invocations"]
    assert invocation["executionSuccessful"] is True
    notifications = invocation["toolExecutionNotifications"]
    for each in notifications:
        assert each["level"] == "note"
        assert rules[each["associatedRule"]["index"]]["id"] == each["associatedRule"]["id"]
    for result in run_["results"]:
        assert rules[result["ruleIndex"]]["id"] == result["ruleId"]
        assert result["level"] in {"error", "warning"}
        assert result["message"]["text"]
    for each in (*notifications, *run_["results"]):
        (location,) = each["locations"]
        physical = location["physicalLocation"]
        assert physical["artifactLocation"]["uriBaseId"] == "%SRCROOT%"
        assert (root / physical["artifactLocation"]["uri"]).is_file()
        region = physical.get("region", {"startLine": 1})
        assert all(isinstance(n, int) and n >= 1 for n in region.values())


def test_sarif_has_what_a_code_host_reads(tmp_path: Path) -> None:
    """Failures as errors, warnings as such; what was skipped is a notification."""
    pyproject = PYPROJECT.replace("requires-python", "#").replace('version = "1.0.0"', "")
    pyproject = pyproject.replace("[project]", '[project]\ndynamic = ["version"]')
    result = run(author(tmp_path, BAD, pyproject=pyproject), "--format", "sarif")
    assert result.exit_code == 1
    log = json.loads(result.stdout)
    check_sarif(log, tmp_path)
    results = {each["ruleId"]: each for each in log["runs"][0]["results"]}
    assert {code: each["level"] for code, each in results.items()} == {
        "metadata.no-python": "warning",
        "returns.type": "error",
    }
    found = results["returns.type"]
    assert found["message"]["text"] == (
        "example-plugin pre_assert_authorize: it votes by bool. "
        "To do: return Allow() or Deny(reason)."
    )
    region = found["locations"][0]["physicalLocation"]["region"]
    assert region == {"startLine": BAD[: BAD.index("def h")].count("\n") + 1, "startColumn": 28}
    (skipped,) = log["runs"][0]["invocations"][0]["toolExecutionNotifications"]
    assert skipped["associatedRule"]["id"] == "version.unknown"


def test_sarif_of_a_good_plugin_has_no_results(tmp_path: Path) -> None:
    """And all rules: a code host closes what is no more found."""
    log = json.loads(run(author(tmp_path, GOOD), "--format", "sarif").stdout)
    check_sarif(log, tmp_path)
    assert log["runs"][0]["results"] == []
    rules = [rule["id"] for rule in log["runs"][0]["tool"]["driver"]["rules"]]
    assert rules == [code for check in CHECKS for code in check.codes]
    first = log["runs"][0]["tool"]["driver"]["rules"][0]
    assert first["shortDescription"]["text"] == "A file is no Python."


def test_sarif_places_are_uris_and_never_missing() -> None:
    """A path with a blank is escaped; a finding without a place stands at the metadata."""
    found = [
        Finding("syntax", Level.FAIL, "x", code="syntax.error", place=Place("a b.py", 2)),
        Finding("wheel", Level.WARN, "y", code="wheel.files"),
    ]
    log = sarif_log(found, CHECKS, version="1.0", default="pyproject.toml")
    physical = [e["locations"][0]["physicalLocation"] for e in log["runs"][0]["results"]]
    assert [each["artifactLocation"]["uri"] for each in physical] == ["a%20b.py", "pyproject.toml"]
    assert [each.get("region") for each in physical] == [{"startLine": 2}, None]


# what the documentation shows


def fences(page: Path, language: str) -> list[str]:
    """The code blocks of a page in one language."""
    return re.findall(
        rf"^```{language}\n(.*?)^```$", page.read_text("utf-8"), re.MULTILINE | re.DOTALL
    )


def test_the_plugin_of_the_readme_passes(tmp_path: Path) -> None:
    """With the entry point that stands below it."""
    (source,) = [each for each in fences(ROOT / "README.md", "python") if "def keep_out" in each]
    (points,) = [each for each in fences(ROOT / "README.md", "toml") if "entry-points" in each]
    pyproject = PYPROJECT.partition("[project.entry")[0] + points
    assert findings(author(tmp_path, source, pyproject=pyproject)) == {}


def test_the_plugins_of_the_guide_pass(tmp_path: Path) -> None:
    """Each manifest of the page, with the pyproject of the page."""
    guide = ROOT / "docs" / "guide.md"
    (pyproject,) = fences(guide, "toml")
    blocks = [each for each in fences(guide, "python") if not re.search("def test_|>>>", each)]
    source = "\n".join(blocks)
    factories = re.findall(r"^def (\w*manifest)\(", source, re.MULTILINE)
    assert len(factories) > 1
    points = "".join(f'{each} = "example_stigmem_plugin:{each}"\n' for each in factories)
    tree = author(
        tmp_path,
        source,
        pyproject=pyproject.rpartition("example_stigmem_plugin =")[0] + points,
        module="src/example_stigmem_plugin/__init__.py",
    )
    assert findings(tree).keys() == {"dependencies.missing"}  # its deadline is of stigmem_plugins


@pytest.mark.parametrize("plugin", ["example-stigmem-plugin", "example-audit-plugin"])
def test_the_samples_of_the_author_guide_pass(plugin: str) -> None:
    """Without a single complaint."""
    assert findings(ROOT / "tests" / "guide" / plugin) == {}


def test_check_in_a_process_of_its_own(tmp_path: Path) -> None:
    """Without colour where that is not wanted, and without what signing needs."""
    author(tmp_path, GOOD)
    code = (
        "import sys\nfrom stigmem_plugins.cli import main\n"
        "main(['check', '.'], standalone_mode=False)\nassert 'sigstore' not in sys.modules\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout == "example-plugin 1.0.0: 10 ok\n"


def test_a_hostile_plugin_cannot_steer_the_terminal(tmp_path: Path) -> None:
    """What it calls itself and its hooks is shown, not obeyed."""
    source = GOOD.replace('"example-plugin"', r'"\x1b[2Jok"').replace("pre_assert", r"\x1b]0;")
    result = run(author(tmp_path, source))
    assert result.exit_code == 1
    assert "\x1b" not in result.stdout


def test_a_tree_with_several_plugins(tmp_path: Path) -> None:
    """All are named; each is judged."""
    write(tmp_path, {"src/other.py": GOOD.replace("example-plugin", "other-plugin")})
    author(tmp_path, BAD, pyproject=f'{PYPROJECT}other = "other:plugin_manifest"\n')
    assert run(tmp_path).stdout.splitlines()[-1] == (
        "example-plugin, other-plugin 1.0.0: 1 fail, 9 ok"
    )


def test_a_tree_without_a_plugin_is_named_by_its_metadata(tmp_path: Path) -> None:
    """Or else by its path."""
    for text, name in (
        (PYPROJECT.partition("[project.entry")[0], "example-plugin 1.0.0"),
        ("", ""),
    ):
        last = run(author(tmp_path, GOOD, pyproject=text)).stdout.splitlines()[-1]
        assert last.startswith(f"{name or tmp_path}: ") or not name
