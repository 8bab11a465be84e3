from stigmem_node.plugins import PluginContext, PluginManifest


def post_assert_audit(ctx: PluginContext, **_: object) -> None:
    audit = ctx.get_audit_emitter()
    if callable(audit):
        audit({"event_type": "example.plugin.post_assert"})


def plugin_manifest() -> PluginManifest:
    return PluginManifest(
        name="example-audit-plugin",
        version="1.0.0",
        requires_stigmem=">=0.9.0a1",
        capabilities=frozenset({"audit.emit"}),
        hooks={"post_assert_audit": post_assert_audit},
    )
