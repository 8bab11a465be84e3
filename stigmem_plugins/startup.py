"""What a node does at start: discover, decide about trust, load, admit, freeze; all or nothing."""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from functools import partial
from typing import Any, TypeVar, cast

from packaging.utils import canonicalize_name

from stigmem_plugins import bridge
from stigmem_plugins.admission import Rejected
from stigmem_plugins.checks import DUPLICATE, MANIFEST_INVALID, SIGNATURE, Refusal
from stigmem_plugins.discovery import (
    ENTRY_POINT_GROUP,
    DiscoveredPlugin,
    InstalledPlugin,
    duplicates,
    installed_plugins,
    load_plugin,
)
from stigmem_plugins.errors import PluginDiscoveryError, PluginSignatureError
from stigmem_plugins.process import get_registry
from stigmem_plugins.registration import Candidate
from stigmem_plugins.registry import HookRegistry, installed_node_version
from stigmem_plugins.settings import PluginSettings, SettingsLike
from stigmem_plugins.trust.policy import (
    PluginSigningInfo,
    PluginTrustPolicy,
    SignatureVerifier,
    judged,
    require_verified_signature,
    unsigned_refused,
)

log = logging.getLogger("stigmem.plugins.registry")


def discover_plugin_manifests(*, group: str = ENTRY_POINT_GROUP) -> tuple[DiscoveredPlugin, ...]:
    """Find the installed plugins, decide about trust by the settings, then load them.

    Nothing of an unverified plugin is imported while signing is required. While plugins load,
    the process's registry takes no registrations.

    Args:
        group: The entry point group to read.

    Returns:
        The plugins, by entry point name.

    Raises:
        PluginSignatureError: Unsigned plugins are installed, and signing is required.
        PluginDiscoveryError: Plugins cannot be loaded; every one is named.
        StigmemPluginError: A setting is malformed, or the node's own plugin layer is in use.
    """
    required = PluginSettings.from_environment().plugin_signing_required
    registry = get_registry()
    bridge.install()
    with registry._gate.joined():
        return _discover(registry, installed_plugins(group), signing_required=required)


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
        settings: The host's own settings object; default: the environment.
        discover: Returns plugins that the host has found and loaded itself.
        ignore: Names of plugins to leave out. A plugin that is named like its distribution is
            not even loaded; any other must be, to know its name.

    Returns:
        The plugins that were registered, in the order of registration; () where discovery is
        off, nothing is installed, or a frozen registry has them all already.

    Raises:
        StigmemPluginError: A plugin is refused. Nothing was registered, and every refusal is an
            audit event.
        RegistryFrozenError: The registry is frozen, and there is something to add.
    """
    registry = get_registry() if registry is None else registry
    source = PluginSettings.in_force(settings)
    required = source.plugin_signing_required if signing_required is None else signing_required
    policy = PluginTrustPolicy.from_settings(source)
    if signature_verifier is None:
        signature_verifier = partial(require_verified_signature, policy=policy)
    judge = partial(judged, required=required, policy=policy, verifier=signature_verifier)
    started: tuple[DiscoveredPlugin, ...] = ()
    if source.plugin_auto_discovery_enabled:
        bridge.install()
    with _sealed(registry) as seal:
        if not source.plugin_auto_discovery_enabled:
            found: Sequence[DiscoveredPlugin] = ()
        elif discover is not None:
            found = _not_started(registry, _plugins(discover()))
        elif new := _not_started(registry, _kept(installed_plugins(), ignore)):
            registry._gate.check("plugins", seal)
            found = _discover(registry, new, signing_required=required)
        else:
            found = ()
        started = _register(registry, seal, _wanted(registry, found, ignore), judge)
        if freeze:
            registry._freeze(seal)
    return started


@contextmanager
def _sealed(registry: HookRegistry) -> Iterator[object]:
    """Seal the registry to be filled, and the process's own, which plugin code can reach."""
    with ExitStack() as stack:
        process_registry = get_registry()
        if process_registry is not registry:
            stack.enter_context(process_registry._gate.sealed())
        yield stack.enter_context(registry._gate.sealed())


_Found = TypeVar("_Found", InstalledPlugin, DiscoveredPlugin)


def _not_started(registry: HookRegistry, found: Iterable[_Found]) -> tuple[_Found, ...]:
    """Those that the registry has neither started nor left out, by their entry points."""
    known = [info.discovery_source for info in registry.plugin_infos()] + registry._left_out
    return tuple(plugin for plugin in found if plugin.discovery_source() not in known)


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


def _discover(
    registry: HookRegistry, installed: Iterable[InstalledPlugin], *, signing_required: bool
) -> tuple[DiscoveredPlugin, ...]:
    """Decide about trust, then load; the caller holds the seal."""
    refused: list[tuple[Rejected, Refusal]] = []
    found: list[DiscoveredPlugin] = []
    for plugin in installed:
        if signing_required:
            refused.append((plugin, Refusal(SIGNATURE, unsigned_refused(plugin.name))))
            continue
        try:
            found.append(load_plugin(plugin))
        except PluginDiscoveryError as error:
            refused.append((plugin, Refusal(MANIFEST_INVALID, error)))
    refused += _clashes(found)
    if refused:
        raise registry._refuse(refused)
    return tuple(found)


def _clashes(found: Sequence[DiscoveredPlugin]) -> list[tuple[Rejected, Refusal]]:
    by_name = {plugin.manifest.name: plugin for plugin in found}
    return [
        (_candidate(by_name[name]), Refusal(DUPLICATE, error))
        for name, error in duplicates(found).items()
    ]


def _candidate(plugin: DiscoveredPlugin, signing: PluginSigningInfo | None = None) -> Candidate:
    return Candidate(plugin.manifest, plugin.discovery_source(), signing)


def _unwanted(ignore: Iterable[str]) -> set[str]:
    return {*ignore, *bridge.superseded_plugins(installed_node_version())}


def _kept(
    installed: Sequence[InstalledPlugin], ignore: Iterable[str]
) -> tuple[InstalledPlugin, ...]:
    """Leave out, unloaded, a distribution that is named like a plugin to ignore.

    Only where it has one plugin: of several, their manifests say which is meant.
    """
    unwanted = {canonicalize_name(name) for name in _unwanted(ignore)}
    plugins_of = Counter(plugin.distribution for plugin in installed)
    kept = []
    for plugin in installed:
        name = canonicalize_name(plugin.distribution or "")
        if name in unwanted and plugins_of[plugin.distribution] == 1:
            log.info("plugin %r is left out: the node does without it", name)
        else:
            kept.append(plugin)
    return tuple(kept)


def _wanted(
    registry: HookRegistry, found: Sequence[DiscoveredPlugin], ignore: Iterable[str]
) -> list[DiscoveredPlugin]:
    unwanted, wanted = _unwanted(ignore), []
    for plugin in found:
        if plugin.manifest.name in unwanted:
            log.info("plugin %r is left out: the node does without it", plugin.manifest.name)
            registry._left_out.append(plugin.discovery_source())
        else:
            wanted.append(plugin)
    return wanted


def _register(
    registry: HookRegistry,
    seal: object,
    plugins: Sequence[DiscoveredPlugin],
    judge: Callable[[DiscoveredPlugin], PluginSigningInfo],
) -> tuple[DiscoveredPlugin, ...]:
    """Decide about each plugin, then admit them all."""
    by_name = {plugin.manifest.name: plugin for plugin in plugins}
    candidates: list[Candidate] = []
    refused = _clashes(plugins)
    for plugin in plugins:
        try:
            candidates.append(_candidate(plugin, judge(plugin)))
        except PluginSignatureError as error:
            refused.append((_candidate(plugin), Refusal(SIGNATURE, error)))
    if refused:
        raise registry._refuse(refused)
    if not candidates:
        return ()
    return tuple(by_name[r.candidate.name] for r in registry._admit(candidates, seal))
