"""Small rules about who may sign what; they are combined, and refuse when nothing is given.

A rule answers with its objection, or None. A combination of no rules objects, so that a list
that was left empty by mistake admits nobody.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Protocol

from attrs import field, frozen
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name
from packaging.version import InvalidVersion, Version

from stigmem_plugins.trust.signer import PublisherEntry, Signer
from stigmem_plugins.trust.statement import SignedPlugin


class TrustRule(Protocol):
    """Says whether a signer may sign a plugin."""

    def objection(self, signer: Signer, plugin: SignedPlugin, /) -> str | None:
        """Why not, as a clause about the plugin; None if it may."""


def _rules(given: Iterable[TrustRule]) -> tuple[TrustRule, ...]:
    return tuple(given)


@frozen
class AllOf:
    """Objects with the first of its rules that does.

    Example:
        >>> signer = Signer("ada@example.com")
        >>> AllOf(()).objection(signer, None)
        'no rule is given'
    """

    rules: tuple[TrustRule, ...] = field(converter=_rules)

    def objection(self, signer: Signer, plugin: SignedPlugin) -> str | None:
        """The first objection."""
        if not self.rules:
            return "no rule is given"
        return next((o for rule in self.rules if (o := rule.objection(signer, plugin))), None)


@frozen
class AnyOf:
    """Objects if all of its rules do.

    Example:
        >>> signer = Signer("ada@example.com")
        >>> AnyOf([SignedBy(PublisherEntry.parse("bob@example.com"))]).objection(signer, None)
        'ada@example.com is not bob@example.com'
    """

    rules: tuple[TrustRule, ...] = field(converter=_rules)

    def objection(self, signer: Signer, plugin: SignedPlugin) -> str | None:
        """All objections."""
        if not self.rules:
            return "no rule is given"
        objections = [rule.objection(signer, plugin) for rule in self.rules]
        return None if None in objections else "; ".join(dict.fromkeys(filter(None, objections)))


@frozen
class SignedBy:
    """The signer is one that an entry names."""

    entry: PublisherEntry

    def objection(self, signer: Signer, _plugin: SignedPlugin | None = None) -> str | None:
        """Any other signer."""
        return None if self.entry.matches(signer) else f"{signer} is not {self.entry}"


@frozen
class FromRepository:
    """The workflow ran for one repository.

    Args:
        uri: The repository's URI, such as `https://github.com/acme/plugin`.
    """

    uri: str

    def objection(self, signer: Signer, _plugin: SignedPlugin) -> str | None:
        """Another repository, or an identity that has none."""
        if signer.repository == self.uri:
            return None
        return f"it was signed for the repository {signer.repository}, not {self.uri}"


@frozen
class FromWorkflow:
    """One workflow was started.

    It can be another than the identity's, which is the one that signed: a workflow can be called
    from others, also those of other repositories.

    Args:
        uri: The URI of the workflow's file, without a ref.
    """

    uri: str

    def objection(self, signer: Signer, _plugin: SignedPlugin) -> str | None:
        """Another workflow, or an identity that has none."""
        started = (signer.workflow or "").rpartition("@")[0]
        if started == self.uri:
            return None
        return f"it was signed in the workflow {signer.workflow}, not {self.uri}"


@frozen
class MaySign:
    """The plugin is one of those that a publisher may sign."""

    names: frozenset[str]

    def objection(self, signer: Signer, plugin: SignedPlugin) -> str | None:
        """A plugin of another name."""
        if plugin.name in self.names:
            return None
        listed = ", ".join(sorted(self.names)) or "none"
        return f"{signer.identity} may not sign {plugin.name!r}, only: {listed}"


@frozen
class AtLeast:
    """The plugin's version is not older than one that the operator knows to be good."""

    minimum: Version = field(converter=Version)

    def objection(self, _signer: Signer, plugin: SignedPlugin) -> str | None:
        """An older version, or one that is none."""
        if (version := _version(plugin.version)) and version >= self.minimum:
            return None
        return f"downgrade refused: version {plugin.version} is below {self.minimum}"


@frozen
class Within:
    """The plugin's capabilities are some of those that a publisher's plugins may have."""

    capabilities: frozenset[str]

    def objection(self, signer: Signer, plugin: SignedPlugin) -> str | None:
        """A capability beyond."""
        if not (beyond := sorted(set(plugin.capabilities) - self.capabilities)):
            return None
        return f"it asks for {', '.join(beyond)}, which plugins of {signer.identity} may not have"


@frozen
class Denied:
    """Identities and versions of plugins that the operator denies, whatever else admits them.

    Args:
        identities: Entries as lists of publishers have them.
        plugins: Plugin names, each with an optional version specifier.

    Example:
        >>> denied = Denied(plugins=(Requirement("example-plugin<2"),))
        >>> denied.plugin("example-plugin", "1.0.0")
        'version 1.0.0 is denied by example-plugin<2 of the trust policy'
        >>> denied.plugin("example-plugin", "2.0.0")
    """

    identities: tuple[PublisherEntry, ...] = ()
    plugins: tuple[Requirement, ...] = ()

    def objection(self, signer: Signer, plugin: SignedPlugin) -> str | None:
        """A denied signer or plugin."""
        for entry in self.identities:
            if entry.could_be(signer):
                return f"its signer {signer} is denied by the trust policy"
        return self.plugin(plugin.name, plugin.version)

    def plugin(self, name: str, version: str | None) -> str | None:
        """The objection to a plugin by its name and version, signed or not."""
        for denied in self.plugins:
            if canonicalize_name(denied.name) == canonicalize_name(name) and (_in(version, denied)):
                return f"version {version} is denied by {denied} of the trust policy"
        return None


def _in(version: str | None, denied: Requirement) -> bool:
    """Whether a version is denied; one that is none is, by any specifier."""
    known = _version(version)
    return known is None or denied.specifier.contains(known, prereleases=True)


def _version(text: str | None) -> Version | None:
    try:
        return Version(text or "")
    except InvalidVersion:
        return None


def any_listed(entries: Iterable[PublisherEntry]) -> AnyOf:
    """The rule of a plain list of publishers."""
    return AnyOf(SignedBy(entry) for entry in entries)
