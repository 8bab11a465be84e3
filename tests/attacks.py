"""Every attack on an installed plugin that must be refused, as a table.

Each row starts from a wheel that a trusted publisher signed and an installer installed, does
something to it, and says what the refusal must name. The tests start a node on it in a process of
its own: code of the plugin that ran would have written into a trace file.
"""

from __future__ import annotations

import base64
import csv
import hashlib
import io
import json
import os
import py_compile
import shutil
import sys
import textwrap
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from stigmem_plugins.discovery import BUNDLE_NAME
from stigmem_plugins.testing.sigstore import LocalAuthority
from stigmem_plugins.testing.wheels import build_wheel
from tests.signed import ISSUER, PUBLISHER, good_wheel, plugin_files, python_in, sign_anyway

Installer = Callable[[Path, Path], None]
"""Installs a wheel into a folder."""

START = """
    import json
    from stigmem_plugins import StigmemPluginError, register_discovered_plugins
    from stigmem_plugins.testing import TestPluginRegistry

    registry = TestPluginRegistry()
    error = None
    try:
        register_discovered_plugins(registry=registry)
    except StigmemPluginError as raised:
        error = f"{type(raised).__name__}: {raised}"
    print(json.dumps({
        "error": error,
        "registered": registry.plugin_registration_order(),
        "signed_by": [info.signed_by for info in registry.plugin_infos()],
        "audit": [
            [e.event_type, *map(e.metadata.get, ("plugin_name", "reason", "signed_by"))]
            for e in registry.audit_events
        ],
    }))
"""


@dataclass
class Site:
    """Where a plugin is installed, and what an attack does there."""

    folder: Path
    work: Path
    authority: LocalAuthority
    install: Installer
    environ: dict[str, str] = field(default_factory=dict)
    paths: list[str] = field(default_factory=list)
    """What stands before the folder on the module search path."""

    @property
    def info(self) -> Path:
        return self.folder / "good_plugin-1.0.0.dist-info"

    @property
    def trace(self) -> Path:
        return self.work / "trace"

    def start(self) -> dict[str, Any]:
        """Start a node on it, in a process of its own; what it reports, and what ran."""
        environ = {
            "STIGMEM_PLUGIN_TRUSTED_PUBLISHERS": PUBLISHER,
            "STIGMEM_PLUGIN_TRUSTED_ROOT": str(self.work / "root.json"),
            "TRACE": str(self.trace),
            **self.environ,
        }
        self.authority.write_trusted_root(self.work / "root.json")
        path = os.pathsep.join([*self.paths, str(self.folder)])
        done = python_in(self.work, START, PYTHONPATH=path, **environ)
        assert done.returncode == 0, done.stderr
        report: dict[str, Any] = json.loads(done.stdout)
        report["ran"] = self.trace.read_text().split() if self.trace.exists() else []
        return report

    def reinstall(self, wheel: Path) -> None:
        """Install another wheel in the place of what is there."""
        shutil.rmtree(self.folder)
        self.install(wheel, self.folder)

    def sign(self, wheel: Path, **options: Any) -> Path:
        """Sign a wheel by the trusted publisher, or whoever is named."""
        return self.authority.sign_wheel(wheel, **{"identity": PUBLISHER, **options})

    def wheel(self, files: Mapping[str, str | bytes] | None = None, **options: Any) -> Path:
        """An unsigned wheel of the good plugin, with other files."""
        place = self.work / "wheels"
        place.mkdir(exist_ok=True)
        chosen = {"plugins": {"good": "good_plugin:plugin_manifest"}, **options}
        distribution = chosen.pop("distribution", "good-plugin")
        return build_wheel(place, distribution, {**plugin_files(), **(files or {})}, **chosen)


@dataclass(frozen=True)
class Attack:
    """One row: what is done, and what the refusal names.

    `runs` is set where the start must succeed all the same: with the verified bytes.
    """

    title: str
    act: Callable[[Site], None]
    names: tuple[str, ...] = ()
    runs: tuple[str, ...] | None = None


ATTACKS: list[Attack] = []


Act = Callable[[Site], None]


def attack(title: str, *names: str, runs: tuple[str, ...] | None = None) -> Callable[[Act], Act]:
    """Add a row to the table."""

    def add(act: Act) -> Act:
        ATTACKS.append(Attack(title, act, names, runs))
        return act

    return add


def edit(path: Path) -> None:
    path.write_text(path.read_text() + "\nrun('edited')\n")


def record(site: Site, path: str, data: bytes) -> None:
    """Make RECORD say of a file what is true of it."""
    digest = base64.urlsafe_b64encode(hashlib.sha256(data).digest()).rstrip(b"=").decode()
    file = site.info / "RECORD"
    rows = [row for row in csv.reader(io.StringIO(file.read_text())) if row[0] != path]
    text = io.StringIO()
    csv.writer(text).writerows([*rows, [path, f"sha256={digest}", str(len(data))]])
    file.write_text(text.getvalue())


@attack("an edited file", "checksum mismatch", "good_plugin/part.py")
def edited(site: Site) -> None:
    edit(site.folder / "good_plugin/part.py")


@attack("an edited file, with a corrected RECORD", "checksum mismatch", "good_plugin/part.py")
def edited_with_record(site: Site) -> None:
    file = site.folder / "good_plugin/part.py"
    edit(file)
    record(site, "good_plugin/part.py", file.read_bytes())


@attack("an edited data file", "checksum mismatch", "good_plugin/data.txt")
def edited_data(site: Site) -> None:
    (site.folder / "good_plugin/data.txt").write_text("other data")


@attack("a deleted file", "missing: good_plugin/part.py")
def deleted(site: Site) -> None:
    (site.folder / "good_plugin/part.py").unlink()


@attack("a deleted module at the top", "missing: good_tool.py")
def deleted_top(site: Site) -> None:
    (site.folder / "good_tool.py").unlink()


@attack("an added module", "not signed: good_plugin/added.py")
def added(site: Site) -> None:
    (site.folder / "good_plugin/added.py").write_text("run('added')")


@attack("a native module that shadows a module", "not signed: good_tool.so")
def native_shadow(site: Site) -> None:
    (site.folder / "good_tool.so").write_bytes(b"\x7fELF")


@attack("a native module that shadows one in a package", "not signed: good_plugin/part.so")
def native_shadow_inside(site: Site) -> None:
    (site.folder / "good_plugin/part.so").write_bytes(b"\x7fELF")


@attack("a package folder that shadows a module", "not signed: good_tool")
def package_shadow(site: Site) -> None:
    (site.folder / "good_tool").mkdir()
    (site.folder / "good_tool/__init__.py").write_text("run('shadow')")


@attack("an edited entry_points.txt", "checksum mismatch", "entry_points.txt")
def edited_entry_points(site: Site) -> None:
    points = site.info / "entry_points.txt"
    points.write_text(points.read_text().replace("good_plugin:", "good_tool:"))


@attack("entry points that are gone", "good-plugin", "missing", "entry_points.txt")
def removed_entry_points(site: Site) -> None:
    (site.info / "entry_points.txt").unlink()


@attack("a removed bundle", "'good' is unsigned", "production plugin registration requires")
def removed_bundle(site: Site) -> None:
    (site.info / BUNDLE_NAME).unlink()


@attack("the bundle of another wheel", "is of other-plugin 1.0.0", "good_plugin-1.0.0.dist-info")
def bundle_of_another(site: Site) -> None:
    other = site.sign(site.wheel(distribution="other-plugin"))
    site.install(other, site.work / "other")
    bundle = site.work / "other/other_plugin-1.0.0.dist-info" / BUNDLE_NAME
    shutil.copy(bundle, site.info / BUNDLE_NAME)


@attack("the bundle of another version", "is of good-plugin 0.9.0", "good_plugin-1.0.0.dist-info")
def bundle_of_another_version(site: Site) -> None:
    old = site.sign(site.wheel(version="0.9.0"))
    site.install(old, site.work / "old")
    bundle = site.work / "old/good_plugin-0.9.0.dist-info" / BUNDLE_NAME
    shutil.copy(bundle, site.info / BUNDLE_NAME)


@attack("an unsigned wheel", "'good' is unsigned")
def unsigned(site: Site) -> None:
    site.reinstall(site.wheel())


@attack("another publisher", "untrusted identity", "https://github.com/mallory/plugin")
def another_publisher(site: Site) -> None:
    other = PUBLISHER.replace("acme", "mallory")
    site.reinstall(site.sign(site.wheel(), identity=other))


@attack("another ref of the same workflow", "untrusted identity", "refs/heads/main")
def another_ref(site: Site) -> None:
    other = PUBLISHER.partition("@")[0] + "@refs/heads/main"
    site.reinstall(site.sign(site.wheel(), identity=other))


@attack("another issuer of the same identity", "untrusted identity", "https://issuer.example")
def another_issuer(site: Site) -> None:
    identity = "ada@example.com"
    site.environ["STIGMEM_PLUGIN_TRUSTED_PUBLISHERS"] = f"{identity}@{ISSUER}"
    site.reinstall(site.sign(site.wheel(), identity=identity, issuer="https://issuer.example"))


@attack("a trusted publisher signs a name that is not theirs", "may not sign 'good-plugin'")
def another_name(site: Site) -> None:
    policy = site.work / "policy.toml"
    policy.write_text(f'[[publishers]]\nidentity = "{PUBLISHER}"\nplugins = ["other-plugin"]\n')
    site.environ["STIGMEM_PLUGIN_TRUST_POLICY"] = str(policy)


@attack("a .pth file in the wheel", "evil.pth: a .pth file")
def pth(site: Site) -> None:
    wheel = site.wheel({"evil.pth": "import os; os.environ"})
    site.reinstall(sign_anyway(site.authority, wheel))


@attack("a .data tree in the wheel", "good_plugin-1.0.0.data/purelib/extra.py")
def data_tree(site: Site) -> None:
    wheel = site.wheel({"good_plugin-1.0.0.data/purelib/extra.py": "run('data')"})
    site.reinstall(sign_anyway(site.authority, wheel))


@attack("a native module that the publisher signed", "good_plugin/fast.so: native code")
def native(site: Site) -> None:
    wheel = site.wheel({"good_plugin/fast.so": b"\x7fELF"})
    site.reinstall(sign_anyway(site.authority, wheel))


@attack("a symlink out of the tree", "symlink or special file: good_plugin/part.py")
def symlink(site: Site) -> None:
    file = site.folder / "good_plugin/part.py"
    shutil.move(file, site.work / "part.py")
    file.symlink_to(site.work / "part.py")


@attack("a symlink in the place of the package", "symlink or special file: good_plugin")
def symlinked_package(site: Site) -> None:
    shutil.move(site.folder / "good_plugin", site.work / "elsewhere")
    (site.folder / "good_plugin").symlink_to(site.work / "elsewhere")


@attack("a symlink in the place of a folder", "symlink or special file: good_plugin/more")
def symlinked_folder(site: Site) -> None:
    shutil.move(site.folder / "good_plugin/more", site.work / "more")
    (site.folder / "good_plugin/more").symlink_to(site.work / "more")


@attack("a second distribution of the name", "good-plugin is installed twice")
def twin(site: Site) -> None:
    shutil.copytree(site.folder, site.work / "twin")
    site.paths.append(str(site.work / "twin"))


@attack("an empty distribution of the name before it", "good-plugin is installed twice")
def hiding_twin(site: Site) -> None:
    info = site.work / "hiding/good_plugin-1.0.0.dist-info"
    info.mkdir(parents=True)
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: good-plugin\nVersion: 1.0.0\n")
    site.paths.append(str(site.work / "hiding"))


@attack("a namespace package at the top", "good_space/: a top-level package without __init__.py")
def namespace_package(site: Site) -> None:
    files = {"good_space/part.py": plugin_files()["good_plugin/__init__.py"]}
    wheel = site.wheel(files, plugins={"good": "good_space.part:plugin_manifest"})
    site.reinstall(sign_anyway(site.authority, wheel, factory="good_space.part:plugin_manifest"))


@attack("an editable install", "'good' is refused: it is an editable install")
def editable(site: Site) -> None:
    shutil.move(site.folder / "good_plugin", site.work / "src")
    (site.info / BUNDLE_NAME).unlink()
    url = {"dir_info": {"editable": True}, "url": "file:///src"}
    (site.info / "direct_url.json").write_text(json.dumps(url))


@attack("an entry point into another distribution", "good", "other:make", "not among its files")
def foreign_entry_point(site: Site) -> None:
    wheel = site.wheel(plugins={"good": "other:make"})
    site.reinstall(sign_anyway(site.authority, wheel, factory="other:make"))


@attack("a file that RECORD claims and nobody signed", "not signed: good_extra.py")
def claimed(site: Site) -> None:
    (site.folder / "good_extra.py").write_text("run('extra')")
    record(site, "good_extra.py", b"run('extra')")


@attack("a poisoned .pyc of the same time and size", runs=("good", "part"))
def poisoned_bytecode(site: Site) -> None:
    file = site.folder / "good_plugin/part.py"
    before, poison = file.stat(), site.work / "poison.py"
    poison.write_text(file.read_text().replace("run('part')", "run('evil')"))
    os.utime(poison, ns=(before.st_atime_ns, before.st_mtime_ns))
    assert poison.stat().st_size == before.st_size
    target = file.parent / "__pycache__" / f"part.{sys.implementation.cache_tag}.pyc"
    py_compile.compile(str(poison), cfile=str(target), dfile=str(file), doraise=True)


@attack("the package shadowed earlier on the search path", "good_plugin", "shadow")
def shadowed(site: Site) -> None:
    package = site.work / "shadow/good_plugin"
    package.mkdir(parents=True)
    (package / "__init__.py").write_text(plugin_files()["good_plugin/__init__.py"])
    site.paths.append(str(site.work / "shadow"))


@attack("a file swapped between verification and import", runs=("swapper", "good", "part"))
def swapped(site: Site) -> None:
    """Another signed plugin, imported first, rewrites the files of this one."""
    source = f"""
        import os, pathlib
        from stigmem_plugins import PluginManifest

        if "TRACE" in os.environ:
            with open(os.environ["TRACE"], "a") as trace:
                trace.write("swapper ")
            for name in ("__init__.py", "part.py"):
                file = pathlib.Path({str(site.folder)!r}, "good_plugin", name)
                file.write_text(file.read_text().replace("run('part')", "run('evil')"))

        def plugin_manifest():
            return PluginManifest("a-swapper", "1.0.0")
    """
    wheel = build_wheel(
        site.work,
        "a-swapper",
        {"a_swapper.py": textwrap.dedent(source)},
        plugins={"a-swapper": "a_swapper:plugin_manifest"},
    )
    site.install(site.sign(wheel), site.folder)


@attack("a truncated bundle", "'good' is refused: its signature does not verify")
def truncated_bundle(site: Site) -> None:
    bundle = site.info / BUNDLE_NAME
    bundle.write_bytes(bundle.read_bytes()[:-100])


@attack("a bundle that is no JSON", "'good' is refused: its signature does not verify")
def junk_bundle(site: Site) -> None:
    (site.info / BUNDLE_NAME).write_bytes(b"\xff\x00junk")


@attack("a bundle of another authority", "'good' is refused: its signature does not verify")
def bundle_of_another_authority(site: Site) -> None:
    site.reinstall(LocalAuthority().sign_wheel(site.wheel(), identity=PUBLISHER))


@attack("a certificate that was expired when it was logged", "its signature does not verify")
def expired(site: Site) -> None:
    site.authority = LocalAuthority(log_delay=timedelta(minutes=11))
    site.reinstall(site.sign(site.wheel()))


MakeSite = Callable[[Path], Site]


def site_fixture(install: Installer) -> Any:
    """A fixture that gives each test a copy of what an installer installed once."""

    @pytest.fixture(scope="module")
    def make_site(tmp_path_factory: pytest.TempPathFactory) -> MakeSite:
        authority, place = LocalAuthority(), tmp_path_factory.mktemp("installed")
        install(good_wheel(place, authority), place / "site")

        def make(work: Path) -> Site:
            shutil.copytree(place / "site", work / "site", symlinks=True)
            return Site(work / "site", work, authority, install)

        return make

    return make_site


def check_unattacked(site: Site) -> None:
    """What nobody touched starts: its publisher is shown and audited, and its code runs."""
    report = site.start()
    assert report["error"] is None
    assert report["registered"] == ["good-plugin"]
    assert report["signed_by"] == [PUBLISHER]
    assert report["audit"] == [["plugin.registered", "good-plugin", None, PUBLISHER]]
    assert report["ran"] == ["good", "part"]


def check(row: Attack, site: Site) -> None:
    """Do what a row says, and hold what comes of it against the row."""
    row.act(site)
    report = site.start()
    if row.runs is not None:
        assert report["error"] is None
        assert tuple(report["ran"]) == row.runs
        return
    assert report["ran"] == []
    assert report["registered"] == []
    assert report["error"].startswith("PluginSignatureError: ")
    assert [name for name in row.names if name not in report["error"]] == []
    ((kind, _, reason, signed_by),) = report["audit"]
    assert (kind, reason) == ("plugin.registration_failed", "signature")
    is_verified = "untrusted identity" in report["error"] or "may not sign" in report["error"]
    assert (signed_by != "unsigned") == is_verified
