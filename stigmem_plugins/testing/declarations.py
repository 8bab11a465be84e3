"""The checks of what a conforming plugin declares: its manifest, capabilities and configuration."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any, Final, TypeAlias

from stigmem_plugins.config import configure, variable
from stigmem_plugins.errors import FAILURES, ManifestError, describe
from stigmem_plugins.findings import Finding, Level
from stigmem_plugins.manifest import PluginManifest
from stigmem_plugins.schemas import options_of
from stigmem_plugins.signatures import handler_label
from stigmem_plugins.testing.sources import own_source, surrounding_sources
from stigmem_plugins.trust.statement import (
    FACTORY,
    PAYLOAD_TYPE,
    PREDICATE_TYPE,
    STATEMENT_TYPE,
    PluginStatement,
    SignedPlugin,
)
from stigmem_plugins.trust.unverified import Unverified
from stigmem_plugins.usage import find_usage

MANIFEST: Final = "manifest"
STATEMENT: Final = "statement"
CONFIGURATION: Final = "configuration"
CAPABILITIES: Final = "capabilities"

Factory: TypeAlias = Callable[[], PluginManifest]


def check_repeatable(one: PluginManifest, other: PluginManifest) -> Finding:
    """A manifest that is made twice says the same twice."""
    first, second = _facts(one), _facts(other)
    if different := [name for name in first if first[name] != second[name]]:
        facts = "; ".join(f"{name}: {first[name]!r}, then {second[name]!r}" for name in different)
        hint = "declare constants: every node must find what was signed"
        return Finding(MANIFEST, Level.FAIL, f"two calls of the factory differ: {facts}", hint=hint)
    return Finding(MANIFEST, Level.OK, "the factory makes the same manifest twice")


def _facts(manifest: PluginManifest) -> dict[str, Any]:
    schema = manifest.config_schema
    signed = SignedPlugin.of(manifest, entry_point="plugin", factory="plugin:manifest")
    return {
        **signed.fields(),
        "async_safe": manifest.async_safe,
        "routes": len(manifest.routes),
        "health_check": manifest.health_check is not None,
        "config_schema": schema and f"{schema.__module__}.{schema.__qualname__}",
    }


def check_statement(manifest: PluginManifest, factory: Factory) -> Finding:
    """A manifest can be signed: it comes back from a statement as it was."""
    path = f"{factory.__module__}:{getattr(factory, '__qualname__', '')}"
    path = path if FACTORY.fullmatch(path) else "plugin:manifest"
    signed = SignedPlugin.of(manifest, entry_point="plugin", factory=path)
    statement = PluginStatement(manifest.name, manifest.version, {}, [signed])
    hint = "declare plain, non-empty strings: they are what a node compares"
    try:
        payload = json.dumps(
            {
                "_type": STATEMENT_TYPE,
                "predicateType": PREDICATE_TYPE,
                "subject": [],
                "predicate": statement.predicate(),
            }
        )
        [read] = PluginStatement.from_payload(PAYLOAD_TYPE, payload.encode()).plugins
    except (Unverified, TypeError) as error:
        message = f"the manifest cannot be signed: {getattr(error, 'problem', error)}"
        return Finding(STATEMENT, Level.FAIL, message, hint=hint)
    if differences := read.differences(manifest):
        message = f"the manifest changes when it is signed: {'; '.join(differences)}"
        return Finding(STATEMENT, Level.FAIL, message, hint=hint)
    return Finding(STATEMENT, Level.OK, "the manifest can be signed")


def check_configuration(manifest: PluginManifest) -> Finding:
    """A schema has defaults, or an error that says what the operator must set."""
    schema = manifest.config_schema
    if schema is None:
        return Finding(CONFIGURATION, Level.SKIP, "the manifest has no config_schema")
    try:
        required = [option.name for option in options_of(schema) if option.required]
    except FAILURES as error:
        message = f"config_schema {schema.__qualname__} cannot be read: {describe(error)}"
        hint = "use an attrs, dataclass or pydantic class, with types that can be imported"
        return Finding(CONFIGURATION, Level.FAIL, message, hint=hint)
    try:
        configure(manifest, environ={}, tables={})
    except ManifestError as error:
        if not required:
            hint = "give every field a default that the schema itself accepts"
            return Finding(CONFIGURATION, Level.FAIL, error.message, hint=hint)
        names = ", ".join(variable(manifest.name, name) for name in required)
        return Finding(
            CONFIGURATION, Level.OK, f"without {names} an operator is told what is missing"
        )
    return Finding(CONFIGURATION, Level.OK, "every field of the config_schema has a default")


def check_capabilities(manifest: PluginManifest, factory: Factory) -> Finding:
    """Handlers use what is declared, and nothing else; as far as the source code tells."""
    functions = [*manifest.hooks.values(), *filter(None, [manifest.health_check])]
    uses = {
        capability: handler_label(function)
        for function in functions
        for capability in find_usage({"": own_source(function)}).places
    }
    if undeclared := sorted(uses.keys() - manifest.capabilities):
        facts = "; ".join(f"{uses[each]} asks for {each.accessor}()" for each in undeclared)
        hint = f"add {', '.join(map(repr, map(str, undeclared)))} to the manifest's capabilities"
        message = f"used, and not declared: {facts}"
        return Finding(CAPABILITIES, Level.WARN, message, hint=hint)
    sources = surrounding_sources([factory, *functions]) if manifest.capabilities else {}
    if sources is None:
        return Finding(CAPABILITIES, Level.SKIP, "the plugin's source code cannot be read")
    usage = find_usage(sources)
    unused = ", ".join(sorted(manifest.capabilities - usage.places.keys()))
    if not unused:
        return Finding(CAPABILITIES, Level.OK, "the code uses what the manifest declares")
    if not usage.complete:
        message = f"cannot tell whether the code uses {unused}: it computes names of attributes"
        return Finding(CAPABILITIES, Level.SKIP, message)
    hint = "declare only what handlers use: operators ask what the rest is for"
    return Finding(CAPABILITIES, Level.WARN, f"declared, and never used: {unused}", hint=hint)
