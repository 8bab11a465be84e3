"""The gates that plugins pass, and the errors of those that do not.

For plugins that a host found itself, its verifier is the gate; for installed ones it is a
further one, after verification.
"""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Protocol

from stigmem_plugins.errors import FAILURES, PluginSignatureError, describe, shown
from stigmem_plugins.settings import SIGNING_OFF, SIGNING_REQUIRED
from stigmem_plugins.trust.decision import (
    DEVELOPMENT_UNSIGNED_OVERRIDE,
    TRUSTED_PUBLISHER,
    UNSIGNED,
    PluginSigningInfo,
)
from stigmem_plugins.trust.policy import PluginTrustPolicy, Untrusted
from stigmem_plugins.trust.signer import Signer
from stigmem_plugins.trust.statement import SignedPlugin
from stigmem_plugins.trust.unverified import Unverified

if TYPE_CHECKING:
    from stigmem_plugins.loading import DiscoveredPlugin

log = logging.getLogger("stigmem.plugins.registry")


class SignatureVerifier(Protocol):
    """Raises `PluginSignatureError` for a plugin that may not be registered."""

    def __call__(self, plugin: DiscoveredPlugin, /) -> PluginSigningInfo | None:
        """Judge the very object that discovery returned."""


def unsigned_refused(name: str, signing_off: str = SIGNING_OFF) -> PluginSignatureError:
    """The error for a plugin without a verified signature while signing is required.

    Args:
        name: The plugin.
        signing_off: What an operator would set to let it in.
    """
    return PluginSignatureError(
        f"plugin {name!r} is unsigned, and production plugin registration requires a verified "
        "signature",
        plugin=name,
        fix=(
            "install a build that its publisher signed with `stigmem-plugins sign` or, for local "
            f"development only, set {signing_off}"
        ),
    )


def refused(name: str, finding: Unverified) -> PluginSignatureError:
    """The error for a plugin whose signature does not verify, or is not accepted."""
    fix = finding.fix or "install it anew from where its publisher offers it"
    message = f"plugin {name!r} is refused: {finding.problem}"
    return PluginSignatureError(message, plugin=name, fix=fix, checked=finding.checked)


def require_verified_signature(
    plugin: DiscoveredPlugin, *, policy: PluginTrustPolicy | None = None
) -> PluginSigningInfo:
    """Accept a plugin whose verified identity the policy accepts; refuse every other.

    Args:
        plugin: As discovery returned it.
        policy: Default: `PluginTrustPolicy.from_settings()`.

    Raises:
        PluginSignatureError: It is unsigned, its signature was not verified, or its publisher
            is not trusted.
    """
    name = plugin.manifest.name
    if not _is_verified(plugin):
        raise unsigned_refused(name)
    try:
        return (policy or PluginTrustPolicy.from_settings()).decide(*_signed(plugin))
    except Untrusted as objection:
        raise refused(name, objection) from None


def allow_unsigned_development_override(plugin: DiscoveredPlugin) -> PluginSigningInfo:
    """Accept a plugin because signing is off: with a security warning on the log.

    A verified identity stays visible; an unverified one is never shown.
    """
    log.warning(
        "SECURITY WARNING: plugin %r has no trusted signature and is let in because "
        "%s=false; never use this in production",
        plugin.manifest.name,
        SIGNING_REQUIRED,
    )
    return PluginSigningInfo(
        plugin.signing_identity if plugin.signature_verified else UNSIGNED,
        DEVELOPMENT_UNSIGNED_OVERRIDE,
        f"{SIGNING_REQUIRED}=false",
    )


def judged(
    plugin: DiscoveredPlugin,
    *,
    required: bool,
    policy: PluginTrustPolicy,
    verifier: SignatureVerifier,
) -> PluginSigningInfo:
    """The decision about a plugin that a host discovered.

    Args:
        plugin: As discovery returned it; a verifier gets this very object.
        required: Whether signing is required.
        policy: Whose identities are accepted.
        verifier: The gate while signing is required.

    Raises:
        PluginSignatureError: It is refused.
    """
    name = plugin.manifest.name
    known = None
    try:
        policy.deny(name, plugin.manifest.version)
        if _is_verified(plugin):
            known = policy.decide(*_signed(plugin))
    except Untrusted as objection:
        if objection.denied:
            raise refused(name, objection) from None
    if not required:
        return known or allow_unsigned_development_override(plugin)
    verdict = asked(verifier, plugin)
    if verdict is not None:
        return verdict
    identity = plugin.signing_identity if plugin.signature_verified else UNSIGNED
    accepted = PluginSigningInfo(identity, TRUSTED_PUBLISHER, "accepted by the host's verifier")
    return known or accepted


def asked(verifier: SignatureVerifier, plugin: DiscoveredPlugin) -> PluginSigningInfo | None:
    """What a host's verifier says of a plugin.

    Raises:
        PluginSignatureError: It refuses the plugin, fails, or returns something else.
    """
    name = plugin.manifest.name
    try:
        verdict: object = verifier(plugin)
    except PluginSignatureError:
        raise
    except FAILURES as error:
        message = f"the host's verifier failed on plugin {name!r}: {describe(error)}"
        raise PluginSignatureError(message, plugin=name, fix="correct the verifier") from error
    if verdict is None or isinstance(verdict, PluginSigningInfo):
        return verdict
    message = (
        f"the host's verifier returned {shown(verdict)} for plugin {name!r}: "
        "expected PluginSigningInfo or None"
    )
    raise PluginSignatureError(message, plugin=name, fix="raise PluginSignatureError to refuse")


def _is_verified(plugin: DiscoveredPlugin) -> bool:
    return plugin.signature_verified and plugin.signing_identity != UNSIGNED


def _signed(plugin: DiscoveredPlugin) -> tuple[Signer, SignedPlugin]:
    """The facts that a policy judges, of a plugin that was verified by somebody else."""
    signer = Signer(plugin.signing_identity, plugin.signing_issuer)
    factory = plugin.entry_point_value
    signed = SignedPlugin.of(plugin.manifest, entry_point=plugin.entry_point_name, factory=factory)
    return signer, signed
