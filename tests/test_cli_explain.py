"""The command `explain`."""

from __future__ import annotations

import json
import os
import sys
import threading
from pathlib import Path
from textwrap import dedent
from typing import Any

import pytest
from click.testing import CliRunner

from stigmem_plugins import bridge, get_registry
from stigmem_plugins.cli import main
from tests.support import install_module

PLUGIN = """\
import asyncio, os, time
from fractions import Fraction
from stigmem_plugins import *

print("loading {name}")
{body}

def plugin_manifest():
    return PluginManifest("{name}", "{version}", hooks=dict({hooks}), depends_on={needs}{more})
"""
ALLOWS = "def vote(ctx, **_): return Allow()"
DENIES = """
    def vote(ctx, *, source=None, **_):
        return Deny("over quota: 3 of 3") if source == "agent:a" else Allow()
    """


@pytest.fixture
def install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    """Installs plugins, each after the one before, where signing is not required."""
    for name in [each for each in os.environ if each.startswith("STIGMEM_")]:
        monkeypatch.delenv(name)
    site = tmp_path / "site"
    site.mkdir()
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(site)
    monkeypatch.setenv("STIGMEM_PLUGIN_SIGNING_REQUIRED", "false")
    installed: list[str] = []

    def install(
        name: str, body: str, hooks: str, *, version: str = "1.0.0", more: str = ""
    ) -> None:
        module = f"cte_{name.replace('-', '_')}"
        needs = set(installed[-1:]) or "()"
        facts = {"name": name, "version": version, "hooks": hooks, "needs": needs, "more": more}
        text = PLUGIN.format(body=dedent(body), **facts)
        install_module(site, module, text, plugins={name: f"{module}:plugin_manifest"})
        installed.append(name)

    yield install
    for name in installed:
        sys.modules.pop(f"cte_{name.replace('-', '_')}", None)
    bridge.uninstall()
    bridge.install_fallback()


def run(*arguments: str, **options: Any) -> Any:
    return CliRunner().invoke(main, ["explain", *arguments], **options)


def explained(*arguments: str, **options: Any) -> Any:
    """The JSON object."""
    result = run(*arguments, "--json", **options)
    assert result.exit_code == 0, result.output
    return json.loads(result.stdout)


def outcomes(facts: Any) -> dict[str, str]:
    return {each["handler"]: each["outcome"] for each in facts["handlers"]}


def without_times(text: str) -> list[str]:
    """The lines, with a time that is the same on every machine."""
    words = [line.split(" ms ") for line in text.splitlines()]
    return [f"{w[0][:16].rstrip()} … {w[1].strip()}" if len(w) > 1 else w[0] for w in words]


# Votes


def voters(install: Any) -> None:
    install("zeta-acl", ALLOWS, "pre_assert_authorize=vote")
    install("quota-guard", DENIES, "pre_assert_authorize=vote", version="2.1.0")
    install("alpha-geo", ALLOWS, "pre_assert_authorize=vote")


def test_a_denial_is_shown_with_who_decided_and_who_was_not_asked(install: Any) -> None:
    """In call order, dependencies first; what plugins print is no result."""
    voters(install)
    result = run("pre_assert_authorize", "--input", '{"source": "agent:a", "identity": 1}')
    assert result.exit_code == 0
    assert without_times(result.stdout) == [
        "pre_assert_authorize: denied by quota-guard.vote",
        "",
        "  1  allow … zeta-acl.vote of zeta-acl 1.0.0, unsigned",
        "  2  deny … quota-guard.vote of quota-guard 2.1.0, unsigned",
        "                             over quota: 3 of 3",
        "  3  not asked               alpha-geo.vote of alpha-geo 1.0.0, unsigned",
        "                             an earlier one had decided",
        "",
        "  given        source, identity",
        "  not given    req, tenant, request_id",
        "  unspecified  source",
        "  result       Deny: over quota: 3 of 3",
    ]
    assert result.stderr.splitlines() == [
        "loading alpha-geo",
        "loading quota-guard",
        "loading zeta-acl",
    ]


def test_the_same_for_programs(install: Any) -> None:
    """With every fact about a handler's plugin and its time."""
    voters(install)
    facts = explained("pre_assert_authorize", "--input", '{"source": "agent:a"}')
    assert outcomes(facts) == {
        "zeta-acl.vote": "allow",
        "quota-guard.vote": "deny",
        "alpha-geo.vote": "not asked",
    }
    asked, denied, unasked = facts.pop("handlers")
    assert facts == {
        "schema_version": 1,
        "hook": "pre_assert_authorize",
        "semantic": "voting",
        "given": ["source"],
        "not_given": ["req", "identity", "tenant", "request_id"],
        "unspecified": ["source"],
        "decided_by": ["quota-guard.vote"],
        "result": {"decision": "deny", "reason": "over quota: 3 of 3"},
        "error": None,
        "auto_discovery": True,
    }
    assert asked["milliseconds"] >= 0
    assert unasked["milliseconds"] is None
    assert {**denied, "milliseconds": None} == {
        "handler": "quota-guard.vote",
        "plugin": "quota-guard",
        "version": "2.1.0",
        "signed_by": "unsigned",
        "outcome": "deny",
        "text": "over quota: 3 of 3",
        "milliseconds": None,
        "changes": [],
        "more_changes": 0,
        "deltas": {},
    }


def test_votes_that_nobody_denies(install: Any) -> None:
    """Everybody was asked."""
    voters(install)
    result = run("pre_assert_authorize")
    assert result.stdout.startswith("pre_assert_authorize: allowed by all\n")
    assert "given      no keywords" in result.stdout
    assert result.stdout.endswith("result     Allow\n")
    facts = explained("pre_assert_authorize")
    assert facts["result"] == {"decision": "allow"}
    assert facts["decided_by"] == []


def test_a_rejection_is_a_denial(install: Any) -> None:
    """As the fire says, so says explain."""
    body = "def vote(ctx, **_): raise RejectError('not today')"
    install("rejects", body, "capability_check=vote")
    (step,) = explained("capability_check")["handlers"]
    assert (step["outcome"], step["text"]) == ("deny", "not today")


@pytest.mark.parametrize(
    ("body", "says"),
    [
        ("def vote(ctx, **_): raise LookupError('no ledger')", "LookupError: no ledger"),
        ("def vote(ctx, **_): raise SystemExit(3)", "SystemExit: 3"),
        ("def vote(ctx, **_): return None", "expected Allow or Deny, got NoneType"),
        ("def vote(ctx, *, identity): return Allow()", "missing 1 required keyword-only"),
        ("def vote(ctx, *, who, **_): return who.name", "'str' object has no attribute 'name'"),
    ],
)
def test_a_failure_is_a_result_too(install: Any, body: str, says: str) -> None:
    """It decides, as it would in a node, and the error is the one that a host gets."""
    install("first", ALLOWS, "capability_check=vote")
    install("fails", body, "capability_check=vote")
    install("third", ALLOWS, "capability_check=vote")
    given = ["capability_check", "--input", '{"who": "ada"}']
    text = " ".join(run(*given).stdout.split())
    assert "capability_check: failed at fails.vote" in text
    assert "error handler 'fails.vote' failed for hook 'capability_check'" in text
    facts = explained(*given)
    assert list(outcomes(facts).values()) == ["allow", "failed", "not asked"]
    assert says in facts["handlers"][1]["text"]
    assert says in facts["error"]
    assert facts["result"] is None
    assert facts["decided_by"] == ["fails.vote"]


@pytest.mark.parametrize("error", ["GeneratorExit", "asyncio.CancelledError"])
def test_what_only_a_host_may_raise_ends_the_fire_and_not_the_command(
    install: Any, error: str
) -> None:
    """A node's request would end with it; no traceback."""
    install("odd", f"def vote(ctx, **_): raise {error}", "capability_check=vote")
    facts = explained("capability_check")
    assert outcomes(facts) == {"odd.vote": "failed"}
    assert facts["error"] == error.rpartition(".")[2]


def test_who_interrupts_it_is_obeyed(install: Any) -> None:
    """Control-C in a handler that takes long."""
    install("slow", "def vote(ctx, **_): raise KeyboardInterrupt", "capability_check=vote")
    result = run("capability_check")
    assert result.exit_code == 1
    assert "Aborted!" in result.stderr


# Deadlines and event loops


def test_a_handler_that_overruns_its_deadline_is_given_up(install: Any) -> None:
    """With the time that was waited."""
    body = """
    @handler_timeout(0.05)
    def vote(ctx, **_):
        time.sleep(5)
    """
    install("slow", body, "capability_check=vote")
    (step,) = explained("capability_check")["handlers"]
    assert step["outcome"] == "failed"
    assert step["text"] == "HandlerTimeoutError: timed out after 0.05 seconds"
    assert step["milliseconds"] >= 50


def test_coroutine_functions_are_awaited(install: Any) -> None:
    """And so is what a function returns beside them; the time includes the waiting."""
    body = """
    async def vote(ctx, **_):
        await asyncio.sleep(0.02)
        return Allow()
    """
    install("waits", body, "capability_check=vote")
    install(
        "passes",
        f"{dedent(body)}\ndef vote_too(ctx, **_): return vote(ctx)",
        "capability_check=vote_too",
    )
    facts = explained("capability_check")
    assert outcomes(facts) == {"waits.vote": "allow", "passes.vote_too": "allow"}
    assert all(each["milliseconds"] >= 20 for each in facts["handlers"])


def test_a_coroutine_that_overruns_its_deadline_is_cancelled(install: Any) -> None:
    """Where the loop does it, it is seen as well."""
    body = """
    @handler_timeout(0.05)
    async def vote(ctx, **_):
        await asyncio.sleep(60)
    """
    install("waits", body, "capability_check=vote")
    (step,) = explained("capability_check")["handlers"]
    assert "timed out after 0.05 seconds" in step["text"]


def test_a_coroutine_that_nobody_awaits_is_a_failure(install: Any) -> None:
    """As in a host that does not await."""
    body = """
    async def later(): return Allow()
    def vote(ctx, **_): return later()
    """
    install("forgets", body, "capability_check=vote")
    (step,) = explained("capability_check")["handlers"]
    assert "is asynchronous, and this fire is not" in step["text"]


# Values that are passed on


def test_each_change_of_the_value_is_shown(install: Any) -> None:
    """Before and after, also of a value that is changed in place."""
    install(
        "limits",
        "def cap(ctx, value, **_): value['limit'] = 50; return value",
        "pre_recall_rewrite=cap",
    )
    install(
        "scopes",
        "def narrow(ctx, value, **_): return {**value, 'scope': 'team'}",
        "pre_recall_rewrite=narrow",
    )
    install("looks", "def look(ctx, value, **_): return dict(value)", "pre_recall_rewrite=look")
    value = '{"limit": 500, "entity": "ada"}'
    assert without_times(run("pre_recall_rewrite", "--value", value).stdout) == [
        "pre_recall_rewrite: changed by limits.cap, scopes.narrow",
        "",
        "  1  changed … limits.cap of limits 1.0.0, unsigned",
        "                             limit: 500 -> 50",
        "  2  changed … scopes.narrow of scopes 1.0.0, unsigned",
        '                             + scope: "team"',
        "  3  unchanged … looks.look of looks 1.0.0, unsigned",
        "",
        "  given      no keywords",
        "  not given  identity, tenant, request_id",
        '  result     {"limit": 50, "entity": "ada", "scope": "team"}',
    ]
    facts = explained("pre_recall_rewrite", "--value", value)
    assert [each["changes"] for each in facts["handlers"]] == [
        [{"at": "limit", "before": 500, "after": 50}],
        [{"at": "scope", "after": "team"}],
        [],
    ]
    assert facts["result"] == {"limit": 50, "entity": "ada", "scope": "team"}


def test_facts_that_are_taken_out_and_masked(install: Any) -> None:
    """Facts are told apart by their id; JSON stays what it is."""
    body = """
    def hide(ctx, value, identity):
        return [{**f, "source": "*"} for f in value if f["owner"] == identity]
    """
    install("hides", body, "recall_filter=hide")
    found = [{"id": f"f{n}", "owner": o, "source": "s"} for n, o in enumerate("aba")]
    facts = explained("recall_filter", "--value", json.dumps(found), "--input", '{"identity": "a"}')
    assert facts["handlers"][0]["changes"] == [
        {"at": "[0].source", "before": "s", "after": "*"},
        {"at": "[1]", "before": found[1]},
        {"at": "[2].source", "before": "s", "after": "*"},
    ]


def test_a_value_that_nobody_changes(install: Any) -> None:
    """Also where no plugin has a handler."""
    nobody = run("recall_filter", "--value", "[]")
    assert nobody.stdout.startswith("recall_filter: no installed plugin has a handler\n\n")
    install("looks", "def look(ctx, value, **_): return value", "recall_filter=look")
    assert "recall_filter: changed by nobody" in run("recall_filter", "--value", "[]").stdout


def test_many_changes_are_bounded(install: Any) -> None:
    """Enough to see what happens; programs get more."""
    install("empties", "def empty(ctx, value, **_): return []", "recall_filter=empty")
    value = json.dumps([{"id": n, "text": "x" * 1000} for n in range(150)])
    lines = run("recall_filter", "--value", value).stdout.splitlines()
    assert sum("- [" in line for line in lines) == 8
    assert any(line.endswith("and 142 more") for line in lines)
    assert max(map(len, lines)) <= 80
    (step,) = explained("recall_filter", "--value", value)["handlers"]
    assert (len(step["changes"]), step["more_changes"]) == (100, 50)


def test_migrations_are_shown_by_their_fields(install: Any) -> None:
    """A value that JSON has no form for."""
    body = """
    def add(ctx, value, **_):
        return [*value, Migration("migrates", 1, "SELECT 1", "a test")]
    """
    install("migrates", body, "migration_register=add")
    facts = explained("migration_register", "--value", "[]")
    assert facts["result"][0]["sql"] == "SELECT 1"


# Scores, and what is only told


def test_score_changes_and_their_sum(install: Any) -> None:
    """By id, whatever kind of number they are."""
    install(
        "likes",
        "def rank(ctx, value, **_): return {f['id']: Fraction(1, 4) for f in value}",
        "recall_rank=rank",
    )
    install("dislikes", "def rank(ctx, value, **_): return {'f1': -1.5}", "recall_rank=rank")
    value = '[{"id": "f1"}, {"id": "f2"}]'
    lines = without_times(run("recall_rank", "--value", value).stdout)
    assert lines[0] == "recall_rank: scored by likes.rank, dislikes.rank"
    assert [line.strip() for line in lines[3:5]] == ["f1: +0.25", "f2: +0.25"]
    assert lines[6].strip() == "f1: -1.5"
    assert lines[-1] == '  result     {"f1": -1.25, "f2": 0.25}'
    facts = explained("recall_rank", "--value", value)
    assert [each["deltas"] for each in facts["handlers"]] == [
        {"f1": 0.25, "f2": 0.25},
        {"f1": -1.5},
    ]
    assert facts["result"] == {"f1": -1.25, "f2": 0.25}


def test_scores_that_nobody_changes(install: Any) -> None:
    """Whoever was asked had nothing to add."""
    install("idle", "def rank(ctx, value, **_): return {}", "recall_rank=rank")
    assert run("recall_rank", "--value", "[]").stdout.startswith("recall_rank: scored by nobody\n")


def test_all_are_told_even_where_one_fails(install: Any) -> None:
    """On a hook that only logs it there is no error; on a strict one there is."""
    body = """
    def told(ctx, **_): raise ValueError("boom")
    def heard(ctx, **_): print("heard")
    """
    install("breaks", body, "post_assert_propagate=told, post_recall_audit=told")
    install("hears", body, "post_assert_propagate=heard, post_recall_audit=heard")
    told = run("post_assert_propagate")
    text = " ".join(told.stdout.split())
    assert "post_assert_propagate: told to all, and failed at breaks.told, which is logged" in text
    assert "result" not in text
    assert told.stderr.splitlines()[-1] == "heard"
    facts = explained("post_assert_propagate")
    assert outcomes(facts) == {"breaks.told": "failed", "hears.heard": "told"}
    assert facts["error"] is None
    strict = explained("post_recall_audit")
    assert outcomes(strict) == {"breaks.told": "failed", "hears.heard": "told"}
    assert "ValueError: boom" in strict["error"]


def test_everybody_was_told(install: Any) -> None:
    """Nothing more to say."""
    install("hears", "def heard(ctx, **_): pass", "post_assert_propagate=heard")
    assert run("post_assert_propagate").stdout.startswith("post_assert_propagate: told to all\n")


def test_audit_handlers_hear_what_is_given_and_nothing_else(install: Any) -> None:
    """The start and the fire write no audit events of their own."""
    body = """
    def heard(ctx, *, event): print("heard", event)
    def vote(ctx, **_): return Deny("no")
    """
    install("keeps", body, "audit_emit=heard, capability_check=vote")
    assert "heard" not in run("capability_check").stderr
    result = run("audit_emit", "--input", '{"event": {"event_type": "mine"}}')
    assert result.stderr.splitlines() == ["heard {'event_type': 'mine'}"]


# Secrets


def test_configured_secrets_are_masked_wherever_they_go(
    install: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """In errors as the audit trail masks them, in values, and where another plugin passes it on."""
    body = """
    from attrs import field, frozen
    @frozen
    class Config:
        token: str = field(repr=False)
    def leak(ctx, value, **_): return {**value, "auth": ["Bearer " + ctx.config.token]}
    def vote(ctx, *, how):
        if how == "deny": return Deny("not with " + ctx.config.token)
        raise ValueError("refused: " + ctx.config.token)
    """
    hooks = "pre_recall_rewrite=leak, capability_check=vote"
    install("leaks", body, hooks, more=", config_schema=Config")
    body = "def copy(ctx, value, **_): return {**value, 'copy': value['auth'][0]}"
    install("copies", body, "pre_recall_rewrite=copy")
    monkeypatch.setenv("STIGMEM_PLUGIN_LEAKS_TOKEN", "hunter22")
    for arguments in (
        ["pre_recall_rewrite", "--value", "{}"],
        ["capability_check", "--input", '{"how": "deny"}'],
        ["capability_check", "--input", '{"how": "raise"}'],
    ):
        for form in ([], ["--json"]):
            result = run(*arguments, *form)
            assert result.exit_code == 0
            assert "hunter22" not in result.output
            assert "***" in result.stdout


# The start


def test_a_process_registry_is_there_for_handlers_and_gone_afterwards(install: Any) -> None:
    """As in a node, whose other hooks a handler may fire; its workers end with it."""
    body = """
    @handler_timeout(5)
    def vote(ctx, **_):
        other = get_registry().fire_voting("pre_recall_authorize")
        return Deny(f"{sorted(get_registry().registered_plugins())}, and {other}")
    def deny(ctx, **_): return Deny("no")
    """
    install("asks", body, "capability_check=vote, pre_recall_authorize=deny")
    before = get_registry()
    (step,) = explained("capability_check")["handlers"]
    assert step["text"] == "['asks'], and Deny(reason='no')"
    assert get_registry() is before
    assert before.registered_plugins() == frozenset()
    for worker in threading.enumerate():
        if worker.name == "stigmem-plugin asks":
            worker.join(5)
            assert not worker.is_alive()


def test_auto_discovery_that_is_off_leaves_nobody_to_ask(
    install: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """And is said."""
    install("first", ALLOWS, "capability_check=vote")
    monkeypatch.setenv("STIGMEM_PLUGIN_AUTO_DISCOVERY_ENABLED", "false")
    result = run("capability_check")
    assert "no installed plugin has a handler" in result.stdout
    assert "STIGMEM_PLUGIN_AUTO_DISCOVERY_ENABLED is off" in result.stdout
    assert explained("capability_check")["auto_discovery"] is False


# What it is given


def test_a_payload_comes_from_a_file_from_stdin_or_is_written_out(
    install: Any, tmp_path: Path
) -> None:
    """A pipe that somebody writes to, as shells make for `<(…)`, is waited for."""
    install("first", ALLOWS, "capability_check=vote")
    (tmp_path / "payload.json").write_text('{"identity": 1}')
    os.mkfifo(tmp_path / "pipe")
    reading = os.open(tmp_path / "pipe", os.O_RDONLY | os.O_NONBLOCK)
    writing = os.open(tmp_path / "pipe", os.O_WRONLY)
    os.close(reading)

    def write() -> None:
        with os.fdopen(writing, "wb") as file:
            file.write(b'{"identity": 1}')

    for given, stdin in (
        ("payload.json", None),
        ("-", '{"identity": 1}'),
        ('{"identity": 1}', None),
    ):
        assert explained("capability_check", "--input", given, input=stdin)["given"] == ["identity"]
    writer = threading.Timer(0.05, write)
    writer.start()
    assert explained("capability_check", "--input", "pipe")["given"] == ["identity"]
    writer.join()


def test_a_value_can_be_any_json(install: Any, tmp_path: Path) -> None:
    """In a file, or on stdin."""
    install("looks", "def look(ctx, value, **_): return value", "recall_filter=look")
    for text in ("3", '"text"', "true", "[1.5, null]"):
        (tmp_path / "value.json").write_text(text)
        assert explained("recall_filter", "--value", "value.json")["result"] == json.loads(text)
        assert explained("recall_filter", "--value", "-", input=text)["result"] == json.loads(text)


def test_a_keyword_that_no_specification_has_is_pointed_out(install: Any) -> None:
    """Payloads are open, and a misspelled keyword is given to handlers as it is."""
    result = run("capability_check", "--input", '{"identiy": "ada"}')
    assert "unspecified  identiy (did you mean 'identity'?)" in result.stdout


def test_names_are_never_cut_and_foreign_text_cannot_steer_a_terminal(install: Any) -> None:
    """At 80 columns."""
    name = "a-plugin-" + "with-a-long-name-" * 3 + "x"
    install(name, "def vote(ctx, **_): return Deny('a\\x1b[31mb')", "capability_check=vote")
    result = run("capability_check")
    assert max(map(len, result.stdout.splitlines())) <= 80
    assert f"{name}.vote" in "".join(result.stdout.split())
    assert "\x1b" not in result.stdout
    assert "a\\x1b[31mb" in result.stdout
