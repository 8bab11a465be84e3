"""A plugin that fails in any hook, in any way, costs nobody else anything."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict
from pathlib import Path

import pytest

from stigmem_plugins import HOOK_SPECS, HookSemantic
from tests.node.drive import pair
from tests.node.expected import FAULTS
from tests.node.faults import (
    ALIEN,
    DEADLINE_SECONDS,
    EXIT,
    PLUGIN,
    RAISE,
    RUBBISH,
    SLEEP,
    Outcome,
    Trials,
)
from tests.node.results import keep
from tests.node.running import OURS, OWN, Node

pytestmark = pytest.mark.node

AT_START = ("config_validate", "migration_register")
COMPARED = [
    ("identity_resolve", EXIT),
    ("capability_check", EXIT),
    ("post_assert_propagate", EXIT),
    ("pre_assert_validate", RUBBISH),
    ("recall_filter", RUBBISH),
    ("recall_rank", RUBBISH),
    ("pre_assert_authorize", RAISE),
    ("post_assert_audit", RAISE),
]
"""What is tried on the node's own layer too."""


class Results:
    """What all trials came to.

    Args:
        folder: Where the nodes live.
        recorder: Where the recorder is installed.
    """

    def __init__(self, folder: Path, recorder: Path) -> None:
        self._folder, self._recorder = folder, recorder
        self.lost: list[str] = []
        self.acknowledged = 0
        quick = (RAISE, RUBBISH, ALIEN, EXIT)
        jobs: list[tuple[str, str, Callable[[Trials], Iterable[tuple[str, str]]], str]] = [
            ("quick", OURS, lambda t: [(h, f) for h in t.hooks for f in quick], ""),
            ("slow", OURS, lambda t: [(h, SLEEP) for h in t.hooks], str(DEADLINE_SECONDS)),
            ("own", OWN, lambda _t: COMPARED, ""),
        ]
        with ThreadPoolExecutor() as pool:
            quick_ones, slow_ones, self.own = pool.map(lambda job: self._try(*job), jobs)
        self.ours = quick_ones + slow_ones

    def _try(
        self,
        name: str,
        layer: str,
        pairs: Callable[[Trials], Iterable[tuple[str, str]]],
        deadline: str,
    ) -> list[Outcome]:
        settings = {"STIGMEM_RECORDER_DEADLINE": deadline, "STIGMEM_AUTH_REQUIRED": "false"}
        with pair(self._folder / name, layer, (self._recorder,), **settings) as (a, b):
            trials = Trials(a, b)
            outcomes = [trials.trial(hook, fault) for hook, fault in pairs(trials)]
            if layer == OURS:
                self.lost += trials.lost()
                self.acknowledged += len(trials.acknowledged)
        return outcomes


@pytest.fixture(scope="module")
def results(tmp_path_factory: pytest.TempPathFactory, sites: Path) -> Results:
    """Every fault tried in every hook that a request fires."""
    found = Results(tmp_path_factory.mktemp("faults"), sites / "recorder")
    outcomes = [asdict(each) for each in found.ours]
    keep("faults", {"acknowledged": found.acknowledged, "outcomes": outcomes})
    return found


def notifies(outcome: Outcome) -> bool:
    return HOOK_SPECS[outcome.hook].semantic is HookSemantic.FIRE_AND_FORGET


def is_fault(outcome: Outcome) -> bool:
    """Whether our layer can tell: an unused result and a value of the node's own type are none."""
    chain = HOOK_SPECS[outcome.hook].semantic is HookSemantic.FILTER_CHAIN
    if outcome.fault == ALIEN:
        return not chain and not notifies(outcome)
    return outcome.fault != RUBBISH or not notifies(outcome)


def test_every_hook_is_tried(results: Results) -> None:
    """Those of requests in the trials, two at the node's start."""
    assert {each.hook for each in results.ours} | set(AT_START) == set(HOOK_SPECS)


def test_votes_filters_and_scores_fail_closed(results: Results) -> None:
    """The request is refused, and nothing that it would have stored is there."""
    wrong = [
        each
        for each in results.ours
        if not notifies(each) and (each.status not in refusals(each) or each.stored)
    ]
    assert wrong == []


def refusals(outcome: Outcome) -> set[int]:
    """What refuses: a delivery as a whole is taken, and the facts in it are refused one by one."""
    alien_delivery = outcome.fault == ALIEN and outcome.hook == "federation_inbound_filter"
    return {202} if alien_delivery else {500}


def test_notifications_fail_alone_unless_their_hook_is_strict(results: Results) -> None:
    """A strict one fails the request; what was stored before it was fired is there all the same."""
    for each in filter(notifies, results.ours):
        strict = HOOK_SPECS[each.hook].strict and is_fault(each)
        assert (each.status == 500) == strict, each
        if each.stored is not None:
            assert each.stored == (not strict or each.hook == "post_assert_audit"), each


def test_every_fault_is_audited_with_the_plugin_named(results: Results) -> None:
    """Once for each call that failed."""
    for each in results.ours:
        if is_fault(each):
            assert set(each.audited) == {("plugin.handler_error", PLUGIN)}, each
        else:
            assert each.audited == [], each


def test_every_other_request_is_answered_meanwhile(results: Results) -> None:
    """And the same request is, once the fault is gone; no fault ends the node."""
    for each in results.ours:
        assert set(each.others) <= {200, 201}, each
        assert each.again in {200, 201, 202}, each
        assert not each.ended, each


def test_nothing_that_was_acknowledged_is_lost(results: Results) -> None:
    """After all faults, every fact is there whose assertion was answered with 201."""
    assert results.acknowledged > 0
    assert results.lost == []


def test_what_differs_from_the_nodes_own_layer_is_better(results: Results) -> None:
    """Every difference has its row, and every row is shown by one."""
    ours = {(each.hook, each.fault): each for each in results.ours}
    found = set()
    for own in results.own:
        mine = ours[own.hook, own.fault]
        for what in ("status", "ended"):
            if getattr(own, what) != getattr(mine, what):
                found.add((own.fault, what))
        if bool(own.audited) != bool(mine.audited):
            found.add((own.fault, "audited"))
    keep("differences", [[*key, *FAULTS[key]] for key in FAULTS if key in found])
    assert found == set(FAULTS)


@pytest.mark.parametrize("hook", AT_START)
@pytest.mark.parametrize("fault", [RAISE, RUBBISH, EXIT, SLEEP])
def test_a_plugin_that_fails_at_the_start_stops_it(
    tmp_path: Path, sites: Path, hook: str, fault: str
) -> None:
    """The node does not run without it; the error names it, and the next start is clean."""
    deadline = {"STIGMEM_RECORDER_DEADLINE": str(DEADLINE_SECONDS)} if fault == SLEEP else {}
    node = Node(tmp_path / "a", OURS, plugins=[sites / "recorder"], **deadline)
    node.misbehave(**{hook: fault})
    try:
        node.launch()
        assert node.ended() == 3
        assert "PluginExecutionError" in node.output() or "ManifestError" in node.output()
        assert "'stigmem-recorder" in node.output().splitlines()[-3]
        if fault == RAISE:
            node.misbehave()
            node.start()
    finally:
        node.kill()
