"""One fire of a hook, with every handler watched.

A watched handler is called behind a function that takes down what it was given and what it
returned, and when; who decided, what a denial or a failure says, and what the results come to
is left to those who always say so: the fire, and the audit trail, which masks secrets.
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum
from time import perf_counter
from types import CoroutineType
from typing import Any

from attrs import evolve, frozen

from stigmem_hookspecs import AuditEvent, Deny, HookSemantic
from stigmem_hookspecs.markers import HookSpec
from stigmem_hookspecs.values import FrozenDict
from stigmem_plugins.audit import HANDLER_DENIED
from stigmem_plugins.cli.changes import Change, changes, plain
from stigmem_plugins.cli.quiet import QuietRegistry
from stigmem_plugins.errors import PluginExecutionError, bounded, describe
from stigmem_plugins.registration import PluginInfo, Registration
from stigmem_plugins.shim import Called, Handler


class Outcome(StrEnum):
    """What came of a handler."""

    ALLOW = "allow"
    DENY = "deny"
    CHANGED = "changed"
    UNCHANGED = "unchanged"
    SCORED = "scored"
    TOLD = "told"
    FAILED = "failed"
    NOT_ASKED = "not asked"


@frozen
class Step:
    """What was seen of one handler.

    Args:
        plugin: Its plugin.
        handler: Its name.
        outcome: What came of it.
        text: The reason of its denial, or the error, fit to repeat.
        seconds: How long it took; None if it was not asked.
        changes: What it changed of the value.
        deltas: The score changes that it returned.
    """

    plugin: PluginInfo
    handler: str
    outcome: Outcome
    text: str | None = None
    seconds: float | None = None
    changes: tuple[Change, ...] = ()
    deltas: Mapping[str, float] = FrozenDict()


@frozen
class Fired:
    """What came of a fire.

    Args:
        steps: Its handlers in call order.
        result: The combined result, as plain values; None if there is none.
        error: The error that the host would get.
    """

    steps: tuple[Step, ...]
    result: Any = None
    error: str | None = None

    @property
    def decided_by(self) -> tuple[Step, ...]:
        """The handlers but for which the fire would have come to something else."""
        stopped = tuple(s for s in self.steps if s.outcome in {Outcome.DENY, Outcome.FAILED})
        return stopped or tuple(step for step in self.steps if step.changes or step.deltas)


class Watch:
    """Takes down one call of a handler.

    Args:
        handler: The handler.
        semantic: That of its hook.
        secrets: What must not be repeated, of any plugin: values go from one to the next.
        waits: Whether the fire awaits what handlers return.
    """

    def __init__(
        self, handler: Handler, semantic: HookSemantic, secrets: tuple[str, ...], *, waits: bool
    ) -> None:
        self._handler = handler
        self._semantic = semantic
        self._secrets = secrets
        self._waits = waits
        self._begun: float | None = None
        self._given: Any = None
        self._returned: Any = None
        self._seconds: float | None = None
        self._event: AuditEvent | None = None

    def watched(self) -> Handler:
        """The same handler, watched."""
        return evolve(self._handler, function=self._call)

    def heard(self, event: AuditEvent) -> None:
        """Take down how the handler was judged; one that overran its deadline has not ended."""
        self._end(None)
        self._event = event

    def step(self, plugin: PluginInfo) -> Step:
        """What was seen."""
        text: str | None = None
        changed: tuple[Change, ...] = ()
        deltas: Mapping[str, float] = {}
        if self._begun is None:
            outcome = Outcome.NOT_ASKED
        elif self._event is not None:
            denied = self._event.event_type == HANDLER_DENIED
            outcome = Outcome.DENY if denied else Outcome.FAILED
            text = self._event.metadata["reason" if denied else "error"]
        elif self._seconds is None:
            outcome = Outcome.FAILED  # it ended the fire itself, by what only a host may raise
        elif self._semantic is HookSemantic.FILTER_CHAIN:
            changed = tuple(changes(self._given, self._returned))
            outcome = Outcome.CHANGED if changed else Outcome.UNCHANGED
        elif self._semantic is HookSemantic.SCORE_DELTA:
            outcome, deltas = Outcome.SCORED, self._returned
        else:
            outcome = Outcome.ALLOW if self._semantic is HookSemantic.VOTING else Outcome.TOLD
        name = self._handler.handler_name
        return Step(plugin, name, outcome, text, self._seconds, changed, deltas)

    def _call(self, /, *arguments: Any, **keywords: Any) -> Any:
        if self._semantic is HookSemantic.FILTER_CHAIN:
            self._given = plain(arguments[1], self._secrets)  # after it come keywords, if any
        self._begun = perf_counter()
        result = self._handler.function(*arguments, **keywords)
        if self._waits and isinstance(result, CoroutineType):
            return self._until(result)
        self._end(result)
        return result

    async def _until(self, result: CoroutineType[Any, Any, Any]) -> Any:
        awaited = await result
        self._end(awaited)
        return awaited

    def _end(self, result: Any) -> None:
        if self._seconds is None and self._begun is not None:
            self._seconds = perf_counter() - self._begun
            self._returned = plain(result, self._secrets)


class WatchedRegistry(QuietRegistry):
    """A registry that can show what each handler of a fire does."""

    def fire(self, spec: HookSpec, value: tuple[Any, ...], payload: Mapping[str, Any]) -> Fired:
        """Fire a hook once; if one of its handlers is a coroutine function, in an event loop.

        Args:
            spec: The hook.
            value: The value, if the hook has one.
            payload: The keywords.
        """
        name, called = spec.name, self.called(spec.name)
        waits = any(handler.asynchronous for handler in called)
        registrations = self._dispatcher.registrations
        secrets = tuple(secret for each in registrations.values() for secret in each.secrets)
        watches = {
            plugin: Watch(registration.handlers[name], spec.semantic, secrets, waits=waits)
            for plugin, registration in registrations.items()
            if name in registration.handlers
        }

        def hear(event: AuditEvent) -> None:
            if event.metadata.get("hook") == name:
                watches[event.metadata["plugin_name"]].heard(event)

        self._dispatcher.trail.sink = hear
        self._dispatcher.add([_with(registrations[p], name, w) for p, w in watches.items()])
        result, error = self._result(spec, (*value, payload), secrets, waits=waits)
        steps = [watches[h.plugin_name].step(self._info(h)) for h in called]
        return Fired(tuple(steps), result, error)

    def _result(
        self, spec: HookSpec, arguments: tuple[Any, ...], secrets: tuple[str, ...], *, waits: bool
    ) -> tuple[Any, str | None]:
        tables = self._dispatcher.afires if waits else self._dispatcher.fires
        try:
            result = tables[spec.semantic][spec.name](*arguments)
            if waits:
                import asyncio  # noqa: PLC0415  # slow to import

                result = asyncio.run(result)
        except PluginExecutionError as failure:
            return None, failure.message
        except KeyboardInterrupt:
            raise
        except BaseException as error:  # noqa: BLE001  # a handler's: a host would get it
            return None, describe(error, secrets)
        if isinstance(result, Deny):
            return {"decision": "deny", "reason": bounded(result.reason, secrets)}, None
        if spec.semantic is HookSemantic.VOTING:
            return {"decision": "allow"}, None
        return plain(result, secrets), None

    def _info(self, handler: Called) -> PluginInfo:
        return self._dispatcher.registrations[handler.plugin_name].info()


def _with(registration: Registration, hook: str, watch: Watch) -> Registration:
    return evolve(registration, handlers={**registration.handlers, hook: watch.watched()})
