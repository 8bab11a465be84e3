"""Nodes of the package index, started on loopback and ended by their process ids."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import sysconfig
import time
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from tests.environments import FOREIGN_PREFIXES
from tests.node.wire import Answer, Signer, ask

SCRIPTS = Path(sysconfig.get_path("scripts"))
OURS, OWN = "ours", "own"
LAYERS = (OURS, OWN)
START_SECONDS = 60.0
KEY = "0123456789abcdef" * 4
"""The raw API key that every node is bootstrapped with."""
PERMISSIONS = "admin,admin:federation,audit.read,federate,instruction:write,read,write"
UNSIGNED = {
    "STIGMEM_PLUGIN_SIGNING_REQUIRED": "false",
    "STIGMEM_PLUGIN_UNSIGNED_ACK": "i-understand-plugins-are-unsigned",
}


def free_port() -> int:
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        port: int = found.getsockname()[1]
    return port


class Node:
    """A node with a database of its own.

    Args:
        folder: Where it lives; made if it is not there.
        layer: Whose plugin layer it runs on, `ours` or `own`.
        plugins: Folders with installed plugins, searched beside the environment.
        name: Its name in the federation, and in what the drive records.
        **settings: Further variables of its environment.
    """

    def __init__(
        self,
        folder: Path,
        layer: str,
        *,
        plugins: Iterable[Path] = (),
        name: str = "a",
        **settings: str,
    ) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self.folder, self.layer, self.name = folder, layer, name
        self.port = free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        self.node_id = f"stigmem:node:{name}"
        self.signer = Signer(name)
        self.database = folder / "node.db"
        self.log = folder / "recorder.jsonl"
        self.faults = folder / "faults.json"
        self._process: subprocess.Popen[bytes] | None = None
        inherited = {k: v for k, v in os.environ.items() if not k.startswith(FOREIGN_PREFIXES)}
        self.environment = {
            **inherited,
            "PYTHONPATH": os.pathsep.join(map(str, plugins)),
            "STIGMEM_DB_PATH": str(self.database),
            "STIGMEM_HOST": "127.0.0.1",
            "STIGMEM_PORT": str(self.port),
            "STIGMEM_NODE_ID": self.node_id,
            "STIGMEM_NODE_URL": self.url,
            "STIGMEM_ENTITY_URI": f"stigmem://{name}.test/org/{name}",
            "STIGMEM_RECORDER_LOG": str(self.log),
            "STIGMEM_RECORDER_FAULTS": str(self.faults),
            **UNSIGNED,
            **settings,
        }

    def command(self, program: str, *arguments: str) -> list[str]:
        """A program of the node, on this node's layer."""
        script = str(SCRIPTS / program)
        ours = [str(SCRIPTS / "stigmem-plugins"), "run", program]
        return [sys.executable, *(ours if self.layer == OURS else [script]), *arguments]

    def cli(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        """Run the node's own command line."""
        return subprocess.run(
            self.command("stigmem", *arguments),
            check=False,
            capture_output=True,
            text=True,
            env=self.environment,
            cwd=self.folder,
            timeout=START_SECONDS,
        )

    def bootstrap(self) -> None:
        """Register the first key, as the operator of a new node does."""
        owner = ["--entity-uri", self.environment["STIGMEM_ENTITY_URI"]]
        done = self.cli("auth", "bootstrap-key", "--key", KEY, "--permissions", PERMISSIONS, *owner)
        assert done.returncode == 0, done.stderr

    def start(self) -> None:
        """Start it and wait until it answers."""
        self.launch()
        self.wait()

    def launch(self) -> None:
        with (self.folder / "server.log").open("ab") as output:
            self._process = subprocess.Popen(
                self.command("stigmem-node"),
                stdout=output,
                stderr=output,
                env=self.environment,
                cwd=self.folder,
            )

    def wait(self) -> None:
        assert self._process
        until = time.monotonic() + START_SECONDS
        while self._process.poll() is None and time.monotonic() < until:
            if self.answers():
                return
            time.sleep(0.05)
        self.kill()
        raise AssertionError(f"the node did not start:\n{self.output()[-4000:]}")

    def answers(self) -> bool:
        """Whether it is there."""
        try:
            return ask(self.url, "GET", "/healthz").status == 200
        except OSError:
            return False

    def ended(self) -> int:
        """Wait for a start that is to fail; returns the exit code."""
        assert self._process
        code = self._process.wait(START_SECONDS)
        self._process = None
        return code

    def stop(self) -> int:
        """Ask it to end; returns its exit code."""
        assert self._process
        self._process.send_signal(signal.SIGTERM)
        return self.ended()

    def kill(self) -> None:
        """End it at once, in the middle of whatever it does."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()
            self._process = None

    def output(self) -> str:
        """What it wrote to stdout and stderr."""
        return (self.folder / "server.log").read_text(errors="replace")

    def recorded(self) -> list[dict[str, Any]]:
        """What the recorder and the witness wrote down so far."""
        lines = self.log.read_text().splitlines() if self.log.exists() else []
        return [json.loads(line) for line in lines]

    def misbehave(self, **faults: str) -> None:
        """From now on the recorder has these faults, by hook, and no others."""
        new = self.faults.with_suffix(".new")
        new.write_text(json.dumps(faults))
        new.replace(self.faults)

    def ask(
        self,
        method: str,
        path: str,
        body: Any = None,
        *,
        key: str | None = KEY,
        headers: dict[str, str] | None = None,
    ) -> Answer:
        """Send one request."""
        authorization = {} if key is None else {"Authorization": f"Bearer {key}"}
        return ask(self.url, method, path, body, {**authorization, **(headers or {})})
