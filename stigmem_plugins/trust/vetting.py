"""What is found out about every installed plugin before any of its code runs."""

from __future__ import annotations

import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any, Self

from attrs import field, frozen

from stigmem_plugins.discovery import InstalledDistribution, InstalledPlugin
from stigmem_plugins.errors import (
    FAILURES,
    PluginSignatureError,
    StigmemPluginError,
    describe,
)
from stigmem_plugins.settings import SIGNING_OFF, PluginSettings
from stigmem_plugins.trust.bundle import LARGEST_BUNDLE, BundleVerifier
from stigmem_plugins.trust.decision import NOT_VERIFIED, UNDECIDED, UNSIGNED, PluginSigningInfo
from stigmem_plugins.trust.files import read_regular
from stigmem_plugins.trust.gates import refused, unsigned_refused
from stigmem_plugins.trust.policy import PluginTrustPolicy, let_in
from stigmem_plugins.trust.root import TrustedRootFile
from stigmem_plugins.trust.statement import SignedPlugin
from stigmem_plugins.trust.unverified import Unverified
from stigmem_plugins.trust.verify import VerifiedDistribution, verify_installed


@frozen
class TrustTerms:
    """What the operator's settings say about trust.

    Args:
        required: Whether only plugins with an accepted signature load.
        policy: Whose signatures are accepted.
        verifier: Verifies bundles against the root in force; not asked where nothing is signed.
        plugin_dir: A folder to look for plugins in besides the module search path.
        signing_off: What an operator sets to do without signatures, for hints.
    """

    required: bool
    policy: PluginTrustPolicy
    verifier: BundleVerifier = field(eq=False)
    plugin_dir: str | None = None
    signing_off: str = SIGNING_OFF

    @classmethod
    def of(cls, settings: PluginSettings, *, required: bool | None = None) -> Self:
        """Read the terms off settings.

        Args:
            settings: The settings in force.
            required: Overrides what they say of signing.

        Raises:
            StigmemPluginError: A setting, the policy file or the trusted root cannot be read.
        """
        return cls(
            settings.plugin_signing_required if required is None else required,
            PluginTrustPolicy.from_settings(settings),
            BundleVerifier.of(TrustedRootFile.in_force(settings.plugin_trusted_root)),
            settings.plugin_dir,
            settings.signing_off,
        )


@frozen
class VettedPlugin:
    """An installed plugin, and what its signature says.

    Args:
        installed: What its distribution's metadata says.
        verified: Its distribution, if its files are the ones that were signed.
        signed: What was signed about this plugin, then.
        decision: The decision about its signer; None for an unsigned plugin.
        error: Why it is refused, if it is.
        broken: Whether it carries a signature that could not be verified.
    """

    installed: InstalledPlugin
    verified: VerifiedDistribution | None = None
    signed: SignedPlugin | None = None
    decision: PluginSigningInfo | None = None
    error: PluginSignatureError | None = None
    broken: bool = False

    @property
    def name(self) -> str:
        """The plugin's name; its entry point's as long as its own is not known."""
        return self.signed.name if self.signed else self.installed.entry_point_name

    @property
    def signed_by(self) -> str:
        """The verified certificate identity, whether or not it is trusted; else `unsigned`."""
        return self.verified.signer.identity if self.verified else UNSIGNED

    @property
    def shown_signer(self) -> str:
        """The same for people: who signed what does not verify, nobody knows."""
        return NOT_VERIFIED if self.broken else self.signed_by

    def audit_metadata(self) -> dict[str, Any]:
        """What audit events say of it if it is refused before it is loaded."""
        signed = self.signed
        return {
            "version": signed.version if signed else self.installed.version,
            "capabilities": signed.capabilities if signed else None,
            "hooks": signed.hooks if signed else None,
            "async_safe": None,
            "requires_stigmem": signed.requires_stigmem if signed else None,
            "signed_by": self.signed_by,
            "discovery_source": self.installed.discovery_source(),
            "signing": self.decision.audit_metadata() if self.decision else UNDECIDED,
        }


def vet(installed: Iterable[InstalledDistribution], terms: TrustTerms) -> tuple[VettedPlugin, ...]:
    """Verify what is signed, and decide what may be loaded.

    Returns:
        Every plugin; one for a distribution that is refused and names none.

    Raises:
        StigmemPluginError: The trusted root is malformed.
    """
    vetted: list[VettedPlugin] = []
    for distribution in installed:
        try:
            _refuse_twins(distribution, required=terms.required)
            if distribution.is_signed:
                verified = verify_installed(distribution, terms.verifier)
                vetted += _signed(distribution, verified, terms)
            else:
                _refuse_unsigned(distribution, terms)
                vetted += [_unsigned(each, terms) for each in distribution.plugins]
        except Unverified as finding:
            vetted += _refused(distribution, finding)
        except StigmemPluginError:
            raise
        except FAILURES as error:  # whatever a distribution does, the others are judged too
            problem = f"it cannot be verified: {describe(error)}"
            vetted += _refused(distribution, Unverified(problem, checked=False))
    return tuple(vetted)


def _refused(distribution: InstalledDistribution, finding: Unverified) -> list[VettedPlugin]:
    return [
        VettedPlugin(
            each, error=refused(each.entry_point_name, finding), broken=distribution.is_signed
        )
        for each in distribution.plugins or (_nameless(distribution),)
    ]


def _nameless(distribution: InstalledDistribution) -> InstalledPlugin:
    """What stands for a distribution that carries a bundle and declares no plugin."""
    return InstalledPlugin(distribution.name, "", distribution.name, distribution.version)


def is_ambiguous(distribution: InstalledDistribution, *, required: bool) -> bool:
    """Whether it is refused because others of its name are installed.

    Args:
        distribution: The first on the search path.
        required: Whether signing is required; if not, the first of unsigned ones counts.
    """
    matters = required or distribution.is_signed or not distribution.importable
    return bool(distribution.others) and matters


def _refuse_twins(distribution: InstalledDistribution, *, required: bool) -> None:
    if is_ambiguous(distribution, required=required):
        message = (
            f"{distribution.name} is installed twice, also in {', '.join(distribution.others)}"
        )
        raise Unverified(message, "uninstall all but one of them")


def _signed(
    distribution: InstalledDistribution,
    verified: VerifiedDistribution,
    terms: TrustTerms,
) -> list[VettedPlugin]:
    vetted = []
    for signed in verified.statement.plugins:
        installed = InstalledPlugin(
            signed.entry_point, signed.factory, distribution.name, distribution.version
        )
        decision, error = None, None
        try:
            decision = let_in(terms.policy, verified.signer, signed, required=terms.required)
        except Unverified as objection:
            error = refused(signed.name, objection)
        vetted.append(VettedPlugin(installed, verified, signed, decision, error))
    return vetted


def _refuse_unsigned(distribution: InstalledDistribution, terms: TrustTerms) -> None:
    """Refuse an unsigned distribution for another reason than that it is unsigned."""
    terms.policy.deny(distribution.name, distribution.version)
    if terms.required and _is_editable(distribution.info):
        message = (
            "it is an editable install, whose files nobody signed, and production plugin "
            "registration requires a verified signature"
        )
        raise Unverified(message, "install a signed wheel of it")
    if not terms.required and not distribution.importable:
        message = "it is unsigned, and only signed plugins can be in the plugin directory"
        raise Unverified(message, "install it into the node's environment, or a signed build of it")


def _is_editable(info: Path | None) -> bool:
    try:
        direct_url = json.loads(read_regular(str(info), "direct_url.json", LARGEST_BUNDLE))
        return bool(direct_url["dir_info"]["editable"])
    except (OSError, ValueError, LookupError, TypeError, RecursionError):
        return False


def _unsigned(installed: InstalledPlugin, terms: TrustTerms) -> VettedPlugin:
    if not terms.required:
        return VettedPlugin(installed)
    error = unsigned_refused(installed.entry_point_name, terms.signing_off)
    return VettedPlugin(installed, error=error)
