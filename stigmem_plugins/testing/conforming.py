"""Every check that a plugin should pass, and the report of what it does not."""

from __future__ import annotations

import warnings
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final

from attrs import evolve

from stigmem_hookspecs import HOOK_SPECS
from stigmem_plugins.capabilities import CoreApis
from stigmem_plugins.config import configure
from stigmem_plugins.errors import StigmemPluginError, suggest
from stigmem_plugins.findings import Finding, Level, failed
from stigmem_plugins.health import poll
from stigmem_plugins.manifest import PluginManifest
from stigmem_plugins.registration import Registration
from stigmem_plugins.signatures import handler_label
from stigmem_plugins.testing.declarations import (
    MANIFEST,
    Factory,
    check_capabilities,
    check_configuration,
    check_repeatable,
    check_statement,
)
from stigmem_plugins.testing.factories import call_factory
from stigmem_plugins.testing.handlers import HandlerCheck, granted
from stigmem_plugins.testing.registries import TestPluginRegistry
from stigmem_plugins.workers import Bulkheads

ADMISSION: Final = "admission"
HEALTH: Final = "health"
MINIMUM: Final = "minimum"
OF_PLUGIN: Final = 3
"""How many checks run for every plugin: manifest, statement and admission."""
OF_HANDLER: Final = 4
"""How many run for every handler, besides: all but the one that needs capabilities."""


class ConformanceWarning(UserWarning):
    """A plugin works, and yet does something that an author would want to know of."""


def conformance(
    factory: Factory,
    *,
    minimum: int | None = None,
    payloads: Mapping[str, Mapping[str, Any]] | None = None,
    core_apis: CoreApis | None = None,
    stigmem_version: str | None = None,
) -> tuple[Finding, ...]:
    """Run every check that a plugin should pass, and report all that it fails at once.

    The plugin is admitted to an empty registry, beside stand-ins for what it depends on. Each
    handler is called with what a node typically passes, with fewer keywords and with another
    one, with handles and without. Nothing else of a node is there, and nothing is undone.

    Args:
        factory: The function that the plugin's entry point names: not what it returns.
        minimum: How many checks must have run. By default three, and four for each handler: so
            many that there is to check.
        payloads: By hook, what your node passes otherwise than a typical one: keywords, and the
            positional value under `value`.
        core_apis: The handles that it offers; by default fakes of any shape.
        stigmem_version: The version that `requires_stigmem` is held against.

    Returns:
        What each check found, or that it was skipped. Of what is to be warned of, there is also a
        `ConformanceWarning`.

    Raises:
        AssertionError: A check failed, or too few ran; the message says what to do.
        StigmemPluginError: It is used wrongly.

    Example:
        >>> from stigmem_hookspecs import Allow
        >>> from stigmem_plugins import PluginManifest
        >>> def guard(ctx, *, req=None, **_):
        ...     return Allow() if req.source else Allow()
        >>> def plugin_manifest():
        ...     return PluginManifest("example", "1.0.0", hooks={"pre_assert_authorize": guard})
        >>> conformance(plugin_manifest)
        Traceback (most recent call last):
        AssertionError: plugin 'example' does not conform: 1 fail, 7 ok, 3 skip
        fail  fewer-keywords  example.guard (pre_assert_authorize)
              raised AttributeError: 'NoneType' object has no attribute 'source' when a host \
leaves out req
              to do: do without req; or name what you need without a default, and the handler is \
never called without it
    """
    __tracebackhide__ = True
    given: object = factory
    if not callable(given):
        message = f"conformance() takes the factory of a manifest, not a {type(given).__name__}"
        raise StigmemPluginError(message, fix="write conformance(plugin_manifest), without ()")
    if unknown := sorted((payloads or {}).keys() - HOOK_SPECS.keys()):
        message = f"payloads names no hook with {unknown[0]!r}{suggest(unknown[0], HOOK_SPECS)}"
        raise StigmemPluginError(message, fix="see HOOK_SPECS for the hooks there are")
    try:
        manifest, again = call_factory(factory), call_factory(factory)
    except StigmemPluginError as error:
        finding = Finding(MANIFEST, Level.FAIL, error.message, hint=error.fix)
        raise AssertionError(report(handler_label(factory), [finding])) from error.__cause__
    declared = (
        check_repeatable(manifest, again),
        check_statement(manifest, factory),
        check_configuration(manifest),
    )
    registry = TestPluginRegistry(stigmem_version=stigmem_version)
    try:
        admission, registration = _admit(manifest, registry)
        lived = _life(registration, payloads or {}, core_apis) if registration else ()
        findings = (*declared, admission, *lived, check_capabilities(manifest, factory))
    finally:
        registry.close()
    if minimum is None:
        minimum = OF_PLUGIN + OF_HANDLER * len(manifest.hooks)
    findings = (*findings, *_shortage(findings, minimum))
    if failed(findings):
        raise AssertionError(report(manifest.name, findings))
    if any(each.level is Level.WARN for each in findings):
        warnings.warn(report(manifest.name, findings), ConformanceWarning, stacklevel=2)
    return findings


def _admit(
    manifest: PluginManifest, registry: TestPluginRegistry
) -> tuple[Finding, Registration | None]:
    """Register a plugin beside stand-ins for what it depends on."""
    try:
        configure(manifest)
    except StigmemPluginError as error:
        message = f"not tried, for want of a configuration: {error.message}"
        hint = f"before conformance(), monkeypatch.setenv(…): {error.fix}"
        return Finding(ADMISSION, Level.SKIP, message, hint=hint), None
    try:
        for name in sorted(manifest.depends_on):
            registry.register_plugin(PluginManifest(name, "0"))
        registry.register_plugin(manifest)
    except StigmemPluginError as error:
        return Finding(ADMISSION, Level.FAIL, error.message, hint=error.fix), None
    registration = registry._dispatcher.registrations[manifest.name]
    return Finding(ADMISSION, Level.OK, "a node admits it"), registration


def _life(
    registration: Registration,
    payloads: Mapping[str, Mapping[str, Any]],
    core_apis: CoreApis | None,
) -> Iterator[Finding]:
    """What an admitted plugin does when it is asked."""
    bulkheads = Bulkheads()
    yield _health(registration, core_apis, bulkheads)
    for hook in registration.handlers:
        given = payloads.get(hook, {})
        yield from HandlerCheck(registration, hook, given, core_apis, bulkheads).findings()
    bulkheads.close()


def _health(
    registration: Registration, core_apis: CoreApis | None, bulkheads: Bulkheads
) -> Finding:
    if registration.manifest.health_check is None:
        return Finding(HEALTH, Level.SKIP, "the manifest has no health_check")
    asked = [registration]
    if core_apis is not None:
        asked.append(evolve(registration, context=granted(registration, core_apis)))
    for each in asked:
        if problem := poll(each, bulkheads).error_summary:
            hint = "return a PluginHealth in time, also without handles; it is not awaited"
            return Finding(HEALTH, Level.FAIL, f"the health check failed: {problem}", hint=hint)
    return Finding(HEALTH, Level.OK, "the health check answers in time")


def _shortage(findings: Sequence[Finding], minimum: int) -> Iterator[Finding]:
    """What says that too little was checked, where nothing worse is to be said."""
    skipped = [each for each in findings if each.level is Level.SKIP]
    ran = len(findings) - len(skipped)
    if ran < minimum and not failed(findings):
        why = "; ".join(f"{each.check}: {each.message}" for each in skipped)
        message = f"only {ran} of at least {minimum} checks ran; skipped are {why}"
        hints = "; ".join(each.hint for each in skipped if each.hint)
        yield Finding(MINIMUM, Level.FAIL, message, hint=hints or "lower the minimum")


def report(plugin: str, findings: Sequence[Finding]) -> str:
    """What failed or is warned of, in words.

    Example:
        >>> finding = Finding("health", Level.FAIL, "it hangs", hint="answer")
        >>> print(report("example", [finding, Finding("manifest", Level.OK, "fine")]))
        plugin 'example' does not conform: 1 fail, 1 ok
        fail  health
              it hangs
              to do: answer
    """
    levels = [finding.level for finding in findings]
    order = (Level.FAIL, Level.WARN, Level.OK, Level.SKIP)
    counted = ", ".join(f"{n} {level}" for level in order if (n := levels.count(level)))
    verdict = "does not conform" if failed(findings) else "conforms, with warnings"
    lines = [f"plugin {plugin!r} {verdict}: {counted}"]
    for level in order[:2]:
        for finding in findings:
            if finding.level is level:
                lines.append("  ".join(filter(None, (level, finding.check, finding.subject))))
                lines.append(f"      {finding.message}")
                lines += [f"      to do: {finding.hint}"] if finding.hint else []
    return "\n".join(lines)
