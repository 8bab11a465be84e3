"""Whose plugins the operator accepts, and what was decided about each."""

from __future__ import annotations

import logging
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any, Final, Protocol, Self

from attrs import field, frozen

from stigmem_hookspecs.values import FrozenDict
from stigmem_plugins.errors import FAILURES, PluginSignatureError, describe, shown
from stigmem_plugins.settings import PluginSettings, SettingsLike, identities

if TYPE_CHECKING:
    from stigmem_plugins.discovery import DiscoveredPlugin

log = logging.getLogger("stigmem.plugins.registry")

UNSIGNED: Final = "unsigned"
TRUSTED_PUBLISHER: Final = "trusted_publisher"
OPERATOR_OVERRIDE: Final = "operator_override"
DEVELOPMENT_UNSIGNED_OVERRIDE: Final = "development_unsigned_override"
UNDECIDED: Final = FrozenDict(trust_decision=None, trust_reason=None)
"""What audit events say of a signature that nobody was asked to judge."""


@frozen
class PluginSigningInfo:
    """What was decided about a plugin's signature.

    Args:
        signing_identity: The verified certificate identity, or `unsigned`.
        trust_decision: `trusted_publisher`, `operator_override` or
            `development_unsigned_override`.
        trust_reason: Why, in words for the audit trail.

    Example:
        >>> PluginSigningInfo("unsigned", "development_unsigned_override").audit_metadata()
        {'trust_decision': 'development_unsigned_override', 'trust_reason': None}
    """

    signing_identity: str
    trust_decision: str
    trust_reason: str | None = None

    def audit_metadata(self) -> dict[str, Any]:
        """The decision and its reason, as audit events carry them under `signing`."""
        return {"trust_decision": self.trust_decision, "trust_reason": self.trust_reason}


class SignatureVerifier(Protocol):
    """Raises `PluginSignatureError` for a plugin that may not be registered."""

    def __call__(self, plugin: DiscoveredPlugin, /) -> PluginSigningInfo | None:
        """Judge the very object that discovery returned."""


def _identity_set(given: str | Iterable[str]) -> frozenset[str]:
    return frozenset(identities(given))


@frozen
class PluginTrustPolicy:
    """The signing identities that the operator accepts; the empty policy accepts nobody.

    Args:
        trusted_publishers: Accepted identities; a comma list or an iterable.
        override_publishers: Identities accepted as audited exceptions.

    Example:
        >>> policy = PluginTrustPolicy("ci@example.com, release@example.com")
        >>> sorted(policy.trusted_publishers)
        ['ci@example.com', 'release@example.com']
    """

    trusted_publishers: frozenset[str] = field(default=frozenset(), converter=_identity_set)
    override_publishers: frozenset[str] = field(default=frozenset(), converter=_identity_set)

    @classmethod
    def from_settings(cls, settings: SettingsLike | None = None) -> Self:
        """The policy in force now: of the host's settings object, else of the environment.

        Raises:
            StigmemPluginError: A setting is malformed.
        """
        source = PluginSettings.in_force(settings)
        return cls(source.plugin_trusted_publishers, source.plugin_trust_override_publishers)

    def decide(self, identity: str) -> PluginSigningInfo | None:
        """The decision about a verified identity, or None if it is in neither list."""
        if identity in self.trusted_publishers:
            return PluginSigningInfo(identity, TRUSTED_PUBLISHER)
        if identity in self.override_publishers:
            reason = "accepted by STIGMEM_PLUGIN_TRUST_OVERRIDE_PUBLISHERS"
            return PluginSigningInfo(identity, OPERATOR_OVERRIDE, reason)
        return None


def unsigned_refused(name: str) -> PluginSignatureError:
    """The error for a plugin without a verified signature while signing is required."""
    return PluginSignatureError(
        f"plugin {name!r} is unsigned, and production plugin registration requires a verified "
        "signature",
        plugin=name,
        fix=(
            "uninstall it or, for local development only, set STIGMEM_PLUGIN_SIGNING_REQUIRED=false"
        ),
    )


def require_verified_signature(
    plugin: DiscoveredPlugin, *, policy: PluginTrustPolicy | None = None
) -> PluginSigningInfo:
    """Accept a plugin whose verified identity the policy lists; refuse every other.

    Args:
        plugin: As discovery returned it.
        policy: Default: `PluginTrustPolicy.from_settings()`.

    Raises:
        PluginSignatureError: It is unsigned, its signature was not verified, or its publisher
            is not trusted.
    """
    name, identity = plugin.manifest.name, plugin.signing_identity
    if not plugin.signature_verified or identity == UNSIGNED:
        raise unsigned_refused(name)
    decision = (policy or PluginTrustPolicy.from_settings()).decide(identity)
    if decision is None:
        message = f"plugin {name!r} is signed by an untrusted identity {identity!r}"
        fix = "add the identity to STIGMEM_PLUGIN_TRUSTED_PUBLISHERS if you trust it"
        raise PluginSignatureError(message, plugin=name, fix=fix)
    return decision


def allow_unsigned_development_override(plugin: DiscoveredPlugin) -> PluginSigningInfo:
    """Accept a plugin because signing is off: with a security warning on the log.

    A verified identity stays visible; an unverified one is never shown.
    """
    log.warning(
        "SECURITY WARNING: plugin %r has no trusted signature and is let in because "
        "STIGMEM_PLUGIN_SIGNING_REQUIRED=false; never use this in production",
        plugin.manifest.name,
    )
    return PluginSigningInfo(
        plugin.signing_identity if plugin.signature_verified else UNSIGNED,
        DEVELOPMENT_UNSIGNED_OVERRIDE,
        "STIGMEM_PLUGIN_SIGNING_REQUIRED=false",
    )


def judged(
    plugin: DiscoveredPlugin,
    *,
    required: bool,
    policy: PluginTrustPolicy,
    verifier: SignatureVerifier,
) -> PluginSigningInfo:
    """The decision about a plugin.

    Args:
        plugin: As discovery returned it; a verifier gets this very object.
        required: Whether signing is required.
        policy: Whose identities are accepted.
        verifier: The gate while signing is required.

    Raises:
        PluginSignatureError: It is refused.
    """
    known = policy.decide(plugin.signing_identity) if plugin.signature_verified else None
    if not required:
        return known or allow_unsigned_development_override(plugin)
    name = plugin.manifest.name
    try:
        verdict: object = verifier(plugin)
    except PluginSignatureError:
        raise
    except FAILURES as error:
        message = f"the host's verifier failed on plugin {name!r}: {describe(error)}"
        raise PluginSignatureError(message, plugin=name, fix="correct the verifier") from error
    if isinstance(verdict, PluginSigningInfo):
        return verdict
    if verdict is not None:
        message = (
            f"the host's verifier returned {shown(verdict)} for plugin {name!r}: "
            "expected PluginSigningInfo or None"
        )
        raise PluginSignatureError(message, plugin=name, fix="raise PluginSignatureError to refuse")
    identity = plugin.signing_identity if plugin.signature_verified else UNSIGNED
    accepted = PluginSigningInfo(identity, TRUSTED_PUBLISHER, "accepted by the host's verifier")
    return known or accepted
