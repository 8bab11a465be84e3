from stigmem_node.plugins import Deny, HookRegistry

from example_stigmem_plugin import plugin_manifest


def test_blocks_configured_source() -> None:
    registry = HookRegistry()
    registry.register_plugin(plugin_manifest())

    decision = registry.fire_voting(
        "pre_assert_authorize",
        source="agent:blocked",
    )

    assert isinstance(decision, Deny)
    assert decision.reason == "source is blocked by example-stigmem-plugin"


from stigmem_node.plugins.testing import stigmem_plugins

from example_stigmem_plugin import plugin_manifest


def test_process_registry_fixture() -> None:
    with stigmem_plugins([plugin_manifest()]) as registry:
        assert "example-stigmem-plugin" in registry.registered_plugins()
