"""A node that is killed again and again while facts are asserted, and what is there afterwards."""

from __future__ import annotations

import random
import sqlite3
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from dataclasses import dataclass, field
from threading import Event

from tests.node.drive import fact
from tests.node.running import Node

ASSERTIONS, KILLS, WRITERS = 1000, 20, 4


@dataclass
class Trail:
    """What a killed and restarted node has, by fact id or entity.

    Args:
        acknowledged: The ids of the facts whose assertion was answered with 201.
        stored: The ids of all facts.
        written: The fact ids of the audit entries `fact_write`, as often as they are there.
        journal: The fact ids of the entries `fact_insert` of the journal.
        chained: The fact ids in the hash chain, in order.
        broken: The numbers of the links in that chain that do not fit the one before.
        numbers: The numbers of all audit entries, in order.
        told: The fact ids of the `fact_write` events that the recorder's audit handler was given.
        starts: How often the node was started.
    """

    acknowledged: list[str] = field(default_factory=list)
    stored: set[str] = field(default_factory=set)
    written: list[str] = field(default_factory=list)
    journal: list[str] = field(default_factory=list)
    chained: list[str] = field(default_factory=list)
    broken: list[int] = field(default_factory=list)
    numbers: list[int] = field(default_factory=list)
    told: set[str] = field(default_factory=set)
    starts: int = 1


def assert_while_killed(node: Node, seed: int) -> Trail:
    """Assert a thousand facts with four writers, and kill the node twenty times meanwhile.

    Each kill comes after a random number of acknowledged facts, so in the middle of others.
    """
    chance = random.Random(seed)
    trail, up, waiting = Trail(), Event(), list(range(ASSERTIONS))
    up.set()
    with ThreadPoolExecutor(WRITERS) as pool:

        def write() -> None:
            while waiting:
                number = waiting.pop()
                try:
                    answer = node.ask("POST", "/v1/facts", thing(number), key=None)
                except OSError:
                    waiting.append(number)  # unanswered: asked again, as a client would
                    up.wait(60)
                    continue
                assert answer.status == 201, answer
                trail.acknowledged.append(answer.body["id"])

        writers = [pool.submit(write) for _ in range(WRITERS)]
        for point in kill_points(chance):
            while len(trail.acknowledged) < point and any(not each.done() for each in writers):
                Event().wait(0.005)
            up.clear()
            node.kill()
            node.start()
            trail.starts += 1
            up.set()
        for each in writers:
            each.result()
    return trail


def kill_points(chance: random.Random) -> list[int]:
    """After how many acknowledged facts the node is killed."""
    return sorted(chance.sample(range(5, ASSERTIONS - 5), KILLS))


def thing(number: int) -> dict[str, object]:
    return fact(f"stigmem://drive.test/thing/{number}", str(number))


def look(node: Node, trail: Trail) -> None:
    """Read what is there off the node's database and the recorder's log."""
    with closing(sqlite3.connect(node.database)) as connection:

        def column(query: str) -> list[str]:
            return [row[0] for row in connection.execute(query)]

        trail.stored = set(column("SELECT id FROM facts"))
        entries = "SELECT fact_id FROM fact_audit_log WHERE event_type = 'fact_write'"
        trail.written = column(entries)
        trail.numbers = [int(n) for n in column("SELECT seq FROM fact_audit_log ORDER BY seq")]
        trail.journal = column("SELECT fact_id FROM fact_journal WHERE event_type = 'fact_insert'")
        links = connection.execute(
            "SELECT chain_seq, fact_id, previous_hash, chain_hash FROM fact_chain ORDER BY 1"
        ).fetchall()
    trail.chained = [fact_id for _, fact_id, _, _ in links]
    trail.broken = [
        number
        for place, (number, _, previous, _) in enumerate(links, 1)
        if number != place or (place > 1 and previous != links[place - 2][3])
    ]
    trail.told = {line["target"] for line in node.recorded() if line.get("event") == "fact_write"}
