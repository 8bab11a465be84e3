"""Takes snapshots of wheels and of what is installed."""

from __future__ import annotations

import csv
import hashlib
from pathlib import Path
from typing import Final

from packaging.requirements import InvalidRequirement, Requirement
from packaging.utils import canonicalize_name

from stigmem_plugins.authoring.manifests import Plugin, Reading, read_plugins
from stigmem_plugins.authoring.metadata import from_core_metadata
from stigmem_plugins.authoring.project import Project, module_files, read_project
from stigmem_plugins.authoring.snapshot import Publisher, Rights, Snapshot
from stigmem_plugins.authoring.values import NotKnownError
from stigmem_plugins.discovery import BUNDLE_NAME, InstalledDistribution
from stigmem_plugins.errors import StigmemPluginError
from stigmem_plugins.manifest import DEFAULT_REQUIRES_STIGMEM
from stigmem_plugins.trust.bundle import (
    LARGEST_BUNDLE,
    BundleVerifier,
    SignedStatement,
    claimed_signer,
)
from stigmem_plugins.trust.files import read_regular
from stigmem_plugins.trust.statement import SignedPlugin
from stigmem_plugins.trust.unverified import Unverified
from stigmem_plugins.trust.verify import verify_installed
from stigmem_plugins.trust.wheel import verify_wheel

REQUIRES: Final = "requires_stigmem"


def of_wheel(path: Path, verifier: BundleVerifier) -> Snapshot:
    """Read a wheel.

    Raises:
        StigmemPluginError: It cannot be read.
    """
    if path.is_dir():
        message = f"{path} is a folder, and a wheel is a file"
        raise StigmemPluginError(message, fix="build it, and name the wheel")
    project = read_project(path, lambda wheel: verify_wheel(wheel, verifier))
    assert project.wheel is not None
    bundle = project.wheel.contents.get(project.wheel.bundle)
    return _of_project(str(path), project, bundle)


def of_installed(name: str, installed: InstalledDistribution, verifier: BundleVerifier) -> Snapshot:
    """Read an installed distribution.

    Args:
        name: What the user called it.
        installed: The distribution.
        verifier: Verifies its bundle, if it has one.

    Raises:
        StigmemPluginError: It cannot be read.
    """
    info = installed.info
    if info is None:
        message = f"{installed.name} is not installed in a folder"
        raise StigmemPluginError(message, fix="install its wheel")
    bundle, signed, unverified = None, None, None
    try:
        if installed.is_signed:
            bundle = read_regular(str(info.parent), f"{info.name}/{BUNDLE_NAME}", LARGEST_BUNDLE)
            try:
                verified = verify_installed(installed, verifier)
                signed = SignedStatement(verified.statement, verified.signer)
            except Unverified as finding:
                unverified = finding
        project = _installed_project(info, signed, unverified)
    except OSError as error:
        message = f"cannot read {error.filename}: {error.strerror}"
        raise StigmemPluginError(message, fix="make it readable, or install it anew") from None
    except Unverified as finding:
        message = f"cannot read {installed.name}: {finding.problem}"
        raise StigmemPluginError(message, fix="install it anew") from None
    return _of_project(name, project, bundle)


def _installed_project(
    info: Path, signed: SignedStatement | None, unverified: Unverified | None
) -> Project:
    """The files of an installed distribution that RECORD names."""

    def read(name: str) -> bytes:
        path = info / name
        return read_regular(str(info), name) if path.exists() else b""

    metadata = from_core_metadata(read("METADATA"), read("entry_points.txt"), info.name)
    rows = csv.reader(read("RECORD").decode(errors="replace").splitlines())
    named = [row[0] for row in rows if row and row[0].endswith(".py")]
    files = [file for file in named if not {"..", ""} & set(file.split("/"))]
    sources = {file: read_regular(str(info.parent), file) for file in files}
    return Project(
        info, metadata, sources, module_files(sources), signed=signed, unverified=unverified
    )


def _of_project(target: str, project: Project, bundle: bytes | None) -> Snapshot:
    reading = read_plugins(project)
    publisher = Publisher()
    if project.signed is not None:
        publisher = Publisher(project.signed.signer, verified=True)
    elif project.unverified is not None:
        publisher = Publisher(claimed_signer(bundle or b""), problem=project.unverified.problem)
    read = project.wheel.signable() if project.wheel else project.sources
    known = (sorted(read.items()), sorted(project.metadata.plugins.items()))
    digest = hashlib.sha256(repr(known).encode()).hexdigest()
    return Snapshot(
        target,
        project.metadata.name,
        project.metadata.version,
        publisher,
        tuple(_rights(reading, plugin) for plugin in reading.plugins),
        _by_name(project.metadata.dependencies),
        digest,
        project.faults,
    )


def _by_name(requirements: tuple[str, ...]) -> dict[str, str]:
    """Requirements by the name of the distribution; several for one are put together."""
    found: dict[str, list[str]] = {}
    for text in requirements:
        try:
            requirement = Requirement(text)
            found.setdefault(canonicalize_name(requirement.name), []).append(str(requirement))
        except InvalidRequirement:
            found.setdefault(text, []).append(text)
    return {name: ", ".join(sorted(each)) for name, each in found.items()}


def _rights(reading: Reading, plugin: Plugin) -> Rights:
    if plugin.signed is not None:
        return _signed_rights(plugin.signed)
    return Rights(
        plugin.entry_point,
        reading.text(plugin, "name"),
        reading.text(plugin, "version"),
        _requires(reading, plugin),
        _names(reading, plugin, "capabilities"),
        _hooks(reading, plugin),
        _names(reading, plugin, "depends_on"),
    )


def _signed_rights(signed: SignedPlugin) -> Rights:
    return Rights(
        signed.entry_point,
        signed.name,
        signed.version,
        signed.requires_stigmem,
        frozenset(signed.capabilities),
        frozenset(signed.hooks),
        frozenset(signed.depends_on),
    )


def _requires(reading: Reading, plugin: Plugin) -> str | None:
    """The nodes that a plugin is for, as all of its manifests say."""
    if not plugin.complete:
        return None
    try:
        said = {
            str(reading.literal(call, REQUIRES))
            if call.argument(REQUIRES)
            else DEFAULT_REQUIRES_STIGMEM
            for call in plugin.calls
        }
    except NotKnownError:
        return None
    return " or ".join(sorted(said))


def _names(reading: Reading, plugin: Plugin, field_name: str) -> frozenset[str] | None:
    """The names that a field has in any of a plugin's manifests."""
    if not plugin.complete:
        return None
    try:
        return frozenset(
            str(item.value) for call in plugin.calls for item in reading.elements(call, field_name)
        )
    except NotKnownError:
        return None


def _hooks(reading: Reading, plugin: Plugin) -> frozenset[str] | None:
    if not plugin.complete:
        return None
    try:
        return frozenset(str(i.value) for call in plugin.calls for i in reading.hooks(call))
    except NotKnownError:
        return None
