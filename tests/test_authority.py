"""The local Sigstore authority, held against sigstore's own signer and verifier."""

from __future__ import annotations

import base64
import hashlib
import json
import socket
import subprocess
import sys
import types
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from pathlib import Path
from threading import Barrier
from typing import Any
from urllib.parse import urlsplit

import pytest
import requests
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.x509.oid import ExtendedKeyUsageOID
from hypothesis import given
from hypothesis import strategies as st
from rfc3161_client import TimestampRequestBuilder, decode_timestamp_response
from rfc3161_client.base import HashAlgorithm
from sigstore.dsse import DigestSet, Statement, StatementBuilder, Subject
from sigstore.errors import VerificationError
from sigstore.models import Bundle, ClientTrustConfig, TrustedRoot
from sigstore.oidc import IdentityToken
from sigstore.sign import Signer, SigningContext
from sigstore.verify import Verifier, policy

from stigmem_plugins.testing.sigstore import (
    GITHUB_ISSUER,
    LocalAuthority,
    ServedAuthority,
    der,
    identities,
)

WORKFLOW = "https://github.com/acme/repo/.github/workflows/release.yml@refs/tags/v1.0"
PIPELINE = "https://gitlab.com/acme/team/repo//.gitlab-ci.yml@refs/heads/main"
SIGNERS = {
    "github": (WORKFLOW, GITHUB_ISSUER),
    "gitlab": (PIPELINE, "https://gitlab.com"),
    "gitlab-tag": (PIPELINE.replace("heads/main", "tags/v1"), "https://gitlab.example"),
    "google": ("dev@example.com", "https://accounts.google.com"),
    "dex": ("dev@example.com", "https://oauth2.sigstore.dev/auth"),
    "spiffe": ("spiffe://example.com/builder", "https://spiffe.example"),
}
ANYONE = policy.UnsafeNoOp()

rekor_versions = pytest.mark.parametrize("rekor", ["v1", "v2"])


def statement(name: str = "a.py") -> Statement:
    digest = DigestSet({"sha256": hashlib.sha256(name.encode()).hexdigest()})
    subject = Subject(name=name, digest=digest)
    return StatementBuilder([subject], "https://example.com/predicate/v1", {"k": "v"}).build()


def verify(
    authority: LocalAuthority, bundle: Bundle, who: policy.VerificationPolicy = ANYONE
) -> Any:
    """Verify as a node does, from what is on the disk; return the statement."""
    verifier = Verifier(trusted_root=authority.trusted_root)
    kind, payload = verifier.verify_dsse(Bundle.from_json(bundle.to_json()), who)
    assert kind == "application/vnd.in-toto+json"
    return json.loads(payload)


def certificate(authority: LocalAuthority, signer: str = "github") -> x509.Certificate:
    identity, issuer = SIGNERS[signer]
    bundle = authority.sign_statement(statement(), identity=identity, issuer=issuer)
    return bundle.signing_certificate


@pytest.fixture(autouse=True)
def _no_proxy(monkeypatch: pytest.MonkeyPatch) -> None:
    """The server is on this machine, whatever its settings."""
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")


# What it signs, sigstore verifies


@rekor_versions
def test_a_statement_signed_in_process_verifies(rekor) -> None:
    """The unmodified verifier returns the payload, of each of many entries of one log."""
    authority = LocalAuthority(rekor=rekor)
    for index in range(9):
        bundle = authority.sign_statement(statement(f"{index}.py"), identity=WORKFLOW)
        assert verify(authority, bundle)["subject"][0]["name"] == f"{index}.py"
        assert bundle.log_entry._inner.log_index == index


@rekor_versions
def test_a_statement_signed_over_http_verifies(rekor, tmp_path: Path) -> None:
    """The unmodified signing context needs no more than the client trust configuration."""
    authority = LocalAuthority(rekor=rekor)
    with authority.serve() as served:
        written = served.write_trust_config(tmp_path / "config.json")
        config = ClientTrustConfig.from_json(written.read_text())
        context = SigningContext.from_trust_config(config)
        with context.signer(IdentityToken(authority.identity_token(WORKFLOW))) as signer:
            bundle = signer.sign_dsse(statement())
    assert verify(authority, bundle, policy.Identity(identity=WORKFLOW))["predicate"] == {"k": "v"}
    timestamped = bundle.verification_material.timestamp_verification_data is not None
    assert timestamped == (rekor == "v2")


@rekor_versions
def test_an_artifact_verifies(rekor) -> None:
    """Files can be signed as well as statements."""
    authority = LocalAuthority(rekor=rekor)
    with authority.signer(WORKFLOW) as signer:
        assert type(signer) is Signer
        bundle = signer.sign_artifact(b"content")
    verifier = Verifier(trusted_root=authority.trusted_root)
    verifier.verify_artifact(b"content", bundle, ANYONE)
    with pytest.raises(VerificationError):
        verifier.verify_artifact(b"other", bundle, ANYONE)


def test_the_time_is_told_by_the_log_or_by_the_timestamp_authority() -> None:
    """Rekor v1 has an integrated time and a promise; v2 comes with a timestamp instead."""
    old = LocalAuthority(rekor="v1").sign_statement(statement(), identity=WORKFLOW)
    assert old.log_entry._inner.integrated_time
    assert old.log_entry._inner.inclusion_promise
    assert old.verification_material.timestamp_verification_data is None
    new = LocalAuthority(rekor="v2").sign_statement(statement(), identity=WORKFLOW)
    assert new.log_entry._inner.integrated_time is None
    assert new.log_entry._inner.inclusion_promise is None
    timestamps = new.verification_material.timestamp_verification_data
    assert timestamps
    assert len(timestamps.rfc3161_timestamps) == 1


@rekor_versions
def test_threads_sign_at_once(rekor) -> None:
    """The served log gives each entry an index of its own, and every proof holds."""
    authority = LocalAuthority(rekor=rekor)

    def sign(name: str) -> Bundle:
        context = SigningContext.from_trust_config(config)
        with context.signer(IdentityToken(authority.identity_token(WORKFLOW))) as signer:
            return signer.sign_dsse(statement(name))

    with authority.serve() as served, ThreadPoolExecutor(4) as pool:
        config = ClientTrustConfig.from_json(served.trust_config_json())
        bundles = list(pool.map(sign, "abcdefgh"))
    assert sorted(bundle.log_entry._inner.log_index for bundle in bundles) == list(range(8))
    for bundle in bundles:
        verify(authority, bundle)


def test_signing_in_process_does_not_depend_on_the_machine(tmp_path: Path, monkeypatch) -> None:
    """Neither on its proxies nor on its passwords."""
    (tmp_path / "netrc").write_text("default login me password secret\n")
    monkeypatch.setenv("NETRC", str(tmp_path / "netrc"))
    monkeypatch.setenv("HTTPS_PROXY", "http://127.0.0.1:9")
    authority = LocalAuthority()
    verify(authority, authority.sign_statement(statement(), identity=WORKFLOW))


# What it does not sign, sigstore refuses


@rekor_versions
def test_nobody_else_trusts_it(rekor) -> None:
    """The root of another authority refuses the bundle."""
    bundle = LocalAuthority(rekor=rekor).sign_statement(statement(), identity=WORKFLOW)
    with pytest.raises(VerificationError):
        verify(LocalAuthority(rekor=rekor), bundle)


@rekor_versions
def test_a_changed_statement_is_refused(rekor) -> None:
    """The payload is bound to the signature."""
    authority = LocalAuthority(rekor=rekor)
    raw = json.loads(authority.sign_statement(statement(), identity=WORKFLOW).to_json())
    other = authority.sign_statement(statement("b.py"), identity=WORKFLOW)
    raw["dsseEnvelope"]["payload"] = json.loads(other.to_json())["dsseEnvelope"]["payload"]
    with pytest.raises(VerificationError):
        verify(authority, Bundle.from_json(json.dumps(raw)))


@rekor_versions
def test_a_certificate_that_had_expired_when_it_was_logged_is_refused(rekor) -> None:
    """A log that is later than the certificate lasts makes such bundles."""
    late = LocalAuthority(
        rekor=rekor, certificate_lifetime=timedelta(minutes=2), log_delay=timedelta(minutes=3)
    )
    bundle = late.sign_statement(statement(), identity=WORKFLOW)
    with pytest.raises(VerificationError, match=r"expired|not valid at"):
        verify(late, bundle)
    in_time = LocalAuthority(
        rekor=rekor, certificate_lifetime=timedelta(minutes=3), log_delay=timedelta(minutes=2)
    )
    verify(in_time, in_time.sign_statement(statement(), identity=WORKFLOW))


@rekor_versions
def test_an_old_bundle_verifies(rekor) -> None:
    """With an earlier clock, certificate, log and timestamps are old, and agree."""
    then = datetime(2020, 2, 29, 12, 0, tzinfo=UTC)
    elsewhere = then.astimezone(tz=datetime.strptime("+0530", "%z").tzinfo)
    authority = LocalAuthority(rekor=rekor, now=lambda: elsewhere)
    with authority.signer(WORKFLOW) as signer:
        bundles = [signer.sign_dsse(statement(name)) for name in ("a.py", "b.py")]
    for bundle in bundles:
        verify(authority, bundle)
        scts = bundle.signing_certificate.extensions.get_extension_for_class(
            x509.PrecertificateSignedCertificateTimestamps
        )
        assert [sct.timestamp.replace(tzinfo=UTC) for sct in scts.value] == [then]
        assert bundle.signing_certificate.not_valid_before_utc == then
        assert bundle.signing_certificate.not_valid_after_utc == then + timedelta(minutes=10)
        timestamps = bundle.verification_material.timestamp_verification_data
        if rekor == "v1":
            assert bundle.log_entry._inner.integrated_time == then.timestamp()
        else:
            assert timestamps
            assert timestamps.rfc3161_timestamps[0].tst_info.gen_time == then


# Identities


@pytest.mark.parametrize("signer", SIGNERS)
@rekor_versions
def test_identity_and_issuer_are_those_that_were_asked_for(rekor, signer) -> None:
    """sigstore's policies accept them and refuse all others."""
    identity, issuer = SIGNERS[signer]
    authority = LocalAuthority(rekor=rekor)
    bundle = authority.sign_statement(statement(), identity=identity, issuer=issuer)
    verify(authority, bundle, policy.Identity(identity=identity, issuer=issuer))
    verify(authority, bundle, policy.OIDCIssuerV2(issuer))
    for wrong in (
        policy.Identity(identity=identity + "x"),
        policy.Identity(identity=identity, issuer=issuer + "/x"),
        policy.OIDCIssuerV2(issuer + "/x"),
    ):
        with pytest.raises(VerificationError):
            verify(authority, bundle, wrong)


@pytest.mark.parametrize(
    ("signer", "expected"),
    [
        (
            "github",
            {
                policy.OIDCBuildSignerURI: WORKFLOW,
                policy.OIDCSourceRepositoryURI: "https://github.com/acme/repo",
                policy.OIDCSourceRepositoryRef: "refs/tags/v1.0",
                policy.OIDCSourceRepositoryOwnerURI: "https://github.com/acme",
                policy.OIDCBuildConfigURI: WORKFLOW,
                policy.GitHubWorkflowRepository: "acme/repo",
                policy.GitHubWorkflowRef: "refs/tags/v1.0",
            },
        ),
        (
            "gitlab",
            {
                policy.OIDCBuildSignerURI: PIPELINE,
                policy.OIDCSourceRepositoryURI: "https://gitlab.com/acme/team/repo",
                policy.OIDCSourceRepositoryRef: "refs/heads/main",
                policy.OIDCSourceRepositoryOwnerURI: "https://gitlab.com/acme/team",
                policy.OIDCBuildConfigURI: PIPELINE,
            },
        ),
    ],
)
def test_a_workflow_is_described_as_fulcio_does(signer, expected) -> None:
    """sigstore's policies find repository, ref, owner and workflow in the certificate."""
    leaf = certificate(LocalAuthority(), signer)
    for kind, value in expected.items():
        kind(value).verify(leaf)
        with pytest.raises(VerificationError):
            kind(value + "x").verify(leaf)


def test_a_certificate_has_fulcios_profile() -> None:
    """An empty subject, a critical alternative name, and no use but code signing."""
    leaf = certificate(LocalAuthority())
    assert leaf.subject == x509.Name([])
    names = leaf.extensions.get_extension_for_class(x509.SubjectAlternativeName)
    assert names.critical
    assert list(names.value) == [x509.UniformResourceIdentifier(WORKFLOW)]
    usage = leaf.extensions.get_extension_for_class(x509.KeyUsage)
    assert usage.critical
    assert usage.value.digital_signature
    assert not usage.value.key_cert_sign
    purposes = leaf.extensions.get_extension_for_class(x509.ExtendedKeyUsage)
    assert list(purposes.value) == [ExtendedKeyUsageOID.CODE_SIGNING]
    oids = [extension.oid.dotted_string for extension in leaf.extensions]
    assert oids[-1] == "1.3.6.1.4.1.11129.2.4.2"
    assert {"2.5.29.14", "2.5.29.35"} < set(oids)
    assert leaf.not_valid_after_utc - leaf.not_valid_before_utc == timedelta(minutes=10)


@pytest.mark.parametrize("signer", ["google", "spiffe"])
def test_other_holders_are_described_by_their_issuer_alone(signer) -> None:
    """An e-mail address is an RFC 822 name; there are no extensions about workflows."""
    leaf = certificate(LocalAuthority(), signer)
    names = leaf.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    kind = x509.RFC822Name if signer == "google" else x509.UniformResourceIdentifier
    assert names.get_values_for_type(kind) == [SIGNERS[signer][0]]
    fulcio = [
        extension.oid.dotted_string.removeprefix("1.3.6.1.4.1.57264.1.")
        for extension in leaf.extensions
        if extension.oid.dotted_string.startswith("1.3.6.1.4.1.57264.1.")
    ]
    assert fulcio == ["1", "8"]


@pytest.mark.parametrize(
    ("signer", "expected"),
    [
        (
            "github",
            {
                "sub": "repo:acme/repo:ref:refs/tags/v1.0",
                "job_workflow_ref": "acme/repo/.github/workflows/release.yml@refs/tags/v1.0",
            },
        ),
        (
            "gitlab",
            {
                "sub": "project_path:acme/team/repo:ref_type:branch:ref:main",
                "ci_config_ref_uri": PIPELINE.removeprefix("https://"),
            },
        ),
        ("gitlab-tag", {"sub": "project_path:acme/team/repo:ref_type:tag:ref:v1"}),
        ("google", {"sub": "dev@example.com", "email": "dev@example.com"}),
        ("spiffe", {"sub": "spiffe://example.com/builder"}),
    ],
)
def test_a_token_has_the_claims_of_its_issuer(signer, expected) -> None:
    """sigstore takes the token, and finds in it what the issuer would say."""
    identity, issuer = SIGNERS[signer]
    token = IdentityToken(LocalAuthority().identity_token(identity, issuer))
    assert token.issuer == issuer
    assert token._unverified_claims.items() >= expected.items()


def test_github_vouches_for_workflows_alone() -> None:
    """An e-mail address needs its issuer; the error says so, and how a workflow is written."""
    with pytest.raises(ValueError, match=r"'dev@example.com'.*OWNER/REPOSITORY.*issuer="):
        LocalAuthority().identity_token("dev@example.com")


@pytest.mark.parametrize("identity", ["", "dev", "dév@example.com", "two words@example.com"])
def test_an_identity_is_one_that_a_certificate_can_name(identity) -> None:
    """The error comes before anything is signed, and names the identity."""
    with pytest.raises(ValueError, match=f"URI or an e-mail address.*'{identity}'"):
        LocalAuthority().identity_token(identity, "https://accounts.google.com")


# What the services refuse


@pytest.fixture(scope="module", params=["v1", "v2"])
def authority(request: pytest.FixtureRequest) -> LocalAuthority:
    return LocalAuthority(rekor=request.param)


@pytest.fixture(scope="module")
def served(authority: LocalAuthority) -> Iterator[ServedAuthority]:
    with authority.serve() as served:
        yield served


def post(served: ServedAuthority, path: str, body: bytes, token: str = "") -> tuple[int, str]:
    """Return the status, and the reason if there is one."""
    headers = {"Authorization": f"Bearer {token}"}
    response = requests.post(f"{served.url}{path}", data=body, headers=headers, timeout=10)
    if response.status_code < 400:
        return response.status_code, ""
    assert response.json()["code"] == response.status_code
    return response.status_code, response.json()["message"]


def entries(authority: LocalAuthority) -> str:
    return f"/api/v{authority._services.rekor.version}/log/entries"


def csr(key: ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey, *, forged: bool = False) -> bytes:
    request = x509.CertificateSigningRequestBuilder().subject_name(x509.Name([]))
    encoded = request.sign(key, hashes.SHA256()).public_bytes(serialization.Encoding.DER)
    if forged:
        encoded = encoded[:-1] + bytes([encoded[-1] ^ 1])
    pem = x509.load_der_x509_csr(encoded).public_bytes(serialization.Encoding.PEM)
    return json.dumps({"certificateSigningRequest": base64.b64encode(pem).decode()}).encode()


def self_signed(key: ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey) -> x509.Certificate:
    now = datetime.now(UTC)
    return (
        x509.CertificateBuilder()
        .subject_name(x509.Name([]))
        .issuer_name(x509.Name([]))
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(now)
        .not_valid_after(now + timedelta(minutes=1))
        .sign(key, hashes.SHA256())
    )


EC_KEY = ec.generate_private_key(ec.SECP256R1())
OTHER_EC_KEY = ec.generate_private_key(ec.SECP256R1())
RSA_KEY = rsa.generate_private_key(65537, 2048)


def entry(
    authority: LocalAuthority,
    *,
    key: ec.EllipticCurvePrivateKey = EC_KEY,
    holder: ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey = EC_KEY,
    signatures: int = 1,
) -> bytes:
    """Propose a statement for the log, signed by `key`, with a certificate for `holder`."""
    payload = b"{}"
    signed = b"DSSEv1 28 application/vnd.in-toto+json 2 {}"
    signature = base64.b64encode(key.sign(signed, ec.ECDSA(hashes.SHA256()))).decode()
    certificate = self_signed(holder)
    if authority._services.rekor.version == 1:
        envelope = {
            "payload": base64.b64encode(payload).decode(),
            "payloadType": "application/vnd.in-toto+json",
            "signatures": [{"sig": signature}] * signatures,
        }
        pem = base64.b64encode(certificate.public_bytes(serialization.Encoding.PEM)).decode()
        proposed = {"envelope": json.dumps(envelope), "verifiers": [pem]}
        spec = {"proposedContent": proposed}
        return json.dumps({"apiVersion": "0.0.1", "kind": "dsse", "spec": spec}).encode()
    raw = base64.b64encode(certificate.public_bytes(serialization.Encoding.DER)).decode()
    verifier = {"x509Certificate": {"rawBytes": raw}, "keyDetails": "PKIX_ECDSA_P256_SHA_256"}
    request = {
        "digest": base64.b64encode(hashlib.sha256(signed).digest()).decode(),
        "signature": {"content": signature, "verifier": verifier},
    }
    return json.dumps({"hashedRekordRequestV002": request}).encode()


def test_junk_is_answered(
    authority: LocalAuthority, served: ServedAuthority, capfd: pytest.CaptureFixture[str]
) -> None:
    """Every endpoint says 400 to what it cannot read, and prints nothing."""
    token = authority.identity_token(WORKFLOW)
    nested = b"[" * 100_000
    for junk in (b"", b"{}", b"[]", b"null", b"\xff", b'{"kind": 1}', nested, b"\0" * 10_000):
        for path in ("/api/v2/signingCert", entries(authority), "/api/v1/timestamp"):
            status, reason = post(served, path, junk, token)
            assert (status, bool(reason)) == (400, True), (path, junk[:10])
    assert capfd.readouterr() == ("", "")


def test_what_is_not_served_is_not_found(
    authority: LocalAuthority, served: ServedAuthority
) -> None:
    """Other paths are 404, other methods 405."""
    assert post(served, "/api/v1/log", b"")[0] == 404
    other = "/api/v1/log/entries" if "v2" in entries(authority) else "/api/v2/log/entries"
    assert post(served, other, entry(authority))[0] == 404
    for method in ("DELETE", "GET", "HEAD", "OPTIONS", "PATCH", "PUT"):
        for path in ("/api/v2/signingCert", entries(authority), "/api/v1/timestamp"):
            reply = requests.request(method, served.url + path, timeout=10)
            assert reply.status_code == 405, (method, path)


def test_a_size_that_is_none_is_refused(served: ServedAuthority) -> None:
    """The server does not read on until the connection ends."""
    with socket.create_connection((urlsplit(served.url).hostname, urlsplit(served.url).port)) as to:
        to.sendall(b"POST /api/v1/timestamp HTTP/1.0\r\nContent-Length: -1\r\n\r\n")
        reply = to.makefile("rb").read()
    assert reply.startswith(b"HTTP/1.0 400 ")
    assert b"Content-Length is no size: -1" in reply


def test_a_client_that_hangs_up_leaves_no_trace(
    served: ServedAuthority, capfd: pytest.CaptureFixture[str]
) -> None:
    """A broken connection is not an error of the test that uses the authority."""
    address = (urlsplit(served.url).hostname, urlsplit(served.url).port)
    for _ in range(5):
        with socket.create_connection(address) as to:
            to.sendall(b"POST /api/v1/timestamp HTTP/1.0\r\nContent-Length: 9\r\n\r\n")
            # Closing with this option sends a reset.
            to.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
    assert post(served, "/api/v1/timestamp", b"")[0] == 400
    assert capfd.readouterr() == ("", "")


def test_a_burst_of_clients_is_answered(served: ServedAuthority) -> None:
    """As many as a parallel test run has: none waits until its connection times out."""
    clients = 60
    address = (urlsplit(served.url).hostname, urlsplit(served.url).port)
    start = Barrier(clients)

    def ask(_: int) -> bytes:
        start.wait()
        with socket.create_connection(address, timeout=5) as to:
            to.sendall(b"POST / HTTP/1.0\r\n\r\n")
            return to.makefile("rb").readline()

    with ThreadPoolExecutor(clients) as pool:
        replies = list(pool.map(ask, range(clients)))
    assert replies == [b"HTTP/1.0 404 Not Found\r\n"] * clients


def test_a_valid_entry_is_logged(authority: LocalAuthority, served: ServedAuthority) -> None:
    """The requests that are varied below are good ones."""
    assert post(served, entries(authority), entry(authority)) == (201, "")
    assert post(served, "/api/v2/signingCert", csr(EC_KEY), authority.identity_token(WORKFLOW)) == (
        200,
        "",
    )


@pytest.mark.parametrize(
    ("wrong", "reason"),
    [
        ({"key": OTHER_EC_KEY}, "the signature is not by the key of the certificate"),
        ({"holder": RSA_KEY}, "only certificates of keys on an elliptic curve are known"),
    ],
)
def test_the_log_keeps_no_signature_that_does_not_verify(authority, served, wrong, reason) -> None:
    """The answer says what is wrong with the signature."""
    assert post(served, entries(authority), entry(authority, **wrong)) == (400, reason)


def test_an_envelope_has_one_signature() -> None:
    """As sigstore makes them."""
    authority = LocalAuthority()
    with authority.serve() as served:
        refused = post(served, entries(authority), entry(authority, signatures=2))
    assert refused == (400, "an envelope needs exactly one signature")


def test_the_new_log_keeps_nothing_but_signatures_with_a_certificate() -> None:
    """Neither whole envelopes nor bare public keys."""
    authority = LocalAuthority(rekor="v2")
    request = json.loads(entry(authority))
    verifier = request["hashedRekordRequestV002"]["signature"]["verifier"]
    del verifier["x509Certificate"]
    verifier["publicKey"] = {"rawBytes": "AAAA"}
    envelope = {"payload": "", "payloadType": "", "signatures": []}
    whole = {"dsseRequestV002": {"envelope": envelope, "verifiers": []}}
    with authority.serve() as served:
        refused = post(served, entries(authority), json.dumps(request).encode())
        assert refused == (400, "only signatures with a certificate are kept")
        refused = post(served, entries(authority), json.dumps(whole).encode())
        assert refused == (400, "only hashedrekord entries are kept")


def test_fulcio_certifies_only_who_holds_the_key_and_the_token(
    authority: LocalAuthority, served: ServedAuthority
) -> None:
    """A forged request is 400; a token that is foreign, changed, old or for others is 401."""
    path, token = "/api/v2/signingCert", authority.identity_token(WORKFLOW)
    refused = post(served, path, csr(EC_KEY, forged=True), token)
    assert refused == (400, "the request is not signed with the key it names")
    refused = post(served, path, csr(RSA_KEY), token)
    assert refused == (400, "only keys on an elliptic curve are certified")
    claims = identities.claims(WORKFLOW, GITHUB_ISSUER)
    for wrong in (
        "",
        token + "A",
        LocalAuthority().identity_token(WORKFLOW),
        identities.encode_token(claims | {"exp": claims["iat"]}, authority._secret),
        identities.encode_token(claims | {"nbf": claims["exp"]}, authority._secret),
        identities.encode_token(claims | {"aud": "pypi"}, authority._secret),
    ):
        status, reason = post(served, path, csr(EC_KEY), wrong)
        assert status == 401
        assert reason.startswith("the identity token is ")


def test_an_identity_that_no_certificate_can_name_is_refused(authority: LocalAuthority) -> None:
    """Alternative names are ASCII."""
    claims = identities.claims("dev@example.com", "https://accounts.google.com")
    token = identities.encode_token(claims | {"email": "dév@example.com"}, authority._secret)
    answer = authority._services.answer("POST", "/api/v2/signingCert", token, csr(EC_KEY))
    assert answer.status == 400


@pytest.mark.parametrize("with_certificate", [False, True])
@pytest.mark.parametrize("algorithm", ["sha256", "sha512"])
def test_a_timestamp_answers_its_request(served: ServedAuthority, algorithm, with_certificate):
    """Nonce and digest come back; the certificate too, if it was asked for."""
    request = (
        TimestampRequestBuilder()
        .hash_algorithm(HashAlgorithm[algorithm.upper()])
        .data(b"signature")
        .nonce(nonce=True)
        .cert_request(cert_request=with_certificate)
        .build()
    )
    reply = requests.post(f"{served.url}/api/v1/timestamp", data=request.as_bytes(), timeout=10)
    response = decode_timestamp_response(reply.content)
    assert reply.headers["Content-Type"] == "application/timestamp-reply"
    assert response.tst_info.nonce == request.nonce
    assert (
        response.tst_info.message_imprint.message == hashlib.new(algorithm, b"signature").digest()
    )
    assert len(response.signed_data.certificates) == with_certificate


@pytest.mark.parametrize("hash_number", [2, 8])
def test_only_sha_2_is_timestamped(served: ServedAuthority, hash_number) -> None:
    """Neither a digest that is too long for its hash nor one of another hash."""
    request = TimestampRequestBuilder().data(b"signature").build().as_bytes()
    sha_512 = der.object_identifier(x509.ObjectIdentifier("2.16.840.1.101.3.4.2.3"))
    assert sha_512 in request
    other = request.replace(sha_512, sha_512[:-1] + bytes([hash_number]))
    refused = post(served, "/api/v1/timestamp", other)
    assert refused == (400, "only SHA-256, SHA-384 and SHA-512 digests are timestamped")


GOOD_REQUESTS = {
    path: (authority, path, body)
    for authority in (LocalAuthority(rekor="v1"), LocalAuthority(rekor="v2"))
    for path, body in {
        "/api/v2/signingCert": csr(EC_KEY),
        entries(authority): entry(authority),
        "/api/v1/timestamp": TimestampRequestBuilder().data(b"signature").build().as_bytes(),
    }.items()
}


@given(st.sampled_from(sorted(GOOD_REQUESTS)), st.data())
def test_no_request_breaks_a_service(path, data) -> None:
    """However a good request is damaged, there is an answer, and it is not a fault."""
    authority, path, body = GOOD_REQUESTS[path]
    damaged = bytearray(body)
    for _ in range(data.draw(st.integers(1, 3))):
        start = data.draw(st.integers(0, len(damaged)))
        stop = start + data.draw(st.integers(0, 3))
        damaged[start:stop] = data.draw(st.binary(max_size=3))
    token = authority.identity_token(WORKFLOW)
    answer = authority._services.answer("POST", path, f"Bearer {token}", bytes(damaged))
    assert answer.status in {200, 201, 400}


@given(st.integers())
def test_integers_are_written_as_der(value) -> None:
    """They read back, and take no byte more than they need."""
    encoded = der.integer(value)
    content = encoded[-(len(encoded) - 2) :] if encoded[1] < 0x80 else encoded[3:]
    assert int.from_bytes(content, "big", signed=True) == value
    assert len(content) == 1 or content[0] not in {0x00, 0xFF} or (content[0] ^ content[1]) & 0x80


# Around it


def test_the_server_stops_with_its_block() -> None:
    """Also when the block fails; then the port is free again."""
    seen = []

    def fail():
        with LocalAuthority().serve() as served:
            seen.append(served)
            assert post(served, "/", b"")[0] == 404
            raise RuntimeError("in the block")

    with pytest.raises(RuntimeError, match="in the block"):
        fail()
    with pytest.raises(requests.ConnectionError):
        post(seen[0], "/", b"")


def test_the_trusted_root_is_a_file_like_any_other(tmp_path: Path) -> None:
    """sigstore reads what was written, and then trusts the authority."""
    authority = LocalAuthority()
    written = authority.write_trusted_root(tmp_path / "trusted_root.json")
    assert written == tmp_path / "trusted_root.json"
    assert written.read_text() == authority.trusted_root_json()
    bundle = authority.sign_statement(statement(), identity=WORKFLOW)
    Verifier(trusted_root=TrustedRoot.from_file(str(written))).verify_dsse(bundle, ANYONE)


def test_a_wheel_is_signed_by_the_signer_of_the_identity(tmp_path: Path, monkeypatch) -> None:
    """The path is handed on with a signer for the identity, and comes back."""
    authority = LocalAuthority()
    signed = []

    def sign_wheel(path, signer):
        signed.append((path, signer.sign_dsse(statement())))

    module = types.ModuleType("stigmem_plugins.trust.signing")
    module.sign_wheel = sign_wheel  # type: ignore[attr-defined]  # a stand-in
    monkeypatch.setitem(sys.modules, module.__name__, module)
    wheel = tmp_path / "a.whl"
    identity, issuer = SIGNERS["google"]
    assert authority.sign_wheel(wheel, identity=identity, issuer=issuer) == wheel
    assert [path for path, _ in signed] == [wheel]
    verify(authority, signed[0][1], policy.Identity(identity=identity, issuer=issuer))


def test_testing_helpers_do_not_import_sigstore() -> None:
    """Who signs nothing does not wait for it."""
    code = (
        "import sys, stigmem_plugins.testing, stigmem_plugins.testing.pytest_plugin; "
        "sys.exit('sigstore' in sys.modules)"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


def test_the_fixture_signs(pytester: pytest.Pytester) -> None:
    """An author's tests share one authority for the session."""
    pytester.makepyfile(
        """
        import pytest
        from sigstore.dsse import StatementBuilder, Subject
        from sigstore.verify import Verifier, policy

        WORKFLOW = "https://github.com/acme/repo/.github/workflows/release.yml@refs/tags/v1.0"
        seen = []

        @pytest.mark.parametrize("name", ["a.py", "b.py"])
        def test_is_signed(sigstore_authority, name):
            subject = Subject(name=name, digest={"sha256": "ab" * 32})
            statement = StatementBuilder([subject], "https://example.com/v1", {}).build()
            bundle = sigstore_authority.sign_statement(statement, identity=WORKFLOW)
            verifier = Verifier(trusted_root=sigstore_authority.trusted_root)
            verifier.verify_dsse(bundle, policy.Identity(identity=WORKFLOW))
            seen.append(sigstore_authority)

        def test_is_shared():
            assert seen[0] is seen[1]
        """
    )
    pytester.runpytest_inprocess("-p", "no:randomly", "-W", "error").assert_outcomes(passed=3)
