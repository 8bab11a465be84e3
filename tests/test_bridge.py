"""`stigmem_node.plugins`, served in the place of a node's own plugin layer."""

from __future__ import annotations

import sys
import textwrap
from collections.abc import Iterator
from pathlib import Path

import pytest

import stigmem_plugins
from stigmem_plugins import StigmemPluginError, bridge, testing
from tests.support import python

CHECK = """
    import stigmem_node.plugins, stigmem_plugins
    from stigmem_node.plugins import HookRegistry
    from stigmem_node.plugins.testing import stigmem_plugins as swap
    assert HookRegistry is stigmem_plugins.HookRegistry
    print("served", getattr(stigmem_node, "__version__", "no node"))
"""


@pytest.fixture
def node(tmp_path: Path) -> Path:
    """A folder with a stand-in for an installed stigmem-node that has a plugin layer of its own."""
    package = tmp_path / "stigmem_node"
    (package / "plugins").mkdir(parents=True)
    (package / "__init__.py").write_text("__version__ = '0.9.0a12'\n")
    (package / "plugins" / "__init__.py").write_text("class HookRegistry: pass\n")
    (package / "plugins" / "testing.py").write_text("def stigmem_plugins(): pass\n")
    return tmp_path


@pytest.fixture
def restored() -> Iterator[None]:
    """The import system as it was."""
    finders, modules = sys.meta_path[:], set(sys.modules)
    yield
    sys.meta_path[:] = finders
    for name in set(sys.modules) - modules:
        if name.startswith("stigmem_node"):
            del sys.modules[name]


def run(code: str, path: Path | None = None) -> tuple[str, str]:
    """What code prints in a process of its own, and the last line of its errors."""
    done = python(code, path=path)
    return done.stdout.strip(), done.stderr.strip().rpartition("\n")[2]


def test_importing_us_changes_nothing() -> None:
    """Neither the package nor the bridge module."""
    out, error = run("import stigmem_plugins, stigmem_plugins.bridge, stigmem_node")
    assert out == ""
    assert "No module named 'stigmem_node'" in error


def test_without_a_node_the_whole_name_is_served() -> None:
    """After install(), which may be called again."""
    code = "from stigmem_plugins import bridge; bridge.install(); bridge.install()\n"
    assert run(code + textwrap.dedent(CHECK)) == ("served no node", "")


def test_beside_a_node_only_the_plugin_layer_is_served(node: Path) -> None:
    """The rest of stigmem_node is the node's."""
    code = "from stigmem_plugins import bridge; bridge.install()\n"
    assert run(code + textwrap.dedent(CHECK), node) == ("served 0.9.0a12", "")


def test_the_fallback_leaves_an_installed_node_alone(node: Path) -> None:
    """install_fallback() serves only what nobody else has."""
    code = """
        from stigmem_plugins import bridge, HookRegistry
        bridge.install_fallback()
        import stigmem_node.plugins
        print(stigmem_node.plugins.HookRegistry is HookRegistry)
    """
    assert run(code, node) == ("False", "")
    assert run(code) == ("True", "")


@pytest.mark.parametrize("action", ["bridge.install()", "register_discovered_plugins()"])
def test_a_plugin_layer_that_was_imported_before_is_refused(node: Path, action: str) -> None:
    """There must never be two classes of one name; the error says where it came from."""
    code = f"""
        import stigmem_node.plugins
        from stigmem_plugins import bridge, register_discovered_plugins
        {action}
    """
    out, error = run(code, node)
    assert out == ""
    assert "StigmemPluginError: stigmem_node.plugins was imported from" in error
    assert "call stigmem_plugins.bridge.install() before anything imports stigmem_node" in error


@pytest.mark.usefixtures("restored")
def test_every_submodule_serves_the_public_names() -> None:
    """The twelve that plugins and nodes import from."""
    bridge.uninstall()
    bridge.install()
    import importlib

    for name in bridge.SUBMODULES:
        module = importlib.import_module(f"stigmem_node.plugins.{name}")
        assert module.PluginManifest is stigmem_plugins.PluginManifest
    served = sys.modules["stigmem_node.plugins.testing"]
    assert served.TestPluginRegistry is testing.TestPluginRegistry
    assert set(stigmem_plugins.__all__) <= set(served.__all__)
    bridge.uninstall()
    bridge.uninstall()
    assert not any(name.startswith("stigmem_node") for name in sys.modules)
    with pytest.raises(ModuleNotFoundError):
        importlib.import_module("stigmem_node.plugins")


@pytest.mark.usefixtures("restored")
def test_install_refuses_a_foreign_module_in_this_process(monkeypatch: pytest.MonkeyPatch) -> None:
    """As it does where a real node was imported."""
    bridge.uninstall()
    monkeypatch.setitem(sys.modules, "stigmem_node.plugins", sys)
    with pytest.raises(StigmemPluginError, match="one process can have only one of the two"):
        bridge.install()
    bridge.uninstall()
    assert sys.modules["stigmem_node.plugins"] is sys


def test_what_an_import_that_failed_left_behind_is_refused(node: Path) -> None:
    """Its classes could be had beside ours of the same names."""
    (node / "stigmem_node" / "plugins" / "bands.py").write_text("class Band: pass\n")
    broken = node / "stigmem_node" / "plugins" / "__init__.py"
    broken.write_text("from stigmem_node.plugins import bands\nraise ImportError('half-way')\n")
    code = """
        try:
            import stigmem_node.plugins
        except ImportError:
            from stigmem_plugins import bridge
        bridge.install()
    """
    out, error = run(code, node)
    assert out == ""
    assert "StigmemPluginError: stigmem_node.plugins.bands was imported from" in error


def test_a_layer_that_is_only_an_attribute_any_more_is_refused(node: Path) -> None:
    """`from stigmem_node import plugins` would still get it."""
    code = """
        import sys
        import stigmem_node.plugins
        del sys.modules["stigmem_node.plugins"]
        from stigmem_plugins import bridge
        bridge.install()
    """
    assert "stigmem_node.plugins was imported from" in run(code, node)[1]


FIRST = {
    "us": "import stigmem_plugins.bridge as bridge; bridge.install()",
    "our registry": "from stigmem_plugins import HookRegistry; HookRegistry()",
    "the node": "import stigmem_node",
    "its other modules": "import stigmem_node.other",
    "its layer": "from stigmem_node.plugins import HookRegistry",
    "a module of its layer": "import stigmem_node.plugins.testing",
}
"""What somebody may import, in whatever order."""


@pytest.mark.parametrize("second", FIRST)
@pytest.mark.parametrize("first", FIRST)
def test_in_whatever_order_there_is_one_layer_or_one_error(
    node: Path, first: str, second: str
) -> None:
    """Once the bridge is installed, all names are ours; if that is too late, the error says so."""
    (node / "stigmem_node" / "other.py").touch()
    code = f"""
        import sys
        {FIRST[first]}
        {FIRST[second]}
        from stigmem_plugins import HookRegistry, bridge
        bridge.install()
        import stigmem_node.plugins, stigmem_node.plugins.registry, stigmem_node.other
        layers = {{m.HookRegistry for m in sys.modules.values() if hasattr(m, "HookRegistry")}}
        print(layers == {{HookRegistry}})
    """
    out, error = run(code, node)
    too_late = "layer" in first or ("layer" in second and first != "us")
    if too_late:
        assert out == ""
        assert "StigmemPluginError: stigmem_node.plugins" in error
        assert "call stigmem_plugins.bridge.install() before" in error
    else:
        assert (out, error) == ("True", "")


@pytest.mark.parametrize("program", ["main", "cli"])
def test_the_settings_of_a_node_that_runs_here_are_read_live(node: Path, program: str) -> None:
    """Of its server or its command line; a module of it that somebody imported does not run."""
    settings = """
        from types import SimpleNamespace
        settings = SimpleNamespace(
            plugin_signing_required=True,
            plugin_trusted_publishers="",
            plugin_trust_override_publishers="",
            plugin_auto_discovery_enabled=True,
        )
    """
    (node / "stigmem_node" / "settings.py").write_text(textwrap.dedent(settings))
    (node / "stigmem_node" / f"{program}.py").touch()
    code = f"""
        from stigmem_plugins import HookRegistry, StigmemPluginError, bridge
        from stigmem_plugins import register_discovered_plugins
        bridge.install()
        import stigmem_node.settings
        assert bridge.node_settings() is None
        import stigmem_node.{program}
        settings = stigmem_node.settings.settings
        assert bridge.node_settings() is settings
        settings.plugin_auto_discovery_enabled = "asked"
        try:
            register_discovered_plugins(registry=HookRegistry())
        except StigmemPluginError as error:
            print(error.message)
    """
    out, error = run(code, node)
    assert error == ""
    assert "no usable 'plugin_auto_discovery_enabled': must be a bool, not 'asked'" in out
