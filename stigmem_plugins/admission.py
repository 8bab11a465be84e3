"""The checks that every plugin passes before it is registered, and what a refusal leaves: nothing.

Plugins are admitted in batches: all of them are checked, first for what can be seen from
outside, then by the `config_validate` handlers; only then is any of them registered.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, Final, Protocol

from attrs import frozen
from packaging.specifiers import SpecifierSet
from packaging.version import Version

from stigmem_hookspecs import HOOK_SPECS
from stigmem_hookspecs.markers import HookSpec
from stigmem_hookspecs.values import FrozenDict
from stigmem_plugins.audit import PLUGIN_REGISTERED, REGISTRATION_FAILED, AuditTrail
from stigmem_plugins.capabilities import CoreApis, lend
from stigmem_plugins.combiners import vote
from stigmem_plugins.config import configure
from stigmem_plugins.dispatch import Dispatcher
from stigmem_plugins.errors import (
    ManifestError,
    PluginDependencyError,
    PluginExecutionError,
    StigmemPluginError,
    bounded,
    describe,
)
from stigmem_plugins.ordering import dependency_order, require_dependencies
from stigmem_plugins.registration import Candidate, Registration
from stigmem_plugins.shim import Called, Handler, handler_label, read_keywords

DUPLICATE: Final = "duplicate"
MANIFEST_INVALID: Final = "manifest_invalid"
CONFIG_VALIDATE: Final = "config_validate"
CONFIG_EXCEPTION: Final = "config_exception"
CONFIG_RESULT: Final = "config_result"
DEPENDENCY: Final = "dependency"
SIGNATURE: Final = "signature"
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


class Rejected(Protocol):
    """What can be refused: a candidate, or an installed plugin that was not even loaded."""

    @property
    def name(self) -> str:
        """What it is called."""

    def audit_metadata(self) -> dict[str, Any]:
        """What is known of it."""


@frozen
class Terms:
    """What a node admits plugins to.

    Args:
        core_apis: The handles that it offers.
        stigmem_version: The version that `requires_stigmem` is held against.
    """

    core_apis: CoreApis
    stigmem_version: str


@frozen
class Stage:
    """Where candidates are checked: beside what is registered, and beside each other."""

    dispatcher: Dispatcher
    terms: Terms
    names: frozenset[str]


def check_unique(candidate: Candidate, stage: Stage) -> None:
    """No plugin of that name is registered, with us or with pluggy."""
    name, manager = candidate.manifest.name, stage.dispatcher.manager
    if manager.has_plugin(name) or manager.is_blocked(name):
        message = f"plugin {name!r} is already registered, or its name is blocked"
        fix = "register each plugin once; a changed one needs a new registry"
        raise Refusal(DUPLICATE, ManifestError(message, plugin=name, fix=fix))


def check_compatible(candidate: Candidate, stage: Stage) -> None:
    """The node's version is one that the plugin can run on; alphas and betas count."""
    manifest, host = candidate.manifest, Version(stage.terms.stigmem_version)
    if not SpecifierSet(manifest.requires_stigmem).contains(host, prereleases=True):
        message = (
            f"plugin {manifest.name!r} requires stigmem {manifest.requires_stigmem}, "
            f"and this node is {host}"
        )
        fix = "install a version of the plugin made for this node"
        raise Refusal(MANIFEST_INVALID, ManifestError(message, plugin=manifest.name, fix=fix))


def check_handlers(candidate: Candidate, _stage: Stage) -> None:
    """Every handler can be called as its hook calls it; all that cannot are named at once."""
    faults: list[str] = []
    for hook, function in candidate.manifest.hooks.items():
        try:
            read_keywords(function, HOOK_SPECS[hook])
        except ManifestError as fault:
            faults.append(str(fault))
    if faults:
        name = candidate.manifest.name
        message = f"plugin {name!r}: {'; '.join(faults)}"
        raise Refusal(MANIFEST_INVALID, ManifestError(message, plugin=name))


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


def enrol(candidate: Candidate, stage: Stage) -> Registration:
    """Put a candidate through the checks, read its configuration and bind its handlers.

    Raises:
        Refusal: A check fails, or the operator's settings do not fit its `config_schema`.
    """
    for check in CHECKS:
        check(candidate, stage)
    manifest = candidate.manifest
    try:
        configuration = configure(manifest)
    except StigmemPluginError as error:
        raise Refusal(CONFIG_VALIDATE, error) from None
    context, take_back = lend(
        plugin_name=manifest.name,
        plugin_version=manifest.version,
        capabilities=manifest.capabilities,
        core_apis=stage.terms.core_apis,
        config=configuration.value,
    )
    handlers = {
        hook: Handler(
            manifest.name,
            f"{manifest.name}.{handler_label(function)}",
            function,
            read_keywords(function, HOOK_SPECS[hook]),
            context,
            configuration.secrets,
        )
        for hook, function in manifest.hooks.items()
    }
    return Registration(candidate, context, FrozenDict(handlers), configuration, take_back)


class _Examination:
    """Turns what `config_validate` handlers say of one plugin into a refusal."""

    def __init__(self, registration: Registration) -> None:
        self._registration = registration
        self.refusal: Refusal | None = None

    def denied(self, handler: Called, _spec: HookSpec, reason: str) -> None:
        self._refuse(handler, CONFIG_VALIDATE, reason)

    def failed(
        self, handler: Called, _spec: HookSpec, problem: BaseException | str
    ) -> PluginExecutionError:
        if isinstance(problem, BaseException):
            self._refuse(handler, CONFIG_EXCEPTION, describe(problem, self._secrets(handler)))
        else:
            self._refuse(handler, CONFIG_RESULT, problem)
        return PluginExecutionError("a config_validate handler failed")

    def _secrets(self, handler: Called) -> set[str]:
        return {*handler.secrets, *self._registration.secrets}

    def _refuse(self, handler: Called, reason: str, text: str) -> None:
        name = self._registration.manifest.name
        text = bounded(text, self._secrets(handler))
        message = (
            f"plugin {name!r} is refused by config_validate of {handler.handler_name!r}: {text}"
        )
        fix = "correct the plugin's configuration, or the validator"
        self.refusal = Refusal(reason, ManifestError(message, plugin=name, fix=fix))


def examine(registration: Registration, validators: Sequence[Called]) -> None:
    """Ask the `config_validate` handlers about a plugin.

    Raises:
        Refusal: One of them denies it, raises, or returns something else than a vote.
    """
    examination = _Examination(registration)
    payload = {"plugin": registration.manifest}
    try:
        vote(validators, HOOK_SPECS["config_validate"], examination, payload)
    except PluginExecutionError as failure:
        raise examination.refusal or failure from failure.__cause__
    if examination.refusal:
        raise examination.refusal


def admit(
    candidates: Sequence[Candidate], dispatcher: Dispatcher, terms: Terms
) -> tuple[Registration, ...]:
    """Register all candidates, in dependency order, or none; the caller holds the seal.

    Every refusal is one audit event, and so is every registration.

    Raises:
        StigmemPluginError: Of the first refusal's kind; the message names every plugin refused.
    """
    by_name = {candidate.name: candidate for candidate in candidates}
    if len(by_name) < len(candidates):
        message = "several plugins of one name are to be registered"
        raise ManifestError(message, fix="register each plugin once")
    stage = Stage(dispatcher, terms, frozenset(by_name))
    staged: list[Registration] = []
    refused: list[tuple[Candidate, Refusal]] = []
    for candidate in _ordered(by_name, refused):
        try:
            registration = enrol(candidate, stage)
            check_variables(registration, [*dispatcher.registrations.values(), *staged])
            staged.append(registration)
        except Refusal as refusal:
            refused.append((candidate, refusal))
    validators = list(dispatcher.handlers("config_validate"))
    for registration in () if refused else staged:
        own = registration.handlers.get("config_validate")
        asked = [*validators, own] if own else validators
        try:
            examine(registration, asked)
        except Refusal as refusal:
            refused.append((registration.candidate, refusal))
        else:
            validators = asked  # one that is refused has no say about the others
    if refused:
        for registration in staged:
            registration.take_back()
        raise refuse(refused, dispatcher.trail)
    events = [(each.manifest.name, each.candidate.audit_metadata()) for each in staged]
    dispatcher.add(staged)
    for name, metadata in events:
        dispatcher.trail.emit(PLUGIN_REGISTERED, name, **metadata)
    return tuple(staged)


def _ordered(
    by_name: Mapping[str, Candidate], refused: list[tuple[Candidate, Refusal]]
) -> list[Candidate]:
    try:
        order = dependency_order({name: c.manifest.depends_on for name, c in by_name.items()})
    except PluginDependencyError as error:
        refused.append((by_name[error.plugin or ""], Refusal(DEPENDENCY, error)))
        return []
    return [by_name[name] for name in order]


def refuse(refused: Sequence[tuple[Rejected, Refusal]], trail: AuditTrail) -> StigmemPluginError:
    """Audit each refusal; returns the error to raise."""
    for rejected, refusal in refused:
        text = refusal.error.message
        trail.emit(
            REGISTRATION_FAILED,
            rejected.name,
            text,
            **rejected.audit_metadata(),
            reason=refusal.reason,
            validation_failure=text,
        )
    _, first = refused[0]
    if len(refused) == 1:
        first.error.__cause__ = first.error.__cause__ or first.__cause__
        return first.error
    texts = "; ".join(refusal.error.message for _, refusal in refused)
    fixes = dict.fromkeys(refusal.error.fix for _, refusal in refused if refusal.error.fix)
    message = f"{len(refused)} plugins are refused: {texts}"
    return type(first.error)(message, fix="; ".join(fixes) or None)
