"""The command `run`: a program started with `stigmem_node.plugins` served by this package.

As with `coverage run`, the program runs in this very process, as it would without us: with its
own arguments, exit code and module search path. It starts once click is done, so that nothing of
it, be it Ctrl-C or a broken pipe, is handled by anybody but itself.
"""

from __future__ import annotations

import os
import pkgutil
import re
import runpy
import shutil
import sys
import sysconfig
from collections.abc import Callable, Iterable
from importlib.machinery import ModuleSpec
from importlib.metadata import EntryPoint, entry_points
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Final
from zipfile import is_zipfile

import click

from stigmem_plugins import bridge
from stigmem_plugins.cli.output import Failed, NotFound
from stigmem_plugins.errors import suggest

Program = Callable[[], Any]
"""Runs a program; returns what its function returned, which is its exit status."""

SUFFIXES: Final = {".py", ".pyw"}
INTERPRETER: Final = re.compile(rb"[^\s'\"]*python[\d.]*(?=\s|['\"]|$)")
"""A Python as the first lines of a script name it; pip's scripts may have it in the second."""


class Handover(BaseException):
    """Takes a program past everything that click does for its own commands.

    Args:
        program: What to run.
    """

    def __init__(self, program: Program) -> None:
        super().__init__()
        self.program = program


class ProgramGroup(click.Group):
    """A group whose commands can hand over to a program."""

    def main(self, *args: Any, **extra: Any) -> Any:
        """Run a command, and then the program that it hands over to, if it does."""
        try:
            return super().main(*args, **extra)
        except Handover as handover:
            program = handover.program
        sys.exit(program())


@click.command(
    "run", context_settings={"ignore_unknown_options": True, "allow_interspersed_args": False}
)
@click.option("-m", "as_module", is_flag=True, help="PROGRAM is a module, as for `python -m`.")
@click.argument("program")
@click.argument("arguments", metavar="[ARGS]...", nargs=-1, type=click.UNPROCESSED)
@click.pass_context
def run_command(
    context: click.Context, *, program: str, arguments: tuple[str, ...], as_module: bool
) -> None:
    """Run a node with this plugin layer in the place of its own.

    PROGRAM is a console script that is installed beside stigmem-plugins, or a Python file; all
    that follows it is its own. Processes that it starts anew, as web servers with several
    workers do, have the node's layer again.

    \b
        stigmem-plugins run stigmem-node
        stigmem-plugins run stigmem plugins list --json
        stigmem-plugins run -m uvicorn stigmem_node.main:app
    """  # noqa: D301  # click's mark for text that is not wrapped
    bridge.install()
    found = _module(program, arguments) if as_module else _script(program, arguments)
    if isinstance(context.find_root().command, ProgramGroup):
        raise Handover(found)
    sys.exit(found())  # in the command line of somebody else, who mounted this command


def _module(name: str, arguments: Iterable[str]) -> Program:
    """What `python -m name` runs."""
    _enter(name, arguments, str(Path.cwd()))
    found = _spec(name)
    if found is None:
        near = suggest(name, [module.name for module in pkgutil.iter_modules()])
        message = f"there is no module {name!r}{near}"
        raise NotFound(message, "install it beside stigmem-plugins, or correct its name")
    if found.submodule_search_locations is not None and _spec(f"{name}.__main__") is None:
        message = f"{name!r} is a package without a __main__ module, so it cannot be run"
        raise Failed(message, "name the module in it that starts the program")

    def program() -> None:
        runpy.run_module(name, run_name="__main__", alter_sys=True)

    return program


def _spec(name: str) -> ModuleSpec | None:
    """Where a module is, if it is anywhere; imports the packages that it is in."""
    try:
        return find_spec(name)
    except ModuleNotFoundError as error:
        if name == error.name or name.startswith(f"{error.name}."):
            return None
        raise  # the fault of a package that is there
    except ValueError:  # an empty name
        return None


def _script(name: str, arguments: Iterable[str]) -> Program:
    """What a shell runs for `name`, with the scripts of this environment first."""
    folder = sysconfig.get_path("scripts")
    scripts = entry_points(group="console_scripts")
    if name in scripts.names:
        _enter(str(Path(folder, name)), arguments, folder)
        return _entry_point(scripts[name])
    path = Path(name) if Path(name).exists() else Path(shutil.which(name) or name)
    if not path.exists():
        message = f"there is no program {name!r} beside stigmem-plugins"
        hint = "install it into the same environment; modules are run with -m"
        raise NotFound(message + suggest(name, scripts.names), hint)
    _check(path)
    _enter(str(path), arguments, str(path if path.is_dir() else path.resolve().parent))

    def program() -> None:
        runpy.run_path(str(path), run_name="__main__")

    return program


def _entry_point(script: EntryPoint) -> Program:
    def program() -> Any:
        return script.load()()

    return program


def _check(path: Path) -> None:
    """Refuse a file that is not Python, or that another environment's Python is to run."""
    is_file = path.is_file()  # reading from a pipe in its place could take for ever
    if (path.suffix in SUFFIXES and is_file) or (path / "__main__.py").exists():
        return
    start = b""
    if is_file:
        with path.open("rb") as file:
            start = b" ".join(file.readline(4096) for _ in range(2))
    interpreter = INTERPRETER.search(start, 2) if start.startswith(b"#!") else None
    if interpreter is None and not (is_file and is_zipfile(path)):
        message = f"{str(path)!r} is no Python script"
        raise Failed(message, "name what it starts: only Python can run in this process")
    named = Path(os.fsdecode(interpreter[0])) if interpreter else Path()
    if named.is_absolute() and named.parent.resolve() != Path(sys.executable).parent.resolve():
        message = f"{str(path)!r} is a program of another Python, {str(named)!r}"
        raise Failed(message, "install stigmem-plugins there, and run it from there")


def _enter(name: str, arguments: Iterable[str], folder: str) -> None:
    """Set what the interpreter sets when it starts a program."""
    sys.argv = [name, *arguments]
    if not sys.flags.safe_path:
        sys.path[0] = folder
