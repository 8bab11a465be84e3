"""Checks of how a plugin is built: its syntax, metadata, dependencies, and its wheel."""

from __future__ import annotations

import ast
import platform
from collections.abc import Iterator
from typing import Final

from packaging.requirements import InvalidRequirement, Requirement
from packaging.specifiers import InvalidSpecifier, SpecifierSet
from packaging.utils import InvalidName, canonicalize_name
from packaging.version import InvalidVersion, Version

from stigmem_plugins.authoring.bindings import Imported, bindings
from stigmem_plugins.authoring.manifests import Reading
from stigmem_plugins.authoring.metadata import Metadata
from stigmem_plugins.authoring.table import Check, found
from stigmem_plugins.findings import Finding, Level, Place

NODE: Final = "stigmem-node"
LAYER: Final = "stigmem-plugins"
_BRINGS: Final = {
    "stigmem_plugins": (LAYER,),
    "stigmem_hookspecs": (LAYER,),
    "stigmem_node.plugins": (NODE, LAYER),
    "stigmem_node": (NODE,),
}
"""Which distributions bring a module; of several, the first that its name starts with."""


def check_syntax(reading: Reading) -> Iterator[Finding]:
    """Every Python file compiles."""
    newer = not _runs_here(reading.project.metadata)
    for file, error in reading.code.errors.items():
        place = Place(file, error.lineno or 0, max(error.offset or 0, 0))
        message = f"Python {platform.python_version()} cannot compile it: {error.msg}"
        if newer:
            reason = f"{message}; it is written for another Python"
            yield found("syntax.other-python", Level.SKIP, reason, place=place)
        else:
            hint = "correct the file"
            yield found("syntax.error", Level.FAIL, message, place=place, hint=hint)


def _runs_here(metadata: Metadata) -> bool:
    try:
        specifiers = SpecifierSet(metadata.requires_python or "")
    except InvalidSpecifier:
        return True
    return specifiers.contains(platform.python_version(), prereleases=True)


def check_metadata(reading: Reading) -> Iterator[Finding]:
    """The distribution has a name, a version and a `requires-python`, all well formed."""
    metadata = reading.project.metadata
    if metadata.fault is not None:
        fault, place = metadata.fault, metadata.place()
        yield found("metadata.malformed", Level.FAIL, fault, place=place, hint="correct the file")
        return
    if {"name", "version"} <= metadata.unknown and metadata.name is None:
        message = f"{metadata.file} has no [project]: what it is called is only known once built"
        hint = "check the wheel too"
        yield found("metadata.unknown", Level.SKIP, message, place=metadata.place(), hint=hint)
    else:
        yield from _name(metadata)
        yield from _version(metadata)
        yield from _python(metadata)
    if reading.project.wheel is None and "build-system" in metadata.unknown:
        message = f"{metadata.file} names no build system: installers fall back to setuptools"
        hint = 'add [build-system] with requires = ["hatchling"], build-backend = "hatchling.build"'
        place = metadata.place()
        yield found("metadata.no-build-system", Level.WARN, message, place=place, hint=hint)


def _name(metadata: Metadata) -> Iterator[Finding]:
    if metadata.name is None:
        hint = "give [project] a name"
        place = metadata.place()
        yield found("metadata.no-name", Level.FAIL, "it has no name", place=place, hint=hint)
        return
    try:
        canonicalize_name(metadata.name, validate=True)
    except InvalidName:
        message = f"{metadata.name!r} is no name of a distribution"
        hint = "use letters, digits, and dashes between them"
        place = metadata.place("name")
        yield found("metadata.name", Level.FAIL, message, place=place, hint=hint)


def _version(metadata: Metadata) -> Iterator[Finding]:
    if metadata.version is None:
        if "version" not in metadata.unknown:
            place, hint = metadata.place(), "give [project] a version, such as '1.0.0'"
            message = "it has no version"
            yield found("metadata.no-version", Level.FAIL, message, place=place, hint=hint)
        return
    try:
        Version(metadata.version)
    except InvalidVersion:
        message = f"{metadata.version!r} is no PEP 440 version"
        place, hint = metadata.place("version"), "use one such as '1.0.0'"
        yield found("metadata.version", Level.FAIL, message, place=place, hint=hint)


def _python(metadata: Metadata) -> Iterator[Finding]:
    if metadata.requires_python is None:
        if "requires-python" not in metadata.unknown:
            message = "it does not say which Pythons it is for: installers take it for all"
            place, hint = metadata.place(), "add requires-python, such as '>=3.11'"
            yield found("metadata.no-python", Level.WARN, message, place=place, hint=hint)
        return
    try:
        SpecifierSet(metadata.requires_python)
    except InvalidSpecifier:
        message = f"requires-python {metadata.requires_python!r} is no PEP 440 specifier"
        place, hint = metadata.place("requires-python"), "use one such as '>=3.11'"
        yield found("metadata.python", Level.FAIL, message, place=place, hint=hint)


def check_dependencies(reading: Reading) -> Iterator[Finding]:
    """Dependencies are well formed, and bring what the code imports of node and plugin layer."""
    metadata = reading.project.metadata
    if "dependencies" in metadata.unknown or metadata.fault is not None:
        message = "the dependencies are only known once it is built"
        place = metadata.place()
        yield found("dependencies.unknown", Level.SKIP, message, place=place)
        return
    place, brought = metadata.place("dependencies"), set()
    for text in metadata.dependencies:
        try:
            requirement = Requirement(text)
        except InvalidRequirement as error:
            message = f"{text!r} is no requirement: {str(error).splitlines()[0]}"
            yield found("dependencies.malformed", Level.FAIL, message, place=place)
        else:
            if "extra" not in str(requirement.marker):
                brought.add(canonicalize_name(requirement.name))
    for module, where in _host_imports(reading).items():
        if brought.isdisjoint(_BRINGS[module]):
            message = f"it imports {module}, and no dependency brings that"
            hint = f"add {_BRINGS[module][0]!r} to its dependencies"
            yield found("dependencies.missing", Level.WARN, message, place=where, hint=hint)


def _host_imports(reading: Reading) -> dict[str, Place]:
    """Which modules of `_BRINGS` are imported whenever a plugin is, and where first."""
    imported: dict[str, Place] = {}
    for module in reading.code.modules.values():
        for node in module.tree.body:
            if isinstance(node, ast.Import | ast.ImportFrom):
                for _, bound in bindings([node], module.package):
                    assert isinstance(bound, Imported)  # as imports bind
                    name = f"{bound.module}.{bound.name}."
                    known = next((each for each in _BRINGS if name.startswith(f"{each}.")), None)
                    if known:
                        imported.setdefault(known, module.place(node))
    return imported


def check_wheel(reading: Reading) -> Iterator[Finding]:
    """The wheel can be signed, and its signature, if it has one, verifies."""
    project = reading.project
    assert project.wheel is not None  # as a check of wheels is run
    for fault in project.faults:
        message = f"`stigmem-plugins sign` refuses it, and so does a node: {fault}"
        hint = "correct its build configuration"
        yield found("wheel.files", Level.WARN, message, hint=hint)
    if project.unverified is not None:
        fix = project.unverified.fix or "sign it anew, or set STIGMEM_PLUGIN_TRUSTED_ROOT"
        message = project.unverified.problem
        bundle = Place(project.wheel.bundle)
        yield found("wheel.signature", Level.FAIL, message, place=bundle, hint=fix)


CHECKS: Final = (
    Check(
        "syntax",
        "every Python file compiles",
        {
            "syntax.error": "a file is no Python",
            "syntax.other-python": "a file is written for another Python than the one that checks",
        },
        check_syntax,
    ),
    Check(
        "metadata",
        "the distribution has a name, a version and requires-python, all well formed",
        {
            "metadata.malformed": "the metadata cannot be read",
            "metadata.unknown": "the metadata are only known once it is built",
            "metadata.no-name": "the distribution has no name",
            "metadata.name": "the distribution's name is malformed",
            "metadata.no-version": "the distribution has no version",
            "metadata.version": "the distribution's version is malformed",
            "metadata.no-python": "requires-python is missing",
            "metadata.python": "requires-python is malformed",
            "metadata.no-build-system": "no build system is named",
        },
        check_metadata,
    ),
    Check(
        "dependencies",
        "dependencies are well formed, and bring what the code imports of node and plugin layer",
        {
            "dependencies.unknown": "the dependencies are only known once it is built",
            "dependencies.malformed": "a dependency is no requirement",
            "dependencies.missing": "an import of node or plugin layer is no dependency",
        },
        check_dependencies,
    ),
)
WHEEL: Final = Check(
    "wheel",
    "a wheel has only files that can be signed, and its signature verifies if it has one",
    {
        "wheel.files": "a file cannot be protected by a signature",
        "wheel.signature": "the signature does not verify",
    },
    check_wheel,
    of_wheels=True,
)
