"""The command `order`."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from stigmem_plugins import bridge
from stigmem_plugins.cli import main
from tests.support import install_module

PLUGIN = """
    from stigmem_plugins import Allow, PluginManifest

    print("a plugin that prints")

    def vote(ctx, *, identity, **_):
        return Allow()

    def heard(ctx, *, event):
        print("an audit handler was told")

    def plugin_manifest():
        return PluginManifest(
            "{name}", "1.0.0", depends_on={needs},
            hooks={{"capability_check": vote, "audit_emit": heard, "{extra}": vote}},
        )
"""


@pytest.fixture(autouse=True)
def _plugins(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    """Two plugins are installed, of which the one that comes first by name depends on the other."""
    site = tmp_path / "site"
    for module, name, needs, extra in [
        ("order_alpha", "alpha", {"zeta"}, "pre_assert_authorize"),
        ("order_zeta", "zeta", "()", "pre_recall_authorize"),
    ]:
        source = PLUGIN.format(name=name, needs=needs, extra=extra)
        install_module(site, module, source, plugins={module: f"{module}:plugin_manifest"})
    monkeypatch.syspath_prepend(site)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("STIGMEM_PLUGIN_SIGNING_REQUIRED", "false")
    monkeypatch.setenv("COLUMNS", "80")
    yield
    for module in ("order_alpha", "order_zeta"):
        sys.modules.pop(module, None)
    bridge.uninstall()
    bridge.install_fallback()


def run(*arguments: str) -> Any:
    return CliRunner().invoke(main, ["order", *arguments])


def test_handlers_are_listed_in_call_order_with_what_the_hook_does() -> None:
    """Dependencies first; what plugins print does not come between."""
    result = run("capability_check")
    assert result.exit_code == 0
    assert [line.split() for line in result.stdout.splitlines()] == [
        ["capability_check,", "voting,", "core_first"],
        ["1", "zeta.vote"],
        ["2", "alpha.vote"],
    ]
    assert "a plugin that prints" in result.stderr


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
        "handlers": [
            {"handler": "zeta.vote", "plugin": "zeta"},
            {"handler": "alpha.vote", "plugin": "alpha"},
        ],
        "plan": None,
    }
    planned = json.loads(run("capability_check", "--json", "--plan").stdout)
    assert planned["plan"] in run("capability_check", "--plan").stdout


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
    assert result.exit_code == 1
    assert "did you mean 'recall_rank'" in result.stderr
    assert "a plugin that prints" not in result.stderr


def test_what_a_start_refuses_has_no_order(monkeypatch: pytest.MonkeyPatch) -> None:
    """The error is that of the start."""
    monkeypatch.setenv("STIGMEM_PLUGIN_SIGNING_REQUIRED", "true")
    result = run("capability_check")
    assert result.exit_code == 1
    assert "production plugin registration requires" in result.stderr
    assert "a plugin that prints" not in result.stderr
