"""The command `new`: what it writes, and what it refuses to write."""

from __future__ import annotations

import json
import os
import re
import shlex
import subprocess
import sys
import tomllib
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any
from xml.etree import ElementTree as ET

import pytest
from click.testing import CliRunner, Result

import stigmem_plugins
from stigmem_hookspecs import HOOK_SPECS
from stigmem_plugins import AuditEvent, Capability, Deny, StigmemPluginError
from stigmem_plugins.authoring.scaffold import (
    DEFAULT_HOOKS,
    NewPackage,
    UnusableNameError,
    author_of,
    check_name,
    write_package,
)
from stigmem_plugins.authoring.scaffold.picking import import_line, pick
from stigmem_plugins.cli import main
from stigmem_plugins.testing import TestPluginRegistry
from stigmem_plugins.testing.sigstore import LocalAuthority
from stigmem_plugins.testing.wheels import build_wheel
from tests.signed import PUBLISHER, unpack

EVERYTHING = "every-hook"
"""The package with all hooks and all capabilities."""
VOTED_ON = [hook for hook, spec in HOOK_SPECS.items() if spec.semantic == "voting"]


@pytest.fixture(autouse=True)
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty folder to call the command in, and no settings."""
    for name in ("COLUMNS", "FORCE_COLOR", "STIGMEM_PLUGIN_SIGNING_REQUIRED"):
        monkeypatch.delenv(name, raising=False)
    folder = tmp_path / "here"
    folder.mkdir()
    monkeypatch.chdir(folder)
    return folder


def new(*arguments: str) -> Result:
    return CliRunner().invoke(main, ["new", *arguments])


def package_of(hook: str) -> str:
    return f"at-{hook.replace('_', '-')}"


def run_pytest(folder: Path, *arguments: str, path: Iterable[Path] = ()) -> str:
    """Run pytest in a folder, as an author would, in a process of its own; returns its output."""
    foreign = ("PYTEST", "STIGMEM_", "COV")
    environ = {k: v for k, v in os.environ.items() if not k.startswith(foreign)}
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-p", "no:cacheprovider", *arguments],
        cwd=folder,
        env={**environ, "PYTHONPATH": os.pathsep.join(map(str, path))},
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )
    return done.stdout + done.stderr


# What it writes


def test_a_plugin_is_written_and_the_next_commands_are_said(here: Path) -> None:
    """It asks nothing, and fits into 80 columns."""
    result = new("my-plugin")
    assert result.exit_code == 0, result.output
    assert result.stderr == ""
    assert "my-plugin takes part in pre_assert_authorize, post_assert_audit." in result.stdout
    assert max(map(len, result.stdout.splitlines())) <= 80
    steps = [line.strip() for line in result.stdout.splitlines() if line.startswith("    ")]
    assert steps == [
        "cd my-plugin",
        'python -m pip install --editable ".[dev]"',
        "pytest",
        "stigmem-plugins check .",
        "python -m build",
    ]
    written = sorted(p.relative_to(here).as_posix() for p in here.rglob("*") if p.is_file())
    assert written == [
        "my-plugin/.github/workflows/release.yml",
        "my-plugin/.github/workflows/tests.yml",
        "my-plugin/.gitignore",
        "my-plugin/CHANGELOG.md",
        "my-plugin/README.md",
        "my-plugin/pyproject.toml",
        "my-plugin/src/my_plugin/__init__.py",
        "my-plugin/src/my_plugin/py.typed",
        "my-plugin/tests/test_plugin.py",
    ]
    for step in steps[1:]:  # nothing is said that the README does not say too
        assert f"\n{step}\n" in (here / "my-plugin" / "README.md").read_text("utf-8")


def test_it_is_said_as_json(here: Path) -> None:
    """The same facts, for programs."""
    result = new("my-plugin", "--hook", "recall_filter", "--capability", "audit.emit", "--json")
    facts = json.loads(result.stdout)
    assert facts["schema_version"] == 1
    assert facts["plugin"] == "my-plugin"
    assert Path(facts["folder"]) == here / "my-plugin"
    assert facts["hooks"] == ["recall_filter"]
    assert facts["capabilities"] == ["audit.emit"]
    assert all((here / "my-plugin" / path).is_file() for path in facts["files"])
    assert facts["next"][0] == "cd my-plugin"


def test_a_written_plugin_passes_its_own_tests(here: Path) -> None:
    """In its folder, before it is installed; with an allow, a deny and a failure."""
    assert new("my-plugin").exit_code == 0
    output = run_pytest(here / "my-plugin", "-rA")
    assert "5 passed" in output
    for kind in ("allows", "denies", "fails_closed"):
        assert f"PASSED tests/test_plugin.py::test_pre_assert_authorize_{kind}" in output


@pytest.fixture(scope="module")
def outcomes(tmp_path_factory: pytest.TempPathFactory) -> Mapping[str, Mapping[str, str]]:
    """By package the outcomes of its tests: one package for each hook, and one for all."""
    folder = tmp_path_factory.mktemp("packages")
    write_package(NewPackage(EVERYTHING, HOOK_SPECS, Capability), folder)
    for hook in HOOK_SPECS:
        write_package(NewPackage(package_of(hook), [hook]), folder)
    report = folder / "report.xml"
    arguments = ("--import-mode=importlib", f"--junitxml={report}", "-o", "junit_family=xunit1")
    (folder / "pytest.ini").write_text("[pytest]\n")
    output = run_pytest(folder, *arguments, path=folder.glob("*/src"))
    assert report.exists(), output
    found: dict[str, dict[str, str]] = {}
    for case in ET.parse(report).iter("testcase"):
        faults = [f"{each.tag}: {each.get('message')}" for each in case]
        package = Path(case.get("file", "")).parts[0]
        found.setdefault(package, {})[case.get("name", "")] = "; ".join(faults) or "passed"
    return found


@pytest.mark.parametrize("hook", HOOK_SPECS)
def test_a_plugin_at_any_hook_passes_its_own_tests(
    outcomes: Mapping[str, Mapping[str, str]], hook: str
) -> None:
    """They conform, and are about this hook and no other; votes are tested in three ways."""
    tests = outcomes[package_of(hook)]
    assert set(tests.values()) == {"passed"}, tests
    about = {name.removeprefix(f"test_{hook}_") for name in tests} - {"test_conformance"}
    assert about
    assert not any(name.startswith("test_") for name in about)
    if hook in VOTED_ON:
        assert about == {"allows", "denies", "fails_closed"}


def test_a_plugin_at_all_hooks_with_all_capabilities_passes_its_own_tests(
    outcomes: Mapping[str, Mapping[str, str]],
) -> None:
    """All those of the single ones, and two of its health."""
    tests = outcomes[EVERYTHING]
    assert set(tests.values()) == {"passed"}, tests
    single = {name for hook in HOOK_SPECS for name in outcomes[package_of(hook)]}
    health = {name for name in tests if name.startswith("test_health_")}
    assert set(tests) == single | health
    assert len(health) == 2


@pytest.mark.parametrize("hook", HOOK_SPECS)
def test_a_plugin_at_any_hook_passes_check(here: Path, hook: str) -> None:
    """Nothing fails and nothing is warned of; only what a build decides is left open."""
    folder = write_package(NewPackage("my-plugin", [hook], Capability), here)
    result = CliRunner().invoke(main, ["check", str(folder), "--json"])
    assert result.exit_code == 0, result.output
    found = json.loads(result.stdout)["findings"]
    assert {each["check"] for each in found if each["level"] != "ok"} <= {"version"}
    assert {each["level"] for each in found} <= {"ok", "skip"}


def built(folder: Path) -> Path:
    """The wheel that hatchling would build of a written package, as far as a node looks at it."""
    project = tomllib.loads((folder / "pyproject.toml").read_text("utf-8"))["project"]
    source = folder / "src"
    files = {p.relative_to(source).as_posix(): p.read_bytes() for p in source.rglob("*.*")}
    return build_wheel(
        folder,
        project["name"],
        files,
        version="0.1.0",
        plugins=project["entry-points"]["stigmem.plugins"],
        requires=project["dependencies"],
    )


@pytest.mark.parametrize(
    ("hooks", "capabilities"),
    [(DEFAULT_HOOKS, ()), (HOOK_SPECS, Capability)],
    ids=["default", "everything"],
)
def test_a_written_plugin_is_signed_and_accepted(
    here: Path,
    monkeypatch: pytest.MonkeyPatch,
    hooks: Iterable[str],
    capabilities: Iterable[str],
) -> None:
    """A node finds it by its entry point, and is told of exactly what was chosen."""
    package = NewPackage("my-plugin", hooks, capabilities)
    authority = LocalAuthority()
    wheel = authority.sign_wheel(built(write_package(package, here)), identity=PUBLISHER)
    monkeypatch.setenv("STIGMEM_PLUGIN_DIR", str(unpack(wheel, here / "site")))
    root = authority.write_trusted_root(here / "root.json")
    monkeypatch.setenv("STIGMEM_PLUGIN_TRUSTED_ROOT", str(root))
    monkeypatch.setenv("STIGMEM_PLUGIN_TRUSTED_PUBLISHERS", PUBLISHER)
    [listed] = json.loads(CliRunner().invoke(main, ["list", "--json"]).stdout)["plugins"]
    assert listed["problem"] is None
    assert (listed["status"], listed["name"], listed["entry_point"]) == (
        "accepted",
        "my-plugin",
        "my_plugin",
    )
    assert listed["hooks"] == sorted(hooks)
    assert listed["capabilities"] == sorted(capabilities)


@pytest.mark.parametrize("hook", HOOK_SPECS)
def test_the_readme_shows_how_to_try_the_hook(hook: str) -> None:
    """With a payload that its handler can use; a vote is denied."""
    files = NewPackage("my-plugin", [hook]).files()
    [line, _] = re.findall(r"^stigmem-plugins explain .+$", files["README.md"], re.MULTILINE)
    _, _, named, *options = shlex.split(line)
    assert named == hook
    given = {key: json.loads(value) for key, value in zip(options[::2], options[1::2], strict=True)}
    module: dict[str, Any] = {"__name__": "my_plugin"}
    exec(compile(files["src/my_plugin/__init__.py"], "my_plugin", "exec"), module)
    registry = TestPluginRegistry([module["plugin_manifest"]()])
    semantic = HOOK_SPECS[hook].semantic
    values = [given["--value"]] if semantic.takes_value else []
    result = getattr(registry, f"fire_{semantic}")(hook, *values, **given.get("--input", {}))
    assert isinstance(result, Deny) == (hook in VOTED_ON)
    audited = [e.event_type for e in registry.audit_events if isinstance(e, AuditEvent)]
    assert "plugin.handler_error" not in audited


def test_hooks_and_capabilities_are_what_was_asked_for(here: Path) -> None:
    """Each once, in the order of a request, whatever the order on the command line."""
    chosen = ["--hook", "recall_rank", "--hook", "capability_check", "--hook", "recall_rank"]
    result = new("my-plugin", *chosen, "--capability", "audit.emit")
    assert result.exit_code == 0, result.output
    code = (here / "my-plugin/src/my_plugin/__init__.py").read_text("utf-8")
    assert code.count('"recall_rank": recall_rank,') == 1
    assert code.index("def recall_rank(") < code.index("def capability_check(")
    assert "def pre_assert_authorize(" not in code
    assert "health_check=health_check" in code
    assert '"audit.emit": ctx.get_audit_emitter(),' in code
    readme = (here / "my-plugin/README.md").read_text("utf-8")
    assert "- `recall_rank`: Move facts up or down in an answer.\n" in readme


def test_what_is_not_needed_is_not_written() -> None:
    """No capability, no health check; no imports, constants or helpers that nothing uses."""
    files = NewPackage("my-plugin", ["identity_resolve"]).files()
    code = files["src/my_plugin/__init__.py"]
    for unused in ("Allow", "BLOCKED_AGENT", "TABLE", "logging", "def field(", "health"):
        assert unused not in code
    assert "capabilities=frozenset()," in code
    assert "from stigmem_plugins import PluginContext, PluginManifest\n" in code
    assert "health" not in files["tests/test_plugin.py"]


def test_nothing_of_the_template_is_left_over() -> None:
    """Only the workflows keep placeholders: their own."""
    for path, text in NewPackage("my-plugin", HOOK_SPECS, Capability).files().items():
        assert "$" not in text.replace("${{ ", ""), path
        assert path.endswith(".yml") or "$" not in text, path


def test_the_metadata_are_those_of_a_plugin() -> None:
    """A version that is written once; an entry point; no licence that nobody chose."""
    files = NewPackage("my-plugin", author='Ada "A" O\'König').files()
    document = tomllib.loads(files["pyproject.toml"])
    project = document["project"]
    assert set(project) == {
        "name",
        "dynamic",
        "description",
        "readme",
        "requires-python",
        "authors",
        "dependencies",
        "optional-dependencies",
        "entry-points",
    }
    assert project["name"] == "my-plugin"
    assert project["authors"] == [{"name": 'Ada "A" O\'König'}]
    assert project["dynamic"] == ["version"]
    assert document["tool"]["hatch"]["version"]["path"] in files
    points = project["entry-points"]["stigmem.plugins"]
    assert points == {"my_plugin": "my_plugin:plugin_manifest"}


def test_the_package_asks_for_what_this_one_is() -> None:
    """Python and our own version are those of this project's metadata."""
    root = Path(__file__).parent.parent
    ours = tomllib.loads((root / "pyproject.toml").read_text("utf-8"))["project"]
    project = tomllib.loads(NewPackage("my-plugin").files()["pyproject.toml"])["project"]
    major, minor, _ = ours["version"].split(".")
    assert project["dependencies"] == [f"stigmem-plugins>={major}.{minor}"]
    assert project["requires-python"] == ours["requires-python"]


def test_the_release_is_signed_before_it_is_published() -> None:
    """After the tests; and only the job that signs may say who it is."""
    files = NewPackage("my-plugin").files()
    release, tests = (files[f".github/workflows/{name}.yml"] for name in ("release", "tests"))
    steps = ("needs: tests", "-m build", "sign dist/*.whl", "verify dist/*.whl", "pypi-publish")
    places = [release.index(step) for step in steps]
    assert places == sorted(places)
    assert "uses: ./.github/workflows/tests.yml" in release
    assert release.count("id-token: write") == 1
    assert release.index("id-token: write") > release.index("  release:")
    assert "id-token" not in tests
    used = [line.partition("uses: ")[2] for line in (release + tests).splitlines()]
    pinned = [name.rpartition("@")[2] for name in used if "@" in name]
    assert pinned
    assert all(version in {"v4", "v5", "release/v1"} for version in pinned)


def test_the_how_to_shows_the_workflow_that_is_written() -> None:
    """There is one example of a release, and this is it."""
    page = (Path(__file__).parent.parent / "docs" / "sign.md").read_text("utf-8")
    shown = page.partition("```yaml\n")[2].partition("```")[0]
    assert shown == NewPackage("my-plugin").files()[".github/workflows/release.yml"]


# Who wrote it


@pytest.mark.parametrize(
    ("configured", "expected"),
    [("Ada Lovelace\n", "Ada Lovelace"), ("", "Your Name"), ("A\x1b[1mda", "A[1mda")],
)
def test_the_author_is_who_git_says(
    here: Path, monkeypatch: pytest.MonkeyPatch, configured: str, expected: str
) -> None:
    """Or a placeholder, which the README says to change."""

    def git(*_arguments: Any, **_options: Any) -> Any:
        return subprocess.CompletedProcess([], 0, stdout=configured)

    monkeypatch.setattr(subprocess, "run", git)
    assert author_of(here) == expected
    assert new("my-plugin").exit_code == 0
    project = tomllib.loads((here / "my-plugin/pyproject.toml").read_text("utf-8"))["project"]
    assert project["authors"] == [{"name": expected}]
    assert "`authors`" in (here / "my-plugin/README.md").read_text("utf-8")


def test_git_is_not_needed(here: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where there is none, the author is a placeholder."""
    monkeypatch.setenv("PATH", str(here))
    assert author_of(here) == "Your Name"


# What it refuses


@pytest.mark.parametrize(
    ("name", "says", "hint"),
    [
        ("My_Plugin", "lower-case letters, digits and single dashes", "try my-plugin"),
        ("my plugin", "lower-case letters", "try my-plugin"),
        ("../escape", "lower-case letters", "try escape"),
        ("my--plugin", "single dashes", "try my-plugin"),
        ("my-plugin-", "no dash last", "try my-plugin"),
        ("1st-plugin", "a letter first", "choose another"),
        ("ab", "3 to 64 characters", "choose another"),
        ("a" * 65, "3 to 64 characters", "choose another"),
        ("Plugín é", "lower-case letters", "try plugin-e"),
        ("", "lower-case letters", "choose another"),
        ("core", "reserved for the node itself", "choose another"),
        ("json", "the module json would take the place", "choose another"),
        ("stigmem-plugins", "the module stigmem_plugins would take", "choose another"),
        ("lambda", "a word of the Python language", "choose another"),
    ],
)
def test_a_name_that_cannot_be_is_refused_with_the_rule(
    here: Path, name: str, says: str, hint: str
) -> None:
    """Exit code 2, one line with the rule, and one with what to try."""
    result = new("--", name)
    assert result.exit_code == 2
    error, hinted = result.stderr.splitlines()
    assert error.startswith(f"error: {name!r} cannot be a plugin's name: ")
    assert says in error
    assert hinted.startswith(f"hint: {hint}")
    assert list(here.iterdir()) == []


def test_every_name_of_a_package_is_one_of_a_manifest() -> None:
    """The rule is no wider than the manifest's own, whose longest name is fine."""
    name = "a" * 64
    assert check_name(name) == name
    assert stigmem_plugins.PluginManifest(name, "1.0.0").name == name
    with pytest.raises(UnusableNameError):
        check_name(f"{name}a")


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["--hook", "recal_filter"], "hook 'recal_filter' (did you mean 'recall_filter'?)"),
        (["--hook", "zzz"], "unknown hook 'zzz'"),
        (["--capability", "audit.emits"], "'audit.emits' (did you mean 'audit.emit'?)"),
    ],
)
def test_what_is_not_there_to_choose_is_refused(
    here: Path, arguments: list[str], says: str
) -> None:
    """Exit code 2; the hint lists all there is."""
    result = new("my-plugin", *arguments)
    assert result.exit_code == 2
    error, hint = result.stderr.splitlines()
    assert says in error
    assert hint.startswith("hint: the ")
    assert list(here.iterdir()) == []


@pytest.mark.parametrize("kind", ["folder", "file", "dangling link"])
def test_nothing_is_overwritten(here: Path, kind: str) -> None:
    """Whatever stands there stays as it is."""
    place = here / "my-plugin"
    if kind == "folder":
        place.mkdir()
    elif kind == "file":
        place.write_text("mine")
    else:
        place.symlink_to(here / "gone")
    result = new("my-plugin")
    assert result.exit_code == 2
    assert result.stderr.splitlines() == [
        "error: my-plugin is there already, and nothing is overwritten",
        "hint: choose another name, or move it away",
    ]
    assert list(here.iterdir()) == [place]
    assert kind != "folder" or list(place.iterdir()) == []


def test_a_failure_half_way_leaves_nothing(here: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The disk is full after some files."""
    write = Path.write_text
    written: list[Path] = []

    def until_full(path: Path, *arguments: Any, **options: Any) -> int:
        if len(written) == 5:
            raise OSError(28, "No space left on device")
        written.append(path)
        return write(path, *arguments, **options)

    monkeypatch.setattr(Path, "write_text", until_full)
    result = new("my-plugin")
    assert result.exit_code == 3
    assert result.stderr.splitlines() == [
        "error: cannot write my-plugin: No space left on device",
        "hint: make its parent folder writable, and see that there is room",
    ]
    assert list(here.iterdir()) == []


def test_an_interruption_leaves_nothing(here: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The user pressed a key while the folder was put in its place."""

    def interrupted(_path: Path, _target: Path) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(Path, "rename", interrupted)
    with pytest.raises(KeyboardInterrupt):
        write_package(NewPackage("my-plugin"), here)
    assert list(here.iterdir()) == []


def test_a_parent_that_is_not_there_is_named(here: Path) -> None:
    """As any other place that cannot be written to."""
    with pytest.raises(StigmemPluginError, match=r"cannot write .*my-plugin: No such file"):
        write_package(NewPackage("my-plugin"), here / "absent")


# Shell completion


@pytest.mark.parametrize(
    ("option", "begun", "offered"),
    [
        ("--hook", "recall_", ["recall_filter", "recall_rank"]),
        ("--capability", "audit.", ["audit.emit", "audit.read"]),
    ],
)
def test_hooks_and_capabilities_are_completed(option: str, begun: str, offered: list[str]) -> None:
    """As far as they were begun."""
    completed = CliRunner().invoke(
        main,
        env={
            "_STIGMEM_PLUGINS_COMPLETE": "bash_complete",
            "COMP_WORDS": f"stigmem-plugins new my-plugin {option} {begun}",
            "COMP_CWORD": "4",
        },
        prog_name="stigmem-plugins",
    )
    assert [line.split(",")[1] for line in completed.stdout.split()] == offered


# Taking parts of the template


def test_a_picked_function_brings_what_it_needs() -> None:
    """Helpers of helpers, constants with what documents them, decorators, parts of imports."""
    source = '''\
"""A module."""

from __future__ import annotations

import json
import re
from math import floor, pi, tau

ONE = 1
"""Documented."""

TWO, THREE = 2, 3


def helper(x):
    return floor(x) + ONE


@decorate
def wanted():
    return helper(pi)


def unwanted():
    return json, tau, TWO


def decorate(function):
    return re and function
'''
    assert (
        pick(source, lambda name: name == "wanted")
        == '''\
"""A module."""

from __future__ import annotations

import re
from math import floor, pi

ONE = 1
"""Documented."""


def helper(x):
    return floor(x) + ONE


@decorate
def wanted():
    return helper(pi)


def decorate(function):
    return re and function
'''
    )
    assert pick(source, lambda name: name == "unwanted").count("THREE") == 1


def test_an_import_that_is_too_long_is_written_in_lines() -> None:
    """A name for each."""
    names = ["a" * 40, "b" * 40]
    lines = import_line("module", names).splitlines()
    assert lines == ["from module import (", f"    {names[0]},", f"    {names[1]},", ")"]
