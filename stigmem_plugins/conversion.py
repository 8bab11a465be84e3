"""From what an operator wrote to the type that a configuration field declares."""

from __future__ import annotations

import json
from collections.abc import Iterable
from enum import Enum
from pathlib import Path
from types import NoneType, UnionType
from typing import Any, Final, Literal, Union, get_args, get_origin

from stigmem_plugins.settings import parse_flag

_CONTAINERS: Final = (list, tuple, set, frozenset)


def convert(given: Any, hint: Any) -> Any:  # noqa: PLR0911  # a return for each kind of type
    """Turn a TOML value or an environment variable's text into an instance of `hint`.

    Knows str, bool, int, float, Path, enumerations, Literal, optional and union types, dict (as
    JSON), and list, tuple, set and frozenset (TOML arrays, JSON arrays or comma lists); a
    value for any other type is passed on as it is.

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
    origin = get_origin(hint) or hint
    if origin in {Union, UnionType}:
        return _first_fit(given, get_args(hint))
    if origin is Literal:
        return _one_of(given, {str(choice): choice for choice in get_args(hint)})
    if isinstance(origin, type) and issubclass(origin, Enum):
        return _one_of(given, {str(member.value): member for member in origin})
    if origin in _CONTAINERS:
        return _container(given, origin, get_args(hint))
    if origin is dict:
        return _of_type(json.loads(given) if isinstance(given, str) else given, dict)
    if origin is bool and isinstance(given, str):
        return parse_flag(given)
    if origin in {int, float} and isinstance(given, (str, int)) and not isinstance(given, bool):
        try:
            return origin(given)
        except ValueError:
            message = f"must be of type {origin.__name__}"
            raise ValueError(message) from None
    if origin is Path and isinstance(given, str):
        return Path(given)
    return _of_type(given, origin) if origin in {str, bool, int, float, Path} else given


def _of_type(given: Any, expected: type[Any]) -> Any:
    if not isinstance(given, expected) or (isinstance(given, bool) and expected is not bool):
        message = f"must be of type {expected.__name__}"
        raise ValueError(message)
    return given


def _first_fit(given: Any, hints: Iterable[Any]) -> Any:
    # A plain str takes anything, so narrower members of a union are tried first.
    candidates = sorted((hint for hint in hints if hint is not NoneType), key=lambda h: h is str)
    for hint in candidates:
        try:
            return convert(given, hint)
        except ValueError:
            continue
    names = " or ".join(getattr(hint, "__name__", str(hint)) for hint in candidates)
    message = f"must be of type {names}"
    raise ValueError(message)


def _one_of(given: Any, choices: dict[str, Any]) -> Any:
    try:
        return choices[str(given)]
    except KeyError:
        message = f"must be one of {', '.join(choices)}"
        raise ValueError(message) from None


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
