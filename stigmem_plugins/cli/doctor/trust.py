"""Checks of who signed what, and of whom the operator trusts."""

from __future__ import annotations

import shlex
from collections.abc import Iterator

from stigmem_plugins.checks import SIGNATURE
from stigmem_plugins.cli.doctor.installation import Installation, Remedy
from stigmem_plugins.cli.listing import Listed
from stigmem_plugins.findings import Finding, Level
from stigmem_plugins.settings import OVERRIDE_PUBLISHERS, SIGNING_REQUIRED, TRUSTED_PUBLISHERS
from stigmem_plugins.trust.decision import DEVELOPMENT_UNSIGNED_OVERRIDE, OPERATOR_OVERRIDE
from stigmem_plugins.trust.signer import PublisherEntry, Signer
from stigmem_plugins.trust.vetting import is_ambiguous

UNSIGNED = "unsigned"
SIGNATURE_INVALID = "signature-invalid"
UNTRUSTED = "untrusted"
OVERRIDE_IN_USE = "override-in-use"
SIGNING_OFF = "signing-off"


def unsigned(installation: Installation) -> Iterator[Finding]:
    """Plugins without a signature: refused, or let in because signing is off."""
    for plugin in installation.plugins:
        if _refused_as(installation, plugin) == UNSIGNED:
            yield _failure(UNSIGNED, plugin)
        elif not plugin.vetted.verified and plugin.reason != SIGNATURE:
            yield Finding(
                UNSIGNED,
                Level.WARN,
                f"nobody signed it, and it loads because {SIGNING_REQUIRED}=false",
                code=f"{UNSIGNED}.let-in",
                subject=plugin.name,
                hint="have a build of it that its publisher signed before signing is required",
            )


def signature_invalid(installation: Installation) -> Iterator[Finding]:
    """Signatures that do not verify: a file is not the signed one, say."""
    for plugin in installation.plugins:
        if _refused_as(installation, plugin) == SIGNATURE_INVALID:
            yield _failure(SIGNATURE_INVALID, plugin)


def untrusted(installation: Installation) -> Iterator[Finding]:
    """Valid signatures of others than those whom the operator trusts with the plugin."""
    for plugin in installation.plugins:
        decision = plugin.vetted.decision
        if _refused_as(installation, plugin) == UNTRUSTED:
            yield _failure(UNTRUSTED, plugin)
        elif decision and decision.trust_decision == DEVELOPMENT_UNSIGNED_OVERRIDE:
            yield Finding(
                UNTRUSTED,
                Level.WARN,
                f"it is signed by {plugin.vetted.signed_by}, whom you do not trust with it, and "
                f"loads because {SIGNING_REQUIRED}=false",
                code=f"{UNTRUSTED}.let-in",
                subject=plugin.name,
                hint="trust the publisher, or uninstall it, before signing is required",
            )


def override_in_use(installation: Installation) -> Iterator[Finding]:
    """Plugins that load only because their publisher is an exception."""
    for plugin in installation.plugins:
        decision = plugin.vetted.decision
        if decision and decision.trust_decision == OPERATOR_OVERRIDE:
            yield Finding(
                OVERRIDE_IN_USE,
                Level.WARN,
                f"it loads because {OVERRIDE_PUBLISHERS} names {decision.signing_identity}",
                subject=plugin.name,
                hint="trust that publisher, if the exception is to stay, or uninstall the plugin",
            )


def signing_off(installation: Installation) -> Iterator[Finding]:
    """A node that loads whatever is installed."""
    if not installation.terms.required:
        yield Finding(
            SIGNING_OFF,
            Level.WARN,
            f"{SIGNING_REQUIRED} is off: a node loads plugins that nobody signed",
            hint=f"unset {SIGNING_REQUIRED}, except for local development",
        )


def require_signing(installation: Installation) -> Iterator[Remedy]:
    """Let only signed plugins load."""
    if not installation.terms.required:
        yield Remedy("Load signed plugins only", (f"unset {SIGNING_REQUIRED}",))


def trust_publishers(installation: Installation) -> Iterator[Remedy]:
    """Trust somebody else: a decision, so the line does nothing as it is."""
    policy = installation.terms.policy
    signers: dict[str, Signer] = {}
    for plugin in installation.plugins:
        verified, signed = plugin.vetted.verified, plugin.vetted.signed
        if verified and signed and _refused_as(installation, plugin) == UNTRUSTED:
            signer = verified.signer
            bound = any(each.entry.names(signer.identity) for each in policy.file.publishers)
            listable = {"*", ","}.isdisjoint(signer.identity)
            if listable and not bound and not policy.file.deny.objection(signer, signed):
                signers[str(signer)] = signer
    for signer in signers.values():
        others = f'"${{{TRUSTED_PUBLISHERS}:+${TRUSTED_PUBLISHERS},}}"'
        line = f"# export {TRUSTED_PUBLISHERS}={others}{shlex.quote(_entry(signer))}"
        yield Remedy(f"If you trust {signer}, run the next line without its #", (line,))


def _entry(signer: Signer) -> str:
    """How a list of publishers names one signer, and nobody else."""
    implied = PublisherEntry.parse(signer.identity).issuer
    return signer.identity if implied == signer.issuer else f"{signer.identity}@{signer.issuer}"


def _refused_as(installation: Installation, plugin: Listed) -> str | None:
    """The check that a refusal for its signature belongs to; None for any other plugin."""
    distribution = installation.distribution(plugin)
    if plugin.reason != SIGNATURE:
        return None
    if is_ambiguous(distribution, required=installation.terms.required):
        return None  # told by the check of names in two places
    denied = installation.terms.policy.file.deny.plugin(distribution.name, distribution.version)
    if plugin.vetted.error and (plugin.vetted.verified or (denied and not distribution.is_signed)):
        return UNTRUSTED
    return SIGNATURE_INVALID if distribution.is_signed else UNSIGNED


def _failure(check: str, plugin: Listed) -> Finding:
    assert plugin.error is not None  # it is refused
    return Finding(
        check, Level.FAIL, plugin.error.message, subject=plugin.name, hint=plugin.error.fix
    )
