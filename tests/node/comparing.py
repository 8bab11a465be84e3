"""Answers of two drives, compared without what differs from one run to the next."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator
from functools import partial
from itertools import groupby
from typing import Any, NamedTuple

from tests.node.drive import Exchange

VARYING = {
    "id": re.compile(r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}"),
    "time": re.compile(r"\d{4}-\d\d-\d\d[T ]\d\d:\d\d:\d\d(?:\.\d+)?(?:Z|[+-]\d\d:\d\d)?"),
    "clock": re.compile(r"(?<![\d.])\d{13}\.\d+"),
    "digest": re.compile(r"(?<![0-9a-f])[0-9a-f]{64}(?![0-9a-f])"),
    "signature": re.compile(r"(?<![\w-])[\w-]{86}(?![\w-])"),
    "address": re.compile(r"127\.0\.0\.1:\d+"),
}
"""What is numbered in order of appearance, so that it still shows what is the same as what."""
UNCOUNTED = {"time", "clock"}
"""Of these, two may be equal in one run and differ in the next."""
MEASURED = {"age_seconds", "integrated_time", "computed_at", "duration_ms", "log_id", "took_ms"}
"""Keys whose numbers tell the time."""


class Difference(NamedTuple):
    """One place where two answers differ.

    Args:
        exchange: The name of the exchange.
        where: The path in the answer, such as `body.detail`.
        ours: What is there on our layer, as JSON.
        own: What is there on the node's own.
    """

    exchange: str
    where: str
    ours: str
    own: str


class Normal:
    """Puts numbered names in the place of ids, times and addresses, through a whole drive."""

    def __init__(self) -> None:
        self._known: dict[str, dict[str, str]] = {kind: {} for kind in VARYING}

    def text(self, text: str) -> str:
        for kind, pattern in VARYING.items():
            text = pattern.sub(partial(self._name, kind), text)
        return text

    def value(self, value: Any) -> Any:
        """A JSON value with everything that varies replaced."""
        if isinstance(value, dict):
            return {
                self.text(key): "<measured>" if key in MEASURED else self.value(part)
                for key, part in value.items()
            }
        if isinstance(value, list):
            return [self.value(part) for part in settled(value)]
        if isinstance(value, str):
            return self.text(counted(value) if value.startswith("# HELP") else value)
        return round(value, 4) if isinstance(value, float) else value

    def _name(self, kind: str, found: re.Match[str]) -> str:
        if kind in UNCOUNTED:
            return f"<{kind}>"
        known = self._known[kind]
        return known.setdefault(found[0], f"<{kind} {len(known) + 1}>")


def counted(metrics: str) -> str:
    """Of metrics in Prometheus' format, what the node counts: not how long anything took."""
    return "\n".join(
        line
        for line in metrics.splitlines()
        if "stigmem_" in line and not re.search(r"_(bucket|created|sum)\b", line)
    )


def settled(values: list[Any]) -> list[Any]:
    """A list with neighbours that tie, by score or time, in an order that is always the same.

    The node orders them by their random ids.
    """
    groups = groupby(values, _rank)
    return [each for _, tied in groups for each in sorted(tied, key=_content)]


def _rank(value: Any) -> Any:
    """What a list is ordered by; of what has no score and no time, nothing is the same."""
    nothing = id(value)
    if isinstance(value, dict):
        return value.get("score", value.get("timestamp", nothing))
    return nothing


def _content(value: Any) -> str:
    text = json.dumps(value, sort_keys=True)
    for pattern in VARYING.values():
        text = pattern.sub("", text)
    return text


def normal(exchanges: Iterable[Exchange]) -> dict[str, Any]:
    """The answers of a drive by name of the exchange."""
    normalised = Normal()
    return {
        each.name: normalised.value(
            {
                "status": each.answer.status,
                "headers": each.answer.headers,
                "body": each.answer.body,
            }
        )
        for each in exchanges
    }


def differences(ours: dict[str, Any], own: dict[str, Any]) -> list[Difference]:
    """Every place where two normalised drives differ."""
    return [
        Difference(name, where, json.dumps(left), json.dumps(right))
        for name in dict.fromkeys([*ours, *own])
        for where, left, right in _unlike("", ours.get(name), own.get(name))
    ]


def _unlike(where: str, ours: Any, own: Any) -> Iterator[tuple[str, Any, Any]]:
    if isinstance(ours, dict) and isinstance(own, dict):
        for key in dict.fromkeys([*ours, *own]):
            yield from _unlike(f"{where}.{key}".lstrip("."), ours.get(key), own.get(key))
    elif isinstance(ours, list) and isinstance(own, list) and len(ours) == len(own):
        for number, (left, right) in enumerate(zip(ours, own, strict=True)):
            yield from _unlike(f"{where}[{number}]", left, right)
    elif ours != own:
        yield where, ours, own
