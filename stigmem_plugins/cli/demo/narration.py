"""A registry that tells, of every fire, who was asked, what each said and what came out."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any, Final, TypeVar

import attrs

from stigmem_plugins import (
    HOOK_SPECS,
    Deny,
    DiscoveredPlugin,
    HookRegistry,
    StigmemPluginError,
    VotingDecision,
)
from stigmem_plugins.cli.output import make_console, printable, rows

QUIET: Final = "audit_emit"
"""Not told: the audit trail is shown as a whole."""
R = TypeVar("R")


def say(text: str, indent: int = 2) -> None:
    """Print text, wrapped."""
    console = make_console()
    console.print(rows(console, [(text,)], indent))


def scene(title: str) -> None:
    """Print the heading of a part."""
    console = make_console()
    console.print(f"\n{title}", style="bold")


class NarratingRegistry(HookRegistry):
    """A `HookRegistry` whose handlers are listened to.

    The answers that are printed are those that the handlers gave when the hook was fired.
    """

    def __init__(self, **options: Any) -> None:
        super().__init__(**options)
        self._answers: dict[str, str] = {}

    def register_core_handler(
        self, hook: str, handler: Callable[..., Any], *, name: str, **options: Any
    ) -> None:
        """Register a handler of the node, and listen to it."""
        heard = handler if hook == QUIET else self._heard(name, handler)
        super().register_core_handler(hook, heard, name=name, **options)

    def listen(self, plugin: DiscoveredPlugin) -> DiscoveredPlugin:
        """The plugin with handlers that are listened to."""
        manifest = plugin.manifest
        hooks = {hook: self._heard(manifest.name, h) for hook, h in manifest.hooks.items()}
        return attrs.evolve(plugin, manifest=attrs.evolve(manifest, hooks=hooks))

    def fire_voting(self, hook: str, /, **payload: Any) -> VotingDecision:
        """Fire, and tell."""
        return self._told(hook, functools.partial(super().fire_voting, hook, **payload))

    def fire_filter_chain(self, hook: str, value: Any, /, **payload: Any) -> Any:
        """Fire, and tell."""
        return self._told(
            hook, functools.partial(super().fire_filter_chain, hook, value, **payload)
        )

    def fire_score_delta(
        self, hook: str, scored_results: Any, /, **payload: Any
    ) -> dict[str, float]:
        """Fire, and tell."""
        return self._told(
            hook, functools.partial(super().fire_score_delta, hook, scored_results, **payload)
        )

    def fire_fire_and_forget(self, hook: str, /, **payload: Any) -> None:
        """Fire, and tell."""
        self._told(hook, functools.partial(super().fire_fire_and_forget, hook, **payload))

    def _heard(self, speaker: str, handler: Callable[..., Any]) -> Callable[..., Any]:
        @functools.wraps(handler)
        def listening(*args: Any, **payload: Any) -> Any:
            try:
                answer = handler(*args, **payload)
            except Exception as error:
                self._answers[speaker] = type(error).__name__
                raise
            self._answers[speaker] = phrase(answer)
            return answer

        return listening

    def _told(self, hook: str, fire: Callable[[], R]) -> R:
        self._answers = {}
        outcome = "refused"
        try:
            result = fire()
            outcome = phrase(result)
        except StigmemPluginError as error:
            outcome = f"{type(error).__name__}: {error.message}"
            raise
        finally:
            self._tell(hook, outcome)
        return result

    def _tell(self, hook: str, outcome: str) -> None:
        asked = [
            handler.plugin_name if handler.plugin_name != "core" else handler.handler_name
            for handler in self.handlers_for(hook)
        ]
        if asked:
            say(f"{hook} ({HOOK_SPECS[hook].semantic})", 4)
            lines = [
                (f"{number}.", speaker, self._answers.get(speaker, "(not asked any more)"))
                for number, speaker in enumerate(asked, 1)
            ]
            console = make_console()
            console.print(rows(console, [*lines, ("", "outcome", outcome)], 6))


def phrase(value: Any) -> str:
    """What a handler said, or what came of it, in a few words."""
    match value:
        case None:
            return "(returns nothing)"
        case Deny():
            return f"Deny: {value.reason}"
        case dict():
            return ", ".join(f"{key} {delta:+.2f}" for key, delta in value.items()) or "(no scores)"
        case list():
            return f"{len(value)} facts: {', '.join(fact['id'] for fact in value)}"
        case _:
            return type(value).__name__
