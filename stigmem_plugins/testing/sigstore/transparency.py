"""The transparency log, as Rekor v1 and as Rekor v2 keep it."""

from __future__ import annotations

import base64
import hashlib
import json
import threading
from abc import ABC, abstractmethod
from collections.abc import Callable
from datetime import datetime
from typing import Any

import rfc8785
from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, ed25519
from cryptography.hazmat.primitives.asymmetric.utils import Prehashed
from sigstore_models.common.v1 import PublicKeyDetails
from sigstore_models.intoto import Envelope
from sigstore_models.rekor.v2.entry import CreateEntryRequest

from stigmem_plugins.testing.sigstore import keys, merkle
from stigmem_plugins.testing.sigstore.refusals import RequestRefused

_NAME = "rekor.localhost"
_ECDSA_OF_SHA256 = ec.ECDSA(Prehashed(hashes.SHA256()))


class LocalRekor(ABC):
    """An append-only log of signatures that verify.

    Attributes:
        version: The version of the API that the log speaks.
        public_key: The key with which the log signs.
        key_details: The kind of that key, as a trusted root names it.
        log_id: What entries and the trusted root call the log.
    """

    version: int
    public_key: ec.EllipticCurvePublicKey | ed25519.Ed25519PublicKey
    key_details: PublicKeyDetails
    log_id: bytes

    def __init__(self) -> None:
        self._leaves: list[bytes] = []
        self._appending = threading.Lock()

    @abstractmethod
    def create_entry(self, body: bytes) -> dict[str, Any]:
        """Log the signature that a request proposes.

        Args:
            body: The request, in Rekor's JSON.

        Returns:
            The entry with the proofs that it is in the log, in Rekor's JSON.

        Raises:
            RequestRefused: The signature is not by the key of the certificate, or the request
                is for something that this log does not keep.
            ValueError: The request is malformed.
        """

    @abstractmethod
    def _sign(self, content: bytes) -> bytes:
        """Sign with the key of the log."""

    def _append(self, entry: bytes) -> tuple[int, list[bytes]]:
        """Put `entry` into the tree; return its index and the leaves up to it.

        Each entry is proved in the tree of which it is the last: later ones do not matter to it.
        """
        with self._appending:
            self._leaves.append(merkle.leaf_hash(entry))
            return len(self._leaves) - 1, self._leaves.copy()

    def _checkpoint(self, origin: str, leaves: list[bytes]) -> str:
        """Return the signed note that says how large the tree is, and what its root."""
        root = _base64(merkle.root_hash(leaves))
        note = f"{origin}\n{len(leaves)}\n{root}\n"
        signature = _base64(self.log_id[:4] + self._sign(note.encode()))
        return f"{note}\n\N{EM DASH} {_NAME} {signature}\n"


class LocalRekorV1(LocalRekor):
    """Rekor v1: it says when an entry was logged, and promises to include it.

    Args:
        now: The clock of the log.
    """

    version = 1
    key_details = PublicKeyDetails.PKIX_ECDSA_P256_SHA_256

    def __init__(self, now: Callable[[], datetime]) -> None:
        super().__init__()
        self._now = now
        self._key = ec.generate_private_key(ec.SECP256R1())
        self.public_key = self._key.public_key()
        self.log_id = keys.key_id(self.public_key)
        self._tree_id = int.from_bytes(self.log_id[-8:], "big")

    def create_entry(self, body: bytes) -> dict[str, Any]:
        """Log a `dsse` or a `hashedrekord` of version 0.0.1."""
        entry: dict[str, Any]
        match json.loads(body):
            case {
                "kind": "dsse",
                "apiVersion": "0.0.1",
                "spec": {"proposedContent": {"envelope": str(envelope), "verifiers": [str(pem)]}},
            }:
                entry = {"apiVersion": "0.0.1", "kind": "dsse", "spec": _dsse(envelope, pem)}
            case {
                "kind": "hashedrekord",
                "apiVersion": "0.0.1",
                "spec": {
                    "signature": {"content": str(signature), "publicKey": {"content": str(pem)}},
                    "data": {"hash": {"algorithm": "sha256", "value": str(digest)}},
                },
            } as entry:
                _check(_certificate(pem), _bytes(signature), bytes.fromhex(digest))
            case _:
                raise RequestRefused(reason="only dsse and hashedrekord entries are kept")
        canonical = rfc8785.dumps(entry)
        index, leaves = self._append(canonical)
        logged: dict[str, str | int] = {
            "body": _base64(canonical),
            "integratedTime": int(self._now().timestamp()),
            "logID": self.log_id.hex(),
            "logIndex": index,
        }
        proof = {
            "logIndex": index,
            "treeSize": len(leaves),
            "rootHash": merkle.root_hash(leaves).hex(),
            "hashes": [each.hex() for each in merkle.inclusion_path(leaves)],
            "checkpoint": self._checkpoint(f"{_NAME} - {self._tree_id}", leaves),
        }
        promise = _base64(self._sign(rfc8785.dumps(logged)))
        verification = {"inclusionProof": proof, "signedEntryTimestamp": promise}
        return {f"{self._tree_id:016x}{leaves[-1].hex()}": {**logged, "verification": verification}}

    def _sign(self, content: bytes) -> bytes:
        return self._key.sign(content, keys.SHA256_WITH_ECDSA)


class LocalRekorV2(LocalRekor):
    """Rekor v2: it proves that an entry is logged, and leaves the time to others."""

    version = 2
    key_details = PublicKeyDetails.PKIX_ED25519

    def __init__(self) -> None:
        super().__init__()
        self._key = ed25519.Ed25519PrivateKey.generate()
        self.public_key = self._key.public_key()
        # The log is known by the key of its checkpoints, as the signed notes of Go define it.
        note_key = f"{_NAME}\n".encode() + b"\1" + self.public_key.public_bytes_raw()
        self.log_id = hashlib.sha256(note_key).digest()

    def create_entry(self, body: bytes) -> dict[str, Any]:
        """Log a `hashedrekord` of version 0.0.2."""
        request = CreateEntryRequest.from_json(body).hashed_rekord_request_v002
        if request is None:
            raise RequestRefused(reason="only hashedrekord entries are kept")
        certificate = request.signature.verifier.x509_certificate
        if certificate is None:
            raise RequestRefused(reason="only signatures with a certificate are kept")
        _check(
            x509.load_der_x509_certificate(certificate.raw_bytes),
            request.signature.content,
            request.digest,
        )
        data = {"algorithm": "SHA2_256", "digest": _base64(request.digest)}
        spec = {"data": data, "signature": request.signature.to_dict()}
        kind = {"kind": "hashedrekord", "apiVersion": "0.0.2"}
        canonical = rfc8785.dumps({**kind, "spec": {"hashedRekordV002": spec}})
        index, leaves = self._append(canonical)
        return {
            "logIndex": str(index),
            "logId": {"keyId": _base64(self.log_id)},
            "kindVersion": {"kind": "hashedrekord", "version": "0.0.2"},
            "inclusionProof": {
                "logIndex": str(index),
                "treeSize": str(len(leaves)),
                "rootHash": _base64(merkle.root_hash(leaves)),
                "hashes": [_base64(each) for each in merkle.inclusion_path(leaves)],
                "checkpoint": {"envelope": self._checkpoint(_NAME, leaves)},
            },
            "canonicalizedBody": _base64(canonical),
        }

    def _sign(self, content: bytes) -> bytes:
        return self._key.sign(content)


def _dsse(text: str, pem: str) -> dict[str, Any]:
    """Return what Rekor v1 keeps of an envelope: hashes, and the signature that it verified."""
    envelope = Envelope.from_json(text)
    if len(envelope.signatures) != 1:
        raise RequestRefused(reason="an envelope needs exactly one signature")
    signature = envelope.signatures[0].sig
    kind, payload = envelope.payload_type.encode(), envelope.payload
    signed = b"DSSEv1 %d %b %d %b" % (len(kind), kind, len(payload), payload)
    _check(_certificate(pem), signature, hashlib.sha256(signed).digest())
    return {
        "envelopeHash": _sha256(text.encode()),
        "payloadHash": _sha256(payload),
        "signatures": [{"signature": _base64(signature), "verifier": pem}],
    }


def _check(certificate: x509.Certificate, signature: bytes, digest: bytes) -> None:
    """Refuse a signature that the holder of `certificate` did not make over `digest`."""
    key = certificate.public_key()
    if not isinstance(key, ec.EllipticCurvePublicKey):
        raise RequestRefused(reason="only certificates of keys on an elliptic curve are known")
    try:
        key.verify(signature, digest, _ECDSA_OF_SHA256)
    except InvalidSignature:
        reason = "the signature is not by the key of the certificate"
        raise RequestRefused(reason=reason) from None


def _certificate(pem: str) -> x509.Certificate:
    """Return the certificate that is in base64 around its PEM."""
    return x509.load_pem_x509_certificate(_bytes(pem))


def _bytes(encoded: str) -> bytes:
    return base64.b64decode(encoded, validate=True)


def _sha256(content: bytes) -> dict[str, str]:
    return {"algorithm": "sha256", "value": hashlib.sha256(content).hexdigest()}


def _base64(content: bytes) -> str:
    return base64.b64encode(content).decode()
