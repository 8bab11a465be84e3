"""Hooks for running a node: its schema, its audit trail and the plugins that it takes in."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from os import PathLike
from typing import Any

from stigmem_hookspecs.markers import (
    NO_PAYLOAD,
    Band,
    HookOrdering,
    Payload,
    filter_chain,
    fire_and_forget,
    voting,
)
from stigmem_hookspecs.values import AuditEvent, Migration, VotingDecision


def own_migrations(plugin_name: str, value: Any, result: Any) -> str | None:
    """Say what is wrong if a handler declared a migration under a name that is not its own.

    Args:
        plugin_name: The plugin that the handler belongs to; `core`, the node, may use any name.
        value: The migrations that the handler was given.
        result: The migrations that it returned; what is no `Migration` is not looked at.

    Returns:
        The fault, to be read after the handler's name, or None if there is none.

    Example:
        >>> own_migrations("mine", [], [Migration("mine", 1, "SELECT 1", "nothing")])
        >>> fault = own_migrations("mine", [], [Migration("other", 3, "SELECT 1", "nothing")])
        >>> print(fault)  # doctest: +NORMALIZE_WHITESPACE
        declares migration 3 of 'other'; a plugin declares its own migrations only:
        set plugin_name='mine'
    """
    if plugin_name == "core":
        return None
    if isinstance(result, Iterator):
        # Reading it here would leave nothing for the host; not reading it would let it pass.
        return f"returned a {type(result).__name__}, which can be read only once; return a list"
    inherited = _migrations(value)
    for migration in _migrations(result):
        if migration.plugin_name != plugin_name and migration not in inherited:
            return (
                f"declares migration {migration.migration_id} of {migration.plugin_name!r}; "
                f"a plugin declares its own migrations only: set plugin_name={plugin_name!r}"
            )
    return None


def _migrations(value: Any) -> list[Migration]:
    if not isinstance(value, Iterable) or isinstance(value, Iterator):
        return []
    return [item for item in value if isinstance(item, Migration)]


@filter_chain(Band.TRANSFORM, HookOrdering.CORE_ONLY_DEFAULT, check=own_migrations)
def migration_register(
    value: list[Migration],
    db_path: str | None = None,
    migrations_dir: PathLike[str] | None = None,
    settings: Any = None,
    payload: Payload = NO_PAYLOAD,
) -> list[Migration]:
    """Declare the tables that your plugin keeps in the node's database.

    Called when the node prepares its database, and again when it wants to list what is
    declared: only declare here, touch no database. The node's list comes first, and each
    plugin adds to it after the plugins that it depends on.

    Args:
        value: The migrations declared so far; add yours after them and drop none.
        db_path: Where the database is, in the host's notation; None for its default.
        migrations_dir: Where the host keeps its own migrations; not a place for yours.
        settings: The host's settings, in its own type; read only.
        payload: All keywords of this fire, without `value`.

    Returns:
        The list with your migrations. The host runs each once, by plugin, backend and id, and
        refuses to start if the SQL of one that has run is different now: add, never edit.

    Raises:
        PluginExecutionError: What the host gets if a handler fails, or declares a migration
            with the `plugin_name` of somebody else.

    Example:
        >>> from stigmem_hookspecs import Migration
        >>> from stigmem_plugins.testing import TestPluginRegistry
        >>> def notes(ctx, value, **_):
        ...     table = "CREATE TABLE example_notes (fact_id TEXT, note TEXT)"
        ...     return [*value, Migration(ctx.plugin_name, 1, table, "notes on facts")]
        >>> registry = TestPluginRegistry.with_hooks(migration_register=notes)
        >>> declared = registry.fire_filter_chain("migration_register", [])
        >>> [(migration.plugin_name, migration.migration_id) for migration in declared]
        [('example-plugin', 1)]
    """


@fire_and_forget(Band.AUDIT, HookOrdering.CORE_ONLY_DEFAULT, strict=True)
def audit_emit(
    event: AuditEvent | None = None,
    payload: Payload = NO_PAYLOAD,
) -> None:
    """Receive every event of the audit trail, to ship or to count it.

    Called for each event that the node records, after its own record, and for those of the
    plugin layer: registrations, refusals, denials, handler errors. Expect many, and expect
    them from several threads. A host may still hold its transaction open, as stigmem-node does
    where a fact is written: be quick, and expect that what happened can yet be rolled back.

    Args:
        event: What happened; immutable, so it can be kept or queued as it is.
        payload: All keywords of this fire, exactly as the host passed them.

    Returns:
        Nothing; an event cannot be held back or changed.

    Raises:
        PluginExecutionError: What the host gets, after all handlers ran, when a handler
            failed on an event of the host's. On an event of the plugin layer itself the
            failure is logged and counted, and what the event reports still stands.

    Example:
        >>> from datetime import datetime, timezone
        >>> from stigmem_hookspecs import AuditEvent, Success
        >>> from stigmem_plugins.testing import TestPluginRegistry
        >>> kept = []
        >>> ship = lambda ctx, *, event: kept.append(event.event_type)
        >>> registry = TestPluginRegistry.with_hooks(audit_emit=ship)
        >>> when = datetime.now(timezone.utc)
        >>> login = AuditEvent("login", "agent:ada", None, "acme", when, Success())
        >>> registry.fire_fire_and_forget("audit_emit", event=login)
        >>> kept[-1]
        'login'
    """


@voting(Band.VALIDATE, HookOrdering.CORE_FIRST)
def config_validate(
    plugin: Any = None,
    payload: Payload = NO_PAYLOAD,
) -> VotingDecision:
    """Decide whether a plugin may be registered: another one, or your own.

    Called while a plugin is admitted, before any of its other handlers can run: first the
    node's handlers, then those of plugins registered before, then the plugin's own. Nothing
    can be registered from in here.

    Args:
        plugin: The candidate's `stigmem_plugins.PluginManifest`; immutable.
        payload: All keywords of this fire, exactly as the host passed them.

    Returns:
        `Allow()` to let it in; `Deny(reason)` to refuse it. A refused plugin leaves no trace
        but the audit event with your reason, and at startup no plugin is loaded at all.

    Raises:
        RejectError: Refuses the plugin like a `Deny`.
        Exception: Any other refuses it too.

    Example:
        >>> from stigmem_hookspecs import Allow, Deny
        >>> from stigmem_plugins import PluginManifest
        >>> from stigmem_plugins.testing import TestPluginRegistry
        >>> def stay_offline(ctx, *, plugin):
        ...     online = "network.outbound" in plugin.capabilities
        ...     return Deny(f"{plugin.name} wants the network") if online else Allow()
        >>> registry = TestPluginRegistry.with_hooks(config_validate=stay_offline)
        >>> weather = PluginManifest("weather", "1.0.0", capabilities={"network.outbound"})
        >>> registry.fire_voting("config_validate", plugin=weather)
        Deny(reason='weather wants the network')
    """
