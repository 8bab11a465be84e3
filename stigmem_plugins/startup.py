"""What a node does at start: discover, verify, load, admit, freeze; all or nothing."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from functools import partial
from typing import Any, TypeAlias, cast

from packaging.utils import canonicalize_name

from stigmem_plugins import bridge
from stigmem_plugins.admission import Rejected
from stigmem_plugins.checks import DUPLICATE, MANIFEST_INVALID, SIGNATURE, Refusal
from stigmem_plugins.discovery import (
    ENTRY_POINT_GROUP,
    InstalledDistribution,
    installed_distributions,
)
from stigmem_plugins.errors import (
    PluginDependencyError,
    PluginDiscoveryError,
    PluginSignatureError,
)
from stigmem_plugins.host import installed_node_version
from stigmem_plugins.loading import DiscoveredPlugin, duplicates, load_vetted
from stigmem_plugins.ordering import dependency_order
from stigmem_plugins.process import get_registry
from stigmem_plugins.registration import Candidate
from stigmem_plugins.registry import HookRegistry
from stigmem_plugins.settings import PluginSettings, SettingsLike
from stigmem_plugins.trust.decision import PluginSigningInfo
from stigmem_plugins.trust.gates import (
    SignatureVerifier,
    asked,
    judged,
    refused,
    require_verified_signature,
)
from stigmem_plugins.trust.importer import FINDER, VerifiedFiles
from stigmem_plugins.trust.unverified import Unverified
from stigmem_plugins.trust.vetting import TrustTerms, VettedPlugin, vet

log = logging.getLogger("stigmem.plugins.registry")

_Judged: TypeAlias = tuple[DiscoveredPlugin, Callable[[], PluginSigningInfo]]
"""A loaded plugin, and the call that decides about it or raises `PluginSignatureError`."""
_Serve: TypeAlias = Callable[[VerifiedFiles], None]


def discover_plugin_manifests(*, group: str = ENTRY_POINT_GROUP) -> tuple[DiscoveredPlugin, ...]:
    """Find the installed plugins, verify them by the settings, then load them.

    Nothing of an unverified plugin is imported while signing is required. While plugins load,
    the process's registry takes no registrations.

    Args:
        group: The entry point group to read.

    Returns:
        The plugins, by entry point name.

    Raises:
        PluginSignatureError: Plugins are refused; every one is named.
        PluginDiscoveryError: Plugins cannot be loaded; every one is named.
        StigmemPluginError: A setting is malformed, or the node's own plugin layer is in use.
    """
    terms = TrustTerms.of(_settings())
    registry = get_registry()
    bridge.install()
    with registry._gate.joined(), FINDER.attempt() as serve:
        installed = installed_distributions(group, plugin_dir=terms.plugin_dir)
        loaded = _load(registry, vet(installed, terms), serve)
    plugins = [plugin for plugin, _ in loaded]
    return tuple(sorted(plugins, key=lambda each: (each.entry_point_name, each.entry_point_value)))


def register_discovered_plugins(
    *,
    registry: HookRegistry | None = None,
    freeze: bool = True,
    signing_required: bool | None = None,
    signature_verifier: SignatureVerifier | None = None,
    settings: SettingsLike | None = None,
    discover: Callable[[], Iterable[DiscoveredPlugin]] | None = None,
    ignore: Iterable[str] = frozenset(),
) -> tuple[DiscoveredPlugin, ...]:
    """Start the plugins of a node: all that are installed, or none.

    Args:
        registry: Where to register them; default: the process's registry.
        freeze: Whether to freeze it afterwards.
        signing_required: Overrides the setting.
        signature_verifier: With `discover` the only gate, by default
            `require_verified_signature`; without, a further one after verification.
        settings: The host's own settings object; default: that of the node which runs in this
            process (see `bridge.node_settings`), else the environment.
        discover: Returns plugins that the host has found and loaded itself.
        ignore: Names of plugins to leave out. A plugin that is signed, or named like its
            distribution, is not even loaded; any other must be, to know its name.

    Returns:
        The plugins that were registered, in the order of registration; () where discovery is
        off, nothing is installed, or a frozen registry has them all already.

    Raises:
        StigmemPluginError: A plugin is refused. Nothing was registered, and every refusal is an
            audit event.
        RegistryFrozenError: The registry is frozen, and there is something to add.
    """
    registry = get_registry() if registry is None else registry
    source = _settings(settings)
    terms = TrustTerms.of(source, required=signing_required)
    if source.plugin_auto_discovery_enabled:
        bridge.install()
    with _sealed(registry) as seal, FINDER.attempt() as serve:
        found: list[_Judged] = []
        if not source.plugin_auto_discovery_enabled:
            pass
        elif discover is not None:
            found = _of_host(registry, discover, terms, signature_verifier)
        elif new := _installed(registry, terms, ignore):
            registry._gate.check("plugins", seal)
            found = [
                (plugin, partial(_decide, plugin, decision, terms, signature_verifier))
                for plugin, decision in _load(registry, new, serve)
            ]
        started = _register(registry, seal, _wanted(registry, found, ignore))
        if freeze:
            registry._freeze(seal)
    return started


def _settings(given: SettingsLike | None = None) -> PluginSettings:
    """What a host, the node that runs here, or the environment says, in this order."""
    return PluginSettings.in_force(bridge.node_settings() if given is None else given)


@contextmanager
def _sealed(registry: HookRegistry) -> Iterator[object]:
    """Seal the registry to be filled, and the process's own, which plugin code can reach."""
    with ExitStack() as stack:
        process_registry = get_registry()
        if process_registry is not registry:
            stack.enter_context(process_registry._gate.sealed())
        yield stack.enter_context(registry._gate.sealed())


# Plugins that a host has found itself


def _of_host(
    registry: HookRegistry,
    discover: Callable[[], Any],
    terms: TrustTerms,
    verifier: SignatureVerifier | None,
) -> list[_Judged]:
    gate = verifier or partial(require_verified_signature, policy=terms.policy)
    judge = partial(judged, required=terms.required, policy=terms.policy, verifier=gate)
    return [
        (plugin, partial(judge, plugin))
        for plugin in _plugins(discover())
        if not _is_started(registry, plugin)
    ]


def _plugins(found: Any) -> tuple[DiscoveredPlugin, ...]:
    """What a host's own discovery returned, if it is what it should be."""
    if not isinstance(found, Iterable):
        message = f"expected DiscoveredPlugins from discover(), got {type(found).__name__}"
        raise PluginDiscoveryError(message, fix="return a list, empty if there are none")
    plugins: tuple[object, ...] = tuple(found)
    for plugin in plugins:
        if not isinstance(plugin, DiscoveredPlugin):
            message = f"expected DiscoveredPlugin from discover(), got {type(plugin).__name__}"
            raise PluginDiscoveryError(message, fix="wrap each manifest in a DiscoveredPlugin")
    return cast("tuple[DiscoveredPlugin, ...]", plugins)


# Plugins that are installed


def _installed(
    registry: HookRegistry, terms: TrustTerms, ignore: Iterable[str]
) -> list[VettedPlugin]:
    """Vet what is installed and neither started, nor left out."""
    unwanted = unwanted_plugins(ignore)
    installed = [
        distribution
        for distribution in installed_distributions(plugin_dir=terms.plugin_dir)
        if not _is_started(registry, *distribution.plugins)
        and not _is_left_out(distribution, unwanted)
    ]
    kept = []
    for plugin in vet(installed, terms):
        if plugin.signed is not None and plugin.name in unwanted:
            _leave_out(registry, plugin.name, plugin.installed.discovery_source())
        else:
            kept.append(plugin)
    return kept


def _is_left_out(distribution: InstalledDistribution, unwanted: Iterable[str]) -> bool:
    """Whether a distribution is named like a plugin to leave out.

    Only where it has one plugin: of several, their manifests say which is meant.
    """
    name = canonicalize_name(distribution.name)
    named = name in set(map(canonicalize_name, unwanted))
    if left_out := named and len(distribution.plugins) == 1:
        log.info("plugin %r is left out: the node does without it", name)
    return left_out


def _load(
    registry: HookRegistry, vetted: Sequence[VettedPlugin], serve: _Serve
) -> list[tuple[DiscoveredPlugin, PluginSigningInfo | None]]:
    """Load vetted plugins if none of them is refused; the caller holds the seal."""
    refusals: list[tuple[Rejected, Refusal]] = [
        (plugin, Refusal(SIGNATURE, error))
        for plugin in vetted
        if (error := plugin.error or served(plugin, serve))
    ]
    if refusals:
        raise registry._refuse(refusals)
    loaded: list[tuple[DiscoveredPlugin, PluginSigningInfo | None]] = []
    for plugin in loading_order(vetted):
        try:
            loaded.append((load_vetted(plugin), plugin.decision))
        except PluginDiscoveryError as error:
            refusals.append((plugin, Refusal(MANIFEST_INVALID, error)))
        except PluginSignatureError as error:
            refusals.append((plugin, Refusal(SIGNATURE, error)))
    refusals += _clashes([plugin for plugin, _ in loaded])
    if refusals:
        raise registry._refuse(refusals)
    return loaded


def served(plugin: VettedPlugin, serve: _Serve) -> PluginSignatureError | None:
    """Let a verified plugin's modules be imported; why not, if they cannot be.

    Args:
        plugin: One that is not refused; an unsigned one needs nothing.
        serve: What `FINDER.attempt()` yields.
    """
    try:
        if plugin.verified is not None:
            serve(plugin.verified.files)
    except Unverified as finding:
        return refused(plugin.name, finding)
    return None


def loading_order(vetted: Sequence[VettedPlugin]) -> list[VettedPlugin]:
    """The order of loading: signed plugins as their signed manifests say, then unsigned ones."""
    signed = {plugin.name: plugin.signed.depends_on for plugin in vetted if plugin.signed}
    try:
        places = {name: place for place, name in enumerate(dependency_order(signed))}
    except PluginDependencyError:
        return list(vetted)  # admission says what is wrong with it
    return sorted(vetted, key=lambda plugin: places.get(plugin.name, len(places)))


def _decide(
    plugin: DiscoveredPlugin,
    decision: PluginSigningInfo | None,
    terms: TrustTerms,
    verifier: SignatureVerifier | None,
) -> PluginSigningInfo:
    """The decision made before loading, if the host's verifier has no objection.

    An unsigned plugin, which is there only if signing is off, is decided about now.
    """
    if decision is None:
        return judged(
            plugin, required=False, policy=terms.policy, verifier=require_verified_signature
        )
    if terms.required and verifier is not None:
        asked(verifier, plugin)
    return decision


# All plugins


def _is_started(registry: HookRegistry, *plugins: Any) -> bool:
    """Whether the registry has started, or left out, all of some plugins; not if there are none."""
    known = [info.discovery_source for info in registry.plugin_infos()] + registry._left_out
    return bool(plugins) and all(plugin.discovery_source() in known for plugin in plugins)


def unwanted_plugins(ignore: Iterable[str] = ()) -> set[str]:
    """The names of the plugins that a start leaves out.

    Args:
        ignore: Those that the host names; the node may do without others.
    """
    return {*ignore, *bridge.superseded_plugins(installed_node_version())}


def _wanted(
    registry: HookRegistry, found: Iterable[_Judged], ignore: Iterable[str]
) -> list[_Judged]:
    unwanted, wanted = unwanted_plugins(ignore), []
    for plugin, decide in found:
        if plugin.manifest.name in unwanted:
            _leave_out(registry, plugin.manifest.name, plugin.discovery_source())
        else:
            wanted.append((plugin, decide))
    return wanted


def _leave_out(registry: HookRegistry, name: str, source: dict[str, Any]) -> None:
    log.info("plugin %r is left out: the node does without it", name)
    registry._left_out.append(source)


def _clashes(found: Sequence[DiscoveredPlugin]) -> list[tuple[Rejected, Refusal]]:
    by_name = {plugin.manifest.name: plugin for plugin in found}
    return [
        (_candidate(by_name[name]), Refusal(DUPLICATE, error))
        for name, error in duplicates(found).items()
    ]


def _candidate(plugin: DiscoveredPlugin, signing: PluginSigningInfo | None = None) -> Candidate:
    return Candidate(plugin.manifest, plugin.discovery_source(), signing)


def _register(
    registry: HookRegistry, seal: object, plugins: Sequence[_Judged]
) -> tuple[DiscoveredPlugin, ...]:
    """Decide about each plugin, then admit them all."""
    by_name = {plugin.manifest.name: plugin for plugin, _ in plugins}
    candidates: list[Candidate] = []
    refusals = _clashes([plugin for plugin, _ in plugins])
    for plugin, decide in plugins:
        try:
            candidates.append(_candidate(plugin, decide()))
        except PluginSignatureError as error:
            refusals.append((_candidate(plugin), Refusal(SIGNATURE, error)))
    if refusals:
        raise registry._refuse(refusals)
    if not candidates:
        return ()
    return tuple(by_name[r.candidate.name] for r in registry._admit(candidates, seal))
