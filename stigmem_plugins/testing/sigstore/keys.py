"""Signing keys of a local authority, and what is derived from a public key."""

from __future__ import annotations

import hashlib

from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519

SHA256_WITH_ECDSA = ec.ECDSA(hashes.SHA256())


def public_der(key: ec.EllipticCurvePublicKey | ed25519.Ed25519PublicKey) -> bytes:
    """Return the SubjectPublicKeyInfo of `key`."""
    return key.public_bytes(
        serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo
    )


def key_id(key: ec.EllipticCurvePublicKey | ed25519.Ed25519PublicKey) -> bytes:
    """Return the SHA-256 of the SubjectPublicKeyInfo, by which logs are known."""
    return hashlib.sha256(public_der(key)).digest()
