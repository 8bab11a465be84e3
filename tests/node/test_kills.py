"""A node that is killed in the middle of its work starts again, and its trail has no hole."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.node.kills import ASSERTIONS, KILLS, Trail, assert_while_killed, look
from tests.node.results import keep
from tests.node.running import OURS, Node

pytestmark = pytest.mark.node

SEED = 20
UNBOUNDED = {
    "STIGMEM_AUTH_REQUIRED": "false",
    "STIGMEM_RATE_LIMIT_WRITE_PER_HOUR": "1000000",
    "STIGMEM_RATE_LIMIT_READ_PER_HOUR": "1000000",
}


@pytest.fixture(scope="module")
def trail(tmp_path_factory: pytest.TempPathFactory, sites: Path) -> Trail:
    """What a node has after it was killed twenty times in the middle of a thousand assertions."""
    folder = tmp_path_factory.mktemp("kills")
    node = Node(folder, OURS, plugins=[sites / "recorder"], **UNBOUNDED)
    try:
        node.start()
        found = assert_while_killed(node, SEED)
        node.stop()
    finally:
        node.kill()
    look(node, found)
    keep(
        "kills",
        {
            "kills": KILLS,
            "starts": found.starts,
            "acknowledged": len(found.acknowledged),
            "stored": len(found.stored),
            "written": len(found.written),
            "told": len(found.told),
        },
    )
    return found


def test_it_started_every_time(trail: Trail) -> None:
    """And answered."""
    assert trail.starts == KILLS + 1


def test_every_fact_that_was_acknowledged_is_there(trail: Trail) -> None:
    """All thousand, and no other."""
    assert len(set(trail.acknowledged)) == ASSERTIONS
    assert trail.stored == set(trail.acknowledged)


def test_every_fact_has_one_entry_in_each_trail_of_the_node(trail: Trail) -> None:
    """In the audit log, in the journal and in the hash chain: none too few, none too many."""
    facts = sorted(trail.stored)
    assert sorted(trail.written) == facts
    assert sorted(trail.journal) == facts
    assert sorted(trail.chained) == facts


def test_no_number_is_missing(trail: Trail) -> None:
    """Audit entries are numbered without a gap, and each link of the chain fits the one before."""
    assert trail.numbers == list(range(1, len(trail.numbers) + 1))
    assert trail.broken == []


def test_the_audit_plugin_was_told_of_every_fact(trail: Trail) -> None:
    """It may have been told of more: of facts that a kill kept from being stored."""
    assert trail.stored <= trail.told
