"""The reference of the command line, from the click commands themselves."""

from __future__ import annotations

import inspect
import re
from collections.abc import Iterable, Iterator

import click

from derived.markdown import code, joined, opening, table
from stigmem_plugins.cli import main
from stigmem_plugins.cli.output import SCHEMA_VERSION, CouldNotCheck, Failed, NotFound

TEXT = """\
`stigmem-plugins` is a [click](https://click.palletsprojects.com) group, `stigmem_plugins.cli.main`,
which a node can mount under its own command line. Results go to stdout; logs, and what plugins
print, to stderr. Output is 80 columns wide where it is no terminal, names are never cut, and
`NO_COLOR` is honoured.
"""

CODES = """\
## Exit codes

A command that only shows something ends with 0 once it could show it. One that judges says in its
part below what it takes for a finding. An error is a line `error: …` on stderr and, mostly, a line
`hint: …` with what to do; never a traceback.
"""

JSON = """\
## JSON

With `--json` a command prints one JSON object on stdout, and nothing else. Its `schema_version`,
now {version}, is raised when a key changes its meaning or goes away; new keys can come at any time.
"""

COMPLETION = """\
## Completion

In a shell, the variable `_STIGMEM_PLUGINS_COMPLETE` makes the command print what completes it:

```console
eval "$(_STIGMEM_PLUGINS_COMPLETE=bash_source stigmem-plugins)"
```

`zsh_source` and `fish_source` are for these shells. Put the line into the shell's start-up file.
"""

VERBATIM = "\b"
"""Where click's help starts a paragraph that is not wrapped."""


def page() -> str:
    """The whole page."""
    overview = (
        [f"[`{path}`](#{anchor(path)})", command.get_short_help_str(limit=100)]
        for path, command in walk()
    )
    return joined(
        opening("Command line", "the commands' own help"),
        TEXT,
        table(["Command", "What it does"], overview),
        CODES,
        table(["Code", "Meaning"], codes()),
        JSON.format(version=SCHEMA_VERSION),
        COMPLETION,
        *(part for path, command in walk() for part in section(path, command)),
    )


def walk(group: click.Group = main, above: str = "") -> Iterator[tuple[str, click.Command]]:
    """Every command with its full name, groups left out, in the order of their help."""
    prefix = f"{above} {group.name}".strip()
    for name, command in sorted(group.commands.items()):
        if isinstance(command, click.Group):
            yield from walk(command, prefix)
        else:
            yield f"{prefix} {name}", command


def anchor(path: str) -> str:
    """What links to a command's section."""
    return path.replace(" ", "-")


def codes() -> Iterator[list[str]]:
    """What each exit code means."""
    yield ["0", "It did what it was asked to, and what it judges is fine."]
    yield [
        str(Failed.exit_code),
        "A finding: what it judges is not fine. Or its work failed.",
    ]
    yield [str(NotFound.exit_code), "It is used wrongly, or what you named is not there."]
    yield [str(CouldNotCheck.exit_code), "What it should judge, or judge by, cannot be read."]


def section(path: str, command: click.Command) -> Iterator[str | Iterator[str]]:
    """A command's part of the page."""
    context = click.Context(command, info_name=path, **main.context_settings)
    arguments = (each for each in command.params if isinstance(each, click.Argument))
    named = {word for a in arguments for word in re.findall("[A-Z]{2,}", a.make_metavar(context))}
    yield f"## {path}"
    yield fenced(command.get_usage(context).removeprefix("Usage: "), "text")
    before = ""
    for paragraph in inspect.cleandoc(command.help or "").split("\n\n"):
        if not paragraph.startswith(VERBATIM):
            yield as_code(paragraph, named)
        else:
            if not before.endswith(":"):
                yield "For example:"
            yield fenced(paragraph.removeprefix(VERBATIM))
        before = paragraph
    options = [each for each in command.params if isinstance(each, click.Option)]
    if options:
        yield table(["Option", "Meaning"], (option_row(each, context, named) for each in options))


def fenced(text: str, language: str = "console") -> str:
    """Lines as a block of code, without the word that says that they are an example."""
    lines = inspect.cleandoc(text).removeprefix("Example:").removeprefix("Examples:")
    return f"```{language}\n{inspect.cleandoc(lines)}\n```"


def as_code(text: str, named: Iterable[str]) -> str:
    """Help text with options, variables and the names of arguments as code."""
    words = "|".join(["--[a-z-]+", r"[A-Z]+_[A-Z_]+(?:=\w+)?", *map(re.escape, named)])
    return re.sub(rf"(?<![\w`-])({words})(?![\w`])", r"`\1`", text)


def option_row(option: click.Option, context: click.Context, named: Iterable[str]) -> list[str]:
    """An option as click's own help has it."""
    shown, meaning = option.get_help_record(context) or ("", "")
    names = ", ".join(map(code, shown.split(", ")))
    plain = " ".join(meaning.replace("[", "(").replace("]", ")").split())
    return [names, as_code(plain, named)]
