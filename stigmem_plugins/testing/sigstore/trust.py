"""What a client is told of an authority: whom to trust, and where to sign."""

from __future__ import annotations

import base64
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519

from stigmem_plugins.testing.sigstore import keys
from stigmem_plugins.testing.sigstore.certificates import ALWAYS, ORGANIZATION
from stigmem_plugins.testing.sigstore.service import Services

_VALID_FOR = {"start": ALWAYS[0].isoformat(), "end": ALWAYS[1].isoformat()}


def trusted_root(services: Services) -> dict[str, Any]:
    """Return Sigstore's `trusted_root.json` for these services."""
    fulcio, rekor = services.fulcio, services.rekor
    return {
        "mediaType": "application/vnd.dev.sigstore.trustedroot+json;version=0.1",
        "tlogs": [_log("rekor", rekor.public_key, rekor.key_details, rekor.log_id)],
        "certificateAuthorities": [_authority("fulcio", fulcio.root)],
        "ctlogs": [
            _log(
                "ctfe",
                fulcio.log_key,
                "PKIX_ECDSA_P256_SHA_256",
                keys.key_id(fulcio.log_key),
            )
        ],
        "timestampAuthorities": [_authority("tsa", *services.timestamps.chain)],
    }


def client_trust_config(services: Services, url: str) -> dict[str, Any]:
    """Return Sigstore's client trust configuration for these services, served at `url`."""
    version = services.rekor.version
    # A log of version 1 says itself when it logged an entry.
    timestamps = [] if version == 1 else [_service(f"{url}/api/v1/timestamp")]
    return {
        "mediaType": "application/vnd.dev.sigstore.clienttrustconfig.v0.1+json",
        "trustedRoot": trusted_root(services),
        "signingConfig": {
            "mediaType": "application/vnd.dev.sigstore.signingconfig.v0.2+json",
            "caUrls": [_service(url)],
            "oidcUrls": [],
            "rekorTlogUrls": [_service(url, version)],
            "rekorTlogConfig": {"selector": "ANY"},
            "tsaUrls": timestamps,
            "tsaConfig": {"selector": "ANY"},
        },
    }


def _service(url: str, version: int = 1) -> dict[str, Any]:
    return {
        "url": url,
        "majorApiVersion": version,
        "validFor": {"start": _VALID_FOR["start"]},
        "operator": ORGANIZATION,
    }


def _authority(name: str, *chain: x509.Certificate) -> dict[str, Any]:
    encoded = [_base64(each.public_bytes(serialization.Encoding.DER)) for each in chain]
    return {
        "subject": {"organization": ORGANIZATION, "commonName": name},
        "uri": f"https://{name}.localhost",
        "certChain": {"certificates": [{"rawBytes": each} for each in encoded]},
        "validFor": _VALID_FOR,
    }


def _log(
    name: str,
    key: ec.EllipticCurvePublicKey | ed25519.Ed25519PublicKey,
    key_details: str,
    log_id: bytes,
) -> dict[str, Any]:
    return {
        "baseUrl": f"https://{name}.localhost",
        "hashAlgorithm": "SHA2_256",
        "publicKey": {
            "rawBytes": _base64(keys.public_der(key)),
            "keyDetails": key_details,
            "validFor": _VALID_FOR,
        },
        "logId": {"keyId": _base64(log_id)},
    }


def _base64(content: bytes) -> str:
    return base64.b64encode(content).decode()
