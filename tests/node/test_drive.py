"""The node answers as it does on its own plugin layer, and fires all 22 hooks."""

from __future__ import annotations

import json
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from stigmem_plugins import HOOK_SPECS
from tests.node.comparing import Normal, differences, normal
from tests.node.drive import Exchange, pair, walk
from tests.node.expected import ANSWERS
from tests.node.results import keep
from tests.node.running import LAYERS, OURS, OWN, UNSIGNED, Node

pytestmark = pytest.mark.node

NOTHING, RECORDER, PUBLISHED = "none", "the published ones and a recorder", "the published ones, on"
GATES = dict.fromkeys(
    (
        "STIGMEM_LAZY_INSTRUCTION_DISCOVERY_ENABLED",
        "STIGMEM_MEMORY_GARDEN_ACL_ENABLED",
        "STIGMEM_MULTI_TENANT_ENABLED",
        "STIGMEM_SOURCE_ATTESTATION_APPLY_RECALL_RANK",
        "STIGMEM_SOURCE_ATTESTATION_ENABLED",
        "STIGMEM_SOURCE_ATTESTATION_ENFORCE_FEDERATION_INBOUND",
        "STIGMEM_TIME_TRAVEL_ALLOW_FACT_QUERY_AS_OF",
        "STIGMEM_TIME_TRAVEL_ALLOW_RECALL_AS_OF",
        "STIGMEM_TIME_TRAVEL_ENABLED",
        "STIGMEM_TOMBSTONES_ALLOW_ADMIN_ROUTES",
        "STIGMEM_TOMBSTONES_ALLOW_FEDERATION_ROUTES",
        "STIGMEM_TOMBSTONES_ENABLED",
    ),
    "true",
) | {"STIGMEM_SOURCE_ATTESTATION_WARN_ONLY": "false"}
CONFIGURATIONS: dict[str, tuple[tuple[str, ...], dict[str, str]]] = {
    NOTHING: ((), {}),
    RECORDER: (("published", "recorder"), {}),
    PUBLISHED: (("published",), GATES),
}
"""What is installed, as folders, and what is set."""
AT_START = "(start)"


class Run:
    """One configuration, driven on both layers side by side."""

    def __init__(self, folder: Path, sites: Path, name: str) -> None:
        plugins, settings = CONFIGURATIONS[name]
        self.name = name
        self.places = tuple(sites / each for each in plugins)
        self.started: dict[str, list[dict[str, Any]]] = {}

        def drive(layer: str) -> list[Exchange]:
            with pair(folder / layer, layer, self.places, **settings) as (a, b):
                self.started[layer] = [line for line in a.recorded() if "hook" in line]
                return walk(a, b)

        with ThreadPoolExecutor() as pool:
            self.exchanges = dict(zip(LAYERS, pool.map(drive, LAYERS), strict=True))


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory, sites: Path) -> dict[str, Run]:
    """Every configuration, one after the other."""
    return {name: Run(tmp_path_factory.mktemp("run"), sites, name) for name in CONFIGURATIONS}


@pytest.mark.parametrize("name", CONFIGURATIONS)
def test_every_answer_is_the_one_of_the_nodes_own_layer(runs: dict[str, Run], name: str) -> None:
    """But for deliberate improvements, of which each has its row."""
    run = runs[name]
    ours, own = (normal(run.exchanges[layer]) for layer in LAYERS)
    found = differences(ours, own)
    keep(
        f"answers-{list(CONFIGURATIONS).index(name)}",
        {
            "configuration": name,
            "requests": len(ours),
            "routes": sorted({each.route for each in run.exchanges[OURS]}),
            "differences": len(found),
        },
    )
    rows = {(where, place) for configuration, where, place in ANSWERS if configuration == name}
    assert [each for each in found if (each.exchange, each.where) not in rows] == []
    assert rows <= {(each.exchange, each.where) for each in found}


def test_without_plugins_there_is_no_difference_at_all() -> None:
    """Not even a deliberate one."""
    assert NOTHING not in {configuration for configuration, _, _ in ANSWERS}


def test_the_drive_gets_somewhere(runs: dict[str, Run]) -> None:
    """Requests that were all refused would be equal too."""
    for run in runs.values():
        answered = {each.name: each.answer for each in run.exchanges[OURS]}
        for name, status in {
            "assert (a)": 201,
            "query an entity (a)": 200,
            "recall (a)": 200,
            "push (b)": 202,
            "push with a capability (b)": 202,
            "all of the audit trail (a)": 200,
        }.items():
            assert answered[name].status == status, (run.name, answered[name])
        assert answered["push (b)"].body["accepted"] == 1, run.name
        assert len(answered["recall (a)"].body["facts"]) > 0, run.name


def test_all_hooks_are_fired_with_the_keywords_that_their_hookspecs_document(
    runs: dict[str, Run],
) -> None:
    """By these routes; the table is in the documentation."""
    run = runs[RECORDER]
    table = fired(run, OURS)
    keep("hooks", table)
    print(json.dumps(table, indent=1))  # noqa: T201  # a result of the session
    assert {row["hook"] for row in table} == set(HOOK_SPECS)
    for row in table:
        documented = HOOK_SPECS[row["hook"]].keywords
        assert set(row["keywords"]) <= set(documented), row


def test_both_layers_are_asked_the_same(runs: dict[str, Run]) -> None:
    """The node fires the same hooks with the same payloads, request for request."""
    run = runs[RECORDER]
    asked = {
        layer: {
            each.name: [(one["hook"], one["value"], one["keywords"]) for one in each.fires]
            for each in run.exchanges[layer]
        }
        for layer in LAYERS
    }
    assert asked[OURS] == asked[OWN]


def fired(run: Run, layer: str) -> list[dict[str, Any]]:
    """The payloads that each hook was fired with, and by which routes."""
    rows: dict[str, dict[str, Any]] = {}
    seen = [(AT_START, one) for one in run.started[layer]] + [
        (each.route, one) for each in run.exchanges[layer] for one in each.fires
    ]
    for route, one in seen:
        key = json.dumps([one["hook"], one["value"], one["keywords"]])
        row = rows.setdefault(
            key,
            {
                "hook": one["hook"],
                "value": one["value"],
                "keywords": one["keywords"],
                "routes": [],
            },
        )
        if route not in row["routes"]:
            row["routes"].append(route)
    order = list(HOOK_SPECS)
    return sorted(rows.values(), key=lambda row: order.index(row["hook"]))


COMMANDS = [
    "plugins list",
    "plugins describe stigmem-recorder",
    "plugins describe stigmem-plugin-tombstones --json",
    "plugins describe no-such-plugin",
    "plugins doctor --json",
]


def test_the_nodes_own_commands_say_the_same(tmp_path: Path, sites: Path) -> None:
    """What they print, and how they end."""
    places = [sites / each for each in CONFIGURATIONS[RECORDER][0]]
    said: dict[str, list[Any]] = {layer: [] for layer in LAYERS}
    for layer in LAYERS:
        node = Node(tmp_path / layer, layer, plugins=places)
        for command in COMMANDS:
            done = node.cli(*command.split())
            said[layer].append([command, done.returncode, Normal().text(done.stdout)])
    assert said[OURS] == said[OWN]
    assert [code for _, code, _ in said[OURS]] == [0, 0, 0, 1, 0]


def test_what_the_node_refuses_to_load_is_refused(tmp_path: Path, sites: Path) -> None:
    """Unsigned plugins without its acknowledgement stop it on both layers, with what to set."""
    for layer in LAYERS:
        node = Node(tmp_path / layer, layer, plugins=[sites / "recorder"])
        del node.environment["STIGMEM_PLUGIN_UNSIGNED_ACK"]
        node.launch()
        assert node.ended() == 3
        assert f"STIGMEM_PLUGIN_UNSIGNED_ACK={UNSIGNED['STIGMEM_PLUGIN_UNSIGNED_ACK']}" in (
            node.output().replace("'", "")
        )


def test_the_nodes_settings_file_counts(tmp_path: Path, sites: Path) -> None:
    """What its settings object read from `.env` is in force, not the environment alone."""
    node = Node(tmp_path / "a", OURS, plugins=[sites / "recorder"])
    for name in UNSIGNED:
        del node.environment[name]
    lines = [f"{name}={value}\n" for name, value in UNSIGNED.items()]
    (node.folder / ".env").write_text("".join(lines))
    done = node.cli("plugins", "list")
    assert "stigmem-recorder 1.0.0 hooks=22" in done.stdout, done.stderr


def test_it_ends_as_it_does_without_us(tmp_path: Path) -> None:
    """On SIGTERM, after it has shut down."""
    ends = []
    for layer in LAYERS:
        node = Node(tmp_path / layer, layer)
        node.start()
        ends.append(node.stop())
        assert "Application shutdown complete" in node.output()
    assert ends[0] == ends[1]
