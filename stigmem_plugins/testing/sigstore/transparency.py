"""The transparency log: what Rekor is to Sigstore, in its versions 1 and 2."""

from __future__ import annotations

import base64
import hashlib
import json
import threading
from collections.abc import Mapping
from datetime import datetime
from typing import Any, Final

import rfc8785
from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, utils
from cryptography.hazmat.primitives.serialization import Encoding

from stigmem_plugins.testing.sigstore.certificates import SHA256, BadRequest, key_id, new_key

ORIGIN: Final = "rekor.local"
_PREHASHED: Final = ec.ECDSA(utils.Prehashed(hashes.SHA256()))


def text(data: bytes) -> str:
    """Bytes as JSON has them."""
    return base64.b64encode(data).decode()


class TransparencyLog:
    """A Merkle tree of entries (RFC 6962), with checkpoints that the log signs."""

    def __init__(self) -> None:
        self.key = new_key()
        self._lock = threading.Lock()
        self._leaves: list[bytes] = []

    def add_dsse(self, request: Mapping[str, Any], at: datetime) -> dict[str, Any]:
        """Log an envelope as version 1 does; returns its answer to `POST /api/v1/log/entries`.

        Args:
            request: The proposed entry, of the kind `dsse`.
            at: The time that the log gives the entry.

        Raises:
            BadRequest: It is something else, or the signature is not the certificate's.
        """
        try:
            proposed = request["spec"]["proposedContent"]
            envelope = json.loads(proposed["envelope"])
            (verifier,), (signature,) = proposed["verifiers"], envelope["signatures"]
            certificate = x509.load_pem_x509_certificate(base64.b64decode(verifier))
            payload = base64.b64decode(envelope["payload"])
            kind = envelope["payloadType"].encode()
            signed = b" ".join(
                [b"DSSEv1", str(len(kind)).encode(), kind, str(len(payload)).encode(), payload]
            )
            _verify(certificate, signature["sig"], signed)
        except (KeyError, ValueError, TypeError, AttributeError) as error:
            message = f"not an entry for an envelope: {error!r}"
            raise BadRequest(message) from None
        body = rfc8785.dumps(
            {
                "apiVersion": "0.0.1",
                "kind": "dsse",
                "spec": {
                    "envelopeHash": _sha256(proposed["envelope"].encode()),
                    "payloadHash": _sha256(payload),
                    "signatures": [{"signature": signature["sig"], "verifier": verifier}],
                },
            }
        )
        index, root, path, checkpoint = self._append(body)
        entry: dict[str, Any] = {
            "body": text(body),
            "integratedTime": int(at.timestamp()),
            "logID": key_id(self.key).hex(),
            "logIndex": index,
        }
        promise = self.key.sign(rfc8785.dumps(entry), SHA256)
        entry["verification"] = {
            "inclusionProof": {
                "checkpoint": checkpoint,
                "hashes": [each.hex() for each in path],
                "logIndex": index,
                "rootHash": root.hex(),
                "treeSize": index + 1,
            },
            "signedEntryTimestamp": text(promise),
        }
        return {hashlib.sha256(body).hexdigest(): entry}

    def add_hashedrekord(self, request: Mapping[str, Any]) -> dict[str, Any]:
        """Log a signature as version 2 does; returns its answer to `POST /api/v2/log/entries`.

        Args:
            request: The request to create a `hashedRekordRequestV002`.

        Raises:
            BadRequest: It is something else, or the signature is not the certificate's.
        """
        try:
            proposed = request["hashedRekordRequestV002"]
            signature = proposed["signature"]
            verifier = signature["verifier"]
            raw = base64.b64decode(verifier["x509Certificate"]["rawBytes"])
            certificate = x509.load_der_x509_certificate(raw)
            digest = base64.b64decode(proposed["digest"])
            _verify(certificate, signature["content"], digest, _PREHASHED)
        except (KeyError, ValueError, TypeError, AttributeError) as error:
            message = f"not an entry for a signature: {error!r}"
            raise BadRequest(message) from None
        data = {"algorithm": "SHA2_256", "digest": proposed["digest"]}
        spec = {"hashedRekordV002": {"data": data, "signature": signature}}
        body = rfc8785.dumps({"apiVersion": "0.0.2", "kind": "hashedrekord", "spec": spec})
        index, root, path, checkpoint = self._append(body)
        return {
            "logIndex": str(index),
            "logId": {"keyId": text(key_id(self.key))},
            "kindVersion": {"kind": "hashedrekord", "version": "0.0.2"},
            "inclusionProof": {
                "logIndex": str(index),
                "rootHash": text(root),
                "treeSize": str(index + 1),
                "hashes": list(map(text, path)),
                "checkpoint": {"envelope": checkpoint},
            },
            "canonicalizedBody": text(body),
        }

    def _append(self, body: bytes) -> tuple[int, bytes, list[bytes], str]:
        """Add a leaf: its index, the root, the proof of inclusion and the signed checkpoint."""
        with self._lock:
            self._leaves.append(hashlib.sha256(b"\0" + body).digest())
            index, leaves = len(self._leaves) - 1, list(self._leaves)
        root = _root(leaves)
        note = f"{ORIGIN}\n{len(leaves)}\n{text(root)}\n"
        signature = key_id(self.key)[:4] + self.key.sign(note.encode(), SHA256)
        checkpoint = f"{note}\n\N{EM DASH} {ORIGIN} {text(signature)}\n"
        return index, root, _proof(index, leaves), checkpoint


def _verify(
    certificate: x509.Certificate, signature: str, data: bytes, algorithm: ec.ECDSA = SHA256
) -> None:
    key = certificate.public_key()
    if not isinstance(key, ec.EllipticCurvePublicKey):
        message = "the certificate's key is no ECDSA key"
        raise TypeError(message)
    try:
        key.verify(base64.b64decode(signature), data, algorithm)
    except InvalidSignature:
        message = "the signature is not the certificate's"
        raise ValueError(message) from None


def _sha256(data: bytes) -> dict[str, str]:
    return {"algorithm": "sha256", "value": hashlib.sha256(data).hexdigest()}


def _split(leaves: list[bytes]) -> int:
    """The largest power of two that is smaller than the number of leaves."""
    return 1 << (len(leaves) - 1).bit_length() - 1


def _root(leaves: list[bytes]) -> bytes:
    if len(leaves) == 1:
        return leaves[0]
    middle = _split(leaves)
    return hashlib.sha256(b"\1" + _root(leaves[:middle]) + _root(leaves[middle:])).digest()


def _proof(index: int, leaves: list[bytes]) -> list[bytes]:
    """The hashes beside the way from a leaf to the root (RFC 6962, 2.1.1)."""
    if len(leaves) == 1:
        return []
    middle = _split(leaves)
    if index < middle:
        return [*_proof(index, leaves[:middle]), _root(leaves[middle:])]
    return [*_proof(index - middle, leaves[middle:]), _root(leaves[:middle])]


def certificate_text(certificate: x509.Certificate) -> str:
    """A certificate's DER, as JSON has it."""
    return text(certificate.public_bytes(Encoding.DER))
