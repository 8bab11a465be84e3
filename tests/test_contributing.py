"""What contributors and the code host rely on says what the project does."""

from __future__ import annotations

import ast
import re
import tomllib
from pathlib import Path
from typing import Any

import pytest
import yaml

ROOT = Path(__file__).parent.parent
HOST = ROOT / ".github"
WORKFLOWS = ("ci", "release")
FORMS = ("bug", "feature", "plugin-refused")
PYPROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))
CHANGES = ROOT / "docs" / "changes"

pytestmark = pytest.mark.skipif(
    not HOST.exists(), reason="these files are in the repository, not in what is shipped"
)


def load(path: Path) -> Any:
    return yaml.safe_load(path.read_text("utf-8"))


def workflow(name: str) -> dict[str, Any]:
    # YAML 1.1 takes the key `on` for a boolean.
    document = load(HOST / "workflows" / f"{name}.yml")
    return {"on" if key is True else key: value for key, value in document.items()}


def steps(name: str) -> list[dict[str, Any]]:
    """All steps of a workflow's jobs."""
    return [step for job in workflow(name)["jobs"].values() for step in job.get("steps", [])]


def menu() -> set[str]:
    """The sessions that `nox -l` lists, without their versions of Python."""
    module = ast.parse((ROOT / "noxfile.py").read_text("utf-8"))
    return {
        node.name
        for node in module.body
        if isinstance(node, ast.FunctionDef)
        and any("nox.session" in ast.unparse(decorator) for decorator in node.decorator_list)
    }


def in_ci() -> dict[str, set[str]]:
    """The sessions that the code host runs, and with which versions of Python."""
    found: dict[str, set[str]] = {}
    for job in workflow("ci")["jobs"].values():
        matrix = job["strategy"]["matrix"]
        for each in matrix.get("include") or [{"python": p} for p in matrix["python"]]:
            [run] = [s["run"] for s in job["steps"] if "--sessions" in s.get("run", "")]
            session = run.rpartition("--sessions ")[2].strip('"')
            for key, value in each.items():
                session = session.replace(f"${{{{ matrix.{key} }}}}", value)
            found.setdefault(session.removesuffix(f"-{each['python']}"), set()).add(each["python"])
    return found


def test_every_yaml_file_parses() -> None:
    """Forms, workflows, and what the updating bot and pre-commit read."""
    files = [*HOST.rglob("*.yml"), ROOT / ".pre-commit-config.yaml", ROOT / "CITATION.cff"]
    assert len(files) >= 9
    for path in files:
        assert isinstance(load(path), dict), path
    assert {path.suffix for path in HOST.rglob("*") if path.is_file()} == {".md", ".yml"}


def test_the_code_host_runs_sessions_that_there_are() -> None:
    """Those of `nox -l`, and all that `.ci/run` runs.

    Each of its machines has one Python, on which the session of all tests runs the slow ones too.
    """
    assert set(in_ci()) <= menu()
    script = (ROOT / ".ci" / "run").read_text("utf-8")
    [named] = re.findall(r"--sessions (.+)$", script, re.MULTILINE)
    assert set(named.split()) | {"tests"} <= {*in_ci(), "slow"}


def test_the_tests_run_on_every_version_of_python_that_is_supported() -> None:
    """As the metadata list them; the lowest versions of what is depended on, on the oldest."""
    prefix = "Programming Language :: Python :: 3."
    classifiers = PYPROJECT["project"]["classifiers"]
    supported = {f"3.{c.removeprefix(prefix)}" for c in classifiers if c.startswith(prefix)}
    assert in_ci()["tests"] == supported
    assert in_ci()["minimums"] == {PYPROJECT["project"]["requires-python"].removeprefix(">=")}


@pytest.mark.parametrize("name", WORKFLOWS)
def test_workflows_may_read_and_nothing_else_unless_a_job_says_so(name: str) -> None:
    """And their actions are pinned to a major version."""
    document = workflow(name)
    assert document["permissions"] == {"contents": "read"}
    allowed = {
        job: made["permissions"] for job, made in document["jobs"].items() if "permissions" in made
    }
    assert set(allowed) == ({"publish"} if name == "release" else set())
    used = [step["uses"] for step in steps(name) if "uses" in step]
    assert used
    assert [u for u in used if not re.fullmatch(r"[\w./-]+@(v\d+|release/v\d+)", u)] == []


def test_a_release_is_tested_built_attested_and_published_in_this_order() -> None:
    """By three jobs; only the last has an identity, and it runs no code of the project."""
    release = workflow("release")
    assert release["on"] == {"push": {"tags": ["v*"]}}
    assert "workflow_call" in workflow("ci")["on"]
    jobs = release["jobs"]
    assert list(jobs) == ["ci", "build", "publish"]
    assert jobs["ci"]["uses"] == "./.github/workflows/ci.yml"
    assert (jobs["build"]["needs"], jobs["publish"]["needs"]) == ("ci", "build")
    assert jobs["publish"]["permissions"]["id-token"] == "write"
    last = [step["uses"].partition("@")[0] for step in jobs["publish"]["steps"]]
    assert last == [
        "actions/download-artifact",
        "actions/attest-build-provenance",
        "pypa/gh-action-pypi-publish",
    ]


@pytest.mark.parametrize("name", FORMS)
def test_an_issue_form_is_one(name: str) -> None:
    """It has a name, a description, and fields with ids and labels of which one is required."""
    form = load(HOST / "ISSUE_TEMPLATE" / f"{name}.yml")
    assert {"name", "description", "body"} <= set(form)
    fields = [field for field in form["body"] if field["type"] != "markdown"]
    ids = [field["id"] for field in fields]
    assert len(ids) == len(set(ids))
    assert all(field["attributes"]["label"] for field in fields)
    assert any(field.get("validations", {}).get("required") for field in fields)


def test_the_updating_bot_looks_after_packages_and_actions() -> None:
    """Both, weekly."""
    updates = load(HOST / "dependabot.yml")["updates"]
    assert {each["package-ecosystem"] for each in updates} == {"pip", "github-actions"}


def test_pre_commit_runs_what_the_sessions_run() -> None:
    """With the tools of the contributor's own environment: there is one pin of each."""
    [repository] = load(ROOT / ".pre-commit-config.yaml")["repos"]
    assert repository["repo"] == "local"
    commands = [hook["entry"].partition(" --")[0] for hook in repository["hooks"]]
    assert commands == ["ruff format", "ruff check", "mypy", "python docs/generate.py"]
    assert (ROOT / "docs" / "generate.py").exists()


def test_the_citation_is_of_this_version() -> None:
    """And of this licence."""
    citation = load(ROOT / "CITATION.cff")
    project = PYPROJECT["project"]
    assert str(citation["version"]) == project["version"]
    assert (citation["title"], citation["license"]) == (project["name"], project["license"])
    assert {"cff-version", "message", "authors"} <= set(citation)


def test_every_change_is_of_a_kind_that_the_changelog_has() -> None:
    """Otherwise it would be left out; the page about them lists the same kinds."""
    kinds = set(PYPROJECT["tool"]["towncrier"]["fragment"])
    page = (CHANGES / "README.md").read_text("utf-8")
    assert set(re.findall(r"^\| `(\w+)` \|", page, re.MULTILINE)) == kinds
    for change in CHANGES.iterdir():
        if change.name != "README.md":
            assert re.fullmatch(rf"\+[a-z0-9-]+\.({'|'.join(kinds)})\.md", change.name)
            assert change.read_text("utf-8").strip()


def test_a_release_has_its_place_in_the_changelog() -> None:
    """The mark below which the next section is put."""
    changelog = (ROOT / "CHANGELOG.md").read_text("utf-8")
    assert changelog.count(PYPROJECT["tool"]["towncrier"]["start_string"]) == 1


def test_the_documents_link_to_files_that_are_there() -> None:
    """Those of the code host, relative to where they stand."""
    for page in (HOST / "CONTRIBUTING.md", HOST / "SECURITY.md", ROOT / "CHANGELOG.md"):
        for target in re.findall(r"\]\(([^)#:]+)[^):]*\)", page.read_text("utf-8")):
            assert (page.parent / target).exists(), f"{page.name}: {target}"
