"""The pytest plugin: fixtures for authors, and `stigmem_node.plugins` where no node is.

Loaded by pytest through the `pytest11` entry point; switch it off with
`-p no:stigmem_plugins`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

    from stigmem_plugins.capabilities import PluginContext
    from stigmem_plugins.testing.registries import TestPluginRegistry
    from stigmem_plugins.testing.sigstore import LocalAuthority

# Fixtures import what they use when they are used: this module is imported at every start
# of pytest wherever the distribution is installed.


def pytest_addoption(parser: pytest.Parser) -> None:
    """Declare the ini option `stigmem_plugins_bridge`."""
    parser.addini(
        "stigmem_plugins_bridge",
        "serve stigmem_node.plugins from stigmem-plugins even where stigmem-node is installed",
        type="bool",
        default=False,
    )


def pytest_configure(config: pytest.Config) -> None:
    """Let test modules import `stigmem_node.plugins`."""
    from stigmem_plugins import bridge  # noqa: PLC0415  # see above

    if config.getini("stigmem_plugins_bridge"):
        bridge.install()
    else:
        bridge.install_fallback()


@pytest.fixture
def hook_registry() -> TestPluginRegistry:
    """An empty registry that keeps its audit events.

    Example:
        def test_registers(hook_registry):
            hook_registry.register_plugin(plugin_manifest())
            assert hook_registry.audit_events[-1].event_type == "plugin.registered"
    """
    from stigmem_plugins.testing.registries import TestPluginRegistry  # noqa: PLC0415  # see above

    return TestPluginRegistry()


@pytest.fixture
def plugin_context() -> Callable[..., PluginContext]:
    """Makes a context with handles for some capabilities, to call a handler directly.

    `config=` is what the handler finds as `ctx.config`.

    Example:
        def test_audits(plugin_context):
            seen = []
            post_assert_audit(plugin_context(audit_emitter=seen.append), fact=None)
            assert seen
    """
    from stigmem_plugins.capabilities import (  # noqa: PLC0415  # see above
        Capability,
        CoreApis,
        PluginContext,
    )

    def make(
        plugin_name: str = "example-plugin", *, config: Any = None, **handles: Any
    ) -> PluginContext:
        """Grant the capabilities whose `CoreApis` fields are given."""
        return PluginContext(
            plugin_name=plugin_name,
            capabilities={each for each in Capability if each.field in handles},
            core_apis=CoreApis(**handles),
            config=config,
        )

    return make


@pytest.fixture(scope="session")
def sigstore_authority() -> LocalAuthority:
    """A Sigstore of one's own: signs for any identity, and only its own root trusts it.

    Example:
        def test_signs(sigstore_authority, wheel, tmp_path):
            sigstore_authority.sign_wheel(wheel, identity=RELEASE_WORKFLOW)
            sigstore_authority.write_trusted_root(tmp_path / "trusted_root.json")
    """
    from stigmem_plugins.testing.sigstore import LocalAuthority  # noqa: PLC0415  # see above

    return LocalAuthority()
