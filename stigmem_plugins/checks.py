"""The checks that every plugin passes before any of its handlers runs."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterable
from typing import Any, Final

from attrs import frozen
from packaging.version import Version

from stigmem_hookspecs import HOOK_SPECS
from stigmem_plugins.capabilities import CoreApis
from stigmem_plugins.deadlines import declared_timeout
from stigmem_plugins.dispatch import Dispatcher
from stigmem_plugins.errors import ManifestError, PluginDependencyError, StigmemPluginError
from stigmem_plugins.ordering import require_dependencies
from stigmem_plugins.registration import Candidate, Registration
from stigmem_plugins.signatures import read_keywords

DUPLICATE: Final = "duplicate"
"""Its name is taken."""
MANIFEST_INVALID: Final = "manifest_invalid"
"""It cannot be loaded, its manifest has faults, or it requires another node version."""
CONFIG_VALIDATE: Final = "config_validate"
"""The settings do not fit its configuration, or a `config_validate` handler denies it."""
CONFIG_EXCEPTION: Final = "config_exception"
"""A `config_validate` handler raised."""
CONFIG_RESULT: Final = "config_result"
"""A `config_validate` handler returned no vote."""
DEPENDENCY: Final = "dependency"
"""A plugin that it depends on is missing, or there is a circle."""
SIGNATURE: Final = "signature"
"""It is not signed, not by a trusted publisher, or its files are not those signed."""
REASONS: Final = (
    DUPLICATE,
    MANIFEST_INVALID,
    CONFIG_VALIDATE,
    CONFIG_EXCEPTION,
    CONFIG_RESULT,
    DEPENDENCY,
    SIGNATURE,
)
"""Why a registration failed, as audit events say it."""


class Refusal(Exception):  # noqa: N818  # a decision on its way to the one place that audits it
    """A check refuses a plugin.

    Args:
        reason: One of `REASONS`.
        error: What the host is told.
    """

    def __init__(self, reason: str, error: StigmemPluginError) -> None:
        super().__init__(reason)
        self.reason = reason
        self.error = error


@frozen(eq=False, repr=False)
class Terms:
    """What a node admits plugins to.

    Args:
        core_apis: The handles that it offers.
        stigmem_version: The version that `requires_stigmem` is held against.
        handler_timeout: The deadline of handlers that declare none; None leaves them without.
    """

    core_apis: CoreApis
    stigmem_version: str
    handler_timeout: float | None = None


@frozen(eq=False, repr=False)
class Stage:
    """Where candidates are checked: beside what is registered, and beside each other."""

    dispatcher: Dispatcher
    terms: Terms
    names: frozenset[str]


def check_unique(candidate: Candidate, stage: Stage) -> None:
    """No plugin of that name is registered, with us or with pluggy."""
    if stage.dispatcher.knows(candidate.manifest.name):
        raise duplicate(candidate.manifest.name)


def duplicate(name: str) -> Refusal:
    """The refusal of a second plugin of one name."""
    message = f"plugin {name!r} is already registered, or its name is blocked"
    fix = "register each plugin once; a changed one needs a new registry"
    return Refusal(DUPLICATE, ManifestError(message, plugin=name, fix=fix))


def check_compatible(candidate: Candidate, stage: Stage) -> None:
    """The node's version is one that the plugin can run on; alphas and betas count."""
    from packaging.specifiers import SpecifierSet  # noqa: PLC0415  # as in `manifest`

    manifest, host = candidate.manifest, Version(stage.terms.stigmem_version)
    if not SpecifierSet(manifest.requires_stigmem).contains(host, prereleases=True):
        message = (
            f"plugin {manifest.name!r} requires stigmem {manifest.requires_stigmem}, "
            f"and this node is {host}"
        )
        fix = "install a version of the plugin made for this node"
        raise Refusal(MANIFEST_INVALID, ManifestError(message, plugin=manifest.name, fix=fix))


def check_handlers(candidate: Candidate, _stage: Stage) -> None:
    """Every handler can be called as its hook calls it, within a deadline that can be kept.

    All faults are named at once.
    """
    faults: list[str] = []
    for hook, function in candidate.manifest.hooks.items():
        try:
            read_keywords(function, HOOK_SPECS[hook])
            declared_timeout(function)
        except ManifestError as fault:
            faults.append(str(fault))
    check = candidate.manifest.health_check
    if check is not None:
        try:
            declared_timeout(check)
        except ManifestError as fault:
            faults.append(str(fault))
        if not _takes_context(check):
            faults.append("health_check must accept 1 positional argument, the context")
    if faults:
        name = candidate.manifest.name
        message = f"plugin {name!r}: {'; '.join(faults)}"
        raise Refusal(MANIFEST_INVALID, ManifestError(message, plugin=name))


def _takes_context(check: Callable[..., Any]) -> bool:
    try:
        inspect.signature(check).bind(None)
    except TypeError:
        return False
    except ValueError:
        return True  # without a signature, which only its call can judge
    return True


def check_dependencies(candidate: Candidate, stage: Stage) -> None:
    """Everything in `depends_on` is registered, or is admitted in the same batch."""
    manifest = candidate.manifest
    available = stage.dispatcher.registrations.keys() | stage.names
    try:
        require_dependencies({manifest.name: manifest.depends_on}, available)
    except PluginDependencyError as error:
        raise Refusal(DEPENDENCY, error) from None


CHECKS: Final[tuple[Callable[[Candidate, Stage], None], ...]] = (
    check_unique,
    check_compatible,
    check_handlers,
    check_dependencies,
)
"""What can be seen of a plugin without running it or reading settings, in this order."""


def check_variables(registration: Registration, others: Iterable[Registration]) -> None:
    """No variable that configured the plugin configured another: one of them is not meant."""
    for other in others:
        if shared := registration.configuration.variables & other.configuration.variables:
            name, variables = registration.manifest.name, ", ".join(sorted(shared))
            message = (
                f"plugin {name!r} is misconfigured: {variables} would configure plugin "
                f"{other.manifest.name!r} too"
            )
            fix = "unset it, and use the table [tool.stigmem.plugins] of each"
            raise Refusal(CONFIG_VALIDATE, ManifestError(message, plugin=name, fix=fix))
