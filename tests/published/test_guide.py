"""The author guide's samples run verbatim as packages, without a node and beside the real one."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

from tests.environments import Environment, make_environment

pytestmark = pytest.mark.network

GUIDE = Path(__file__).parents[1] / "guide"
EXAMPLE = "example-stigmem-plugin"
AUDIT = "example-audit-plugin"
NODE = "stigmem-node==0.9.0a12"

WHOSE = """
def test_whose():
    import stigmem_node.plugins, stigmem_plugins
    assert stigmem_node.plugins.HookRegistry is stigmem_plugins.HookRegistry
"""
"""A test beside the guide's: passes where `stigmem_node.plugins` is ours."""

START = """
import json
from stigmem_plugins import CoreApis, register_discovered_plugins
from stigmem_plugins.testing import TestPluginRegistry

emitted = []
registry = TestPluginRegistry(core_apis=CoreApis(audit_emitter=emitted.append))
started = register_discovered_plugins(registry=registry)
registry.fire_fire_and_forget("post_assert_audit", fact=None, outcome="denied")
decision = registry.fire_voting("pre_assert_authorize", source="agent:blocked")
print(json.dumps({
    "started": [plugin.manifest.name for plugin in started],
    "emitted": emitted,
    "reason": decision.reason,
}))
"""


def guide_environment(folder: Path, *requirements: str) -> Environment:
    """Install the guide's packages from copies outside the repository.

    The guide says `requires-python = ">=3.12"`; 3.11 is made to take them all the same.
    """
    copies = [folder / name for name in (EXAMPLE, AUDIT)]
    for copy in copies:
        shutil.copytree(GUIDE / copy.name, copy)
    return make_environment(
        folder / "venv", *requirements, "pytest>=8.2", no_deps=tuple(map(str, copies))
    )


@pytest.fixture(scope="module")
def without_node(tmp_path_factory: pytest.TempPathFactory, wheel: str) -> Environment:
    """Our wheel, pytest and the guide's packages."""
    return guide_environment(tmp_path_factory.mktemp("guide-without-node"), wheel)


@pytest.fixture(scope="module")
def with_node(tmp_path_factory: pytest.TempPathFactory, wheel: str) -> Environment:
    """The same beside the real node."""
    return guide_environment(tmp_path_factory.mktemp("guide-with-node"), wheel, NODE)


def run_guide_tests(environment: Environment, folder: Path, ini: str = "") -> tuple[int, str]:
    """Run the guide's two tests, and `test_whose`, as an author would; returns pytest's end."""
    shutil.copy(GUIDE / EXAMPLE / "tests" / "test_plugin.py", folder)
    (folder / "test_whose.py").write_text(WHOSE)
    (folder / "pytest.ini").write_text(f"[pytest]\n{ini}\n")
    done = environment.run("-m", "pytest", "-rA", "-p", "no:cacheprovider", cwd=folder)
    return done.returncode, done.stdout


def assert_guide_passes(result: tuple[int, str]) -> None:
    code, output = result
    assert code == 0, output
    assert "PASSED test_plugin.py::test_blocks_configured_source" in output
    assert "PASSED test_plugin.py::test_process_registry_fixture" in output
    assert "PASSED test_whose.py::test_whose" in output


def test_samples_pass_their_tests_without_a_node(without_node: Environment, tmp_path: Path):
    """With no node installed, the pytest plugin serves `stigmem_node.plugins` unasked."""
    absent = without_node.run("-c", "import stigmem_node")
    assert "No module named 'stigmem_node'" in absent.stderr

    assert_guide_passes(run_guide_tests(without_node, tmp_path))


def test_samples_pass_their_tests_beside_the_node(with_node: Environment, tmp_path: Path):
    """The ini option puts ours in the place of the real node's plugin layer."""
    assert_guide_passes(run_guide_tests(with_node, tmp_path, "stigmem_plugins_bridge = true"))


def test_an_installed_node_keeps_its_own_layer_unless_asked(with_node: Environment, tmp_path: Path):
    """Without the ini option the samples run on the node's own plugin layer, not on ours."""
    code, output = run_guide_tests(with_node, tmp_path)

    assert code == 1, output
    assert "PASSED test_plugin.py::test_blocks_configured_source" in output
    assert "FAILED test_whose.py::test_whose" in output


def test_bridge_serves_a_script_beside_the_node(with_node: Environment):
    """After `bridge.install()` the names are ours, and the rest of the node is the real one."""
    done = with_node.run(
        "-c",
        "import stigmem_plugins.bridge; stigmem_plugins.bridge.install()\n"
        "from stigmem_node.plugins import HookRegistry\n"
        "from stigmem_node.plugins.testing import stigmem_plugins as fixture\n"
        "import stigmem_node, stigmem_plugins.testing\n"
        "assert HookRegistry is stigmem_plugins.HookRegistry\n"
        "assert fixture is stigmem_plugins.testing.stigmem_plugins\n"
        "print(stigmem_node.__file__)",
    )
    assert done.returncode == 0, done.stderr
    assert str(with_node.path) in done.stdout


def test_bridge_refuses_after_the_node_s_own_layer_was_imported(with_node: Environment):
    """Two layers in one process cannot be: the error names both and the fix."""
    done = with_node.run(
        "-c",
        "import stigmem_node.plugins\nfrom stigmem_plugins import bridge\nbridge.install()",
    )
    assert done.returncode == 1
    error = done.stderr.splitlines()[-1]
    assert "stigmem_node.plugins was imported from" in error
    assert "call stigmem_plugins.bridge.install() before" in error


@pytest.mark.parametrize("where", ["without_node", "with_node"])
def test_samples_start_from_their_entry_points(where: str, request: pytest.FixtureRequest):
    """Startup finds both; one denies the blocked source, the other reaches the audit emitter."""
    environment: Environment = request.getfixturevalue(where)
    done = environment.run("-c", START, env={"STIGMEM_PLUGIN_SIGNING_REQUIRED": "false"})

    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout) == {
        "started": [AUDIT, EXAMPLE],
        "emitted": [{"event_type": "example.plugin.post_assert"}],
        "reason": "source is blocked by example-stigmem-plugin",
    }
