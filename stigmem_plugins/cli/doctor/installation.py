"""What the checks look at: the settings in force, and every plugin as a start would find it."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from datetime import UTC, date, datetime
from enum import StrEnum
from typing import Self

from attrs import frozen
from packaging.utils import canonicalize_name

from stigmem_plugins.checks import SIGNATURE
from stigmem_plugins.cli.listing import Listed, look_at
from stigmem_plugins.cli.output import ACCEPTED, LEFT_OUT
from stigmem_plugins.discovery import InstalledDistribution, installed_distributions
from stigmem_plugins.findings import Finding
from stigmem_plugins.settings import PluginSettings
from stigmem_plugins.trust.root import TrustedRootFile
from stigmem_plugins.trust.vetting import TrustTerms


@frozen
class Installation:
    """A node's plugins and settings, looked at once for all checks.

    Args:
        settings: The settings in force.
        terms: What they say of trust.
        root: The trusted root in force.
        installed: The distributions of plugins.
        plugins: Their plugins; those that a start would load are loaded.
        today: The day by the clock of this machine.
    """

    settings: PluginSettings
    terms: TrustTerms
    root: TrustedRootFile
    installed: tuple[InstalledDistribution, ...]
    plugins: tuple[Listed, ...]
    today: date

    @classmethod
    def look(cls) -> Self:
        """Look at what this process's environment would start a node with.

        Accepted plugins are loaded, signed ones from the verified bytes: their code runs.

        Raises:
            StigmemPluginError: A setting, the policy file, the trusted root or the metadata of
                what is installed cannot be read.
        """
        settings = PluginSettings.from_environment()
        terms = TrustTerms.of(settings)
        root = TrustedRootFile.in_force(settings.plugin_trusted_root)
        root.read()
        installed = installed_distributions(plugin_dir=settings.plugin_dir)
        plugins = tuple(look_at(installed, terms, load=True))
        return cls(settings, terms, root, installed, plugins, datetime.now(UTC).date())

    def distribution(self, plugin: Listed) -> InstalledDistribution:
        """The distribution that a plugin is of."""
        name = canonicalize_name(plugin.vetted.installed.distribution or "")
        return next(each for each in self.installed if canonicalize_name(each.name) == name)

    def refused(self, *reasons: str) -> list[Listed]:
        """The plugins that a start refuses for one of these reasons of audit events."""
        return [each for each in self.plugins if each.reason in reasons]

    @property
    def loaded(self) -> list[Listed]:
        """The plugins that a start loads, and of which it gets a manifest."""
        return [each for each in self.plugins if each.plugin and each.reason != SIGNATURE]

    @property
    def accepted(self) -> list[Listed]:
        """The plugins that a start would register."""
        return [each for each in self.plugins if each.status == ACCEPTED]


class Sees(StrEnum):
    """Which plugins a check can judge; of the others it says that it did not."""

    ALL = "all"
    LOADED = "loaded"
    ACCEPTED = "accepted"

    def misses(self, installation: Installation) -> list[Listed]:
        """The plugins that it cannot judge; one that is left out is no matter."""
        seen = {Sees.LOADED: installation.loaded, Sees.ACCEPTED: installation.accepted}
        if self not in seen:
            return []
        return [p for p in installation.plugins if p not in seen[self] and p.status != LEFT_OUT]


Look = Callable[[Installation], Iterable[Finding]]
"""One check: what is wrong, or could not be seen; nothing if all is well."""


@frozen
class Remedy:
    """Lines for a shell that put something right, if the operator agrees.

    Args:
        purpose: What they do, as an instruction; printed as a comment.
        lines: The lines; those that are a decision are comments too.
    """

    purpose: str
    lines: tuple[str, ...]


def _none(_installation: Installation) -> Iterable[Remedy]:
    return ()


@frozen
class Check:
    """A check of `doctor`.

    Args:
        name: By which it is asked for.
        description: What it finds, in one sentence.
        well: What can be said if it finds nothing.
        look: Finds it.
        sees: Which plugins it can judge.
        remedies: What can be done about it at once.
    """

    name: str
    description: str
    well: str
    look: Look
    sees: Sees = Sees.ALL
    remedies: Callable[[Installation], Iterable[Remedy]] = _none
