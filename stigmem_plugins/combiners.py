"""How the results of a hook's handlers become one: a fold per semantic.

A fold is a generator. It yields what is to be called next, a handler and the value that it
gets, if its hook has one, and is sent what the handler returned or thrown what it raised. So
the rules stand here once, and those who drive a fold decide how handlers are called: `drive`
calls them, `adrive` also awaits them, and `relay` lets pluggy call them.

Each fold takes handlers in the order given and stops at the first failure, except `notify`,
which tells everybody.
"""

from __future__ import annotations

import logging
import math
from collections.abc import Callable, Generator, Iterable, Mapping
from types import CoroutineType, MappingProxyType
from typing import Any, Final, Protocol, TypeAlias, TypeVar

from stigmem_hookspecs import ALLOW_SINGLETON, Allow, Deny, HookSemantic, VotingDecision
from stigmem_hookspecs.markers import HookSpec, Payload
from stigmem_plugins.errors import FAILURES, PluginExecutionError, RejectError, shown
from stigmem_plugins.shim import Called, discard

log = logging.getLogger("stigmem.plugins.registry")

R = TypeVar("R")
Step: TypeAlias = tuple[Called, tuple[Any, ...]]
"""A handler to call, and the value that it gets: none, or one."""
Fold: TypeAlias = Generator[Step, Any, R]


class Reporter(Protocol):
    """Who is told what handlers do wrong, and whom they deny."""

    def denied(self, handler: Called, spec: HookSpec, reason: str, /) -> None:
        """A handler denied the operation."""

    def failed(
        self, handler: Called, spec: HookSpec, problem: BaseException | str, /
    ) -> PluginExecutionError:
        """A handler raised `problem`, or returned what it describes; the error to raise."""


def drive(fold: Fold[R], payload: Payload) -> R:
    """Call the handlers that a fold asks for, and return what it comes to."""
    try:
        handler, value = next(fold)
        while True:
            try:
                result = handler(payload, *value)
            except FAILURES as error:
                handler, value = fold.throw(error)
            else:
                handler, value = fold.send(result)
    except StopIteration as stop:
        return stop.value  # type: ignore[no-any-return]  # typeshed knows no type for it


async def adrive(fold: Fold[R], payload: Payload) -> R:
    """The same for handlers of both kinds: coroutines are awaited."""
    try:
        handler, value = next(fold)
        while True:
            try:
                result = handler(payload, *value)
                if isinstance(result, CoroutineType):
                    result = await result
            except FAILURES as error:
                handler, value = fold.throw(error)
            else:
                handler, value = fold.send(result)
    except StopIteration as stop:
        return stop.value  # type: ignore[no-any-return]  # the same


def ask(handler: Called, spec: HookSpec, report: Reporter, *value: Any) -> Fold[Any]:
    """One call, with what every fold makes of a failure.

    Raises:
        PluginExecutionError: It raised, or returned a coroutine, which nobody would await.
    """
    try:
        result = yield handler, value
    except RejectError as rejection:
        if spec.semantic is HookSemantic.VOTING:
            return Deny(rejection.reason)
        raise report.failed(handler, spec, rejection) from rejection
    except FAILURES as error:
        raise report.failed(handler, spec, error) from error
    if isinstance(result, CoroutineType):
        discard(result)
        raise report.failed(handler, spec, ASYNCHRONOUS)
    return result


def vote(handlers: Iterable[Called], spec: HookSpec, report: Reporter) -> Fold[VotingDecision]:
    """Deny-overrides: the first Deny wins and nobody after it is asked; no handlers is Allow."""
    for handler in handlers:
        decision = yield from ask(handler, spec, report)
        if isinstance(decision, Deny) and isinstance(decision.reason, str):
            report.denied(handler, spec, decision.reason)
            return decision
        if not isinstance(decision, Allow):
            wrong, what = decision, "expected Allow or Deny"
            if isinstance(decision, Deny):
                wrong, what = decision.reason, "expected Deny with a reason of type str"
            raise report.failed(handler, spec, f"{what}, got {type(wrong).__name__}")
    return ALLOW_SINGLETON


def chain(handlers: Iterable[Called], spec: HookSpec, report: Reporter, value: Any) -> Fold[Any]:
    """Give each handler what the one before it returned; no handlers leave the value as it is."""
    for handler in handlers:
        before = _own_copy(value) if spec.check else None
        value = yield from ask(handler, spec, report, value)
        if value is None:
            raise report.failed(handler, spec, "returned None; expected the value, changed or not")
        if spec.check and (problem := spec.check(handler.plugin_name, before, value)):
            raise report.failed(handler, spec, problem)
    return value


def merge(
    handlers: Iterable[Called],
    spec: HookSpec,
    report: Reporter,
    value: Any,
    totals: Mapping[str, float] = MappingProxyType({}),
) -> Fold[dict[str, float]]:
    """Sum the score changes by id, in call order; each handler gets a list of its own.

    Args:
        handlers: The handlers, in call order.
        spec: The hook.
        report: Who is told of failures.
        value: What is scored.
        totals: What handlers before these came to.
    """
    totals = dict(totals)
    for handler in handlers:
        deltas = yield from ask(handler, spec, report, _own_copy(value))
        if not isinstance(deltas, dict):
            problem = f"expected dict of score changes by id, got {type(deltas).__name__}"
            raise report.failed(handler, spec, problem)
        try:
            changes = [(key, delta) for key, delta in deltas.items()]  # the dict may be alive
        except FAILURES as error:
            raise report.failed(handler, spec, error) from error
        for key, delta in changes:
            if not isinstance(key, str):
                raise report.failed(handler, spec, f"expected ids of type str, got {shown(key)}")
            total = totals.get(key, 0.0) + _finite(delta)
            if not math.isfinite(total):
                problem = f"expected finite real numbers, got {shown(delta)} for {shown(key)}"
                raise report.failed(handler, spec, f"{problem}: sum {total}")
            totals[key] = total
    return totals


def notify(handlers: Iterable[Called], spec: HookSpec, report: Reporter) -> Fold[None]:
    """Tell every handler, whatever the others do.

    Raises:
        PluginExecutionError: On a strict hook, once all were told, when any of them failed. Its
            cause is what that handler raised; of several, an ExceptionGroup.
    """
    failures: list[PluginExecutionError] = []
    for handler in handlers:
        try:
            yield from ask(handler, spec, report)
        except PluginExecutionError as failure:
            failures.append(failure)
            if not spec.strict:
                log.warning("%s", failure)
    if spec.strict and failures:
        texts = "; ".join(str(failure) for failure in failures)
        message = f"audit hook {spec.name!r}: {texts}"
        raise PluginExecutionError(message, plugin=failures[0].plugin) from _cause(failures, spec)


FOLDS: Final[Mapping[HookSemantic, Callable[..., Fold[Any]]]] = {
    HookSemantic.VOTING: vote,
    HookSemantic.FILTER_CHAIN: chain,
    HookSemantic.SCORE_DELTA: merge,
    HookSemantic.FIRE_AND_FORGET: notify,
}
"""The fold of each semantic, called with handlers, spec, reporter and, if it takes one, value."""

ASYNCHRONOUS: Final = "is asynchronous, and this fire is not: use def, or fire with afire_…()"


def _cause(failures: list[PluginExecutionError], spec: HookSpec) -> BaseException | None:
    if len(failures) == 1:
        return failures[0].__cause__
    # An ExceptionGroup cannot hold a SystemExit: the error that wraps it stands for it.
    causes = [f.__cause__ if isinstance(f.__cause__, Exception) else f for f in failures]
    return ExceptionGroup(f"{len(causes)} handlers of {spec.name!r} failed", causes)


def _own_copy(value: Any) -> Any:
    """A shallow copy of a container, so that a handler cannot change its caller's."""
    return value.copy() if isinstance(value, (list, dict, set)) else value


def _finite(delta: Any) -> float:
    """The delta as a float; what is no real number, or too large for one, as NaN."""
    from numbers import Real  # noqa: PLC0415  # not asked for what is a float

    if isinstance(delta, bool) or not isinstance(delta, Real):
        return math.nan
    try:
        return float(delta)
    except FAILURES:
        return math.nan
