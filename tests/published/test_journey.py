"""From an empty directory to a plugin in a node, with the commands that are said on the way."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from stigmem_hookspecs import HOOK_SPECS
from stigmem_plugins import Capability
from stigmem_plugins.testing.sigstore import LocalAuthority, ServedAuthority
from tests.environments import make_environment
from tests.published.terminal import Terminal

pytestmark = pytest.mark.network

WORKFLOW = "https://github.com/OWNER/REPOSITORY/.github/workflows/release.yml@refs/tags/v0.1.0"
"""Who signs: the release workflow that the README tells operators to trust."""


def said(output: str) -> list[str]:
    """The commands that an output tells to run next: its indented lines."""
    return [line.strip() for line in output.splitlines() if line.startswith("    ")]


def shown(readme: str, heading: str) -> list[str]:
    """The commands of the last console block under a heading."""
    section = readme.partition(f"\n## {heading}\n")[2].partition("\n## ")[0]
    *_, block = re.finditer(r"```console\n(.+?)```", section, re.DOTALL)
    return block[1].splitlines()


@pytest.fixture(scope="module")
def authority() -> LocalAuthority:
    return LocalAuthority()


@pytest.fixture(scope="module")
def served(authority: LocalAuthority) -> Iterator[ServedAuthority]:
    with authority.serve() as served:
        yield served


@pytest.fixture(scope="module")
def author(tmp_path_factory: pytest.TempPathFactory, wheel: str) -> Path:
    """An environment with this project's wheel and nothing else."""
    return make_environment(tmp_path_factory.mktemp("author") / "venv", wheel).path


@pytest.fixture(scope="module")
def operator(tmp_path_factory: pytest.TempPathFactory, wheel: str) -> Path:
    """Another one."""
    return make_environment(tmp_path_factory.mktemp("operator") / "venv", wheel).path


def test_an_author_gets_from_nothing_to_a_plugin_in_a_node(
    tmp_path: Path,
    author: Path,
    operator: Path,
    authority: LocalAuthority,
    served: ServedAuthority,
) -> None:
    """Whatever is typed was printed before, or stands in the README that was written."""
    with Terminal(tmp_path, author) as shell:
        enter, install, test, check, build = said(shell.run("stigmem-plugins new my-plugin"))
        shell.run(enter)
        shell.run(install)
        assert "5 passed" in shell.run(test)
        shell.run(check)
        shell.run(build)
        package = shell.folder
        assert {path.suffix for path in (package / "dist").iterdir()} == {".whl", ".gz"}
        readme = (package / "README.md").read_text("utf-8")

        switch_off, look, explain = shown(readme, "Try it")
        shell.run(switch_off)
        assert "my_plugin = my_plugin:plugin_manifest (accepted)" in shell.run(look)
        assert "denied by my-plugin.pre_assert_authorize" in shell.run(explain)

    # A job has an identity, and asks the public instance; here is another one.
    config = served.write_trust_config(tmp_path / "config.json")
    identity = {"GITLAB_CI": "true", "SIGSTORE_ID_TOKEN": authority.identity_token(WORKFLOW)}
    with Terminal(package, author, identity) as job:
        build, sign = shown(readme, "Release")
        job.run(build)
        assert WORKFLOW in job.run(f"{sign} --trust-config {config}").replace("\n", "")

    # The package index has what was built; the node's root has the keys of that other instance.
    root = authority.write_trusted_root(tmp_path / "root.json")
    index = {"PIP_NO_INDEX": "1", "PIP_FIND_LINKS": str(package / "dist")}
    node = {**index, "STIGMEM_PLUGIN_TRUSTED_ROOT": str(root)}
    with Terminal(tmp_path, operator, node) as shell:
        install, trust, look, explain = shown(readme, "Install")
        shell.run(install)
        assert "(refused)" in shell.run(look)
        shell.run(trust)
        listed = shell.run(look)
        assert "my_plugin = my_plugin:plugin_manifest (accepted)" in listed
        assert "trusted_publisher" in listed
        assert "A node would start, if" in listed
        assert "denied by my-plugin.pre_assert_authorize" in shell.run(explain)


def test_what_is_written_satisfies_the_checkers_that_authors_use(
    tmp_path: Path, author: Path
) -> None:
    """A plugin at all hooks with all capabilities: types strictly, style, and its metadata."""
    hooks = " ".join(f"--hook {hook}" for hook in HOOK_SPECS)
    capabilities = " ".join(f"--capability {each}" for each in Capability)
    with Terminal(tmp_path, author) as shell:
        enter, install, test, check, build = said(
            shell.run(f"stigmem-plugins new every-hook {hooks} {capabilities}")
        )
        shell.run(enter)
        shell.run(f'{install} mypy ruff twine "validate-pyproject[all]"')
        assert " passed" in shell.run(test)
        shell.run(check)
        shell.run("mypy --strict src tests")
        shell.run("ruff check")
        shell.run("ruff format --check")
        shell.run("validate-pyproject pyproject.toml")
        shell.run(build)
        shell.run("twine check --strict dist/*")
