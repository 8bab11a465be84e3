"""The registry: what a host holds, registers with and fires through."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from pluggy import PluginManager

from stigmem_plugins.admission import Rejected, admit, refuse
from stigmem_plugins.capabilities import CoreApis, PluginContext
from stigmem_plugins.checks import Refusal, Terms
from stigmem_plugins.deadlines import LIFECYCLE_SECONDS, checked_timeout, declared_timeout
from stigmem_plugins.dispatch import CoreHandler, Dispatcher
from stigmem_plugins.errors import ManifestError, StigmemPluginError
from stigmem_plugins.fires import Fires
from stigmem_plugins.host import checked_version, host_version
from stigmem_plugins.manifest import PluginManifest
from stigmem_plugins.registration import (
    MANUAL_SOURCE,
    NO_CLAIMS,
    Candidate,
    Gate,
    HandlerEntry,
    PluginInfo,
    Registration,
)
from stigmem_plugins.shim import Handler
from stigmem_plugins.signatures import is_asynchronous, read_keywords
from stigmem_plugins.trust.decision import DEVELOPMENT_UNSIGNED_OVERRIDE, UNSIGNED

if TYPE_CHECKING:
    from stigmem_plugins.health import PluginHealthReport


class HookRegistry(Fires):
    """Plugins and core handlers, and the ways to fire a hook.

    Every fire raises `ManifestError` for an unknown hook and `PluginExecutionError` for a hook
    of another semantic, and for a handler that fails (its exception is the cause).

    Args:
        core_apis: The handles that plugins with the right capabilities get.
        emit_metrics: Whether to count and time fires and handlers for Prometheus, whose client
            the extra `prometheus` brings.
        handler_timeout_seconds: The deadline of plugins' handlers that declare none, more than 0
            and at most 30. Default: they have none; health checks and `config_validate`
            handlers have five seconds.
        stigmem_version: The version that `requires_stigmem` is held against. Default: that of
            the installed `stigmem-node`, else 0.9.0a12.

    Example:
        >>> from stigmem_hookspecs import Deny
        >>> registry = HookRegistry()
        >>> registry.register_plugin(
        ...     PluginManifest(
        ...         name="example-plugin",
        ...         version="1.0.0",
        ...         hooks={"pre_assert_authorize": lambda ctx, *, source: Deny("not " + source)},
        ...     )
        ... )
        >>> registry.fire_voting("pre_assert_authorize", source="agent:a")
        Deny(reason='not agent:a')
    """

    def __init__(
        self,
        *,
        core_apis: CoreApis | None = None,
        emit_metrics: bool = False,
        handler_timeout_seconds: float | None = None,
        stigmem_version: str | None = None,
    ) -> None:
        self._core_apis = core_apis or CoreApis()
        seconds = handler_timeout_seconds
        self._timeout = None if seconds is None else checked_timeout(seconds)
        self._stigmem_version = checked_version(stigmem_version)
        self._gate = Gate()
        super().__init__(Dispatcher(self._gate.check, emit_metrics=emit_metrics))
        self._left_out: list[Mapping[str, Any]] = []  # where the plugins are that startup ignores
        self._health: tuple[PluginHealthReport, ...] = ()

    # Registration

    def register_plugin(
        self,
        manifest: PluginManifest,
        *,
        discovery_source: Mapping[str, Any] | None = None,
        signing_identity: str = UNSIGNED,
        signing_metadata: Mapping[str, Any] | None = None,
    ) -> None:
        """Register one plugin: the host's own act, which signing does not gate.

        Args:
            manifest: The plugin.
            discovery_source: Where it came from; default `{"type": "manual"}`.
            signing_identity: Who is said to have signed it. Nobody verified that here, so it is
                kept as a claim and never shown as the plugin's `signed_by`.
            signing_metadata: Further claims.

        Raises:
            ManifestError: It is refused; nothing of it is left behind.
            PluginDependencyError: A plugin that it depends on is not registered.
            RegistryFrozenError: Registrations are not taken now.
        """
        given: object = manifest
        if not isinstance(given, PluginManifest):
            message = f"expected PluginManifest, got {type(given).__name__}"
            raise ManifestError(message, fix="pass what the plugin's manifest factory returns")
        claims = dict(signing_metadata or {})
        if signing_identity != UNSIGNED:
            claims["signing_identity"] = signing_identity
        candidate = Candidate(
            manifest, discovery_source or MANUAL_SOURCE, claims=claims or NO_CLAIMS
        )
        what = f"plugin {manifest.name!r}"
        with self._gate.sealed(what) as seal:
            self._admit([candidate], seal)

    def register_core_handler(
        self,
        hook: str,
        handler: Callable[..., Any],
        *,
        name: str,
        capabilities: Iterable[str] | None = None,
    ) -> None:
        """Register a handler of the node itself.

        Args:
            hook: The hook's name.
            handler: Any callable of the shape that the hook asks for.
            name: Its name, such as `core.001.sanitize`; core handlers are sorted by it.
            capabilities: What it may ask its context for; None means nothing.

        Raises:
            ManifestError: Unknown hook, unusable handler, or a name that the hook has already.
            RegistryFrozenError: Registrations are not taken now.
        """
        what = f"core handler {name!r}"
        with self._gate.sealed(what) as seal:
            self._gate.check(what, seal)
            spec = self._dispatcher.spec(hook)
            context = PluginContext(
                plugin_name="core",
                capabilities=capabilities or (),
                core_apis=self._core_apis,
            )
            keywords = read_keywords(handler, spec)
            bound = Handler(
                "core",
                name,
                handler,
                keywords,
                context,
                asynchronous=is_asynchronous(handler),
                timeout=declared_timeout(handler),
            )
            self._dispatcher.add_core(CoreHandler(spec, bound))

    def freeze(self) -> None:
        """Take no registrations any more; freezing twice is no error.

        Raises:
            RegistryFrozenError: Plugins are being loaded or admitted.
        """
        self._freeze()

    def _freeze(self, seal: object = None) -> None:
        """Freeze, also under the seal that somebody holds; make what fires each hook."""
        self._gate.freeze(seal)
        self._dispatcher.freeze()
        self.hook.bind(self._dispatcher)

    def _admit(self, candidates: Sequence[Candidate], seal: object) -> tuple[Registration, ...]:
        """Register a batch, in dependency order, or nothing of it.

        Args:
            candidates: Plugins of different names.
            seal: What `gate.sealed()` yielded to the caller.

        Raises:
            StigmemPluginError: A plugin is refused; the message names every one that is.
            RegistryFrozenError: The registry is frozen, or somebody else holds the seal.
        """
        self._gate.check(", ".join(f"plugin {each.name!r}" for each in candidates), seal)
        terms = Terms(self._core_apis, self._stigmem_version or host_version(), self._timeout)
        return admit(candidates, self._dispatcher, terms)

    def _refuse(self, refused: Sequence[tuple[Rejected, Refusal]]) -> StigmemPluginError:
        """Audit refusals that were decided before admission; returns the error to raise."""
        return refuse(refused, self._dispatcher.trail)

    def close(self) -> None:
        """End the worker threads of plugins; handlers that need one fail from now on.

        A thread that hangs in a handler cannot be ended; it does not keep the process alive.
        """
        self._dispatcher.bulkheads.close()

    # Looking

    @property
    def plugin_manager(self) -> PluginManager:
        """pluggy's plugin manager, on which native pluggy plugins can be registered."""
        return self._dispatcher.manager

    @property
    def audit_failures(self) -> int:
        """How many of the layer's own audit events an `audit_emit` handler's failure swallowed."""
        return self._dispatcher.trail.undelivered

    def stuck_calls(self) -> dict[str, int]:
        """How many calls of each plugin overran their deadline and still run; none left out."""
        return dict(self._dispatcher.bulkheads.stuck())

    def handlers_for(self, hook: str) -> tuple[HandlerEntry, ...]:
        """A hook's handlers in call order."""
        return tuple(
            HandlerEntry(handler.handler_name, handler.plugin_name)
            for handler in self._dispatcher.handlers(hook)
        )

    def registered_plugins(self) -> frozenset[str]:
        """The names of the registered plugins."""
        return frozenset(self._dispatcher.registrations)

    def plugin_registration_order(self) -> tuple[str, ...]:
        """The names of the registered plugins, in the order of registration."""
        return tuple(self._dispatcher.registrations)

    def plugin_versions(self) -> dict[str, str]:
        """The versions of the registered plugins by name."""
        return {name: r.manifest.version for name, r in self._dispatcher.registrations.items()}

    def plugin_infos(self) -> tuple[PluginInfo, ...]:
        """All registered plugins, in the order of registration."""
        return tuple(r.info() for r in self._dispatcher.registrations.values())

    def plugin_info(self, name: str) -> PluginInfo | None:
        """One registered plugin, or None."""
        registration = self._dispatcher.registrations.get(name)
        return registration.info() if registration else None

    def plugin_signing_metadata(self, name: str) -> dict[str, Any]:
        """The trust decision about a plugin and its reason; {} if unknown or not asked for."""
        registration = self._dispatcher.registrations.get(name)
        return registration.candidate.signing_metadata() if registration else {}

    def development_unsigned_plugins(self) -> tuple[str, ...]:
        """The plugins that run only because signing is off, in the order of registration."""
        return tuple(
            name
            for name, registration in self._dispatcher.registrations.items()
            if (signing := registration.candidate.signing)
            and signing.trust_decision == DEVELOPMENT_UNSIGNED_OVERRIDE
        )

    def poll_plugin_health(self) -> tuple[PluginHealthReport, ...]:
        """Run every plugin's health check; returns, and keeps, the reports."""
        from stigmem_plugins import health  # noqa: PLC0415  # only for who asks

        seconds, bulkheads = self._timeout or LIFECYCLE_SECONDS, self._dispatcher.bulkheads
        plugins = self._dispatcher.registrations.values()
        self._health = tuple(health.poll(each, bulkheads, seconds) for each in plugins)
        return self._health

    def plugin_health_reports(self) -> tuple[PluginHealthReport, ...]:
        """The reports of the last `poll_plugin_health()`; empty before the first."""
        return self._health
