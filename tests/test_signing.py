"""Signing wheels, and verifying them before they are installed."""

from __future__ import annotations

import csv
import io
import json
import os
import stat
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from stigmem_plugins import StigmemPluginError
from stigmem_plugins.testing.sigstore import LocalAuthority
from stigmem_plugins.testing.wheels import build_wheel
from stigmem_plugins.trust import signing
from stigmem_plugins.trust import wheel as wheels
from stigmem_plugins.trust.bundle import BundleVerifier
from stigmem_plugins.trust.declare import declared
from stigmem_plugins.trust.files import check_metadata
from stigmem_plugins.trust.statement import PluginStatement
from stigmem_plugins.trust.unverified import Unverified
from stigmem_plugins.trust.wheel import read_wheel, verify_wheel
from tests.signed import PUBLISHER, good_wheel, plugin_files, sign_anyway

BUNDLE = "good_plugin-1.0.0.dist-info/stigmem-plugin.sigstore.json"
RECORD = "good_plugin-1.0.0.dist-info/RECORD"


@pytest.fixture(scope="module")
def authority() -> LocalAuthority:
    return LocalAuthority(rekor="v2")


@pytest.fixture
def verifier(authority: LocalAuthority) -> BundleVerifier:
    return BundleVerifier("local", lambda: authority.trusted_root)


def members(wheel: Path) -> dict[str, bytes]:
    with zipfile.ZipFile(wheel) as archive:
        assert archive.testzip() is None
        return {name: archive.read(name) for name in archive.namelist()}


def rewrite(wheel: Path, changes: Mapping[str, bytes | None]) -> Path:
    """Change files of a wheel without a word to anybody."""
    contents = {**members(wheel), **changes}
    with zipfile.ZipFile(wheel, "w") as archive:
        for path, data in contents.items():
            if data is not None:
                archive.writestr(path, data)
    return wheel


def test_a_signed_wheel_says_what_its_plugins_declare(
    tmp_path: Path, authority: LocalAuthority, verifier: BundleVerifier
) -> None:
    """Every file but RECORD and the bundle is a subject, and each plugin is in the predicate."""
    wheel = good_wheel(tmp_path)
    before = members(wheel)
    signed = verify_wheel(authority.sign_wheel(wheel, identity=PUBLISHER), verifier)
    assert signed.signer.identity == PUBLISHER
    assert signed.statement.files.keys() == before.keys() - {RECORD}
    assert signed.statement.predicate() == {
        "distribution": "good-plugin",
        "version": "1.0.0",
        "plugins": {
            "good": {
                "factory": "good_plugin:plugin_manifest",
                "name": "good-plugin",
                "version": "1.0.0",
                "requires_stigmem": ">=0.9.0a1",
                "capabilities": ["audit.emit"],
                "hooks": ["capability_check"],
                "depends_on": [],
            }
        },
    }


def test_only_the_bundle_and_its_row_in_record_are_added(
    tmp_path: Path, authority: LocalAuthority
) -> None:
    """Everything else is as it was, times and permissions included; nothing is left beside."""
    wheel = good_wheel(tmp_path)
    wheel.chmod(0o640)
    before = members(wheel)
    authority.sign_wheel(wheel, identity=PUBLISHER)
    after = members(wheel)
    assert {k: v for k, v in after.items() if k not in {BUNDLE, RECORD}} == {
        k: v for k, v in before.items() if k != RECORD
    }
    rows = list(csv.reader(io.StringIO(after[RECORD].decode())))
    assert [row for row in rows if row[0] != BUNDLE] == list(
        csv.reader(io.StringIO(before[RECORD].decode()))
    )
    ((_, digest, size),) = [row for row in rows if row[0] == BUNDLE]
    assert digest.startswith("sha256=")
    assert int(size) == len(after[BUNDLE])
    assert stat.S_IMODE(wheel.stat().st_mode) == 0o640
    assert list(tmp_path.iterdir()) == [wheel]


def test_signing_again_replaces_the_signature(
    tmp_path: Path, authority: LocalAuthority, verifier: BundleVerifier
) -> None:
    """There is one bundle, and one row for it."""
    wheel = good_wheel(tmp_path, authority)
    authority.sign_wheel(wheel, identity="ada@example.com", issuer="https://accounts.google.com")
    assert verify_wheel(wheel, verifier).signer.identity == "ada@example.com"
    assert members(wheel)[RECORD].decode().count(BUNDLE) == 1


def test_data_files_are_there_when_a_factory_is_called(tmp_path: Path) -> None:
    """And nothing is found that is not in the wheel."""
    source = plugin_files()["good_plugin/__init__.py"] + (
        "import pathlib\nassert (pathlib.Path(__file__).parent / 'data.txt').read_text() == 'data'"
    )
    wheel = build_wheel(
        tmp_path,
        "good-plugin",
        {**plugin_files(), "good_plugin/__init__.py": source},
        plugins={"good": "good_plugin:plugin_manifest"},
    )
    (tmp_path / "files").mkdir()
    assert declared(wheel, tmp_path / "files")["good"]["name"] == "good-plugin"


@pytest.mark.parametrize(
    ("files", "options", "says"),
    [
        ({"x.pth": "import os"}, {}, "x.pth: a .pth file runs before any node does"),
        ({"good_plugin-1.0.0.data/scripts/x": ""}, {}, "a .data folder is installed to places"),
        ({"good_plugin/x.so": ""}, {}, "native code cannot be imported from verified bytes"),
        ({"good_plugin/PART.py": ""}, {}, "differs from it only in case"),
        ({"loose/x.py": ""}, {}, "loose/: a top-level package without __init__.py"),
        ({}, {"plugins": {}}, "it declares no stigmem.plugins entry point"),
        ({}, {"plugins": {"good": "absent:make"}}, "No module named 'absent'"),
        ({}, {"plugins": {"good": "good_plugin : make"}}, "not module:attribute"),
        ({}, {"plugins": {"good": "good_plugin:make [extra]"}}, "not module:attribute"),
        ({}, {"plugins": {"good": "good_plugin:absent"}}, "has no attribute 'absent'"),
        ({}, {"plugins": {"good": "good_plugin:part"}}, "expected a callable, got module"),
        ({"good_plugin/part.py": "import absent_dependency"}, {}, "'absent_dependency'"),
        ({"good_plugin/part.py": "import os; os._exit(3)"}, {}, "its plugins ended their process"),
        (
            {"good_plugin/part.py": "import os, sys; sys.stderr.write('bye\\n'); os._exit(3)"},
            {},
            "its plugins ended their process: bye",
        ),
        (
            {"good_plugin/part.py": "from good_plugin import plugin_manifest"},
            {},
            "cannot import name",
        ),
    ],
)
def test_what_cannot_be_signed_is_refused_and_left_as_it_was(
    tmp_path: Path,
    authority: LocalAuthority,
    files: dict[str, str],
    options: dict[str, Any],
    says: str,
) -> None:
    """With the wheel, the file or the error that it is about."""
    chosen = {"plugins": {"good": "good_plugin:plugin_manifest"}, **options}
    wheel = build_wheel(tmp_path, "good-plugin", {**plugin_files(), **files}, **chosen)
    before = wheel.read_bytes()
    with pytest.raises(StigmemPluginError) as raised:
        authority.sign_wheel(wheel, identity=PUBLISHER)
    assert raised.value.message.startswith(f"cannot sign {wheel}: ")
    assert says in raised.value.message
    assert raised.value.fix
    assert wheel.read_bytes() == before


@pytest.mark.parametrize(
    ("record", "says"),
    [(b"ghost.py,,\n", "not signed: ghost.py, which"), (b"\xff", "RECORD is malformed")],
)
def test_a_wheel_that_would_not_verify_is_not_signed(
    tmp_path: Path, authority: LocalAuthority, record: bytes, says: str
) -> None:
    """Its RECORD claims what is not there: a node would refuse it."""
    wheel = good_wheel(tmp_path)
    wheel = rewrite(wheel, {RECORD: members(wheel)[RECORD] + record})
    with pytest.raises(StigmemPluginError, match="cannot sign") as raised:
        authority.sign_wheel(wheel, identity=PUBLISHER)
    assert says in raised.value.message


@pytest.mark.parametrize(
    ("line", "says"),
    [
        (b"Name: g\xc3\xa9\xff", "its METADATA is not UTF-8"),
        (b"Name: other", "its METADATA has several names or versions"),
        (b"Version: 2.0.0", "its METADATA has several names or versions"),
    ],
)
def test_metadata_that_readers_differ_on_is_refused(
    tmp_path: Path, authority: LocalAuthority, verifier: BundleVerifier, line: bytes, says: str
) -> None:
    """When it is signed and, whoever signed it, when it is verified."""
    metadata = "good_plugin-1.0.0.dist-info/METADATA"
    wheel = good_wheel(tmp_path)
    wheel = rewrite(wheel, {metadata: line + b"\n" + members(wheel)[metadata]})
    with pytest.raises(StigmemPluginError, match=says):
        authority.sign_wheel(wheel, identity=PUBLISHER)
    with pytest.raises(Unverified, match=says):
        verify_wheel(sign_anyway(authority, wheel), verifier)


def test_the_folder_that_somebody_signs_in_is_no_part_of_the_wheel(
    tmp_path: Path, authority: LocalAuthority, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A module that is found there alone would be missing in a node."""
    (tmp_path / "beside_the_wheel.py").write_text("")
    monkeypatch.chdir(tmp_path)
    wheel = build_wheel(
        tmp_path,
        "good-plugin",
        {**plugin_files(), "good_plugin/part.py": "import beside_the_wheel"},
        plugins={"good": "good_plugin:plugin_manifest"},
    )
    with pytest.raises(StigmemPluginError, match="No module named 'beside_the_wheel'"):
        authority.sign_wheel(wheel, identity=PUBLISHER)


def test_a_wheel_is_signed_through_a_link(
    tmp_path: Path, authority: LocalAuthority, verifier: BundleVerifier
) -> None:
    """The file that it points to is replaced, and it stays a link."""
    (tmp_path / "store").mkdir()
    stored = good_wheel(tmp_path / "store")
    link = tmp_path / stored.name
    link.symlink_to(stored)
    authority.sign_wheel(link, identity=PUBLISHER)
    assert link.is_symlink()
    assert verify_wheel(stored, verifier).signer.identity == PUBLISHER


def test_a_plugin_that_takes_too_long_is_not_signed(
    tmp_path: Path, authority: LocalAuthority, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its process is ended."""
    monkeypatch.setattr(signing, "LONGEST_IMPORT", 0.5)
    files = {**plugin_files(), "good_plugin/part.py": "import time; time.sleep(60)"}
    wheel = build_wheel(
        tmp_path, "good-plugin", files, plugins={"good": "good_plugin:plugin_manifest"}
    )
    with pytest.raises(StigmemPluginError, match=r"took more than 0\.5 s"):
        authority.sign_wheel(wheel, identity=PUBLISHER)


def test_a_symlink_in_a_wheel_is_refused(tmp_path: Path) -> None:
    """Whatever it points to."""
    wheel = good_wheel(tmp_path)
    link = zipfile.ZipInfo("good_plugin/link.py")
    link.external_attr = (stat.S_IFLNK | 0o777) << 16
    with zipfile.ZipFile(wheel, "a") as archive:
        archive.writestr(link, "/etc/passwd")
    with pytest.raises(Unverified, match=r"good_plugin/link\.py: a symlink"):
        read_wheel(wheel)


@pytest.mark.filterwarnings("ignore:Duplicate name")
def test_a_file_that_is_in_a_wheel_twice_is_refused(tmp_path: Path) -> None:
    """Readers differ on which of the two counts."""
    wheel = good_wheel(tmp_path)
    with zipfile.ZipFile(wheel, "a") as archive:
        archive.writestr("good_tool.py", "other")
    with pytest.raises(Unverified, match="a file is in it twice"):
        read_wheel(wheel)


@pytest.mark.parametrize("content", [b"", b"no wheel", b"PK\x05\x06", None])
def test_what_is_no_wheel_could_not_be_checked(tmp_path: Path, content: bytes | None) -> None:
    """Which is another thing than a refusal."""
    wheel = tmp_path / "good_plugin-1.0.0-py3-none-any.whl"
    if content is not None:
        wheel.write_bytes(content)
    with pytest.raises(Unverified) as raised:
        read_wheel(wheel)
    assert raised.value.checked is False


def test_a_pipe_is_no_wheel(tmp_path: Path) -> None:
    """Nobody waits for it."""
    pipe = tmp_path / "good_plugin-1.0.0-py3-none-any.whl"
    os.mkfifo(pipe)
    with pytest.raises(Unverified, match="there is no such file"):
        read_wheel(pipe)


@pytest.mark.parametrize("kind", [zipfile.ZIP_LZMA, zipfile.ZIP_BZIP2, zipfile.ZIP_DEFLATED])
def test_damage_is_found_whatever_the_compression(tmp_path: Path, kind: int) -> None:
    """Each has errors of its own."""
    wheel = tmp_path / "good_plugin-1.0.0-py3-none-any.whl"
    with zipfile.ZipFile(wheel, "w", kind) as archive:
        archive.writestr("x", bytes(range(256)) * 20)
    original = wheel.read_bytes()
    for position in range(31, 160, 3):
        data = bytearray(original)
        data[position] ^= 0xFF
        wheel.write_bytes(data)
        with pytest.raises(Unverified):
            read_wheel(wheel)


def test_a_damaged_wheel_could_not_be_checked(tmp_path: Path) -> None:
    """Its checksums say so."""
    wheel = good_wheel(tmp_path)
    data = bytearray(wheel.read_bytes())
    data[60] ^= 0xFF
    wheel.write_bytes(data)
    with pytest.raises(Unverified) as raised:
        read_wheel(wheel)
    assert raised.value.checked is False


def test_a_wheel_that_unpacks_to_more_than_memory_is_not_unpacked(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its directory says how large it would be."""
    monkeypatch.setattr(wheels, "LARGEST_WHEEL", 100)
    with pytest.raises(Unverified, match="bytes unpacked, more than 100"):
        read_wheel(good_wheel(tmp_path))


def test_a_wheel_without_record_is_refused(tmp_path: Path) -> None:
    """Installers would, too."""
    with pytest.raises(Unverified, match=f"it has no {RECORD}"):
        read_wheel(rewrite(good_wheel(tmp_path), {RECORD: None}))


@pytest.mark.parametrize(
    ("name", "says"),
    [
        ("other_plugin-1.0.0-py3-none-any.whl", "its name says other-plugin 1.0.0"),
        ("good_plugin-2.0.0-py3-none-any.whl", "its name says good-plugin 2.0.0"),
        ("good_plugin.whl", "Invalid wheel filename"),
    ],
)
def test_a_wheel_must_be_named_like_what_is_in_it(
    tmp_path: Path, authority: LocalAuthority, verifier: BundleVerifier, name: str, says: str
) -> None:
    """When it is signed, and when it is verified."""
    unsigned = good_wheel(tmp_path).rename(tmp_path / name)
    with pytest.raises(StigmemPluginError) as raised:
        authority.sign_wheel(unsigned, identity=PUBLISHER)
    assert says in raised.value.message
    signed = good_wheel(tmp_path, authority).rename(tmp_path / name)
    with pytest.raises(Unverified, match=says):
        verify_wheel(signed, verifier)


def test_a_metadata_folder_must_be_named_like_what_is_in_it(
    tmp_path: Path, authority: LocalAuthority
) -> None:
    """Not only the file."""
    metadata = "good_plugin-1.0.0.dist-info/METADATA"
    text = members(good_wheel(tmp_path))[metadata].replace(b"Version: 1.0.0", b"Version: 2.0.0")
    wheel = rewrite(good_wheel(tmp_path), {metadata: text})
    wheel = wheel.rename(tmp_path / "good_plugin-2.0.0-py3-none-any.whl")
    with pytest.raises(StigmemPluginError, match=r"good-plugin 2\.0\.0 in good_plugin-1\.0\.0"):
        authority.sign_wheel(wheel, identity=PUBLISHER)


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"good_tool.py": b"changed"}, "checksum mismatch: good_tool.py"),
        ({"good_tool.py": None}, "missing: good_tool.py"),
        ({"good_plugin/extra.py": b""}, "not signed: good_plugin/extra.py"),
        ({BUNDLE: b"{}"}, "its signature does not verify against the root local"),
        ({BUNDLE: None}, "it is unsigned"),
        ({RECORD: b"extra.py,,\n"}, "not signed: extra.py, which"),
        ({RECORD: b"\xff"}, "RECORD is malformed"),
    ],
)
def test_a_signed_wheel_that_was_changed_is_refused(
    tmp_path: Path,
    authority: LocalAuthority,
    verifier: BundleVerifier,
    changes: dict[str, bytes | None],
    says: str,
) -> None:
    """Before anybody installs it."""
    wheel = rewrite(good_wheel(tmp_path, authority), changes)
    with pytest.raises(Unverified) as raised:
        verify_wheel(wheel, verifier)
    assert says in raised.value.problem
    assert raised.value.checked


def test_a_signature_of_no_plugin_is_refused(
    tmp_path: Path, authority: LocalAuthority, verifier: BundleVerifier
) -> None:
    """Though its signer is whoever they are, and every file is signed."""
    wheel = build_wheel(tmp_path, "good-plugin", plugin_files())
    with pytest.raises(Unverified, match="its entry points are none"):
        verify_wheel(sign_anyway(authority, wheel), verifier)


def test_a_statement_must_name_a_plugin(tmp_path: Path) -> None:
    """One without any would let the wheel in without a policy having been asked."""
    wheel = read_wheel(build_wheel(tmp_path, "good-plugin", plugin_files()))
    statement = PluginStatement("good-plugin", "1.0.0", {}, ())
    with pytest.raises(Unverified, match="no plugin is signed in it"):
        check_metadata(wheel.signable(), wheel.folder, statement)
    with pytest.raises(Unverified, match=r"its signature is of other 1\.0\.0, and this is good"):
        check_metadata(wheel.signable(), wheel.folder, PluginStatement("other", "1.0.0", {}, ()))


class Broken:
    """A service that fails."""

    def sign_dsse(self, input_: Any, /) -> Any:
        raise ConnectionError("no route to anywhere")


def test_a_service_that_fails_leaves_the_wheel_as_it_was(tmp_path: Path) -> None:
    """And says what failed."""
    wheel = good_wheel(tmp_path)
    before = wheel.read_bytes()
    with pytest.raises(StigmemPluginError, match="ConnectionError: no route to anywhere"):
        signing.sign_wheel(wheel, Broken())
    assert wheel.read_bytes() == before


def test_a_wheel_that_cannot_be_written_is_as_it_was(
    tmp_path: Path, authority: LocalAuthority, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nothing is left beside it, either."""
    wheel = good_wheel(tmp_path)
    before = wheel.read_bytes()

    def full(self: Path, target: Path) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Path, "replace", full)
    with pytest.raises(StigmemPluginError, match=r"cannot write .*No space left on device"):
        authority.sign_wheel(wheel, identity=PUBLISHER)
    monkeypatch.undo()
    assert wheel.read_bytes() == before
    assert list(tmp_path.iterdir()) == [wheel]


def test_the_bundle_is_one_that_any_sigstore_client_reads(
    tmp_path: Path, authority: LocalAuthority
) -> None:
    """An in-toto statement in a DSSE envelope."""
    bundle = json.loads(members(good_wheel(tmp_path, authority))[BUNDLE])
    assert bundle["mediaType"] == "application/vnd.dev.sigstore.bundle.v0.3+json"
    assert bundle["dsseEnvelope"]["payloadType"] == "application/vnd.in-toto+json"
