from __future__ import annotations

from stigmem_node.plugins import Allow, Deny, PluginContext, PluginManifest

BLOCKED_SOURCE = "agent:blocked"


def pre_assert_authorize(
    _ctx: PluginContext,
    *,
    source: str | None = None,
    **_: object,
) -> Allow | Deny:
    if source == BLOCKED_SOURCE:
        return Deny("source is blocked by example-stigmem-plugin")
    return Allow()


def post_assert_audit(_ctx: PluginContext, **_: object) -> None:
    return None


def plugin_manifest() -> PluginManifest:
    return PluginManifest(
        name="example-stigmem-plugin",
        version="1.0.0",
        requires_stigmem=">=0.9.0a1",
        capabilities=frozenset(),
        hooks={
            "pre_assert_authorize": pre_assert_authorize,
            "post_assert_audit": post_assert_audit,
        },
    )
