"""Writes docs/node.md from what the tests kept: `python -m tests.node RESULTS --write=PAGE`."""

from __future__ import annotations

import argparse
import json
from collections.abc import Iterable, Iterator
from itertools import groupby
from pathlib import Path
from typing import Any

FAULTS = ["raise", "exit", "sleep", "rubbish", "alien"]
MANY = 6
"""More routes than these are counted."""

PAGE = """\
# The published node on this layer

<!-- Written by `python -m nox -s node`: edit tests/node/__main__.py, not this page. -->

`stigmem-node` 0.9.0a12 runs on this layer in the place of its own, unchanged:

```console
stigmem-plugins run stigmem-node
```

`run` takes any console script or, with `-m`, any module, and runs it in the same process;
`stigmem-plugins run stigmem plugins list` is the node's own command on this layer. Who starts the
node in Python says so in one line, before anything imports `stigmem_node`:

```python
from stigmem_plugins import bridge

bridge.install()
```

<!-- invisible-code-block: python
bridge.uninstall(), bridge.install_fallback()
-->

The node's own settings are in force, `.env` file included, and read anew each time. With signing
off it asks for `STIGMEM_PLUGIN_UNSIGNED_ACK`, as it does without us. A process that the node
starts anew, as `uvicorn --workers` does, has the node's own layer again: run one process per
node.

With signing required, as it is by default, the node takes plugins that a trusted publisher signed,
and refuses to start with any other, before a line of theirs runs. Its own layer verifies no
signature: it runs the plugin's code first, and then refuses even what is signed.

What follows was found by driving nodes over HTTP on both layers, side by side.

## Answers

Two nodes that federate, on SQLite and loopback, were sent the same requests on both layers, and
every status, header and body was compared, with ids, times, keys and measured durations made
equal.

{answers}

## Deliberate differences

{differences}

## Which request fires which hook

As a plugin that handles every hook wrote them down; the types are the node's. Both layers were
fired the same.

{hooks}

What an author should know of this version of the node:

- `GET /v1/facts` fires all hooks of a recall. `POST /v1/recall` fires `recall_rank` and no other,
  so neither `pre_recall_authorize` nor `recall_filter` sees it; routes that read a single fact, a
  graph or a card fire none.
- The caller's permission to write is looked at after `pre_assert_transform`: the hooks before it
  also get assertions of callers who may not write.
- Facts that a node pulls from a peer pass no `federation_inbound_*` hook; those that a peer
  pushes do.
- `audit_emit` and `post_assert_persist` are fired inside the transaction that writes the fact.
  What fails in a handler of `audit_emit` undoes the fact; what it was told of may never have been
  stored.
- `post_assert_audit` comes after that transaction. If a handler of it fails, the caller is
  answered with 500, and the fact is there; the node then fires it once more, with `Failure` and
  no fact.
- `federation_peer_authenticate` comes before the node has verified anything of the peer.

## Faults

The same plugin was made to fail in each hook, in each of these ways, while the node went on:

- `raise`: raises an exception
- `exit`: calls `sys.exit()`
- `sleep`: sleeps beyond its deadline
- `rubbish`: returns what the hook forbids: no vote, no score, None for a filtered value; where a
  result is ignored, it is no fault
- `alien`: returns a value of a type that only the node can know to be wrong

A cell says what the request was answered that fired the hook, and whether the plugin was named in
an audit event. Every other request was answered meanwhile; the same request was, once the fault
was gone; no fault ended the node; of {acknowledged} facts whose assertion was acknowledged, none
was lost.

{faults}

A plugin that fails in `config_validate` or `migration_register` stops the start with an error
that names it, and leaves the database as it was.

## Kills

A node with four writers was killed (SIGKILL) {kills} times in the middle of {stored} assertions,
at random moments, and started again. It started every time. Compared were the ids of the facts
whose assertion was answered with 201, of the facts in the database, of the entries `fact_write`
in the audit log, of the journal's `fact_insert`, and of the hash chain: the same {stored} in
each, each once; the audit log's numbers and the chain's links without a gap; and the events that
an `audit_emit` plugin was given, which had every one of these facts.
"""


def table(head: Iterable[str], rows: Iterable[Iterable[Any]]) -> str:
    cells = [list(head), *([str(cell) for cell in row] for row in rows)]
    cells.insert(1, ["---"] * len(cells[0]))
    return "\n".join(f"| {' | '.join(row)} |" for row in cells)


def answers(results: Path) -> Iterator[list[Any]]:
    for file in sorted(results.glob("answers-*.json")):
        found = json.loads(file.read_text())
        routes = len(found["routes"])
        yield [found["configuration"], found["requests"], routes, found["differences"]]


def differences(results: Path) -> Iterator[list[Any]]:
    for _, _, what, own, ours, why in json.loads((results / "differences.json").read_text()):
        yield [what, own, ours, why]


def hooks(results: Path) -> Iterator[list[str]]:
    for row in json.loads((results / "hooks.json").read_text()):
        keywords = ", ".join(f"{name}: {kind}" for name, kind in row["keywords"].items())
        routes = [route.replace("(start)", "the start") for route in row["routes"]]
        by = f"{len(routes)} routes" if len(routes) > MANY else ", ".join(routes)
        kinds = [row["value"] or "", keywords]
        yield [f"`{row['hook']}`", *(kind.replace("|", "or") for kind in kinds), by]


def faults(results: Path) -> Iterator[list[str]]:
    outcomes = json.loads((results / "faults.json").read_text())["outcomes"]
    for hook, tried in groupby(sorted(outcomes, key=lambda one: one["hook"]), lambda o: o["hook"]):
        cells = {
            one["fault"]: f"{one['status']}{', named' if one['audited'] else ''}" for one in tried
        }
        yield [f"`{hook}`", *(cells[fault] for fault in FAULTS)]


def page(results: Path) -> str:
    kills = json.loads((results / "kills.json").read_text())
    tried = json.loads((results / "faults.json").read_text())
    return PAGE.format(
        answers=table(["plugins", "requests", "routes", "differences"], answers(results)),
        differences=table(
            ["what happens", "the node's own layer", "this layer", "why"], differences(results)
        ),
        hooks=table(["hook", "value", "keywords", "fired by"], hooks(results)),
        faults=table(["hook", *FAULTS], faults(results)),
        acknowledged=tried["acknowledged"],
        kills=kills["kills"],
        stored=kills["stored"],
    )


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("results", type=Path)
    parser.add_argument("--write", type=Path, required=True)
    given = parser.parse_args()
    given.write.write_text(page(given.results), encoding="utf-8")


if __name__ == "__main__":
    main()
