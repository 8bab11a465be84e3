"""A host of one's own: facts in SQLite, and each of the 22 hooks fired where it belongs."""

from __future__ import annotations

import logging
import uuid
from collections.abc import Callable, Iterable, Mapping
from datetime import UTC, datetime
from typing import Any

from attrs import frozen
from store import COLUMNS, OWN_MIGRATIONS, Fact, Store

from stigmem_plugins import (
    Allow,
    AuditEvent,
    AuditLog,
    CoreApis,
    Deny,
    Failure,
    HookRegistry,
    Migration,
    Outcome,
    PluginExecutionError,
    Success,
    TenantContext,
    VotingDecision,
    health_payload,
    register_discovered_plugins,
)

log = logging.getLogger(__name__)

FORBIDDEN, UNPROCESSABLE, BROKEN = 403, 422, 500
ANONYMOUS = "anonymous"
DEFAULT_TENANT = TenantContext("default")


class RefusedError(Exception):
    """Somebody voted against it: the caller gets the status and the reason, and no name."""

    def __init__(self, status: int, reason: str) -> None:
        super().__init__(reason)
        self.status = status
        self.reason = reason


@frozen
class Call:
    """Who asks, for which tenant; what every hook of a request is told."""

    identity: str
    tenant: TenantContext
    request_id: str

    @property
    def payload(self) -> dict[str, Any]:
        """As keywords."""
        return {"identity": self.identity, "tenant": self.tenant, "request_id": self.request_id}


class Base:
    """What a host has; `tokens` says who calls, `peers` which nodes are known."""

    def __init__(
        self,
        store: Store,
        trail: AuditLog,
        *,
        tokens: Mapping[str, str],
        peers: Iterable[str] = (),
        make_registry: Callable[..., HookRegistry] = HookRegistry,
    ) -> None:
        self.store, self.trail = store, trail
        self.tokens, self.peers = tokens, set(peers)
        # Narrow handles: a plugin that declares facts.read may ask for an entity's facts.
        handles = CoreApis(facts_reader=lambda entity: store.select("default", entity=entity))
        self.registry = make_registry(core_apis=handles, stigmem_version="0.9.0a12")
        add = self.registry.register_core_handler
        # First of all: what happens while plugins are admitted is kept as well.
        add("audit_emit", trail.handler, name="core.000.audit_log")
        add("migration_register", self._own_migrations, name="core.000.facts")
        add("pre_assert_authorize", self._known_callers, name="core.000.callers")
        add("pre_assert_validate", self._whole_facts, name="core.000.facts")
        add("federation_inbound_validate", self._from_a_peer, name="core.000.peers")
        add("federation_peer_authenticate", self._known_callers, name="core.000.callers")
        add("federation_peer_authenticate", self._named_peers, name="core.000.peers")
        add("post_assert_audit", self._asserted, name="core.000.record")
        add("post_recall_audit", self._recalled, name="core.000.record")
        add("recall_rank", self._by_confidence, name="core.000.confidence")

    def start(self) -> None:
        """Load the installed plugins, all or none, and make the tables that they declare."""
        register_discovered_plugins(registry=self.registry)
        declared = self.registry.fire_filter_chain(
            "migration_register", [], db_path=self.store.path, migrations_dir=None, settings=None
        )
        self.store.migrate(declared)
        self.registry.poll_plugin_health()

    def health(self) -> dict[str, Any]:
        """For the health endpoint."""
        return health_payload(self.registry)

    def close(self) -> None:
        """End the plugins' workers and close the files."""
        self.registry.close()
        self.store.close()
        self.trail.close()

    def _select(self, call: Call, query: dict[str, Any]) -> list[Fact]:
        try:
            return self.store.select(call.tenant.tenant_id, **query)
        except KeyError as unknown:
            raise RefusedError(UNPROCESSABLE, f"facts have no {unknown}") from None

    def _own_migrations(self, _ctx: Any, declared: list[Migration], **_: Any) -> list[Migration]:
        return [*declared, *OWN_MIGRATIONS]

    def _known_callers(self, _ctx: Any, *, identity: str, **_: Any) -> VotingDecision:
        return Deny("say who you are") if identity == ANONYMOUS else Allow()

    def _whole_facts(self, _ctx: Any, *, req: Fact, **_: Any) -> VotingDecision:
        fault = fault_of(req)
        return Deny(fault) if fault else Allow()

    def _asserted(self, _ctx: Any, *, fact: Fact | None, **about: Any) -> None:
        self._record("fact.asserted", fact["id"] if fact else None, **about)

    def _recalled(self, _ctx: Any, *, result: list[Fact] | None, **about: Any) -> None:
        self._record("facts.recalled", None, **about, results=result and len(result))

    def _record(self, event_type: str, target: str | None, **about: Any) -> None:
        event = AuditEvent(
            event_type,
            actor_uri=about["identity"],
            target_uri=target,
            tenant_id=about["tenant"].tenant_id,
            timestamp=datetime.now(UTC),
            outcome=about["outcome"],
            metadata={"request_id": about["request_id"], "results": about.get("results")},
        )
        self.registry.fire_fire_and_forget("audit_emit", event=event)

    def _from_a_peer(self, _ctx: Any, *, fact: Fact, peer: Any = None, **_: Any) -> VotingDecision:
        fault = fault_of(fact) if peer in self.peers else "not a peer of this node"
        return Deny(fault) if fault else Allow()

    def _named_peers(self, _ctx: Any, *, req: dict[str, Any], **_: Any) -> VotingDecision:
        named = isinstance(req.get("node_url"), str)
        return Allow() if named else Deny("a peer needs a node_url")

    def _by_confidence(self, _ctx: Any, facts: list[Fact], **_: Any) -> dict[str, float]:
        return {fact["id"]: fact["confidence"] for fact in facts}


class Host(Base):
    """Keeps facts, and asks the plugins."""

    def assert_fact(self, token: str | None, request: Fact) -> Fact:
        """Store a fact, as the plugins leave it."""
        call = self._enter(token)
        asked = {"req": request, **call.payload}
        try:
            self._need(call, "facts.write")
            self._vote("pre_assert_authorize", FORBIDDEN, **asked)
            self._vote("pre_assert_validate", UNPROCESSABLE, **asked)
            accepted = self._chain("pre_assert_transform", {**request}, **call.payload)
            asked |= {"req": accepted}
            if accepted != request:  # nobody has voted on what it is now
                self._vote("pre_assert_validate", UNPROCESSABLE, **asked)
            # No transaction stays open: a handler in a thread of its own may want to read.
            fact = self.store.add(call.tenant.tenant_id, accepted)
            self._tell("post_assert_persist", fact=fact, **call.payload)
        except Exception as error:
            self._tell("post_assert_audit", fact=None, outcome=failure(error), **asked)
            raise
        self._tell("post_assert_propagate", fact=fact, **call.payload)
        self._tell("post_assert_audit", fact=fact, outcome=Success(), **asked)
        return fact

    def recall(self, token: str | None, query: dict[str, Any]) -> list[Fact]:
        """The facts that a caller may see, the best first."""
        call = self._enter(token)
        try:
            self._need(call, "recall.read")
            self._vote("pre_recall_authorize", FORBIDDEN, query=query, **call.payload)
            query = self._chain("pre_recall_rewrite", query, **call.payload)
            facts = self._select(call, query)
            facts = self._chain("recall_filter", facts, **call.payload)
            scores = self.registry.fire_score_delta("recall_rank", facts, **call.payload)
        except Exception as error:
            self._tell("post_recall_audit", result=None, outcome=failure(error), **call.payload)
            raise
        ranked = sorted(facts, key=lambda fact: scores.get(fact["id"], 0.0), reverse=True)
        self._tell("post_recall_audit", result=ranked, outcome=Success(), **call.payload)
        return ranked

    def fact(self, token: str | None, number: int) -> Fact | None:
        """One fact: a read like any other, or a plugin's filter would have a way round it."""
        return next(iter(self.recall(token, {"number": number})), None)

    def add_peer(self, token: str | None, registration: dict[str, Any]) -> None:
        """Take another node for a peer."""
        call = self._enter(token)
        self._need(call, "federation.write")
        asked = {"req": registration, "identity": call.identity, "tenant": call.tenant}
        self._vote("federation_peer_authenticate", FORBIDDEN, **asked)
        self.peers.add(registration["node_url"])

    def receive(self, peer: str, facts: Iterable[Fact]) -> dict[str, list[Any]]:
        """Store what a peer sends, fact by fact; what is refused leaves the others alone."""
        taken: dict[str, list[Any]] = {"stored": [], "refused": []}
        for fact in facts:
            asked = {
                "fact_scope": fact.get("scope"),
                "tenant": DEFAULT_TENANT,
                "peer": peer,
                "token_payload": {"sub": peer},
            }
            try:
                self._vote("federation_inbound_validate", UNPROCESSABLE, fact=fact, **asked)
                accepted = self._chain("federation_inbound_filter", {**fact}, **asked)
                if accepted != fact:
                    self._vote("federation_inbound_validate", UNPROCESSABLE, fact=accepted, **asked)
            except RefusedError as refused:
                taken["refused"].append(refused.reason)
            except PluginExecutionError:
                taken["refused"].append("internal error")  # the audit trail says more
            else:
                taken["stored"].append(self.store.add(DEFAULT_TENANT.tenant_id, accepted))
        return taken

    def send(self, peer: str) -> list[Fact]:
        """The public facts, as a peer gets them."""
        if peer not in self.peers:
            raise RefusedError(FORBIDDEN, "not a peer of this node")
        asked = {"peer": peer, "token_payload": {"sub": peer}, "tenant": DEFAULT_TENANT}
        facts = self.store.select(DEFAULT_TENANT.tenant_id, scope="public")
        facts = self._chain("federation_outbound_filter", facts, **asked)
        signed: list[Fact] = self._chain("federation_outbound_sign", facts, **asked)
        return signed

    def _enter(self, token: str | None) -> Call:
        """Who asks: what the host knows first, then what plugins make of it."""
        identity = self.tokens.get(token or "", ANONYMOUS)
        identity = self._chain("identity_resolve", identity, raw_credentials=token)
        tenant = self._chain("tenant_resolve", DEFAULT_TENANT, identity=identity)
        return Call(identity, tenant, uuid.uuid4().hex)

    def _need(self, call: Call, capability: str) -> None:
        asked = {"identity": call.identity, "tenant": call.tenant}
        self._vote("capability_check", FORBIDDEN, capability=capability, **asked)

    def _vote(self, hook: str, status: int, /, **payload: Any) -> None:
        decision = self.registry.fire_voting(hook, **payload)
        if isinstance(decision, Deny):
            raise RefusedError(status, decision.reason)

    def _chain(self, hook: str, value: Any, /, **payload: Any) -> Any:
        return self.registry.fire_filter_chain(hook, value, **payload)

    def _tell(self, hook: str, /, **payload: Any) -> None:
        self.registry.fire_fire_and_forget(hook, **payload)


def answer(action: Callable[..., Any], *arguments: Any) -> tuple[int, Any]:
    """A status and a body: reasons go to the caller, names and tracebacks do not."""
    try:
        return 200, action(*arguments)
    except RefusedError as refused:
        return refused.status, {"error": refused.reason}
    except PluginExecutionError:
        log.exception("a plugin failed")
        return BROKEN, {"error": "internal error"}


def fault_of(fact: Fact) -> str:
    """What keeps a fact from being stored, or scored; empty if nothing does."""
    if missing := ", ".join(name for name in COLUMNS if name not in fact):
        return f"a fact needs {missing}"
    confidence = fact["confidence"]
    if type(confidence) not in {int, float} or not 0 <= confidence <= 1:
        return "confidence must be a number from 0 to 1"
    others = (name for name in COLUMNS if name != "confidence")
    wrong = ", ".join(name for name in others if not isinstance(fact[name], str))
    return f"{wrong} must be text" if wrong else ""


def failure(error: BaseException) -> Outcome:
    """What an audit handler is told of an error."""
    reason = error.reason if isinstance(error, RefusedError) else "internal error"
    return Failure(reason, type(error).__name__)
