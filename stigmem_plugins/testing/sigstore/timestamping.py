"""The timestamp authority (RFC 3161): it says when a signature was there."""

from __future__ import annotations

import hashlib
from datetime import datetime
from typing import Final

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import ExtendedKeyUsageOID
from rfc3161_client import TimeStampRequest

from stigmem_plugins.testing.sigstore.certificates import (
    FIRST_DAY,
    LAST_DAY,
    SHA256,
    key_usage,
    name,
    new_key,
    root_certificate,
)

_SEQUENCE: Final = 0x30
_SET: Final = 0x31
_INTEGER: Final = 0x02
_OCTETS: Final = 0x04
_OID: Final = 0x06
_TIME: Final = 0x18
_FIRST: Final = 0xA0
"""The tag of what is optional, and first of its kind: `[0]`."""


def _der(tag: int, *parts: bytes) -> bytes:
    content = b"".join(parts)
    length = len(content)
    if length < 0x80:  # noqa: PLR2004  # the short form of a length
        return bytes([tag, length]) + content
    size = (length.bit_length() + 7) // 8
    return bytes([tag, 0x80 | size]) + length.to_bytes(size, "big") + content


def _integer(number: int) -> bytes:
    return _der(_INTEGER, number.to_bytes(number.bit_length() // 8 + 1, "big"))


def _oid(dotted: str) -> bytes:
    first, second, *rest = map(int, dotted.split("."))
    encoded = bytearray([first * 40 + second])
    for arc in rest:
        groups = [arc & 0x7F]
        while arc := arc >> 7:
            groups.append(arc & 0x7F | 0x80)
        encoded += bytes(reversed(groups))
    return _der(_OID, bytes(encoded))


_SHA256_ID: Final = _der(_SEQUENCE, _oid("2.16.840.1.101.3.4.2.1"))
_ECDSA_ID: Final = _der(_SEQUENCE, _oid("1.2.840.10045.4.3.2"))
_TST_INFO: Final = _oid("1.2.840.113549.1.9.16.1.4")
_SIGNED_DATA: Final = _oid("1.2.840.113549.1.7.2")
_CONTENT_TYPE: Final = _oid("1.2.840.113549.1.9.3")
_MESSAGE_DIGEST: Final = _oid("1.2.840.113549.1.9.4")
_SIGNING_CERTIFICATE: Final = _oid("1.2.840.113549.1.9.16.2.47")
_POLICY: Final = _oid("1.3.6.1.4.1.57264.2")
_GRANTED: Final = _der(_SEQUENCE, _integer(0))


class TimestampAuthority:
    """Signs timestamps with a key whose certificate a root of its own issued."""

    def __init__(self) -> None:
        root_key, self._key = new_key(), new_key()
        self.root = root_certificate(root_key, "timestamp root")
        self.certificate = (
            x509.CertificateBuilder(self.root.subject, name("timestamps"), self._key.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(FIRST_DAY)
            .not_valid_after(LAST_DAY)
            .add_extension(key_usage(signs=True), critical=True)
            .add_extension(
                x509.ExtendedKeyUsage([ExtendedKeyUsageOID.TIME_STAMPING]), critical=True
            )
            .add_extension(
                x509.AuthorityKeyIdentifier.from_issuer_public_key(root_key.public_key()),
                critical=False,
            )
            .sign(root_key, hashes.SHA256())
        )

    def answer(self, request: TimeStampRequest, at: datetime) -> bytes:
        """Answer a request with a timestamp, in DER.

        Args:
            request: What is to be timestamped.
            at: When it is.
        """
        nonce = [] if request.nonce is None else [_integer(request.nonce)]
        info = _der(
            _SEQUENCE,
            _integer(1),
            _POLICY,
            _der(_SEQUENCE, _SHA256_ID, _der(_OCTETS, request.message_imprint.message)),
            _integer(x509.random_serial_number()),
            _der(_TIME, at.strftime("%Y%m%d%H%M%SZ").encode()),
            *nonce,
        )
        der = self.certificate.public_bytes(Encoding.DER)
        hashed = _der(_OCTETS, hashlib.sha256(der).digest())
        attributes = b"".join(
            sorted(
                _der(_SEQUENCE, kind, _der(_SET, value))
                for kind, value in (
                    (_CONTENT_TYPE, _TST_INFO),
                    (_MESSAGE_DIGEST, _der(_OCTETS, hashlib.sha256(info).digest())),
                    (
                        _SIGNING_CERTIFICATE,
                        _der(_SEQUENCE, _der(_SEQUENCE, _der(_SEQUENCE, hashed))),
                    ),
                )
            )
        )
        # Signed as a SET, transmitted under the tag [0] (RFC 5652, 5.4).
        signature = self._key.sign(_der(_SET, attributes), SHA256)
        issuer = self.root.subject.public_bytes()
        signer = _der(
            _SEQUENCE,
            _integer(1),
            _der(_SEQUENCE, issuer, _integer(self.certificate.serial_number)),
            _SHA256_ID,
            _der(_FIRST, attributes),
            _ECDSA_ID,
            _der(_OCTETS, signature),
        )
        data = _der(
            _SEQUENCE,
            _integer(3),
            _der(_SET, _SHA256_ID),
            _der(_SEQUENCE, _TST_INFO, _der(_FIRST, _der(_OCTETS, info))),
            _der(_FIRST, der),
            _der(_SET, signer),
        )
        token = _der(_SEQUENCE, _SIGNED_DATA, _der(_FIRST, data))
        return _der(_SEQUENCE, _GRANTED, token)
