"""A plugin's own configuration: from the operator's settings to an instance of its schema.

`[tool.stigmem.plugins.<name>]` in the `pyproject.toml` of the working directory gives values,
`STIGMEM_PLUGIN_<NAME>_<KEY>` overrides them, and the manifest's `config_schema` (an attrs,
dataclass or pydantic class) says which there are.
"""

from __future__ import annotations

import dataclasses
import os
import tomllib
from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any, TypeAlias, get_args, get_origin, get_type_hints

import attrs
from attrs import frozen

from stigmem_plugins.conversion import convert
from stigmem_plugins.errors import (
    FAILURES,
    ManifestError,
    StigmemPluginError,
    bounded,
    describe,
    suggest,
)
from stigmem_plugins.manifest import PluginManifest
from stigmem_plugins.settings import PREFIX, SETTING_NAMES

Tables: TypeAlias = Mapping[str, Any]


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


@frozen
class Configuration:
    """What a plugin was configured with.

    Args:
        value: The instance of its schema, or None without one.
        secrets: The text of its secret fields, to be masked wherever it could be repeated.
        variables: The environment variables that it was read from.
    """

    value: Any = attrs.field(default=None, repr=False)
    secrets: tuple[str, ...] = attrs.field(default=(), repr=False)
    variables: frozenset[str] = frozenset()


def read_tables(directory: Path | None = None) -> Tables:
    """The `[tool.stigmem.plugins]` table of a directory's `pyproject.toml`; {} without one.

    Raises:
        StigmemPluginError: The file cannot be read, or the table is not one.
    """
    path = (directory or Path.cwd()) / "pyproject.toml"
    try:
        document = tomllib.loads(path.read_text("utf-8"))
    except FileNotFoundError:
        return {}
    except (OSError, ValueError) as error:
        message = f"cannot read plugin configuration from {path}: {error}"
        raise StigmemPluginError(message, fix="correct the file, or remove it") from error
    table: Any = document
    for key in ("tool", "stigmem", "plugins"):
        table = table.get(key, {}) if isinstance(table, dict) else None
    if not isinstance(table, dict):
        message = f"[tool.stigmem.plugins] in {path} is not a table"
        raise StigmemPluginError(message, fix="write [tool.stigmem.plugins.<name>] and keys below")
    return table


def variable(plugin_name: str, key: str = "") -> str:
    """The environment variable that sets one key of a plugin.

    Example:
        >>> variable("example-plugin", "blocked_source")
        'STIGMEM_PLUGIN_EXAMPLE_PLUGIN_BLOCKED_SOURCE'
    """
    return f"{PREFIX}{plugin_name}_{key}".replace("-", "_").upper()


def configure(
    manifest: PluginManifest,
    *,
    environ: Mapping[str, str] | None = None,
    tables: Tables | None = None,
) -> Configuration:
    """Make the instance of a manifest's `config_schema` that the operator's settings describe.

    Args:
        manifest: The plugin's manifest.
        environ: Default: the process's environment.
        tables: Tables by plugin name; default: `read_tables()`.

    Raises:
        ManifestError: Lists every fault: unknown keys of the table, missing and malformed
            values, and what the schema itself refuses. Secret values are masked.

    Example:
        >>> @attrs.frozen
        ... class Limits:
        ...     largest: int = 10
        >>> manifest = PluginManifest("example-plugin", "1.0.0", config_schema=Limits)
        >>> configure(manifest, environ={"STIGMEM_PLUGIN_EXAMPLE_PLUGIN_LARGEST": "12"}).value
        Limits(largest=12)
        >>> configure(manifest, environ={}, tables={"example-plugin": {"larges": 1}})
        Traceback (most recent call last):
        stigmem_plugins.errors.ManifestError: plugin 'example-plugin' is misconfigured: \
unknown key 'larges' (did you mean 'largest'?); set STIGMEM_PLUGIN_EXAMPLE_PLUGIN_<KEY> or \
[tool.stigmem.plugins.example-plugin]
    """
    schema = manifest.config_schema
    if schema is None:
        return Configuration()
    source = os.environ if environ is None else environ
    table = (read_tables() if tables is None else tables).get(manifest.name, {})
    faults: list[str] = []
    secrets: set[str] = set()
    try:
        options = {option.name: option for option in _options(schema)}
        given, variables = _given(manifest.name, options, table, source, faults)
        values = _converted(options, given, secrets, faults)
        if not faults:
            value = schema(**values)
            for option in options.values():
                secrets.update(_secrets(getattr(value, option.attribute), secret=option.secret))
            return Configuration(value, tuple(sorted(secrets)), variables)
    except FAILURES as error:
        faults.extend(_schema_faults(error, secrets))
    message = f"plugin {manifest.name!r} is misconfigured: {bounded('; '.join(faults), secrets)}"
    fix = f"set {variable(manifest.name)}<KEY> or [tool.stigmem.plugins.{manifest.name}]"
    raise ManifestError(message, plugin=manifest.name, fix=fix)


def _given(
    plugin_name: str,
    options: Mapping[str, Option],
    table: Any,
    environ: Mapping[str, str],
    faults: list[str],
) -> tuple[dict[str, Any], frozenset[str]]:
    """What the operator gave for each option, and by which variables; these come first."""
    if not isinstance(table, Mapping):
        faults.append(f"[tool.stigmem.plugins] has no table for it, but {type(table).__name__}")
        table = {}
    faults += [f"unknown key {key!r}{suggest(key, options)}" for key in table if key not in options]
    given = {name: table[name] for name in options if name in table}
    variables = {variable(plugin_name, name): name for name in options}
    used = frozenset(name for name in variables if name in environ) - SETTING_NAMES
    given.update((variables[name], environ[name]) for name in used)
    return given, used


def _converted(
    options: Mapping[str, Option], given: Mapping[str, Any], secrets: set[str], faults: list[str]
) -> dict[str, Any]:
    """The arguments for the schema, as far as they are not faulty; collects what is secret."""
    for name in given:
        secrets.update(_secrets(given[name], secret=options[name].secret))
    values: dict[str, Any] = {}
    for name, option in options.items():
        if name in given:
            try:
                value = values[option.argument] = option.convert(given[name], option.hint)
                secrets.update(_secrets(value, secret=option.secret))
            except FAILURES as error:
                faults.append(f"{name} {error}")
        elif option.required:
            faults.append(f"{name} is required")
    return values


def masked(config: Any) -> dict[str, Any]:
    """A configuration as it may be shown: secret fields as `***`; {} for None."""
    if config is None:
        return {}
    return {
        option.name: "***" if option.secret else getattr(config, option.attribute)
        for option in _options(type(config))
    }


def _options(schema: type[Any]) -> Iterator[Option]:
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


def _schema_faults(error: BaseException, secrets: Iterable[str]) -> Iterator[str]:
    """What a schema found, a sentence each: pydantic lists several."""
    if type(error).__module__.startswith("pydantic") and hasattr(error, "errors"):
        for fault in error.errors(include_input=False, include_url=False):
            yield f"{'.'.join(map(str, fault['loc']))} {fault['msg']}".strip()
    else:
        yield describe(error, secrets)


def _secrets(value: Any, *, secret: bool) -> Iterator[str]:
    """The texts in a value that must not be repeated.

    Args:
        value: What a field was given, or holds.
        secret: Whether the field says that all of it is; else only what says so itself.
    """
    if hasattr(value, "get_secret_value"):
        yield from _secrets(value.get_secret_value(), secret=True)
    elif isinstance(value, Mapping):
        yield from _secrets(list(value.values()), secret=secret)
    elif isinstance(value, (list, tuple, set, frozenset)):
        for item in value:
            yield from _secrets(item, secret=secret)
    elif _is_schema(type(value)):
        for option in _options(type(value)):
            inner = getattr(value, option.attribute)
            yield from _secrets(inner, secret=secret or option.secret)
    elif secret and isinstance(value, bytes):
        yield from _secrets(value.decode(errors="replace"), secret=True)
    elif secret and value is not None:
        text = str(value)
        yield from filter(None, {text, text.strip(), *(part.strip() for part in text.split(","))})
