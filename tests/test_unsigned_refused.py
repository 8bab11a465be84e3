"""An unsigned plugin does not run, and one broken plugin stops a start without leaving traces."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from tests.support import install_module, python

SETTING = "STIGMEM_PLUGIN_SIGNING_REQUIRED"

START = """
import json
from stigmem_plugins import StigmemPluginError, register_discovered_plugins
from stigmem_plugins.testing import TestPluginRegistry

registry = TestPluginRegistry()
try:
    register_discovered_plugins(registry=registry)
except StigmemPluginError as error:
    kind, message = type(error).__name__, str(error)
else:
    kind, message = None, None
print(json.dumps({
    "error": kind,
    "message": message,
    "registered": registry.plugin_registration_order(),
    "audit": [
        {
            "type": event.event_type,
            "plugin": event.metadata["plugin_name"],
            "reason": event.metadata.get("reason"),
            "trust": event.metadata["signing"].get("trust_decision"),
        }
        for event in registry.audit_events
    ],
}))
"""

GOOD = """
from stigmem_node.plugins import PluginManifest

def plugin_manifest():
    return PluginManifest(name="{name}", version="1.0.0")
"""


@pytest.fixture(autouse=True)
def _default_settings(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(SETTING, raising=False)


def start(site: Path, **settings: str) -> tuple[dict[str, Any], str]:
    """Start the plugins installed in `site` in a process of its own; returns report and log."""
    done = python(START, path=site, **settings)
    assert done.returncode == 0, done.stderr
    report: dict[str, Any] = json.loads(done.stdout)
    return report, done.stderr


def install_writer(site: Path, trace: Path) -> None:
    """Install a plugin that writes a file when its module is imported."""
    source = f"open({str(trace)!r}, 'w').close()\n" + GOOD.format(name="trace-writer")
    install_module(site, "trace_writer", source, plugins={"writer": "trace_writer:plugin_manifest"})


def test_an_unsigned_plugin_is_refused_before_it_is_imported(tmp_path: Path):
    """With the setting unset its module never runs, and the refusal is one audit event."""
    trace = tmp_path / "imported"
    install_writer(tmp_path / "site", trace)

    report, _ = start(tmp_path / "site")

    assert not trace.exists()
    assert report["error"] == "PluginSignatureError"
    assert "plugin 'writer' is unsigned" in report["message"]
    assert "production plugin registration requires" in report["message"]
    assert report["registered"] == []
    assert report["audit"] == [
        {
            "type": "plugin.registration_failed",
            "plugin": "writer",
            "reason": "signature",
            "trust": None,
        }
    ]


def test_an_unsigned_plugin_loads_where_signing_is_off(tmp_path: Path):
    """With `false` its module runs; the log warns with the literal setting, the audit says why."""
    trace = tmp_path / "imported"
    install_writer(tmp_path / "site", trace)

    report, log = start(tmp_path / "site", **{SETTING: "false"})

    assert trace.exists()
    assert report["error"] is None
    assert report["registered"] == ["trace-writer"]
    assert f"{SETTING}=false" in log
    assert "'trace-writer'" in log
    assert report["audit"] == [
        {
            "type": "plugin.registered",
            "plugin": "trace-writer",
            "reason": None,
            "trust": "development_unsigned_override",
        }
    ]


def test_all_unsigned_plugins_are_named_at_once(tmp_path: Path):
    """Three unsigned plugins: one error that names the three, and an audit event for each."""
    for name in ("alpha", "beta", "gamma"):
        source = GOOD.format(name=f"{name}-plugin")
        install_module(tmp_path, name, source, plugins={name: f"{name}:plugin_manifest"})

    report, _ = start(tmp_path)

    assert report["error"] == "PluginSignatureError"
    assert all(f"plugin {name!r} is unsigned" in report["message"] for name in ("alpha", "beta"))
    assert [event["plugin"] for event in report["audit"]] == ["alpha", "beta", "gamma"]


def test_broken_entry_points_are_named_at_once_and_nothing_is_registered(tmp_path: Path):
    """Each broken entry point beside the good one is named with its error and audited."""
    good = GOOD.format(name="good-plugin")
    install_module(tmp_path, "good", good, plugins={"good": "good:plugin_manifest"})
    install_module(
        tmp_path,
        "broken",
        """
        import stigmem_node.plugins

        a_value = 42

        def raises():
            raise LookupError("no such ledger")

        def exits():
            raise SystemExit("leaving")

        def returns_text():
            return "a manifest"

        def returns_none():
            return None

        def invalid():
            return stigmem_node.plugins.PluginManifest(name="X", version="one")
        """,
        plugins={
            "absent-attribute": "broken:nothing",
            "absent-module": "no_such_module:plugin_manifest",
            "exits": "broken:exits",
            "invalid": "broken:invalid",
            "not-callable": "broken:a_value",
            "raises": "broken:raises",
            "returns-none": "broken:returns_none",
            "returns-text": "broken:returns_text",
        },
    )

    report, _ = start(tmp_path, **{SETTING: "false"})

    assert report["error"] == "PluginDiscoveryError"
    for fault in (
        "failed to load plugin absent-attribute (broken:nothing): AttributeError",
        "failed to load plugin absent-module (no_such_module:plugin_manifest): ModuleNotFoundError",
        "failed to load plugin exits (broken:exits): SystemExit: leaving",
        "failed to load plugin invalid (broken:invalid): ManifestError",
        "plugin not-callable (broken:a_value): expected a callable, got int",
        "failed to load plugin raises (broken:raises): LookupError: no such ledger",
        "plugin returns-none (broken:returns_none): expected PluginManifest",
        "plugin returns-text (broken:returns_text): expected PluginManifest, got builtins.str",
    ):
        assert fault in report["message"]
    assert "good" not in report["message"]
    assert report["registered"] == []
    assert [(event["plugin"], event["reason"]) for event in report["audit"]] == [
        (name, "manifest_invalid")
        for name in (
            "absent-attribute",
            "absent-module",
            "exits",
            "invalid",
            "not-callable",
            "raises",
            "returns-none",
            "returns-text",
        )
    ]


def test_a_module_that_fails_to_import_is_named_with_its_error(tmp_path: Path):
    """A syntax error and a raise at import are the plugins' faults, not the start's."""
    install_module(tmp_path, "garbled", "def (", plugins={"garbled": "garbled:plugin_manifest"})
    install_module(tmp_path, "sulky", "1 / 0", plugins={"sulky": "sulky:plugin_manifest"})

    report, _ = start(tmp_path, **{SETTING: "false"})

    assert report["error"] == "PluginDiscoveryError"
    assert "garbled (garbled:plugin_manifest): SyntaxError" in report["message"]
    assert "sulky (sulky:plugin_manifest): ZeroDivisionError" in report["message"]


def test_two_plugins_of_one_name_are_refused_with_both_entry_points(tmp_path: Path):
    """The error names the plugin and both entry points; the good one beside is not registered."""
    for module in ("first", "second"):
        source = GOOD.format(name="same-name")
        install_module(tmp_path, module, source, plugins={module: f"{module}:plugin_manifest"})
    good = GOOD.format(name="good-plugin")
    install_module(tmp_path, "good", good, plugins={"good": "good:plugin_manifest"})

    report, _ = start(tmp_path, **{SETTING: "false"})

    assert report["error"] == "PluginDiscoveryError"
    assert (
        "duplicate plugin name 'same-name' of entry points first (first) and second (second)"
        in report["message"]
    )
    assert report["registered"] == []
    assert [event["reason"] for event in report["audit"]] == ["duplicate"]


def test_duplicates_are_reported_together_with_broken_entry_points(tmp_path: Path):
    """One error has both kinds of fault, so that one correction suffices."""
    for module in ("first", "second"):
        source = GOOD.format(name="same-name")
        install_module(tmp_path, module, source, plugins={module: f"{module}:plugin_manifest"})
    install_module(tmp_path, "sulky", "1 / 0", plugins={"sulky": "sulky:plugin_manifest"})

    report, _ = start(tmp_path, **{SETTING: "false"})

    assert "duplicate plugin name 'same-name'" in report["message"]
    assert "sulky (sulky:plugin_manifest): ZeroDivisionError" in report["message"]
    assert sorted(event["reason"] for event in report["audit"]) == ["duplicate", "manifest_invalid"]


def test_good_plugins_alone_start(tmp_path: Path):
    """The good plugin of these tests registers where nothing broken is beside it."""
    good = GOOD.format(name="good-plugin")
    install_module(tmp_path, "good", good, plugins={"good": "good:plugin_manifest"})

    report, _ = start(tmp_path, **{SETTING: "false"})

    assert report["error"] is None
    assert report["registered"] == ["good-plugin"]
