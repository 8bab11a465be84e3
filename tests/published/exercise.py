"""Start the installed plugins as a node does, fire every hook, and print a report as JSON.

A script for an environment of its own: needs nothing but `stigmem_plugins` and the plugins.
"""

from __future__ import annotations

import json
import logging
import sys
from datetime import UTC, datetime
from types import SimpleNamespace
from typing import Any

import stigmem_plugins
from stigmem_plugins import (
    HOOK_SPECS,
    SYSTEM_TENANT,
    AuditEvent,
    Deny,
    HookRegistry,
    HookSemantic,
    Migration,
    StigmemPluginError,
    Success,
    register_discovered_plugins,
)
from stigmem_plugins.testing import TestPluginRegistry

MISSING = object()

identity = SimpleNamespace(
    entity_uri="agent:ada",
    tenant_id="acme",
    permissions=["read", "write"],
    allowed_source_entities=["agent:ada"],
)
tenant = SYSTEM_TENANT
fact = SimpleNamespace(
    id="fact-1",
    entity="project:apollo",
    relation="has_status",
    value="on track",
    source="agent:ada",
    scope="company",
    confidence=0.8,
)
req = fact
common = {"identity": identity, "tenant": tenant, "request_id": "req-1"}
query = {"query": "apollo", "scope": "company", "limit": 10}
scored = [SimpleNamespace(fact=fact, score=0.5)]
weights = SimpleNamespace(lexical=0.4, semantic=0.3, graph=0.15, source_trust=0.1, recency=0.05)
peer = {"node_id": "agent:peer", "url": "https://peer.example"}
by_peer = {"peer": peer, "token_payload": {"scopes": ["company"]}, "tenant": tenant}
inbound = {"fact_scope": "company", "tenant": tenant}
by_token = {**inbound, "cap_token": {"subject": "agent:ada"}}
event = AuditEvent(
    event_type="fact.asserted",
    actor_uri="agent:ada",
    target_uri="fact:fact-1",
    tenant_id="system",
    timestamp=datetime.now(UTC),
    outcome=Success(),
    metadata={"scope": "company"},
)

PAYLOADS: dict[str, list[tuple[Any, dict[str, Any]]]] = {
    "pre_assert_authorize": [(MISSING, {"req": req, **common})],
    "pre_assert_validate": [(MISSING, {"req": req, **common})],
    "pre_assert_transform": [(req, common)],
    "post_assert_persist": [(MISSING, {"fact": fact, **common})],
    "post_assert_propagate": [(MISSING, {"fact": fact, **common})],
    "post_assert_audit": [
        (MISSING, {"fact": fact, "req": req, "outcome": "accepted", **common}),
        (MISSING, {"fact": None, "req": req, "outcome": "denied", **common}),
    ],
    "pre_recall_authorize": [(MISSING, {"query": query, **common})],
    "pre_recall_rewrite": [(query, common)],
    "recall_filter": [([fact], common)],
    "recall_rank": [
        (scored, common),
        (scored, {"identity": identity, "weights": weights, "depth": 2}),
    ],
    "post_recall_audit": [
        (MISSING, {"result": [fact], "outcome": "accepted", **common}),
        (MISSING, {"result": None, "outcome": "denied", **common}),
    ],
    "federation_peer_authenticate": [
        (MISSING, {"req": req, "identity": identity, "tenant": tenant})
    ],
    "federation_inbound_validate": [
        (MISSING, {"fact": vars(fact), **by_token}),
        (MISSING, {"fact": vars(fact), **inbound, **by_peer}),
    ],
    "federation_inbound_filter": [(vars(fact), by_token), (vars(fact), {**inbound, **by_peer})],
    "federation_outbound_filter": [([fact], by_peer)],
    "federation_outbound_sign": [([fact], by_peer)],
    "identity_resolve": [(identity, {"raw_credentials": "Bearer abc"})],
    "tenant_resolve": [(tenant, {"identity": identity})],
    "capability_check": [
        (MISSING, {"identity": identity, "capability": "facts.read", "tenant": tenant})
    ],
    "migration_register": [
        ([], {"db_path": "node.db", "migrations_dir": "migrations", "settings": None})
    ],
    "audit_emit": [(MISSING, {"event": event})],
    "config_validate": [
        (MISSING, {"plugin": stigmem_plugins.PluginManifest("other-one", "1.0.0")})
    ],
}
"""For every hook, what a node passes: the positional value, if it takes one, and keywords."""


def fire(registry: HookRegistry, hook: str, value: Any, payload: dict[str, Any]) -> Any:
    """Fire a hook in the way of its semantic; returns an outcome that JSON can hold."""
    match HOOK_SPECS[hook].semantic:
        case HookSemantic.VOTING:
            decision = registry.fire_voting(hook, **payload)
            return decision.reason if isinstance(decision, Deny) else "allowed"
        case HookSemantic.FILTER_CHAIN:
            result = registry.fire_filter_chain(hook, value, **payload)
            return "unchanged" if result == value else _shown(result)
        case HookSemantic.SCORE_DELTA:
            return registry.fire_score_delta(hook, value, **payload)
        case HookSemantic.FIRE_AND_FORGET:
            return registry.fire_fire_and_forget(hook, **payload)


def _shown(result: Any) -> Any:
    if isinstance(result, list) and all(isinstance(one, Migration) for one in result):
        return [one.plugin_name for one in result]
    return getattr(result, "tenant_id", None) or repr(result)


def exercise(registry: TestPluginRegistry) -> dict[str, Any]:
    """Fire every hook with every payload; returns who was asked and what came out."""
    hooks = {
        hook: {
            "asked": [
                handler.plugin_name
                for handler in registry.handlers_for(hook)
                if handler.plugin_name != "core"
            ],
            "outcomes": [fire(registry, hook, value, payload) for value, payload in variants],
        }
        for hook, variants in PAYLOADS.items()
    }
    return {
        "hooks": hooks,
        "health": {r.plugin_name: r.status.value for r in registry.poll_plugin_health()},
    }


def main() -> None:
    """Start, exercise, report; a refusal to start is part of the report."""
    logged: list[str] = []
    handler = logging.Handler()
    handler.emit = lambda record: logged.append(record.getMessage())  # type: ignore[method-assign]  # shorter than a class
    logger = logging.getLogger("stigmem.plugins.registry")
    logger.addHandler(handler)
    logger.setLevel(logging.INFO)

    registry = TestPluginRegistry()
    report: dict[str, Any]
    try:
        started = register_discovered_plugins(registry=registry)
    except StigmemPluginError as error:
        report = {"error": type(error).__name__, "message": str(error)}
    else:
        report = {"started": [plugin.manifest.name for plugin in started], **exercise(registry)}
        report["routes"] = {p.manifest.name: len(p.manifest.routes) for p in started}
    report["registered"] = sorted(registry.registered_plugins())
    report["capabilities"] = {i.name: i.capabilities for i in registry.plugin_infos()}
    report["declared"] = {i.name: i.hooks for i in registry.plugin_infos()}
    report["unsigned"] = registry.development_unsigned_plugins()
    report["audit"] = [
        {
            "type": audited.event_type,
            "plugin": audited.metadata.get("plugin_name"),
            "reason": audited.metadata.get("reason"),
            "trust": audited.metadata.get("signing", {}).get("trust_decision"),
        }
        for audited in registry.audit_events
    ]
    report["imported"] = [name for name in sys.modules if name.startswith("stigmem_plugin_")]
    report["logged"] = logged
    print(json.dumps(report, default=str))  # noqa: T201  # the report is the script's output


if __name__ == "__main__":
    main()
