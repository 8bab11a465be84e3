"""Verification where the surroundings are bad: a clear error or success, never a hang."""

from __future__ import annotations

import json
import os
import shutil
import time
from pathlib import Path
from typing import Any

import pytest
from sigstore.models import Bundle
from sigstore.verify import Verifier, policy

from stigmem_plugins import PluginSettings
from stigmem_plugins.discovery import BUNDLE_NAME, installed_distributions
from stigmem_plugins.testing.sigstore import LocalAuthority
from stigmem_plugins.testing.wheels import build_wheel
from stigmem_plugins.trust.vetting import TrustTerms, vet
from tests.signed import PUBLISHER, good_wheel, plugin_files, python_in, sign_anyway, unpack

pytestmark = pytest.mark.slow

START = """
    import json, os, sys
    {before}
    from stigmem_plugins import HookRegistry, StigmemPluginError, register_discovered_plugins
    registry = HookRegistry()
    try:
        register_discovered_plugins(registry=registry)
    except StigmemPluginError as error:
        print(json.dumps(str(error)))
    else:
        print(json.dumps(registry.plugin_registration_order()))
"""


@pytest.fixture(scope="module")
def authority() -> LocalAuthority:
    return LocalAuthority()


@pytest.fixture
def site(tmp_path: Path, authority: LocalAuthority) -> Path:
    """The good plugin in a plugin directory."""
    return unpack(good_wheel(tmp_path, authority), tmp_path / "site")


def start(site: Path, authority: LocalAuthority, before: str = "", **environ: str) -> Any:
    """Start a node in a process of its own; the plugins registered, or the error."""
    root = authority.write_trusted_root(site.parent / "root.json")
    settings = {
        "STIGMEM_PLUGIN_DIR": str(site),
        "STIGMEM_PLUGIN_TRUSTED_ROOT": str(root),
        "STIGMEM_PLUGIN_TRUSTED_PUBLISHERS": PUBLISHER,
    }
    done = python_in(site.parent, START.format(before=before), **{**settings, **environ})
    assert done.returncode == 0, done.stderr
    assert "Traceback" not in done.stderr
    return json.loads(done.stdout)


GOOD = ["good-plugin"]


@pytest.mark.parametrize("home", ["/nonexistent/home", "/proc", "/dev/null"])
def test_home_is_not_needed(site: Path, authority: LocalAuthority, home: str) -> None:
    """No cache of sigstore is read or written."""
    caches = {"XDG_CACHE_HOME": home, "XDG_DATA_HOME": home}
    assert start(site, authority, HOME=home, **caches) == GOOD


def test_a_root_in_the_per_user_cache_is_not_believed(
    site: Path, authority: LocalAuthority, tmp_path: Path
) -> None:
    """Whoever can write there would decide whom the node trusts."""
    caches = {name: str(tmp_path / name) for name in ("XDG_CACHE_HOME", "XDG_DATA_HOME")}
    for folder in caches.values():
        place = Path(folder) / "sigstore-python/tuf/https%3A%2F%2Ftuf-repo-cdn.sigstore.dev"
        place.mkdir(parents=True)
        authority.write_trusted_root(place / "trusted_root.json")
    error = start(site, authority, STIGMEM_PLUGIN_TRUSTED_ROOT="", **caches)
    assert "does not verify against the root pinned" in error


def test_no_network_is_needed(site: Path, authority: LocalAuthority) -> None:
    """Every socket is refused."""
    before = """
    import socket
    def refuse(*args, **kwargs):
        raise AssertionError("the network was asked")
    socket.socket.connect = socket.socket.connect_ex = socket.getaddrinfo = refuse"""
    assert start(site, authority, before) == GOOD


@pytest.mark.parametrize("year", [1971, 2016, 2050, 2150])
def test_the_nodes_clock_may_be_far_off(site: Path, authority: LocalAuthority, year: int) -> None:
    """Time comes from log and timestamps; before the root's keys were made, the clock is named."""
    before = f"""
    import datetime, time
    moment = datetime.datetime({year}, 1, 1, tzinfo=datetime.timezone.utc)
    time.time = moment.timestamp
    class Clock(datetime.datetime):
        @classmethod
        def now(cls, tz=None):
            return moment.astimezone(tz) if tz else moment.replace(tzinfo=None)
    datetime.datetime = Clock"""
    report = start(site, authority, before)
    if year == 1971:
        assert "set the node's clock, which says 1971-01-01" in report
    else:
        assert report == GOOD


@pytest.mark.parametrize(
    ("function", "path"),
    [
        ("open", "good_plugin/part.py"),
        ("open", f"good_plugin-1.0.0.dist-info/{BUNDLE_NAME}"),
        ("open", "good_plugin-1.0.0.dist-info/RECORD"),
        ("scandir", "good_plugin"),
        ("lstat", "good_tool.py"),
    ],
)
def test_what_cannot_be_read_is_named(
    site: Path, authority: LocalAuthority, monkeypatch: pytest.MonkeyPatch, function: str, path: str
) -> None:
    """That is no success, and no refusal either: it could not be checked."""
    # Tests may run as root, for whom permissions do not count.
    original, closed = getattr(os, function), str(site / path)

    def refuse(place: Any, *arguments: Any, **options: Any) -> Any:
        if os.fspath(place) == closed:
            raise PermissionError(13, "Permission denied", closed)
        return original(place, *arguments, **options)

    judge = terms(authority, site)
    installed = installed_distributions(plugin_dir=str(site))
    with monkeypatch.context() as patch:
        patch.setattr(os, function, refuse)
        (vetted,) = vet(installed, judge)
    assert vetted.error is not None
    assert f"cannot read {closed}: Permission denied" in vetted.error.message
    assert vetted.error.fix == "make it readable for the node"
    assert vetted.error.checked is False


@pytest.mark.parametrize("keep", [0, 1, 100])
@pytest.mark.parametrize(
    "file",
    [
        "good_plugin/part.py",
        "good_plugin-1.0.0.dist-info/METADATA",
        "good_plugin-1.0.0.dist-info/entry_points.txt",
        f"good_plugin-1.0.0.dist-info/{BUNDLE_NAME}",
    ],
)
def test_a_truncated_file_is_refused(
    site: Path, authority: LocalAuthority, file: str, keep: int
) -> None:
    """Whichever it is, and however much is left of it."""
    content = (site / file).read_bytes()
    if keep >= len(content):
        keep = len(content) - 1
    (site / file).write_bytes(content[:keep])
    (vetted,) = vet(installed_distributions(plugin_dir=str(site)), terms(authority, site))
    assert vetted.error is not None
    assert ("checksum mismatch" in str(vetted.error)) != (BUNDLE_NAME in file)


def terms(authority: LocalAuthority, site: Path) -> TrustTerms:
    root = authority.write_trusted_root(site.parent / "root.json")
    return TrustTerms.of(
        PluginSettings(plugin_trusted_publishers=(PUBLISHER,), plugin_trusted_root=str(root))
    )


def test_a_pipe_in_a_files_place_hangs_nothing(site: Path, authority: LocalAuthority) -> None:
    """Neither among the signed files nor as the bundle."""
    file = site / "good_plugin/part.py"
    file.unlink()
    os.mkfifo(file)
    assert "symlink or special file: good_plugin/part.py" in start(site, authority)
    bundle = site / "good_plugin-1.0.0.dist-info" / BUNDLE_NAME
    bundle.unlink()
    os.mkfifo(bundle)
    assert "symlink or special file: good_plugin-1.0.0.dist-info" in start(site, authority)


def test_a_folder_in_the_bundles_place_is_refused(site: Path, authority: LocalAuthority) -> None:
    """It is not mistaken for no bundle."""
    bundle = site / "good_plugin-1.0.0.dist-info" / BUNDLE_NAME
    bundle.unlink()
    bundle.mkdir()
    assert f"symlink or special file: good_plugin-1.0.0.dist-info/{BUNDLE_NAME}" in start(
        site, authority
    )


def test_a_symlink_in_the_bundles_place_is_refused(site: Path, authority: LocalAuthority) -> None:
    """Also to a good bundle, and to nothing."""
    bundle = site / "good_plugin-1.0.0.dist-info" / BUNDLE_NAME
    shutil.move(bundle, site.parent / "bundle")
    bundle.symlink_to(site.parent / "bundle")
    assert "symlink or special file" in start(site, authority)
    (site.parent / "bundle").unlink()
    assert "symlink or special file" in start(site, authority)


@pytest.mark.parametrize("content", [b"[" * 200_000, b"\xff", b"{}", b'{"dir_info": 3}', None])
def test_an_odd_direct_url_of_an_unsigned_plugin_is_no_editable_install(
    tmp_path: Path, authority: LocalAuthority, content: bytes | None
) -> None:
    """A wheel may bring that file itself; a pipe in its place hangs nothing."""
    site = unpack(good_wheel(tmp_path), tmp_path / "site")
    direct_url = site / "good_plugin-1.0.0.dist-info/direct_url.json"
    if content is None:
        os.mkfifo(direct_url)
    else:
        direct_url.write_bytes(content)
    (vetted,) = vet(installed_distributions(plugin_dir=str(site)), terms(authority, site))
    assert "is unsigned" in str(vetted.error)


def test_a_bundle_of_any_size_is_not_read(site: Path, authority: LocalAuthority) -> None:
    """Its size is asked for first; on most file systems this one takes no space."""
    with (site / "good_plugin-1.0.0.dist-info" / BUNDLE_NAME).open("r+b") as bundle:
        bundle.truncate(8 * 2**30)
    (vetted,) = vet(installed_distributions(plugin_dir=str(site)), terms(authority, site))
    assert f"has {8 * 2**30} bytes, more than" in str(vetted.error)


def test_what_nobody_thought_of_is_one_plugins_refusal(
    site: Path, authority: LocalAuthority, monkeypatch: pytest.MonkeyPatch
) -> None:
    """And could not be checked; the others are judged all the same."""

    def fail(*_: Any) -> None:
        raise MemoryError

    monkeypatch.setattr("stigmem_plugins.trust.vetting.verify_installed", fail)
    (vetted,) = vet(installed_distributions(plugin_dir=str(site)), terms(authority, site))
    assert vetted.error is not None
    assert "it cannot be verified: MemoryError" in vetted.error.message
    assert vetted.error.checked is False


def test_ten_thousand_files_beside_and_within(tmp_path: Path, authority: LocalAuthority) -> None:
    """Signed ones are verified, and others around them do no harm, in a moment."""
    files = {f"good_plugin/data/{n // 100}/{n}.txt": f"{n}" for n in range(10_000)}
    wheel = build_wheel(
        tmp_path,
        "good-plugin",
        {**plugin_files(), **files},
        plugins={"good": "good_plugin:plugin_manifest"},
    )
    site = unpack(sign_anyway(authority, wheel), tmp_path / "site")
    for number in range(10_000):
        (site / f"other_{number}.py").touch()
    begin = time.perf_counter()
    (vetted,) = vet(installed_distributions(plugin_dir=str(site)), terms(authority, site))
    assert vetted.error is None
    assert time.perf_counter() - begin < 30
    for number in range(10_000):
        (site / f"good_plugin/data/extra_{number}.txt").touch()
    (vetted,) = vet(installed_distributions(plugin_dir=str(site)), terms(authority, site))
    assert "not signed: good_plugin/data/extra_0.txt" in str(vetted.error)
    assert "and 9995 more" in str(vetted.error)
    assert len(str(vetted.error)) < 1000


def best(call: Any, rounds: int) -> float:
    """The shortest time of several, as the processor counts it: others may be at work beside."""
    times = []
    for _ in range(rounds):
        begin = time.process_time()
        call()
        times.append(time.process_time() - begin)
    return min(times)


def test_verifying_costs_little_more_than_its_cryptography(
    tmp_path: Path, authority: LocalAuthority
) -> None:
    """One plugin of 20 files at most 5 times, twenty of them 100 times one bare `verify_dsse`."""
    site = tmp_path / "site"
    text = "x = 1\n" * 500
    for number in range(20):
        module = f"plugin_{number}"
        name = module.replace("_", "-")
        files = {f"{module}/part_{n}.py": text for n in range(16)}
        source = (
            "from stigmem_plugins import PluginManifest\n\n"
            f"def make():\n    return PluginManifest({name!r}, '1.0.0')\n"
        )
        wheel = build_wheel(
            tmp_path,
            name,
            {f"{module}/__init__.py": source, **files},
            plugins={name: f"{module}:make"},
        )
        facts = {"entry_point": name, "name": name, "capabilities": (), "hooks": ()}
        unpack(sign_anyway(authority, wheel, factory=f"{module}:make", fields=facts), site)
    installed, judge = installed_distributions(plugin_dir=str(site)), terms(authority, site)
    (one,) = vet(installed[:1], judge)
    assert one.error is None
    assert one.verified is not None
    assert len(one.verified.statement.files) == 20
    info = installed[0].info
    assert info is not None
    bundle = Bundle.from_json((info / BUNDLE_NAME).read_bytes())
    verifier = Verifier(trusted_root=authority.trusted_root)
    identity = policy.Identity(identity=PUBLISHER)
    ratios = []
    for _ in range(5):
        bare = best(lambda: verifier.verify_dsse(bundle, identity), 15)
        single = best(lambda: vet(installed[:1], judge), 15)
        twenty = best(lambda: vet(installed, judge), 3)
        ratios.append((single / bare, twenty / bare))
    assert min(ratio for ratio, _ in ratios) <= 5
    assert min(ratio for _, ratio in ratios) <= 100
