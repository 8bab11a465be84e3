"""What a manifest accepts, what it refuses, and what a node accepts of it."""

from __future__ import annotations

import copy
import pickle
from typing import Any

import pytest

from stigmem_hookspecs.values import FrozenDict
from stigmem_plugins import HookRegistry, ManifestError, PluginManifest, TenantContext
from tests.support import allow, manifest


@pytest.mark.parametrize(
    ("fields", "fragment"),
    [
        ({"name": "ab"}, "name must match"),
        ({"name": "1abc"}, "name must match"),
        ({"name": "a" * 65}, "name must match"),
        ({"name": "abc\n"}, "name must match"),
        ({"name": None}, "name must match"),
        ({"name": "system"}, "reserved"),
        ({"version": None}, "invalid version None"),
        ({"requires_stigmem": "at least 1"}, "invalid requires_stigmem 'at least 1'"),
        ({"requires_stigmem": None}, "invalid requires_stigmem None"),
        ({"capabilities": "facts.read"}, "capabilities must be a set of names"),
        ({"capabilities": 3}, "capabilities must be a set of names"),
        ({"capabilities": {1}}, "capabilities must be a set of names"),
        ({"depends_on": "other"}, "depends_on must be a set of names"),
        ({"depends_on": {"example-plugin"}}, "depends_on names the plugin itself"),
        ({"hooks": [("audit_emit", allow)]}, "hooks must map hook names to handlers"),
        ({"hooks": {"health_check": allow}}, "unknown plugin hooks: 'health_check'"),
        ({"hooks": {"decay_sweep_filter": allow}}, "unknown plugin hooks: 'decay_sweep_filter'"),
        ({"hooks": {3: allow}}, "unknown plugin hooks: '3'"),
        ({"hooks": {"audit_emit": None}}, "the handler of 'audit_emit' must be callable"),
        ({"routes": 3}, "routes must be an iterable"),
        ({"health_check": "ok"}, "health_check must be callable"),
        ({"config_schema": {}}, "config_schema must be a class"),
        ({"async_safe": 1}, "async_safe must be a bool"),
    ],
)
def test_a_fault_is_named(fields: dict[str, Any], fragment: str) -> None:
    """One ManifestError, which names the plugin too."""
    with pytest.raises(ManifestError, match="plugin ") as raised:
        manifest(**fields)
    assert fragment in str(raised.value)


def test_fields_are_copied_into_immutable_ones() -> None:
    """What a factory still holds does not change the manifest."""
    hooks, capabilities, routes = {"audit_emit": allow}, {"audit.emit"}, [object()]
    made = manifest(hooks=hooks, capabilities=capabilities, routes=routes)
    hooks.clear()
    capabilities.clear()
    routes.clear()
    assert made.hooks == {"audit_emit": allow}
    assert made.capabilities == {"audit.emit"}
    assert len(made.routes) == 1
    assert made == manifest(
        hooks={"audit_emit": allow}, capabilities={"audit.emit"}, routes=made.routes
    )


def test_positional_fields_come_in_the_published_order() -> None:
    """Plugins and hosts may rely on it."""
    made = PluginManifest("abc", "1.0", ">=0.9", {"facts.read"}, False, {}, (), None, None, {"xyz"})
    assert (made.requires_stigmem, made.async_safe) == (">=0.9", False)
    assert made.depends_on == {"xyz"}


@pytest.mark.parametrize(
    ("host", "specifier", "accepted"),
    [
        ("0.9.0a12", ">=0.9.0a1", True),
        ("0.9.0a12", ">=0.9.0a13", False),
        ("1.0.0", ">=0.9.0a1,<1.0", False),
        ("1.1.0.dev3", ">=1.0", True),
        (None, "==0.9.0a12", True),
    ],
)
def test_requires_stigmem_is_held_against_the_hosts_version(
    host: str | None, specifier: str, accepted: bool
) -> None:
    """Alphas count; without a node and a word of the host it is 0.9.0a12."""
    registry = HookRegistry(stigmem_version=host)
    if accepted:
        registry.register_plugin(manifest(requires_stigmem=specifier))
    else:
        with pytest.raises(ManifestError, match="requires stigmem"):
            registry.register_plugin(manifest(requires_stigmem=specifier))


def test_a_plugin_is_registered_once() -> None:
    """The second time is a duplicate, whatever the version."""
    registry = HookRegistry()
    registry.register_plugin(manifest())
    with pytest.raises(ManifestError, match="already registered"):
        registry.register_plugin(manifest(version="2.0.0"))
    assert registry.plugin_versions() == {"example-plugin": "1.0.0"}


def test_a_frozen_dict_is_a_dict_that_cannot_be_changed() -> None:
    """It copies, pickles and compares like one."""
    frozen = FrozenDict({"a": [1]})
    for action in (
        lambda: frozen.update(b=2),
        lambda: frozen.__setitem__("b", 2),
        lambda: frozen.pop("a"),
        frozen.clear,
        lambda: frozen.setdefault("b", 2),
    ):
        with pytest.raises(TypeError, match="read-only"):
            action()
    assert pickle.loads(pickle.dumps(frozen)) == copy.deepcopy(frozen) == {"a": [1]}
    assert TenantContext("t", {"a": 1}) == TenantContext("t", {"a": 1})
    assert len({TenantContext("t", {"a": 1}), TenantContext("t", {"a": 1})}) == 1
