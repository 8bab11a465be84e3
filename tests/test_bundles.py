"""Bundles, real ones and mutated ones, and the trusted root that they are held against."""

from __future__ import annotations

import base64
import json
import random
from collections.abc import Iterator
from datetime import UTC, datetime
from importlib import resources
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec

from stigmem_plugins import PluginSettings, PluginSignatureError, StigmemPluginError
from stigmem_plugins.discovery import BUNDLE_NAME, InstalledDistribution, installed_distributions
from stigmem_plugins.testing.sigstore import LocalAuthority
from stigmem_plugins.trust import bundle as bundles
from stigmem_plugins.trust.bundle import BundleVerifier
from stigmem_plugins.trust.refresh import PRODUCTION
from stigmem_plugins.trust.root import PINNED, TrustedRootFile
from stigmem_plugins.trust.statement import PluginStatement
from stigmem_plugins.trust.unverified import Unverified
from stigmem_plugins.trust.vetting import TrustTerms, vet
from tests.signed import PUBLISHER, good_wheel, in_toto, unpack

DATA = Path(__file__).parent / "data/bundles"
GITHUB = "https://token.actions.githubusercontent.com"
MUTATIONS = 2000


def real(name: str) -> dict[str, Any]:
    """A bundle that somebody else made; of a PEP 740 attestation the bundle of its parts."""
    document: dict[str, Any] = json.loads((DATA / name).read_bytes())
    if "envelope" not in document:
        return document
    envelope, material = document["envelope"], document["verification_material"]
    return {
        "mediaType": "application/vnd.dev.sigstore.bundle.v0.3+json",
        "verificationMaterial": {
            "certificate": {"rawBytes": material["certificate"]},
            "tlogEntries": material["transparency_entries"],
        },
        "dsseEnvelope": {
            "payload": envelope["statement"],
            "payloadType": "application/vnd.in-toto+json",
            "signatures": [{"sig": envelope["signature"]}],
        },
    }


def pinned() -> BundleVerifier:
    return BundleVerifier.of(TrustedRootFile.in_force(None))


TRAILOFBITS = "https://github.com/trailofbits"
REAL = {
    "pypi_attestation_models-0.0.4a2.sigstore.json": (
        f"{TRAILOFBITS}/pypi-attestation-models/.github/workflows/release.yml@refs/tags/v0.0.4a2",
        GITHUB,
    ),
    "pypi_attestations-0.0.19.slsa.attestation.json": (
        f"{TRAILOFBITS}/pypi-attestations/.github/workflows/release.yml@refs/tags/v0.0.19",
        GITHUB,
    ),
    "gitlab_oidc_project-0.0.3.attestation.json": (
        "https://gitlab.com/facutuesca/gitlab-oidc-project//.gitlab-ci.yml@refs/heads/main",
        "https://gitlab.com",
    ),
}


@pytest.mark.parametrize("name", REAL)
def test_real_bundles_verify_offline_against_the_pinned_root(name: str) -> None:
    """Identity and issuer are the ones that their certificates carry."""
    kind, payload, signer = pinned().open(json.dumps(real(name)).encode())
    assert kind == "application/vnd.in-toto+json"
    assert json.loads(payload)["_type"] == "https://in-toto.io/Statement/v1"
    assert (signer.identity, signer.issuer) == REAL[name]
    if signer.identity.startswith("https://"):
        assert signer.identity.startswith(f"{signer.repository}/")
        assert (signer.workflow or "").startswith(f"{signer.repository}/")
    else:
        assert (signer.repository, signer.workflow) == (None, None)


@pytest.mark.parametrize("name", REAL)
def test_a_real_signature_of_something_else_is_no_plugins(name: str) -> None:
    """It verifies, and says nothing about a plugin."""
    with pytest.raises(Unverified, match="statement about something else"):
        pinned().verify(json.dumps(real(name)).encode())


@pytest.mark.parametrize("name", REAL)
def test_a_real_bundle_with_another_payload_is_refused(name: str) -> None:
    """One bit of the statement is changed."""
    document = real(name)
    payload = bytearray(base64.b64decode(document["dsseEnvelope"]["payload"]))
    payload[len(payload) // 2] ^= 1
    document["dsseEnvelope"]["payload"] = base64.b64encode(payload).decode()
    with pytest.raises(
        Unverified, match="signature does not verify against the root pinned"
    ) as refused:
        pinned().open(json.dumps(document).encode())
    assert "install it anew" in (refused.value.fix or "")
    assert "name another in STIGMEM_PLUGIN_TRUSTED_ROOT" in (refused.value.fix or "")


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> tuple[InstalledDistribution, TrustTerms]:
    """The good plugin, installed, and terms that accept it."""
    place, authority = tmp_path_factory.mktemp("bundles"), LocalAuthority()
    site = unpack(good_wheel(place, authority), place / "site")
    (found,) = installed_distributions(plugin_dir=str(site))
    root = authority.write_trusted_root(place / "root.json")
    settings = PluginSettings(plugin_trusted_publishers=(PUBLISHER,), plugin_trusted_root=str(root))
    return found, TrustTerms.of(settings)


def leaves(document: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """The ways to all places of a JSON document."""
    items = (
        document.items()
        if isinstance(document, dict)
        else enumerate(document)
        if isinstance(document, list)
        else ()
    )
    for key, value in items:
        yield (*path, key)
        yield from leaves(value, (*path, key))


def mutated(text: bytes, chance: random.Random) -> bytes:
    """A bundle with something wrong in it: bytes, structure, or the bytes within a field."""
    kind = chance.randrange(4)
    if kind == 0:
        data = bytearray(text)
        for _ in range(chance.randrange(1, 4)):
            data[chance.randrange(len(data))] = chance.randrange(256)
        return bytes(data)
    if kind == 1:
        start = chance.randrange(len(text))
        return text[:start] + text[start + chance.randrange(1, 200) :]
    document = json.loads(text)
    *way, last = chance.choice(list(leaves(document)))
    place = document
    for key in way:
        place = place[key]
    if kind == 2:
        wrong: list[Any] = [None, "", 0, -1, [], {}, "AAAA", "é", 2**70, 1.5, True]
        place[last] = chance.choice(wrong)
        if chance.random() < 0.3:
            del place[last]
    elif isinstance(place[last], str):
        try:
            data = bytearray(base64.b64decode(place[last]) or b"\0")
        except ValueError:
            data = bytearray(place[last].encode())
        data[chance.randrange(len(data))] ^= 1 << chance.randrange(8)
        place[last] = base64.b64encode(data).decode()
    return json.dumps(document).encode()


def essence(text: bytes) -> tuple[Any, ...]:
    """Payload, signature and certificate of a bundle."""
    document = json.loads(text)
    envelope = document["dsseEnvelope"]
    certificate = document["verificationMaterial"]["certificate"]["rawBytes"]
    fields = (envelope["payload"], *(each["sig"] for each in envelope["signatures"]), certificate)
    return (envelope["payloadType"], *map(base64.b64decode, fields))


def test_no_mutation_gets_anything_else_accepted(
    installed: tuple[InstalledDistribution, TrustTerms],
) -> None:
    """2,000 mutated bundles: whatever is refused is a PluginSignatureError, nothing else comes."""
    distribution, terms = installed
    assert distribution.info is not None
    file, chance, refused = distribution.info / BUNDLE_NAME, random.Random(2026), 0
    original = file.read_bytes()
    try:
        for _ in range(MUTATIONS):
            text = mutated(original, chance)
            file.write_bytes(text)
            (vetted,) = vet([distribution], terms)
            if vetted.error is None:
                assert essence(text) == essence(original)
                assert vetted.signed_by == PUBLISHER
            else:
                assert type(vetted.error) is PluginSignatureError
                assert vetted.signed_by == "unsigned"
                refused += 1
    finally:
        file.write_bytes(original)
    (vetted,) = vet([distribution], terms)
    assert vetted.error is None
    assert refused > MUTATIONS * 0.8


def test_a_certificate_must_say_who_signed_and_who_vouches_for_it() -> None:
    """A root whose authority issues others could not be held against publishers."""
    key = ec.generate_private_key(ec.SECP256R1())
    now, nobody = datetime.now(UTC), x509.Name([])
    builder = (
        x509.CertificateBuilder(nobody, nobody, key.public_key())
        .serial_number(1)
        .not_valid_before(now)
        .not_valid_after(now)
    )
    names: list[list[x509.GeneralName]] = [
        [x509.RFC822Name("ada@example.com")],
        [x509.RFC822Name("ada@example.com"), x509.RFC822Name("bob@example.com")],
        [x509.DirectoryName(nobody)],
    ]
    for each in names:
        named = builder.add_extension(x509.SubjectAlternativeName(each), critical=True)
        with pytest.raises(ValueError, match=r"does not say who signed|too many values"):
            bundles._ReadSigner().verify(named.sign(key, hashes.SHA256()))


def test_a_bundle_of_any_size_is_no_burden(monkeypatch: pytest.MonkeyPatch) -> None:
    """A larger one than any wheel needs is not parsed."""
    monkeypatch.setattr(bundles, "LARGEST_BUNDLE", 100)
    with pytest.raises(Unverified, match="its bundle has 101 bytes, more than 100"):
        pinned().open(b" " * 101)


@pytest.mark.parametrize("rekor", ["v1", "v2"])
@pytest.mark.parametrize("year", [2001, 2099])
def test_a_clock_that_is_far_off_changes_nothing(rekor: Any, year: int) -> None:
    """Bundles are judged by the time that log and timestamps give, not by the node's clock."""
    now = datetime(year, 6, 1, tzinfo=UTC)
    authority = LocalAuthority(rekor=rekor, now=lambda: now)
    statement = in_toto(PluginStatement("example", "1", {"a.py": "0" * 64}, ()))
    bundle = authority.sign_statement(statement, identity=PUBLISHER)
    verifier = BundleVerifier("local", lambda: authority.trusted_root)
    assert verifier.verify(bundle.to_json().encode()).signer.identity == PUBLISHER


def test_the_pinned_root_is_the_one_that_sigstore_carries() -> None:
    """And so is the TUF root that refreshing starts from."""
    ours = resources.files("stigmem_plugins.trust") / "data"
    theirs = resources.files("sigstore") / "_store" / quote(PRODUCTION, safe="")
    for name, their_name in [
        ("trusted_root.json", "trusted_root.json"),
        ("tuf_root.json", "root.json"),
    ]:
        assert (ours / name).read_bytes() == (theirs / their_name).read_bytes()


@pytest.mark.parametrize(
    "content", [b"", b"{}", b"[]", b"\xff", b'{"tlogs": 3}', b'{"tlogs": [{}]}']
)
def test_a_root_that_is_none_is_named(tmp_path: Path, content: bytes) -> None:
    """With the command that gets it anew."""
    path = tmp_path / "root.json"
    path.write_bytes(content)
    with pytest.raises(StigmemPluginError) as raised:
        TrustedRootFile.in_force(str(path)).read()
    assert str(path) in raised.value.message
    assert "STIGMEM_PLUGIN_TRUSTED_ROOT" in (raised.value.fix or "")


@pytest.mark.parametrize("without", ["certificateAuthorities", "tlogs"])
def test_a_root_without_keys_is_named(tmp_path: Path, without: str) -> None:
    """When the first bundle is to be verified."""
    document = json.loads(LocalAuthority().trusted_root_json())
    document[without] = []
    path = tmp_path / "root.json"
    path.write_text(json.dumps(document))
    with pytest.raises(StigmemPluginError, match=r"root\.json has no keys to use now") as raised:
        BundleVerifier.of(TrustedRootFile.in_force(str(path))).open(b"{}")
    assert "trust refresh" in (raised.value.fix or "")


def test_a_root_that_is_not_there_is_named(tmp_path: Path) -> None:
    """Before anything is verified."""
    with pytest.raises(StigmemPluginError, match="cannot read the trusted root"):
        TrustedRootFile.in_force(str(tmp_path / "absent.json"))


def test_the_services_of_a_root_can_be_listed(tmp_path: Path) -> None:
    """Of the pinned one and of an operator's own."""
    root = TrustedRootFile.in_force(None)
    assert root.origin == PINNED
    assert "https://rekor.sigstore.dev, since 2021-01-12" in root.services()["transparency log"]
    own = LocalAuthority().write_trusted_root(tmp_path / "root.json")
    assert TrustedRootFile.in_force(str(own)).services()["timestamp authority"] == [
        "https://tsa.localhost, 2000-01-01 to 2100-01-01"
    ]
    (tmp_path / "nameless.json").write_text('{"certificateAuthorities": [{"validFor": {}}]}')
    nameless = TrustedRootFile.in_force(str(tmp_path / "nameless.json")).services()
    assert nameless["certificate authority"] == ["unnamed, since ?"]
    (tmp_path / "text.json").write_text("no JSON", "utf-8")
    with pytest.raises(StigmemPluginError) as malformed:
        TrustedRootFile.in_force(str(tmp_path / "text.json")).read()
    assert "text.json is none: ValidationError: 1 validation error" in malformed.value.message
    assert not [odd for odd in ("\n", "https:", "no JSON") if odd in malformed.value.message]
    (tmp_path / "odd.json").write_text('{"tlogs": [{"baseUrl": "x"}]}')
    with pytest.raises(StigmemPluginError, match="is none"):
        TrustedRootFile.in_force(str(tmp_path / "odd.json")).services()
