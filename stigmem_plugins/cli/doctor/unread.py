"""The check of what the operator set, and nobody reads: misspelled, or of a plugin that is gone."""

from __future__ import annotations

import os
from collections.abc import Iterator
from typing import Final

from stigmem_plugins.cli.doctor.installation import Installation
from stigmem_plugins.cli.listing import Listed
from stigmem_plugins.cli.output import ACCEPTED
from stigmem_plugins.config import read_tables, variable
from stigmem_plugins.errors import StigmemPluginError, suggest
from stigmem_plugins.findings import Finding, Level
from stigmem_plugins.schemas import options_of
from stigmem_plugins.settings import PREFIX, SETTING_NAMES

SETTING_UNREAD: Final = "setting-unread"


def setting_unread(installation: Installation) -> Iterator[Finding]:
    """Environment variables and tables that neither the plugin layer nor a plugin reads."""
    read = set(SETTING_NAMES)
    prefixes: set[str] = set()
    for plugin in installation.plugins:
        if (keys := _keys(plugin)) is None:
            prefixes.update(variable(name) for name in _names(plugin))
        else:
            read.update(variable(plugin.name, key) for key in keys)
    for name in sorted(os.environ):
        if name.startswith(PREFIX) and name not in read and not name.startswith((*prefixes,)):
            yield Finding(
                SETTING_UNREAD,
                Level.WARN,
                f"neither the plugin layer nor an installed plugin reads it{suggest(name, read)}",
                subject=name,
                hint="correct the name, or unset it",
            )
    yield from _tables({name for plugin in installation.plugins for name in _names(plugin)})


def _tables(names: set[str]) -> Iterator[Finding]:
    try:
        tables = read_tables()
    except StigmemPluginError as error:
        code = f"{SETTING_UNREAD}.file"
        yield Finding(SETTING_UNREAD, Level.WARN, error.message, code=code, hint=error.fix)
        return
    for name in sorted(tables.keys() - names):
        yield Finding(
            SETTING_UNREAD,
            Level.WARN,
            f"no plugin of that name is installed{suggest(name, names)}",
            code=f"{SETTING_UNREAD}.table",
            subject=f"[tool.stigmem.plugins.{name}]",
            hint="correct the name, or remove the table",
        )


def _keys(plugin: Listed) -> list[str] | None:
    """What can be configured of a plugin; None where only it knows, or did not load."""
    schema = plugin.plugin.manifest.config_schema if plugin.plugin else None
    if schema is None or plugin.status != ACCEPTED:
        return None
    return [option.name for option in options_of(schema)]


def _names(plugin: Listed) -> set[str]:
    """What a plugin may be called: as long as it is not loaded, it has names to guess from."""
    installed = plugin.vetted.installed
    if plugin.plugin is not None:
        return {plugin.name}
    return {plugin.name, installed.distribution or installed.entry_point_name}
