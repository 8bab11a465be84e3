"""What can be run on this project: `nox -l` is the menu, `nox` alone runs the tests."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import nox
from packaging.requirements import Requirement

PYPROJECT = nox.project.load_toml("pyproject.toml")
VERSIONS = nox.project.python_versions(PYPROJECT)

nox.needs_version = ">=2025.2.9"
nox.options.sessions = ["tests"]
# Sessions name only interpreters that answered, so one that is then missing is an error.
nox.options.error_on_missing_interpreters = True
nox.options.download_python = "never"


def at_hand() -> list[str]:
    """The supported interpreters that start here, and the one that runs nox, oldest first."""
    running = sys.version_info[:2]
    found = {version for version in VERSIONS if answers(version)}
    if running >= parts(VERSIONS[0]):
        found.add(".".join(map(str, running)))
    if not found:
        sys.exit(f"no Python of {', '.join(VERSIONS)} is at hand; install one of them")
    return sorted(found, key=parts)


def answers(version: str) -> bool:
    """Whether `pythonX.Y` starts: a version manager's shim can be there and refuse."""
    python = shutil.which(f"python{version}")
    if python is None:
        return False
    # The path comes from PATH, as for every command that sessions run.
    finished = subprocess.run([python, "-c", ""], capture_output=True, check=False)  # noqa: S603
    return finished.returncode == 0


def parts(version: str) -> tuple[int, ...]:
    """`3.11` as numbers, to compare by."""
    return tuple(map(int, version.split(".")))


PYTHONS = at_hand()
OLDEST = PYTHONS[0]
MEASURED = "3.12" if "3.12" in PYTHONS else PYTHONS[-1]
"""The one interpreter that measures coverage."""

PIP = ["python", "-m", "pip", "--disable-pip-version-check"]
NODE = "0.9.0a12"
PUBLISHED = [
    f"stigmem-plugin-{name}==0.1.0"
    for name in (
        "cognee-adapter",
        "gemini-adapter",
        "lazy-instruction-discovery",
        "letta-adapter",
        "memory-garden-acl",
        "multi-tenant",
        "openai-tools-adapter",
        "source-attestation",
        "time-travel",
        "tombstones",
        "zep-adapter",
    )
]


def group(name: str) -> tuple[str, ...]:
    """The requirements of a dependency group."""
    return nox.project.dependency_groups(PYPROJECT, name)


@nox.session(python=PYTHONS)
def tests(session: nox.Session) -> None:
    """Run the tests on every interpreter at hand; on one the slow ones too, and coverage."""
    session.install("--editable", ".", *group("tests"))
    pytest = ["pytest", "--numprocesses=logical", *session.posargs]
    if session.python != MEASURED or session.posargs:
        session.run("python", "-m", *pytest)
        return
    pytest += ["-m", "not network and not node"]
    session.run("coverage", "erase")
    session.run("coverage", "run", "-m", *pytest)
    session.run("coverage", "combine", "--quiet")
    session.run("coverage", "report")


@nox.session(python=[version for version in PYTHONS if version != MEASURED])
def slow(session: nox.Session) -> None:
    """Run the slow tests on the other interpreters: real installs, a browser, pictures."""
    session.install("--editable", ".", *group("tests"))
    session.run("python", "-m", "pytest", "-m", "slow", "--numprocesses=logical", *session.posargs)


@nox.session(python=OLDEST)
def minimums(session: nox.Session) -> None:
    """Run the tests with the lowest versions of the dependencies that pyproject allows."""
    constraints = Path(session.create_tmp(), "constraints.txt")
    lowest = [
        f"{requirement.name}=={bound.version}"
        for requirement in map(Requirement, PYPROJECT["project"]["dependencies"])
        for bound in requirement.specifier
        if bound.operator == ">="
    ]
    constraints.write_text("\n".join(lowest), encoding="utf-8")
    session.install("--constraint", str(constraints), "--editable", ".", *group("tests"))
    session.run("python", "-m", "pytest", "--numprocesses=logical", *session.posargs)


@nox.session(python=MEASURED)
def typing(session: nox.Session) -> None:
    """Check types with mypy, strictly."""
    session.install("--editable", ".", *group("typing"))
    session.run("mypy")
    examples = sorted(map(str, Path("docs/examples").glob("*.py")))
    session.run("mypy", *examples, env={"MYPYPATH": "docs/examples:hookspecs"})


@nox.session(python=MEASURED)
def lint(session: nox.Session) -> None:
    """Check style and formatting with ruff."""
    session.install(*group("lint"))
    session.run("ruff", "check")
    session.run("ruff", "format", "--check")


@nox.session(python=MEASURED)
def docs(session: nox.Session) -> None:
    """Build the documentation into docs/_build; warnings are errors."""
    session.install("--editable", ".[pytest]", *group("docs"))
    session.run("python", "docs/generate.py", "--check")
    session.run("sphinx-build", "-W", "-n", "-E", "-q", "docs", "docs/_build/html")


@nox.session(python=MEASURED)
def wheel(session: nox.Session) -> None:
    """Run the tests against the built wheel, away from the source tree."""
    place = Path(session.create_tmp()).resolve()
    shutil.rmtree(place)
    session.run("python", "-m", "pip", "wheel", "--quiet", "--no-deps", f"--wheel-dir={place}", ".")
    (built,) = place.glob("*.whl")
    session.install("--force-reinstall", str(built), *group("tests"))
    left = {"stigmem_plugins", "hookspecs", ".git", ".nox", "dist"}
    for each in (path for path in Path().iterdir() if path.name not in left):
        if each.is_dir():
            shutil.copytree(each, place / each, ignore=shutil.ignore_patterns("_build"))
        else:
            shutil.copy(each, place)
    session.chdir(place)
    imported = "import stigmem_hookspecs as h, stigmem_plugins as p; print(h.__file__, p.__file__)"
    files = str(session.run("python", "-c", imported, silent=True)).split()
    if not all("site-packages" in file for file in files):
        session.error(f"imported from somewhere else than the wheel: {files}")
    session.run("python", "-m", "pytest", "--numprocesses=logical", *session.posargs)


@nox.session(python=MEASURED)
def published(session: nox.Session) -> None:
    """Run the plugins and the node of the package index with this package; needs the network."""
    session.install("--editable", ".", *group("tests"))
    session.run("python", "-m", "pytest", "-m", "network", "tests/published", *session.posargs)


def install_node(session: nox.Session) -> Path:
    """Install the published node; returns a folder for what the session makes."""
    place = Path(session.create_tmp()).resolve()
    shutil.rmtree(place)
    # The wheel lacks the SQL files of the database, so the node is run from its source tree. Of
    # pre-releases only the node is wanted: that of httpx, for one, has another interface.
    session.run(
        *[*PIP, "download", "--quiet", "--no-deps", "--no-binary=stigmem-node"],
        *[f"--dest={place}", f"stigmem-node=={NODE}"],
    )
    (source,) = place.glob("stigmem_node-*.tar.gz")
    shutil.unpack_archive(source, place, filter="data")
    unpacked = str(source).removesuffix(".tar.gz")
    session.install(
        "--editable", ".", "--editable", unpacked, "stigmem-py>=0.9.0a9", *group("tests")
    )
    return place


@nox.session(python=PYTHONS)
def node(session: nox.Session) -> None:
    """Drive the published node on this plugin layer and on its own; needs the network.

    On one interpreter it tells what it finds in docs/node.md.
    """
    place = install_node(session)
    # In folders of their own, so that a node can be started without them.
    target = ["install", "--quiet", "--no-deps", "--target"]
    session.run(*PIP, *target, str(place / "sites" / "published"), *PUBLISHED)
    session.run(*PIP, *target, str(place / "sites" / "recorder"), "./tests/node/recorder")
    env = {"NODE_SITES": str(place / "sites"), "NODE_RESULTS": str(place / "results")}
    pytest = ["pytest", "-m", "node", "tests/node", "--numprocesses=2", "--durations=5"]
    session.run("python", "-m", *pytest, *session.posargs, env=env)
    if session.python == MEASURED and not session.posargs:
        session.run("python", "-m", "tests.node", str(place / "results"), "--write=docs/node.md")


@nox.session(python=MEASURED)
def load(session: nox.Session) -> None:
    """Put the published node under load, on this plugin layer and on its own; needs the network."""
    install_node(session)
    arguments = session.posargs or ["--write=docs/load.md"]
    session.run("python", "-m", "tests.node.load", *arguments)


@nox.session(python=MEASURED)
def bench(session: nox.Session) -> None:
    """Measure what a fire costs, draw the README's chart; with `-- --check`, hold the targets."""
    session.install("--editable", ".[prometheus]", *group("bench"))
    results = Path(session.create_tmp(), "results.json")
    drawn = [f"--json={results}", "--chart=docs/bench.svg"]
    session.run("python", "-m", "tests.benchmarks", *drawn, *session.posargs)


@nox.session(python=MEASURED)
def demo(session: nox.Session) -> None:
    """Run the demonstration that the README starts with."""
    session.install(".")
    session.run("python", "-m", "stigmem_plugins", "demo")


@nox.session(python=MEASURED)
def pictures(session: nox.Session) -> None:
    """Make the README's recording and the pictures of a report anew; needs Chromium."""
    session.install("--editable", ".")
    session.run("python", "-m", "docs.pictures", *session.posargs)
