"""Checks of what a start makes of a plugin once it is verified."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial

from stigmem_plugins.capabilities import CoreApis
from stigmem_plugins.checks import (
    CONFIG_EXCEPTION,
    CONFIG_RESULT,
    CONFIG_VALIDATE,
    DEPENDENCY,
    MANIFEST_INVALID,
    Refusal,
    Stage,
    Terms,
    check_compatible,
)
from stigmem_plugins.cli.doctor.installation import Installation
from stigmem_plugins.cli.listing import Listed
from stigmem_plugins.cli.output import FAILED
from stigmem_plugins.cli.verdicts import circles
from stigmem_plugins.dispatch import Dispatcher
from stigmem_plugins.findings import Finding, Level
from stigmem_plugins.host import host_version
from stigmem_plugins.registration import Candidate

LOAD_FAILED = "load-failed"
INCOMPATIBLE_VERSION = "incompatible-version"
MANIFEST_INVALID_CHECK = "manifest-invalid"
DEPENDENCY_MISSING = "dependency-missing"
CYCLE = "cycle"
CONFIG_INVALID = "config-invalid"
_CODES = {
    CONFIG_VALIDATE: CONFIG_INVALID,
    CONFIG_EXCEPTION: f"{CONFIG_INVALID}.validator-failed",
    CONFIG_RESULT: f"{CONFIG_INVALID}.validator-result",
}


def _refused_as(installation: Installation, plugin: Listed) -> str:
    """The check that a refusal after verification belongs to."""
    if plugin.reason in _CODES:
        return CONFIG_INVALID
    if plugin.reason == DEPENDENCY:
        graph = {p.name: p.plugin.manifest.depends_on for p in installation.plugins if p.plugin}
        return CYCLE if plugin.name in circles(graph) else DEPENDENCY_MISSING
    if plugin.status == FAILED:
        return LOAD_FAILED
    return MANIFEST_INVALID_CHECK if _is_compatible(plugin) else INCOMPATIBLE_VERSION


def _is_compatible(plugin: Listed) -> bool:
    assert plugin.plugin is not None  # it was loaded
    candidate = Candidate(plugin.plugin.manifest)
    terms = Terms(CoreApis(), host_version())
    try:
        check_compatible(candidate, Stage(Dispatcher(lambda _what: None), terms, frozenset()))
    except Refusal:
        return False
    return True


def _refusals(check: str, installation: Installation) -> Iterator[Finding]:
    for plugin in installation.refused(MANIFEST_INVALID, DEPENDENCY, *_CODES):
        if plugin.error and _refused_as(installation, plugin) == check:
            yield Finding(
                check,
                Level.FAIL,
                plugin.error.message,
                code=_CODES.get(plugin.reason or "", check),
                subject=plugin.name,
                hint=plugin.error.fix,
            )


load_failed = partial(_refusals, LOAD_FAILED)
incompatible_version = partial(_refusals, INCOMPATIBLE_VERSION)
manifest_invalid = partial(_refusals, MANIFEST_INVALID_CHECK)
dependency_missing = partial(_refusals, DEPENDENCY_MISSING)
cycle = partial(_refusals, CYCLE)
config_invalid = partial(_refusals, CONFIG_INVALID)
