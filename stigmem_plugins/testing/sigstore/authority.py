"""A Sigstore instance in this process: it issues, logs, timestamps, and is trusted by its root."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, Literal

from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePrivateKey
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509 import Certificate, CertificateSigningRequest, load_pem_x509_certificate
from rfc3161_client import (
    HashAlgorithm,
    TimeStampRequest,
    TimestampRequestBuilder,
    TimeStampResponse,
    decode_timestamp_response,
)
from sigstore._internal.fulcio import FulcioClient
from sigstore._internal.fulcio.client import FulcioCertificateSigningResponse, FulcioSigningCert
from sigstore._internal.rekor import EntryRequestBody
from sigstore._internal.rekor.client import RekorClient
from sigstore._internal.rekor.client_v2 import RekorV2Client
from sigstore._internal.timestamp import TimestampAuthorityClient
from sigstore.dsse import Statement
from sigstore.models import Bundle, TransparencyLogEntry, TrustedRoot
from sigstore.oidc import IdentityToken
from sigstore.sign import Signer, SigningContext
from sigstore_models.rekor.v1 import TransparencyLogEntry as LogEntry
from sigstore_models.trustroot.v1 import TrustedRoot as TrustedRootModel

from stigmem_plugins.testing.sigstore.certificates import (
    FIRST_DAY,
    CertificateAuthority,
    key_id,
    spki,
)
from stigmem_plugins.testing.sigstore.timestamping import TimestampAuthority
from stigmem_plugins.testing.sigstore.tokens import GITHUB_ISSUER, identity_token, read_token
from stigmem_plugins.testing.sigstore.transparency import (
    ORIGIN,
    TransparencyLog,
    certificate_text,
    text,
)

if TYPE_CHECKING:
    from stigmem_plugins.testing.sigstore.service import ServedAuthority

NOWHERE: Final = "http://127.0.0.1:9"
"""What the clients in this process are told as their URL; they send nothing."""


def _now() -> datetime:
    return datetime.now(UTC)


class LocalAuthority:
    """A Sigstore instance of one's own, for tests of what is signed; no network is needed.

    Everything is made anew for each authority, so that one's bundles mean nothing to another's
    trusted root. What signs and verifies is sigstore itself, unchanged.

    Args:
        rekor: The version of the transparency log: `v1` dates entries itself, `v2` needs the
            timestamp authority, which comes with it.
        now: The time that certificates, log entries and timestamps carry.
        certificate_lifetime: How long certificates are valid.
        log_delay: How much later than the certificate an entry is dated: more than the lifetime
            makes bundles whose certificate had expired when they were logged.

    Example:
        >>> authority = LocalAuthority()
        >>> statement = Statement(
        ...     b'{"_type": "https://in-toto.io/Statement/v1", "predicateType": "x",'
        ...     b' "subject": [{"name": "a", "digest": {"sha256": "00"}}]}'
        ... )
        >>> bundle = authority.sign_statement(
        ...     statement, identity="ada@example.com", issuer="https://accounts.google.com"
        ... )
        >>> from sigstore.verify import Verifier, policy
        >>> verifier = Verifier(trusted_root=authority.trusted_root)
        >>> verifier.verify_dsse(bundle, policy.Identity(identity="ada@example.com"))[0]
        'application/vnd.in-toto+json'
    """

    def __init__(
        self,
        *,
        rekor: Literal["v1", "v2"] = "v1",
        now: Callable[[], datetime] = _now,
        certificate_lifetime: timedelta = timedelta(minutes=10),
        log_delay: timedelta = timedelta(0),
    ) -> None:
        self.rekor = rekor
        self._now = now
        self._lifetime = certificate_lifetime
        self._log_delay = log_delay
        self._certificates = CertificateAuthority()
        self._log = TransparencyLog()
        self._timestamps = TimestampAuthority()

    # What the services answer, here and over HTTP

    def certificates_for(self, request: CertificateSigningRequest, token: str) -> list[str]:
        """Fulcio: the chain of a certificate for a token's identity, as PEM.

        Raises:
            BadRequest: The request or the token is not acceptable.
            jwt.PyJWTError: The token is none.
        """
        leaf = self._certificates.issue(request, read_token(token), self._now(), self._lifetime)
        return [_pem(leaf), _pem(self._certificates.certificate)]

    def log_entry(self, request: dict[str, Any]) -> dict[str, Any]:
        """Rekor: log an entry; returns the log's answer.

        Raises:
            BadRequest: It is none that the log takes.
        """
        if self.rekor == "v1":
            return self._log.add_dsse(request, self._now() + self._log_delay)
        return self._log.add_hashedrekord(request)

    def timestamp(self, request: TimeStampRequest) -> bytes:
        """The timestamp authority: answer a request, in DER."""
        return self._timestamps.answer(request, self._now() + self._log_delay)

    # What is trusted

    def trusted_root_json(self) -> str:
        """The trusted root of this authority, as Sigstore's clients read it."""
        since = {"start": FIRST_DAY.isoformat().replace("+00:00", "Z")}
        ca, log = self._certificates, self._log
        root = {
            "mediaType": TrustedRoot.TrustedRootType.TRUSTED_ROOT_0_1.value,
            "tlogs": [_log(ORIGIN, log.key, since)],
            "certificateAuthorities": [_authority("fulcio", [ca.certificate], since)],
            "ctlogs": [_log("certificates", ca.log_key, since)],
            "timestampAuthorities": [
                _authority(
                    "timestamps", [self._timestamps.certificate, self._timestamps.root], since
                )
            ],
        }
        return json.dumps(root, indent=2)

    def write_trusted_root(self, path: Path) -> Path:
        """Write the trusted root to a file, for `STIGMEM_PLUGIN_TRUSTED_ROOT`."""
        path.write_text(self.trusted_root_json(), "utf-8")
        return path

    @property
    def trusted_root(self) -> TrustedRoot:
        """The trusted root, as sigstore has it."""
        return TrustedRoot(TrustedRootModel.from_json(self.trusted_root_json()))

    # Signing

    @staticmethod
    def identity_token(identity: str, issuer: str = GITHUB_ISSUER) -> str:
        """A token by which `issuer` says that somebody is `identity`.

        Args:
            identity: The certificate identity to get: a workflow's URI or an e-mail address.
            issuer: Who vouches for it.
        """
        return identity_token(identity, issuer)

    @contextmanager
    def signer(self, identity: str, issuer: str = GITHUB_ISSUER) -> Iterator[Signer]:
        """What signs as an identity, with one certificate for all that is signed in the block."""
        context = SigningContext(
            fulcio=_Fulcio(self),
            rekor=_RekorV1(self) if self.rekor == "v1" else _RekorV2(self),
            trusted_root=self.trusted_root,
            tsa_clients=[] if self.rekor == "v1" else [_Timestamps(self)],
        )
        with context.signer(IdentityToken(identity_token(identity, issuer))) as signer:
            yield signer

    def sign_statement(
        self, statement: Statement, *, identity: str, issuer: str = GITHUB_ISSUER
    ) -> Bundle:
        """Sign an in-toto statement."""
        with self.signer(identity, issuer) as signer:
            return signer.sign_dsse(statement)

    def sign_wheel(self, path: Path, *, identity: str, issuer: str = GITHUB_ISSUER) -> Path:
        """Sign a plugin's wheel in place, as `stigmem-plugins sign` does.

        Args:
            path: The wheel.
            identity: Who signs.
            issuer: Who vouches for that.

        Raises:
            StigmemPluginError: It cannot be signed.
        """
        from stigmem_plugins.trust.signing import sign_wheel  # noqa: PLC0415  # a tool of its own

        with self.signer(identity, issuer) as signer:
            sign_wheel(path, signer)
        return path

    def serve(self) -> AbstractContextManager[ServedAuthority]:
        """Serve this authority over HTTP, on loopback, while the block runs."""
        from stigmem_plugins.testing.sigstore.service import serve  # noqa: PLC0415  # only then

        return serve(self)


def _pem(certificate: Certificate) -> str:
    return certificate.public_bytes(Encoding.PEM).decode()


def _log(origin: str, key: EllipticCurvePrivateKey, since: dict[str, str]) -> dict[str, Any]:
    public_key = {
        "rawBytes": text(spki(key)),
        "keyDetails": "PKIX_ECDSA_P256_SHA_256",
        "validFor": since,
    }
    return {
        "baseUrl": f"https://{origin}",
        "hashAlgorithm": "SHA2_256",
        "publicKey": public_key,
        "logId": {"keyId": text(key_id(key))},
    }


def _authority(uri: str, chain: list[Certificate], since: dict[str, str]) -> dict[str, Any]:
    return {
        "subject": {"organization": "local", "commonName": uri},
        "uri": f"https://{uri}.local",
        "certChain": {"certificates": [{"rawBytes": certificate_text(each)} for each in chain]},
        "validFor": since,
    }


# sigstore's own clients, with the one call replaced that would send something


class _SigningCertificates(FulcioSigningCert):
    def __init__(self, authority: LocalAuthority, client: FulcioClient) -> None:
        super().__init__(NOWHERE, client.session)
        self._authority = authority

    def post(
        self, req: CertificateSigningRequest, identity: IdentityToken
    ) -> FulcioCertificateSigningResponse:
        chain = self._authority.certificates_for(req, str(identity))
        leaf, *rest = (load_pem_x509_certificate(each.encode()) for each in chain)
        return FulcioCertificateSigningResponse(leaf, rest)


class _Fulcio(FulcioClient):
    def __init__(self, authority: LocalAuthority) -> None:
        super().__init__(NOWHERE)
        self._authority = authority

    @property
    def signing_cert(self) -> FulcioSigningCert:
        return _SigningCertificates(self._authority, self)


class _RekorV1(RekorClient):
    def __init__(self, authority: LocalAuthority) -> None:
        super().__init__(NOWHERE)
        self._authority = authority

    def create_entry(self, request: EntryRequestBody) -> TransparencyLogEntry:
        entry = self._authority.log_entry(request)
        return TransparencyLogEntry._from_v1_response(entry)  # noqa: SLF001  # as its base does


class _RekorV2(RekorV2Client):
    def __init__(self, authority: LocalAuthority) -> None:
        super().__init__(NOWHERE)
        self._authority = authority

    def create_entry(self, payload: EntryRequestBody) -> TransparencyLogEntry:
        return TransparencyLogEntry(LogEntry.from_dict(self._authority.log_entry(payload)))


class _Timestamps(TimestampAuthorityClient):
    def __init__(self, authority: LocalAuthority) -> None:
        super().__init__(NOWHERE)
        self._authority = authority

    def request_timestamp(self, signature: bytes) -> TimeStampResponse:
        asking = TimestampRequestBuilder().hash_algorithm(HashAlgorithm.SHA256).data(signature)
        request = asking.nonce(nonce=True).build()
        return decode_timestamp_response(self._authority.timestamp(request))
