"""What the demonstration shows, in the process of a node; `run` in the package starts it."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any, Final

from stigmem_plugins import (
    DiscoveredPlugin,
    PluginContext,
    PluginManifest,
    PluginSignatureError,
    StigmemPluginError,
)
from stigmem_plugins.cli.demo.host import Fact, MemoryNode, RefusedError
from stigmem_plugins.cli.demo.narration import NarratingRegistry, say, scene, show
from stigmem_plugins.cli.demo.packages import PACKAGES
from stigmem_plugins.cli.verdicts import warnings_off
from stigmem_plugins.cli.verification import check_installed, terms_in_force
from stigmem_plugins.discovery import installed_distributions
from stigmem_plugins.settings import PLUGIN_DIR, TRUSTED_PUBLISHERS

OWN: Final = frozenset(package.distribution for package in PACKAGES)
PEER: Final = "https://north.example"
STRANGER: Final = "https://stranger.example"
ATLAS: Final = "project:atlas"


@contextmanager
def _node(place: Path, name: str) -> Iterator[MemoryNode]:
    node = MemoryNode(place / name, peers=[PEER], make_registry=NarratingRegistry)
    with closing(node):
        yield node


def stranger(place: Path) -> None:
    """A node whose operator has named no publisher refuses the plugins, though they are signed."""
    scene("2. A node starts with its default settings: nobody is trusted yet")
    with _node(place, "stranger.sqlite") as node:
        _show_refusal(node)


def production(place: Path) -> None:
    """A node whose operator trusts the publisher verifies the files, and runs them."""
    scene("3. Its operator trusts the publisher's release workflow, and verifies the files")
    say(f"{TRUSTED_PUBLISHERS}={os.environ[TRUSTED_PUBLISHERS]}", 4)
    say("$ stigmem-plugins verify --all", 4)
    show(
        [
            (checked.name or checked.target, checked.status, f"{checked.trust_decision}")
            for checked in check_installed(terms_in_force())
            if checked.distribution in OWN
        ]
    )
    with _node(place, "production.sqlite") as node:
        say("the node starts; registered, dependencies first:")
        node.start(ignore=_others())
        show(
            (
                f"{number}.",
                f"{info.name} {info.version}",
                f"needs {', '.join(info.depends_on) or '-'}",
            )
            for number, info in enumerate(node.registry.plugin_infos(), 1)
        )
        _assertion(node)
        _recall(node)
        _federation(node)
        _audit(node)


def tampered(place: Path) -> None:
    """One byte of an installed file is changed, and the node refuses to start."""
    scene("8. Somebody changes one byte of an installed plugin")
    folder = Path(os.environ[PLUGIN_DIR])
    module = folder / "example_stigmem_plugin.py"
    module.write_bytes(module.read_bytes().replace(b"agent:blocked", b"agent:blocker"))
    with _node(place, "tampered.sqlite") as node:
        _show_refusal(node)


def faults(place: Path) -> None:
    """Two plugins that are made on the spot, with signing switched off, do what they must not."""
    with warnings_off():
        _capability(place)
        _cycle(place)


SCENES: Final[dict[str, Callable[[Path], None]]] = {
    "stranger": stranger,
    "production": production,
    "tampered": tampered,
    "faults": faults,
}


def _show_refusal(node: MemoryNode) -> None:
    error = _refusal(lambda: node.start(ignore=_others()), PluginSignatureError)
    say(f"it does not start, {type(error).__name__}; its audit table says why:")
    show(node.database.execute("SELECT target, reason FROM audit"), 4)
    imported = [package.module for package in PACKAGES if package.module in sys.modules]
    say(f"imported of them: {', '.join(imported) or 'nothing'}")
    say(f"registered: {', '.join(node.registry.registered_plugins()) or 'nothing'}")


def _others() -> list[str]:
    """Other plugins of this machine, which stay out of it."""
    return [each.name for each in installed_distributions() if each.name not in OWN]


def _assertion(node: MemoryNode) -> None:
    scene("4. Agents and people assert facts")
    _assert(node, "agent:planner", "deadline", "2026-09-30", 0.9, "team")
    _assert(node, "user:ada", "owner", "user:ada", 0.8, "team")
    _assert(node, "user:ada", "budget", "40000 EUR", 1.0, "local")
    _assert(node, "agent:blocked", "deadline", "2027-01-01", 1.0, "team")


def _assert(
    node: MemoryNode, source: str, relation: str, value: str, confidence: float, scope: str
) -> None:
    say(f"{source}: {ATLAS} {relation} = {value} (confidence {confidence}, {scope})")
    _attempt(
        lambda: node.assert_fact(
            source=source,
            entity=ATLAS,
            relation=relation,
            value=value,
            confidence=confidence,
            scope=scope,
        ),
    )


def _recall(node: MemoryNode) -> None:
    scene(f"5. agent:planner recalls what is known of {ATLAS}")
    found = node.recall("agent:planner", entity=ATLAS)
    lines = [(f["id"], f["relation"], f["value"], f["source"], f"{f['score']:.2f}") for f in found]
    say("it gets, best first:")
    show(lines)


def _federation(node: MemoryNode) -> None:
    scene("6. Other nodes send facts")
    review = _sent("review", "2026-08-15", "team")
    for peer, fact in [(PEER, review), (STRANGER, review), (PEER, _sent("salary", "0", "local"))]:
        say(f"{peer}: {ATLAS} {fact['relation']} = {fact['value']} ({fact['scope']})")
        _attempt(lambda: node.receive(peer, fact))  # noqa: B023  # called at once


def _sent(relation: str, value: str, scope: str) -> Fact:
    return {
        "source": "agent:north",
        "entity": ATLAS,
        "relation": relation,
        "value": value,
        "confidence": 0.7,
        "scope": scope,
    }


def _attempt(operation: Callable[[], Fact]) -> None:
    try:
        fact = operation()
    except RefusedError as refusal:
        say(f"not stored: {refusal}", 4)
    else:
        say(f"stored as {fact['id']}", 4)


def _audit(node: MemoryNode) -> None:
    scene("7. What the node's audit table holds of all this")
    show(node.database.execute("SELECT event_type, target, outcome FROM audit"), 2)


def _capability(place: Path) -> None:
    scene("9. A plugin reaches for facts without having declared facts.read")

    def pre_recall_authorize(ctx: PluginContext, **_: Any) -> None:
        ctx.get_facts_reader()

    nosy = PluginManifest(
        "nosy-plugin", "1.0.0", hooks={"pre_recall_authorize": pre_recall_authorize}
    )
    with _node(place, "capability.sqlite") as node:
        node.start(lambda: [DiscoveredPlugin(nosy, "nosy", "nosy:make")])
        error = _refusal(lambda: node.recall("agent:planner", entity=ATLAS))
        say(f"nothing is recalled: {type(error).__name__} reaches the caller")


def _cycle(place: Path) -> None:
    scene("10. A node starts with plugins that depend on each other in a circle")
    circle = {"alpha": "gamma", "gamma": "beta", "beta": "alpha"}
    plugins = [
        DiscoveredPlugin(PluginManifest(name, "1.0.0", depends_on={needs}), name, f"{name}:make")
        for name, needs in circle.items()
    ]
    with _node(place, "cycle.sqlite") as node:
        error = _refusal(lambda: node.start(lambda: plugins))
        say(f"it does not start, {type(error).__name__}: {error}")


def _refusal(
    operation: Callable[[], object], kind: type[StigmemPluginError] = StigmemPluginError
) -> StigmemPluginError:
    """The error of what must be refused; ends the demonstration if it is not."""
    try:
        operation()
    except kind as error:
        return error
    sys.exit("error: the node did what it must refuse")
