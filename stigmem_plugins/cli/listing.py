"""What is installed, as the commands show it."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import redirect_stdout
from typing import Any, TypeVar

from attrs import evolve, frozen
from packaging.utils import canonicalize_name

from stigmem_plugins import health
from stigmem_plugins.capabilities import PluginContext
from stigmem_plugins.cli.output import ACCEPTED, FAILED, LEFT_OUT, REFUSED, NotFound
from stigmem_plugins.cli.verdicts import (
    loaded_as_at_start,
    stand_in,
    verdicts,
    warnings_off,
)
from stigmem_plugins.config import configure, masked
from stigmem_plugins.discovery import installed_distributions
from stigmem_plugins.errors import StigmemPluginError, suggest
from stigmem_plugins.loading import DiscoveredPlugin, load_vetted
from stigmem_plugins.registration import Candidate, Registration
from stigmem_plugins.settings import PluginSettings
from stigmem_plugins.trust.vetting import TrustTerms, VettedPlugin, vet


@frozen
class Listed:
    """An installed plugin, with what came of looking at it.

    Args:
        vetted: What its distribution's metadata and its signature say.
        status: What a node's start would make of it: `accepted`, `refused`, `failed` to load, or
            `left out` because the node does without it.
        plugin: The plugin, where it was loaded, or as its publisher signed it.
        error: Why a node refuses it, or why it was not loaded.
    """

    vetted: VettedPlugin
    status: str
    plugin: DiscoveredPlugin | None = None
    error: StigmemPluginError | None = None

    def facts(self) -> dict[str, Any]:
        """The facts by name; None for those that only a loaded or signed plugin can tell."""
        installed, decision = self.vetted.installed, self.vetted.decision
        verified = self.vetted.verified
        manifest = self.plugin.manifest if self.plugin else None
        return {
            "entry_point": installed.entry_point_name,
            "entry_point_value": installed.entry_point_value,
            "distribution": installed.distribution,
            "distribution_version": installed.version,
            "signed_by": self.vetted.signed_by,
            "issuer": verified.signer.issuer if verified else None,
            "trust_decision": decision.trust_decision if decision else None,
            "status": self.status,
            "problem": self.error.message if self.error else None,
            "fix": self.error.fix if self.error else None,
            "name": manifest.name if manifest else None,
            "version": manifest.version if manifest else None,
            "requires_stigmem": manifest.requires_stigmem if manifest else None,
            "capabilities": sorted(manifest.capabilities) if manifest else None,
            "hooks": sorted(manifest.hooks) if manifest else None,
            "depends_on": sorted(manifest.depends_on) if manifest else None,
        }


def list_plugins() -> list[Listed]:
    """Look at every installed plugin.

    Signed ones are shown as their publishers signed them, and not loaded; unsigned ones are
    loaded if signing is not required.

    Raises:
        StigmemPluginError: A setting is malformed, entry points cannot be read, or the process
            uses a node's own plugin layer.
    """
    terms = TrustTerms.of(PluginSettings.from_environment())
    with warnings_off():
        vetted = vet(installed_distributions(plugin_dir=terms.plugin_dir), terms)
    if all(plugin.error or plugin.signed for plugin in vetted):
        return _judged([_look(plugin) for plugin in vetted])
    with redirect_stdout(sys.stderr):  # what plugins print is no result of ours
        return _judged(_loaded(vetted))


def _loaded(vetted: Iterable[VettedPlugin]) -> list[Listed]:
    listed: list[Listed] = []

    def load() -> None:
        listed.extend(map(_look, vetted))

    loaded_as_at_start(load)
    return listed


def _look(vetted: VettedPlugin) -> Listed:
    try:
        if vetted.signed is not None:
            plugin = stand_in(vetted)
            return Listed(vetted, REFUSED if vetted.error else ACCEPTED, plugin, vetted.error)
        if vetted.error is not None:
            return Listed(vetted, REFUSED, error=vetted.error)
        return Listed(vetted, ACCEPTED, load_vetted(vetted))
    except StigmemPluginError as error:
        return Listed(vetted, FAILED, error=error)


def _judged(listed: Sequence[Listed]) -> list[Listed]:
    found = verdicts([each.plugin for each in listed if each.plugin and not each.error])
    return [_with_verdict(each, found) for each in listed]


def _with_verdict(listed: Listed, found: Mapping[str, StigmemPluginError | None]) -> Listed:
    if listed.plugin is None or listed.error:
        return listed
    name = listed.plugin.manifest.name
    if name not in found:
        return evolve(listed, status=LEFT_OUT)
    error = found[name]
    return evolve(listed, status=REFUSED, error=error) if error else listed


_T = TypeVar("_T")


def find(name: str, plugins: Sequence[_T], names_of: Callable[[_T], tuple[str, str, str]]) -> _T:
    """The plugin of that name: its own, its entry point's or its distribution's.

    Args:
        name: What the user said.
        plugins: All there are.
        names_of: Gives a plugin's three names.

    Raises:
        NotFound: There is none, or several; the nearest or all are named.
    """
    called = [(plugin, tuple(map(canonicalize_name, names_of(plugin)))) for plugin in plugins]
    wanted = canonicalize_name(name)
    several: list[_T] = []
    for kind in range(3):
        found = [plugin for plugin, names in called if names[kind] == wanted]
        if len(found) == 1:
            return found[0]
        several = several or found
    if several:
        listed = ", ".join(
            f"{entry_point} of {distribution}"
            for _, entry_point, distribution in map(names_of, several)
        )
        message = (
            f"{name!r} is {len(several)} plugins, the entry points {listed}: name one of these"
        )
        raise NotFound(message)
    known = {known for _, names in called for known in names if known}
    near = suggest(name, sorted(known)) or "; `stigmem-plugins list` shows what is"
    message = f"no plugin {name!r} is installed{near}"
    raise NotFound(message)


def names(listed: Listed) -> tuple[str, str, str]:
    """The names that a plugin can be called by: its own, its entry point's, its distribution's."""
    installed = listed.vetted.installed
    own = listed.plugin.manifest.name if listed.plugin else ""
    return own, installed.entry_point_name, installed.distribution or ""


def describe_plugin(listed: Listed) -> dict[str, Any]:
    """The facts about a plugin and, where it was loaded, its configuration and health.

    Raises:
        StigmemPluginError: Its configuration cannot be read any more.
    """
    facts: dict[str, Any] = {**listed.facts(), "config": None, "health": None}
    if listed.plugin is None or listed.vetted.signed or listed.status != ACCEPTED:
        return facts
    manifest = listed.plugin.manifest
    with redirect_stdout(sys.stderr):
        configuration = configure(manifest)
        context = PluginContext(
            plugin_name=manifest.name,
            plugin_version=manifest.version,
            capabilities=manifest.capabilities,
            config=configuration.value,
        )
        candidate = Candidate(manifest, listed.plugin.discovery_source())
        report = health.poll(Registration(candidate, context, {}, configuration))
    return {
        **facts,
        "config": masked(configuration.value),
        "health": {
            "status": report.status,
            "message": report.message,
            "error": report.error_summary,
        },
    }
