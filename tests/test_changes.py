"""How two values differ, in words."""

from __future__ import annotations

from typing import Any

import pytest
from attrs import field, frozen
from hypothesis import given
from hypothesis import strategies as st

from stigmem_plugins.cli.changes import NOTHING, Change, brief, changes, plain

json_values = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=10,
)


def listed(before: Any, after: Any) -> list[str]:
    return [str(change) for change in changes(before, after)]


@given(json_values)
def test_nothing_differs_from_itself(value: Any) -> None:
    """Whatever it is."""
    assert listed(value, plain(value)) == []


@given(json_values, json_values)
def test_what_differs_is_noticed(before: Any, after: Any) -> None:
    """Two values without a change between them are the same JSON."""
    same = brief(plain(before), 10**9) == brief(plain(after), 10**9)
    if not listed(plain(before), plain(after)):
        assert same or _reordered(before, after)


def _reordered(before: Any, after: Any) -> bool:
    return bool(before == after)  # the order of a dict's keys means nothing


@pytest.mark.parametrize(
    ("before", "after", "says"),
    [
        (1, 2, ["1 -> 2"]),
        (1, True, ["1 -> true"]),
        (None, [], ["null -> []"]),
        ([1, 2, 3], [1, 3], ["- [1]: 2"]),
        ([1, 2], [1, 9], ["[1]: 2 -> 9"]),
        ([1], [1, {"id": 2}], ['+ [1]: {"id": 2}']),
        ([{"id": 1}], [{"id": 2}], ['- [0]: {"id": 1}', '+ [0]: {"id": 2}']),
        ({"a": {"b": [0]}}, {"a": {"b": [1]}}, ["a.b[0]: 0 -> 1"]),
        ({"é": 1}, {}, ["- é: 1"]),
        ("x" * 100, "", [f'"{"x" * 58}… -> ""']),
    ],
)
def test_a_change_says_where_and_what(before: Any, after: Any, says: list[str]) -> None:
    """Cut where it is long."""
    assert listed(before, after) == says


def test_a_place_is_cut_only_where_it_is_absurd() -> None:
    """A key is foreign text."""
    assert len(str(Change("k" * 10_000, 1, NOTHING))) < 600


@frozen
class Credentials:
    user: str
    password: str = field(repr=False)


def test_what_json_has_no_form_for() -> None:
    """Fields of attrs instances, without those that are not to be shown; else `repr`."""
    assert plain([Credentials("ada", "hunter22"), (1, 2), b"x"]) == [
        {"user": "ada"},
        [1, 2],
        "b'x'",
    ]


def test_secrets_are_masked_in_keys_and_values_and_what_stands_for_them() -> None:
    """However deep."""
    value = {"hunter22": ["a hunter22", {"hunter22"}, {"deep": "hunter22"}]}
    assert plain(value, ["hunter22"]) == {"***": ["a ***", "{'***'}", {"deep": "***"}]}


def test_what_cannot_be_copied_is_shown_as_text() -> None:
    """What contains itself, is too deep, or has keys that JSON has not."""
    itself: list[Any] = []
    itself.append(itself)
    deep: list[Any] = []
    for _ in range(100_000):
        deep = [deep]
    assert plain(itself) == "[[...]]"
    assert plain(deep) == "a list"
    assert plain({(1, 2): "hunter22"}, ["hunter22"]) == "{(1, 2): '***'}"
