"""Whose plugins the operator accepts."""

from __future__ import annotations

import logging
from collections.abc import Iterable
from pathlib import Path
from typing import Self

from attrs import field, frozen

from stigmem_plugins.errors import StigmemPluginError
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
    PluginSigningInfo,
)
from stigmem_plugins.trust.policy_file import PolicyFile, read_policy_file
from stigmem_plugins.trust.rules import SignedBy, any_listed
from stigmem_plugins.trust.signer import PublisherEntry, Signer
from stigmem_plugins.trust.statement import SignedPlugin
from stigmem_plugins.trust.unverified import Unverified

log = logging.getLogger("stigmem.plugins.registry")


class Untrusted(Unverified):
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
            near += [_other_ref(e, signer) for e in self._trusted]
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


def _other_ref(entry: PublisherEntry, signer: Signer) -> str | None:
    """What an operator who named the workflow, but not this ref of it, is told."""
    ref = entry.other_ref(signer.identity)
    if ref is None:
        return None
    return (
        f"of its workflow you trust {ref}" if ref else f"{entry} lacks a ref, such as @refs/tags/*"
    )


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
