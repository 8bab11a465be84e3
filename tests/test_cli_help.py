"""What every command has: an example, help, JSON, completion; and how it is mounted."""

from __future__ import annotations

import json
from collections.abc import Iterator
from importlib.metadata import version
from typing import Any

import click
import pytest
from click.shell_completion import ShellComplete, get_completion_class
from click.testing import CliRunner

from stigmem_hookspecs import HOOK_SPECS
from stigmem_plugins.cli import main
from stigmem_plugins.cli.output import make_console
from tests.support import install_module, python

VARIABLE = "_STIGMEM_PLUGINS_COMPLETE"
WITHOUT_JSON = {"demo", "run"}
"""A command that tells a story instead of a result, and one whose output is another program's."""


def walk(group: click.Group, *path: str) -> Iterator[tuple[str, click.Command]]:
    """Every command that does something, by what a user types after `stigmem-plugins`."""
    for name, command in group.commands.items():
        if isinstance(command, click.Group):
            yield from walk(command, *path, name)
        else:
            yield " ".join((*path, name)), command


COMMANDS = dict(walk(main))
every_command = pytest.mark.parametrize("name", COMMANDS)


def run(*arguments: str, **options: Any) -> Any:
    return CliRunner().invoke(main, arguments, prog_name="stigmem-plugins", **options)


@every_command
def test_help_has_an_example_and_fits_80_columns(name: str) -> None:
    """The example starts with the command as it is typed; no line of it is wrapped or cut."""
    result = run(*name.split(), "--help", env={"COLUMNS": "80"})
    lines = result.stdout.splitlines()
    assert result.exit_code == 0
    assert any(line.startswith(f"      stigmem-plugins {name}") for line in lines)
    assert max(map(len, lines)) <= 80
    assert "\b" not in result.stdout


@every_command
def test_the_short_option_is_the_same_help(name: str) -> None:
    """`-h`, which fingers type."""
    assert run(*name.split(), "-h").stdout == run(*name.split(), "--help").stdout


@every_command
def test_every_command_has_json(name: str) -> None:
    """Results are for programs, too."""
    options = [option for each in COMMANDS[name].params for option in each.opts]
    assert ("--json" in options) is (name not in WITHOUT_JSON)


@every_command
def test_every_option_is_explained(name: str) -> None:
    """In the help text, with the default where one is not plain."""
    options = [each for each in COMMANDS[name].params if isinstance(each, click.Option)]
    assert [option.name for option in options if not option.help] == []


def test_the_group_says_how_to_complete_and_what_exit_codes_mean() -> None:
    """All that holds for every command."""
    for option in ("-h", "--help"):
        text = " ".join(run(option).stdout.split())
        assert "_STIGMEM_PLUGINS_COMPLETE=bash_source stigmem-plugins" in text
        assert "1 if something was found or refused, 2 for wrong usage, 3 if" in text


def test_commands_are_listed_whole() -> None:
    """The line of each says what it is for."""
    listed = run("--help").stdout.partition("Commands:")[2]
    assert "..." not in listed
    assert sorted(main.commands) == [line.split()[0] for line in listed.strip().splitlines()]


def test_the_version_is_the_distributions() -> None:
    """Under the name to look for on the index, wherever the group is mounted."""
    expected = f"stigmem-plugins {version('stigmem-plugins')}\n"
    assert run("--version").stdout == expected
    assert CliRunner().invoke(mounted(), ["plugins", "--version"]).stdout == expected


# Mounted in a node's own command line


def mounted() -> click.Group:
    """A node's own group with ours in it."""
    node = click.Group("stigmem")
    node.add_command(main, "plugins")
    return node


def test_a_node_can_mount_the_group(tmp_path: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """As `stigmem plugins`: results, errors and exit codes are the same."""
    monkeypatch.chdir(tmp_path)
    node = mounted()
    listed = CliRunner().invoke(node, ["plugins", "list", "--json"])
    assert json.loads(listed.stdout)["schema_version"] == 1
    helped = CliRunner().invoke(node, ["plugins", "trust", "show", "-h"], prog_name="stigmem")
    assert "Usage: stigmem plugins trust show" in helped.stdout
    for wrong in (["--verbose"], ["lst"], ["list", "--jsn"], ["describe"]):
        result = CliRunner().invoke(node, ["plugins", *wrong], prog_name="stigmem")
        error, hint = result.stderr.splitlines()
        assert (result.exit_code, result.stdout) == (2, "")
        assert error.startswith("error: ")
        assert hint.startswith("hint: see `stigmem plugins")


def test_no_arguments_are_a_question_for_help() -> None:
    """Of the whole group, and of one in it."""
    for arguments in ([], ["trust"]):
        result = run(*arguments)
        assert result.exit_code == 2
        assert "Usage: stigmem-plugins" in result.stderr
        assert "error:" not in result.stderr


# Shells


def completed(*words: str) -> dict[str, str | None]:
    """What a shell offers for the last word, with what it says about it."""
    shell = ShellComplete(main, {}, "stigmem-plugins", VARIABLE)
    *before, last = words
    return {each.value: each.help or each.type for each in shell.get_completions(before, last)}


@pytest.mark.parametrize("command", ["order", "explain"])
def test_shells_complete_hooks(command: str) -> None:
    """With what each of them is."""
    assert completed(command, "recall_") == {
        "recall_filter": "filter_chain",
        "recall_rank": "score_delta",
    }
    assert list(completed(command, "")) == list(HOOK_SPECS)


def test_shells_complete_the_checks_of_doctor() -> None:
    """With what they look for."""
    assert set(completed("doctor", "un")) >= {"unsigned", "untrusted"}
    assert all(completed("doctor", "").values())


def test_shells_complete_plugins_without_importing_them(
    tmp_path: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """By entry point or distribution; `verify` takes files, too."""
    source = "raise SystemExit('imported')"
    install_module(tmp_path / "site", "cth_one", source, plugins={"cth-plugin": "cth_one:make"})
    monkeypatch.syspath_prepend(tmp_path / "site")
    plugins = {"cth-one": "distribution", "cth-plugin": "plugin"}
    assert completed("describe", "cth") == plugins
    assert completed("diff", "one", "cth") == {**plugins, "cth": "file"}
    assert completed("verify", "cth") == {**plugins, "cth": "file"}
    assert completed("describe", "cth-p") == {"cth-plugin": "plugin"}


def test_completion_says_nothing_where_the_command_would_fail(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """An error would end up among the user's words."""
    monkeypatch.setenv("STIGMEM_PLUGIN_SIGNING_REQUIRED", "perhaps")
    assert completed("describe", "x") == {}


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_what_the_shell_is_to_evaluate_is_a_script_for_it(shell: str) -> None:
    """As the help text says."""
    cls = get_completion_class(shell)
    assert cls is not None
    script = cls(main, {}, "stigmem-plugins", VARIABLE).source()
    assert f"_STIGMEM_PLUGINS_COMPLETE={shell}_complete" in script


# Terminals, and what a start costs


def test_no_colour_where_none_is_wanted(monkeypatch: pytest.MonkeyPatch) -> None:
    """NO_COLOR wins over a terminal that has colours."""
    monkeypatch.setenv("TERM", "xterm-256color")
    monkeypatch.setattr("sys.stdout.isatty", lambda: True, raising=False)
    monkeypatch.delenv("NO_COLOR", raising=False)
    monkeypatch.setenv("FORCE_COLOR", "1")
    assert make_console().color_system is not None
    assert make_console().no_color is False
    monkeypatch.setenv("NO_COLOR", "1")
    assert make_console().no_color is True


@pytest.mark.parametrize("arguments", [["--help"], ["list"], ["explain", "-h"]])
def test_nothing_slow_is_imported_for_what_is_quick(arguments: list[str], tmp_path: Any) -> None:
    """Above all not sigstore where nothing is signed."""
    code = f"""
        import os, sys
        os.chdir({str(tmp_path)!r})
        from stigmem_plugins.cli import main
        try:
            main({arguments!r})
        except SystemExit:
            slow = "sigstore", "cryptography", "tuf", "asyncio", "pydantic"
            print([name for name in slow if name in sys.modules], file=sys.stderr)
    """
    done = python(code)
    assert done.stderr == "[]\n"
    assert done.stdout
