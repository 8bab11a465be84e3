"""What puts plugins through the checks, in batches, and what a refusal leaves: nothing.

All plugins of a batch are checked, first for what can be seen from outside, then by the
`config_validate` handlers; only then is any of them registered.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from copy import copy
from typing import Any, Protocol

from attrs import evolve

from stigmem_hookspecs import HOOK_SPECS
from stigmem_hookspecs.markers import HookSpec
from stigmem_hookspecs.values import FrozenDict
from stigmem_plugins.audit import PLUGIN_REGISTERED, REGISTRATION_FAILED, AuditTrail
from stigmem_plugins.capabilities import PluginContext, lend
from stigmem_plugins.checks import (
    CHECKS,
    CONFIG_EXCEPTION,
    CONFIG_RESULT,
    CONFIG_VALIDATE,
    DEPENDENCY,
    Refusal,
    Stage,
    Terms,
    check_variables,
    duplicate,
)
from stigmem_plugins.combiners import drive, vote
from stigmem_plugins.config import configure
from stigmem_plugins.deadlines import LIFECYCLE_SECONDS, declared_timeout, limited
from stigmem_plugins.dispatch import Dispatcher
from stigmem_plugins.errors import (
    ManifestError,
    PluginDependencyError,
    PluginExecutionError,
    StigmemPluginError,
    bounded,
    describe,
)
from stigmem_plugins.manifest import PluginManifest
from stigmem_plugins.ordering import dependency_order
from stigmem_plugins.registration import Candidate, Registration
from stigmem_plugins.shim import Called, Handler
from stigmem_plugins.signatures import handler_label, is_asynchronous, read_keywords
from stigmem_plugins.workers import Bulkheads


class Rejected(Protocol):
    """What can be refused: a candidate, or an installed plugin that was not even loaded."""

    @property
    def name(self) -> str:
        """What it is called."""

    def audit_metadata(self) -> dict[str, Any]:
        """What is known of it."""


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
    handlers = bound(manifest, context, configuration.secrets, stage.terms.handler_timeout)
    # A copy of its own: whoever still has the manifest cannot change what the registry says.
    kept = evolve(candidate, manifest=copy(manifest))
    return Registration(kept, context, FrozenDict(handlers), configuration, take_back)


def bound(
    manifest: PluginManifest,
    context: PluginContext,
    secrets: tuple[str, ...] = (),
    timeout: float | None = None,
) -> dict[str, Handler]:
    """A plugin's handlers by hook, each with its name, its keywords and its deadline.

    Args:
        manifest: The plugin's.
        context: What they are called with.
        secrets: Configured values that must not be repeated.
        timeout: The deadline of those that declare none.

    Raises:
        ManifestError: A handler cannot be called as its hook is.
    """
    return {
        hook: Handler(
            manifest.name,
            f"{manifest.name}.{handler_label(function)}",
            function,
            read_keywords(function, HOOK_SPECS[hook]),
            context,
            secrets,
            is_asynchronous(function),
            manifest.async_safe,
            declared_timeout(function) or timeout,
        )
        for hook, function in manifest.hooks.items()
    }


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


def examine(
    registration: Registration,
    manifest: PluginManifest,
    validators: Sequence[Called],
    bulkheads: Bulkheads,
) -> None:
    """Ask the `config_validate` handlers about a plugin, of which they get the manifest.

    Each has a deadline.

    Raises:
        Refusal: One of them denies it, raises, or returns something else than a vote.
    """
    examination = _Examination(registration)
    payload = {"plugin": manifest}
    asked = [limited(each, bulkheads, LIFECYCLE_SECONDS) for each in validators]
    try:
        drive(vote(asked, HOOK_SPECS["config_validate"], examination), payload)
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
    if twins := [name for name, n in Counter(c.name for c in candidates).items() if n > 1]:
        raise refuse([(by_name[name], duplicate(name)) for name in twins], dispatcher.trail)
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
            manifest = by_name[registration.manifest.name].manifest
            examine(registration, manifest, asked, dispatcher.bulkheads)
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
