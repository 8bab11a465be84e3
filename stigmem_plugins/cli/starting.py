"""A node's start, for commands that look at what it comes to."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager, redirect_stdout
from typing import TypeVar

from stigmem_plugins.cli.quiet import QuietRegistry
from stigmem_plugins.cli.verdicts import warnings_off
from stigmem_plugins.process import set_registry
from stigmem_plugins.startup import register_discovered_plugins

_R = TypeVar("_R", bound=QuietRegistry)


@contextmanager
def started(registry: _R) -> Iterator[_R]:
    """Start the installed plugins in `registry`, by the settings, as a node's start does.

    In the block it is the process's registry, and what plugins print goes to stderr.

    Raises:
        StigmemPluginError: A plugin is refused, or a setting cannot be read, as at a start.
    """
    previous = set_registry(registry)
    try:
        with redirect_stdout(sys.stderr), warnings_off():
            register_discovered_plugins(registry=registry, freeze=False)
            yield registry
    finally:
        registry.close()
        set_registry(previous)
