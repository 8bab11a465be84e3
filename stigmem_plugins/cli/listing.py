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
from stigmem_plugins.checks import MANIFEST_INVALID, SIGNATURE, Refusal
from stigmem_plugins.cli.output import ACCEPTED, FAILED, LEFT_OUT, REFUSED, NotFound
from stigmem_plugins.cli.verdicts import (
    loaded_as_at_start,
    stand_in,
    verdicts,
    warnings_off,
)
from stigmem_plugins.config import configure, masked
from stigmem_plugins.discovery import InstalledDistribution, installed_distributions
from stigmem_plugins.errors import PluginSignatureError, StigmemPluginError, suggest
from stigmem_plugins.loading import DiscoveredPlugin, load_vetted
from stigmem_plugins.registration import Candidate, Registration
from stigmem_plugins.settings import PluginSettings
from stigmem_plugins.startup import loading_order, served
from stigmem_plugins.trust.decision import DEVELOPMENT_UNSIGNED_OVERRIDE
from stigmem_plugins.trust.importer import FINDER
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
        reason: The same as audit events say it.
    """

    vetted: VettedPlugin
    status: str
    plugin: DiscoveredPlugin | None = None
    error: StigmemPluginError | None = None
    reason: str | None = None

    @property
    def name(self) -> str:
        """The plugin's name; its entry point's as long as its own is not known."""
        return self.plugin.manifest.name if self.plugin else self.vetted.name

    def _let_in(self) -> str | None:
        """What a start decides of an unsigned plugin that it takes."""
        return DEVELOPMENT_UNSIGNED_OVERRIDE if self.status == ACCEPTED else None

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
            "signed_by": self.vetted.shown_signer,
            "issuer": verified.signer.issuer if verified else None,
            "trust_decision": decision.trust_decision if decision else self._let_in(),
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
    return look_at(installed_distributions(plugin_dir=terms.plugin_dir), terms)


def look_at(
    installed: Iterable[InstalledDistribution], terms: TrustTerms, *, load: bool = False
) -> list[Listed]:
    """Look at distributions of plugins.

    Args:
        installed: The distributions.
        terms: What the operator says about trust.
        load: Whether to load signed plugins too, from the verified bytes, if they are accepted.

    Raises:
        StigmemPluginError: The trusted root is malformed, or the process uses a node's own
            plugin layer.
    """
    with warnings_off():
        vetted = vet(installed, terms)
    if all(plugin.error or (plugin.signed and not load) for plugin in vetted):
        return _judged([_look(plugin) for plugin in vetted])
    with redirect_stdout(sys.stderr):  # what plugins print is no result of ours
        return _judged(_loaded(vetted, load=load))


def _loaded(vetted: Sequence[VettedPlugin], *, load: bool) -> list[Listed]:
    """Look at plugins the way a start does: none is loaded before all are served."""
    looked: dict[int, Listed] = {}

    def look() -> None:
        with FINDER.attempt() as serve:
            wanted = [plugin for plugin in vetted if load and not plugin.error]
            errors = {id(plugin): served(plugin, serve) for plugin in wanted}
            for plugin in loading_order(vetted):
                looked[id(plugin)] = _look(plugin, errors.get(id(plugin)), load=load)

    loaded_as_at_start(look)
    return [looked[id(plugin)] for plugin in vetted]


def _look(
    vetted: VettedPlugin, error: PluginSignatureError | None = None, *, load: bool = False
) -> Listed:
    error = vetted.error or error
    try:
        if error is not None:
            plugin = stand_in(vetted) if vetted.signed else None
            return Listed(vetted, REFUSED, plugin, error, SIGNATURE)
        plugin = stand_in(vetted) if vetted.signed and not load else load_vetted(vetted)
        return Listed(vetted, ACCEPTED, plugin)
    except PluginSignatureError as refusal:  # its manifest is not the one that was signed
        return Listed(vetted, REFUSED, error=refusal, reason=SIGNATURE)
    except StigmemPluginError as failure:
        return Listed(vetted, FAILED, error=failure, reason=MANIFEST_INVALID)


def _judged(listed: Sequence[Listed]) -> list[Listed]:
    found = verdicts(
        [each.plugin for each in listed if each.plugin and not each.error],
        refused_before={canonicalize_name(each.name) for each in listed if each.error},
    )
    return [_with_verdict(each, found) for each in listed]


def _with_verdict(listed: Listed, found: Mapping[str, Refusal | None]) -> Listed:
    if listed.plugin is None or listed.error:
        return listed
    name = listed.plugin.manifest.name
    if name not in found:
        return evolve(listed, status=LEFT_OUT)
    refusal = found[name]
    if refusal is None:
        return listed
    return evolve(listed, status=REFUSED, error=refusal.error, reason=refusal.reason)


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
        message = f"{name!r} is {len(several)} plugins, the entry points {listed}"
        raise NotFound(message, "name one of these entry points")
    known = {known for _, names in called for known in names if known}
    message = f"no plugin {name!r} is installed{suggest(name, sorted(known))}"
    raise NotFound(message, "`stigmem-plugins list` shows what is")


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
    with redirect_stdout(sys.stderr):
        return {**facts, **alive(registered(listed.plugin))}


def alive(registration: Registration) -> dict[str, Any]:
    """The facts that only a loaded plugin can tell: its configuration, and how it is."""
    report = health.poll(registration)
    return {
        "config": masked(registration.configuration.value),
        "health": {
            "status": report.status,
            "message": report.message,
            "error": report.error_summary,
        },
    }


def registered(plugin: DiscoveredPlugin) -> Registration:
    """A plugin as a registry would hold it, without its handlers.

    Raises:
        StigmemPluginError: Its configuration cannot be read any more.
    """
    manifest = plugin.manifest
    configuration = configure(manifest)
    context = PluginContext(
        plugin_name=manifest.name,
        plugin_version=manifest.version,
        capabilities=manifest.capabilities,
        config=configuration.value,
    )
    candidate = Candidate(manifest, plugin.discovery_source())
    return Registration(candidate, context, {}, configuration)
