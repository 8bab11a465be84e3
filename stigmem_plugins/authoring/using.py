"""The check of capabilities: those that are declared, against those that the code asks for."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from typing import Final, TypeAlias

from stigmem_plugins.authoring.bindings import own_nodes
from stigmem_plugins.authoring.handling import each_handler
from stigmem_plugins.authoring.manifests import ManifestCall, Reading
from stigmem_plugins.authoring.table import Check, found
from stigmem_plugins.authoring.values import NotKnownError
from stigmem_plugins.capabilities import CAPABILITY_ALLOWLIST, Capability
from stigmem_plugins.errors import suggest
from stigmem_plugins.findings import Finding, Level, Place
from stigmem_plugins.usage import Usage, find_usage

_ACCESSORS: Final = {capability.accessor: capability for capability in Capability}
_CATCHING: Final = (ast.Try, ast.TryStar, ast.With, ast.AsyncWith)
Declared: TypeAlias = dict[str, Place]
"""The capabilities that a manifest declares, with where it does."""


def check_capabilities(reading: Reading) -> Iterator[Finding]:
    """Every capability that a manifest declares is one and is used, and no other is."""
    usage = find_usage(reading.project.sources)
    everything: set[str] = set()
    known = bool(reading.plugins)
    for plugin in reading.plugins:
        subject = reading.subject(plugin)
        if plugin.signed is not None and not plugin.complete:
            everything.update(plugin.signed.capabilities)
        elif not plugin.complete:
            known = False
        for call in plugin.calls:
            try:
                items = reading.elements(call, "capabilities")
            except NotKnownError:
                known = False
                message = "which capabilities it declares, only running the code can tell"
                place = call.field_place("capabilities")
                yield found(
                    "capabilities.unknown", Level.SKIP, message, subject=subject, place=place
                )
                continue
            declared = {str(item.value): item.place for item in items}
            everything.update(declared)
            yield from _against(subject, call, declared, usage)
    undeclared = [each for each in usage.places if each not in everything] if known else []
    asked = _certain(reading) if undeclared else set()
    for capability in undeclared:
        message = f"its code asks for {capability}, and no manifest declares that"
        hint = f"add {str(capability)!r} to its capabilities, or do not ask"
        places = usage.places[capability]
        certain = [place for place in places if place in asked]
        place, level = (*certain, *places)[0], Level.FAIL if certain else Level.WARN
        if certain:
            message += ": the handler fails when it is called"
        yield found("capabilities.undeclared", level, message, place=place, hint=hint)


def _against(
    subject: str, call: ManifestCall, declared: Declared, usage: Usage
) -> Iterator[Finding]:
    for name, place in declared.items():
        if name not in CAPABILITY_ALLOWLIST:
            message = f"there is no capability {name!r}{suggest(name, CAPABILITY_ALLOWLIST)}"
            hint = "declare one of the 13 of stigmem_plugins.Capability"
            yield found(
                "capabilities.no-such", Level.FAIL, message, subject=subject, place=place, hint=hint
            )
    unused = sorted(CAPABILITY_ALLOWLIST.intersection(declared).difference(usage.places))
    place = call.field_place("capabilities")
    if unused and not usage.complete:
        where = (*usage.dynamic, *usage.unreadable)[0]
        why = "fetches an attribute by a computed name" if usage.dynamic else "cannot be read"
        message = f"whether its code asks for {', '.join(unused)} cannot be told: {where} {why}"
        yield found("capabilities.unknown", Level.SKIP, message, subject=subject, place=place)
    elif unused:
        message = f"it declares {', '.join(unused)}, and no code of it asks for that"
        hint = "declare only what handlers ask for"
        yield found(
            "capabilities.unused", Level.WARN, message, subject=subject, place=place, hint=hint
        )


def _certain(reading: Reading) -> set[Place]:
    """Where handlers ask the context itself, and would not catch the error."""
    places = set()
    for function in (each.function for each in each_handler(reading) if each.function):
        context = {argument.arg for argument, _ in function.arguments()[:1]}
        node = function.node
        nodes = list(own_nodes([node.body] if isinstance(node, ast.Lambda) else node.body))
        caught = {
            inner for each in nodes if isinstance(each, _CATCHING) for inner in ast.walk(each)
        }
        for each in nodes:
            match each:
                case ast.Attribute(attr="capabilities"):
                    return set()  # it may ask first what it is granted
                case ast.Call(func=ast.Attribute(value=ast.Name(id=name), attr=attribute)):
                    if name in context and attribute in _ACCESSORS and each not in caught:
                        places.add(function.scope.module.place(each))
                case _:
                    pass
    return places


CHECK: Final = Check(
    "capabilities",
    "the capabilities that the manifest declares are those that the code asks for",
    {
        "capabilities.unknown": "which capabilities a manifest declares is only known when it runs",
        "capabilities.no-such": "there is no such capability",
        "capabilities.unused": "a capability is declared and never asked for",
        "capabilities.undeclared": "a capability is asked for and not declared",
    },
    check_capabilities,
)
