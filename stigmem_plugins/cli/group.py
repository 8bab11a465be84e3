"""The group that holds the commands: how whatever goes wrong with one of them ends."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Final

import click

from stigmem_plugins.cli.output import BadInput, CouldNotCheck, Failed
from stigmem_plugins.cli.run import ProgramGroup
from stigmem_plugins.errors import StigmemPluginError, describe

CLOSED_PIPE: Final = 141
"""The exit code where nobody reads on, as in `… | head -1`: what shells call SIGPIPE."""


class PluginCommands(ProgramGroup):
    """A group whose commands end with `error:` and `hint:` and an exit code, never a traceback.

    It is the same as a command of its own and mounted in another group.
    """

    def make_context(
        self,
        info_name: str | None,
        args: list[str],
        parent: click.Context | None = None,
        **extra: Any,
    ) -> click.Context:
        """Read the group's own options."""
        with _explained(click.Context(self, parent, info_name)):
            return super().make_context(info_name, args, parent, **extra)

    def invoke(self, ctx: click.Context) -> Any:
        """Run the command that was asked for."""
        with _explained(ctx):
            return super().invoke(ctx)


@contextmanager
def _explained(group: click.Context) -> Iterator[None]:
    """Turn what a command raises into two lines, and an exit code."""
    try:
        yield
    except StigmemPluginError as error:
        # Errors about plugins have a class; the others say what cannot be read.
        unread = type(error) is StigmemPluginError or not getattr(error, "checked", True)
        kind = CouldNotCheck if unread else Failed
        raise kind(error.message, error.fix) from error
    except click.exceptions.NoArgsIsHelpError:
        raise
    except click.UsageError as error:
        asked = (group.command_path, group.invoked_subcommand)
        path = error.ctx.command_path if error.ctx else " ".join(filter(None, asked))
        raise BadInput(error.format_message(), f"see `{path} --help`") from error
    except BrokenPipeError as error:
        raise click.exceptions.Exit(CLOSED_PIPE) from error
    except OSError as error:
        raise CouldNotCheck(describe(error), "make it readable, writable, or less full") from error
