"""One walk through the routes of two nodes that federate; every request and answer is kept."""

from __future__ import annotations

import hashlib
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import quote

from tests.node.running import Node
from tests.node.wire import Answer

READER, WRITER = "reader0000000000" * 4, "writer0000000000" * 4
ADA, BOB = "stigmem://drive.test/person/ada", "stigmem://drive.test/person/bob"
TOKEN = "{peer token}"


@dataclass
class Exchange:
    """A request, its answer, and what the recorder saw meanwhile.

    Args:
        name: Says what was asked, in words; unique in a drive.
        route: The method and the path as the node's documentation has it.
        answer: What came back.
        fires: The hooks that were fired, as the recorder of the node that was asked has them.
    """

    name: str
    route: str
    answer: Answer
    fires: list[dict[str, Any]] = field(default_factory=list)


class Drive:
    """Sends requests and keeps what comes back, in order."""

    def __init__(self) -> None:
        self.exchanges: list[Exchange] = []

    def send(
        self, name: str, node: Node, route: str, body: Any = None, *, query: str = "", **extra: Any
    ) -> Any:
        """Send a request; returns the body of the answer.

        Args:
            name: What is asked.
            node: The node to ask.
            route: Method and path; the parts in braces are named in `extra`.
            body: The JSON to send.
            query: The query string.
            **extra: Path parameters, and `key` or `headers`.
        """
        sent = {name: extra.pop(name) for name in ("key", "headers") if name in extra}
        method, path = route.split()
        path = path.format(**{name: quote(part, safe="") for name, part in extra.items()})
        seen = len(node.recorded())
        answer = node.ask(method, path + query, body, **sent)
        fires = [line for line in node.recorded()[seen:] if "hook" in line]
        self.exchanges.append(Exchange(f"{name} ({node.name})", route, answer, fires))
        return answer.body


def fact(entity: str = ADA, value: Any = "chess", **fields: Any) -> dict[str, Any]:
    return {
        "entity": entity,
        "relation": "memory:likes",
        "value": value if isinstance(value, dict) else {"type": "string", "v": value},
        "source": "stigmem://drive.test/agent/driver",
        "confidence": 0.9,
        "scope": "company",
        **fields,
    }


@contextmanager
def pair(folder: Path, layer: str, plugins: tuple[Path, ...], **settings: str) -> Iterator[Any]:
    """Two nodes that can federate, started and bootstrapped."""
    nodes = []
    for name in ("a", "b"):
        node = Node(folder / name, layer, plugins=plugins, name=name)
        node.environment |= {
            "STIGMEM_FEDERATION_ENABLED": "true",
            "STIGMEM_FEDERATION_PUSH_ENABLED": "true",
            "STIGMEM_FEDERATION_INSECURE": "true",
            "STIGMEM_FEDERATION_PULL_INTERVAL_S": "86400",
            "STIGMEM_FEDERATION_PUBKEY": node.signer.public,
            "STIGMEM_FEDERATION_PRIVKEY": node.signer.private,
            "STIGMEM_NODE_PRIVATE_KEY": node.signer.private,
            "STIGMEM_SUBSCRIPTION_DELIVERY_SWEEP_S": "86400",
            **settings,
        }
        nodes.append(node)
    try:
        for node in nodes:
            node.launch()
        for node in nodes:
            node.wait()
            node.bootstrap()
        yield nodes
    finally:
        for node in nodes:
            node.kill()


def walk(a: Node, b: Node) -> list[Exchange]:
    """Everything, in an order in which later requests find what earlier ones made."""
    drive = Drive()
    operations(drive, a)
    keys(drive, a)
    known = facts(drive, a)
    recalls(drive, a)
    surroundings(drive, a)
    federation(drive, a, b)
    audits(drive, a, known)
    return drive.exchanges


def operations(drive: Drive, a: Node) -> None:
    drive.send("health", a, "GET /healthz", key=None)
    drive.send("doctor", a, "GET /v1/doctor", key=None)
    drive.send("node metadata", a, "GET /.well-known/stigmem", key=None)
    drive.send("metrics", a, "GET /metrics")
    drive.send("metrics without a key", a, "GET /metrics", key=None)
    drive.send("the API as documented", a, "GET /openapi.json", key=None)
    drive.send("a route that is not there", a, "GET /v1/nowhere", key=None)
    drive.send("connectors", a, "GET /v1/mcp/connectors")


def keys(drive: Drive, a: Node) -> None:
    register = "POST /v1/auth/keys"
    drive.send("who am I", a, "GET /v1/me")
    drive.send("who am I without a key", a, "GET /v1/me", key=None)
    drive.send("who am I with a wrong key", a, "GET /v1/me", key="wrong")
    permitted = {"reader": (READER, ["read"]), "writer": (WRITER, ["read", "write"])}
    for name, (raw, permissions) in permitted.items():
        body = {"raw_key": raw, "entity_uri": f"agent:{name}", "permissions": permissions}
        drive.send(f"register a {name}", a, register, body)
    drive.send("register a key twice", a, register, body)
    wrong = {**body, "raw_key": "x" * 64, "permissions": ["fly"]}
    drive.send("register an unknown permission", a, register, wrong)
    drive.send("register as a reader", a, register, wrong, key=READER)
    drive.send("list keys", a, "GET /v1/auth/keys", key=READER)
    drive.send("keys that expire", a, "GET /v1/auth/keys/expiring-soon")
    drive.send("revoke what is not there", a, "DELETE /v1/auth/keys/{id}", id="none")
    drive.send("agent keys", a, "GET /v1/auth/agent-keys")


def facts(drive: Drive, a: Node) -> str:
    route = "POST /v1/facts"
    first = drive.send("assert", a, route, fact(), key=WRITER)
    drive.send("assert the same again", a, route, fact(), key=WRITER)
    drive.send("assert something else of it", a, route, fact(value="go"), key=WRITER)
    reference = fact(relation="memory:knows", value={"type": "ref", "v": BOB})
    drive.send("assert a reference", a, route, reference, key=WRITER)
    drive.send("assert of another", a, route, fact(BOB, "checkers"), key=WRITER)
    number = fact(BOB, relation="memory:age", value={"type": "number", "v": 42})
    drive.send("assert a number", a, route, number, key=WRITER)
    drive.send("assert as a reader", a, route, fact(), key=READER)
    drive.send("assert without a key", a, route, fact(), key=None)
    drive.send("assert nonsense", a, route, {"entity": ""}, key=WRITER)
    drive.send("assert to no garden", a, route, fact(garden_id="garden:none"), key=WRITER)
    drive.send("assert too much", a, route, fact(value="x" * 300_000), key=WRITER)
    route = "GET /v1/facts"
    by_ada = f"?entity={quote(ADA, safe='')}"
    all_of_ada = f"{by_ada}&include_contradicted=true"
    drive.send("query an entity", a, route, query=by_ada, key=READER)
    drive.send("query with contradicted ones", a, route, query=all_of_ada)
    drive.send("query a page", a, route, query=f"{all_of_ada}&limit=1")
    # The node pages by its random ids.
    for name, cursor in [("first", "0" * 8), ("last", "f" * 8)]:
        page = f"?scope=company&cursor={cursor}-0000-0000-0000-000000000000"
        drive.send(f"query from the {name} id", a, route, query=page)
    drive.send("query nothing", a, route, query="?entity=stigmem://drive.test/person/nobody")
    drive.send("query nonsense", a, route, query="?limit=none")
    drive.send("query the past", a, route, query="?as_of=2026-01-01T00:00:00Z")
    drive.send("query a garden that is not there", a, route, query="?garden_id=garden:none")
    known: str = first.get("id", "none")
    drive.send("one fact", a, "GET /v1/facts/{id}", id=known)
    drive.send("a fact that is not there", a, "GET /v1/facts/{id}", id="none")
    drive.send("where a fact comes from", a, "GET /v1/facts/{id}/provenance", id=known)
    drive.send("verify a fact", a, "POST /v1/facts/{id}/verify-cid", id=known)
    return known


def recalls(drive: Drive, a: Node) -> None:
    route = "POST /v1/recall"
    question = {"query": "chess", "scope": "company"}
    drive.send("recall", a, route, question, key=READER)
    drive.send("recall near by", a, route, {**question, "query": "checkers", "depth": 1})
    drive.send("recall within a budget", a, route, {**question, "token_budget": 10})
    drive.send("recall in an unknown scope", a, route, {**question, "scope": "moon"})
    drive.send("recall nothing", a, route, {})
    drive.send("recall the past", a, route, {**question, "as_of": "2026-01-01T00:00:00Z"})
    drive.send("recall without a key", a, route, question, key=None)


def surroundings(drive: Drive, a: Node) -> None:
    ada = quote(ADA, safe="")
    drive.send("neighbours", a, "GET /v1/graph/neighbors", query=f"?entity={ada}&scope=company")
    drive.send("card", a, "GET /v1/cards/{entity}", entity=ADA, query="?scope=company")
    drive.send("resolve", a, "GET /v1/entities/resolve", query="?uri=person:ada")
    alias = {"raw_uri": "person:ada", "canonical_uri": ADA}
    drive.send("make an alias", a, "POST /v1/aliases", alias)
    drive.send("list aliases", a, "GET /v1/aliases")
    drive.send("conflicts", a, "GET /v1/conflicts")
    drive.send("lint", a, "POST /v1/lint", {"scope": "company"})
    drive.send("synthesize", a, "GET /v1/scopes/{scope}/synthesize", scope="company")
    drive.send("sweep", a, "POST /v1/decay/sweep", {"dry_run": True, "min_confidence": 0.1})
    garden = {"slug": "roses", "name": "Roses", "scope": "company"}
    made = drive.send("make a garden", a, "POST /v1/gardens", garden)
    drive.send("list gardens", a, "GET /v1/gardens")
    drive.send("one garden", a, "GET /v1/gardens/{slug}", slug="roses")
    member = {"entity_uri": "agent:writer", "role": "writer"}
    drive.send("add a gardener", a, "POST /v1/gardens/{slug}/members", member, slug="roses")
    drive.send("gardeners", a, "GET /v1/gardens/{slug}/members", slug="roses")
    planted = fact(relation="memory:grows", garden_id=made.get("garden_id"))
    drive.send("plant a fact", a, "POST /v1/facts", planted, key=WRITER)
    drive.send("look over the fence", a, "GET /v1/facts", query="?scope=company", key=READER)
    drive.send("quarantine", a, "GET /v1/quarantine")
    wake = {"target": "company", "on_change": "wake", "delivery_address": "agent:writer"}
    drive.send("subscribe", a, "POST /v1/subscriptions", wake)
    drive.send("subscriptions", a, "GET /v1/subscriptions")
    intent = {"from": "agent:writer", "to": ["agent:reader"], "goal": "play", "scope": "company"}
    drive.send("intend", a, "POST /v1/intents", intent, key=WRITER)
    entomb = {"entity_uri": BOB, "scope": "company", "reason": "asked to"}
    drive.send("entomb", a, "POST /v1/tombstones", entomb)
    drive.send("entombed", a, "GET /v1/tombstones/{entity}", entity=BOB)
    drive.send("query the entombed", a, "GET /v1/facts", query=f"?entity={quote(BOB, safe='')}")
    drive.send("boot", a, "GET /v1/agents/{agent}/boot-stub", agent="driver")


def federation(drive: Drive, a: Node, b: Node) -> None:
    scopes = ["company", "public"]
    for node in (a, b):
        entity = node.environment["STIGMEM_ENTITY_URI"]
        manifest = node.signer.manifest(entity, [a.node_id, b.node_id])
        drive.send("publish a manifest", node, "PUT /v1/federation/manifest", manifest)
        drive.send("fetch it", node, "GET /.well-known/stigmem-manifest.json", key=None)
    route = "POST /v1/federation/peers"
    for node, peer in ((a, b), (b, a)):
        declared = peer.signer.declaration(peer.url, peer.node_id, scopes)
        drive.send("register a peer as a reader", node, route, declared, key=READER)
        made = drive.send("register a peer", node, route, declared)
        drive.send("register it again", node, route, declared)
        digest = hashlib.sha256(peer.signer.public.encode()).hexdigest()
        approval = {"pubkey_fingerprint": f"sha256:{digest}"}
        approve = "POST /v1/federation/peers/{id}/approve"
        drive.send("approve it", node, approve, approval, id=made["peer_id"])
        settle(node)
        policy = {"tenant_map": {"default": "default"}}
        patch = "PATCH /v1/federation/peers/{id}"
        drive.send("agree on tenants", node, patch, policy, id=made["peer_id"])
        drive.send("peers", node, "GET /v1/federation/peers")
    mine = fact(value="federation", source=a.node_id, scope="public")
    drive.send("assert for all", a, "POST /v1/facts", mine)
    pull = "GET /v1/federation/facts"
    drive.send("pull without a token", a, pull, key=None)
    sent = drive.send("pull", a, pull, key=b.signer.peer_token(b.node_id, a.node_id, scopes))
    outside = b.signer.peer_token(b.node_id, a.node_id, scopes)
    drive.send("pull a scope that is not granted", a, pull, query="?scope=team", key=outside)
    own = [one for one in sent["facts"] if one["fact"]["source"] == a.node_id]
    push, envelope = "POST /v1/federation/facts/push", {"v": 2, "facts": own}
    token = a.signer.peer_token(a.node_id, b.node_id, scopes)
    drive.send("push", b, push, envelope, key=token)
    drive.send("push with a used token", b, push, envelope, key=token)
    others = {"v": 2, "facts": sent["facts"]}
    again = a.signer.peer_token(a.node_id, b.node_id, scopes)
    drive.send("push what is somebody else's", b, push, others, key=again)
    entity = b.environment["STIGMEM_ENTITY_URI"]
    grant = {"issuer": entity, "subject": a.node_id, "verb": "write", "object": "stigmem://facts"}
    capability = drive.send("grant", b, "POST /v1/federation/capability-tokens", grant)
    signed = {"X-Stigmem-Capability": capability["token_json"]}
    drive.send("push with a capability", b, push, envelope, key=None, headers=signed)
    drive.send("push without anything", b, push, envelope, key=None)
    drive.send("what arrived", b, "GET /v1/facts", query="?scope=public")
    drive.send("what federation recorded", b, "GET /v1/federation/audit")


def settle(node: Node) -> None:
    """Wait until what a node does in the background after an approval is done."""
    until = time.monotonic() + 20
    while time.monotonic() < until:
        if "tl_proof_missing" in str(node.ask("GET", "/v1/federation/audit").body):
            return
        time.sleep(0.05)


def audits(drive: Drive, a: Node, known: str) -> None:
    drive.send("audit trail", a, "GET /v1/audit")
    drive.send("audit trail of a fact", a, "GET /v1/audit/facts/{id}", id=known)
    drive.send("audit export", a, "GET /v1/audit/export")
    drive.send("audit trail as a reader", a, "GET /v1/audit", key=READER)
    drive.send("all of the audit trail", a, "GET /v1/admin/audit", query="?limit=1000")
    drive.send("all of it as a reader", a, "GET /v1/admin/audit", key=READER)
    drive.send("content addresses", a, "GET /v1/admin/cid-backfill/status")
