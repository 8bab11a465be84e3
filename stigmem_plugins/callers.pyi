# Generated from the hookspecs by `python docs/generate.py`.

from os import PathLike
from typing import Any

from stigmem_hookspecs import (
    AssertionRequest,
    AuditEvent,
    FactRecord,
    Identity,
    Migration,
    Outcome,
    Peer,
    TenantContext,
    VotingDecision,
)
from stigmem_plugins.dispatch import Dispatcher

class HookCallers:
    def __init__(self, dispatcher: Dispatcher) -> None: ...
    def bind(self, dispatcher: Dispatcher) -> None: ...
    def pre_assert_authorize(
        self,
        *,
        req: AssertionRequest = ...,
        identity: Identity = ...,
        tenant: TenantContext | None = ...,
        request_id: str | None = ...,
        **further: Any,
    ) -> VotingDecision: ...
    def pre_assert_validate(
        self,
        *,
        req: AssertionRequest = ...,
        identity: Identity = ...,
        tenant: TenantContext | None = ...,
        request_id: str | None = ...,
        **further: Any,
    ) -> VotingDecision: ...
    def pre_assert_transform(
        self,
        value: AssertionRequest,
        /,
        *,
        identity: Identity = ...,
        tenant: TenantContext | None = ...,
        request_id: str | None = ...,
        **further: Any,
    ) -> AssertionRequest: ...
    def post_assert_persist(
        self,
        *,
        fact: FactRecord = ...,
        identity: Identity = ...,
        tenant: TenantContext | None = ...,
        request_id: str | None = ...,
        **further: Any,
    ) -> None: ...
    def post_assert_propagate(
        self,
        *,
        fact: FactRecord = ...,
        identity: Identity = ...,
        tenant: TenantContext | None = ...,
        request_id: str | None = ...,
        **further: Any,
    ) -> None: ...
    def post_assert_audit(
        self,
        *,
        fact: FactRecord | None = ...,
        req: AssertionRequest = ...,
        identity: Identity = ...,
        tenant: TenantContext | None = ...,
        request_id: str | None = ...,
        outcome: Outcome | None = ...,
        **further: Any,
    ) -> None: ...
    def pre_recall_authorize(
        self,
        *,
        identity: Identity = ...,
        tenant: TenantContext | None = ...,
        request_id: str | None = ...,
        query: dict[str, Any] | None = ...,
        **further: Any,
    ) -> VotingDecision: ...
    def pre_recall_rewrite(
        self,
        value: dict[str, Any],
        /,
        *,
        identity: Identity = ...,
        tenant: TenantContext | None = ...,
        request_id: str | None = ...,
        **further: Any,
    ) -> dict[str, Any]: ...
    def recall_filter(
        self,
        value: list[FactRecord],
        /,
        *,
        identity: Identity = ...,
        tenant: TenantContext | None = ...,
        request_id: str | None = ...,
        **further: Any,
    ) -> list[FactRecord]: ...
    def recall_rank(
        self,
        value: list[FactRecord],
        /,
        *,
        identity: Identity = ...,
        tenant: TenantContext | None = ...,
        request_id: str | None = ...,
        weights: Any = ...,
        depth: int | None = ...,
        **further: Any,
    ) -> dict[str, float]: ...
    def post_recall_audit(
        self,
        *,
        result: Any = ...,
        identity: Identity = ...,
        tenant: TenantContext | None = ...,
        request_id: str | None = ...,
        outcome: Outcome | None = ...,
        **further: Any,
    ) -> None: ...
    def federation_peer_authenticate(
        self,
        *,
        req: Any = ...,
        identity: Identity = ...,
        tenant: TenantContext | None = ...,
        **further: Any,
    ) -> VotingDecision: ...
    def federation_inbound_validate(
        self,
        *,
        fact: dict[str, Any] | None = ...,
        fact_scope: str | None = ...,
        tenant: TenantContext | None = ...,
        cap_token: Any = ...,
        peer: Peer = ...,
        token_payload: Any = ...,
        **further: Any,
    ) -> VotingDecision: ...
    def federation_inbound_filter(
        self,
        value: dict[str, Any],
        /,
        *,
        fact_scope: str | None = ...,
        tenant: TenantContext | None = ...,
        cap_token: Any = ...,
        peer: Peer = ...,
        token_payload: Any = ...,
        **further: Any,
    ) -> dict[str, Any]: ...
    def federation_outbound_filter(
        self,
        value: list[FactRecord],
        /,
        *,
        peer: Peer = ...,
        token_payload: Any = ...,
        tenant: TenantContext | None = ...,
        **further: Any,
    ) -> list[FactRecord]: ...
    def federation_outbound_sign(
        self,
        value: list[FactRecord],
        /,
        *,
        peer: Peer = ...,
        token_payload: Any = ...,
        tenant: TenantContext | None = ...,
        **further: Any,
    ) -> list[FactRecord]: ...
    def identity_resolve(
        self,
        value: Identity,
        /,
        *,
        raw_credentials: str | None = ...,
        **further: Any,
    ) -> Identity: ...
    def tenant_resolve(
        self,
        value: TenantContext,
        /,
        *,
        identity: Identity = ...,
        **further: Any,
    ) -> TenantContext: ...
    def capability_check(
        self,
        *,
        identity: Identity = ...,
        capability: str | None = ...,
        tenant: TenantContext | None = ...,
        **further: Any,
    ) -> VotingDecision: ...
    def migration_register(
        self,
        value: list[Migration],
        /,
        *,
        db_path: str | None = ...,
        migrations_dir: PathLike[str] | None = ...,
        settings: Any = ...,
        **further: Any,
    ) -> list[Migration]: ...
    def audit_emit(
        self,
        *,
        event: AuditEvent | None = ...,
        **further: Any,
    ) -> None: ...
    def config_validate(
        self,
        *,
        plugin: Any = ...,
        **further: Any,
    ) -> VotingDecision: ...
