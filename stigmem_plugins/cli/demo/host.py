"""A small node: facts in SQLite, with hooks fired where a Stigmem node fires them."""

from __future__ import annotations

import sqlite3
import uuid
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any, TypeAlias

from stigmem_plugins import (
    SYSTEM_TENANT,
    Allow,
    AuditEvent,
    CoreApis,
    Deny,
    DiscoveredPlugin,
    Failure,
    HookRegistry,
    Outcome,
    PluginContext,
    Success,
    VotingDecision,
    register_discovered_plugins,
)

Fact: TypeAlias = dict[str, Any]

SCHEMA = """
CREATE TABLE facts (number INTEGER PRIMARY KEY, source TEXT, entity TEXT, relation TEXT,
                    value TEXT, confidence REAL, scope TEXT);
CREATE TABLE audit (event_type TEXT, target TEXT, outcome TEXT, reason TEXT);
"""
COLUMNS = "'fact-' || number AS id, source, entity, relation, value, confidence, scope"


class RefusedError(PermissionError):
    """A handler denied the operation; the text is its reason."""


class MemoryNode:
    """Keeps facts, and asks the plugins.

    Args:
        database: The SQLite file to make.
        peers: The nodes that facts are taken from.
        make_registry: Makes the registry; tests and demonstrations pass their own.
    """

    def __init__(
        self,
        database: Path,
        *,
        peers: Iterable[str] = (),
        make_registry: Callable[..., HookRegistry] = HookRegistry,
    ) -> None:
        self.database = sqlite3.connect(database, isolation_level=None)
        self.database.row_factory = sqlite3.Row
        self.database.executescript(SCHEMA)
        self.peers = frozenset(peers)
        handles = CoreApis(audit_emitter=self.record)
        self.registry = make_registry(core_apis=handles, stigmem_version="0.9.0a12")
        add_core_handler = self.registry.register_core_handler
        add_core_handler("audit_emit", self._keep_event, name="core.001.audit_table")
        add_core_handler("recall_rank", self._by_confidence, name="core.001.confidence")
        add_core_handler("federation_inbound_validate", self._known_peer, name="core.001.peers")

    def start(
        self,
        discover: Callable[[], Iterable[DiscoveredPlugin]] | None = None,
        ignore: Iterable[str] = (),
    ) -> None:
        """Load the installed plugins, or those that `discover` returns: all or none."""
        register_discovered_plugins(registry=self.registry, discover=discover, ignore=ignore)

    def close(self) -> None:
        """Close the database."""
        self.database.close()

    # What clients ask for

    def assert_fact(self, **request: Any) -> Fact:
        """Store a fact, or raise `RefusedError`; plugins may change it before it is stored."""
        call = _call(request["source"])
        asked = {"req": request, "source": request["source"], **call}
        for hook in ("pre_assert_authorize", "pre_assert_validate"):
            decision = self.registry.fire_voting(hook, **asked)
            if isinstance(decision, Deny):
                self._asserted(None, outcome=Failure(decision.reason), **asked)
                raise RefusedError(decision.reason)
        accepted = self.registry.fire_filter_chain("pre_assert_transform", request, **call)
        fact = self._store(accepted)
        self.registry.fire_fire_and_forget("post_assert_persist", fact=fact, **call)
        self.registry.fire_fire_and_forget("post_assert_propagate", fact=fact, **call)
        self._asserted(fact, outcome=Success(), **asked | {"req": accepted})
        return fact

    def recall(self, identity: str, **query: Any) -> list[Fact]:
        """The facts about `entity` that `identity` may see, the best first, with their score."""
        call = _call(identity)
        decision = self.registry.fire_voting("pre_recall_authorize", query=query, **call)
        if isinstance(decision, Deny):
            self._recalled(None, outcome=Failure(decision.reason), **call)
            raise RefusedError(decision.reason)
        query = self.registry.fire_filter_chain("pre_recall_rewrite", query, **call)
        facts = self._select("entity = :entity", query)
        facts = self.registry.fire_filter_chain("recall_filter", facts, **call)
        scores = self.registry.fire_score_delta("recall_rank", facts, **call)
        scored = [{**fact, "score": scores.get(fact["id"], 0.0)} for fact in facts]
        result = sorted(scored, key=lambda fact: fact["score"], reverse=True)
        self._recalled(result, outcome=Success(), **call)
        return result

    def receive(self, peer: str, fact: Fact) -> Fact:
        """Store a fact that another node sent, or raise `RefusedError`."""
        call = {
            "fact_scope": fact["scope"],
            "tenant": SYSTEM_TENANT,
            "peer": peer,
            "token_payload": {"sub": peer},
        }
        decision = self.registry.fire_voting("federation_inbound_validate", fact=fact, **call)
        if isinstance(decision, Deny):
            raise RefusedError(decision.reason)
        return self._store(
            self.registry.fire_filter_chain("federation_inbound_filter", fact, **call)
        )

    # What the node offers to plugins

    def record(self, event: Mapping[str, Any]) -> None:
        """Keep an audit event of a plugin: the handle behind `audit.emit`."""
        self._audit(event["event_type"], event["target"], event["outcome"])

    # The node's own handlers

    def _keep_event(self, _ctx: PluginContext, *, event: AuditEvent) -> None:
        self._audit(event.event_type, event.target_uri, event.outcome)

    def _known_peer(self, _ctx: PluginContext, *, peer: str, **_: Any) -> VotingDecision:
        return Allow() if peer in self.peers else Deny(f"{peer} is no peer of this node")

    @staticmethod
    def _by_confidence(_ctx: PluginContext, facts: list[Fact], **_: Any) -> dict[str, float]:
        return {fact["id"]: fact["confidence"] for fact in facts}

    # The database

    def _asserted(self, fact: Fact | None, **payload: Any) -> None:
        self.registry.fire_fire_and_forget("post_assert_audit", fact=fact, **payload)

    def _recalled(self, result: list[Fact] | None, **payload: Any) -> None:
        self.registry.fire_fire_and_forget("post_recall_audit", result=result, **payload)

    def _audit(self, event_type: str, target: str | None, outcome: Outcome) -> None:
        reason = outcome.reason if isinstance(outcome, Failure) else None
        values = (event_type, target, type(outcome).__name__, reason)
        self.database.execute("INSERT INTO audit VALUES (?, ?, ?, ?)", values)

    def _store(self, fact: Fact) -> Fact:
        cursor = self.database.execute(
            "INSERT INTO facts VALUES (NULL, :source, :entity, :relation, :value, :confidence, "
            ":scope)",
            fact,
        )
        return self._select("number = :number", {"number": cursor.lastrowid})[0]

    def _select(self, condition: str, values: Mapping[str, Any]) -> list[Fact]:
        query = f"SELECT {COLUMNS} FROM facts WHERE {condition}"  # noqa: S608  # our own words
        return [dict(row) for row in self.database.execute(query, values)]


def _call(identity: str) -> dict[str, Any]:
    return {"identity": identity, "tenant": SYSTEM_TENANT, "request_id": uuid.uuid4().hex}
