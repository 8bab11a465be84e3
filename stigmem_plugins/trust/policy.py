"""Whose plugins the operator accepts, and what was decided about each."""

from __future__ import annotations

import logging
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Protocol, Self

from attrs import field, frozen

from stigmem_plugins.errors import (
    FAILURES,
    PluginSignatureError,
    StigmemPluginError,
    describe,
    shown,
)
from stigmem_plugins.settings import (
    OVERRIDE_PUBLISHERS,
    SIGNING_REQUIRED,
    TRUST_POLICY,
    TRUSTED_PUBLISHERS,
    PluginSettings,
    SettingsLike,
    identities,
)
from stigmem_plugins.trust.decision import (
    DEVELOPMENT_UNSIGNED_OVERRIDE,
    OPERATOR_OVERRIDE,
    TRUSTED_PUBLISHER,
    UNSIGNED,
    PluginSigningInfo,
)
from stigmem_plugins.trust.policy_file import PolicyFile, read_policy_file
from stigmem_plugins.trust.rules import SignedBy, any_listed
from stigmem_plugins.trust.signer import PublisherEntry, Signer
from stigmem_plugins.trust.statement import SignedPlugin
from stigmem_plugins.trust.unverified import Unverified

if TYPE_CHECKING:
    from stigmem_plugins.loading import DiscoveredPlugin

log = logging.getLogger("stigmem.plugins.registry")


class SignatureVerifier(Protocol):
    """Raises `PluginSignatureError` for a plugin that may not be registered."""

    def __call__(self, plugin: DiscoveredPlugin, /) -> PluginSigningInfo | None:
        """Judge the very object that discovery returned."""


class Untrusted(Unverified):  # as its base
    """A signature is valid, and the policy does not accept it.

    Args:
        problem: The policy's objection, a clause about the plugin.
        fix: What the operator can do.
        denied: Whether the policy denies it expressly: then nothing else lets it in.
    """

    def __init__(self, problem: str, fix: str, *, denied: bool = False) -> None:
        super().__init__(problem, fix)
        self.denied = denied


def _identity_set(given: str | Iterable[str]) -> frozenset[str]:
    return frozenset(identities(given))


def _entries(listed: frozenset[str], setting: str) -> tuple[PublisherEntry, ...]:
    try:
        return tuple(map(PublisherEntry.parse, sorted(listed)))
    except ValueError as error:
        message = f"{setting}: {error}"
        raise StigmemPluginError(message, fix=f"correct {setting}") from None


@frozen
class PluginTrustPolicy:
    """The publishers that the operator accepts; the empty policy accepts nobody.

    An entry is a certificate identity: a workflow's URI or an e-mail address, with `@ISSUER`
    after it to name who vouches for it. The issuer of a workflow of a well-known code host is
    implied. `*` may stand for a workflow's ref, or for what follows `refs/tags/` or
    `refs/heads/`.

    Args:
        trusted_publishers: Accepted entries; a comma list or an iterable.
        override_publishers: Entries accepted as audited exceptions.
        file: What the policy file says. Where it names an identity, `trusted_publishers` has no
            say about it.

    Raises:
        StigmemPluginError: An entry is malformed.

    Example:
        >>> policy = PluginTrustPolicy("ci@example.com, release@example.com")
        >>> sorted(policy.trusted_publishers)
        ['ci@example.com', 'release@example.com']
    """

    trusted_publishers: frozenset[str] = field(default=frozenset(), converter=_identity_set)
    override_publishers: frozenset[str] = field(default=frozenset(), converter=_identity_set)
    file: PolicyFile = field(factory=PolicyFile)
    _trusted: tuple[PublisherEntry, ...] = field(init=False, repr=False, eq=False)
    _overrides: tuple[PublisherEntry, ...] = field(init=False, repr=False, eq=False)

    @_trusted.default
    def _parse_trusted(self) -> tuple[PublisherEntry, ...]:
        return _entries(self.trusted_publishers, TRUSTED_PUBLISHERS)

    @_overrides.default
    def _parse_overrides(self) -> tuple[PublisherEntry, ...]:
        return _entries(self.override_publishers, OVERRIDE_PUBLISHERS)

    @classmethod
    def from_settings(cls, settings: SettingsLike | None = None) -> Self:
        """The policy in force now: of the host's settings object, else of the environment.

        Raises:
            StigmemPluginError: A setting or the policy file is malformed.
        """
        source = PluginSettings.in_force(settings)
        path = source.plugin_trust_policy
        return cls(
            source.plugin_trusted_publishers,
            source.plugin_trust_override_publishers,
            read_policy_file(Path(path)) if path else PolicyFile(),
        )

    def decide(self, signer: Signer, plugin: SignedPlugin) -> PluginSigningInfo:
        """The decision about a verified signature.

        What is denied is refused before anything else is asked.

        Args:
            signer: Who signed.
            plugin: What they signed.

        Raises:
            Untrusted: The policy does not accept it.
        """
        if objection := self.file.deny.objection(signer, plugin):
            raise Untrusted(objection, "remove it from the policy's deny list", denied=True)
        objections = self._objections(signer, plugin)
        if objections is None:
            return PluginSigningInfo(signer.identity, TRUSTED_PUBLISHER, issuer=signer.issuer)
        if any_listed(self._overrides).objection(signer, plugin) is None:
            reason = f"accepted by {OVERRIDE_PUBLISHERS}"
            return PluginSigningInfo(signer.identity, OPERATOR_OVERRIDE, reason, signer.issuer)
        raise objections

    def _objections(self, signer: Signer, plugin: SignedPlugin) -> Untrusted | None:
        """Why nobody whom the operator trusts may have signed the plugin; None if one may.

        Where the file names the identity, the list has no say about it: otherwise a signer whom
        the file's entry does not admit would come in without its bounds.
        """
        named = [p for p in self.file.publishers if p.entry.names(signer.identity)]
        if not named and any_listed(self._trusted).objection(signer, plugin) is None:
            return None
        bound = [p for p in named if p.who.objection(signer, plugin) is None]
        if not bound:
            near = [
                SignedBy(e).objection(signer) for e in self._trusted if e.names(signer.identity)
            ]
            near += [each.who.objection(signer, plugin) for each in named]
            problem = f"it is signed by an untrusted identity: {signer}"
            fix = f"add the identity to {TRUSTED_PUBLISHERS} if you trust it"
            return Untrusted("; ".join([problem, *filter(None, near)]), fix)
        refusals = [[o for rule in p.what if (o := rule.objection(signer, plugin))] for p in bound]
        if [] in refusals:
            return None
        texts = dict.fromkeys(text for refusal in refusals for text in refusal)
        fix = f"change the publisher's entry in the file of {TRUST_POLICY} if you allow it"
        return Untrusted("; ".join(texts), fix)

    def deny(self, name: str, version: str | None) -> None:
        """Refuse a plugin that is denied by name and version, whoever signed it.

        Raises:
            Untrusted: The policy file denies it.
        """
        if objection := self.file.deny.plugin(name, version):
            raise Untrusted(objection, "remove it from the policy's deny list", denied=True)


def let_in(
    policy: PluginTrustPolicy, signer: Signer, plugin: SignedPlugin, *, required: bool
) -> PluginSigningInfo:
    """The decision about a verified signature, where signing may be off.

    Args:
        policy: Whose signatures are accepted.
        signer: Who signed.
        plugin: What they signed.
        required: Whether signing is required; if not, everything comes in that is not denied.

    Raises:
        Untrusted: It is refused.
    """
    try:
        return policy.decide(signer, plugin)
    except Untrusted as objection:
        if required or objection.denied:
            raise
        log.warning(
            "SECURITY WARNING: plugin %r is let in because %s=false, although %s; never use this "
            "in production",
            plugin.name,
            SIGNING_REQUIRED,
            objection.problem,
        )
        return PluginSigningInfo(
            signer.identity,
            DEVELOPMENT_UNSIGNED_OVERRIDE,
            f"{SIGNING_REQUIRED}=false",
            signer.issuer,
        )


def unsigned_refused(name: str) -> PluginSignatureError:
    """The error for a plugin without a verified signature while signing is required."""
    return PluginSignatureError(
        f"plugin {name!r} is unsigned, and production plugin registration requires a verified "
        "signature",
        plugin=name,
        fix=(
            "install a build that its publisher signed with `stigmem-plugins sign` or, for local "
            f"development only, set {SIGNING_REQUIRED}=false"
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
