"""What goes over the wire: requests, and the signatures that federation asks for."""

from __future__ import annotations

import base64
import hashlib
import json
import time
import uuid
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from http.client import HTTPException
from typing import Any
from urllib.error import HTTPError
from urllib.request import ProxyHandler, Request, build_opener

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

TIMEOUT_SECONDS = 30.0
HEADERS = ("content-type", "www-authenticate", "x-total-count")
"""The headers of an answer that are compared."""
_open = build_opener(ProxyHandler({})).open


@dataclass(frozen=True)
class Answer:
    """What a node answered."""

    status: int
    body: Any
    headers: dict[str, str] = field(default_factory=dict)


def ask(
    url: str, method: str, path: str, body: Any = None, headers: dict[str, str] | None = None
) -> Answer:
    """Send a request with a JSON body.

    Raises:
        OSError: There is no answer.
    """
    data = None if body is None else json.dumps(body).encode()
    sent = {**({} if data is None else {"Content-Type": "application/json"}), **(headers or {})}
    request = Request(url + path, data, sent, method=method)
    try:
        with _open(request, timeout=TIMEOUT_SECONDS) as response:
            status, text, got = response.status, response.read(), response.headers
    except HTTPError as error:
        with error:
            status, text, got = error.code, error.read(), error.headers
    except HTTPException as error:  # half an answer is none
        raise ConnectionError(str(error)) from error
    return Answer(status, _parsed(text), {n: got[n] for n in HEADERS if got[n] is not None})


def _parsed(text: bytes) -> Any:
    try:
        return json.loads(text)
    except ValueError:
        return text.decode(errors="replace")


def encoded(data: bytes) -> str:
    """Base64 as URLs take it, without padding."""
    return base64.urlsafe_b64encode(data).decode().rstrip("=")


def canonical(document: Any) -> bytes:
    """JSON as it is signed; the documents here are plain text and integers."""
    return json.dumps(document, sort_keys=True, separators=(",", ":")).encode()


def moment(**later: float) -> str:
    return (datetime.now(UTC) + timedelta(**later)).isoformat()


class Signer:
    """The key of a node in the federation, always the same for a name."""

    def __init__(self, name: str) -> None:
        seed = hashlib.sha256(name.encode()).digest()
        self._key = Ed25519PrivateKey.from_private_bytes(seed)
        self.private = encoded(seed)
        self.public_bytes = self._key.public_key().public_bytes_raw()
        self.public = encoded(self.public_bytes)

    def sign(self, document: bytes) -> str:
        return encoded(self._key.sign(document))

    def declaration(self, url: str, node_id: str, scopes: list[str]) -> dict[str, Any]:
        """What a node sends that wants to become a peer."""
        document = {
            "allowed_scopes": scopes,
            "federation_pubkey": self.public,
            "node_id": node_id,
            "node_url": url,
            "signed_at": moment(),
        }
        return {**document, "declaration_sig": self.sign(canonical(document))}

    def manifest(self, entity: str, subjects: list[str]) -> dict[str, Any]:
        """A node's public statement of its key, and of whom it vouches for."""
        document = {
            "entities": [entity, *subjects],
            "entity_uri": entity,
            "expires_at": moment(days=30),
            "issued_at": moment(),
            "key_id": f"key:{entity}",
            "public_key": self.public,
            "rotation_events": [],
        }
        return {**document, "signature": self.sign(canonical(document))}

    def peer_token(self, issuer: str, subject: str, scopes: list[str]) -> str:
        """A token for one request to a peer."""
        now = int(time.time() * 1000)
        claims = {
            "iss": issuer,
            "sub": subject,
            "iat": now,
            "exp": now + 600_000,
            "nonce": str(uuid.uuid4()),
            "scopes": scopes,
        }
        parts = [{"alg": "EdDSA", "typ": "JWT"}, claims]
        signed = ".".join(encoded(canonical(part)) for part in parts)
        return f"{signed}.{self.sign(signed.encode())}"
