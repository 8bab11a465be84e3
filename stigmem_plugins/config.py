"""A plugin's own configuration: from the operator's settings to an instance of its schema.

`[tool.stigmem.plugins.<name>]` in the `pyproject.toml` of the working directory gives values,
`STIGMEM_PLUGIN_<NAME>_<KEY>` overrides them, and the manifest's `config_schema` (an attrs,
dataclass or pydantic class) says which there are.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Final, TypeAlias

import attrs
from attrs import frozen

from stigmem_plugins.errors import (
    FAILURES,
    ManifestError,
    StigmemPluginError,
    bounded,
    suggest,
)
from stigmem_plugins.manifest import PluginManifest
from stigmem_plugins.reading import read_named
from stigmem_plugins.settings import PREFIX, SETTING_NAMES

if TYPE_CHECKING:
    from pathlib import Path

    from stigmem_plugins.schemas import Option

Tables: TypeAlias = Mapping[str, Any]


@frozen(eq=False, repr=False)
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


UNCONFIGURED: Final = Configuration()
"""What a plugin without a schema is configured with."""


def read_tables(directory: Path | None = None) -> Tables:
    """The `[tool.stigmem.plugins]` table of a directory's `pyproject.toml`; {} without one.

    Raises:
        StigmemPluginError: The file cannot be read, or the table is not one.
    """
    import tomllib  # noqa: PLC0415  # slow to import
    from pathlib import Path  # noqa: PLC0415  # the same

    path = (directory or Path.cwd()) / "pyproject.toml"
    try:
        document = tomllib.loads(read_named(path).decode())
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
        return UNCONFIGURED
    from stigmem_plugins.schemas import (  # noqa: PLC0415  # only for plugins that have one
        options_of,
        schema_faults,
        secret_texts,
    )

    source = os.environ if environ is None else environ
    table = (read_tables() if tables is None else tables).get(manifest.name, {})
    faults: list[str] = []
    secrets: set[str] = set()
    try:
        options = {option.name: option for option in options_of(schema)}
        given, variables = _given(manifest.name, options, table, source, faults)
        values = _converted(options, given, secrets, faults)
        if not faults:
            value = schema(**values)
            for option in options.values():
                secrets.update(secret_texts(getattr(value, option.attribute), secret=option.secret))
            return Configuration(value, tuple(sorted(secrets)), variables)
    except FAILURES as error:
        faults.extend(schema_faults(error, secrets))
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
    from stigmem_plugins.schemas import secret_texts  # noqa: PLC0415  # the same

    for name in given:
        secrets.update(secret_texts(given[name], secret=options[name].secret))
    values: dict[str, Any] = {}
    for name, option in options.items():
        if name in given:
            try:
                value = values[option.argument] = option.convert(given[name], option.hint)
                secrets.update(secret_texts(value, secret=option.secret))
            except FAILURES as error:
                faults.append(f"{name} {error}")
        elif option.required:
            faults.append(f"{name} is required")
    return values


def masked(config: Any) -> dict[str, Any]:
    """A configuration as it may be shown: secret fields as `***`; {} for None."""
    if config is None:
        return {}
    from stigmem_plugins.schemas import options_of  # noqa: PLC0415  # the same

    return {
        option.name: "***" if option.secret else getattr(config, option.attribute)
        for option in options_of(type(config))
    }
