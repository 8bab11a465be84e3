"""Who is called when: policies, dependencies, and native pluggy plugins."""

from __future__ import annotations

import itertools
from typing import Any

import pytest
from pluggy import PluginValidationError

from stigmem_plugins import (
    HookRegistry,
    ManifestError,
    PluginDependencyError,
    RegistryFrozenError,
    hookimpl,
    resolve_plugin_dependencies,
)
from stigmem_plugins.manager import HookPluginManager
from tests.support import discovered, manifest


def link(name: str) -> Any:
    """A filter handler that leaves its name in the list."""
    return lambda ctx, value, **_: [*value, name]


def note(calls: list[str], name: str) -> Any:
    return lambda ctx, **_: calls.append(name)


def names(registry: HookRegistry, hook: str) -> list[str]:
    return [entry.handler_name for entry in registry.handlers_for(hook)]


@pytest.mark.parametrize(
    ("hook", "expected"),
    [
        ("identity_resolve", ["core.001", "core.002", "alpha.h", "beta.h"]),
        ("recall_filter", ["alpha.h", "beta.h", "core.001", "core.002"]),
        ("migration_register", ["core.001", "core.002", "alpha.h", "beta.h"]),
    ],
)
@pytest.mark.parametrize(
    "order", list(itertools.permutations(["core.002", "beta", "core.001", "alpha"]))
)
def test_core_stands_where_the_hooks_policy_says(
    hook: str, expected: list[str], order: Any
) -> None:
    """Core by its names, plugins by theirs, whatever was registered first."""

    def h(_ctx: Any, value: Any, **_: Any) -> Any:
        return value

    registry = HookRegistry()
    for name in order:
        if name.startswith("core"):
            registry.register_core_handler(hook, h, name=name)
        else:
            registry.register_plugin(manifest(name, hooks={hook: h}))
    assert names(registry, hook) == expected


def test_on_a_plugin_only_hook_core_is_sorted_in_by_name() -> None:
    """There a core handler is one among the plugins."""
    calls: list[str] = []
    registry = HookRegistry()
    for plugin in ("delta", "beta"):
        registry.register_plugin(
            manifest(plugin, hooks={"post_assert_persist": note(calls, plugin)})
        )
    registry.register_core_handler("post_assert_persist", note(calls, "core"), name="core.001")
    registry.fire_fire_and_forget("post_assert_persist")
    assert calls == ["beta", "core", "delta"]


def test_dependencies_run_before_those_that_depend_on_them() -> None:
    """depends_on decides, names break ties."""
    registry = HookRegistry()
    registry.register_plugin(manifest("zeta", hooks={"recall_filter": link("zeta")}))
    registry.register_plugin(
        manifest("alpha", hooks={"recall_filter": link("alpha")}, depends_on={"zeta"})
    )
    registry.register_plugin(manifest("beta", hooks={"recall_filter": link("beta")}))
    assert registry.fire_filter_chain("recall_filter", []) == ["beta", "zeta", "alpha"]
    assert registry.plugin_registration_order() == ("zeta", "alpha", "beta")


def test_a_cycle_is_named_from_its_smallest_name_along_depends_on() -> None:
    """The operator sees which plugins to look at."""
    plugins = [
        discovered("beta", depends_on={"alpha"}),
        discovered("gamma", depends_on={"beta"}),
        discovered("alpha", depends_on={"gamma"}),
    ]
    with pytest.raises(PluginDependencyError, match="alpha -> gamma -> beta -> alpha"):
        resolve_plugin_dependencies(plugins)


def test_missing_dependencies_are_all_named() -> None:
    """Each plugin with everything that it misses; what is registered is not missing."""
    plugins = [
        discovered("xray", depends_on={"bravo", "alpha"}),
        discovered("yankee", depends_on={"zulu"}),
    ]
    with pytest.raises(
        PluginDependencyError, match=r"xray missing alpha, bravo; yankee missing zulu"
    ):
        resolve_plugin_dependencies(plugins)
    ordered = resolve_plugin_dependencies(plugins, registered_plugins=["alpha", "bravo", "zulu"])
    assert [plugin.manifest.name for plugin in ordered] == ["xray", "yankee"]


class Native:
    """A native pluggy plugin: asks for arguments of the hookspec by name."""

    @hookimpl(tryfirst=True)
    def recall_filter(self, value: list[str], tenant: Any, payload: Any) -> list[str]:
        return [*value, f"native {tenant} {sorted(payload)}"]

    @hookimpl
    def pre_recall_rewrite(self, value: Any, extra: str = "default") -> Any:
        return [*value, extra]


def test_a_tryfirst_impl_on_the_public_plugin_manager_comes_first() -> None:
    """pluggy's own order is the order of dispatch."""
    registry = HookRegistry()
    registry.register_core_handler("recall_filter", link("core"), name="core.001")
    registry.register_plugin(manifest("alpha", hooks={"recall_filter": link("alpha")}))
    assert registry.fire_filter_chain("recall_filter", []) == ["alpha", "core"]
    registry.plugin_manager.register(Native(), name="native")
    first = registry.handlers_for("recall_filter")[0]
    assert (first.handler_name, first.plugin_name) == ("native.recall_filter", "native")
    fired = registry.fire_filter_chain("recall_filter", [], other=1)
    assert fired == ["native None ['other']", "alpha", "core"]


def test_native_plugins_keep_their_place_when_others_are_registered_later() -> None:
    """As if they had been registered after all the others."""
    registry = HookRegistry()
    registry.plugin_manager.register(Native(), name="native")
    registry.plugin_manager.set_blocked("blocked")
    registry.register_plugin(manifest("alpha", hooks={"recall_filter": link("alpha")}))
    registry.register_core_handler("pre_recall_rewrite", link("core"), name="core.001")
    assert names(registry, "recall_filter") == ["native.recall_filter", "alpha.<lambda>"]
    assert registry.fire_filter_chain("pre_recall_rewrite", [], extra="given") == ["given", "core"]
    assert registry.fire_filter_chain("pre_recall_rewrite", []) == ["default", "core"]


def test_pluggy_looks_at_a_plugins_hooks_and_at_nothing_else(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """It inspects every name that an object offers, which made registration five times slower."""
    seen: list[str] = []
    parse = HookPluginManager.parse_hookimpl_opts

    def watched(manager: HookPluginManager, plugin: object, name: str) -> Any:
        seen.append(name)
        return parse(manager, plugin, name)

    monkeypatch.setattr(HookPluginManager, "parse_hookimpl_opts", watched)
    registry = HookRegistry()
    hooks = {"recall_filter": link("a"), "pre_recall_rewrite": link("a")}
    registry.register_plugin(manifest("alpha", hooks=hooks))
    registry.freeze()
    assert sorted(seen) == ["pre_recall_rewrite", "recall_filter"]


def test_a_native_plugin_can_be_taken_out_and_one_from_a_manifest_cannot() -> None:
    """What a manifest registered is the registry's."""
    registry, native = HookRegistry(), Native()
    registry.register_plugin(manifest("alpha", hooks={"recall_filter": link("alpha")}))
    manager = registry.plugin_manager
    manager.register(native, name="native")
    assert manager.unregister(name="native") is native
    with pytest.raises(ManifestError, match="cannot be taken out"):
        manager.unregister(name="alpha")
    assert registry.fire_filter_chain("recall_filter", []) == ["alpha"]


@pytest.mark.parametrize("name", ["native", "blocked"])
def test_a_plugin_cannot_take_a_name_that_pluggy_has_or_blocks(name: str) -> None:
    """pluggy would refuse it halfway, or leave it out silently."""
    registry = HookRegistry()
    registry.plugin_manager.register(Native(), name="native")
    registry.plugin_manager.set_blocked("blocked")
    with pytest.raises(ManifestError, match="already registered, or its name is blocked"):
        registry.register_plugin(manifest(name))


def test_a_native_plugin_with_a_misspelt_hook_is_refused() -> None:
    """pluggy would register it silently."""

    class Misspelt:
        @hookimpl
        def recal_filter(self, value: Any) -> Any:
            raise AssertionError

    class Optional:
        @hookimpl(optionalhook=True)
        def recal_filter(self, value: Any) -> Any:
            raise AssertionError

    manager = HookRegistry().plugin_manager
    with pytest.raises(PluginValidationError, match="did you mean 'recall_filter'"):
        manager.register(Misspelt())
    manager.register(Optional())


def test_a_frozen_registry_takes_nothing_any_more() -> None:
    """Neither plugins nor core handlers nor native plugins; freezing twice is no error."""
    registry = HookRegistry()
    registry.freeze()
    registry.freeze()
    with pytest.raises(RegistryFrozenError, match="registry is frozen"):
        registry.register_plugin(manifest())
    with pytest.raises(RegistryFrozenError, match="registry is frozen"):
        registry.register_core_handler("audit_emit", link("x"), name="core.001")
    with pytest.raises(RegistryFrozenError, match="registry is frozen"):
        registry.plugin_manager.register(Native())
    with pytest.raises(RegistryFrozenError, match="registry is frozen"):
        registry.plugin_manager.unregister(name="x")


def test_two_core_handlers_of_one_hook_need_two_names() -> None:
    """On another hook the same name is free."""
    registry = HookRegistry()
    registry.register_core_handler("recall_filter", link("a"), name="core.001")
    registry.register_core_handler("pre_recall_rewrite", link("a"), name="core.001")
    with pytest.raises(ManifestError, match="already registered"):
        registry.register_core_handler("recall_filter", link("b"), name="core.001")


def test_core_handlers_get_a_context_of_their_own() -> None:
    """Without capabilities, unless they are named."""
    contexts: list[Any] = []
    registry = HookRegistry()

    def keep(ctx: Any, value: Any, **_: Any) -> Any:
        contexts.append(ctx)
        return value

    for number, capabilities in enumerate([None, ["audit.emit"]]):
        registry.register_core_handler(
            "recall_filter",
            keep,
            name=f"core.00{number}",
            capabilities=capabilities,
        )
    registry.fire_filter_chain("recall_filter", [])
    assert [(ctx.plugin_name, ctx.capabilities) for ctx in contexts] == [
        ("core", frozenset()),
        ("core", frozenset({"audit.emit"})),
    ]
