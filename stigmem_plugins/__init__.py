"""The plugin layer of a Stigmem node: its public names.

A host makes a `HookRegistry`, calls `register_discovered_plugins` at start and fires hooks; a
plugin author returns a `PluginManifest` of hook handlers.

What only a start needs is imported when it is asked for: importing a plugin, or making a
registry, costs nothing of it.
"""

from typing import TYPE_CHECKING

from stigmem_hookspecs import (
    ALLOW_SINGLETON,
    HOOK_SPECS,
    SYSTEM_TENANT,
    Allow,
    AuditEvent,
    Band,
    Deny,
    Failure,
    HookName,
    HookOrdering,
    HookSemantic,
    HookSpec,
    Migration,
    Outcome,
    PluginHealth,
    PluginHealthStatus,
    Success,
    TenantContext,
    VotingDecision,
    hookimpl,
)
from stigmem_plugins import later
from stigmem_plugins.capabilities import (
    CAPABILITY_ALLOWLIST,
    Capability,
    CoreApis,
    PluginContext,
)
from stigmem_plugins.deadlines import handler_timeout
from stigmem_plugins.errors import (
    CapabilityError,
    HandlerTimeoutError,
    ManifestError,
    PluginDependencyError,
    PluginDiscoveryError,
    PluginExecutionError,
    PluginMigrationError,
    PluginSignatureError,
    RegistryFrozenError,
    RejectError,
    StigmemPluginError,
)
from stigmem_plugins.manifest import PluginManifest
from stigmem_plugins.process import get_registry, register_core_handler, set_registry
from stigmem_plugins.registration import PluginInfo
from stigmem_plugins.registry import HookRegistry
from stigmem_plugins.trust.decision import PluginSigningInfo

if TYPE_CHECKING:
    from stigmem_plugins.audit_log import AuditLog, event_facts
    from stigmem_plugins.discovery import ENTRY_POINT_GROUP
    from stigmem_plugins.health import PluginHealthReport, health_payload
    from stigmem_plugins.loading import DiscoveredPlugin, resolve_plugin_dependencies
    from stigmem_plugins.settings import PluginSettings
    from stigmem_plugins.startup import discover_plugin_manifests, register_discovered_plugins
    from stigmem_plugins.trust.gates import (
        allow_unsigned_development_override,
        require_verified_signature,
    )
    from stigmem_plugins.trust.policy import PluginTrustPolicy

__all__ = [
    "ALLOW_SINGLETON",
    "CAPABILITY_ALLOWLIST",
    "ENTRY_POINT_GROUP",
    "HOOK_SPECS",
    "SYSTEM_TENANT",
    "Allow",
    "AuditEvent",
    "AuditLog",
    "Band",
    "Capability",
    "CapabilityError",
    "CoreApis",
    "Deny",
    "DiscoveredPlugin",
    "Failure",
    "HandlerTimeoutError",
    "HookName",
    "HookOrdering",
    "HookRegistry",
    "HookSemantic",
    "HookSpec",
    "ManifestError",
    "Migration",
    "Outcome",
    "PluginContext",
    "PluginDependencyError",
    "PluginDiscoveryError",
    "PluginExecutionError",
    "PluginHealth",
    "PluginHealthReport",
    "PluginHealthStatus",
    "PluginInfo",
    "PluginManifest",
    "PluginMigrationError",
    "PluginSettings",
    "PluginSignatureError",
    "PluginSigningInfo",
    "PluginTrustPolicy",
    "RegistryFrozenError",
    "RejectError",
    "StigmemPluginError",
    "Success",
    "TenantContext",
    "VotingDecision",
    "allow_unsigned_development_override",
    "discover_plugin_manifests",
    "event_facts",
    "get_registry",
    "handler_timeout",
    "health_payload",
    "hookimpl",
    "register_core_handler",
    "register_discovered_plugins",
    "require_verified_signature",
    "resolve_plugin_dependencies",
    "set_registry",
]

# Public names that are imported when they are first asked for, and the modules they are in.
__getattr__, __dir__ = later.names(
    globals(),
    {
        "AuditLog": "audit_log",
        "ENTRY_POINT_GROUP": "discovery",
        "DiscoveredPlugin": "loading",
        "PluginHealthReport": "health",
        "PluginSettings": "settings",
        "PluginTrustPolicy": "trust.policy",
        "allow_unsigned_development_override": "trust.gates",
        "discover_plugin_manifests": "startup",
        "event_facts": "audit_log",
        "health_payload": "health",
        "register_discovered_plugins": "startup",
        "require_verified_signature": "trust.gates",
        "resolve_plugin_dependencies": "loading",
    },
)
