"""A registry that tells, of every fire, who was asked, what each said and what came out."""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterable, Sequence
from typing import Any, Final, TypeVar

import attrs

from stigmem_plugins import (
    HOOK_SPECS,
    Deny,
    HookRegistry,
    StigmemPluginError,
    VotingDecision,
)
from stigmem_plugins.cli.output import make_console, print_rows
from stigmem_plugins.registration import Candidate, Registration

QUIET: Final = "audit_emit"
"""Not told: the audit trail is shown as a whole."""
CORE: Final = "core"
"""The plugin name of the node's own handlers."""
R = TypeVar("R")


def scene(title: str) -> None:
    """Print the heading of a part."""
    make_console().print(f"\n{title}", style="bold")


def say(text: str, indent: int = 2) -> None:
    """Print a sentence, wrapped."""
    print_rows(make_console(), [(text,)], indent)


def show(lines: Iterable[Sequence[str]], indent: int = 4) -> None:
    """Print columns."""
    print_rows(make_console(), lines, indent)


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

    def _admit(self, candidates: Sequence[Candidate], seal: object) -> tuple[Registration, ...]:
        """Register plugins, and listen to their handlers."""
        return super()._admit([self._listened(candidate) for candidate in candidates], seal)

    def _listened(self, candidate: Candidate) -> Candidate:
        manifest = candidate.manifest
        hooks = {hook: self._heard(manifest.name, h) for hook, h in manifest.hooks.items()}
        return attrs.evolve(candidate, manifest=attrs.evolve(manifest, hooks=hooks))

    def fire_voting(self, hook: str, /, **payload: Any) -> VotingDecision:
        """Fire, and tell."""
        return self._told(hook, functools.partial(super().fire_voting, hook, **payload))

    def fire_filter_chain(self, hook: str, value: Any, /, **payload: Any) -> Any:
        """Fire, and tell."""
        fire = functools.partial(super().fire_filter_chain, hook, value, **payload)
        return self._told(hook, fire, value)

    def fire_score_delta(
        self, hook: str, scored_results: Any, /, **payload: Any
    ) -> dict[str, float]:
        """Fire, and tell."""
        fire = functools.partial(super().fire_score_delta, hook, scored_results, **payload)
        return self._told(hook, fire, scored_results)

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

    def _told(self, hook: str, fire: Callable[[], R], *given: Any) -> R:
        self._answers = {}
        try:
            result = fire()
        except StigmemPluginError as error:
            self._tell(hook, given, f"{type(error).__name__}: {error.message}")
            raise
        self._tell(hook, given, result)
        return result

    def _tell(self, hook: str, given: tuple[Any, ...], result: Any) -> None:
        asked = self.handlers_for(hook)
        if not asked:
            return
        lines = [("", "given", phrase(value)) for value in given]
        for number, handler in enumerate(asked, 1):
            core = handler.plugin_name == CORE
            speaker = handler.handler_name if core else handler.plugin_name
            lines.append((f"{number}.", speaker, self._answers.get(speaker, "(not asked)")))
        if result is not None:
            lines.append(("=>", "result", phrase(result)))
        say(f"{hook} ({HOOK_SPECS[hook].semantic})", 4)
        show(lines, 6)


def phrase(value: Any) -> str:
    """What a handler said, or what came of it, in a few words."""
    match value:
        case None:
            return "(no answer is asked for)"
        case str():
            return value
        case Deny():
            return f"Deny: {value.reason}"
        case dict():
            return ", ".join(f"{key} {delta:+.2f}" for key, delta in value.items()) or "(no scores)"
        case list():
            return f"{len(value)} facts: {', '.join(fact['id'] for fact in value)}"
        case _:
            return type(value).__name__
