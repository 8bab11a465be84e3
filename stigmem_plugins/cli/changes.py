"""What changed between two values, in words that fit a terminal."""

from __future__ import annotations

import json
import math
from collections.abc import Iterable, Iterator
from difflib import SequenceMatcher
from numbers import Real
from typing import Any, Final

import attrs
from attrs import frozen

from stigmem_plugins.errors import FAILURES, bounded, shown, without

LONGEST: Final = 60
"""How many characters of each value a change shows."""
NOTHING: Final = object()
"""Stands for the value that something did not have before, or has no more."""


def plain(value: Any, secrets: Iterable[str] = ()) -> Any:
    """A copy of a foreign value as JSON has it, secrets masked.

    What JSON has no form for is there as its fields, if it is an attrs instance, or as `repr`
    has it.

    Example:
        >>> plain({"token": "hunter2", "seen": {1}, "score": float("nan")}, ["hunter2"])
        {'token': '***', 'seen': '{1}', 'score': 'nan'}
    """
    secrets = tuple(secrets)

    def form(given: Any) -> Any:
        if attrs.has(type(given)):
            fields = attrs.fields(type(given))
            return {field.name: getattr(given, field.name) for field in fields if field.repr}
        return float(given) if isinstance(given, Real) else shown(given, secrets)

    try:
        return _masked(json.loads(json.dumps(value, default=form)), secrets)
    except FAILURES:  # it contains itself, is too deep, or has keys that JSON has not
        return shown(value, secrets)


def _masked(value: Any, secrets: tuple[str, ...]) -> Any:
    if isinstance(value, dict):
        return {without(key, secrets): _masked(each, secrets) for key, each in value.items()}
    if isinstance(value, list):
        return [_masked(each, secrets) for each in value]
    if isinstance(value, str):
        return without(value, secrets)
    return str(value) if isinstance(value, float) and not math.isfinite(value) else value


@frozen
class Change:
    """One difference between two plain values.

    Args:
        at: Where it is: `[2].source`; empty for the value itself.
        before: What was there, or `NOTHING`.
        after: What is there, or `NOTHING`.

    Example:
        >>> str(Change("limit", 500, 50)), str(Change("[2]", "f2", NOTHING))
        ('limit: 500 -> 50', '- [2]: "f2"')
    """

    at: str
    before: Any
    after: Any

    def __str__(self) -> str:
        at = f"{bounded(self.at)}: " if self.at else ""
        if self.after is NOTHING:
            return f"- {at}{brief(self.before)}"
        if self.before is NOTHING:
            return f"+ {at}{brief(self.after)}"
        return f"{at}{brief(self.before)} -> {brief(self.after)}"


def brief(value: Any, longest: int = LONGEST) -> str:
    """A plain value as JSON, cut where it is long.

    Example:
        >>> brief({"id": "f1"}), brief("abcdef", 5)
        ('{"id": "f1"}', '"abc…')
    """
    text = _text(value)
    return text if len(text) <= longest else text[: longest - 1] + "…"


def changes(before: Any, after: Any, at: str = "") -> Iterator[Change]:
    """The differences between two plain values, as deep as they are.

    Example:
        >>> [str(c) for c in changes({"limit": 500, "entity": "a"}, {"limit": 50, "scope": "b"})]
        ['limit: 500 -> 50', '- entity: "a"', '+ scope: "b"']
        >>> found = [{"id": 1}, {"id": 2}, {"id": 3, "source": "agent:a"}]
        >>> [str(c) for c in changes(found, [{"id": 1}, {"id": 3, "source": "***"}])]
        ['- [1]: {"id": 2}', '[2].source: "agent:a" -> "***"']
    """
    if isinstance(before, dict) and isinstance(after, dict):
        for key in before | after:
            old, new = before.get(key, NOTHING), after.get(key, NOTHING)
            place = f"{at}.{key}" if at else key
            if old is NOTHING or new is NOTHING:
                yield Change(place, old, new)
            else:
                yield from changes(old, new, place)
    elif isinstance(before, list) and isinstance(after, list):
        yield from _items(before, after, at)
    elif _text(before) != _text(after):
        yield Change(at, before, after)


def _items(before: list[Any], after: list[Any], at: str) -> Iterator[Change]:
    """The differences between two lists: objects with an `id` are the same if that is."""
    matcher = SequenceMatcher(None, [*map(_key, before)], [*map(_key, after)])
    for kind, start, end, first, last in matcher.get_opcodes():
        old, new = before[start:end], after[first:last]
        if kind == "equal" or (len(old) == len(new) and not any(map(_has_id, old + new))):
            for number, pair in enumerate(zip(old, new, strict=True), start):
                yield from changes(*pair, f"{at}[{number}]")
            continue
        for number, item in enumerate(old, start):
            yield Change(f"{at}[{number}]", item, NOTHING)
        for number, item in enumerate(new, first):
            yield Change(f"{at}[{number}]", NOTHING, item)


def _key(item: Any) -> str:
    return _text(item["id"] if _has_id(item) else item)


def _has_id(item: Any) -> bool:
    return isinstance(item, dict) and "id" in item


def _text(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False)
