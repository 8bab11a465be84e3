"""What a plugin may ask of the node, and the context through which it asks.

The `Capability` enumeration is the only table: the accessor on the context and the field of
`CoreApis` follow from the capability's value.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from enum import StrEnum
from types import MethodType
from typing import Any, Final, TypeAlias

from attrs import field, frozen

from stigmem_plugins.errors import CapabilityError, ManifestError, suggest

Accessor: TypeAlias = Callable[[], Any]


class Capability(StrEnum):
    """Something that a manifest can declare and a node can offer.

    Example:
        >>> Capability("facts.read").field, Capability("facts.read").accessor
        ('facts_reader', 'get_facts_reader')
    """

    FACTS_READ = "facts.read"
    """Look up stored facts."""
    FACTS_WRITE = "facts.write"
    """Store facts besides the one that a request asserts."""
    RECALL_READ = "recall.read"
    """Ask the node to recall facts, as a caller would."""
    RECALL_WRITE = "recall.write"
    """Change what recalls rest on, such as an index or its weights."""
    AUDIT_EMIT = "audit.emit"
    """Write events of the plugin's own to the audit trail."""
    AUDIT_READ = "audit.read"
    """Read the audit trail."""
    FEDERATION_READ = "federation.read"
    """Look up peers, and what is exchanged with them."""
    FEDERATION_WRITE = "federation.write"
    """Send facts to peers, or change what is known of peers."""
    IDENTITY_READ = "identity.read"
    """Look up who an identity is, and what it may do."""
    TENANT_READ = "tenant.read"
    """Look up tenants."""
    TENANT_WRITE = "tenant.write"
    """Make or change tenants."""
    CONFIG_READ = "config.read"
    """Read the node's own configuration."""
    NETWORK_OUTBOUND = "network.outbound"
    """Open connections to other machines, through the node."""

    @property
    def field(self) -> str:
        """The field of `CoreApis` that holds the handle."""
        subject, verb = self.value.split(".")
        agent = {"read": "reader", "write": "writer", "emit": "emitter"}.get(verb, verb)
        return f"{subject}_{agent}"

    @property
    def accessor(self) -> str:
        """The method of `PluginContext` that returns the handle."""
        return f"get_{self.field}"


CAPABILITY_ALLOWLIST: Final = frozenset(capability.value for capability in Capability)
_NOTHING: Final[frozenset[str]] = frozenset()
_NO_HANDLES: Final[dict[str, Any]] = {}
_nothing_to_clear: Final = _NO_HANDLES.clear


@frozen
class CoreApis:
    """The handles that a node offers to plugins, one per capability; None where it has none.

    A handle may have any shape (a callable, a facade): it is passed on as it is.
    """

    facts_reader: Any = None
    facts_writer: Any = None
    recall_reader: Any = None
    recall_writer: Any = None
    audit_emitter: Any = None
    audit_reader: Any = None
    federation_reader: Any = None
    federation_writer: Any = None
    identity_reader: Any = None
    tenant_reader: Any = None
    tenant_writer: Any = None
    config_reader: Any = None
    network_outbound: Any = None


class _Opener:
    """The attribute of a context that opens the handle of one capability."""

    def __init__(self, capability: Capability) -> None:
        self._capability = capability

    def __get__(self, context: PluginContext, _owner: type | None = None) -> Accessor:
        # A method that is bound when it is asked for: a context need not hold thirteen.
        return MethodType(context._open, self._capability)  # noqa: SLF001  # of one piece with it


@frozen(eq=False, init=False, weakref_slot=False)
class PluginContext:
    """What a handler gets as its first argument.

    Each `get_…()` returns the node's handle for one capability: None if the node does not offer
    it, `CapabilityError` if the manifest does not declare it. The context references no handle
    beyond those declared, and cannot be assigned to.

    Args:
        plugin_name: The plugin's name.
        capabilities: The capabilities that its manifest declares.
        plugin_version: The plugin's version.
        core_apis: What the node offers.
        config: The plugin's validated configuration; None without a `config_schema`.

    Example:
        >>> ctx = PluginContext(
        ...     plugin_name="example-plugin",
        ...     capabilities={"audit.emit"},
        ...     core_apis=CoreApis(audit_emitter=print),
        ... )
        >>> ctx.get_audit_emitter()("seen")
        seen
        >>> ctx.get_facts_reader()
        Traceback (most recent call last):
        stigmem_plugins.errors.CapabilityError: plugin 'example-plugin' cannot call \
get_facts_reader: capability 'facts.read' not declared; add 'facts.read' to the manifest's \
capabilities
    """

    plugin_name: str
    plugin_version: str
    capabilities: frozenset[str]
    config: Any = field(repr=False)
    _open: Callable[[Capability], Any] = field(repr=False)

    get_facts_reader = _Opener(Capability.FACTS_READ)
    get_facts_writer = _Opener(Capability.FACTS_WRITE)
    get_recall_reader = _Opener(Capability.RECALL_READ)
    get_recall_writer = _Opener(Capability.RECALL_WRITE)
    get_audit_emitter = _Opener(Capability.AUDIT_EMIT)
    get_audit_reader = _Opener(Capability.AUDIT_READ)
    get_federation_reader = _Opener(Capability.FEDERATION_READ)
    get_federation_writer = _Opener(Capability.FEDERATION_WRITE)
    get_identity_reader = _Opener(Capability.IDENTITY_READ)
    get_tenant_reader = _Opener(Capability.TENANT_READ)
    get_tenant_writer = _Opener(Capability.TENANT_WRITE)
    get_config_reader = _Opener(Capability.CONFIG_READ)
    get_network_outbound = _Opener(Capability.NETWORK_OUTBOUND)

    def __init__(
        self,
        *,
        plugin_name: str,
        capabilities: Iterable[str],
        plugin_version: str = "0.0.0",
        core_apis: CoreApis | None = None,
        config: Any = None,
    ) -> None:
        _fill(self, plugin_name, capabilities, plugin_version, core_apis, config)


def lend(
    *,
    plugin_name: str,
    capabilities: Iterable[str],
    plugin_version: str = "0.0.0",
    core_apis: CoreApis | None = None,
    config: Any = None,
) -> tuple[PluginContext, Callable[[], None]]:
    """A context whose handles can be taken back, and the call that does so.

    Example:
        >>> ctx, take_back = lend(plugin_name="example-plugin", capabilities={"audit.emit"})
        >>> ctx.get_audit_emitter() is None
        True
        >>> take_back()
        >>> ctx.get_audit_emitter()
        Traceback (most recent call last):
        stigmem_plugins.errors.CapabilityError: plugin 'example-plugin' cannot call \
get_audit_emitter: capability 'audit.emit' taken back; do not keep the context of a plugin that \
was refused
    """
    context = PluginContext.__new__(PluginContext)
    handles = _fill(context, plugin_name, capabilities, plugin_version, core_apis, config)
    return context, handles.clear if handles else _nothing_to_clear


def _fill(
    context: PluginContext,
    plugin_name: str,
    capabilities: Iterable[str],
    plugin_version: str,
    core_apis: CoreApis | None,
    config: Any,
) -> dict[str, Any]:
    granted = frozenset(map(plain, capabilities)) or _NOTHING
    if unknown := granted - CAPABILITY_ALLOWLIST:
        fix = "see stigmem_plugins.Capability for the allowed ones"
        raise ManifestError(unknown_capabilities(unknown), plugin=plugin_name, fix=fix)
    offered = core_apis or CoreApis()
    handles = {name: getattr(offered, Capability(name).field) for name in granted} or _NO_HANDLES
    opened = _opener(plugin_name, granted, handles)
    context.__attrs_init__(plugin_name, plugin_version, granted, config, opened)
    return handles


def plain(name: str) -> str:
    """A name as the plain str that it is, also of an enumeration that mixes str in.

    Example:
        >>> plain(Capability.FACTS_READ)
        'facts.read'
    """
    return str.__str__(name)


def _opener(
    plugin_name: str, granted: frozenset[str], handles: dict[str, Any]
) -> Callable[[Capability], Any]:
    """What returns the handle of a capability, as long as it is granted and not taken back."""

    def handle(capability: Capability) -> Any:
        try:
            return handles[capability]
        except KeyError:
            why, fix = "not declared", f"add {capability.value!r} to the manifest's capabilities"
            if capability in granted:
                why, fix = "taken back", "do not keep the context of a plugin that was refused"
            message = (
                f"plugin {plugin_name!r} cannot call {capability.accessor}: "
                f"capability {capability.value!r} {why}"
            )
            raise CapabilityError(message, plugin=plugin_name, fix=fix) from None

    return handle


def unknown_capabilities(names: Iterable[str]) -> str:
    """The fault of declaring capabilities that do not exist, with the nearest that do."""
    listed = ", ".join(f"{name!r}{suggest(name, CAPABILITY_ALLOWLIST)}" for name in sorted(names))
    return f"unknown plugin capabilities: {listed}"
