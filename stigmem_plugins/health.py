"""Health checks of plugins: asked by the host, reported whatever they do."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Final

from attrs import frozen

from stigmem_hookspecs import PluginHealth, PluginHealthStatus
from stigmem_plugins.deadlines import LIFECYCLE_SECONDS, declared_timeout, in_worker
from stigmem_plugins.errors import FAILURES, bounded, describe
from stigmem_plugins.registration import Registration
from stigmem_plugins.shim import discard
from stigmem_plugins.workers import Bulkheads

if TYPE_CHECKING:
    from stigmem_plugins.registry import HookRegistry


@frozen
class PluginHealthReport:
    """How a plugin was when it was last asked.

    Args:
        plugin_name: The plugin's name.
        plugin_version: The plugin's version.
        status: What it reported; unhealthy if its check failed, unknown if it has none.
        message: Its own words.
        checked_at: When, as an aware datetime.
        error_summary: What went wrong with the check itself, if anything did.
    """

    plugin_name: str
    plugin_version: str
    status: PluginHealthStatus
    message: str
    checked_at: datetime
    error_summary: str | None = None


def poll(
    registration: Registration,
    bulkheads: Bulkheads | None = None,
    seconds: float = LIFECYCLE_SECONDS,
) -> PluginHealthReport:
    """Ask one plugin how it is. Never raises what the check raises.

    Args:
        registration: The plugin.
        bulkheads: Whose workers there are: the check runs in one. Default: new ones.
        seconds: How long it may take, if it does not say so itself.
    """
    check = registration.manifest.health_check
    if check is None:
        health, error = PluginHealth(PluginHealthStatus.UNKNOWN, "no health check registered"), None
    else:
        seconds = declared_timeout(check) or seconds
        check = in_worker(check, (bulkheads or Bulkheads()).of(registration.manifest.name), seconds)
        health, error = _ask(check, registration)
    return PluginHealthReport(
        plugin_name=registration.manifest.name,
        plugin_version=registration.manifest.version,
        status=health.status,
        message=bounded(health.message, registration.secrets),
        checked_at=datetime.now(UTC),
        error_summary=error,
    )


_WORST_LAST: Final = (
    PluginHealthStatus.HEALTHY,
    PluginHealthStatus.UNKNOWN,
    PluginHealthStatus.DEGRADED,
    PluginHealthStatus.UNHEALTHY,
)


def health_payload(registry: HookRegistry) -> dict[str, Any]:
    """What a host's health endpoint can say of its plugins, as JSON values.

    It shows the last `poll_plugin_health()`, and asks nobody: an endpoint may be asked often.

    Example:
        >>> from stigmem_plugins import HookRegistry, PluginManifest
        >>> registry = HookRegistry()
        >>> registry.register_plugin(PluginManifest("example-plugin", "1.0.0"))
        >>> _ = registry.poll_plugin_health()
        >>> payload = health_payload(registry)
        >>> payload["status"], [plugin["name"] for plugin in payload["plugins"]]
        ('unknown', ['example-plugin'])
    """
    reports = registry.plugin_health_reports()
    worst = max((_WORST_LAST.index(each.status) for each in reports), default=0)
    return {
        "status": _WORST_LAST[worst].value,
        "plugins": [
            {
                "name": each.plugin_name,
                "version": each.plugin_version,
                "status": each.status.value,
                "message": each.message,
                "error": each.error_summary,
                "checked_at": each.checked_at.isoformat(),
            }
            for each in reports
        ],
        "stuck_calls": registry.stuck_calls(),
        "audit_failures": registry.audit_failures,
    }


def _ask(check: Callable[..., Any], registration: Registration) -> tuple[PluginHealth, str | None]:
    try:
        health = check(registration.context)
    except FAILURES as raised:
        error = describe(raised, registration.secrets)
    else:
        if isinstance(health, PluginHealth) and isinstance(health.message, str):
            return health, None
        got = type(discard(health)).__name__
        error = f"expected PluginHealth with a message of type str, got {got}"
    return PluginHealth(PluginHealthStatus.UNHEALTHY, "health check failed"), error
