"""One call of a handler as a node makes it, and what was wrong with it."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterable, Iterator, Mapping
from copy import deepcopy
from functools import partial
from typing import Any

from attrs import evolve, frozen

from stigmem_hookspecs.markers import HookSpec
from stigmem_plugins.combiners import FOLDS, adrive, drive
from stigmem_plugins.deadlines import awaited, limited
from stigmem_plugins.errors import FAILURES, PluginExecutionError, bounded, describe
from stigmem_plugins.shim import Called, Handler
from stigmem_plugins.testing.loops import run
from stigmem_plugins.testing.payloads import VALUE, result_type
from stigmem_plugins.workers import Bulkheads


@frozen
class Problem:
    """What is wrong with a call.

    Args:
        text: `raised …` or `returned …`.
        fix: What to do about it, if what was raised says so.
    """

    text: str
    fix: str | None = None


@frozen
class Attempt:
    """What came of a call.

    Args:
        problem: What is wrong, if anything is.
        changed: What of the payload the handler changed.
    """

    problem: Problem | None
    changed: tuple[str, ...]


class _Blame:
    """Keeps what a fold reports of the one handler that it calls."""

    problem: BaseException | str = ""

    def denied(self, _handler: Called, _spec: HookSpec, _reason: str) -> None:
        """A vote like another."""

    def failed(
        self, _handler: Called, _spec: HookSpec, problem: BaseException | str
    ) -> PluginExecutionError:
        self.problem = problem
        return PluginExecutionError("a handler failed")


def attempt(
    handler: Handler, spec: HookSpec, payload: Mapping[str, Any], bulkheads: Bulkheads
) -> Attempt:
    """Call a handler by itself, by the rules of its hook; await it if it must be.

    Args:
        handler: The handler.
        spec: Its hook.
        payload: The keywords, and under `value` the positional value.
        bulkheads: Where it runs if it has a deadline.
    """
    keywords = dict(payload)
    value = [keywords.pop(VALUE)] if spec.semantic.takes_value else []
    changed = _watch(payload)
    blame = _Blame()
    # Strict: or a failure to be told something would only be logged.
    fold = partial(FOLDS[spec.semantic], spec=evolve(spec, strict=True), report=blame)
    try:
        if handler.asynchronous:
            called = awaited(handler, bulkheads)
            result = run(lambda: adrive(fold([called], **_named(value)), keywords))
        else:
            result = drive(fold([limited(handler, bulkheads)], **_named(value)), keywords)
    except PluginExecutionError:
        problem: Problem | None = _problem(blame.problem, handler.secrets)
    else:
        problem = _wrong_type(result, result_type(spec.name))
    return Attempt(problem, changed())


def _named(value: list[Any]) -> dict[str, Any]:
    return dict(zip((VALUE,), value, strict=False))


def _problem(blamed: BaseException | str, secrets: Iterable[str]) -> Problem:
    if isinstance(blamed, BaseException):
        return Problem(f"raised {describe(blamed, secrets)}", getattr(blamed, "fix", None))
    return Problem(bounded(blamed, secrets))


def _wrong_type(result: Any, expected: type[Any] | None) -> Problem | None:
    if expected is None or isinstance(result, expected):
        return None
    return Problem(f"returned a {type(result).__name__}, not a {expected.__name__}")


def _watch(payload: Mapping[str, Any]) -> Callable[[], tuple[str, ...]]:
    """What names afterwards the parts of a payload that are not what they were.

    The list that is a positional value may be taken apart, but what is in it is the host's.
    """
    parts = dict(payload)
    if isinstance(payload.get(VALUE), list):
        parts[VALUE] = list(payload[VALUE])
    before = dict(_copies(parts))
    return lambda: tuple(name for name, copy in before.items() if parts[name] != copy)


def _copies(parts: Mapping[str, Any]) -> Iterator[tuple[str, Any]]:
    """Copies of what can be copied and compared."""
    for name, part in parts.items():
        try:
            copy = deepcopy(part)
            comparable = bool(copy == part)
        except FAILURES:
            continue
        if comparable:
            yield name, copy


def required_parameters(handler: Handler) -> frozenset[str]:
    """The parameters that a handler says it cannot do without: those without a default."""
    found: set[str] = set()
    function: Any = handler.function
    while function is not None:
        parameters = inspect.signature(function, follow_wrapped=False).parameters.values()
        found.update(each.name for each in parameters if each.default is each.empty)
        function = getattr(function, "__wrapped__", None)
    return frozenset(found)
