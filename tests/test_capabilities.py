"""A capability is a reference: declared, offered, or not to be had."""

from __future__ import annotations

import attrs
import pytest

from stigmem_plugins import (
    CAPABILITY_ALLOWLIST,
    Capability,
    CapabilityError,
    CoreApis,
    Deny,
    ManifestError,
    PluginContext,
    PluginExecutionError,
)
from stigmem_plugins.testing import TestPluginRegistry
from tests.support import manifest


def test_the_table_of_capabilities_is_the_only_one() -> None:
    """Fields of CoreApis and accessors of the context follow from it."""
    assert len(Capability) == len(CAPABILITY_ALLOWLIST) == 13
    fields = [attribute.name for attribute in attrs.fields(CoreApis)]
    assert fields == [capability.field for capability in Capability]
    accessors = [name for name in vars(PluginContext) if name.startswith("get_")]
    assert accessors == [capability.accessor for capability in Capability]


@pytest.mark.parametrize("capability", list(Capability))
def test_each_capability_opens_its_own_handle_and_no_other(capability: Capability) -> None:
    """Declared and offered: the handle; declared only: None; undeclared: an error."""
    offered = {each.field: each.value for each in Capability}
    ctx = PluginContext(plugin_name="x", capabilities=[capability], core_apis=CoreApis(**offered))
    assert getattr(ctx, capability.accessor)() == capability.value
    unoffered = PluginContext(plugin_name="x", capabilities=[capability])
    assert getattr(unoffered, capability.accessor)() is None
    for other in set(Capability) - {capability}:
        with pytest.raises(CapabilityError) as raised:
            getattr(ctx, other.accessor)()
        sentence = (
            f"plugin 'x' cannot call {other.accessor}: capability {other.value!r} not declared"
        )
        assert raised.value.message == sentence


@pytest.mark.parametrize(
    ("capability", "accessor"),
    [
        ("facts.read", "get_facts_reader"),
        ("facts.write", "get_facts_writer"),
        ("recall.read", "get_recall_reader"),
        ("recall.write", "get_recall_writer"),
        ("audit.emit", "get_audit_emitter"),
        ("audit.read", "get_audit_reader"),
        ("federation.read", "get_federation_reader"),
        ("federation.write", "get_federation_writer"),
        ("identity.read", "get_identity_reader"),
        ("tenant.read", "get_tenant_reader"),
        ("tenant.write", "get_tenant_writer"),
        ("config.read", "get_config_reader"),
        ("network.outbound", "get_network_outbound"),
    ],
)
def test_published_plugins_call_accessors_by_these_names(capability: str, accessor: str) -> None:
    """However they are derived."""
    assert Capability(capability).accessor == accessor


def test_an_undeclared_capability_fails_the_handler_that_asks_for_it() -> None:
    """Registration succeeds; the fire fails closed."""
    registry = TestPluginRegistry.with_hooks(
        pre_assert_authorize=lambda ctx, **_: Deny(str(ctx.get_facts_reader()))
    )
    with pytest.raises(
        PluginExecutionError, match=r"capability 'facts\.read' not declared"
    ) as raised:
        registry.fire_voting("pre_assert_authorize")
    assert isinstance(raised.value.__cause__, PermissionError)


def test_a_handler_reaches_the_hosts_handle() -> None:
    """Through the context that it gets as first argument."""
    emitted: list[object] = []
    registry = TestPluginRegistry(
        [
            manifest(
                capabilities={Capability.AUDIT_EMIT},
                hooks={"post_assert_persist": lambda ctx, **_: ctx.get_audit_emitter()("seen")},
            )
        ],
        core_apis=CoreApis(audit_emitter=emitted.append),
    )
    registry.fire_fire_and_forget("post_assert_persist")
    assert emitted == ["seen"]


def test_a_context_of_an_unknown_capability_is_refused() -> None:
    """With the nearest that exists."""
    with pytest.raises(ManifestError, match=r"did you mean 'facts\.read'"):
        PluginContext(plugin_name="x", capabilities=["facts.reed"])
