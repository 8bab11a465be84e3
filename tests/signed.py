"""Signed plugins for tests: wheels, whoever signs them, and processes that meet them."""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
import sys
import textwrap
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from sigstore.dsse import StatementBuilder, Subject

from stigmem_plugins.testing.sigstore import LocalAuthority
from stigmem_plugins.testing.wheels import build_wheel
from stigmem_plugins.trust.statement import PREDICATE_TYPE, PluginStatement, SignedPlugin
from stigmem_plugins.trust.wheel import Wheel, write_bundle

PUBLISHER = "https://github.com/acme/plugin/.github/workflows/release.yml@refs/tags/v1.0.0"
ISSUER = "https://accounts.google.com"
INIT = """
import os

def run(what):
    if "TRACE" in os.environ:
        with open(os.environ["TRACE"], "a") as trace:
            trace.write(what + " ")

run('good')

from stigmem_plugins import Deny, PluginManifest
from good_plugin import part

def plugin_manifest():
    return PluginManifest(
        "good-plugin",
        "1.0.0",
        capabilities={"audit.emit"},
        hooks={"capability_check": lambda ctx, **_: Deny("by the good plugin")},
    )
"""


def plugin_files() -> dict[str, str]:
    """The files of the good plugin: what of them runs writes into the file that TRACE names."""
    return {
        "good_plugin/__init__.py": INIT,
        "good_plugin/part.py": "from good_plugin import run\n\nrun('part')\n",
        "good_plugin/data.txt": "data",
        "good_plugin/more/text.txt": "more",
        "good_tool.py": "",
    }


def good_wheel(folder: Path, authority: LocalAuthority | None = None, **options: Any) -> Path:
    """The good plugin's wheel; signed by the publisher if an authority is given."""
    chosen = {"plugins": {"good": "good_plugin:plugin_manifest"}, **options}
    wheel = build_wheel(folder, "good-plugin", plugin_files(), **chosen)
    return authority.sign_wheel(wheel, identity=PUBLISHER) if authority else wheel


def unpack(wheel: Path, site: Path) -> Path:
    """Install a wheel the quick way."""
    site.mkdir(exist_ok=True)
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(site)
    return site


def sign_anyway(
    authority: LocalAuthority,
    wheel: Path,
    *,
    factory: str = "good_plugin:plugin_manifest",
    identity: str = PUBLISHER,
    fields: Mapping[str, Any] | None = None,
) -> Path:
    """Sign a wheel that `sign` would refuse, as somebody with a tool of their own could."""
    with zipfile.ZipFile(wheel) as archive:
        members = tuple(archive.infolist())
        contents = {each.filename: archive.read(each) for each in members}
    stem = "-".join(wheel.name.split("-")[:2])
    read = Wheel(wheel, f"{stem}.dist-info", members, contents)
    files = {path: hashlib.sha256(data).hexdigest() for path, data in read.signable().items()}
    plugin = SignedPlugin(
        **{
            "entry_point": "good",
            "factory": factory,
            "name": "good-plugin",
            "version": "1.0.0",
            "requires_stigmem": ">=0.9.0a1",
            "capabilities": ("audit.emit",),
            "hooks": ("capability_check",),
            "depends_on": (),
            **(fields or {}),
        }
    )
    name, version = stem.replace("_", "-").rsplit("-", 1)
    statement = PluginStatement(name, version, files, (plugin,))
    bundle = authority.sign_statement(in_toto(statement), identity=identity)
    write_bundle(read, bundle.to_json().encode())
    return wheel


def in_toto(statement: PluginStatement) -> Any:
    """A statement as sigstore signs it."""
    subjects = [
        Subject(name=path, digest={"sha256": digest})  # type: ignore[arg-type]
        for path, digest in statement.files.items()
    ]
    return StatementBuilder(subjects, PREDICATE_TYPE, statement.predicate()).build()


def with_pip(wheel: Path, folder: Path) -> None:
    """Install a wheel into a folder, with pip."""
    _run(sys.executable, "-m", "pip", "install", "--target", str(folder), *_ALONE, str(wheel))


def with_uv(wheel: Path, folder: Path) -> None:
    """Install a wheel into a folder, with uv."""
    uv = shutil.which("uv", path=str(Path(sys.executable).parent)) or "uv"
    _run(uv, "pip", "install", "--target", str(folder), "--offline", *_ALONE, str(wheel))


_ALONE = ("--no-deps", "--no-index", "--quiet")


def _run(*command: str) -> None:
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=120)
    assert done.returncode == 0, done.stderr


def python_in(
    folder: Path, code: str, *arguments: str, **environ: str
) -> subprocess.CompletedProcess[str]:
    """Run code in a process of its own, in a folder, without the operator's settings."""
    inherited = {k: v for k, v in os.environ.items() if not k.startswith("STIGMEM_")}
    return subprocess.run(
        [sys.executable, "-W", "error", "-c", textwrap.dedent(code), *arguments],
        cwd=folder,
        env={**inherited, **environ},
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )
