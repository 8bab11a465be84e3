"""sigstore's own clients, answered in this process instead of over a network."""

from __future__ import annotations

import io
from typing import Any

import requests
from cryptography.hazmat.primitives.asymmetric import ec
from requests.adapters import BaseAdapter
from sigstore._internal.fulcio import FulcioClient
from sigstore._internal.rekor.client import RekorClient
from sigstore._internal.rekor.client_v2 import RekorV2Client
from sigstore._internal.timestamp import TimestampAuthorityClient
from sigstore.models import TrustedRoot
from sigstore.oidc import IdentityToken
from sigstore.sign import Signer, SigningContext

from stigmem_plugins.testing.sigstore.service import Services

# Nothing listens there: the adapter below answers every request.
_URL = "https://sigstore.invalid"


def signing_context(services: Services, trusted_root: TrustedRoot) -> SigningContext:
    """Return a context whose clients reach `services` without a socket."""
    session = requests.Session()
    session.trust_env = False  # a .netrc would replace the identity token
    session.mount(_URL, _Adapter(services))
    fulcio = FulcioClient(_URL)
    fulcio.session = session
    if services.rekor.version == 1:
        return SigningContext(
            fulcio=fulcio, rekor=_LocalRekor(_URL, session), trusted_root=trusted_root
        )
    return SigningContext(
        fulcio=fulcio,
        rekor=_LocalRekorV2(_URL, session),
        trusted_root=trusted_root,
        tsa_clients=[_LocalTimestamps(f"{_URL}/api/v1/timestamp", session)],
    )


class BackdatedSigner(Signer):
    """Signs with certificates that are out of date by the real clock.

    A `Signer` that caches its certificate does not use it after its end; one that does not cache
    makes a new key each time that it needs one, and so signs with another key than the certified
    one. This one does not cache, and keeps its key.
    """

    def __init__(self, token: IdentityToken, context: SigningContext) -> None:
        super().__init__(token, context, cache=False)
        self._only_key = ec.generate_private_key(ec.SECP256R1())

    @property
    def _private_key(self) -> ec.EllipticCurvePrivateKey:
        return self._only_key


class _Adapter(BaseAdapter):
    """Hands requests to the services."""

    def __init__(self, services: Services) -> None:
        super().__init__()
        self._services = services

    def send(
        self, request: requests.PreparedRequest, *_args: Any, **_options: Any
    ) -> requests.Response:
        """Answer `request`."""
        body = request.body or b""
        answer = self._services.answer(
            str(request.method),
            request.path_url,
            str(request.headers.get("Authorization", "")),
            body if isinstance(body, bytes) else str(body).encode(),
        )
        response = requests.Response()
        response.status_code = answer.status
        response.headers["Content-Type"] = answer.content_type
        response.raw = io.BytesIO(answer.body)
        response.url = str(request.url)
        response.request = request
        return response

    def close(self) -> None:
        """Nothing is open."""


class _LocalSession:
    """Gives a client its session; sigstore's own make one for each thread."""

    def __init__(self, url: str, session: requests.Session) -> None:
        super().__init__(url)  # type: ignore[call-arg]  # the client that this is mixed into
        self._local_session = session

    @property
    def _session(self) -> requests.Session:
        return self._local_session


class _LocalRekor(_LocalSession, RekorClient):
    pass


class _LocalRekorV2(_LocalSession, RekorV2Client):
    pass


class _LocalTimestamps(_LocalSession, TimestampAuthorityClient):
    pass
