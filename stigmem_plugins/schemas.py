"""What a `config_schema` says about its fields: of attrs, dataclass and pydantic classes alike."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any, get_args, get_origin, get_type_hints

import attrs
from attrs import frozen

from stigmem_plugins.conversion import convert
from stigmem_plugins.errors import describe


@frozen
class Option:
    """One field of a `config_schema`.

    Args:
        name: The key that the operator writes.
        attribute: Where the instance has it.
        argument: What the schema's constructor calls it.
        hint: Its type.
        required: Whether it has no default.
        secret: Whether it must not be shown.
        convert: Makes a value of that type.
    """

    name: str
    attribute: str
    argument: str
    hint: Any
    required: bool
    secret: bool
    convert: Callable[[Any, Any], Any]


def options_of(schema: type[Any]) -> Iterator[Option]:
    """The fields that can be set.

    Raises:
        TypeError: It is no class of these three kinds.
    """
    if hasattr(schema, "model_fields"):
        return _pydantic_options(schema)
    if attrs.has(schema):
        return _attrs_options(schema)
    if dataclasses.is_dataclass(schema):
        return _dataclass_options(schema)
    message = f"config_schema {schema.__name__} is not an attrs, dataclass or pydantic class"
    raise TypeError(message)


def _is_schema(kind: type[Any]) -> bool:
    return hasattr(kind, "model_fields") or attrs.has(kind) or dataclasses.is_dataclass(kind)


def _pydantic_options(schema: Any) -> Iterator[Option]:
    for name, info in schema.model_fields.items():
        alias = info.validation_alias or info.alias or name
        yield Option(
            name,
            name,
            alias if isinstance(alias, str) else name,
            info.annotation,
            info.is_required(),
            not info.repr or _holds_secret(info.annotation),
            _for_pydantic,
        )


def _attrs_options(schema: type[Any]) -> Iterator[Option]:
    hints = get_type_hints(schema)
    for field in attrs.fields(schema):
        if field.init:
            yield Option(
                field.alias,
                field.name,
                field.alias,
                hints.get(field.name, Any),
                field.default is attrs.NOTHING,
                _is_secret(field),
                _unchanged if field.converter else convert,
            )


def _dataclass_options(schema: type[Any]) -> Iterator[Option]:
    hints = get_type_hints(schema)
    for field in dataclasses.fields(schema):
        if field.init:
            required = field.default is field.default_factory is dataclasses.MISSING
            yield Option(
                field.name,
                field.name,
                field.name,
                hints[field.name],
                required,
                _is_secret(field),
                convert,
            )


def _is_secret(field: Any) -> bool:
    """A field says that it is secret by `repr=False` or by `metadata={"secret": True}`."""
    return not field.repr or bool(field.metadata.get("secret"))


def _holds_secret(hint: Any) -> bool:
    """Whether a type is, or contains, one of pydantic's secret types."""
    return hasattr(hint, "get_secret_value") or any(map(_holds_secret, get_args(hint)))


def _unchanged(given: Any, _hint: Any) -> Any:
    return given


def _for_pydantic(given: Any, hint: Any) -> Any:
    """Only what pydantic does not do itself: text that stands for several values."""
    parts = (hint, *get_args(hint))
    if not isinstance(given, str):
        return given
    if given.lstrip().startswith("{") and any(
        get_origin(part) is dict or part is dict or hasattr(part, "model_fields") for part in parts
    ):
        return convert(given, dict)
    if any((get_origin(part) or part) in {list, tuple, set, frozenset} for part in parts):
        return convert(given, list[Any])
    return given


def schema_faults(error: BaseException, secrets: Iterable[str]) -> Iterator[str]:
    """What a schema found, a sentence each: pydantic lists several."""
    if type(error).__module__.startswith("pydantic") and hasattr(error, "errors"):
        for fault in error.errors(include_input=False, include_url=False):
            yield f"{'.'.join(map(str, fault['loc']))} {fault['msg']}".strip()
    else:
        yield describe(error, secrets)


def secret_texts(value: Any, *, secret: bool) -> Iterator[str]:
    """The texts in a value that must not be repeated.

    Args:
        value: What a field was given, or holds.
        secret: Whether the field says that all of it is; else only what says so itself.
    """
    if hasattr(value, "get_secret_value"):
        yield from secret_texts(value.get_secret_value(), secret=True)
    elif isinstance(value, Mapping):
        yield from secret_texts(list(value.values()), secret=secret)
    elif isinstance(value, (list, tuple, set, frozenset)):
        for item in value:
            yield from secret_texts(item, secret=secret)
    elif _is_schema(type(value)):
        for option in options_of(type(value)):
            inner = getattr(value, option.attribute)
            yield from secret_texts(inner, secret=secret or option.secret)
    elif secret and isinstance(value, bytes):
        yield from secret_texts(value.decode(errors="replace"), secret=True)
    elif secret and value is not None:
        text = str(value)
        yield from filter(None, {text, text.strip(), *(part.strip() for part in text.split(","))})
