"""The commands `list` and `describe`."""

import importlib
import json
import subprocess
import sys
from textwrap import dedent

import pytest
from click.testing import CliRunner

from stigmem_plugins import bridge
from stigmem_plugins.cli import main
from stigmem_plugins.cli.output import make_console, printable

SIGNING = "STIGMEM_PLUGIN_SIGNING_REQUIRED"
GOOD = """
    import sys
    from attrs import field, frozen
    from stigmem_node.plugins import PluginHealth, PluginManifest

    print("a plugin that prints")

    @frozen
    class Config:
        region: str = "north"
        token: str = field(default="hunter2", repr=False)

    def plugin_manifest():
        return PluginManifest(
            name="good-plugin",
            version="2.0.0",
            capabilities={"facts.read", "audit.emit"},
            hooks={"audit_emit": lambda ctx, **_: None, "recall_rank": lambda ctx, v, **_: {}},
            depends_on={"base-plugin"},
            health_check=lambda ctx: PluginHealth("degraded", "slow in " + ctx.config.region),
            config_schema=Config,
        )
"""
PLAIN = """
    from stigmem_node.plugins import PluginManifest

    def plugin_manifest():
        return PluginManifest("plain-plugin", "1.0.0")
"""
FACTS = {
    "entry_point",
    "entry_point_value",
    "distribution",
    "distribution_version",
    "signed_by",
    "status",
    "problem",
    "fix",
    "name",
    "version",
    "requires_stigmem",
    "capabilities",
    "hooks",
    "depends_on",
}


@pytest.fixture
def install(tmp_path, monkeypatch):
    """Lays out a distribution with one plugin module where this process finds it."""
    for name in (SIGNING, "COLUMNS", "FORCE_COLOR"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(tmp_path)
    modules = []

    def install(module, source, *, distribution=None, entry_point=None):
        name = distribution or f"{module}-dist"
        (tmp_path / f"{module}.py").write_text(dedent(source), "utf-8")
        info = tmp_path / f"{name.replace('-', '_')}-1.2.3.dist-info"
        info.mkdir(exist_ok=True)
        (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.2.3\n")
        points = info / "entry_points.txt"
        head = points.read_text() if points.exists() else "[stigmem.plugins]\n"
        points.write_text(f"{head}{entry_point or module} = {module}:plugin_manifest\n")
        modules.append(module)

    yield install
    for module in modules:
        sys.modules.pop(module, None)
    bridge.uninstall()
    bridge.install_fallback()


@pytest.fixture
def signing_off(monkeypatch, install):
    """Signing is not required; set after `install` has cleared the setting."""
    monkeypatch.setenv(SIGNING, "false")


def run(*arguments):
    return CliRunner().invoke(main, arguments)


def test_nothing_installed_is_said_with_what_to_do(install):
    """An empty group is no error, and the reader learns how to go on."""
    result = run("list")
    assert result.exit_code == 0
    assert "No plugin is installed" in result.stdout
    assert "pip" in result.stdout
    assert json.loads(run("list", "--json").stdout) == {"schema_version": 1, "plugins": []}


def test_list_imports_nothing_while_signing_is_required(install):
    """By default a plugin is listed from its metadata, as one that a node would refuse."""
    install("ctl_default", "raise SystemExit('imported')")
    result = run("list")
    assert result.exit_code == 0
    assert "ctl_default-dist 1.2.3" in result.stdout
    assert "unsigned" in result.stdout
    assert "production plugin registration requires" in " ".join(result.stdout.split())
    assert "1 installed, 1 refused" in result.stdout
    assert f"{SIGNING}=false" in result.stdout
    assert "ctl_default" not in sys.modules


def test_list_as_json_while_signing_is_required(install):
    """The facts that only a loaded plugin can tell are null."""
    install("ctl_json", "raise SystemExit('imported')")
    document = json.loads(run("list", "--json").stdout)
    assert document["schema_version"] == 1
    (plugin,) = document["plugins"]
    assert set(plugin) == FACTS
    assert plugin["status"] == "refused"
    assert plugin["signed_by"] == "unsigned"
    assert plugin["distribution"] == "ctl_json-dist"
    assert [plugin[key] for key in ("name", "version", "capabilities", "hooks")] == [None] * 4


@pytest.mark.usefixtures("signing_off")
def test_list_shows_a_broken_plugin_beside_a_good_one(install):
    """With signing off each is loaded by itself, and its failure is its own."""
    install("ctl_broken", "def plugin_manifest():\n    raise ValueError('no\\x1b[31m config')")
    install("ctl_good", GOOD)
    result = run("list")
    assert result.exit_code == 0
    assert "2 installed, 1 loaded, 1 failed" in result.stdout
    assert "good-plugin" in result.stdout
    assert "audit.emit, facts.read" in result.stdout
    assert "audit_emit, recall_rank" in result.stdout
    assert "base-plugin" in result.stdout
    assert "ValueError: no\\x1b[31m config" in " ".join(result.stdout.split())
    assert "correct or uninstall ctl_broken-dist" in result.stdout


@pytest.mark.usefixtures("signing_off")
def test_json_is_the_only_thing_on_stdout(install):
    """What plugins print while they load goes to stderr."""
    install("ctl_prints", GOOD)
    result = run("list", "--json")
    (plugin,) = json.loads(result.stdout)["plugins"]
    assert (plugin["status"], plugin["name"], plugin["version"]) == (
        "loaded",
        "good-plugin",
        "2.0.0",
    )
    assert plugin["capabilities"] == ["audit.emit", "facts.read"]
    assert plugin["depends_on"] == ["base-plugin"]
    assert "a plugin that prints" in result.stderr


def test_no_name_is_cut_off_at_80_columns(install):
    """A name that does not fit is continued on the next line."""
    long = "a_plugin_" + "with_a_very_long_name_" * 5
    install(f"{long}_module", "", distribution=f"{long}_dist", entry_point=f"{long}_entry")
    lines = run("list").stdout.splitlines()
    joined = "".join(line.strip() for line in lines)
    assert max(map(len, lines)) <= 80
    assert all(f"{long}{part}" in joined for part in ("_module", "_dist", "_entry"))
    assert "…" not in joined


@pytest.mark.usefixtures("signing_off")
@pytest.mark.parametrize("name", ["good-plugin", "ctl_named", "ctl-named", "Ctl_named-dist"])
def test_describe_finds_a_plugin_by_any_of_its_names(install, name):
    """Its own, its entry point's and its distribution's name all lead to it."""
    install("ctl_named", GOOD)
    result = run("describe", name)
    assert result.exit_code == 0, result.output
    assert "ctl_named = ctl_named:plugin_manifest (loaded)" in result.stdout


@pytest.mark.usefixtures("signing_off")
def test_describe_shows_health_and_masks_secrets(install):
    """Health comes from the plugin's check, configuration without its secrets."""
    install("ctl_full", GOOD)
    result = run("describe", "good-plugin")
    assert "status: degraded, message: slow in north" in result.stdout
    assert "region: north, token: ***" in result.stdout
    document = json.loads(run("describe", "good-plugin", "--json").stdout)
    assert document["schema_version"] == 1
    assert set(document["plugin"]) == FACTS | {"health", "config"}
    assert document["plugin"]["config"] == {"region": "north", "token": "***"}
    assert document["plugin"]["health"] == {
        "status": "degraded",
        "message": "slow in north",
        "error": None,
    }
    assert "hunter2" not in result.output


@pytest.mark.usefixtures("signing_off")
def test_describe_shows_a_misconfiguration(install, tmp_path):
    """A plugin that would not start for its settings says so, and still can be described."""
    (tmp_path / "pyproject.toml").write_text("[tool.stigmem.plugins.good-plugin]\nreg = 1\n")
    install("ctl_config", GOOD)
    result = run("describe", "good-plugin")
    assert result.exit_code == 0
    assert "unknown key 'reg' (did you mean 'region'?)" in " ".join(result.stdout.split())


def test_describe_while_signing_is_required(install):
    """Then only metadata is shown, with the refusal and what to do."""
    install("ctl_refused", "raise SystemExit('imported')")
    result = run("describe", "ctl_refused-dist")
    assert result.exit_code == 0
    assert "(refused)" in result.stdout
    assert "to do" in result.stdout


def test_unknown_name_is_one_line_with_the_nearest(install):
    """A misspelt name ends with exit code 2 and a suggestion."""
    install("ctl_spelling", "")
    result = run("describe", "ctl-speling")
    assert (result.exit_code, result.stdout) == (2, "")
    assert result.stderr == (
        "error: no plugin 'ctl-speling' is installed (did you mean 'ctl-spelling'?)\n"
    )
    assert "`stigmem-plugins list` shows what is" in run("describe", "zzz").stderr


@pytest.mark.usefixtures("signing_off")
def test_a_name_of_several_plugins_is_refused_unless_one_has_it_alone(install):
    """An ambiguous name lists the entry points; one of these names a single plugin."""
    install("ctl_one", PLAIN, distribution="ctl-both")
    install("ctl_two", PLAIN, distribution="ctl-both")
    result = run("describe", "plain-plugin")
    assert result.exit_code == 2
    assert "ctl_one of ctl-both, ctl_two of ctl-both" in result.stderr
    assert run("describe", "ctl_two").exit_code == 0


def test_a_malformed_setting_is_two_lines_and_no_traceback(install, monkeypatch):
    """Errors of the layer end a command with exit code 1, `error:` and `hint:`."""
    monkeypatch.setenv(SIGNING, "perhaps")
    result = run("list")
    assert (result.exit_code, result.stdout) == (1, "")
    error, hint = result.stderr.splitlines()
    assert error.startswith(f"error: setting {SIGNING} must be one of")
    assert hint == f"hint: correct {SIGNING}, or unset it"


def test_output_that_is_no_terminal_is_80_columns_without_colour(install, monkeypatch):
    """Pipes get a fixed width whatever the terminal around them; terminals keep theirs."""
    monkeypatch.setenv("COLUMNS", "200")
    assert make_console().width == 80
    monkeypatch.setattr("sys.stdout.isatty", lambda: True, raising=False)
    assert make_console().width == 200


def test_control_characters_and_unknown_letters_are_escaped():
    """A plugin's metadata cannot steer the terminal, nor stop an ASCII one."""
    assert printable("a\x1b]0;b\r") == "a\\x1b]0;b\\r"
    assert printable("naïve…", "ascii") == "na\\xefve\\u2026"


def test_the_module_runs_the_command(monkeypatch, capsys):
    """`python -m stigmem_plugins` is the same command under its own name."""
    monkeypatch.setattr(sys, "argv", ["-m", "--help"])
    with pytest.raises(SystemExit) as ended:
        importlib.import_module("stigmem_plugins.__main__")
    assert ended.value.code == 0
    assert "Usage: stigmem-plugins" in capsys.readouterr().out


def test_list_in_a_process_of_its_own(tmp_path):
    """From a shell the command works as installed."""
    result = subprocess.run(
        [sys.executable, "-m", "stigmem_plugins", "list", "--json"],
        capture_output=True,
        text=True,
        cwd=tmp_path,
        check=True,
    )
    assert json.loads(result.stdout)["schema_version"] == 1
