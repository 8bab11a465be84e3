"""The demonstration, end to end and in parts."""

import importlib
import re
import subprocess
import sys

import pytest
from click.testing import CliRunner

from stigmem_plugins import Deny, bridge
from stigmem_plugins.cli import demo, main
from stigmem_plugins.cli.demo import packages, scenes
from stigmem_plugins.cli.demo.narration import phrase
from stigmem_plugins.cli.output import Failed
from stigmem_plugins.testing.sigstore import LocalAuthority
from stigmem_plugins.trust.importer import FINDER
from tests.support import install_module

SIGNING = "STIGMEM_PLUGIN_SIGNING_REQUIRED"


@pytest.fixture(scope="module")
def told(tmp_path_factory):
    """What the demonstration prints, from a process of its own."""
    folder = tmp_path_factory.mktemp("demo")
    return subprocess.run(
        [sys.executable, "-m", "stigmem_plugins", "demo"],
        capture_output=True,
        text=True,
        cwd=folder,
        timeout=60,
        check=False,
    )


@pytest.fixture
def place(tmp_path, monkeypatch):
    """The demonstration's plugins, signed, in a plugin directory; and whom to trust."""
    authority = LocalAuthority()
    wheels = [package.build(tmp_path) for package in packages.PACKAGES]
    for wheel in wheels:
        authority.sign_wheel(wheel, identity=demo.PUBLISHER)
    packages.install(wheels, tmp_path / "plugins")
    root = authority.write_trusted_root(tmp_path / "root.json")
    monkeypatch.setenv("STIGMEM_PLUGIN_DIR", str(tmp_path / "plugins"))
    monkeypatch.setenv("STIGMEM_PLUGIN_TRUSTED_ROOT", str(root))
    monkeypatch.setenv("STIGMEM_PLUGIN_TRUSTED_PUBLISHERS", demo.TRUSTED)
    monkeypatch.setenv(SIGNING, "true")
    monkeypatch.chdir(tmp_path)
    yield tmp_path
    bridge.uninstall()
    bridge.install_fallback()


def test_it_ends_well_and_is_readable(told):
    """Exit code 0, no traceback, nothing on stderr, no line over 80 columns."""
    assert told.returncode == 0, told.stderr
    assert told.stderr == ""
    assert "Traceback" not in told.stdout
    assert max(map(len, told.stdout.splitlines())) <= 80


@pytest.mark.parametrize(
    "shown",
    [
        "by a throwaway Sigstore authority, made for this demo",
        "it does not start, PluginSignatureError",
        "is refused: it is signed by an untrusted identity:",
        "imported of them: nothing registered: nothing",
        "example-audit-plugin verified trusted_publisher",
        "example-stigmem-plugin verified trusted_publisher",
        "checksum mismatch: example_stigmem_plugin.py is not the file that was signed",
        "1. example-stigmem-plugin 1.0.0 needs - 2. example-audit-plugin 1.0.0",
        "1. example-stigmem-plugin Allow => result Allow",
        "not stored: source is blocked by example-stigmem-plugin",
        "given 3 facts: fact-1, fact-2, fact-3 1. example-audit-plugin 2 facts: fact-1, fact-2",
        "1. example-audit-plugin fact-2 +0.25 2. core.001.confidence fact-1 +0.90, fact-2 +0.80",
        "=> result fact-2 +1.05, fact-1 +0.90",
        "1. core.001.peers Allow 2. example-audit-plugin Deny: a local fact must not leave",
        "2. example-audit-plugin (not asked)",
        "example.plugin.post_assert agent:blocked Failure",
        "cannot call get_facts_reader: capability 'facts.read' not declared",
        "each other in a circle: alpha -> gamma -> beta -> alpha",
        "The temporary folder is removed",
    ],
)
def test_it_shows_what_was_asked_said_and_decided(told, shown):
    """Allow, deny, filtered list, merged scores, refused capability and cycle are all there."""
    assert shown in re.sub(r"\s+", " ", told.stdout)


def test_it_leaves_nothing_behind(tmp_path, monkeypatch):
    """The temporary folder is gone when the command ends."""
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    assert CliRunner().invoke(main, ["demo"]).exit_code == 0
    assert list(tmp_path.iterdir()) == []


def test_without_pip_it_says_so(monkeypatch):
    """A Python without pip ends the demonstration with exit code 3 and the way out."""
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    result = CliRunner().invoke(main, ["demo"])
    assert result.exit_code == 3
    assert result.stderr.splitlines() == [
        "error: the demo installs its plugins with pip, which this Python does not have",
        f"hint: run: {sys.executable} -m ensurepip",
    ]


def test_what_pip_reports_is_passed_on(tmp_path):
    """If pip fails, its last line is the error."""
    with pytest.raises(Failed, match=r"pip could not install .*missing"):
        packages.install([tmp_path / "missing-1-py3-none-any.whl"], tmp_path / "site")


def test_a_part_that_fails_fails_the_command(monkeypatch):
    """A node that has nothing to refuse is no success."""
    monkeypatch.setattr(demo, "install", lambda wheels, place: None)
    result = CliRunner().invoke(main, ["demo"])
    assert result.exit_code == 1
    assert result.stderr == "error: the demo's part 'stranger' failed with exit code 1\n"


def test_what_is_not_refused_ends_a_part():
    """A part does not go on when the node did what it must refuse."""
    with pytest.raises(SystemExit, match="did what it must refuse"):
        scenes._refusal(lambda: None)


def test_the_parts_run_in_this_process_too(place, monkeypatch, capsys):
    """Nothing is imported before its publisher is trusted, nor after one byte was changed."""
    with monkeypatch.context() as patch:
        patch.delenv("STIGMEM_PLUGIN_TRUSTED_PUBLISHERS")
        scenes.stranger(place)
    assert "untrusted identity" in capsys.readouterr().out
    assert not {"example_stigmem_plugin", "example_audit_plugin"} & sys.modules.keys()
    scenes.production(place)
    assert "1.  example-stigmem-plugin 1.0.0  needs -" in capsys.readouterr().out
    assert {"example_stigmem_plugin", "example_audit_plugin"} <= sys.modules.keys()
    for package in packages.PACKAGES:
        FINDER._forget(FINDER._owners[package.module])
    scenes.tampered(place)
    assert "checksum mismatch" in capsys.readouterr().out
    assert not {"example_stigmem_plugin", "example_audit_plugin"} & sys.modules.keys()
    monkeypatch.setenv(SIGNING, "false")
    monkeypatch.setattr(sys, "argv", ["-m", "faults", str(place)])
    monkeypatch.delitem(sys.modules, "stigmem_plugins.cli.demo.__main__", raising=False)
    importlib.import_module("stigmem_plugins.cli.demo.__main__")
    assert "alpha -> gamma -> beta -> alpha" in capsys.readouterr().out


def test_other_plugins_of_the_machine_stay_out_of_it(place, monkeypatch, capsys):
    """An unsigned one in the environment does not keep the demonstration's node from starting."""
    install_module(
        place / "site", "bystander", "raise SystemExit('imported')", plugins={"x": "bystander:x"}
    )
    monkeypatch.syspath_prepend(place / "site")
    scenes.production(place)
    assert "bystander" not in capsys.readouterr().out


def test_no_scores_are_said_as_such():
    """An answer without content is still an answer."""
    assert phrase({}) == "(no scores)"
    assert phrase(Deny("no")) == "Deny: no"
