"""The fixtures and the marker for plugin authors, in pytest runs of their own."""

from __future__ import annotations

import re
import sys
import time
from typing import Any

import pytest

from stigmem_plugins import CoreApis, PluginExecutionError, StigmemPluginError, testing
from stigmem_plugins.testing import conforming, declarations, handlers, payloads
from tests.pages import DOCS
from tests.support import manifest

FIXTURES = ("conformance", "hook_registry", "plugin_context", "sigstore_authority")
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

PLUGIN = """
    import pytest
    from stigmem_node.plugins import Allow, Deny, PluginManifest, get_registry

    def guard(ctx, *, req=None, **_):
        return Deny("blocked") if req == "bad" else Allow()

    def plugin_manifest():
        return PluginManifest("example-plugin", "1.0.0", hooks={"pre_assert_authorize": guard})

    def other_manifest():
        return PluginManifest("other-plugin", "1.0.0", depends_on={"example-plugin"})
"""
"""What the tests of the marker start with."""


@pytest.fixture
def author(pytester: pytest.Pytester) -> pytest.Pytester:
    """An author's folder, where every warning is an error."""
    pytester.makepyfile(AUTHORS_TEST)
    return pytester


def run_marked(pytester: pytest.Pytester, tests: str, *options: str) -> pytest.RunResult:
    """Run tests that use the marker, in this process, where coverage sees it."""
    pytester.makepyfile(PLUGIN + tests)
    strict = ("--strict-markers", "-W", "error", "-p", "no:randomly")
    return pytester.runpytest_inprocess(*strict, *options)


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


def test_fixtures_and_marker_are_documented(author: pytest.Pytester) -> None:
    """`pytest --fixtures` and `--markers` tell an author what there is."""
    fixtures = author.runpytest_inprocess("--fixtures")
    fixtures.stdout.fnmatch_lines_random(
        [
            "*A registry that keeps its audit events: empty, or with*",
            "*Makes a context to call a handler with*",
            "*Runs every check that a plugin should pass*",
        ]
    )
    markers = author.runpytest_inprocess("--markers")
    markers.stdout.fnmatch_lines(["@pytest.mark.stigmem_plugins(*manifests_or_factories*"])


def test_the_test_kit_imports_without_pytest(pytester: pytest.Pytester) -> None:
    """pytest is an extra."""
    code = (
        "import sys; sys.modules['pytest'] = None; import stigmem_plugins.testing as kit; "
        "[getattr(kit, name) for name in kit.__all__]; assert set(kit.__all__) <= set(dir(kit))"
    )
    assert pytester.run(sys.executable, "-c", code).ret == 0


def test_a_start_of_pytest_imports_neither_mocks_nor_event_loops(
    pytester: pytest.Pytester,
) -> None:
    """The plugin is loaded wherever the distribution is installed: it must cost next to nothing."""
    code = (
        "import sys; before = set(sys.modules); import stigmem_plugins.testing.pytest_plugin; "
        "new = {n for n in set(sys.modules) - before if n.startswith('stigmem_plugins.testing.')}; "
        "print(sorted(new)); "
        "assert not {'unittest.mock', 'asyncio', 'sigstore', 'pydantic'} & set(sys.modules)"
    )
    result = pytester.run(sys.executable, "-c", f"import pytest; {code}")
    assert result.ret == 0, result.stderr.str()
    kit = "stigmem_plugins.testing"
    assert result.outlines == [f"['{kit}.marker', '{kit}.pytest_plugin', '{kit}.registries']"]


def test_the_test_kit_has_no_other_names() -> None:
    """An attribute that it lacks is an AttributeError, as of any module."""
    with pytest.raises(AttributeError, match="has no attribute 'assert_maybe'"):
        _ = testing.assert_maybe


# The marker


def test_a_marked_test_has_its_plugins(pytester: pytest.Pytester) -> None:
    """Given as factories or manifests; its registry is the process's, and is put back."""
    result = run_marked(
        pytester,
        """
    @pytest.mark.stigmem_plugins(plugin_manifest)
    def test_of_a_factory(hook_registry):
        assert hook_registry.fire_voting("pre_assert_authorize", req="bad") == Deny("blocked")
        assert get_registry() is hook_registry

    @pytest.mark.stigmem_plugins(other_manifest(), plugin_manifest)
    def test_of_a_manifest_and_a_factory(hook_registry):
        assert hook_registry.registered_plugins() == {"example-plugin", "other-plugin"}

    @pytest.mark.stigmem_plugins(plugin_manifest)
    def test_that_does_not_ask_for_the_registry():
        assert get_registry().registered_plugins() == {"example-plugin"}

    def test_without_the_marker(hook_registry):
        assert not hook_registry.registered_plugins()
        assert not get_registry().registered_plugins()
        assert get_registry() is not hook_registry
""",
    )
    result.assert_outcomes(passed=4)


def test_markers_add_up_and_the_nearest_option_counts(pytester: pytest.Pytester) -> None:
    """Those of module, class and function; a plugin that is named twice comes from the nearest."""
    result = run_marked(
        pytester,
        """
    from stigmem_plugins import CoreApis

    pytestmark = pytest.mark.stigmem_plugins(plugin_manifest, stigmem_version="0.9.0a20")

    def newer():
        return PluginManifest(
            "example-plugin", "2.0.0", requires_stigmem=">=0.9.0a20", capabilities={"audit.emit"}
        )

    @pytest.mark.stigmem_plugins(other_manifest)
    class TestMarked:
        def test_of_all(self, hook_registry):
            assert hook_registry.plugin_versions() == {
                "example-plugin": "1.0.0", "other-plugin": "1.0.0"
            }

        @pytest.mark.stigmem_plugins(newer, core_apis=CoreApis(audit_emitter=print))
        def test_of_the_nearest(self, hook_registry):
            assert hook_registry.plugin_versions()["example-plugin"] == "2.0.0"

        @pytest.mark.xfail(raises=pytest.fail.Exception, strict=True)
        @pytest.mark.stigmem_plugins(newer, stigmem_version="0.9.0a19")
        def test_of_the_nearest_option(self, hook_registry):
            pass

        @pytest.mark.stigmem_plugins(handler_timeout_seconds=1)
        def test_of_an_option_alone(self, hook_registry):
            assert hook_registry.fire_voting("pre_assert_authorize") == Allow()

        @pytest.mark.parametrize(
            "wanted", [pytest.param(3, marks=pytest.mark.stigmem_plugins(third)), 2]
        )
        def test_of_parameters(self, hook_registry, wanted):
            assert len(hook_registry.registered_plugins()) == wanted
""".replace("third", 'lambda: PluginManifest("third-plugin", "1.0.0")'),
    )
    result.assert_outcomes(passed=5, xfailed=1)


def test_the_registry_is_closed_after_the_test(pytester: pytest.Pytester) -> None:
    """Handlers with a deadline leave no threads behind."""
    result = run_marked(
        pytester,
        """
    from stigmem_plugins import PluginExecutionError
    kept = []

    @pytest.mark.stigmem_plugins(plugin_manifest, handler_timeout_seconds=5)
    def test_that_keeps_it(hook_registry):
        assert hook_registry.fire_voting("pre_assert_authorize") == Allow()
        kept.append(hook_registry)

    def test_that_finds_it_closed():
        with pytest.raises(PluginExecutionError, match="its registry is closed"):
            kept[0].fire_voting("pre_assert_authorize")
""",
    )
    result.assert_outcomes(passed=2)


def test_fixtures_of_an_author_come_before_the_registration(pytester: pytest.Pytester) -> None:
    """So that they can set what configures the plugin."""
    result = run_marked(
        pytester,
        """
    import attrs

    @attrs.frozen
    class Settings:
        limit: int

    def configured():
        return PluginManifest("example-plugin", "1.0.0", config_schema=Settings)

    @pytest.fixture(autouse=True)
    def _limit(monkeypatch):
        monkeypatch.setenv("STIGMEM_PLUGIN_EXAMPLE_PLUGIN_LIMIT", "3")

    @pytest.mark.stigmem_plugins(configured)
    def test_configured():
        assert get_registry().registered_plugins()
""",
    )
    result.assert_outcomes(passed=1)


def test_cases_of_unittest_can_be_marked(pytester: pytest.Pytester) -> None:
    """They cannot ask for a fixture, and have the process's registry."""
    result = run_marked(
        pytester,
        """
    import unittest

    class TestOldStyle(unittest.TestCase):
        @pytest.mark.stigmem_plugins(plugin_manifest)
        def test_registry(self):
            self.assertEqual(get_registry().registered_plugins(), {"example-plugin"})
""",
    )
    result.assert_outcomes(passed=1)


@pytest.mark.parametrize(
    ("marker", "line"),
    [
        ("", "*names no plugin; write @pytest.mark.stigmem_plugins(plugin_manifest)"),
        ("()", "*names no plugin; write @pytest.mark.stigmem_plugins(plugin_manifest)"),
        ("('example')", "expected a manifest or its factory, got 'example'; pass the function*"),
        ("([plugin_manifest])", "*one by one*; write @pytest.mark.stigmem_plugins(?plugins)"),
        ("(plugin_manifest, core_api=1)", "*no option 'core_api' (did you mean 'core_apis'*"),
        ("(plugin_manifest, plugin_manifest())", "plugin 'example-plugin' is already*"),
        ("(other_manifest)", "*other-plugin missing example-plugin*"),
        ("(lambda: 1 / 0)", "<lambda>() raised ZeroDivisionError: division by zero; a factory*"),
        (
            "(lambda: PluginManifest('x', '1.0.0'))",
            "<lambda>() raised ManifestError: plugin 'x': name must match [[]a-z][[]a-z0-9-]{2,63}",
        ),
        ("(lambda: 1)", "<lambda>() returned a builtins.int, not a PluginManifest; return a *"),
        ("(plugin_manifest, handler_timeout_seconds=0)", "*must be a positive number*"),
    ],
)
def test_a_wrong_use_of_the_marker_is_one_line_with_the_fix(
    pytester: pytest.Pytester, marker: str, line: str
) -> None:
    """The test fails when it is set up, without a traceback."""
    result = run_marked(
        pytester,
        f"""
    @pytest.mark.stigmem_plugins{marker}
    def test_marked():
        pass
""",
    )
    result.assert_outcomes(errors=1)
    lines = result.outlines
    [heading] = [n for n, each in enumerate(lines) if "ERROR at setup of test_marked" in each]
    said = pytest.LineMatcher([lines[heading + 1]])
    said.fnmatch_lines([line])
    assert lines[heading + 2].startswith("=")


def test_a_class_is_marked_by_name_alone_like_a_test(pytester: pytest.Pytester) -> None:
    """`@pytest.mark.stigmem_plugins` without parentheses does not make the class disappear."""
    result = run_marked(
        pytester,
        """
    @pytest.mark.stigmem_plugins
    class TestMarked:
        def test_it(self):
            pass
""",
    )
    result.assert_outcomes(errors=1)


def test_a_manifest_of_the_node_s_own_layer_is_told_apart(pytester: pytest.Pytester) -> None:
    """Where a node is installed and the bridge is not on, its class has the same name."""
    result = run_marked(
        pytester,
        """
    def of_a_node():
        return type("PluginManifest", (), {})()

    @pytest.mark.stigmem_plugins(of_a_node)
    def test_factory():
        pass

    @pytest.mark.stigmem_plugins(of_a_node())
    def test_manifest():
        pass
""",
    )
    result.stdout.fnmatch_lines(2 * ["*set stigmem_plugins_bridge = true in pytest's ini file*"])


def test_the_marker_is_what_it_was_afterwards(pytester: pytest.Pytester) -> None:
    """A run in this process leaves nothing behind."""
    before = pytest.mark.stigmem_plugins
    run_marked(pytester, "def test_nothing(): pass")
    assert pytest.mark.stigmem_plugins is before
    assert before.name == "stigmem_plugins"


@pytest.mark.parametrize("options", [["-n2"], ["--import-mode=importlib"], ["-p", "no:xdist"]])
def test_the_kit_works_however_pytest_runs(pytester: pytest.Pytester, options: list[str]) -> None:
    """Distributed, with either way of importing, and with every warning an error."""
    pytester.makepyfile(
        PLUGIN
        + """
    from stigmem_plugins.testing import assert_allows, assert_denies, audited

    @pytest.mark.stigmem_plugins(plugin_manifest)
    @pytest.mark.parametrize("turn", range(2))
    def test_votes(hook_registry, turn):
        assert_allows(hook_registry, "pre_assert_authorize", req="good")
        assert_denies(hook_registry, "pre_assert_authorize", req="bad", reason="blocked")
        assert audited("plugin.handler_denied", reason="blocked") in hook_registry.audit_events

    def test_conformance(conformance):
        conformance(plugin_manifest)
"""
    )
    strict = ("--strict-markers", "-W", "error")
    pytester.runpytest_subprocess(*strict, *options).assert_outcomes(passed=3)


@pytest.mark.parametrize(
    "name",
    [*testing.__all__, *(f"pytest_plugin.{each}" for each in FIXTURES)],
)
def test_every_name_of_the_kit_is_in_the_api_reference(name: str) -> None:
    """Public names and fixtures."""
    page = (DOCS / "reference" / "api.md").read_text("utf-8")
    assert re.search(rf":: stigmem_plugins\.testing\.{name}(\(\))?\n", page)


def test_the_page_about_testing_lists_every_check() -> None:
    """With what holds if it passes."""
    checks = {
        value
        for module in (conforming, declarations, handlers)
        for name, value in vars(module).items()
        if re.fullmatch("[A-Z][A-Z_]+", name) and re.fullmatch("[a-z-]+", str(value))
    }
    page = (DOCS / "test.md").read_text("utf-8")
    rows = set(re.findall(r"^\| `([a-z-]+)` \|", page, re.MULTILINE))
    assert rows == checks - {conforming.MINIMUM, payloads.VALUE}


def test_the_page_about_testing_passes_as_it_stands(pytester: pytest.Pytester) -> None:
    """Its blocks are a test module, of which every test passes."""
    page = (DOCS / "test.md").read_text("utf-8")
    blocks = re.findall(r"^```python\n(.*?)^```", page, re.MULTILINE | re.DOTALL)
    source = "\n\n".join(block for block in blocks if not block.startswith(">>>"))
    pytester.makepyfile(source)
    result = pytester.runpytest_inprocess("--strict-markers", "-W", "error")
    result.assert_outcomes(passed=source.count("\ndef test_"))


def test_the_kit_works_in_the_async_tests_of_anyio(pytester: pytest.Pytester) -> None:
    """Coroutine handlers are awaited by the test, and by the assertions in between."""
    result = run_marked(
        pytester,
        """
    import anyio
    from stigmem_plugins.testing import assert_allows, assert_denies, audited

    async def only_good(ctx, *, req=None, **_):
        await anyio.sleep(0)
        return Deny("blocked") if req == "bad" else Allow()

    def async_manifest():
        return PluginManifest("example-plugin", "1.0.0", hooks={"pre_assert_authorize": only_good})

    @pytest.fixture
    def anyio_backend():
        return "asyncio"

    @pytest.mark.anyio
    @pytest.mark.stigmem_plugins(async_manifest)
    async def test_votes(hook_registry, conformance):
        assert get_registry() is hook_registry
        decision = await hook_registry.afire_voting("pre_assert_authorize", req="bad")
        assert decision == Deny("blocked")
        assert_allows(hook_registry, "pre_assert_authorize", req="good")
        assert_denies(hook_registry, "pre_assert_authorize", req="bad")
        assert hook_registry.audit_events[1:] == 2 * [
            audited("plugin.handler_denied", reason="blocked")
        ]
        conformance(async_manifest)

    @pytest.mark.anyio
    @pytest.mark.stigmem_plugins(async_manifest)
    async def test_that_does_not_ask_for_the_registry():
        assert get_registry().registered_plugins()
""",
    )
    result.assert_outcomes(passed=2)


# Contexts


def test_the_swap_of_the_process_registry_has_the_same_options() -> None:
    """As the marker has."""
    offered = CoreApis(audit_emitter=print)
    slow = {"capability_check": lambda ctx, **_: time.sleep(0.2)}
    plugin = manifest(requires_stigmem=">=0.9.0a30", hooks=slow)
    options: dict[str, Any] = {
        "core_apis": offered,
        "handler_timeout_seconds": 0.01,
        "stigmem_version": "0.9.0a31",
    }
    with testing.stigmem_plugins([plugin], **options) as registry:
        assert registry._core_apis is offered
        with pytest.raises(PluginExecutionError, match="timed out after"):
            registry.fire_voting("capability_check")
    registry.close()


def test_a_context_of_a_manifest_holds_recording_handles(pytester: pytest.Pytester) -> None:
    """For each declared capability, of any shape, with results as configured; no others."""
    result = run_marked(
        pytester,
        """
    from stigmem_plugins import CapabilityError

    def able():
        return PluginManifest("able-plugin", "1.2.3", capabilities={"audit.emit", "facts.read"})

    @pytest.mark.parametrize("plugin", [able, able()])
    def test_handles(plugin_context, plugin):
        ctx = plugin_context(plugin)
        assert (ctx.plugin_name, ctx.plugin_version) == ("able-plugin", "1.2.3")
        ctx.get_audit_emitter()({"event_type": "seen"})
        ctx.get_audit_emitter().assert_called_once_with({"event_type": "seen"})
        reader = ctx.get_facts_reader()
        reader.search.return_value = ["f1"]
        assert reader.search(entity="ada") == ["f1"]
        reader.search.assert_called_once_with(entity="ada")
        with pytest.raises(CapabilityError, match="'facts.write' not declared"):
            ctx.get_facts_writer()

    def test_a_handle_of_one_s_own(plugin_context):
        ctx = plugin_context(able, facts_reader=["f1"])
        assert ctx.get_facts_reader() == ["f1"]
        ctx.get_audit_emitter()(1)

    def test_capabilities_alone(plugin_context):
        ctx = plugin_context(capabilities={"facts.read"}, audit_emitter=print)
        assert ctx.capabilities == {"facts.read", "audit.emit"}
        ctx.get_facts_reader().anything.at_all()

    def test_handles_can_be_awaited(plugin_context):
        async def read(ctx):
            return await (await ctx.get_facts_reader()).search(entity="ada")

        ctx = plugin_context(able)
        from stigmem_plugins.testing.loops import run
        assert run(lambda: read(ctx)) is ctx.get_facts_reader().search.return_value
""",
    )
    result.assert_outcomes(passed=5)


def test_a_context_holds_the_configuration_of_the_settings(pytester: pytest.Pytester) -> None:
    """As in a node; or the one that the test gives."""
    result = run_marked(
        pytester,
        """
    import attrs

    @attrs.frozen
    class Settings:
        limit: int = 1

    def configured():
        return PluginManifest("example-plugin", "1.0.0", config_schema=Settings)

    def test_settings(plugin_context, monkeypatch):
        assert plugin_context(configured).config == Settings(1)
        monkeypatch.setenv("STIGMEM_PLUGIN_EXAMPLE_PLUGIN_LIMIT", "3")
        assert plugin_context(configured).config == Settings(3)
        assert plugin_context(configured, config=Settings(5)).config == Settings(5)
        assert plugin_context(config=Settings(7)).config == Settings(7)
        assert plugin_context(plugin_manifest).config is None
""",
    )
    result.assert_outcomes(passed=1)


def test_wrong_handles_are_named(plugin_context) -> None:
    """One that does not exist, and one that the manifest does not declare, in a line each."""
    with pytest.raises(StigmemPluginError, match=r"no handle 'fact_reader' \(did you mean 'facts_"):
        plugin_context(fact_reader=print)
    with pytest.raises(StigmemPluginError, match=r"'example-plugin' does not declare facts.read;"):
        plugin_context(manifest(), facts_reader=print)
    with pytest.raises(StigmemPluginError, match=r"'example-plugin' does not declare audit.emit;"):
        plugin_context(manifest(), capabilities={"audit.emit"})
    with pytest.raises(StigmemPluginError, match=r"expected a manifest or its factory, got 3"):
        plugin_context(3)
