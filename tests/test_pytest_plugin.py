"""The fixtures for plugin authors, in a pytest run of their own."""

from __future__ import annotations

import pytest

AUTHORS_TEST = """
    from stigmem_node.plugins import Deny, HookRegistry, PluginManifest

    def guard(ctx, *, source, **_):
        ctx.get_audit_emitter()(source)
        return Deny("blocked")

    def test_with_a_registry(hook_registry):
        hook_registry.register_plugin(
            PluginManifest("example-plugin", "1.0.0", hooks={"audit_emit": lambda ctx, event: None})
        )
        assert hook_registry.audit_events[-1].event_type == "plugin.registered"
        assert isinstance(hook_registry, HookRegistry)

    def test_a_handler_by_itself(plugin_context):
        seen = []
        assert guard(plugin_context(audit_emitter=seen.append), source="a") == Deny("blocked")
        assert seen == ["a"]
        assert plugin_context("other").capabilities == frozenset()
"""


@pytest.fixture
def author(pytester: pytest.Pytester) -> pytest.Pytester:
    """An author's folder, where every warning is an error."""
    pytester.makepyfile(AUTHORS_TEST)
    return pytester


@pytest.mark.parametrize("ini", ["false", "true"])
def test_an_author_tests_a_plugin_without_a_node(author: pytest.Pytester, ini: str) -> None:
    """Imports from stigmem_node.plugins are served."""
    author.makeini(f"[pytest]\nstigmem_plugins_bridge = {ini}\nfilterwarnings = error\n")
    author.runpytest_subprocess("-p", "no:randomly").assert_outcomes(passed=2)


def test_the_plugin_can_be_switched_off(author: pytest.Pytester) -> None:
    """Then nothing is served and there are no fixtures."""
    result = author.runpytest_subprocess("-p", "no:stigmem_plugins")
    result.stdout.fnmatch_lines(["*No module named 'stigmem_node'*"])


def test_the_plugin_works_in_this_process(author: pytest.Pytester) -> None:
    """As above, where coverage sees it."""
    author.runpytest_inprocess("-o", "stigmem_plugins_bridge=true").assert_outcomes(passed=2)


def test_fixtures_are_documented(author: pytest.Pytester) -> None:
    """`pytest --fixtures` tells an author what there is."""
    result = author.runpytest_subprocess("--fixtures")
    result.stdout.fnmatch_lines(
        ["hook_registry*", "*An empty registry that keeps its audit events.", "plugin_context*"]
    )


def test_the_test_kit_imports_without_pytest(pytester: pytest.Pytester) -> None:
    """pytest is an extra."""
    code = "import sys; sys.modules['pytest'] = None; import stigmem_plugins.testing"
    assert pytester.run(__import__("sys").executable, "-c", code).ret == 0
