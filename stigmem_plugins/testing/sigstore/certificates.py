"""The certificate authority: what Fulcio and its certificate transparency log do."""

from __future__ import annotations

import base64
import json
import struct
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from stigmem_plugins.testing.sigstore import der, identities, keys
from stigmem_plugins.testing.sigstore.refusals import RequestRefused

# Keys and root certificates are valid whatever the clock of a test says.
ALWAYS = (datetime(2000, 1, 1, tzinfo=UTC), datetime(2100, 1, 1, tzinfo=UTC))

ORGANIZATION = "local sigstore authority"

_SCT_LIST = x509.ObjectIdentifier("1.3.6.1.4.1.11129.2.4.2")
_SHA256_ECDSA = bytes([4, 3])


class LocalFulcio:
    """Certifies the holders of identity tokens, for as long as signing takes.

    Args:
        secret: What authenticates the identity tokens.
        now: The clock of the certificates.
        lifetime: How long a certificate is valid.

    Attributes:
        root: The self-signed certificate of the authority.
        log_key: The public key of the certificate transparency log.
    """

    def __init__(self, secret: bytes, now: Callable[[], datetime], lifetime: timedelta) -> None:
        self._secret = secret
        self._now = now
        self._lifetime = lifetime
        self._key = ec.generate_private_key(ec.SECP256R1())
        self._log_key = ec.generate_private_key(ec.SECP256R1())
        self.root = root_certificate("fulcio", self._key)
        self.log_key = self._log_key.public_key()

    def sign(self, body: bytes, token: str) -> dict[str, Any]:
        """Answer a request for a certificate.

        Args:
            body: Fulcio's JSON, with a certificate signing request in PEM.
            token: The identity token of the holder.

        Returns:
            Fulcio's JSON, with the certificate and its issuer.

        Raises:
            RequestRefused: The token is not valid, or the requester does not hold the key.
            ValueError: The request is malformed.
        """
        claims = identities.decode_token(token, self._secret)
        match json.loads(body):
            case {"certificateSigningRequest": str(encoded)}:
                request = x509.load_pem_x509_csr(base64.b64decode(encoded, validate=True))
            case _:
                raise RequestRefused(reason="certificateSigningRequest is missing")
        public_key = request.public_key()
        if not isinstance(public_key, ec.EllipticCurvePublicKey):
            raise RequestRefused(reason="only keys on an elliptic curve are certified")
        if not request.is_signature_valid:
            raise RequestRefused(reason="the request is not signed with the key it names")
        leaf = self._certify(public_key, identities.subject(claims))
        pem = [each.public_bytes(serialization.Encoding.PEM).decode() for each in (leaf, self.root)]
        return {"signedCertificateEmbeddedSct": {"chain": {"certificates": pem}}}

    def _certify(
        self, public_key: ec.EllipticCurvePublicKey, subject: identities.Subject
    ) -> x509.Certificate:
        now = self._now()
        builder = (
            x509.CertificateBuilder()
            .subject_name(x509.Name([]))
            .issuer_name(self.root.subject)
            .public_key(public_key)
            .serial_number(x509.random_serial_number())
            .not_valid_before(now)
            .not_valid_after(now + self._lifetime)
            .add_extension(key_usage(digital_signature=True), critical=True)
            .add_extension(
                x509.ExtendedKeyUsage([ExtendedKeyUsageOID.CODE_SIGNING]), critical=False
            )
            .add_extension(x509.SubjectKeyIdentifier.from_public_key(public_key), critical=False)
            .add_extension(
                x509.AuthorityKeyIdentifier.from_issuer_public_key(self._key.public_key()),
                critical=False,
            )
            .add_extension(x509.SubjectAlternativeName([subject.name]), critical=True)
        )
        for extension in subject.extensions:
            builder = builder.add_extension(extension, critical=False)
        # The log signs the certificate as it is without the log's own extension.
        unlogged = builder.sign(self._key, hashes.SHA256())
        timestamps = self._log(unlogged.tbs_certificate_bytes, now)
        logged = x509.UnrecognizedExtension(_SCT_LIST, der.encode(der.OCTET_STRING, timestamps))
        return builder.add_extension(logged, critical=False).sign(self._key, hashes.SHA256())

    def _log(self, certificate: bytes, now: datetime) -> bytes:
        """Return RFC 6962's list of signed certificate timestamps, with one in it."""
        milliseconds = int(now.timestamp()) * 1000
        entry = (
            keys.key_id(self._key.public_key()) + len(certificate).to_bytes(3, "big") + certificate
        )
        signed = struct.pack("!BBQH", 0, 0, milliseconds, 1) + entry + b"\0\0"
        signature = self._log_key.sign(signed, keys.SHA256_WITH_ECDSA)
        timestamp = (
            struct.pack("!B32sQH", 0, keys.key_id(self.log_key), milliseconds, 0)
            + _SHA256_ECDSA
            + _prefixed(signature)
        )
        return _prefixed(_prefixed(timestamp))


def root_certificate(name: str, key: ec.EllipticCurvePrivateKey) -> x509.Certificate:
    """Return a self-signed certificate for `key`, which may issue others."""
    subject = x509.Name(
        [
            x509.NameAttribute(NameOID.ORGANIZATION_NAME, ORGANIZATION),
            x509.NameAttribute(NameOID.COMMON_NAME, name),
        ]
    )
    public_key = key.public_key()
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(subject)
        .public_key(public_key)
        .serial_number(x509.random_serial_number())
        .not_valid_before(ALWAYS[0])
        .not_valid_after(ALWAYS[1])
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .add_extension(key_usage(key_cert_sign=True, crl_sign=True), critical=True)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(public_key), critical=False)
        .sign(key, hashes.SHA256())
    )


def key_usage(
    *, digital_signature: bool = False, key_cert_sign: bool = False, crl_sign: bool = False
) -> x509.KeyUsage:
    """Return the extension that allows these uses of a key and no others."""
    return x509.KeyUsage(
        digital_signature=digital_signature,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        key_cert_sign=key_cert_sign,
        crl_sign=crl_sign,
        encipher_only=False,
        decipher_only=False,
    )


def _prefixed(content: bytes) -> bytes:
    """Return `content` after its length in two bytes."""
    return struct.pack("!H", len(content)) + content
