"""The authority over HTTP, for clients that are given URLs: on loopback only."""

from __future__ import annotations

import base64
import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, Final

import jwt
from attrs import frozen
from cryptography.x509 import load_pem_x509_csr
from rfc3161_client._rust import parse_timestamp_request

from stigmem_plugins.testing.sigstore.authority import LocalAuthority
from stigmem_plugins.testing.sigstore.certificates import FIRST_DAY, BadRequest

LARGEST_REQUEST: Final = 64 * 2**20
_SINCE: Final = {"start": FIRST_DAY.isoformat().replace("+00:00", "Z")}


@frozen
class ServedAuthority:
    """A local authority that answers over HTTP.

    Args:
        authority: The authority.
        url: Where it answers.
    """

    authority: LocalAuthority
    url: str

    def trust_config_json(self) -> str:
        """The client trust configuration: trusted root and services.

        `stigmem-plugins sign --trust-config` takes it, and so does sigstore's
        `ClientTrustConfig.from_json`.
        """
        version = 1 if self.authority.rekor == "v1" else 2
        timestamps = [] if version == 1 else [self._service("/api/v1/timestamp", 1)]
        services: dict[str, Any] = {
            "mediaType": "application/vnd.dev.sigstore.signingconfig.v0.2+json",
            "caUrls": [self._service("", 1)],
            "oidcUrls": [],
            "rekorTlogUrls": [self._service("", version)],
            "rekorTlogConfig": {"selector": "ANY"},
            "tsaUrls": timestamps,
            "tsaConfig": {"selector": "ANY"},
        }
        config = {
            "mediaType": "application/vnd.dev.sigstore.clienttrustconfig.v0.1+json",
            "trustedRoot": json.loads(self.authority.trusted_root_json()),
            "signingConfig": services,
        }
        return json.dumps(config, indent=2)

    def write_trust_config(self, path: Path) -> Path:
        """Write the client trust configuration to a file."""
        path.write_text(self.trust_config_json(), "utf-8")
        return path

    def _service(self, path: str, version: int) -> dict[str, Any]:
        return {
            "url": f"{self.url}{path}",
            "majorApiVersion": version,
            "validFor": _SINCE,
            "operator": "local",
        }


@contextmanager
def serve(authority: LocalAuthority) -> Iterator[ServedAuthority]:
    """Serve an authority on a free port of the loopback address while the block runs."""

    class Handler(_Handler):
        answering = authority

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever, args=[0.05], daemon=True)
        thread.start()
        try:
            yield ServedAuthority(authority, f"http://127.0.0.1:{server.server_port}")
        finally:
            server.shutdown()
            thread.join()


class _Handler(BaseHTTPRequestHandler):
    answering: LocalAuthority

    def do_POST(self) -> None:  # the name that the base class looks for
        try:
            length = int(self.headers.get("Content-Length", 0))
            if not 0 <= length <= LARGEST_REQUEST:
                message = "the request is too large"
                raise BadRequest(message)
            status, kind, body = self._answer(self.rfile.read(length))
        except (ValueError, LookupError, TypeError, AttributeError, jwt.PyJWTError) as error:
            code = HTTPStatus.BAD_REQUEST
            text = {"code": code, "message": f"{type(error).__name__}: {error}"}
            status, kind, body = code, "application/json", json.dumps(text).encode()
        self.send_response(status)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def _answer(self, body: bytes) -> tuple[HTTPStatus, str, bytes]:
        authority = self.answering
        if self.path == "/api/v2/signingCert":
            request = json.loads(body)["certificateSigningRequest"]
            token = self.headers.get("Authorization", "").removeprefix("Bearer ")
            csr = load_pem_x509_csr(base64.b64decode(request))
            chain = {"chain": {"certificates": authority.certificates_for(csr, token)}}
            return _json(HTTPStatus.OK, {"signedCertificateEmbeddedSct": chain})
        if self.path == f"/api/{authority.rekor}/log/entries":
            return _json(HTTPStatus.CREATED, authority.log_entry(json.loads(body)))
        if self.path == "/api/v1/timestamp":
            timestamp = authority.timestamp(parse_timestamp_request(body))
            return HTTPStatus.CREATED, "application/timestamp-reply", timestamp
        return _json(HTTPStatus.NOT_FOUND, {"code": 404, "message": f"nothing at {self.path}"})

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002  # the base class's name
        """Say nothing: what was asked is no news to a test."""


def _json(status: HTTPStatus, content: dict[str, Any]) -> tuple[HTTPStatus, str, bytes]:
    return status, "application/json", json.dumps(content).encode()
