"""The pytest plugin: fixtures and a marker for authors, and `stigmem_node.plugins` without a node.

Loaded by pytest through the `pytest11` entry point; switch it off with
`-p no:stigmem_plugins`.
"""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

import pytest

from stigmem_plugins.testing.marker import NAME, USAGE, Marker

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator
    from typing import Any

    from stigmem_plugins.capabilities import PluginContext
    from stigmem_plugins.findings import Finding
    from stigmem_plugins.testing.fakes import Plugin
    from stigmem_plugins.testing.registries import TestPluginRegistry
    from stigmem_plugins.testing.sigstore import LocalAuthority

# Fixtures import what they use when they are used: this module is imported at every start
# of pytest wherever the distribution is installed.


def pytest_addoption(parser: pytest.Parser) -> None:
    """Declare the ini option `stigmem_plugins_bridge`."""
    parser.addini(
        "stigmem_plugins_bridge",
        "serve stigmem_node.plugins from stigmem-plugins even where stigmem-node is installed",
        type="bool",
        default=False,
    )


def pytest_configure(config: pytest.Config) -> None:
    """Let test modules import `stigmem_node.plugins`, and use the marker."""
    from stigmem_plugins import bridge  # noqa: PLC0415  # see above

    if config.getini("stigmem_plugins_bridge"):
        bridge.install()
    else:
        bridge.install_fallback()
    config.addinivalue_line("markers", USAGE)
    replaced = getattr(pytest.mark, NAME)
    setattr(pytest.mark, NAME, Marker(replaced))
    config.add_cleanup(lambda: setattr(pytest.mark, NAME, replaced))


def pytest_itemcollected(item: pytest.Item) -> None:
    """Let a marked test have its registry, whether it asks for the fixture or not."""
    names = getattr(item, "fixturenames", None)
    if names is not None and "hook_registry" not in names and item.get_closest_marker(NAME):
        names.append("hook_registry")


def pytest_assertrepr_compare(op: str, left: object, right: object) -> list[str] | None:
    """Say in what audit events differ from expected ones."""
    events = sys.modules.get("stigmem_plugins.testing.events")
    return events.explain(op, left, right) if events else None


@pytest.fixture
def hook_registry(request: pytest.FixtureRequest) -> Iterator[TestPluginRegistry]:
    """A registry that keeps its audit events: empty, or with the plugins that a marker names.

    With `@pytest.mark.stigmem_plugins(plugin_manifest)` it has that plugin, and is the process's
    registry while the test runs.

    Example::

        @pytest.mark.stigmem_plugins(plugin_manifest)
        def test_denies(hook_registry):
            assert_denies(hook_registry, "capability_check", capability="admin")
            assert audited("plugin.handler_denied", reason="no") in hook_registry.audit_events
    """
    from contextlib import ExitStack  # noqa: PLC0415  # see above

    from stigmem_plugins.errors import StigmemPluginError  # noqa: PLC0415  # the same
    from stigmem_plugins.testing import marker, registries  # noqa: PLC0415  # the same

    with ExitStack() as until_the_end:
        marks = list(request.node.iter_markers(NAME))
        misuse, registry = "", None
        try:
            manifests, options = marker.read(marks)
            registry = registries.TestPluginRegistry(manifests, **options)
        except StigmemPluginError as error:
            misuse = str(error)
        if registry is None:
            pytest.fail(misuse, pytrace=False)
        until_the_end.callback(registry.close)
        if marks:
            until_the_end.enter_context(registries.swapped(registry))
        yield registry


@pytest.fixture
def plugin_context() -> Callable[..., PluginContext]:
    """Makes a context to call a handler with, as a node makes it.

    Of a manifest or its factory: it grants what that declares, and holds the configuration that
    the settings make. Each handle is a `MagicMock`, which records its calls and can be awaited,
    unless another is given by the name of its `CoreApis` field. Without a manifest it grants the
    `capabilities` that are named, and those of the handles given.

    `config=` is what the handler finds as `ctx.config`.

    Example::

        def test_audits(plugin_context):
            ctx = plugin_context(plugin_manifest)
            post_assert_audit(ctx, fact=None)
            ctx.get_audit_emitter().assert_called_once()

        def test_audits_elsewhere(plugin_context):
            seen = []
            post_assert_audit(plugin_context(audit_emitter=seen.append), fact=None)
            assert seen
    """
    from stigmem_plugins.testing.fakes import make_context  # noqa: PLC0415  # see above

    def make(
        plugin_name: Plugin = "example-plugin",
        *,
        capabilities: Iterable[str] = (),
        config: Any = None,
        **handles: Any,
    ) -> PluginContext:
        """Grant what the manifest declares, or what is given."""
        return make_context(plugin_name, capabilities, config, handles)

    return make


@pytest.fixture
def conformance() -> Callable[..., tuple[Finding, ...]]:
    """Runs every check that a plugin should pass: `stigmem_plugins.testing.conformance`.

    Example::

        def test_conformance(conformance):
            conformance(plugin_manifest)
    """
    from stigmem_plugins import testing  # noqa: PLC0415  # see above

    return testing.conformance


@pytest.fixture(scope="session")
def sigstore_authority() -> LocalAuthority:
    """A Sigstore of one's own: signs for any identity, and only its own root trusts it.

    Example::

        def test_signs(sigstore_authority, wheel, tmp_path):
            sigstore_authority.sign_wheel(wheel, identity=RELEASE_WORKFLOW)
            sigstore_authority.write_trusted_root(tmp_path / "trusted_root.json")
    """
    from stigmem_plugins.testing.sigstore import LocalAuthority  # noqa: PLC0415  # see above

    return LocalAuthority()
