"""Checks of how exactly the operator's lists name publishers."""

from __future__ import annotations

import shlex
from collections.abc import Iterator

from stigmem_plugins.cli.doctor.installation import Installation, Remedy
from stigmem_plugins.findings import Finding, Level
from stigmem_plugins.settings import OVERRIDE_PUBLISHERS, TRUSTED_PUBLISHERS
from stigmem_plugins.trust.signer import PublisherEntry

ISSUER_NOT_PINNED = "issuer-not-pinned"
ANY_REF = "any-ref"
ANY = "@*"
"""How the entry of a workflow ends that admits any ref of it."""


def issuer_not_pinned(installation: Installation) -> Iterator[Finding]:
    """Entries that anybody who issues certificates can vouch for."""
    for entry, where in _entries(installation):
        if entry.issuer is None:
            issuer = _issuer(installation, entry)
            named = issuer or "the URL of who vouches for it"
            if where == installation.settings.plugin_trust_policy:
                hint = f"give its table an issuer: {named}"
            else:
                hint = f"write {entry.identity}@{issuer or 'ISSUER, ' + named}"
            yield Finding(
                ISSUER_NOT_PINNED,
                Level.WARN,
                f"{where} accepts this identity whoever vouches for it",
                subject=str(entry),
                hint=hint,
            )


def any_ref(installation: Installation) -> Iterator[Finding]:
    """Entries that admit a workflow on any ref, which others can make."""
    for entry, where in _entries(installation):
        if entry.identity.endswith(ANY):
            stem = entry.identity.removesuffix(ANY)
            yield Finding(
                ANY_REF,
                Level.WARN,
                f"{where} accepts this workflow on any branch, also on those of pull requests",
                subject=str(entry),
                hint=f"write {stem}@refs/tags/* if releases are signed on tags",
            )


def pin_issuers(installation: Installation) -> Iterator[Remedy]:
    """Name the issuers that installed signatures are of."""
    policy = installation.terms.policy
    for setting, listed in (
        (TRUSTED_PUBLISHERS, policy.trusted_publishers),
        (OVERRIDE_PUBLISHERS, policy.override_publishers),
    ):
        pinned = [_pinned(installation, text) for text in sorted(listed)]
        if pinned != sorted(listed):
            line = f"export {setting}={shlex.quote(','.join(pinned))}"
            yield Remedy("Name who vouches for them, as on the plugins installed now", (line,))
    file = installation.settings.plugin_trust_policy
    for publisher in policy.file.publishers:
        entry = publisher.entry
        if entry.issuer is None and (issuer := _issuer(installation, entry)):
            purpose = f"Name who vouches for {entry}: to its table in {file} add"
            yield Remedy(purpose, (f'#   issuer = "{issuer}"',))


def _entries(installation: Installation) -> Iterator[tuple[PublisherEntry, str]]:
    """All entries that accept somebody, each with where it is written."""
    policy = installation.terms.policy
    for text in sorted(policy.trusted_publishers):
        yield PublisherEntry.parse(text), TRUSTED_PUBLISHERS
    for text in sorted(policy.override_publishers):
        yield PublisherEntry.parse(text), OVERRIDE_PUBLISHERS
    for publisher in policy.file.publishers:
        yield publisher.entry, str(installation.settings.plugin_trust_policy)


def _pinned(installation: Installation, text: str) -> str:
    entry = PublisherEntry.parse(text)
    issuer = _issuer(installation, entry) if entry.issuer is None else None
    return f"{text}@{issuer}" if issuer else text


def _issuer(installation: Installation, entry: PublisherEntry) -> str | None:
    """Who vouches for an identity on all plugins that it signed; None if that is not one."""
    signers = [each.vetted.verified.signer for each in installation.plugins if each.vetted.verified]
    issuers = {signer.issuer for signer in signers if entry.names(signer.identity)}
    return issuers.pop() if len(issuers) == 1 else None
