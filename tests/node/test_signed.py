"""The published node, with signing required as it is by default, takes what a publisher signed."""

from __future__ import annotations

from pathlib import Path

import pytest

from stigmem_plugins.testing.sigstore import LocalAuthority
from stigmem_plugins.testing.wheels import build_wheel
from tests.node.running import OURS, OWN, UNSIGNED, Node
from tests.signed import PUBLISHER, plugin_files, with_pip

pytestmark = pytest.mark.node


@pytest.fixture
def node(tmp_path: Path) -> Node:
    """A node that trusts the publisher of a signed plugin, which pip installed for it.

    The plugin denies whoever asks the use of any permission.
    """
    authority, installed = LocalAuthority(), tmp_path / "installed"
    (tmp_path / "wheels").mkdir()
    # Written for a node, so that its own layer can load it.
    files = {
        path: text.replace("from stigmem_plugins", "from stigmem_node.plugins")
        .replace('"good-plugin",', 'name="good-plugin",')
        .replace('"1.0.0",', 'version="1.0.0",')
        for path, text in plugin_files().items()
    }
    plugins = {"good": "good_plugin:plugin_manifest"}
    wheel = build_wheel(tmp_path / "wheels", "good-plugin", files, plugins=plugins)
    with_pip(authority.sign_wheel(wheel, identity=PUBLISHER), installed)
    node = Node(tmp_path / "node", OURS, plugins=[installed], STIGMEM_AUTH_REQUIRED="false")
    for name in UNSIGNED:
        del node.environment[name]
    node.environment |= {
        "STIGMEM_PLUGIN_TRUSTED_PUBLISHERS": PUBLISHER,
        "TRACE": str(tmp_path / "trace"),
        "STIGMEM_PLUGIN_TRUSTED_ROOT": str(authority.write_trusted_root(tmp_path / "root.json")),
    }
    return node


def test_a_signed_plugin_of_a_trusted_publisher_runs_in_it(node: Node, tmp_path: Path) -> None:
    """It is listed with who signed it, and has its vote."""
    assert f"signed_by={PUBLISHER}" in node.cli("plugins", "list").stdout
    assert (tmp_path / "trace").exists()
    try:
        node.start()
        assert node.ask("GET", "/v1/facts", key=None).status == 403
    finally:
        node.kill()


def test_on_the_nodes_own_layer_no_signature_helps(node: Node) -> None:
    """Nothing there verifies one: the same plugin is refused, once its code has run."""
    node.layer = OWN
    done = node.cli("plugins", "list")
    assert done.returncode == 1
    assert "PluginSignatureError" in done.stderr
    assert (node.folder.parent / "trace").exists()


@pytest.mark.parametrize("changed", ["file", "publisher"])
def test_any_other_stops_it_before_a_line_of_it_runs(
    node: Node, tmp_path: Path, changed: str
) -> None:
    """One file was edited after it was signed, or somebody else's signature is wanted."""
    if changed == "file":
        with (tmp_path / "installed" / "good_plugin" / "part.py").open("a") as file:
            file.write("run('evil')\n")
    else:
        node.environment["STIGMEM_PLUGIN_TRUSTED_PUBLISHERS"] = "somebody@else.example"
    node.launch()
    assert node.ended() == 3
    assert "PluginSignatureError: plugin 'good" in node.output()
    assert not (tmp_path / "trace").exists()
