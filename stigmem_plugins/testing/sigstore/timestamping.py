"""The timestamp authority of RFC 3161."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from datetime import datetime
from typing import Annotated

from cryptography import x509
from cryptography.hazmat import asn1
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from stigmem_plugins.testing.sigstore import der, keys
from stigmem_plugins.testing.sigstore.certificates import (
    ALWAYS,
    ORGANIZATION,
    key_usage,
    root_certificate,
)
from stigmem_plugins.testing.sigstore.refusals import RequestRefused

_SIGNED_DATA = x509.ObjectIdentifier("1.2.840.113549.1.7.2")
_TIMESTAMP_INFO = x509.ObjectIdentifier("1.2.840.113549.1.9.16.1.4")
_CONTENT_TYPE = x509.ObjectIdentifier("1.2.840.113549.1.9.3")
_MESSAGE_DIGEST = x509.ObjectIdentifier("1.2.840.113549.1.9.4")
_SIGNING_CERTIFICATE = x509.ObjectIdentifier("1.2.840.113549.1.9.16.2.47")
_ECDSA_WITH_SHA256 = x509.ObjectIdentifier("1.2.840.10045.4.3.2")
_SHA256 = x509.ObjectIdentifier("2.16.840.1.101.3.4.2.1")
_SHA384 = x509.ObjectIdentifier("2.16.840.1.101.3.4.2.2")
_SHA512 = x509.ObjectIdentifier("2.16.840.1.101.3.4.2.3")
_POLICY = x509.ObjectIdentifier("1.3.6.1.4.1.57264.2")

_DIGEST_SIZES = {_SHA256: 32, _SHA384: 48, _SHA512: 64}

_EXPLICIT_0 = 0xA0
_IMPLICIT_0 = 0xA0


@asn1.sequence
class _Algorithm:
    oid: x509.ObjectIdentifier
    parameters: asn1.Null | None


@asn1.sequence
class _Imprint:
    algorithm: _Algorithm
    digest: bytes


@asn1.sequence
class _Request:
    """RFC 3161's TimeStampReq, without the extensions that a requester may ask for."""

    version: int
    imprint: _Imprint
    policy: x509.ObjectIdentifier | None
    nonce: int | None
    wants_certificate: Annotated[bool, asn1.Default(value=False)]


class LocalTimestampAuthority:
    """Says that a signature existed at a time.

    Args:
        now: The clock of the timestamps.

    Attributes:
        chain: The certificate that signs, and its issuer.
    """

    def __init__(self, now: Callable[[], datetime]) -> None:
        self._now = now
        self._key = ec.generate_private_key(ec.SECP256R1())
        issuer_key = ec.generate_private_key(ec.SECP256R1())
        issuer = root_certificate("tsa", issuer_key)
        self.chain = (_signing_certificate(self._key.public_key(), issuer, issuer_key), issuer)

    def timestamp(self, body: bytes) -> bytes:
        """Answer a time-stamp request.

        Args:
            body: The request, in DER.

        Returns:
            The time-stamp response, in DER.

        Raises:
            RequestRefused: The request is for something else than a SHA-2 digest.
            ValueError: The request is malformed.
        """
        request = asn1.decode_der(_Request, body)
        imprint = request.imprint
        if _DIGEST_SIZES.get(imprint.algorithm.oid) != len(imprint.digest):
            raise RequestRefused(reason="only SHA-256, SHA-384 and SHA-512 digests are timestamped")
        return der.encode(
            der.SEQUENCE,
            der.encode(der.SEQUENCE, der.integer(0)),  # the status: granted
            self._token(request),
        )

    def _token(self, request: _Request) -> bytes:
        """Return the signed statement of the time."""
        info = der.encode(
            der.SEQUENCE,
            der.integer(1),
            der.object_identifier(_POLICY),
            der.encode(
                der.SEQUENCE,
                _algorithm(request.imprint.algorithm.oid),
                der.encode(der.OCTET_STRING, request.imprint.digest),
            ),
            der.integer(x509.random_serial_number()),
            der.encode(der.GENERALIZED_TIME, f"{self._now():%Y%m%d%H%M%SZ}".encode()),
            b"" if request.nonce is None else der.integer(request.nonce),
        )
        certificate = self.chain[0].public_bytes(serialization.Encoding.DER)
        content = der.encode(
            der.SEQUENCE,
            der.object_identifier(_TIMESTAMP_INFO),
            der.encode(_EXPLICIT_0, der.encode(der.OCTET_STRING, info)),
        )
        signed_data = der.encode(
            der.SEQUENCE,
            der.integer(3),
            der.encode(der.SET, _algorithm(_SHA256)),
            content,
            der.encode(_IMPLICIT_0, certificate) if request.wants_certificate else b"",
            der.encode(der.SET, self._signer_info(info, certificate)),
        )
        return der.encode(
            der.SEQUENCE,
            der.object_identifier(_SIGNED_DATA),
            der.encode(_EXPLICIT_0, signed_data),
        )

    def _signer_info(self, info: bytes, certificate: bytes) -> bytes:
        """Return the signature over `info`, and whose it is."""
        certificate_id = der.encode(
            der.SEQUENCE, der.encode(der.OCTET_STRING, hashlib.sha256(certificate).digest())
        )
        signing_certificate = der.encode(der.SEQUENCE, der.encode(der.SEQUENCE, certificate_id))
        message_digest = der.encode(der.OCTET_STRING, hashlib.sha256(info).digest())
        # DER orders the members of a set by their bytes: here, the shortest is the first.
        attributes = (
            _attribute(_CONTENT_TYPE, der.object_identifier(_TIMESTAMP_INFO)),
            _attribute(_MESSAGE_DIGEST, message_digest),
            _attribute(_SIGNING_CERTIFICATE, signing_certificate),
        )
        signature = self._key.sign(der.encode(der.SET, *attributes), keys.SHA256_WITH_ECDSA)
        signer = self.chain[0]
        return der.encode(
            der.SEQUENCE,
            der.integer(1),
            der.encode(
                der.SEQUENCE, signer.issuer.public_bytes(), der.integer(signer.serial_number)
            ),
            _algorithm(_SHA256),
            der.encode(_IMPLICIT_0, *attributes),
            der.encode(der.SEQUENCE, der.object_identifier(_ECDSA_WITH_SHA256)),
            der.encode(der.OCTET_STRING, signature),
        )


def _signing_certificate(
    key: ec.EllipticCurvePublicKey, issuer: x509.Certificate, issuer_key: ec.EllipticCurvePrivateKey
) -> x509.Certificate:
    """Return a certificate for `key`, which may timestamp and nothing else."""
    return (
        x509.CertificateBuilder()
        .subject_name(
            x509.Name(
                [
                    x509.NameAttribute(NameOID.ORGANIZATION_NAME, ORGANIZATION),
                    x509.NameAttribute(NameOID.COMMON_NAME, "tsa-signer"),
                ]
            )
        )
        .issuer_name(issuer.subject)
        .public_key(key)
        .serial_number(x509.random_serial_number())
        .not_valid_before(ALWAYS[0])
        .not_valid_after(ALWAYS[1])
        .add_extension(key_usage(digital_signature=True), critical=True)
        .add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.TIME_STAMPING]), critical=True)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key), critical=False)
        .add_extension(
            x509.AuthorityKeyIdentifier.from_issuer_public_key(issuer_key.public_key()),
            critical=False,
        )
        .sign(issuer_key, hashes.SHA256())
    )


def _attribute(kind: x509.ObjectIdentifier, value: bytes) -> bytes:
    return der.encode(der.SEQUENCE, der.object_identifier(kind), der.encode(der.SET, value))


def _algorithm(oid: x509.ObjectIdentifier) -> bytes:
    """Write the AlgorithmIdentifier of a hash."""
    return der.encode(der.SEQUENCE, der.object_identifier(oid), der.NULL)
