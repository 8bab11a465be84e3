"""Every command with input that is broken: one `error:` line, a hint, and the right exit code.

To hold a new command to it, add rows: what is typed after `stigmem-plugins`, where words in
braces are the broken things that `Place` makes, the exit code, and a part of the error.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

import pytest
from click.testing import CliRunner

from stigmem_plugins import bridge
from stigmem_plugins.cli import main
from tests.support import install_module

FOUND, USAGE, UNREAD, CLOSED_PIPE = 1, 2, 3, 141

VOTE = "explain capability_check"
CHAIN = "explain recall_filter"
SIGN = "sign --identity-token x"
REFRESH = "trust refresh --output {absent} --tuf-url http://127.0.0.1:9"

WRONG: Final[list[tuple[str, int, str]]] = [
    # The command line itself
    ("lst", USAGE, "No such command 'lst'"),
    ("--jsn", USAGE, "No such option"),
    ("list surplus", USAGE, "unexpected extra argument"),
    ("list --jsn", USAGE, "No such option"),
    ("describe", USAGE, "Missing argument 'NAME'"),
    ("describe one two", USAGE, "unexpected extra argument"),
    ("order --plan", USAGE, "name the HOOK whose plan you want"),
    ("order --dot --mermaid", USAGE, "choose one of --dot, --mermaid"),
    ("check", USAGE, "name a folder with a pyproject.toml, or a wheel"),
    ("check . --json --format sarif", USAGE, "--json and --format sarif exclude each other"),
    ("check . --format yaml", USAGE, "'yaml' is not one of"),
    ("diff", USAGE, "Missing argument 'OLD'"),
    ("diff one", USAGE, "Missing argument 'NEW'"),
    ("doctor --jsn", USAGE, "No such option"),
    ("explain", USAGE, "Missing argument 'HOOK'"),
    (f"{VOTE} --input", USAGE, "Option '--input' requires an argument"),
    ("new", USAGE, "Missing argument 'NAME'"),
    ("new one two", USAGE, "unexpected extra argument"),
    ("report", USAGE, "Missing option '-o'"),
    ("report -o", USAGE, "Option '-o' requires an argument"),
    ("report -o - --json", USAGE, "cannot both be on standard output"),
    ("run", USAGE, "Missing argument 'PROGRAM'"),
    ("sign", USAGE, "Missing argument 'WHEEL...'"),
    ("verify", USAGE, "name wheels or plugins, or say --all"),
    ("verify --all x.whl", USAGE, "name wheels or plugins, or say --all"),
    ("trust shw", USAGE, "No such command 'shw'"),
    ("trust show surplus", USAGE, "unexpected extra argument"),
    ("trust refresh --output", USAGE, "Option '--output' requires an argument"),
    ("trust refresh", USAGE, "say where to write it"),
    ("demo surplus", USAGE, "unexpected extra argument"),
    # Names that nothing has
    ("describe absent-plugin", USAGE, "no plugin 'absent-plugin' is installed"),
    ("describe absent-plugin --load", USAGE, "no plugin 'absent-plugin' is installed"),
    ("verify absent-plugin", USAGE, "no plugin 'absent-plugin' is installed"),
    ("diff absent-plugin absent-plugin", USAGE, "no plugin 'absent-plugin' is installed"),
    ("doctor unsignd", USAGE, "did you mean 'unsigned'?"),
    ("new Bad_Name", USAGE, "'Bad_Name' cannot be a plugin's name"),
    ("new ../elsewhere", USAGE, "'../elsewhere' cannot be a plugin's name"),
    ("new new-plugin --hook recal_rank", USAGE, "(did you mean 'recall_rank'?)"),
    ("new new-plugin --capability audit.emt", USAGE, "(did you mean 'audit.emit'?)"),
    ("run absent-program", USAGE, "there is no program 'absent-program'"),
    ("run {absent}", USAGE, "there is no program '{absent}'"),
    ("run -m absent_module", USAGE, "there is no module 'absent_module'"),
    ("order recal_rank", USAGE, "unknown hook 'recal_rank' (did you mean 'recall_rank'?)"),
    ("order x --plan --json", USAGE, "unknown hook 'x'"),
    ("order migration_register --plan", FOUND, "is fired by a loop"),
    ("explain recal_rank", USAGE, "unknown hook 'recal_rank' (did you mean 'recall_rank'?)"),
    # Files with a payload or a value
    (f"{VOTE} --input {{absent}}", USAGE, "absent cannot be read: No such file"),
    (f"{VOTE} --input {{folder}}", USAGE, "folder cannot be read: Is a directory"),
    (f"{VOTE} --input {{pipe}}", USAGE, "pipe is no JSON: it is empty"),
    (f"{VOTE} --input {{empty}}", USAGE, "empty is no JSON: it is empty"),
    (f"{VOTE} --input {{endless}}", USAGE, "has more than 33554432 bytes"),
    (f"{VOTE} --input {{nonsense}}", USAGE, "nonsense is no JSON: "),
    (f"{VOTE} --input {{binary}}", USAGE, "binary is no JSON: 'utf-8' codec"),
    (f"{VOTE} --input {{deep}}", USAGE, "deep is no JSON: "),
    (f"{VOTE} --input {{array}}", USAGE, "--input is a JSON array, and must be an object"),
    (f"{VOTE} --input [1]", USAGE, "--input is a JSON array, and must be an object"),
    (f"{VOTE} --input {{{{", USAGE, "--input is no JSON: "),
    (f"{VOTE} --input -", USAGE, "--input standard input is no JSON: it is empty"),
    (f"{VOTE} --value 1", USAGE, "capability_check is a voting hook, which has no value"),
    ("explain audit_emit --value 1", USAGE, "which has no value: leave out --value"),
    (CHAIN, USAGE, "recall_filter is a filter_chain hook, which needs a value"),
    ("explain recall_rank", USAGE, "recall_rank is a score_delta hook, which needs a value"),
    (f"{CHAIN} --value {{absent}}", USAGE, "--value {absent} cannot be read: No such file"),
    (f"{CHAIN} --value {{nonsense}}", USAGE, "nonsense is no JSON: "),
    (f"{CHAIN} --input - --value -", USAGE, "only one of --input and --value"),
    # Places to write to
    ("new folder", USAGE, "folder is there already"),
    ("new pipe", USAGE, "pipe is there already"),
    ("report -o {folder}", USAGE, "{folder} is no regular file"),
    ("report -o {pipe}", USAGE, "{pipe} is no regular file"),
    ("report -o {absent}/report.html", USAGE, "there is no folder {absent}"),
    # Programs
    ("run {folder}", FOUND, "'{folder}' is no Python script"),
    ("run {pipe}", FOUND, "'{pipe}' is no Python script"),
    ("run {pipe_script}", FOUND, "'{pipe_script}' is no Python script"),
    ("run {nonsense}", FOUND, "'{nonsense}' is no Python script"),
    ("run {binary}", FOUND, "'{binary}' is no Python script"),
    ("run {empty}", FOUND, "'{empty}' is no Python script"),
    # Wheels
    *[
        (f"{SIGN} {{{wheel}}}", FOUND, f"cannot sign {{{wheel}}}: ")
        for wheel in ("absent_wheel", "folder_wheel", "pipe_wheel", "nonsense_wheel", "nonsense")
    ],
    *[
        (f"check {{{path}}}", UNREAD, f"{{{path}}}")
        for path in ("absent", "folder", "pipe", "nonsense", "absent_wheel", "folder_wheel")
    ],
    ("check {pipe_wheel}", UNREAD, "{pipe_wheel}"),
    ("check {nonsense_wheel}", UNREAD, "{nonsense_wheel}"),
    *[
        (f"diff {{{wheel}}} {{{wheel}}}", UNREAD, f"{{{wheel}}}")
        for wheel in ("absent_wheel", "folder_wheel", "pipe_wheel", "nonsense_wheel", "folder")
    ],
    # Files about trust
    ("sign --trust-config {absent} x.whl", USAGE, "'{absent}' does not exist"),
    ("sign --trust-config {folder} x.whl", USAGE, "'{folder}' is a directory"),
    ("trust refresh --output {folder}", USAGE, "'{folder}' is a directory"),
    ("trust refresh --output x --tuf-url http://x", USAGE, "another instance needs its root.json"),
    (f"{REFRESH} --tuf-root {{absent}}", USAGE, "'{absent}' does not exist"),
    (f"{REFRESH} --tuf-root {{folder}}", USAGE, "'{folder}' is a directory"),
    (f"{REFRESH} --tuf-root {{pipe}}", USAGE, "cannot read {pipe}: it is a pipe"),
    (f"{REFRESH} --tuf-root {{nonsense}}", FOUND, "cannot fetch the trusted root"),
]

REQUIRED = "STIGMEM_PLUGIN_SIGNING_REQUIRED"
POLICY = "STIGMEM_PLUGIN_TRUST_POLICY"
ROOT = "STIGMEM_PLUGIN_TRUSTED_ROOT"
FOLDER = "STIGMEM_PLUGIN_DIR"
SETTINGS: Final[list[tuple[str, str, str]]] = [
    (REQUIRED, "perhaps", "must be one of"),
    ("STIGMEM_PLUGIN_AUTO_DISCOVERY_ENABLED", "2", "must be one of"),
    ("STIGMEM_PLUGIN_TRUSTED_PUBLISHERS", "*", "STIGMEM_PLUGIN_TRUSTED_PUBLISHERS"),
    (POLICY, "{absent}", "cannot read the trust policy {absent}: "),
    (POLICY, "{folder}", "cannot read the trust policy {folder}: "),
    (POLICY, "{pipe}", "it is a pipe"),
    (POLICY, "{nonsense}", "cannot read the trust policy {nonsense}: "),
    (POLICY, "{binary}", "cannot read the trust policy {binary}: "),
    (ROOT, "{absent}", "cannot read the trusted root {absent}: "),
    (ROOT, "{folder}", "cannot read the trusted root {folder}: "),
    (ROOT, "{pipe}", "it is a pipe"),
    (FOLDER, "{absent}", "the plugin directory {absent} is no folder"),
    (FOLDER, "{nonsense}", "the plugin directory {nonsense} is no folder"),
]
READ_SETTINGS: Final = (
    "list",
    "list --json",
    "describe x",
    "describe x --load",
    "diff x y",
    "diff {nonsense_wheel} {nonsense_wheel}",
    "doctor",
    "order",
    "order recall_rank",
    "explain capability_check",
    "report -o -",
    "verify --all",
    "verify {nonsense_wheel}",
)
"""Commands that need every setting."""
WHEELS_ALONE: Final = {"verify {nonsense_wheel}", "diff {nonsense_wheel} {nonsense_wheel}"}
"""Those of them that do not look at what is installed."""


class Place(dict[str, str]):
    """Broken things by name, and where they are."""

    def __init__(self, folder: Path) -> None:
        names = ["absent", "folder", "pipe", "empty", "nonsense", "binary", "deep", "array"]
        wheels = ["absent", "folder", "pipe", "nonsense"]
        super().__init__({name: str(folder / name) for name in names})
        self.update(
            {f"{name}_wheel": str(folder / f"{name}-1-py3-none-any.whl") for name in wheels}
        )
        self["endless"] = os.devnull.replace("null", "zero")
        for name in ("folder", "folder_wheel"):
            Path(self[name]).mkdir()
        self["pipe_script"] = str(folder / "pipe.py")
        for name in ("pipe", "pipe_wheel", "pipe_script"):
            os.mkfifo(self[name])
        contents: dict[str, str | bytes] = {
            "empty": "",
            "nonsense": "{[",
            "nonsense_wheel": "{[",
            "binary": b'{"\xff": 1}',
            "deep": "[" * 100_000,
            "array": "[]",
        }
        for name, content in contents.items():
            data = content.encode() if isinstance(content, str) else content
            Path(self[name]).write_bytes(data)


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Place]:
    """A folder of broken things, in which the command runs; no setting is set."""
    for name in [each for each in os.environ if each.startswith("STIGMEM_")]:
        monkeypatch.delenv(name)
    folder = tmp_path / "broken"
    folder.mkdir()
    monkeypatch.chdir(folder)
    yield Place(folder)
    bridge.uninstall()
    bridge.install_fallback()


def run(place: Place, line: str) -> Any:
    arguments = [word.format_map(place) for word in line.split()]
    return CliRunner().invoke(main, arguments, prog_name="stigmem-plugins")


def ends_well(result: Any, code: int, says: str) -> None:
    """Two lines on stderr, the error with its hint, and nothing else anywhere."""
    assert result.stdout == ""
    error, hint = result.stderr.splitlines()
    assert error.startswith("error: ")
    assert hint.startswith("hint: ")
    assert says in error
    assert result.exit_code == code


@pytest.mark.parametrize(("line", "code", "says"), WRONG, ids=[line for line, _, _ in WRONG])
def test_what_cannot_be_used_is_said_in_two_lines(
    place: Place, line: str, code: int, says: str
) -> None:
    """The error names what is wrong, the hint says what to do about it."""
    ends_well(run(place, line), code, says.format_map(place))


@pytest.mark.parametrize(
    ("line", "path"),
    [
        ("list --jsn", "list"),
        ("explain --input", "explain"),
        ("trust shw", "trust"),
        ("trust show --jsn", "trust show"),
        ("--jsn", ""),
    ],
)
def test_wrong_usage_points_to_the_help_of_the_command(place: Place, line: str, path: str) -> None:
    """Of the one that was meant, as it is typed."""
    command = f"stigmem-plugins {path}".strip()
    assert run(place, line).stderr.endswith(f"hint: see `{command} --help`\n")


def test_every_command_has_rows() -> None:
    """A new command is held to the same."""
    names = {name for name in main.commands if not any(_is_of(line, name) for line, _, _ in WRONG)}
    assert names == set()


def _is_of(line: str, name: str) -> bool:
    return line.split(maxsplit=1)[0] == name


@pytest.mark.parametrize(
    ("line", "setting", "value", "says"),
    [
        (line, *setting)
        for setting in SETTINGS
        for line in READ_SETTINGS
        if not (setting[0] == FOLDER and line in WHEELS_ALONE)
    ],
)
def test_a_malformed_setting_is_named(
    place: Place, monkeypatch: pytest.MonkeyPatch, line: str, setting: str, value: str, says: str
) -> None:
    """Whatever the command, nothing can be said then: that is exit code 3."""
    monkeypatch.setenv(setting, value.format_map(place))
    ends_well(run(place, line), UNREAD, says.format_map(place))


@pytest.mark.parametrize("root", ["nonsense", "binary", "array", "empty"])
def test_a_trusted_root_that_is_none_is_named(
    place: Place, monkeypatch: pytest.MonkeyPatch, root: str
) -> None:
    """By the command that shows it; others read it when there is something to verify."""
    monkeypatch.setenv(ROOT, place[root])
    ends_well(run(place, "trust show"), UNREAD, place[root])


@pytest.mark.parametrize("wheel", ["absent_wheel", "folder_wheel", "pipe_wheel", "nonsense_wheel"])
def test_a_wheel_that_cannot_be_verified_is_a_result(place: Place, wheel: str) -> None:
    """With its problem and what to do, beside those of other wheels."""
    result = run(place, f"verify {{{wheel}}} --json")
    (checked,) = json.loads(result.stdout)["results"]
    assert result.stderr == ""
    assert result.exit_code == (FOUND if checked["status"] == "refused" else UNREAD)
    assert checked["target"] == place[wheel]
    assert checked["problem"]
    assert checked["fix"]


# Plugins that are broken

RAISES = "raise LookupError('no ledger')"
EXITS = "raise SystemExit(0)"
NO_FACTORY = "plugin_manifest = 3"
HANGS = """
    import time
    from stigmem_plugins import PluginManifest, handler_timeout

    print("a plugin that prints")

    @handler_timeout(0.05)
    def check(ctx):
        time.sleep(60)

    def plugin_manifest():
        return PluginManifest("cbi-plugin", "1.0.0", health_check=check)
"""
STARTS = ("order recall_rank", "explain capability_check")


@pytest.fixture
def install(tmp_path: Path, place: Place, monkeypatch: pytest.MonkeyPatch) -> Any:
    """Installs a plugin where signing is not required."""
    monkeypatch.setenv(REQUIRED, "false")
    monkeypatch.syspath_prepend(tmp_path / "site")
    yield lambda source: install_module(
        tmp_path / "site", "cbi_one", source, plugins={"cbi": "cbi_one:plugin_manifest"}
    )
    sys.modules.pop("cbi_one", None)


@pytest.mark.parametrize("source", [RAISES, EXITS, NO_FACTORY, "import cbi_absent", "("])
@pytest.mark.parametrize("line", STARTS)
def test_a_plugin_that_cannot_be_loaded_stops_what_starts_plugins(
    place: Place, install: Any, source: str, line: str
) -> None:
    """As it stops a node."""
    install(source)
    ends_well(run(place, line), FOUND, "cbi (cbi_one:plugin_manifest)")


@pytest.mark.parametrize("source", [RAISES, EXITS, NO_FACTORY, "import cbi_absent", "("])
def test_a_plugin_that_cannot_be_loaded_is_shown_as_failed(
    place: Place, install: Any, source: str
) -> None:
    """Listing it is no failure of the command; asking it is."""
    install(source)
    for line in ("list --json", "describe cbi --json"):
        result = run(place, line)
        assert (result.exit_code, result.stderr) == (0, "")
        assert '"status": "failed"' in result.stdout
    ends_well(run(place, "describe cbi --load"), FOUND, "cbi (cbi_one:plugin_manifest)")


@pytest.mark.parametrize("line", ["describe cbi-plugin", "describe cbi-plugin --load"])
def test_a_health_check_that_hangs_is_given_up(place: Place, install: Any, line: str) -> None:
    """What it comes to is shown; what the plugin prints is no result."""
    install(HANGS)
    result = run(place, f"{line} --json")
    assert result.exit_code == 0
    assert result.stderr.splitlines()[0] == "a plugin that prints"
    assert json.loads(result.stdout)["plugin"]["health"] == {
        "status": "unhealthy",
        "message": "health check failed",
        "error": "HandlerTimeoutError: timed out after 0.05 seconds",
    }


def test_an_unsigned_plugin_stops_what_starts_plugins(
    place: Place, install: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """While signing is required; nothing of it is imported."""
    install(EXITS)
    monkeypatch.setenv(REQUIRED, "true")
    for line in (*STARTS, "describe cbi --load"):
        ends_well(run(place, line), FOUND, "'cbi' is unsigned")


# Where results cannot be written


def in_a_process(line: str, folder: Path, stdout: Any) -> subprocess.CompletedProcess[str]:
    environment = {k: v for k, v in os.environ.items() if not k.startswith("STIGMEM_")}
    return subprocess.run(
        [sys.executable, "-m", "stigmem_plugins", *line.split()],
        stdout=stdout,
        stderr=subprocess.PIPE,
        cwd=folder,
        env=environment,
        text=True,
        check=False,
        timeout=60,
    )


@pytest.mark.parametrize("line", ["list --json", "trust show", "explain tenant_resolve", "--help"])
def test_a_reader_that_goes_away_is_no_error(tmp_path: Path, line: str) -> None:
    """As in `… | head -1`: the exit code is that of a command that SIGPIPE ends."""
    line = f"{line} --value {{}}" if "tenant" in line else line
    ours, theirs = os.pipe()
    os.close(ours)
    try:
        result = in_a_process(line, tmp_path, theirs)
    finally:
        os.close(theirs)
    assert (result.returncode, result.stderr) == (CLOSED_PIPE, "")


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="there is no full device here")
@pytest.mark.parametrize("line", ["list", "list --json", "--version"])
def test_a_full_disk_is_said(tmp_path: Path, line: str) -> None:
    """In two lines, though Python tries once more at its end."""
    with Path("/dev/full").open("w") as full:
        result = in_a_process(line, tmp_path, full)
    error, hint = result.stderr.splitlines()
    assert result.returncode == UNREAD
    assert error.startswith("error: OSError: [Errno 28]")
    assert hint.startswith("hint: ")


def test_a_standard_output_that_was_closed_is_no_error(tmp_path: Path) -> None:
    """As a daemon's may be: nothing is printed, and nothing else is different."""
    code = "import os, sys; os.close(1); os.execv(sys.argv[1], sys.argv[1:])"
    done = subprocess.run(
        [sys.executable, "-c", code, sys.executable, "-m", "stigmem_plugins", "list"],
        stderr=subprocess.PIPE,
        cwd=tmp_path,
        text=True,
        check=False,
        timeout=60,
    )
    assert (done.returncode, done.stderr) == (0, "")
