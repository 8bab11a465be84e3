"""What a node typically passes to each hook: made from the hookspecs' own signatures.

Hosts differ in the types of what is theirs: a request is an object here and a dict there. So
the samples can be read either way.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from pathlib import PurePosixPath
from typing import Any, Final, Self, get_origin, get_type_hints

from stigmem_hookspecs import (
    HOOK_SPECS,
    LIFECYCLE_MODULES,
    AuditEvent,
    Failure,
    HookSemantic,
    Migration,
    Success,
    TenantContext,
)
from stigmem_plugins.manifest import PluginManifest

VALUE: Final = "value"
"""The positional value, as the hookspecs call it."""


class Record(dict[str, Any]):
    """A host's object: read it by attribute or by key, copy it as a dict or as pydantic does.

    Example:
        >>> request = Record(source="agent:ada")
        >>> request.source, request["source"], request.model_copy(update={"scope": "team"}).scope
        ('agent:ada', 'agent:ada', 'team')
    """

    def __new__(cls, *_args: Any, **_fields: Any) -> Self:
        """Let the attributes be the items."""
        self = super().__new__(cls)
        self.__dict__ = self
        return self

    def model_copy(self, *, update: Mapping[str, Any] | None = None, **_how: Any) -> Self:
        """A copy with some fields changed."""
        return type(self)({**self, **(update or {})})

    def model_dump(self, **_how: Any) -> dict[str, Any]:
        """Its fields as a dict."""
        return dict(self)


class Text(str):
    """A fact's value: text in some hosts, in others an object with `type` and `v`.

    Example:
        >>> value = Text("on track")
        >>> value.upper(), value.v, value["type"]
        ('ON TRACK', 'on track', 'string')
    """

    __slots__ = ()
    type = "string"
    interpret_as = "content"

    @property
    def v(self) -> str:
        """The text."""
        return str(self)

    def __getitem__(self, key: Any) -> Any:
        return getattr(self, key) if key in {"type", "v"} else super().__getitem__(key)


def typical_payloads(hook: str) -> tuple[dict[str, Any], ...]:
    """All that a node typically passes to a hook, one mapping for each kind of fire.

    Args:
        hook: Its name.

    Returns:
        Keywords, and the positional value under `value`; nothing in them is shared.

    Example:
        >>> [payload["outcome"] for payload in typical_payloads("post_recall_audit")]
        [Success(), Failure(reason='not allowed', exception_type=None)]
    """
    names = [name for name in inspect.signature(_hookspec(hook)).parameters if name != "payload"]
    kinds = [{**_SAMPLES, **_OF_HOOK.get(hook, {}), **kind} for kind in _KINDS.get(hook, ({},))]
    return tuple(
        {name: kind[name]() for name in names if kind[name] is not _absent} for kind in kinds
    )


def result_type(hook: str) -> type[Any] | None:
    """The class that a filter chain's handlers return; None where it is the host's.

    Example:
        >>> result_type("recall_filter"), result_type("identity_resolve")
        (<class 'list'>, None)
    """
    if HOOK_SPECS[hook].semantic is not HookSemantic.FILTER_CHAIN:
        return None
    hint = get_type_hints(_hookspec(hook))["return"]
    found = get_origin(hint) or hint
    return None if found is Any else found


def _hookspec(hook: str) -> Callable[..., Any]:
    functions = [vars(module)[hook] for module in LIFECYCLE_MODULES if hook in vars(module)]
    function: Callable[..., Any] = functions[0]
    return function


def _absent() -> Any:
    """Stands for a keyword that is not passed."""


def _none() -> None:
    """Stands for None."""


def _failure() -> Failure:
    return Failure("not allowed")


def _scored_facts() -> list[Record]:
    breakdown = Record(lexical=0.3, semantic=0.2, weighted_total=0.5)
    return [Record(fact=each, score=0.5, score_breakdown=breakdown) for each in _facts()]


def _holds() -> bool:
    return True


def _identity() -> Record:
    return Record(
        entity_uri="agent:ada",
        uri="agent:ada",
        permissions=["read", "write"],
        tenant_id="acme",
        oidc_sub=None,
        allowed_source_entities=["agent:ada"],
        groups=[],
        can_read=_holds,
        can_write=_holds,
        can_federate=_holds,
    )


def _request() -> Record:
    return Record(
        entity="project:apollo",
        relation="has_status",
        value=Text("on track"),
        source="agent:ada",
        confidence=0.8,
        scope="company",
        valid_until=None,
        attestation=None,
        garden_id=None,
        write_mode="assert",
        derived_from=[],
    )


def _fact(number: int = 1) -> Record:
    return Record(
        _request(),
        id=f"fact-{number}",
        timestamp="2026-01-02T03:04:05Z",
        hlc=None,
        received_from=None,
        attested=None,
        contradicted=False,
        warnings=[],
        source_trust=None,
        quarantine_status=None,
        cid=None,
    )


def _facts() -> list[Record]:
    return [_fact(1), _fact(2)]


def _received_fact() -> Record:
    return Record(_fact(), received_from="node:peer")


def _query() -> dict[str, Any]:
    return {
        "query": "apollo",
        "entity": "project:apollo",
        "relation": None,
        "scope": "company",
        "limit": 10,
        "depth": 2,
        "min_confidence": 0.1,
    }


def _peer() -> Record:
    return Record(
        peer_id="peer-1",
        node_id="node:peer",
        node_url="https://peer.example",
        url="https://peer.example",
        status="active",
        allowed_scopes=["company"],
    )


def _peer_request() -> Record:
    return Record(_peer(), federation_pubkey="a2V5", declaration_sig="c2ln", signed_at="2026-01-02")


def _weights() -> Record:
    return Record(lexical=0.35, semantic=0.35, graph=0.15, source_trust=0.1, recency=0.05)


def _answer() -> Record:
    scored = _scored_facts()
    return Record(recall_id="recall-1", facts=scored, total_scored=2, truncated=False)


def _event() -> AuditEvent:
    when = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)
    facts = {"scope": "company"}
    return AuditEvent("fact.asserted", "agent:ada", "fact:1", "acme", when, Success(), facts)


_SAMPLES: Final[Mapping[str, Callable[[], Any]]] = {
    "cap_token": lambda: Record(subject="agent:ada", scopes=["company"], verbs=["push"]),
    "capability": lambda: "write",
    "db_path": lambda: "node.db",
    "depth": lambda: 2,
    "event": _event,
    "fact": _fact,
    "fact_scope": lambda: "company",
    "identity": _identity,
    "migrations_dir": lambda: PurePosixPath("migrations"),
    "outcome": Success,
    "peer": _peer,
    "plugin": lambda: PluginManifest("another-plugin", "1.0.0"),
    "query": _query,
    "raw_credentials": lambda: "Bearer sample",
    "req": _request,
    "request_id": lambda: "request-1",
    "result": _answer,
    "settings": Record,
    "tenant": lambda: TenantContext("acme"),
    "token_payload": lambda: Record(iss="node:peer", sub="node:peer", scopes=["company"]),
    "weights": _weights,
}
"""What keywords hold, by their names."""

_OF_HOOK: Final[Mapping[str, Mapping[str, Callable[[], Any]]]] = {
    "federation_inbound_filter": {VALUE: _received_fact},
    "federation_inbound_validate": {"fact": _received_fact},
    "federation_outbound_filter": {VALUE: _facts},
    "federation_outbound_sign": {VALUE: _facts},
    "federation_peer_authenticate": {"req": _peer_request},
    "identity_resolve": {VALUE: _identity},
    "migration_register": {VALUE: lambda: [Migration("core", 1, "SELECT 1", "the node's own")]},
    "pre_assert_transform": {VALUE: _request},
    "pre_recall_rewrite": {VALUE: _query},
    "recall_filter": {VALUE: _facts},
    "recall_rank": {VALUE: _facts},
    "tenant_resolve": {VALUE: lambda: TenantContext("default")},
}
"""What they hold in one hook, where that is something else; and the positional values."""

_BY_TOKEN: Final = {"peer": _absent, "token_payload": _absent}
_BY_PEER: Final = {"cap_token": _absent}

_KINDS: Final[Mapping[str, tuple[Mapping[str, Callable[[], Any]], ...]]] = {
    "federation_inbound_filter": (_BY_TOKEN, _BY_PEER),
    "federation_inbound_validate": (_BY_TOKEN, _BY_PEER),
    "identity_resolve": ({}, {"raw_credentials": _none}),
    "post_assert_audit": ({}, {"fact": _none, "outcome": _failure}),
    "post_recall_audit": ({}, {"result": _none, "outcome": _failure}),
    "recall_rank": (
        {"weights": _absent, "depth": _absent},
        {"tenant": _absent, "request_id": _absent, VALUE: _scored_facts},
    ),
}
"""How the fires of a hook differ, where there are several kinds."""
