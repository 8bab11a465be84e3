"""The services of an authority, as answers to HTTP requests."""

from __future__ import annotations

import json
from collections.abc import Callable
from http import HTTPStatus
from typing import Any

import attrs
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.x509 import InvalidVersion

from stigmem_plugins.testing.sigstore.certificates import LocalFulcio
from stigmem_plugins.testing.sigstore.refusals import RequestRefused
from stigmem_plugins.testing.sigstore.timestamping import LocalTimestampAuthority
from stigmem_plugins.testing.sigstore.transparency import LocalRekor

# What the parsers raise when a request is malformed.
_MALFORMED = (InvalidVersion, RecursionError, UnsupportedAlgorithm, ValueError)


@attrs.frozen
class Answer:
    """What is sent back.

    Attributes:
        status: The HTTP status.
        content_type: What `body` is.
        body: The content.
    """

    status: HTTPStatus
    content_type: str
    body: bytes

    @classmethod
    def json(cls, status: HTTPStatus, content: dict[str, Any]) -> Answer:
        """Return an answer with `content`."""
        return cls(status, "application/json", json.dumps(content).encode())

    @classmethod
    def refusal(cls, status: HTTPStatus, reason: str) -> Answer:
        """Return an answer that says what is wrong, as Sigstore's services say it."""
        return cls.json(status, {"code": status, "message": reason})


@attrs.frozen
class Services:
    """Fulcio, Rekor and the timestamp authority, behind one set of paths.

    Attributes:
        fulcio: The certificate authority.
        rekor: The transparency log.
        timestamps: The timestamp authority.
    """

    fulcio: LocalFulcio
    rekor: LocalRekor
    timestamps: LocalTimestampAuthority

    def answer(self, method: str, path: str, authorization: str, body: bytes) -> Answer:
        """Answer a request.

        Args:
            method: The HTTP method.
            path: The path.
            authorization: The header of that name, or nothing.
            body: The content.

        Returns:
            The answer; to a bad request, a 4xx with the reason.
        """
        try:
            return self._service(method, path)(authorization, body)
        except RequestRefused as refused:
            return Answer.refusal(refused.status, str(refused))
        except _MALFORMED as error:
            return Answer.refusal(HTTPStatus.BAD_REQUEST, f"{type(error).__name__}: {error}")

    def _service(self, method: str, path: str) -> Callable[[str, bytes], Answer]:
        services = {
            "/api/v2/signingCert": self._certificate,
            f"/api/v{self.rekor.version}/log/entries": self._entry,
            "/api/v1/timestamp": self._timestamp,
        }
        if path not in services:
            raise RequestRefused(reason="nothing is served here", status=HTTPStatus.NOT_FOUND)
        if method != "POST":
            raise RequestRefused(
                reason="only POST is served here", status=HTTPStatus.METHOD_NOT_ALLOWED
            )
        return services[path]

    def _certificate(self, authorization: str, body: bytes) -> Answer:
        token = authorization.removeprefix("Bearer ")
        return Answer.json(HTTPStatus.OK, self.fulcio.sign(body, token))

    def _entry(self, _authorization: str, body: bytes) -> Answer:
        return Answer.json(HTTPStatus.CREATED, self.rekor.create_entry(body))

    def _timestamp(self, _authorization: str, body: bytes) -> Answer:
        reply = self.timestamps.timestamp(body)
        return Answer(HTTPStatus.CREATED, "application/timestamp-reply", reply)
