"""The commands `list` and `describe`."""

import importlib
import json
import os
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
BASE = """
    from stigmem_node.plugins import PluginManifest

    def plugin_manifest():
        return PluginManifest("base-plugin", "1.0.0", requires_stigmem=">=0.9.0a1")
"""
FACTS = {
    "entry_point",
    "entry_point_value",
    "distribution",
    "distribution_version",
    "signed_by",
    "issuer",
    "trust_decision",
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
    assert json.loads(run("list", "--json").stdout) == {
        "schema_version": 1,
        "auto_discovery": True,
        "plugins": [],
    }


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
    install("ctl_base", BASE)
    result = run("list")
    assert result.exit_code == 0
    assert "3 installed, 2 accepted, 1 failed" in result.stdout
    assert "good-plugin" in result.stdout
    assert "audit.emit, facts.read" in result.stdout
    assert "audit_emit, recall_rank" in result.stdout
    assert "base-plugin" in result.stdout
    assert "ValueError: no\\x1b[31m config" in " ".join(result.stdout.split())
    assert "correct or uninstall ctl_broken-dist" in result.stdout


def test_json_is_the_only_thing_on_stdout(install, tmp_path):
    """What plugins print while they load goes to stderr."""
    install("ctl_prints", GOOD)
    install("ctl_base", BASE)
    result = subprocess.run(
        [sys.executable, "-m", "stigmem_plugins", "list", "--json"],
        capture_output=True,
        text=True,
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(tmp_path), SIGNING: "false"},
        check=True,
    )
    _, plugin = json.loads(result.stdout)["plugins"]
    assert (plugin["status"], plugin["name"], plugin["version"]) == (
        "accepted",
        "good-plugin",
        "2.0.0",
    )
    assert plugin["capabilities"] == ["audit.emit", "facts.read"]
    assert plugin["depends_on"] == ["base-plugin"]
    assert result.stderr == "a plugin that prints\n"


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
    install("ctl_base", BASE)
    result = run("describe", name)
    assert result.exit_code == 0, result.output
    assert "ctl_named = ctl_named:plugin_manifest (accepted)" in result.stdout


@pytest.mark.usefixtures("signing_off")
def test_describe_shows_health_and_masks_secrets(install):
    """Health comes from the plugin's check, configuration without its secrets."""
    install("ctl_full", GOOD)
    install("ctl_base", BASE)
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


LIMITED = """
    from attrs import frozen
    from stigmem_node.plugins import PluginManifest

    @frozen
    class Config:
        limit: int = 1

    def plugin_manifest():
        return PluginManifest("odd-plugin", "1.0.0", config_schema=Config)
"""
NOT_STARTED = {
    "malformed configuration": (
        LIMITED,
        "limit = 'many'",
        "limit must be of type int",
        "set STIGMEM_PLUGIN_ODD_PLUGIN_<KEY>",
    ),
    "unknown key": (
        LIMITED,
        "limt = 2",
        "unknown key 'limt' (did you mean 'limit'?)",
        "set STIGMEM_PLUGIN_ODD_PLUGIN_<KEY>",
    ),
    "missing dependency": (
        """
            from stigmem_node.plugins import PluginManifest

            def plugin_manifest():
                return PluginManifest("odd-plugin", "1.0.0", depends_on={"absent-plugin"})
        """,
        "",
        "odd-plugin missing absent-plugin",
        "install what is missing",
    ),
    "another node version": (
        """
            from stigmem_node.plugins import PluginManifest

            def plugin_manifest():
                return PluginManifest("odd-plugin", "1.0.0", requires_stigmem=">=99")
        """,
        "",
        "requires stigmem >=99, and this node is",
        "install a version of the plugin made for this node",
    ),
}


@pytest.fixture(params=NOT_STARTED.values(), ids=list(NOT_STARTED))
def not_started(request, install, signing_off, tmp_path):
    """Installs a plugin that a node's start refuses, and a good one that depends on it."""
    source, setting, problem, fix = request.param
    table = f"[tool.stigmem.plugins.odd-plugin]\n{setting}\n"
    (tmp_path / "pyproject.toml").write_text(table, "utf-8")
    install("ctl_odd", source)
    install("ctl_plain", PLAIN.replace('"1.0.0"', '"1.0.0", depends_on={"odd-plugin"}'))
    return problem, fix


def test_what_a_start_would_refuse_is_refused(not_started):
    """Its problem and what to do are shown; the plugin that depends on it is not blamed."""
    problem, fix = not_started
    result = run("list")
    text = " ".join(result.stdout.split())
    assert (result.exit_code, result.stderr) == (0, "")
    assert "ctl_odd = ctl_odd:plugin_manifest (refused)" in text
    assert "ctl_plain = ctl_plain:plugin_manifest (accepted)" in text
    assert "2 installed, 1 accepted, 1 refused A node would not start" in text
    assert problem in text
    assert f"to do {fix}" in " ".join(text.split())
    odd, plain = json.loads(run("list", "--json").stdout)["plugins"]
    assert [odd["status"], plain["status"]] == ["refused", "accepted"]
    assert [plain["problem"], plain["fix"], plain["depends_on"]] == [None, None, ["odd-plugin"]]
    assert problem in odd["problem"]
    assert odd["fix"].startswith(fix)
    assert odd["name"] == "odd-plugin"


def test_describe_gives_the_same_verdict(not_started):
    """A refused plugin is described with its problem, and neither configured nor asked."""
    problem, fix = not_started
    result = run("describe", "odd-plugin")
    text = " ".join(result.stdout.split())
    assert result.exit_code == 0
    assert "(refused)" in text
    assert problem in text
    assert fix in text
    plugin = json.loads(run("describe", "odd-plugin", "--json").stdout)["plugin"]
    assert [plugin["status"], plugin["config"], plugin["health"]] == ["refused", None, None]
    assert problem in plugin["problem"]
    assert plugin["fix"].startswith(fix)


@pytest.mark.usefixtures("signing_off")
def test_plugins_that_a_node_would_start_with(install):
    """Where nothing is refused, the listing says that a node would start."""
    install("ctl_base", BASE)
    text = " ".join(run("list").stdout.split())
    assert "1 installed, 1 accepted A node would start." in text
    assert "requires stigmem >=0.9.0a1" in text


@pytest.mark.usefixtures("signing_off")
def test_a_malformed_pyproject_refuses_those_that_are_configured(install, tmp_path):
    """The file is named, and the listing does not end for it."""
    (tmp_path / "pyproject.toml").write_text("[tool", "utf-8")
    install("ctl_config", GOOD)
    install("ctl_base", BASE)
    base, good = json.loads(run("list", "--json").stdout)["plugins"]
    assert [base["status"], good["status"]] == ["accepted", "refused"]
    assert "pyproject.toml" in good["problem"]


@pytest.mark.usefixtures("signing_off")
def test_each_circle_and_each_duplicate_is_refused(install):
    """A circle is shown at the plugin that a start blames, a shared name at each that has it."""
    needs = {"alpha": "beta", "beta": "alpha", "yota": "zeta", "zeta": "yota"}
    for name, needed in needs.items():
        source = PLAIN.replace('"1.0.0"', f'"1.0.0", depends_on={{"{needed}"}}')
        install(f"ctl_{name}", source.replace("plain-plugin", name))
    install("ctl_twin_a", PLAIN)
    install("ctl_twin_b", PLAIN)
    plugins = {p["entry_point"]: p for p in json.loads(run("list", "--json").stdout)["plugins"]}
    refused = {name: p["problem"] for name, p in plugins.items() if p["status"] == "refused"}
    assert list(refused) == ["ctl_alpha", "ctl_twin_a", "ctl_twin_b", "ctl_yota"]
    assert "alpha -> beta -> alpha" in refused["ctl_alpha"]
    assert "yota -> zeta -> yota" in refused["ctl_yota"]
    assert "duplicate plugin name 'plain-plugin'" in refused["ctl_twin_a"]
    assert refused["ctl_twin_a"] == refused["ctl_twin_b"]


@pytest.mark.usefixtures("signing_off")
def test_a_plugin_that_the_node_does_without_is_left_out(install, monkeypatch):
    """It is neither accepted nor a reason not to start."""
    monkeypatch.setattr("stigmem_plugins.startup.installed_node_version", lambda: "0.9.0a12")
    install("ctl_acl", PLAIN.replace("plain-plugin", "stigmem-plugin-memory-garden-acl"))
    text = " ".join(run("list").stdout.split())
    assert "(left out)" in text
    assert "1 installed, 1 left out A node would start." in text


@pytest.mark.usefixtures("signing_off")
def test_a_config_validate_handler_has_its_say_and_no_audit_handler_hears(install, tmp_path):
    """Validators judge as at a start; audit handlers would keep events of what never started."""
    install(
        "ctl_judge",
        f"""
        from pathlib import Path
        from stigmem_node.plugins import Allow, Deny, PluginManifest

        def judge(ctx, *, plugin, **_):
            return Deny("not that one") if plugin.name == "plain-plugin" else Allow()

        def keep(ctx, *, event, **_):
            Path({str(tmp_path / "heard")!r}).touch()

        def plugin_manifest():
            hooks = {{"config_validate": judge, "audit_emit": keep}}
            return PluginManifest("a-judge", "1.0.0", hooks=hooks)
        """,
    )
    install("ctl_plain", PLAIN)
    judge, plain = json.loads(run("list", "--json").stdout)["plugins"]
    assert [judge["status"], plain["status"]] == ["accepted", "refused"]
    assert "not that one" in plain["problem"]
    assert not (tmp_path / "heard").exists()


@pytest.mark.usefixtures("signing_off")
def test_an_unusable_audit_handler_is_refused(install):
    """That it is not called makes its signature no less checked."""
    hooks = 'hooks={"audit_emit": lambda: None}'
    install("ctl_plain", PLAIN.replace('"1.0.0"', f'"1.0.0", {hooks}'))
    (plugin,) = json.loads(run("list", "--json").stdout)["plugins"]
    assert plugin["status"] == "refused"
    assert "audit_emit" in plugin["problem"]


@pytest.mark.usefixtures("signing_off")
def test_what_registers_while_it_loads_fails_as_at_a_start(install):
    """Registries take nothing from a plugin that is being imported."""
    source = "from stigmem_plugins import PluginManifest, get_registry\n"
    install(
        "ctl_pushes", f"{source}get_registry().register_plugin(PluginManifest('pushy', '1.0.0'))"
    )
    (plugin,) = json.loads(run("list", "--json").stdout)["plugins"]
    assert plugin["status"] == "failed"
    assert "sealed" in plugin["problem"]


@pytest.mark.parametrize("signing", ["true", "false"])
def test_auto_discovery_that_is_off_is_said(install, monkeypatch, signing):
    """Then a node starts without what is listed."""
    monkeypatch.setenv(SIGNING, signing)
    monkeypatch.setenv("STIGMEM_PLUGIN_AUTO_DISCOVERY_ENABLED", "off")
    install("ctl_off", PLAIN)
    line = "STIGMEM_PLUGIN_AUTO_DISCOVERY_ENABLED is off: a node starts without plugins."
    for command in (["list"], ["describe", "ctl_off"]):
        result = run(*command)
        assert line in result.stdout.splitlines()
        assert "A node would" not in result.stdout
        assert json.loads(run(*command, "--json").stdout)["auto_discovery"] is False


def test_help_cuts_nothing_off():
    """Each command's line is whole."""
    result = run("--help")
    assert "demo      Show two signed plugins at work in a small node.\n" in result.stdout
    assert "..." not in result.stdout.partition("Commands:")[2]


def test_describe_while_signing_is_required(install):
    """Then only metadata is shown, with the refusal and what to do."""
    install("ctl_refused", "raise SystemExit('imported')")
    result = run("describe", "ctl_refused-dist")
    assert result.exit_code == 0
    assert "(refused)" in result.stdout
    assert "to do" in result.stdout


def test_unknown_name_is_an_error_with_the_nearest(install):
    """A misspelt name ends with exit code 2 and a suggestion."""
    install("ctl_spelling", "")
    result = run("describe", "ctl-speling")
    assert (result.exit_code, result.stdout) == (2, "")
    assert result.stderr == (
        "error: no plugin 'ctl-speling' is installed (did you mean 'ctl-spelling'?)\n"
        "hint: `stigmem-plugins list` shows what is\n"
    )
    assert "did you mean" not in run("describe", "zzz").stderr


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
    """What cannot be read ends a command with exit code 3, `error:` and `hint:`."""
    monkeypatch.setenv(SIGNING, "perhaps")
    result = run("list")
    assert (result.exit_code, result.stdout) == (3, "")
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
