"""Load on loopback: the published node on both plugin layers, with 0, 1 and 10 plugins.

All nodes run at once and are asked in turn, a short burst each, so that the machine's noise falls
on all alike; every burst is compared with that of the node's own layer in the same round.
"""

from __future__ import annotations

import argparse
import http.client
import json
import shutil
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from pathlib import Path
from statistics import median, quantiles
from typing import Any, NamedTuple

from tests.benchmarks.chart import Chart, draw
from tests.node.running import KEY, LAYERS, OURS, OWN, Node

TRIVIAL = Path(__file__).parent / "trivial" / "stigmem_trivial.py"
CLIENTS = 4
BURST = 20
"""Requests of a client in a round."""
SHARE = 0.05
"""The most of an assertion that the layer may take, with ten plugins."""
WORSE = 1.1
"""A percentile that is more than this above the own layer's is worse; a tenth is noise."""


PLUGINS = (0, 1, 10)
TIMES = ("p50", "p99")
OWN_LAYER = "the node's own layer"
CHART = Chart(
    title="Time of an assertion over HTTP, the node's own plugin layer being 1",
    note="stigmem-node on SQLite, trivial plugins at every hook; shorter is faster",
    footer="Ratios of one run: nox -s load draws it anew.",
    ours=frozenset(f"{count} plugins, {time}" for count in PLUGINS for time in TIMES),
    left=190,
)
PAGE = """\
# Under load

% Written by `nox -s load -- --write docs/load.md`; change tests/node/load.py instead.

The published stigmem-node asserts facts over HTTP, on loopback and SQLite, once on its own plugin
layer and once on this one, with 0, 1 and 10 plugins that do nothing at every hook. {clients}
clients send short bursts to all nodes in turn; each burst is compared with that of the node's own
layer in the same round. Ratios, the node's own layer being 1:

| Plugins | Requests per second | Median time | 99th percentile |
|---|---|---|---|
{rows}

![The same as bars](_static/load.svg)

With ten plugins, firing hooks is {ours} of an assertion's time on this layer, and {own} on the
node's own: what a request waits for is the node.
"""


class Round(NamedTuple):
    """What one burst came to: requests per second, and milliseconds."""

    rate: float
    p50: float
    p99: float


def install(folder: Path, count: int) -> Path:
    """A folder in which `count` trivial plugins are installed, as pip leaves them."""
    folder.mkdir(parents=True)
    shutil.copy(TRIVIAL, folder)
    info = folder / "stigmem_trivial-1.0.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: stigmem-trivial\nVersion: 1.0.0\n")
    points = [f"plugin_{n} = stigmem_trivial:plugin_{n}" for n in range(count)]
    (info / "entry_points.txt").write_text("\n".join(["[stigmem.plugins]", *points]) + "\n")
    (info / "RECORD").write_text("")
    return folder


class Client:
    """Asserts facts of its own."""

    def __init__(self, node: Node, name: int) -> None:
        self._connection = http.client.HTTPConnection("127.0.0.1", node.port, timeout=30)
        self._headers = {"Authorization": f"Bearer {KEY}", "Content-Type": "application/json"}
        self._entity = f"stigmem://load.test/person/{name}"
        self._number = 0

    def burst(self, count: int) -> list[float]:
        """Assert that many facts over one connection; seconds that each took."""
        self._connection.close()  # between bursts the node ends idle ones
        self._connection.connect()
        return [self._assert() for _ in range(count)]

    def _assert(self) -> float:
        self._number += 1
        fact = {
            "entity": self._entity,
            "relation": f"memory:number-{self._number}",
            "value": {"type": "string", "v": str(self._number)},
            "source": "agent:load",
            "confidence": 0.9,
            "scope": "company",
        }
        start = time.perf_counter()
        self._connection.request("POST", "/v1/facts", json.dumps(fact), self._headers)
        answer = self._connection.getresponse()
        body = answer.read()
        took = time.perf_counter() - start
        if answer.status != 201:
            raise AssertionError(f"{answer.status}: {body.decode(errors='replace')}")
        return took


class Loaded:
    """A node under load, and its clients."""

    def __init__(self, node: Node) -> None:
        self.node = node
        self._clients = [Client(node, number) for number in range(CLIENTS)]
        self.rounds: list[Round] = []
        self.seconds = 0.0

    def burst(self, pool: ThreadPoolExecutor, count: int = BURST) -> Round:
        """All clients at once."""
        start = time.perf_counter()
        took = [s for each in pool.map(lambda c: c.burst(count), self._clients) for s in each]
        self.seconds += sum(took)
        cuts = quantiles(took, n=100)
        return Round(len(took) / (time.perf_counter() - start), cuts[49] * 1e3, cuts[98] * 1e3)


@contextmanager
def running(folder: Path) -> Iterator[dict[tuple[str, int], Loaded]]:
    """A node for each layer and number of plugins, all started."""
    with ExitStack() as stack:
        loaded = {}
        for count in PLUGINS:
            plugins = [install(folder / f"plugins-{count}", count)] if count else []
            for layer in LAYERS:
                node = Node(folder / f"{layer}-{count}", layer, plugins=plugins, **QUIET)
                stack.callback(node.kill)
                node.start()
                node.bootstrap()
                loaded[layer, count] = Loaded(node)
        yield loaded


QUIET = {"STIGMEM_RATE_LIMIT_ENABLED": "false", "STIGMEM_LOG_LEVEL": "WARNING"}


def measure(folder: Path, rounds: int) -> dict[tuple[str, int], list[Round]]:
    """Rounds in which every node has its turn."""
    with running(folder) as loaded, ThreadPoolExecutor(CLIENTS) as pool:
        nodes = list(loaded.values())
        for each in nodes:
            each.burst(pool, 10)  # what is done once is done
        for turn in range(rounds):
            start = turn % len(nodes)
            for each in [*nodes[start:], *nodes[:start]]:
                each.rounds.append(each.burst(pool))
        return {key: each.rounds for key, each in loaded.items()}


def share(folder: Path, layer: str, requests: int) -> float:
    """The part of an assertion's time that is spent firing hooks, with ten trivial plugins."""
    plugins = [install(folder / f"profiled-{layer}", 10)]
    profile = folder / f"profile-{layer}.json"
    settings = {"STIGMEM_TRIVIAL_PROFILE": str(profile), **QUIET}
    node = Node(folder / f"profile-{layer}", layer, plugins=plugins, **settings)
    node.start()
    try:
        node.bootstrap()
        before = _seconds(profile)
        took = sum(Client(node, 0).burst(requests))
        return (_seconds(profile) - before) / took
    finally:
        node.kill()


def _seconds(profile: Path) -> float:
    """What the node has spent in the layer by now."""
    time.sleep(1)  # it writes ten times as often
    return float(json.loads(profile.read_text())["seconds"])


def compared(rounds: dict[tuple[str, int], list[Round]]) -> list[dict[str, Any]]:
    """For each number of plugins: ours over the node's own, the median of the rounds' ratios."""
    return [
        {
            "plugins": count,
            **{
                name: median(
                    getattr(ours, name) / getattr(own, name)
                    for ours, own in zip(rounds[OURS, count], rounds[OWN, count], strict=True)
                )
                for name in Round._fields
            },
        }
        for count in PLUGINS
    ]


class Results(NamedTuple):
    """What is shown: ratios to the node's own layer, and each layer's share of an assertion."""

    table: list[dict[str, Any]]
    shares: dict[str, float]

    def missed(self) -> list[str]:
        """The targets that are not met, one sentence each."""
        worse = [
            f"with {row['plugins']} plugins {name} is {row[name]:.2f} times the own layer's"
            for row in self.table
            for name in ("p50", "p99")
            if row[name] > WORSE
        ]
        if self.shares[OURS] > SHARE:
            worse.append(f"the layer takes {self.shares[OURS]:.1%} of an assertion")
        return worse

    def bars(self) -> dict[str, float]:
        """What the chart shows."""
        times = {f"{row['plugins']} plugins, {p}": row[p] for row in self.table for p in TIMES}
        return {OWN_LAYER: 1.0, **times}


def render(results: Results) -> str:
    """The page of the docs."""
    rows = "\n".join(
        f"| {row['plugins']} | {row['rate']:.2f} | {row['p50']:.2f} | {row['p99']:.2f} |"
        for row in results.table
    )
    ours, own = (f"{results.shares[layer]:.2%}" for layer in (OURS, OWN))
    return PAGE.format(rows=rows, ours=ours, own=own, clients=CLIENTS)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run from the command line; the exit code says whether a check failed."""
    parser = argparse.ArgumentParser(prog="nox -s load --", description=__doc__)
    parser.add_argument("--check", action="store_true", help="fail if a target is missed")
    parser.add_argument("--write", type=Path, help="write the page of the docs into this file")
    parser.add_argument("--rounds", type=int, default=10, help="bursts that each node gets")
    options = parser.parse_args(arguments)
    with tempfile.TemporaryDirectory() as folder:
        rounds = measure(Path(folder), options.rounds)
        shares = {layer: share(Path(folder), layer, 300) for layer in LAYERS}
    results = Results(compared(rounds), shares)
    page = render(results)
    print(page)  # noqa: T201  # what the command is for
    if options.write:
        options.write.write_text(page, encoding="utf-8")
        chart = options.write.parent / "_static" / "load.svg"
        chart.write_text(draw(results.bars(), CHART), encoding="utf-8")
    missed = results.missed()
    print("\n".join(missed) or "every target is met")  # noqa: T201  # the same
    return 1 if options.check and missed else 0


if __name__ == "__main__":
    sys.exit(main())
