"""The command `order`."""

from __future__ import annotations

import json
import re
import sys
from html import unescape
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from stigmem_hookspecs import HOOK_SPECS, HookOrdering
from stigmem_plugins import HookRegistry, bridge, hookimpl
from stigmem_plugins.cli import main
from stigmem_plugins.cli.graphs import dot, mermaid
from stigmem_plugins.cli.pipelines import REASONS, Pipeline, explain_order
from tests.support import allow, install_module, manifest

PLUGIN = """
    from stigmem_plugins import Allow, PluginManifest

    print("a plugin that prints", flush=True)

    def vote(ctx, *, identity, **_):
        return Allow()

    def shape(ctx, value, **_):
        return value

    def heard(ctx, *, event):
        print("an audit handler was told", flush=True)

    def plugin_manifest():
        return PluginManifest(
            "{name}", "1.0.0", depends_on={needs},
            hooks={{
                "capability_check": vote, "audit_emit": heard, "recall_filter": shape,
                "{extra}": vote,
            }},
        )
"""


@pytest.fixture(autouse=True)
def _plugins(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    """Two plugins are installed, of which the one that comes first by name depends on the other."""
    site = tmp_path / "site"
    for module, name, needs, extra in [
        ("order_alpha", "alpha", {"zeta"}, "pre_assert_authorize"),
        ("order_zeta", "zeta", "()", "post_assert_persist"),
    ]:
        source = PLUGIN.format(name=name, needs=needs, extra=extra)
        install_module(site, module, source, plugins={module: f"{module}:plugin_manifest"})
    monkeypatch.syspath_prepend(site)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("STIGMEM_PLUGIN_SIGNING_REQUIRED", "false")
    monkeypatch.setenv("COLUMNS", "80")
    yield
    for module in [name for name in sys.modules if name.startswith("order_")]:
        del sys.modules[module]
    bridge.uninstall()
    bridge.install_fallback()


def run(*arguments: str) -> Any:
    return CliRunner().invoke(main, ["order", *arguments])


def test_handlers_are_listed_in_call_order_with_what_the_hook_does() -> None:
    """Dependencies first; what plugins print does not come between."""
    result = run("capability_check")
    assert result.exit_code == 0
    assert result.stdout.splitlines() == [
        "capability_check, voting, core_first",
        "  -  the node's own  if there are any (core_first)",
        "  1  zeta.vote       by name",
        "  2  alpha.vote      after zeta, which it depends on",
    ]
    assert "a plugin that prints" in result.stderr


def test_the_nodes_own_come_last_where_plugins_come_first() -> None:
    """In the list, and in a graph."""
    assert run("recall_filter").stdout.splitlines()[-1].startswith("  -  the node's own  if there")
    (drawn,) = clusters(run("recall_filter", "--dot").stdout).values()
    assert [name for name, *_ in drawn] == ["zeta.shape", "alpha.shape", "the node's own"]


def test_a_hook_made_for_plugins_has_no_place_for_the_nodes_own() -> None:
    """Theirs would be sorted in by name."""
    assert run("post_assert_persist").stdout.splitlines()[1:] == ["  1  zeta.vote  by name"]


def test_audit_handlers_are_told_nothing_of_it() -> None:
    """Looking is no start."""
    assert "an audit handler was told" not in run("audit_emit").output


def test_the_plan_is_the_code_that_fires_the_hook() -> None:
    """It can be read, and compiles."""
    result = run("capability_check", "--plan")
    assert result.exit_code == 0
    compile(result.stdout, "plan", "exec")
    first, last = (result.stdout.index(name) for name in ("# zeta.vote", "# alpha.vote"))
    assert result.stdout.index("def capability_check(payload, /):") < first < last


def test_json_has_the_order_and_the_plan_if_it_is_asked_for() -> None:
    """For scripts."""
    facts = json.loads(run("capability_check", "--json").stdout)
    assert facts == {
        "schema_version": 1,
        "hook": "capability_check",
        "semantic": "voting",
        "ordering": "core_first",
        "core": "first",
        "handlers": [
            {
                "handler": "zeta.vote",
                "plugin": "zeta",
                "reasons": ["name"],
                "why": "by name",
                "after": None,
            },
            {
                "handler": "alpha.vote",
                "plugin": "alpha",
                "reasons": ["dependency"],
                "why": "after zeta, which it depends on",
                "after": "zeta",
            },
        ],
        "plan": None,
    }
    planned = json.loads(run("capability_check", "--json", "--plan").stdout)
    assert planned["plan"] in run("capability_check", "--plan").stdout


@pytest.mark.parametrize(
    "arguments",
    [
        ["--plan"],
        ["--dot", "--mermaid"],
        ["capability_check", "--dot", "--json"],
        ["capability_check", "--mermaid", "--plan"],
    ],
)
def test_options_that_do_not_go_together_are_wrong_usage(arguments: list[str]) -> None:
    """Nothing is loaded for them."""
    result = run(*arguments)
    assert result.exit_code == 2
    assert "a plugin that prints" not in result.stderr


def test_a_plan_with_coroutine_handlers_is_the_one_that_awaits_them(tmp_path: Path) -> None:
    """No other can fire the hook."""
    module = tmp_path / "site" / "order_zeta.py"
    module.write_text(module.read_text().replace("def vote", "async def vote"))
    plan = run("capability_check", "--plan").stdout
    assert plan.startswith("async def capability_check(payload, /):")
    assert plan.count("result = await h0(") == 1
    assert plan.count("result = h1(") == 1


def test_a_hook_that_is_fired_by_a_loop_has_no_plan_to_show() -> None:
    """Its order can still be seen."""
    result = run("migration_register", "--plan")
    assert result.exit_code == 1
    assert "fired by a loop" in result.stderr
    assert run("migration_register").exit_code == 0


def test_a_hook_without_handlers_is_said_to_have_none() -> None:
    """That is no error."""
    result = run("recall_rank")
    assert result.exit_code == 0
    assert result.stdout == "No installed plugin has a handler for recall_rank.\n"


def test_an_unknown_hook_is_an_error_before_anything_is_loaded() -> None:
    """The nearest is suggested."""
    result = run("recal_rank")
    assert result.exit_code == 2
    assert "did you mean 'recall_rank'" in result.stderr
    assert result.stderr.splitlines()[1].startswith("hint: the hooks are ")
    assert "a plugin that prints" not in result.stderr


def test_what_a_start_refuses_has_no_order(monkeypatch: pytest.MonkeyPatch) -> None:
    """The error is that of the start."""
    monkeypatch.setenv("STIGMEM_PLUGIN_SIGNING_REQUIRED", "true")
    result = run("capability_check")
    assert result.exit_code == 1
    assert "production plugin registration requires" in result.stderr
    assert "a plugin that prints" not in result.stderr


# All hooks


def test_without_a_hook_all_that_have_handlers_are_shown() -> None:
    """As they come in a request, with where the node's own handlers stand."""
    result = run()
    assert result.exit_code == 0
    assert result.stdout.splitlines() == [
        "pre_assert_authorize, voting, core_first",
        "  (the node's own) -> alpha.vote",
        "post_assert_persist, fire_and_forget, plugin_only",
        "  zeta.vote",
        "recall_filter, filter_chain, plugins_first",
        "  zeta.shape -> alpha.shape -> (the node's own)",
        "capability_check, voting, core_first",
        "  (the node's own) -> zeta.vote -> alpha.vote",
        "audit_emit, fire_and_forget, core_only_default",
        "  (the node's own) -> zeta.heard -> alpha.heard",
        "5 of 22 hooks have handlers.",
        "`stigmem-plugins order HOOK` says why they are called in this order.",
    ]
    (check,) = [h for h in json.loads(run("--json").stdout)["hooks"] if "capability" in h["hook"]]
    assert [each["handler"] for each in check["handlers"]] == ["zeta.vote", "alpha.vote"]


def test_nothing_installed_is_an_empty_answer(monkeypatch: pytest.MonkeyPatch) -> None:
    """And no error, in any form."""
    monkeypatch.setattr("stigmem_plugins.startup.installed_distributions", lambda **_: ())
    assert run().stdout == "0 of 22 hooks have handlers.\n"
    assert json.loads(run("--json").stdout)["hooks"] == []
    assert clusters(run("--dot").stdout) == subgraphs(run("--mermaid").stdout) == {}


def test_long_names_are_whole_at_80_columns(tmp_path: Path) -> None:
    """The reason has a line of its own then."""
    long = "a-plugin" + "-with-a-long-name" * 3
    source = PLUGIN.format(name=long, needs={"zeta"}, extra="pre_assert_validate")
    source = source.replace("def vote", f"def {'v' * 80}").replace(": vote", f": {'v' * 80}")
    points = {"order_long": "order_long:plugin_manifest"}
    install_module(tmp_path / "site", "order_long", source, plugins=points)
    for result in (run(), run("capability_check")):
        lines = result.stdout.splitlines()
        assert max(map(len, lines)) <= 80
        assert f"{long}.{'v' * 80}" in "".join(line.strip() for line in lines)
    assert "     after zeta, which it depends on" in lines


def test_what_the_node_does_without_is_in_no_order(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A start leaves it out."""
    monkeypatch.setattr("stigmem_plugins.startup.installed_node_version", lambda: "0.9.0a12")
    name = "stigmem-plugin-memory-garden-acl"
    source = PLUGIN.format(name=name, needs=set(), extra="pre_assert_validate")
    points = {"order_acl": "order_acl:plugin_manifest"}
    install_module(tmp_path / "site", "order_acl", source, plugins=points)
    assert name not in run().stdout


# Why


def pipeline(registry: HookRegistry, hook: str) -> Pipeline:
    needs = {info.name: info.depends_on for info in registry.plugin_infos()}
    return explain_order(HOOK_SPECS[hook], registry.handlers_for(hook), needs)


def registered(hook: str, **needs: set[str]) -> HookRegistry:
    """A registry of plugins that all handle a hook, in the order given."""
    registry = HookRegistry()
    for name, needed in needs.items():
        named = manifest(name.replace("_", "-"), hooks={hook: allow}, depends_on=needed)
        registry.register_plugin(named)
    return registry


def why(registry: HookRegistry, hook: str = "capability_check") -> list[tuple[str, str]]:
    steps = pipeline(registry, hook).steps
    assert {reason for step in steps for reason in step.reasons} <= {*REASONS}
    return [(step.plugin, ", ".join(step.reasons)) for step in steps]


def test_a_plugin_stands_where_its_dependencies_and_its_name_put_it() -> None:
    """After the last of those that it needs; then by name among all that are ready."""
    registry = registered(
        "capability_check", mid=set(), zeta=set(), alpha={"mid", "zeta"}, beta={"mid"}
    )
    assert why(registry) == [
        ("mid", "name"),
        ("beta", "dependency"),
        ("zeta", "name"),
        ("alpha", "dependency"),
    ]
    registry = registered("capability_check", base=set(), delta={"base"}, carl={"base"})
    assert why(registry) == [
        ("base", "name"),
        ("carl", "dependency"),
        ("delta", "dependency, name"),
    ]


def test_a_dependency_that_is_not_called_here_counts_too() -> None:
    """It is in the order of registration; what comes between and is not called does not."""
    registry = HookRegistry()
    for name, needed, hooks in [
        ("base", set(), ()),
        ("calm", {"base"}, ("audit_emit",)),
        ("deep", {"base"}, ("capability_check",)),
    ]:
        handlers = dict.fromkeys(hooks, allow)
        registry.register_plugin(manifest(name, depends_on=needed, hooks=handlers))
    (step,) = pipeline(registry, "capability_check").steps
    assert (step.why, step.after) == ("after base, which it depends on", "base")


@pytest.mark.parametrize("ordering", HookOrdering)
def test_core_handlers_stand_where_the_policy_says(ordering: HookOrdering) -> None:
    """A node that has registered its own sees them, and nothing stands open then."""
    hook = next(name for name, spec in HOOK_SPECS.items() if spec.ordering is ordering)
    registry = HookRegistry()
    shape = {hook: lambda _ctx, *_value, **_: None}
    registry.register_plugin(manifest("a-plugin", hooks=shape))
    registry.register_plugin(manifest("z-plugin", hooks=shape))
    for name in ("core.2", "core.1"):
        registry.register_core_handler(hook, shape[hook], name=name)
    names = [step.handler.partition(".<")[0] for step in pipeline(registry, hook).steps]
    core, plugins = ["core.1", "core.2"], ["a-plugin", "z-plugin"]
    expected = {
        HookOrdering.PLUGINS_FIRST: plugins + core,
        HookOrdering.PLUGIN_ONLY: ["a-plugin", *core, "z-plugin"],
    }
    assert names == expected.get(ordering, core + plugins)
    by_policy = "name" if ordering is HookOrdering.PLUGIN_ONLY else "policy, name"
    assert dict(why(registry, hook)) == {
        "core": by_policy,
        "a-plugin": "name",
        "z-plugin": "name",
    }
    assert not pipeline(registry, hook).core_is_open


def test_a_native_pluggy_plugin_is_said_to_be_one() -> None:
    """pluggy decides where it stands."""

    class Native:
        @hookimpl
        def capability_check(self, payload: Any) -> Any:
            return allow(payload)

    registry = registered("capability_check", alpha=set())
    registry.plugin_manager.register(Native(), name="native")
    assert ("native", "pluggy") in why(registry)


# Graphs

TOKEN = re.compile(r'\s*("(?:\\.|[^"\\])*"|->|[\w]+|[{}\[\]=;,])')


def clusters(text: str) -> dict[str, list[list[str]]]:
    """Read DOT: by the label of each cluster the lines of its nodes, in the order of its edges."""
    tokens, at = [], 0
    while at < len(text.rstrip()):
        token = TOKEN.match(text, at)
        assert token, text[at:]
        tokens.append(token[1])
        at = token.end()
    stream = " ".join(tokens)
    assert stream.startswith("digraph pipelines { rankdir = LR ; node [ shape = box ] ; ")
    found = {}
    quoted = r'"(?:\\.|[^"\\])*"'
    cluster = rf"subgraph cluster_\d+ {{ label = ({quoted}) ; ((?:(?!subgraph).)*?) }}"
    rest = stream.partition("box ] ; ")[2]
    for label, body in re.findall(cluster, rest):
        nodes = dict(
            re.findall(rf"(h\d+_\d+) \[ label = ({quoted})(?: , style = dashed)? \] ;", body)
        )
        found[unquoted(label)[0]] = in_order(
            {name: unquoted(lines) for name, lines in nodes.items()},
            re.findall(r"(h\d+_\d+) -> (h\d+_\d+) ;", body),
        )
    assert re.sub(cluster, "", rest).split() == ["}"]
    return found


def unquoted(text: str) -> list[str]:
    """The lines of a label, which its layout tells apart by an escaped n."""
    lines = [""]
    for escaped, plain in re.findall(r"\\(.)|([^\\])", text[1:-1]):
        if escaped == "n":
            lines.append("")
        else:
            lines[-1] += escaped or plain
    return list(map(unescape, lines))


def subgraphs(text: str) -> dict[str, list[list[str]]]:
    """Read Mermaid: the same of each subgraph; within quotes only words stand for themselves."""
    first, second, *lines = text.splitlines()
    assert (first, second.split()[0]) == ("flowchart LR", "classDef")
    found = {}
    plain = r"(?:[\w .,:()'-]|#\d+;)*"
    while lines:
        title = re.fullmatch(rf'  subgraph s\d+\["({plain})"\]', lines.pop(0))
        assert title
        nodes, edges = {}, []
        while (line := lines.pop(0)) != "  end":
            if edge := re.fullmatch(r"    (h\d+_\d+) --> (h\d+_\d+)", line):
                edges.append(edge.groups())
                continue
            label = rf'    (h\d+_\d+)\["({plain}(?:<br/>{plain})?)"\](?::::own)?'
            node = re.fullmatch(label, line)
            assert node, line
            nodes[node[1]] = [decoded(each) for each in node[2].split("<br/>")]
        found[decoded(title[1])] = in_order(nodes, edges)
    return found


def decoded(text: str) -> str:
    return re.sub(r"#(\d+);", lambda entity: chr(int(entity[1])), text)


def in_order(nodes: dict[str, list[str]], edges: list[Any]) -> list[list[str]]:
    """The nodes of one path, from its start."""
    follows = dict(edges)
    (name,) = nodes.keys() - follows.values()
    path = [name]
    while name in follows:
        name = follows[name]
        path.append(name)
    assert sorted(path) == sorted(nodes)
    return [nodes[name] for name in path]


def test_graphs_are_of_the_pipelines() -> None:
    """All of them, or that of a hook; the node's own are drawn where they stand."""
    expected = {
        "capability_check, voting, core_first": [
            ["the node's own"],
            ["zeta.vote", "by name"],
            ["alpha.vote", "after zeta, which it depends on"],
        ]
    }
    assert clusters(run("capability_check", "--dot").stdout) == expected
    assert subgraphs(run("capability_check", "--mermaid").stdout) == expected
    everything = clusters(run("--dot").stdout)
    assert everything == subgraphs(run("--mermaid").stdout)
    assert len(everything) == 5
    assert expected.items() <= everything.items()


@pytest.mark.parametrize("name", ['"]; x', "a\\", "\\n", "<b>&lt;#35;", "`x`", "é | {y}", "end"])
def test_foreign_names_stay_within_their_quotes(name: str) -> None:
    """A handler may be called anything."""
    registry = HookRegistry()

    def odd(_ctx: Any, **_: Any) -> None:
        """Hear of it."""

    odd.__name__ = name
    registry.register_plugin(manifest(hooks={"post_assert_persist": odd}))
    drawn = [pipeline(registry, "post_assert_persist")] * 2
    expected = [[f"example-plugin.{name}", "by name"]]
    assert list(clusters(dot(drawn)).values()) == [expected]
    assert list(subgraphs(mermaid(drawn)).values()) == [expected]


def test_control_characters_are_shown_and_not_drawn() -> None:
    """A line stays one."""
    registry = HookRegistry()

    def odd(_ctx: Any, **_: Any) -> None:
        """Hear of it."""

    odd.__name__ = "a\nb\x1b"
    registry.register_plugin(manifest(hooks={"post_assert_persist": odd}))
    drawn = [pipeline(registry, "post_assert_persist")]
    for read in (clusters(dot(drawn)), subgraphs(mermaid(drawn))):
        assert list(read.values()) == [[["example-plugin.a\\nb\\x1b", "by name"]]]


def test_a_node_that_starts_without_plugins_has_no_order(monkeypatch: pytest.MonkeyPatch) -> None:
    """The setting that makes it so is named, and nothing is loaded."""
    monkeypatch.setenv("STIGMEM_PLUGIN_AUTO_DISCOVERY_ENABLED", "false")
    result = run("capability_check")
    assert result.exit_code == 0
    assert "No installed plugin has a handler for capability_check." in result.stdout
    assert "STIGMEM_PLUGIN_AUTO_DISCOVERY_ENABLED is off" in result.stdout
    assert "a plugin that prints" not in result.stderr
