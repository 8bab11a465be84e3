"""Verifies one installed distribution: bundle, statement and files; no code of it runs."""

from __future__ import annotations

from collections.abc import Iterable
from importlib.machinery import PathFinder
from pathlib import Path

from attrs import frozen

from stigmem_plugins.discovery import BUNDLE_NAME, InstalledDistribution
from stigmem_plugins.trust.bundle import LARGEST_BUNDLE, BundleVerifier
from stigmem_plugins.trust.files import read_installed, read_regular, unreadable
from stigmem_plugins.trust.importer import VerifiedFiles
from stigmem_plugins.trust.layout import belongs_to, module_names
from stigmem_plugins.trust.signer import Signer
from stigmem_plugins.trust.statement import PluginStatement
from stigmem_plugins.trust.unverified import Unverified


@frozen
class VerifiedDistribution:
    """A distribution whose files are the ones that somebody signed; whether they may is not said.

    Args:
        statement: What was signed.
        signer: Who signed it.
        files: The files, as they were verified.
    """

    statement: PluginStatement
    signer: Signer
    files: VerifiedFiles


def verify_installed(
    distribution: InstalledDistribution, verifier: BundleVerifier
) -> VerifiedDistribution:
    """Hold a distribution's files against its bundle, and the bundle against the trusted root.

    Args:
        distribution: One that carries a bundle.
        verifier: Verifies bundles.

    Raises:
        Unverified: Something does not verify, or cannot be read.
        StigmemPluginError: The trusted root is malformed.
    """
    info = distribution.info
    assert info is not None  # a bundle is in a folder
    try:
        bundle = read_regular(str(info.parent), f"{info.name}/{BUNDLE_NAME}", LARGEST_BUNDLE)
    except OSError as error:
        raise unreadable(error) from None
    signed = verifier.verify(bundle)
    statement = signed.statement
    if not belongs_to(info.name, statement.distribution, statement.version):
        message = (
            f"its signature, by {signed.signer}, is of {statement.distribution} "
            f"{statement.version}, not of {info.name}"
        )
        raise Unverified(message)
    sources = read_installed(info.parent, info.name, statement)
    _refuse_shadowed(info.parent, module_names(statement.files))
    return VerifiedDistribution(
        statement, signed.signer, VerifiedFiles(info.parent, statement.files, sources)
    )


def _refuse_shadowed(root: Path, modules: Iterable[str]) -> None:
    """Refuse modules that an ordinary import would find elsewhere: one name is to mean one module.

    Raises:
        Unverified: There is such a module; names its file.
    """
    for name in sorted(modules):
        found = PathFinder.find_spec(name)
        origin = found.origin if found else None
        if origin and not Path(origin).resolve().is_relative_to(root.resolve()):
            message = f"its module {name} is also {origin}, on the module search path"
            raise Unverified(message, "uninstall or move one of the two")
