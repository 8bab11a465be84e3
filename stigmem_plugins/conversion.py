"""From what an operator wrote to the type that a configuration field declares."""

from __future__ import annotations

import json
from collections import abc
from collections.abc import Callable
from enum import Enum
from pathlib import Path
from types import NoneType, UnionType
from typing import Any, Final, Literal, Union, get_args, get_origin

from stigmem_plugins.settings import parse_flag

_CONTAINERS: Final = (list, tuple, set, frozenset)
_ABSTRACT: Final[dict[Any, Any]] = {
    abc.Sequence: list,
    abc.MutableSequence: list,
    abc.Iterable: list,
    abc.Collection: list,
    abc.Set: frozenset,
    abc.MutableSet: set,
    abc.Mapping: dict,
    abc.MutableMapping: dict,
}
_FROM_TEXT: Final[dict[Any, Callable[[str], Any]]] = {
    bool: parse_flag,
    int: int,
    float: float,
    Path: Path,
    bytes: str.encode,
}


def convert(given: Any, hint: Any) -> Any:  # noqa: C901, PLR0911  # a case for each kind of type
    """Turn a TOML value or an environment variable's text into an instance of `hint`.

    Knows str, bytes, bool, int, float, Path, enumerations, Literal, optional and union types,
    mappings (as JSON), and sequences and sets (TOML arrays, JSON arrays or comma lists).

    Args:
        given: Text from the environment, or a value as TOML has it.
        hint: The field's type.

    Raises:
        ValueError: It cannot be turned into one; the message follows the field's name.

    Example:
        >>> convert("1, 2", tuple[int, ...]), convert("yes", bool), convert(3, float)
        ((1, 2), True, 3.0)
        >>> convert("many", int)
        Traceback (most recent call last):
        ValueError: must be of type int
    """
    while hasattr(hint, "__supertype__"):
        hint = hint.__supertype__  # a NewType
    origin = _ABSTRACT.get(get_origin(hint) or hint, get_origin(hint) or hint)
    if origin is Any or origin is object:
        return given
    if origin in {Union, UnionType}:
        return _first_fit(given, get_args(hint))
    if origin is Literal:
        return _one_of(given, {_spelled(choice): choice for choice in get_args(hint)})
    if isinstance(origin, type) and issubclass(origin, Enum):
        return _one_of(given, {_spelled(member.value): member for member in origin})
    if origin in _CONTAINERS:
        return _container(given, origin, get_args(hint))
    if origin is dict:
        return _mapping(given, get_args(hint))
    if isinstance(given, str) and origin in _FROM_TEXT:
        return _from_text(given, origin)
    if origin is float and isinstance(given, int) and not isinstance(given, bool):
        return float(given)
    if isinstance(given, str) and origin is not str:
        message = f"cannot be set by text, since its type is {_name(hint)}: give it a converter"
        raise ValueError(message)
    return _of_type(given, origin) if isinstance(origin, type) else given


def _from_text(given: str, kind: Any) -> Any:
    try:
        return _FROM_TEXT[kind](given)
    except ValueError as error:
        message = str(error) if kind is bool else f"must be of type {_name(kind)}"
        raise ValueError(message) from None


def _name(hint: Any) -> str:
    return getattr(hint, "__name__", str(hint))


def _spelled(choice: Any) -> str:
    return str(choice).lower() if isinstance(choice, bool) else str(choice)


def _of_type(given: Any, expected: type[Any]) -> Any:
    if not isinstance(given, expected) or (isinstance(given, bool) and expected is not bool):
        message = f"must be of type {expected.__name__}"
        raise ValueError(message)
    return given


def _first_fit(given: Any, hints: tuple[Any, ...]) -> Any:
    # A plain str takes anything, so narrower members of a union are tried first.
    candidates = sorted((hint for hint in hints if hint is not NoneType), key=lambda h: h is str)
    if given == "" and NoneType in hints and str not in hints:
        return None
    for hint in candidates:
        try:
            return convert(given, hint)
        except ValueError:
            continue
    message = f"must be of type {' or '.join(map(_name, candidates))}"
    raise ValueError(message)


def _one_of(given: Any, choices: dict[str, Any]) -> Any:
    try:
        return choices[_spelled(given)]
    except KeyError:
        message = f"must be one of {', '.join(choices)}"
        raise ValueError(message) from None


def _mapping(given: Any, hints: tuple[Any, ...]) -> dict[Any, Any]:
    mapping = _of_type(json.loads(given) if isinstance(given, str) else given, dict)
    if not hints:
        return dict(mapping)
    return {convert(key, hints[0]): convert(value, hints[1]) for key, value in mapping.items()}


def _container(given: Any, kind: type[Any], hints: tuple[Any, ...]) -> Any:
    if isinstance(given, str):
        text = given.strip()
        parts = (part.strip() for part in text.split(","))
        given = json.loads(text) if text.startswith("[") else [part for part in parts if part]
    _of_type(given, list)
    if kind is tuple and hints and hints[-1] is not Ellipsis:
        if len(given) != len(hints):
            message = f"must have {len(hints)} items"
            raise ValueError(message)
        return tuple(convert(item, hint) for item, hint in zip(given, hints, strict=True))
    hint = hints[0] if hints else str
    return kind(convert(item, hint) for item in given)
