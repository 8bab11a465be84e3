"""The eleven published plugins load, register and answer every hook, unchanged."""

from __future__ import annotations

import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import pytest

from tests.environments import Environment, make_environment

pytestmark = pytest.mark.network

EXERCISE = Path(__file__).with_name("exercise.py")
CONFORM = Path(__file__).with_name("conform.py")
UNSIGNED_ALLOWED = {"STIGMEM_PLUGIN_SIGNING_REQUIRED": "false"}
GATES = {
    "STIGMEM_MULTI_TENANT_ENABLED": "true",
    "STIGMEM_SOURCE_ATTESTATION_ENABLED": "true",
    "STIGMEM_SOURCE_ATTESTATION_APPLY_RECALL_RANK": "true",
    "STIGMEM_SOURCE_ATTESTATION_ENFORCE_ASSERT_VALIDATION": "true",
    "STIGMEM_SOURCE_ATTESTATION_ENFORCE_FEDERATION_INBOUND": "true",
    "STIGMEM_SOURCE_ATTESTATION_WARN_ONLY": "false",
    "STIGMEM_TOMBSTONES_ENABLED": "true",
    "STIGMEM_TOMBSTONES_ALLOW_ADMIN_ROUTES": "true",
    "STIGMEM_TOMBSTONES_ALLOW_FEDERATION_ROUTES": "true",
    # The node then scores every source 0.5, and needs no database for it.
    "STIGMEM_TRUST_MODE": "off",
}
"""What turns the plugins' features on; they read these variables themselves."""

ADAPTERS = {
    "cognee-adapter",
    "gemini-adapter",
    "letta-adapter",
    "openai-tools-adapter",
    "zep-adapter",
}
WITHOUT_NODE_MODULES = ADAPTERS | {"memory-garden-acl", "time-travel", "tombstones"}
WITH_NODE_MODULES = {"lazy-instruction-discovery", "multi-tenant", "source-attestation"}
ALL = WITHOUT_NODE_MODULES | WITH_NODE_MODULES
IN_THE_NODE = {"memory-garden-acl"}
"""Plugins whose feature the node itself has, hence left out beside it."""

HOOKS = {
    "lazy-instruction-discovery": {
        "migration_register",
        "post_recall_audit",
        "pre_recall_authorize",
        "pre_recall_rewrite",
        "recall_filter",
    },
    "memory-garden-acl": {"pre_assert_authorize", "pre_recall_authorize", "recall_filter"},
    "multi-tenant": {
        "config_validate",
        "federation_outbound_filter",
        "migration_register",
        "pre_assert_authorize",
        "pre_recall_authorize",
        "recall_filter",
        "tenant_resolve",
    },
    "source-attestation": {
        "config_validate",
        "federation_inbound_validate",
        "pre_assert_validate",
        "recall_rank",
    },
    "time-travel": {"post_recall_audit", "pre_recall_authorize", "pre_recall_rewrite"},
    "tombstones": {
        "federation_inbound_validate",
        "migration_register",
        "post_assert_propagate",
        "recall_filter",
    },
}
"""The hooks of the published 0.1.0 manifests; the adapters have none."""


def plugin_names(plugins: Iterable[str]) -> list[str]:
    return sorted(f"stigmem-plugin-{plugin}" for plugin in plugins)


def requirements(plugins: Iterable[str]) -> tuple[str, ...]:
    return tuple(f"{name}==0.1.0" for name in plugin_names(plugins))


@pytest.fixture(scope="module")
def without_node(tmp_path_factory: pytest.TempPathFactory, wheel: str) -> Environment:
    """Our wheel, the plugins that need no module of the node, and what they import."""
    return make_environment(
        tmp_path_factory.mktemp("without-node") / "venv",
        wheel,
        "pydantic>=2",
        "stigmem-py>=0.9.0a9",
        no_deps=requirements(WITHOUT_NODE_MODULES),
    )


@pytest.fixture(scope="module")
def with_node(tmp_path_factory: pytest.TempPathFactory, wheel: str) -> Environment:
    """Our wheel beside the real node, and all plugins."""
    return make_environment(
        tmp_path_factory.mktemp("with-node") / "venv",
        wheel,
        "stigmem-node==0.9.0a12",
        "stigmem-py>=0.9.0a9",
        no_deps=requirements(ALL),
    )


def exercise(environment: Environment, **variables: str) -> dict[str, Any]:
    """Start the environment's plugins and fire every hook; returns the script's report."""
    done = environment.run(str(EXERCISE), env=variables)
    assert done.returncode == 0, done.stderr
    report: dict[str, Any] = json.loads(done.stdout)
    return report


def asked(report: dict[str, Any]) -> dict[str, set[str]]:
    """By plugin that has hooks: those that it was asked in."""
    by_plugin: dict[str, set[str]] = {}
    for hook, fired in report["hooks"].items():
        for plugin in fired["asked"]:
            by_plugin.setdefault(plugin, set()).add(hook)
    return by_plugin


def hooks_of(plugins: Iterable[str]) -> dict[str, set[str]]:
    """What `asked` returns if each of these plugins answered all its hooks."""
    return {f"stigmem-plugin-{p}": HOOKS[p] for p in plugins if p in HOOKS}


def outcomes(report: dict[str, Any]) -> dict[str, Any]:
    """By hook that a plugin handles: what came out, for each payload."""
    return {hook: fired["outcomes"] for hook, fired in report["hooks"].items() if fired["asked"]}


def test_plugins_that_need_no_node_answer_their_hooks_without_one(without_node: Environment):
    """All eight register in the order of their names, and each answers each of its hooks."""
    report = exercise(without_node, **UNSIGNED_ALLOWED)

    assert report.get("error") is None, report["message"]
    assert report["started"] == report["unsigned"] == plugin_names(WITHOUT_NODE_MODULES)
    assert asked(report) == hooks_of(WITHOUT_NODE_MODULES)
    assert outcomes(report) == {
        "pre_assert_authorize": ["allowed"],
        "post_assert_propagate": [None],
        "pre_recall_authorize": ["allowed"],
        "pre_recall_rewrite": ["unchanged"],
        "recall_filter": ["unchanged"],
        "post_recall_audit": [None, None],
        "federation_inbound_validate": ["allowed", "allowed"],
        "migration_register": [["stigmem-plugin-tombstones"]],
    }


def test_all_plugins_answer_their_hooks_beside_the_node(with_node: Environment):
    """All register but the one whose feature the node has; each answers each of its hooks."""
    report = exercise(with_node, **UNSIGNED_ALLOWED)

    assert report.get("error") is None, report["message"]
    assert report["started"] == report["unsigned"] == plugin_names(ALL - IN_THE_NODE)
    assert asked(report) == hooks_of(ALL - IN_THE_NODE)
    assert outcomes(report) == {
        "pre_assert_authorize": ["allowed"],
        "pre_assert_validate": ["allowed"],
        "post_assert_propagate": [None],
        "pre_recall_authorize": ["allowed"],
        "pre_recall_rewrite": ["unchanged"],
        "recall_filter": ["unchanged"],
        "recall_rank": [{}, {}],
        "post_recall_audit": [None, None],
        "federation_inbound_validate": ["allowed", "allowed"],
        "federation_outbound_filter": ["unchanged"],
        "tenant_resolve": ["unchanged"],
        "migration_register": [plugin_names({"lazy-instruction-discovery", "tombstones"})],
        "config_validate": ["allowed"],
    }


def test_a_plugin_whose_feature_is_in_the_node_is_left_out_and_logged(with_node: Environment):
    """The log names the memory garden plugin, and nothing else is left out."""
    report = exercise(with_node, **UNSIGNED_ALLOWED)

    left_out = [line for line in report["logged"] if "left out" in line]
    assert len(left_out) == len(IN_THE_NODE)
    assert "'stigmem-plugin-memory-garden-acl'" in left_out[0]


def test_features_that_plugins_switch_on_by_their_own_variables_work(with_node: Environment):
    """A tenant is resolved, facts are scored, an inbound fact is denied, routes are there."""
    report = exercise(with_node, **UNSIGNED_ALLOWED, **GATES)

    assert report.get("error") is None, report["message"]
    found = outcomes(report)
    assert found["tenant_resolve"] == ["acme"]
    assert found["pre_assert_validate"] == ["allowed"]
    # Weight 0.1 of all weights' 1.0, trust 0.5, confidence 0.8; no weights, no scores.
    assert found["recall_rank"] == [{}, {"fact-1": pytest.approx(0.04)}]
    assert found["federation_inbound_validate"] == [
        "allowed",
        "source_attestation_failed: federated fact source does not match sender",
    ]
    denied = [event for event in report["audit"] if event["type"] == "plugin.handler_denied"]
    assert [event["plugin"] for event in denied] == ["stigmem-plugin-source-attestation"]
    assert {plugin: n for plugin, n in report["routes"].items() if n} == {
        "stigmem-plugin-lazy-instruction-discovery": 1,
        "stigmem-plugin-tombstones": 2,
    }


@pytest.mark.parametrize("variables", [{}, GATES], ids=["features-off", "features-on"])
def test_every_plugin_conforms(with_node: Environment, variables: dict[str, str]):
    """None fails a check; all declare capabilities that they do not use, and are warned of it.

    Of one that cannot be told: it fetches attributes by computed names.
    """
    done = with_node.run(str(CONFORM), env=variables)
    assert done.returncode == 0, done.stderr
    report = json.loads(done.stdout)

    assert set(report) == {name.removeprefix("stigmem-plugin-") for name in plugin_names(ALL)}
    found = {(check, level) for each in report.values() for check, level, _ in each}
    assert {check for check, level in found if level == "fail"} == set(), report
    assert {check for check, level in found if level == "warn"} == {"capabilities"}
    assert {name for name, each in report.items() if all(row[1] != "warn" for row in each)} == {
        "cognee-adapter"
    }


def test_a_published_schema_refuses_bad_configuration(without_node: Environment):
    """A value that the tombstones' pydantic schema refuses stops the start, nothing half done."""
    key = "STIGMEM_PLUGIN_STIGMEM_PLUGIN_TOMBSTONES_CACHE_TTL_SECONDS"
    report = exercise(without_node, **UNSIGNED_ALLOWED, **{key: "0"})

    assert report["error"] == "ManifestError"
    assert "'stigmem-plugin-tombstones' is misconfigured: cache_ttl_seconds" in report["message"]
    assert report["registered"] == []
    assert [event["reason"] for event in report["audit"]] == ["config_validate"]


@pytest.mark.parametrize("where", ["without_node", "with_node"])
def test_health_audit_and_warnings_cover_every_plugin(where: str, request: pytest.FixtureRequest):
    """Checks report healthy, plugins without one unknown; each unsigned plugin is on record."""
    report = exercise(request.getfixturevalue(where), **UNSIGNED_ALLOWED)

    started = report["started"]
    without_check = set(plugin_names(ADAPTERS))
    assert report["health"] == {
        name: "unknown" if name in without_check else "healthy" for name in started
    }
    assert [e for e in report["audit"] if e["type"].startswith("plugin.")] == [
        {
            "type": "plugin.registered",
            "plugin": name,
            "reason": None,
            "trust": "development_unsigned_override",
        }
        for name in started
    ]
    warnings = [m for m in report["logged"] if "STIGMEM_PLUGIN_SIGNING_REQUIRED=false" in m]
    assert len(warnings) == len(started)
    assert all(repr(name) in m for name, m in zip(started, warnings, strict=True))


@pytest.mark.parametrize(
    ("where", "installed"),
    # What the node has taken in is left out, so nobody asks who signed it.
    [("without_node", WITHOUT_NODE_MODULES), ("with_node", ALL - IN_THE_NODE)],
)
def test_unsigned_plugins_are_refused_before_they_are_imported(
    where: str, installed: set[str], request: pytest.FixtureRequest
):
    """By default the start names every unsigned plugin and imports not one module of theirs."""
    report = exercise(request.getfixturevalue(where))

    assert report["error"] == "PluginSignatureError"
    assert all(f"plugin {name!r} is unsigned" in report["message"] for name in installed)
    assert report["imported"] == []
    assert report["registered"] == []
    assert [(e["type"], e["plugin"], e["reason"]) for e in report["audit"]] == [
        ("plugin.registration_failed", name, "signature") for name in sorted(installed)
    ]
