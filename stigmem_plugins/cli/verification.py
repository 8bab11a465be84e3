"""What `verify` finds out, about wheels and about what is installed."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Final

from attrs import evolve, frozen

from stigmem_plugins.cli.output import CouldNotCheck
from stigmem_plugins.discovery import installed_distributions
from stigmem_plugins.errors import PluginSignatureError, StigmemPluginError
from stigmem_plugins.settings import PluginSettings
from stigmem_plugins.trust.gates import refused
from stigmem_plugins.trust.signer import Signer
from stigmem_plugins.trust.statement import SignedPlugin
from stigmem_plugins.trust.unverified import Unverified
from stigmem_plugins.trust.vetting import TrustTerms, VettedPlugin, vet
from stigmem_plugins.trust.wheel import verify_wheel

VERIFIED: Final = "verified"
REFUSED: Final = "refused"
UNCHECKED: Final = "could not check"


@frozen
class Checked:
    """One plugin, or one wheel that is refused as a whole, and what came of verifying it.

    Args:
        target: The wheel's path, or the entry point's name.
        distribution: The distribution's name.
        version: The distribution's version.
        name: The plugin's name, where it is signed.
        signed_by: The verified identity, `unsigned`, or `not verified`.
        issuer: Who vouched for it.
        trust_decision: The decision, of one that is verified.
        error: Why it is not.
    """

    target: str
    distribution: str | None = None
    version: str | None = None
    name: str | None = None
    signed_by: str | None = None
    issuer: str | None = None
    trust_decision: str | None = None
    error: PluginSignatureError | None = None

    @property
    def status(self) -> str:
        """`verified`, `refused` or `could not check`."""
        if self.error is None:
            return VERIFIED
        return REFUSED if self.error.checked else UNCHECKED

    def facts(self) -> dict[str, Any]:
        """The facts by name, for JSON."""
        return {
            "target": self.target,
            "status": self.status,
            "plugin": self.name,
            "distribution": self.distribution,
            "version": self.version,
            "signed_by": self.signed_by,
            "issuer": self.issuer,
            "trust_decision": self.trust_decision,
            "problem": self.error.message if self.error else None,
            "fix": self.error.fix if self.error else None,
        }


def terms_in_force() -> TrustTerms:
    """The operator's terms, signing required.

    Raises:
        CouldNotCheck: A setting, the policy file or the trusted root cannot be read.
    """
    try:
        return TrustTerms.of(PluginSettings.from_environment(), required=True)
    except StigmemPluginError as error:
        raise CouldNotCheck(error.message, error.fix) from error


def check_installed(terms: TrustTerms) -> list[Checked]:
    """Verify all that is installed.

    Raises:
        CouldNotCheck: Entry points or the trusted root cannot be read.
    """
    try:
        installed = installed_distributions(plugin_dir=terms.plugin_dir)
        return [_of_vetted(each) for each in vet(installed, terms)]
    except StigmemPluginError as error:
        raise CouldNotCheck(error.message, error.fix) from error


def _of_vetted(vetted: VettedPlugin) -> Checked:
    signer = vetted.verified.signer if vetted.verified else None
    return Checked(
        target=vetted.installed.entry_point_name,
        distribution=vetted.installed.distribution,
        version=vetted.installed.version,
        name=vetted.signed.name if vetted.signed else None,
        signed_by=vetted.shown_signer,
        issuer=signer.issuer if signer else None,
        trust_decision=vetted.decision.trust_decision if vetted.decision else None,
        error=vetted.error,
    )


def check_wheel(path: Path, terms: TrustTerms) -> list[Checked]:
    """Verify a wheel file; one result for each plugin in it.

    Raises:
        CouldNotCheck: The trusted root cannot be read.
    """
    try:
        signed = verify_wheel(path, terms.verifier)
    except Unverified as finding:
        return [Checked(str(path), error=refused(path.name, finding))]
    except StigmemPluginError as error:
        raise CouldNotCheck(error.message, error.fix) from error
    statement, signer = signed.statement, signed.signer
    whole = Checked(
        str(path),
        statement.distribution,
        statement.version,
        signed_by=signer.identity,
        issuer=signer.issuer,
    )
    return [_decided(whole, each, signed.signer, terms) for each in statement.plugins]


def _decided(whole: Checked, plugin: SignedPlugin, signer: Signer, terms: TrustTerms) -> Checked:
    try:
        decision = terms.policy.decide(signer, plugin)
    except Unverified as objection:
        return evolve(whole, name=plugin.name, error=refused(plugin.name, objection))
    return evolve(whole, name=plugin.name, trust_decision=decision.trust_decision)
