"""The certificate authority: what Fulcio is to Sigstore, with the certificate log in it."""

from __future__ import annotations

import hashlib
import struct
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any, Final
from urllib.parse import urlsplit

from cryptography import x509
from cryptography.hazmat import asn1
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

FULCIO: Final = "1.3.6.1.4.1.57264.1"
"""The arc of the extensions that Fulcio puts into certificates."""
SCT_LIST: Final = x509.ObjectIdentifier("1.3.6.1.4.1.11129.2.4.2")
FIRST_DAY: Final = datetime(1970, 1, 1, tzinfo=UTC)
LAST_DAY: Final = datetime(2199, 12, 31, tzinfo=UTC)
"""Authorities are valid for whatever the clock of a test says."""
SHA256: Final = ec.ECDSA(hashes.SHA256())


class BadRequest(ValueError):  # noqa: N818  # the name of the answer that it becomes
    """What was asked for cannot be given."""


def new_key() -> ec.EllipticCurvePrivateKey:
    """A key of the kind that Sigstore uses."""
    return ec.generate_private_key(ec.SECP256R1())


def spki(key: ec.EllipticCurvePrivateKey) -> bytes:
    """The public key in DER."""
    return key.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)


def key_id(key: ec.EllipticCurvePrivateKey) -> bytes:
    """How logs are identified: the digest of their public key."""
    return hashlib.sha256(spki(key)).digest()


def name(common_name: str) -> x509.Name:
    """The distinguished name of an authority of ours."""
    return x509.Name(
        [
            x509.NameAttribute(NameOID.ORGANIZATION_NAME, "local Sigstore authority"),
            x509.NameAttribute(NameOID.COMMON_NAME, common_name),
        ]
    )


def key_usage(*, signs: bool) -> x509.KeyUsage:
    """Either to sign data, or to sign certificates."""
    unused = dict.fromkeys(
        (
            "content_commitment",
            "key_encipherment",
            "data_encipherment",
            "key_agreement",
            "encipher_only",
            "decipher_only",
        ),
        False,
    )
    return x509.KeyUsage(
        digital_signature=signs, key_cert_sign=not signs, crl_sign=not signs, **unused
    )


def root_certificate(key: ec.EllipticCurvePrivateKey, common_name: str) -> x509.Certificate:
    """A self-signed certificate of an authority."""
    return (
        x509.CertificateBuilder(name(common_name), name(common_name), key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(FIRST_DAY)
        .not_valid_after(LAST_DAY)
        .add_extension(x509.BasicConstraints(ca=True, path_length=1), critical=True)
        .add_extension(key_usage(signs=False), critical=True)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
        .sign(key, hashes.SHA256())
    )


def identity_of(claims: Mapping[str, Any]) -> str:
    """The certificate identity that Fulcio makes of a token's claims.

    Example:
        >>> identity_of({"iss": "https://accounts.google.com", "email": "ada@example.com"})
        'ada@example.com'
    """
    if "job_workflow_ref" in claims:
        return f"https://github.com/{claims['job_workflow_ref']}"
    if "ci_config_ref_uri" in claims:
        return f"https://{claims['ci_config_ref_uri']}"
    return str(claims.get("email") or claims["sub"])


class CertificateAuthority:
    """Issues signing certificates, each with the certificate log's promise in it."""

    def __init__(self) -> None:
        self.key = new_key()
        self.log_key = new_key()
        self.certificate = root_certificate(self.key, "Fulcio")

    def issue(
        self,
        request: x509.CertificateSigningRequest,
        claims: Mapping[str, Any],
        at: datetime,
        lifetime: timedelta,
    ) -> x509.Certificate:
        """Issue a certificate for the identity of a token.

        Args:
            request: The signing request; it proves that who asks has the key.
            claims: The token's claims.
            at: From when the certificate is valid.
            lifetime: How long.

        Raises:
            BadRequest: The proof is wrong, or the claims name nobody.
        """
        public_key = request.public_key()
        if not request.is_signature_valid or not isinstance(public_key, ec.EllipticCurvePublicKey):
            message = "the request does not prove possession of an ECDSA key"
            raise BadRequest(message)
        try:
            identity, issuer = identity_of(claims), str(claims["iss"])
        except KeyError as error:
            message = f"the token has no claim {error}"
            raise BadRequest(message) from None
        builder = (
            x509.CertificateBuilder(self.certificate.subject, x509.Name([]), public_key)
            .serial_number(x509.random_serial_number())
            .not_valid_before(at)
            .not_valid_after(at + lifetime)
            .add_extension(_alternative_name(identity), critical=True)
            .add_extension(key_usage(signs=True), critical=True)
            .add_extension(
                x509.ExtendedKeyUsage([ExtendedKeyUsageOID.CODE_SIGNING]), critical=False
            )
            .add_extension(
                x509.AuthorityKeyIdentifier.from_issuer_public_key(self.key.public_key()),
                critical=False,
            )
            .add_extension(x509.SubjectKeyIdentifier.from_public_key(public_key), critical=False)
        )
        for number, value in _facts(identity, issuer, claims).items():
            oid = x509.ObjectIdentifier(f"{FULCIO}.{number}")
            builder = builder.add_extension(x509.UnrecognizedExtension(oid, value), critical=False)
        logged = builder.sign(self.key, hashes.SHA256()).tbs_certificate_bytes
        promise = x509.UnrecognizedExtension(SCT_LIST, self._promise(logged, at))
        return builder.add_extension(promise, critical=False).sign(self.key, hashes.SHA256())

    def _promise(self, logged: bytes, at: datetime) -> bytes:
        """The list of one signed certificate timestamp (RFC 6962, 3.2 and 3.3) as an extension."""
        issuer = hashlib.sha256(spki(self.key)).digest()
        length = len(logged).to_bytes(3, "big")
        milliseconds = int(at.timestamp() * 1000)
        no_extensions = b"\0\0"
        signed = struct.pack("!BBQH", 0, 0, milliseconds, 1) + issuer + length + logged
        signature = self.log_key.sign(signed + no_extensions, SHA256)
        sct = struct.pack("!B32sQ", 0, key_id(self.log_key), milliseconds) + no_extensions
        sct += struct.pack("!BBH", 4, 3, len(signature)) + signature  # SHA-256 with ECDSA
        listed = struct.pack("!HH", len(sct) + 2, len(sct)) + sct
        return asn1.encode_der(listed)


def _alternative_name(identity: str) -> x509.SubjectAlternativeName:
    if "://" in identity:
        return x509.SubjectAlternativeName([x509.UniformResourceIdentifier(identity)])
    if "@" not in identity:
        message = f"{identity!r} is neither a URI nor an e-mail address"
        raise BadRequest(message)
    return x509.SubjectAlternativeName([x509.RFC822Name(identity)])


def _facts(identity: str, issuer: str, claims: Mapping[str, Any]) -> dict[int, bytes]:
    """Fulcio's extensions: who vouches, and for a workflow where it is from."""
    facts = {1: issuer.encode(), 8: asn1.encode_der(issuer)}
    if claims.keys() & {"job_workflow_ref", "ci_config_ref_uri"}:
        started, _, ref = identity.rpartition("@")
        parts = urlsplit(started)
        project = _project(parts.path, claims)
        repository = f"https://{parts.netloc}/{project}"
        facts |= {
            5: project.encode(),
            6: ref.encode(),
            9: asn1.encode_der(identity),
            12: asn1.encode_der(repository),
            14: asn1.encode_der(ref),
            16: asn1.encode_der(repository.rpartition("/")[0]),
            18: asn1.encode_der(identity),
        }
    return facts


def _project(path: str, claims: Mapping[str, Any]) -> str:
    """The repository's path: said by the token, else the part before the workflow's file."""
    said = claims.get("repository") or claims.get("project_path")
    return str(said or path.strip("/").partition("//")[0])
