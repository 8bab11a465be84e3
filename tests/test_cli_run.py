"""The command `run`: programs in this process, with `stigmem_node.plugins` served."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import textwrap
import zipapp
from collections.abc import Iterable, Iterator
from pathlib import Path

import click
import pytest
from click.testing import CliRunner, Result

from stigmem_plugins import bridge
from stigmem_plugins.cli import main
from stigmem_plugins.cli.run import run_command

PROGRAM = """
    import sys

    import stigmem_node.plugins
    import stigmem_plugins

    assert stigmem_node.plugins.HookRegistry is stigmem_plugins.HookRegistry

    def start():
        print(sys.argv[1:], sys.path[0], __name__)
        return 7

    if __name__ == "__main__":
        sys.exit(start())
"""


@pytest.fixture
def site(tmp_path: Path) -> Path:
    """A folder with the module `program_here`, and the console script `program-here` of it."""
    folder = tmp_path / "site"
    info = folder / "program_here-1.0.dist-info"
    info.mkdir(parents=True)
    (folder / "program_here.py").write_text(textwrap.dedent(PROGRAM))
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: program-here\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text("[console_scripts]\nprogram-here = program_here:start\n")
    return folder


def command(*arguments: str, options: Iterable[str] = ()) -> list[str]:
    python = [sys.executable, "-W", "error", *options]
    return [*python, "-m", "stigmem_plugins", "run", *arguments]


def run(
    *arguments: str,
    site: Path | None = None,
    cwd: Path | None = None,
    options: Iterable[str] = (),
) -> subprocess.CompletedProcess[str]:
    """Run the command in a process of its own."""
    path = {} if site is None else {"PYTHONPATH": str(site)}
    return subprocess.run(
        command(*arguments, options=options),
        check=False,
        capture_output=True,
        text=True,
        cwd=cwd,
        env={**os.environ, **path},
        timeout=60,
    )


def script(folder: Path, name: str, source: str) -> str:
    """Write a program into a file; returns its path."""
    path = folder / name
    path.write_text(textwrap.dedent(source))
    path.chmod(0o755)
    return str(path)


def refused(*arguments: str) -> Result:
    """What a command prints that finds nothing to run."""
    return CliRunner().invoke(main, ["run", *arguments])


@pytest.fixture
def _restored(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """The process as it was, whatever the command prepared for a program."""
    monkeypatch.setattr(sys, "argv", sys.argv)
    monkeypatch.setattr(sys, "path", sys.path[:])
    yield
    bridge.uninstall()
    bridge.install_fallback()


def test_a_console_script_gets_its_arguments_and_gives_its_exit_code(site: Path) -> None:
    """What follows its name is its own, options and help too."""
    done = run("program-here", "--help", "-m", "x", site=site)
    assert done.returncode == 7, done.stderr
    assert done.stdout.startswith("['--help', '-m', 'x'] ")
    assert done.stdout.endswith(" program_here\n")


def test_a_module_runs_as_python_runs_it(site: Path, tmp_path: Path) -> None:
    """It is `__main__`, and the current directory is searched first."""
    done = run("-m", "program_here", "-v", site=site, cwd=tmp_path)
    assert (done.returncode, done.stdout) == (7, f"['-v'] {tmp_path} __main__\n"), done.stderr


def test_a_package_runs_by_its_main_module(site: Path) -> None:
    """As `python -m package` does."""
    package = site / "package_here"
    package.mkdir()
    (package / "__init__.py").touch()
    script(package, "__main__.py", "import sys; print(sys.argv)")
    done = run("-m", "package_here", "a", site=site)
    assert done.stdout == f"{[str(package / '__main__.py'), 'a']}\n", done.stderr


@pytest.mark.parametrize("name", ["start.py", "start"])
def test_a_python_file_runs_with_its_folder_searched_first(tmp_path: Path, name: str) -> None:
    """One without the suffix is known by its first line."""
    path = script(tmp_path, name, f"#!{sys.executable}\n{textwrap.dedent(PROGRAM)}")
    done = run(path, "a")
    assert (done.returncode, done.stdout) == (7, f"['a'] {tmp_path} __main__\n"), done.stderr


def test_a_zipped_application_runs(tmp_path: Path) -> None:
    """Of it too, runpy knows how to run it."""
    application = tmp_path / "application"
    application.mkdir()
    script(application, "__main__.py", "print('zipped')")
    zipapp.create_archive(application, tmp_path / "zipped")
    done = run(str(tmp_path / "zipped"))
    assert done.stdout == "zipped\n", done.stderr
    assert run(str(application)).stdout == "zipped\n"


def test_a_program_that_fails_fails_as_without_us(tmp_path: Path) -> None:
    """Its own traceback, its own exit code, also for errors that click has a use for."""
    done = run(script(tmp_path, "start.py", "raise EOFError('mine')"))
    assert done.returncode == 1
    assert done.stderr.endswith("EOFError: mine\n")
    assert "During handling" not in done.stderr
    assert run(script(tmp_path, "start.py", "raise SystemExit('mine')")).stderr == "mine\n"


def test_one_process_serves_one_plugin_layer(tmp_path: Path) -> None:
    """Where the node's was imported before us, the one error says so and what to do."""
    (tmp_path / "stigmem_node" / "plugins").mkdir(parents=True)
    for package in ("", "plugins"):
        (tmp_path / "stigmem_node" / package / "__init__.py").touch()
    (tmp_path / "sitecustomize.py").write_text("import stigmem_node.plugins\n")
    done = run("-m", "this", site=tmp_path)
    error, hint = done.stderr.splitlines()
    assert done.returncode == 3
    assert error.startswith("error: stigmem_node.plugins was imported from ")
    assert "call stigmem_plugins.bridge.install() before" in hint


@pytest.fixture
def _interruptible() -> Iterator[None]:
    """Processes that are started can be interrupted, also where this one runs in the background."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


@pytest.mark.skipif(os.name == "nt", reason="Windows has no such signals")
@pytest.mark.usefixtures("_interruptible")
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_signals_reach_the_program_and_end_it_as_without_us(
    tmp_path: Path, number: signal.Signals
) -> None:
    """The parent sees a process that the signal ended, after its clean-up if it has one."""
    source = """
        import time
        try:
            print("ready", flush=True)
            time.sleep(60)
        finally:
            print("cleaned up", flush=True)
    """
    with subprocess.Popen(
        command(script(tmp_path, "start.py", source)),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        assert process.stdout
        assert process.stdout.readline() == "ready\n"
        process.send_signal(number)
        output, _ = process.communicate(timeout=60)
    assert process.returncode == -number
    assert output == ("cleaned up\n" if number is signal.SIGINT else "")


@pytest.mark.usefixtures("_restored")
@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["stigmem-plugin"], "no program 'stigmem-plugin' beside stigmem-plugins (did you mean"),
        (["-m", "stigmem_plugin"], "no module 'stigmem_plugin' (did you mean 'stigmem_plugins'?)"),
        (["-m", "no_such.module"], "there is no module 'no_such.module'"),
        (["-m", ""], "there is no module ''"),
    ],
)
def test_what_is_not_there_is_named_with_what_is_near(arguments: list[str], message: str) -> None:
    """An error of usage, in two lines."""
    result = refused(*arguments)
    assert result.exit_code == 2
    error, hint = result.stderr.splitlines()
    assert message in error
    assert hint.startswith("hint: install it ")


@pytest.mark.usefixtures("_restored")
@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("tool", "#!/bin/sh\nexit 0\n", "is no Python script"),
        ("data", "python\n", "is no Python script"),
        ("other", "#!/opt/elsewhere/bin/python3.12\n", "is a program of another Python"),
        ("long", "#!/bin/sh\n'''exec' /opt/elsewhere/bin/python3 \"$0\"\n", "of another Python"),
    ],
)
def test_what_this_python_cannot_run_is_refused(
    tmp_path: Path, name: str, content: str, message: str
) -> None:
    """Before anything of it runs."""
    result = refused(script(tmp_path, name, content))
    assert result.exit_code == 1
    error, hint = result.stderr.splitlines()
    assert message in error
    assert hint.startswith("hint: ")


@pytest.mark.usefixtures("_restored")
def test_a_folder_without_a_main_module_is_no_program(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Neither as a path nor as a package."""
    assert "is no Python script" in refused(str(tmp_path)).stderr
    (tmp_path / "package_here").mkdir()
    (tmp_path / "package_here" / "__init__.py").touch()
    monkeypatch.chdir(tmp_path)
    error, _ = refused("-m", "package_here").stderr.splitlines()
    assert "'package_here' is a package without a __main__ module" in error


@pytest.mark.usefixtures("_restored")
def test_the_fault_of_a_package_is_not_called_a_missing_module(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whoever wrote it sees their own error."""
    (tmp_path / "broken_here").mkdir()
    (tmp_path / "broken_here" / "__init__.py").write_text("import not_installed_here\n")
    monkeypatch.chdir(tmp_path)
    result = refused("-m", "broken_here.start")
    assert isinstance(result.exception, ModuleNotFoundError)
    assert result.exception.name == "not_installed_here"


@pytest.mark.usefixtures("_restored")
def test_a_host_that_mounts_the_command_runs_programs_too(tmp_path: Path) -> None:
    """In a command line that is not ours, nobody takes it over."""
    group = click.Group("node", commands=[run_command])
    path = script(tmp_path, "start.py", "raise SystemExit(7)")
    assert CliRunner().invoke(group, ["run", path]).exit_code == 7


def test_the_search_path_of_a_safe_interpreter_is_left_alone(site: Path, tmp_path: Path) -> None:
    """With `-P` or `-I`, Python itself puts nothing in front."""
    done = run("-m", "program_here", site=site, cwd=tmp_path, options=["-P"])
    assert done.stdout == f"[] {site} __main__\n", done.stderr
