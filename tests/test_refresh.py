"""Renewing the trusted root by TUF, against a repository on loopback."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result
from securesystemslib.signer._crypto_signer import CryptoSigner
from tuf.api._payload import MetaFile, Root, Snapshot, TargetFile, Targets, Timestamp
from tuf.api.metadata import Metadata

from stigmem_plugins.cli import main
from stigmem_plugins.testing.sigstore import LocalAuthority
from stigmem_plugins.trust import refresh


class Quiet(SimpleHTTPRequestHandler):
    def log_message(self, *_args: Any) -> None:
        """Say nothing."""


@dataclass
class Repository:
    """A TUF repository with a trusted root, and who serves it."""

    folder: Path
    url: str
    root: Path
    """The metadata that a client starts from."""


def publish(folder: Path, files: dict[str, bytes]) -> Path:
    """Write a repository's metadata and targets; returns the root metadata's path."""
    signer, expires = CryptoSigner.generate_ecdsa(), datetime.now(UTC) + timedelta(days=1)
    root = Root(expires=expires.replace(microsecond=0), consistent_snapshot=False)
    for role in ("root", "timestamp", "snapshot", "targets"):
        root.add_key(signer.public_key, role)
    targets = Targets(expires=root.expires)
    (folder / "targets").mkdir(parents=True, exist_ok=True)
    for name, data in files.items():
        targets.targets[name] = TargetFile.from_data(name, data)
        (folder / "targets" / name).write_bytes(data)
    snapshot = Snapshot(expires=root.expires, meta={"targets.json": MetaFile(1)})
    timestamp = Timestamp(expires=root.expires, snapshot_meta=MetaFile(1))
    roles: dict[str, Any] = {
        "1.root.json": root,
        "targets.json": targets,
        "snapshot.json": snapshot,
        "timestamp.json": timestamp,
    }
    for name, signed in roles.items():
        metadata: Metadata[Any] = Metadata(signed)
        metadata.sign(signer)
        metadata.to_file(str(folder / name))
    return folder / "1.root.json"


@pytest.fixture
def repository(tmp_path: Path) -> Iterator[Repository]:
    folder = tmp_path / "repository"
    root = publish(folder, {"trusted_root.json": LocalAuthority().trusted_root_json().encode()})
    handler = partial(Quiet, directory=str(folder))
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        thread = threading.Thread(target=server.serve_forever, args=[0.05])
        thread.start()
        try:
            yield Repository(folder, f"http://127.0.0.1:{server.server_port}", root)
        finally:
            server.shutdown()
            thread.join()


@pytest.fixture(autouse=True)
def _no_setting(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("STIGMEM_PLUGIN_TRUSTED_ROOT", raising=False)


def run(*arguments: str | Path) -> Result:
    return CliRunner().invoke(main, ["trust", "refresh", *map(str, arguments)])


def source(repository: Repository) -> list[str | Path]:
    return ["--tuf-url", repository.url + "/", "--tuf-root", repository.root]


def test_the_root_is_fetched_verified_and_written(
    repository: Repository, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """To the file that is named, or that the setting names; HOME is not looked at."""
    monkeypatch.setenv("HOME", "/nonexistent")
    monkeypatch.delenv("XDG_DATA_HOME", raising=False)
    published = (repository.folder / "targets/trusted_root.json").read_bytes()
    output = tmp_path / "root.json"
    result = run("--output", output, *source(repository))
    assert result.exit_code == 0, result.output
    assert output.read_bytes() == published
    assert f"STIGMEM_PLUGIN_TRUSTED_ROOT={output}" in result.stdout.replace("\n", "").replace(
        " ", ""
    )
    output.write_text("old")
    monkeypatch.setenv("STIGMEM_PLUGIN_TRUSTED_ROOT", str(output))
    assert run(*source(repository)).exit_code == 0
    assert output.read_bytes() == published


def test_what_was_written_as_json(repository: Repository, tmp_path: Path) -> None:
    """With the setting that makes a node use it."""
    output = tmp_path / "root.json"
    result = run("--output", output, *source(repository), "--json")
    assert json.loads(result.stdout) == {
        "schema_version": 1,
        "written": str(output),
        "setting": "STIGMEM_PLUGIN_TRUSTED_ROOT",
        "tuf_url": repository.url + "/",
    }


def test_a_repository_of_another_root_is_refused(repository: Repository, tmp_path: Path) -> None:
    """Whoever serves it: the file that was there is as it was."""
    output = tmp_path / "root.json"
    output.write_text("old")
    other = publish(tmp_path / "other", {})
    result = run("--output", output, "--tuf-url", repository.url, "--tuf-root", other)
    assert result.exit_code == 1
    assert f"error: cannot fetch the trusted root from {repository.url}: " in result.stderr
    assert output.read_text() == "old"


def test_a_target_that_was_changed_is_refused(repository: Repository, tmp_path: Path) -> None:
    """TUF's metadata has its length and digest."""
    target = repository.folder / "targets/trusted_root.json"
    target.write_bytes(target.read_bytes().replace(b"rekor", b"roker"))
    result = run("--output", tmp_path / "root.json", *source(repository))
    assert result.exit_code == 1
    assert "LengthOrHashMismatchError" in result.stderr
    assert not (tmp_path / "root.json").exists()


@pytest.mark.parametrize(
    ("files", "says"),
    [({}, "it has no trusted_root.json"), ({"trusted_root.json": b"{}"}, "is none")],
)
def test_a_repository_without_a_root_is_refused(
    repository: Repository, tmp_path: Path, files: dict[str, bytes], says: str
) -> None:
    """Or with something else of that name."""
    root = publish(repository.folder, files)
    output = tmp_path / "root.json"
    result = run("--output", output, "--tuf-url", repository.url, "--tuf-root", root)
    assert result.exit_code == 1
    assert says in result.stderr
    assert not output.exists()


def test_a_place_that_cannot_be_written_is_named(repository: Repository, tmp_path: Path) -> None:
    """After the root was fetched."""
    result = run("--output", tmp_path / "absent/root.json", *source(repository))
    assert result.exit_code == 1
    assert "absent/root.json: No such file or directory" in result.stderr


def test_no_network_is_said(tmp_path: Path) -> None:
    """Nobody answers at that port."""
    root = publish(tmp_path / "repository", {})
    arguments: list[str | Path] = ["--tuf-url", "http://127.0.0.1:9", "--tuf-root", root]
    result = run("--output", tmp_path / "root.json", *arguments)
    assert result.exit_code == 1
    assert "hint: check the network and the URL" in result.stderr


def test_the_public_instance_starts_from_the_root_of_this_package(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Which is all that it takes on trust."""
    starts: list[Any] = []

    class Updater:
        def __init__(self, **options: Any) -> None:
            starts.append(options["bootstrap"])
            raise OSError("no network here")

    monkeypatch.setattr("tuf.ngclient.updater.Updater", Updater)
    result = run("--output", tmp_path / "root.json")
    assert "from https://tuf-repo-cdn.sigstore.dev: OSError: no network here" in result.stderr
    assert starts == [refresh._pinned_root()]


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        ([], "say where to write it"),
        (["--output", "x", "--tuf-url", "http://x"], "needs its root.json to start from"),
        (["--output", "x", "--tuf-root", "absent"], "does not exist"),
    ],
)
def test_wrong_usage_is_explained(arguments: list[str], says: str) -> None:
    """With exit code 2."""
    result = run(*arguments)
    assert result.exit_code == 2
    assert says in " ".join(result.stderr.split())
