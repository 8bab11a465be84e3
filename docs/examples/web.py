"""The same host for an event loop, under Starlette: every fire is awaited, answers are HTTP's.

Any ASGI server serves it: `python -m pip install starlette uvicorn`, `uvicorn --factory web:main`.
"""

from __future__ import annotations

import os
import uuid
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from json import JSONDecodeError
from typing import Any

from host import ANONYMOUS, BROKEN, FORBIDDEN, UNPROCESSABLE, Base, Call, RefusedError, failure, log
from host import DEFAULT_TENANT as DEFAULT
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.routing import Route
from store import Fact, Store

from stigmem_plugins import AuditLog, Deny, PluginExecutionError, Success


class AsyncHost(Base):
    """Keeps facts, and asks the plugins, which may be coroutine functions."""

    async def assert_fact(self, token: str | None, request: Fact) -> Fact:
        """Store a fact, as the plugins leave it."""
        call = await self._enter(token)
        asked, fact = {"req": request, **call.payload}, None
        try:
            await self._need(call, "facts.write")
            await self._vote("pre_assert_authorize", FORBIDDEN, **asked)
            await self._vote("pre_assert_validate", UNPROCESSABLE, **asked)
            accepted = await self._chain("pre_assert_transform", {**request}, **call.payload)
            asked |= {"req": accepted}
            if accepted != request:
                await self._vote("pre_assert_validate", UNPROCESSABLE, **asked)
            # No transaction stays open while others run: they share the connection.
            fact = self.store.add(call.tenant.tenant_id, accepted)
            await self._tell("post_assert_persist", fact=fact, **call.payload)
            await self._tell("post_assert_propagate", fact=fact, **call.payload)
        except BaseException as error:  # a cancellation too, which may come once it is stored
            await self._tell("post_assert_audit", fact=fact, outcome=failure(error), **asked)
            raise
        await self._tell("post_assert_audit", fact=fact, outcome=Success(), **asked)
        return fact

    async def recall(self, token: str | None, query: dict[str, Any]) -> list[Fact]:
        """The facts that a caller may see, the best first."""
        call = await self._enter(token)
        try:
            await self._need(call, "recall.read")
            await self._vote("pre_recall_authorize", FORBIDDEN, query=query, **call.payload)
            query = await self._chain("pre_recall_rewrite", query, **call.payload)
            facts = await self._chain("recall_filter", self._select(call, query), **call.payload)
            scores = await self.registry.afire_score_delta("recall_rank", facts, **call.payload)
        except BaseException as error:
            told = {"result": None, "outcome": failure(error)}
            await self._tell("post_recall_audit", **told, **call.payload)
            raise
        ranked = sorted(facts, key=lambda fact: scores.get(fact["id"], 0.0), reverse=True)
        await self._tell("post_recall_audit", result=ranked, outcome=Success(), **call.payload)
        return ranked

    async def add_peer(self, token: str | None, registration: dict[str, Any]) -> None:
        """Take another node for a peer."""
        call = await self._enter(token)
        await self._need(call, "federation.write")
        asked = {"req": registration, "identity": call.identity, "tenant": call.tenant}
        await self._vote("federation_peer_authenticate", FORBIDDEN, **asked)
        self.peers.add(registration["node_url"])

    async def receive(self, peer: str, fact: Fact) -> Fact:
        """Store a fact that a peer sends."""
        asked = {"fact_scope": fact.get("scope"), "tenant": DEFAULT, **_of(peer)}
        await self._vote("federation_inbound_validate", UNPROCESSABLE, fact=fact, **asked)
        accepted = await self._chain("federation_inbound_filter", {**fact}, **asked)
        if accepted != fact:
            await self._vote("federation_inbound_validate", UNPROCESSABLE, fact=accepted, **asked)
        return self.store.add(DEFAULT.tenant_id, accepted)

    async def send(self, peer: str) -> list[Fact]:
        """The public facts, as a peer gets them."""
        if peer not in self.peers:
            raise RefusedError(FORBIDDEN, "not a peer of this node")
        asked = {"tenant": DEFAULT, **_of(peer)}
        facts = self.store.select(DEFAULT.tenant_id, scope="public")
        facts = await self._chain("federation_outbound_filter", facts, **asked)
        signed: list[Fact] = await self._chain("federation_outbound_sign", facts, **asked)
        return signed

    async def _enter(self, token: str | None) -> Call:
        """Who asks: what the host knows first, then what plugins make of it."""
        identity = self.tokens.get(token or "", ANONYMOUS)
        identity = await self._chain("identity_resolve", identity, raw_credentials=token)
        tenant = await self._chain("tenant_resolve", DEFAULT, identity=identity)
        return Call(identity, tenant, uuid.uuid4().hex)

    async def _need(self, call: Call, capability: str) -> None:
        asked = {"identity": call.identity, "tenant": call.tenant}
        await self._vote("capability_check", FORBIDDEN, capability=capability, **asked)

    async def _vote(self, hook: str, status: int, /, **payload: Any) -> None:
        decision = await self.registry.afire_voting(hook, **payload)
        if isinstance(decision, Deny):
            raise RefusedError(status, decision.reason)

    async def _chain(self, hook: str, value: Any, /, **payload: Any) -> Any:
        return await self.registry.afire_filter_chain(hook, value, **payload)

    async def _tell(self, hook: str, /, **payload: Any) -> None:
        await self.registry.afire_fire_and_forget(hook, **payload)


def make_app(host: AsyncHost) -> Starlette:
    """The host's routes; it starts with the app and ends with it."""

    @asynccontextmanager
    async def lifespan(_app: Starlette) -> AsyncIterator[None]:
        try:
            host.start()
            yield
        finally:
            host.close()

    async def post_fact(request: Request) -> Any:
        return await host.assert_fact(_token(request), await _json(request))

    async def get_facts(request: Request) -> Any:
        return await host.recall(_token(request), dict(request.query_params))

    async def post_peer(request: Request) -> Any:
        return await host.add_peer(_token(request), await _json(request))

    async def post_federated(request: Request) -> Any:
        return await host.receive(_peer(host, request), await _json(request))

    async def get_federated(request: Request) -> Any:
        return await host.send(_peer(host, request))

    async def get_health(_request: Request) -> Any:
        return host.health()

    routes = [
        Route("/facts", _answered(post_fact), methods=["POST"]),
        Route("/facts", _answered(get_facts)),
        Route("/peers", _answered(post_peer), methods=["POST"]),
        Route("/federation/facts", _answered(post_federated), methods=["POST"]),
        Route("/federation/facts", _answered(get_federated)),
        Route("/health", _answered(get_health)),
    ]
    return Starlette(routes=routes, lifespan=lifespan)


def main() -> Starlette:
    """Where a server starts: files beside it, tokens from the environment."""
    tokens = dict(pair.rsplit("=", 1) for pair in os.environ.get("HOST_TOKENS", "").split())
    return make_app(AsyncHost(Store("facts.db"), AuditLog("audit.db"), tokens=tokens))


def _answered(
    endpoint: Callable[[Request], Awaitable[Any]],
) -> Callable[[Request], Awaitable[JSONResponse]]:
    """A status and a body: reasons go to the caller, names and tracebacks do not."""

    async def answer(request: Request) -> JSONResponse:
        try:
            return JSONResponse(await endpoint(request))
        except RefusedError as refused:
            return JSONResponse({"error": refused.reason}, refused.status)
        except PluginExecutionError:
            log.exception("a plugin failed")
            return JSONResponse({"error": "internal error"}, BROKEN)

    return answer


async def _json(request: Request) -> dict[str, Any]:
    try:
        body = await request.json()
    except (JSONDecodeError, UnicodeDecodeError):
        body = None
    if not isinstance(body, dict):
        raise RefusedError(UNPROCESSABLE, "send a JSON object")
    return body


def _token(request: Request) -> str | None:
    return request.headers.get("authorization", "").removeprefix("Bearer ") or None


def _peer(host: AsyncHost, request: Request) -> str:
    """The peer whose token it is; a peer's token names its URL."""
    return host.tokens.get(_token(request) or "", ANONYMOUS)


def _of(peer: str) -> dict[str, Any]:
    return {"peer": peer, "token_payload": {"sub": peer}}
