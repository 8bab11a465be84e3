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
    """One field of a `config_schema`."""

    name: str
    attribute: str
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
    """

    value: Any = attrs.field(default=None, repr=False)
    secrets: tuple[str, ...] = attrs.field(default=(), repr=False)


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
    options = {option.name: option for option in _options(schema)}
    table = (read_tables() if tables is None else tables).get(manifest.name, {})
    if not isinstance(table, Mapping):
        table = {"(its table is not a table)": table}
    faults = [f"unknown key {key!r}{suggest(key, options)}" for key in table if key not in options]
    given = _given(manifest.name, options, table, os.environ if environ is None else environ)
    secrets = tuple(_texts(given[name] for name in given if options[name].secret))
    values: dict[str, Any] = {}
    for name, option in options.items():
        if name in given:
            try:
                values[name] = option.convert(given[name], option.hint)
            except ValueError as error:
                faults.append(f"{name} {error}")
        elif option.required:
            faults.append(f"{name} is required")
    if not faults:
        try:
            value = _build(schema, values, secrets)
        except ValueError as error:
            faults.append(str(error))
        else:
            used = _texts(getattr(value, o.attribute) for o in options.values() if o.secret)
            return Configuration(value, tuple({*secrets, *used}))
    message = f"plugin {manifest.name!r} is misconfigured: {bounded('; '.join(faults), secrets)}"
    fix = f"set {variable(manifest.name)}<KEY> or [tool.stigmem.plugins.{manifest.name}]"
    raise ManifestError(message, plugin=manifest.name, fix=fix)


def _given(
    plugin_name: str, options: Iterable[str], table: Tables, environ: Mapping[str, str]
) -> dict[str, Any]:
    """What the operator gave for each option: the environment's word, else the table's."""
    given = {name: table[name] for name in options if name in table}
    for name in options:
        spelled = variable(plugin_name, name)
        if spelled in environ and spelled not in SETTING_NAMES:
            given[name] = environ[spelled]
    return given


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
    raise ManifestError(message, fix="decorate it with attrs.frozen")


def _pydantic_options(schema: Any) -> Iterator[Option]:
    for name, info in schema.model_fields.items():
        secret = not info.repr or hasattr(info.annotation, "get_secret_value")
        yield Option(name, name, info.annotation, info.is_required(), secret, _for_pydantic)


def _attrs_options(schema: type[Any]) -> Iterator[Option]:
    hints = get_type_hints(schema)
    for field in attrs.fields(schema):
        if field.init:
            required = field.default is attrs.NOTHING
            own = _unchanged if field.converter else convert
            hint = hints.get(field.name, Any)
            yield Option(field.alias, field.name, hint, required, _is_secret(field), own)


def _dataclass_options(schema: type[Any]) -> Iterator[Option]:
    hints = get_type_hints(schema)
    for field in dataclasses.fields(schema):
        if field.init:
            required = field.default is field.default_factory is dataclasses.MISSING
            yield Option(
                field.name, field.name, hints[field.name], required, _is_secret(field), convert
            )


def _is_secret(field: Any) -> bool:
    """A field says that it is secret by `repr=False` or by `metadata={"secret": True}`."""
    return not field.repr or bool(field.metadata.get("secret"))


def _unchanged(given: Any, _hint: Any) -> Any:
    return given


def _for_pydantic(given: Any, hint: Any) -> Any:
    """Only what pydantic does not do itself: text that stands for several values."""
    kinds = {get_origin(part) or part for part in (hint, *get_args(hint))}
    if isinstance(given, str) and not kinds.isdisjoint({list, tuple, set, frozenset}):
        return convert(given, list[Any])
    if isinstance(given, str) and dict in kinds:
        return convert(given, dict)
    return given


def _build(schema: type[Any], values: Mapping[str, Any], secrets: tuple[str, ...]) -> Any:
    """An instance of the schema.

    Raises:
        ValueError: A line for each fault that the schema itself found.
    """
    try:
        return schema(**values)
    except Exception as error:
        details = getattr(error, "errors", None)
        if not callable(details):
            raise ValueError(describe(error, secrets)) from error  # noqa: TRY004  # it failed to build
        faults = details(include_input=False, include_url=False)  # pydantic's ValidationError
        lines = [f"{'.'.join(map(str, f['loc']))} {f['msg']}".strip() for f in faults]
        raise ValueError("; ".join(lines)) from error


def _texts(values: Iterable[Any]) -> Iterator[str]:
    """The non-empty texts in values: of pydantic's secret types, of bytes, and in containers."""
    for value in values:
        plain = value.get_secret_value() if hasattr(value, "get_secret_value") else value
        if isinstance(plain, (list, tuple, set, frozenset)):
            yield from _texts(plain)
        elif isinstance(plain, Mapping):
            yield from _texts(plain.values())
        elif isinstance(plain, bytes):
            yield from filter(None, [plain.decode(errors="replace")])
        elif plain is not None and plain != "":
            yield str(plain)
