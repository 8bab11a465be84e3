"""The command `report`, and the page that it writes."""

from __future__ import annotations

import base64
import hashlib
import json
import os
import re
import sys
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner
from hypothesis import given, settings
from hypothesis import strategies as st

from stigmem_hookspecs import HOOK_SPECS, HookOrdering
from stigmem_plugins import bridge
from stigmem_plugins.capabilities import Capability
from stigmem_plugins.cli import main
from stigmem_plugins.cli.output import printable
from stigmem_plugins.cli.report import graph
from stigmem_plugins.cli.report.calls import pipelines
from stigmem_plugins.cli.report.chains import LONGEST, chain, stops
from stigmem_plugins.cli.report.markup import Markup
from stigmem_plugins.cli.report.page import render
from stigmem_plugins.findings import Finding, Level, Place
from stigmem_plugins.testing.sigstore import LocalAuthority
from tests.reports import Page, facts, known, many, unsigned
from tests.signed import PUBLISHER, good_wheel, unpack
from tests.support import discovered, install_module

PLUGIN = """
    from stigmem_plugins import Allow, PluginManifest

    print("a plugin that prints", flush=True)

    def vote(ctx, **_):
        return Allow()

    def plugin_manifest():
        return PluginManifest(
            "{name}", "1.0.0", depends_on={needs},
            capabilities={{"facts.read"}}, hooks={{"capability_check": vote}},
        )
"""


@pytest.fixture(autouse=True)
def _plugins(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    """Two unsigned plugins are installed, which load: signing is off."""
    for name in [each for each in os.environ if each.startswith("STIGMEM_PLUGIN_")]:
        monkeypatch.delenv(name)
    for module, name, needs in [
        ("report_alpha", "alpha", {"zeta"}),
        ("report_zeta", "zeta", "()"),
    ]:
        source = PLUGIN.format(name=name, needs=needs)
        site = tmp_path / "site"
        install_module(site, module, source, plugins={module: f"{module}:plugin_manifest"})
    monkeypatch.syspath_prepend(tmp_path / "site")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("STIGMEM_PLUGIN_SIGNING_REQUIRED", "false")
    yield
    for module in ("report_alpha", "report_zeta"):
        sys.modules.pop(module, None)
    bridge.uninstall()
    bridge.install_fallback()


def run(*arguments: str) -> Any:
    return CliRunner().invoke(main, ["report", *arguments])


# The command


def test_it_writes_one_page_and_says_where() -> None:
    """All plugins are on it, and what they print goes to stderr."""
    result = run("-o", "report.html")
    assert result.exit_code == 0, result.output
    assert [line.split(maxsplit=1) for line in result.stdout.splitlines()] == [
        ["written", "report.html"],
        ["plugins", "2 accepted"],
    ]
    page = Page(Path("report.html").read_text("utf-8"))
    assert "alpha" in page.text
    assert "zeta" in page.text
    assert "A node would start." in page.text


def test_json_tells_the_same_and_where_the_page_is() -> None:
    """With the names of handlers, and what `doctor` finds."""
    document = json.loads(run("--output", "report.html", "--json").stdout)
    assert Path("report.html").exists()
    assert document["schema_version"] == 1
    assert document["written"] == "report.html"
    assert document["starts"] is True
    assert [plugin["name"] for plugin in document["plugins"]] == ["alpha", "zeta"]
    assert document["publishers"] == [
        {
            "identity": "unsigned",
            "issuer": None,
            "decisions": ["development_unsigned_override"],
            "plugins": ["alpha", "zeta"],
        }
    ]
    (hook,) = [hook for hook in document["hooks"] if hook["hook"] == "capability_check"]
    assert (hook["semantic"], hook["ordering"], hook["core"]) == ("voting", "core_first", "first")
    assert [(step["handler"], step["why"]) for step in hook["handlers"]] == [
        ("zeta.vote", "by name"),
        ("alpha.vote", "after zeta, which it depends on"),
    ]
    assert "signing-off" in {each["check"] for each in document["findings"]}
    assert document["trust"]["signing_required"] is False


def test_a_dash_is_standard_output() -> None:
    """The page is UTF-8, and nothing else is printed."""
    result = run("-o", "-")
    assert result.exit_code == 0
    assert result.stdout_bytes.startswith(b"<!doctype html>")
    assert result.stdout_bytes.endswith(b"</html>\n")
    assert list(Path.cwd().glob("*.html")) == []


def test_the_page_and_the_json_do_not_share_standard_output() -> None:
    """That is a usage error, as is no output at all."""
    result = run("-o", "-", "--json")
    assert (result.exit_code, result.stdout) == (2, "")
    assert "name a file" in result.stderr
    assert run().exit_code == 2


def test_a_file_is_replaced_at_once() -> None:
    """With the permissions that it had, and no other file is left beside it."""
    Path("report.html").write_text("old", "utf-8")
    Path("report.html").chmod(0o600)
    assert run("-o", "report.html").exit_code == 0
    assert Path("report.html").read_text("utf-8").startswith("<!doctype html>")
    assert Path("report.html").stat().st_mode & 0o777 == 0o600
    assert {each.name for each in Path.cwd().iterdir()} == {"site", "report.html"}


@pytest.mark.parametrize("kind", ["folder", "link", "pipe"])
def test_what_is_no_regular_file_is_not_replaced(kind: str) -> None:
    """Not a folder, not a link to a file, not a device; nothing is looked at before."""
    target = Path("report.html")
    if kind == "folder":
        target.mkdir()
    elif kind == "link":
        Path("precious").write_text("kept", "utf-8")
        target.symlink_to("precious")
    else:
        os.mkfifo(target)
    before = target.lstat()
    result = run("-o", "report.html")
    assert result.exit_code == 2
    assert result.stderr.splitlines() == [
        "error: report.html is no regular file, and is not replaced",
        "hint: name another file, or `-` for standard output",
    ]
    assert target.lstat() == before


@pytest.mark.parametrize("target", ["absent/report.html", "site/report_alpha.py/report.html"])
def test_without_a_folder_to_write_into_it_says_so(target: str) -> None:
    """Before anything is looked at."""
    result = run("-o", target)
    assert result.exit_code == 2
    assert f"error: there is no folder {Path(target).parent}" in result.stderr
    assert "a plugin that prints" not in result.stderr


def test_what_cannot_be_written_is_one_line(monkeypatch: pytest.MonkeyPatch) -> None:
    """A full disk, say; what was there stays."""
    Path("report.html").write_text("old", "utf-8")

    def full(_descriptor: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("os.fsync", full)
    result = run("-o", "report.html")
    assert result.exit_code == 3
    assert "error: cannot write report.html: No space left on device" in result.stderr
    assert Path("report.html").read_text("utf-8") == "old"


def test_what_cannot_be_looked_at_ends_with_3(monkeypatch: pytest.MonkeyPatch) -> None:
    """The setting is named, and nothing is written."""
    monkeypatch.setenv("STIGMEM_PLUGIN_SIGNING_REQUIRED", "perhaps")
    result = run("-o", "report.html")
    assert result.exit_code == 3
    assert result.stderr.startswith("error: setting STIGMEM_PLUGIN_SIGNING_REQUIRED must be one of")
    assert not Path("report.html").exists()


def test_secrets_are_not_on_the_page(monkeypatch: pytest.MonkeyPatch) -> None:
    """What configures plugins is named, from the environment and from `pyproject.toml`."""
    monkeypatch.setenv("STIGMEM_PLUGIN_ALPHA_TOKEN", "hunter2")
    Path("pyproject.toml").write_text(
        "[tool.stigmem.plugins]\nodd = 1\n[tool.stigmem.plugins.zeta]\nkey = 'hunter3'\n", "utf-8"
    )
    result = run("-o", "report.html", "--json")
    written = Path("report.html").read_text("utf-8")
    assert "hunter" not in written + result.stdout
    found = {each["name"]: each for each in json.loads(result.stdout)["settings"]}
    assert found["STIGMEM_PLUGIN_ALPHA_TOKEN"]["value"] == "***"
    assert found["[tool.stigmem.plugins.zeta] key"]["origin"] == "pyproject.toml"
    assert "[tool.stigmem.plugins.odd] " in found
    assert found["STIGMEM_PLUGIN_SIGNING_REQUIRED"] == {
        "name": "STIGMEM_PLUGIN_SIGNING_REQUIRED",
        "value": "false",
        "origin": "environment",
    }
    assert found["STIGMEM_PLUGIN_AUTO_DISCOVERY_ENABLED"]["origin"] is None
    assert "STIGMEM_PLUGIN_ALPHA_TOKEN" in Page(written).text


def test_a_malformed_pyproject_is_shown_where_its_settings_would_be() -> None:
    """It does not keep the rest from being shown."""
    Path("pyproject.toml").write_text("[tool", "utf-8")
    document = json.loads(run("-o", "report.html", "--json").stdout)
    assert "cannot read plugin configuration" in document["settings"][-1]["value"]


def test_signed_plugins_have_their_publishers(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Those that nobody signed are not loaded then; the page tells them apart."""
    authority = LocalAuthority()
    unpack(good_wheel(tmp_path, authority), tmp_path / "plugins")
    authority.write_trusted_root(tmp_path / "root.json")
    for name, value in {
        "SIGNING_REQUIRED": "true",
        "DIR": "plugins",
        "TRUSTED_ROOT": "root.json",
        "TRUSTED_PUBLISHERS": PUBLISHER,
    }.items():
        monkeypatch.setenv(f"STIGMEM_PLUGIN_{name}", value)
    result = run("-o", "report.html", "--json")
    assert "a plugin that prints" not in result.stderr
    document = json.loads(result.stdout)
    assert document["starts"] is False
    assert [(each["identity"], each["plugins"]) for each in document["publishers"]] == [
        (PUBLISHER, ["good-plugin"]),
        ("unsigned", ["report_alpha", "report_zeta"]),
    ]
    (called,) = [each["handlers"] for each in document["hooks"] if each["handlers"]]
    assert [step["handler"] for step in called] == ["good-plugin.<lambda>"]
    page = Page(Path("report.html").read_text("utf-8"))
    assert PUBLISHER in page.text
    assert "trusted publisher" in page.text
    assert "root.json" in page.text


# The page


NODES = {
    "none": known(),
    "two": known([facts("alpha"), facts("zeta", depends_on=["alpha"])]),
    "unsigned": known([facts(), unsigned("stray")]),
    "unsigned alone": known([unsigned("stray")]),
    "many": many(60),
    "findings": known(
        [facts()],
        [
            Finding("cycle", Level.OK, "there is no circle"),
            Finding("root", Level.SKIP, "not checked"),
            Finding("unsigned", Level.FAIL, "no bundle", subject="stray", hint="sign it"),
            Finding("unused", Level.WARN, "never used", place=Place("a.py", 3)),
        ],
    ),
    "all is well": known([facts()], [Finding("cycle", Level.OK, "there is no circle")]),
    "left out": known([facts(status="left out")], auto_discovery=False),
    "another root": known(trust={**known().trust, "root": "root.json", "root_taken": None}),
}


@pytest.fixture(params=NODES.values(), ids=list(NODES), scope="module")
def page(request: pytest.FixtureRequest) -> Page:
    return Page(render(request.param))


def test_links_lead_to_what_is_there_once(page: Page) -> None:
    """Every id is unique, and every reference has its target on the page."""
    ids = [attributes["id"] for _, attributes in page.tags if "id" in attributes]
    assert len(ids) == len(set(ids))
    references = [each.get("href") for each in page.every("a", "use")]
    labels = [each["aria-labelledby"] for each in page.every("section")]
    assert {f"#{each}" for each in ids} >= {*references, *(f"#{each}" for each in labels)}


def test_nothing_is_fetched_and_nothing_runs(page: Page) -> None:
    """There is no script, no attribute that could run or load something, and no inline style."""
    assert not {tag for tag, _ in page.tags} & {"script", "link", "img", "iframe", "object", "base"}
    names = {name for _, attributes in page.tags for name in attributes}
    assert not {name for name in names if name.startswith("on")} | (names & {"src", "style"})
    style = "".join(data for around, data in page.texts if around[-1:] == ("style",))
    assert "@import" not in style
    assert "url(" not in style


def test_the_policy_allows_its_own_style_and_nothing_else(page: Page) -> None:
    """The digest is that of the style sheet as it stands on the page."""
    (policy,) = [
        each["content"]
        for each in page.every("meta")
        if each.get("http-equiv") == "Content-Security-Policy"
    ]
    style = "".join(data for around, data in page.texts if around[-1:] == ("style",))
    digest = base64.b64encode(hashlib.sha256(style.encode()).digest()).decode()
    assert policy == (
        f"default-src 'none'; style-src 'sha256-{digest}'; base-uri 'none'; form-action 'none'"
    )


def test_headings_are_in_order(page: Page) -> None:
    """One of the first level, and none is skipped on the way down."""
    levels = [int(tag[1]) for tag, _ in page.tags if re.fullmatch("h[1-6]", tag)]
    assert levels.count(1) == 1
    assert levels[0] == 1
    assert all(after <= before + 1 for before, after in pairwise(levels))


def test_tables_and_pictures_say_what_they_are(page: Page) -> None:
    """Header cells have a scope, tables a caption; a picture has a title, or is decoration."""
    assert {each.get("scope") for each in page.every("th")} <= {"row", "col"}
    assert len(page.every("caption")) == len(page.every("table"))
    titled = [data for around, data in page.texts if around[-2:] == ("svg", "title")]
    told = [each for each in page.every("svg") if each.get("role") == "img"]
    unseen = [each for each in page.every("svg") if each.get("aria-hidden") == "true"]
    assert len(titled) == len(told)
    assert all(titled)
    assert len(told) + len(unseen) == len(page.every("svg"))


def test_every_plugin_is_named_everywhere_that_it_belongs() -> None:
    """Also those whose own names are not known."""
    shown = known([facts("alpha", depends_on=["zeta"]), facts("zeta"), unsigned("stray")])
    page = Page(render(shown))
    rows = [
        "".join(data for around, data in page.texts if "th" in around and data == name)
        for name in ("alpha", "zeta", "stray")
    ]
    assert rows == ["alpha" * 3, "zeta" * 2, "stray" * 2]
    assert "2 accepted, 1 refused" in page.text
    assert "plugin 'stray' is unsigned" in page.text
    assert "not known: it was not loaded" in page.text
    assert "A node would not start" in page.text


def test_every_capability_and_every_hook_is_there() -> None:
    """Whether or not a plugin has anything to do with it."""
    page = Page(render(known([facts()])))
    inside = ("table", "thead", "tr", "th", "span")
    headers = [data for around, data in page.texts if around[-5:] == inside]
    assert headers == [str(each) for each in Capability]
    assert [hook for hook in HOOK_SPECS if hook not in page.text] == []


def test_a_capability_is_marked_by_what_becomes_of_its_plugin() -> None:
    """In words, too: a colour is not enough."""
    plugins = [facts(), facts("other-plugin", status="refused", problem="no", fix=None)]
    page = Page(render(known(plugins)))
    marks = [each["class"] for each in page.every("span") if "dot" in (each.get("class") or "")]
    assert marks == ["dot", "dot hollow"] * 2  # the legend, and the matrix
    assert "declared, not accepted" in page.text


@pytest.mark.parametrize(
    ("node", "said"),
    [
        ("none", "No plugin is installed"),
        ("none", "Nothing was checked."),
        ("none", "No plugin depends on another."),
        ("findings", "To the report"),
        ("findings", "Checked without a finding: cycle."),
        ("findings", "a.py:3"),
        ("findings", "3Findings"),
        ("all is well", "Nothing to do."),
        ("left out", "Discovery is off: a node starts without plugins."),
        ("left out", "left out"),
        ("unsigned alone", "nothing to decide"),
        ("unsigned alone", "Not known, for they were not loaded: stray."),
        ("two", "1 of 22"),
        ("another root", "root.json"),
        ("none", "the one of this package"),
        ("none", "mallory@example.com"),
        ("two", "24 November 2026, 09:05 UTC"),
    ],
)
def test_it_says_what_is_the_case(node: str, said: str) -> None:
    """For each kind of node."""
    assert said in Page(render(NODES[node])).text


HOSTILE = [
    "<script>alert(1)</script>",
    "\"'><img src=x onerror=alert(1)>",
    "a\nb\tc",
    "\u202egnp.exe\u2066",
    "&amp;&#x3c;",
    "]]></style><!--",
    "\udc80\x00\x1b[31m",
]


@pytest.mark.parametrize("text", HOSTILE)
def test_foreign_text_stays_text(text: str) -> None:
    """Wherever it comes from, it is shown with what could harm made visible."""
    assert _structure(text) == PLAIN
    page = Page(render(_foreign(text)))
    assert page.text.count(printable(text)) >= 10
    assert not re.search(r"[\u202a-\u202e\u2066-\u2069\x00-\x09\x0b-\x1f]", page.text)


@settings(max_examples=25)
@given(st.text(min_size=1))
def test_no_text_changes_what_the_page_is_made_of(text: str) -> None:
    """Of all texts, not only those that somebody thought of."""
    assert _structure(text) == PLAIN


def _foreign(text: str) -> Any:
    plugin = facts(
        entry_point=text,
        distribution=text,
        distribution_version=text,
        signed_by=text,
        issuer=text,
        version=text,
        problem=text,
        fix=text,
        status="refused",
    )
    stray = unsigned(text)
    findings = [Finding(text, Level.WARN, text, subject=text, hint=text, place=Place(text))]
    needs = facts("needy", status="failed", depends_on=[text], problem=text, fix=text)
    trust = {**known().trust, "denied": [text], "services": [text], "root": text}
    return known([plugin, stray, needs], findings, trust=trust)


def _structure(text: str) -> list[str]:
    """The elements of a page, without the places where a line may end and lines of pictures."""
    page = Page(render(_foreign(text)))
    return [tag for tag, _ in page.tags if tag not in {"wbr", "tspan", "style"}]


PLAIN = _structure("plain")


# The pictures


def called(*plugins: Any, hook: str) -> list[str]:
    (found,) = [each for each in pipelines(plugins) if each.spec.name == hook]
    return [stop.plugin for stop in stops(found)]


@pytest.mark.parametrize(
    ("ordering", "expected"),
    [
        (HookOrdering.CORE_FIRST, ["core", "zeta", "alpha"]),
        (HookOrdering.PLUGINS_FIRST, ["zeta", "alpha", "core"]),
        (HookOrdering.CORE_ONLY_DEFAULT, ["core", "zeta", "alpha"]),
        (HookOrdering.PLUGIN_ONLY, ["zeta", "alpha"]),
    ],
)
def test_the_node_has_its_place_by_the_policy(ordering: HookOrdering, expected: list[str]) -> None:
    """And plugins come after those that they depend on."""
    for spec in HOOK_SPECS.values():
        if spec.ordering is ordering:
            hooks = {spec.name: lambda ctx, *_, **__: None}
            alpha = discovered("alpha", hooks=hooks, depends_on={"zeta", "absent"})
            assert called(alpha, discovered("zeta", hooks=hooks), hook=spec.name) == expected


def hook(count: int) -> list[Page]:
    """The pictures of a hook with that many plugins."""
    hooks = {"capability_check": lambda ctx, **_: None}
    plugins = [discovered(f"plugin-{number:03}", hooks=hooks) for number in range(count)]
    (found,) = [each for each in pipelines(plugins) if each.steps]
    return [Page(each) for each in chain(found)]


def test_a_picture_shows_the_call_order_and_what_comes_of_it() -> None:
    """A square for the node, a dot for each plugin, numbered; and all of it in words."""
    (picture,) = hook(2)
    assert [tag for tag, _ in picture.tags if tag in {"rect", "circle"}] == [
        "rect",
        "circle",
        "circle",
    ]
    assert [data for _, data in picture.texts] == [
        "capability_check calls 1 core; 2 plugin-000; 3 plugin-001",
        *("1", "core", "2", "plugin-000", "3", "plugin-001"),
        "Allow, or the first Deny",
    ]


def test_a_picture_says_who_waits_for_whom() -> None:
    """In words, as lines would be too many."""
    hooks = {"capability_check": lambda ctx, **_: None}
    alpha = discovered("alpha", hooks=hooks, depends_on={"zeta"})
    (found,) = [p for p in pipelines([alpha, discovered("zeta", hooks=hooks)]) if p.steps]
    (picture,) = chain(found)
    title = Page(picture).texts[0][1]
    assert title.endswith("2 zeta; 3 alpha after zeta, which it depends on")


def test_a_long_hook_has_several_pictures() -> None:
    """So that a printer can part them; the numbers go on."""
    first, second = hook(LONGEST)
    assert first.texts[-1][1] == "goes on"
    assert second.texts[0][1] == f"capability_check calls {LONGEST + 1} plugin-{LONGEST - 1:03}"
    assert second.texts[-1][1] == "Allow, or the first Deny"


def test_a_long_name_is_broken_and_not_cut() -> None:
    """It goes on in the next line."""
    name = "a-plugin-with-a-name-as-long-as-they-can-be-which-is-a-good-deal"
    plugin = discovered(name, hooks={"capability_check": lambda ctx, **_: None})
    (found,) = [each for each in pipelines([plugin]) if each.steps]
    (picture,) = chain(found)
    lines = [data for around, data in Page(picture).texts if around[-1] == "tspan"]
    assert "".join(lines[1:-1]) == name
    assert len(lines) == 5


def graphed(*plugins: dict[str, Any]) -> tuple[list[str], Markup]:
    rows = graph.nodes(plugins)
    return [row.name for row in rows], graph.graph(rows)


def test_the_graph_has_dependencies_first_and_leaves_out_the_others() -> None:
    """Ties by name, as plugins are loaded."""
    rows, _ = graphed(
        facts("lonely"),
        facts("alpha", depends_on=["zeta", "beta"]),
        facts("zeta"),
        facts("beta", depends_on=["zeta"]),
        unsigned("stray"),
    )
    assert rows == ["zeta", "beta", "alpha"]


def test_the_graph_says_in_words_what_it_draws() -> None:
    """And marks what is refused or missing by a shape and a word."""
    _, picture = graphed(
        facts("alpha", depends_on=["absent", "bad"]), facts("bad", status="refused")
    )
    page = Page(picture)
    said = [data for _, data in page.texts]
    assert said[0] == "alpha depends on absent, bad"
    assert said[1:] == ["absent", "(not installed)", "bad", "(refused)", "alpha"]
    assert [each["class"] for each in page.every("circle")] == ["absent", "barred", "plugin"]


def test_a_circle_is_drawn_too() -> None:
    """Its lines go up as well as down."""
    rows, picture = graphed(
        *(
            facts(name, depends_on=[needs], status="refused")
            for name, needs in [("alpha", "beta"), ("beta", "alpha")]
        )
    )
    assert sorted(rows) == ["alpha", "beta"]
    assert picture.count('class="edge') == 2 * 2


def test_lines_that_pass_each_other_do_not_touch() -> None:
    """Two lines are beside each other if they run past the same row."""
    plugins = [facts(f"p-{n:02}", depends_on=[f"p-{m:02}" for m in range(n)]) for n in range(12)]
    lanes = graph.lanes(graph.nodes(plugins))
    for lane in lanes:
        for other in lanes:
            if lane is not other and lane.number == other.number:
                assert lane.rows[1] <= other.rows[0] or other.rows[1] <= lane.rows[0]
    assert len({lane.number for lane in lanes}) == len(lanes)
