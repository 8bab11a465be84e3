"""How the results of a hook's handlers become one: a fold per semantic.

Each fold calls handlers in the order given and stops at the first failure, except
`notify`, which tells everybody.
"""

from __future__ import annotations

import logging
import math
from collections.abc import Iterable
from numbers import Real
from types import CoroutineType
from typing import Any, Protocol

from stigmem_hookspecs import ALLOW_SINGLETON, Allow, Deny, HookSemantic, VotingDecision
from stigmem_hookspecs.markers import HookSpec, Payload
from stigmem_plugins.errors import FAILURES, PluginExecutionError, RejectError, shown
from stigmem_plugins.shim import Called, discard

log = logging.getLogger("stigmem.plugins.registry")


class Reporter(Protocol):
    """Who is told what handlers do wrong, and whom they deny."""

    def denied(self, handler: Called, spec: HookSpec, reason: str, /) -> None:
        """A handler denied the operation."""

    def failed(
        self, handler: Called, spec: HookSpec, problem: BaseException | str, /
    ) -> PluginExecutionError:
        """A handler raised `problem`, or returned what it describes; the error to raise."""


def call(handler: Called, spec: HookSpec, report: Reporter, payload: Payload, *value: Any) -> Any:
    """Call one handler; the only place that does.

    Raises:
        PluginExecutionError: It raised, or returned a coroutine, which nobody would await.
    """
    try:
        result = handler(payload, *value)
    except RejectError as rejection:
        if spec.semantic is HookSemantic.VOTING:
            return Deny(rejection.reason)
        raise report.failed(handler, spec, rejection) from rejection
    except FAILURES as error:
        raise report.failed(handler, spec, error) from error
    if isinstance(result, CoroutineType):
        discard(result)
        raise report.failed(handler, spec, "is asynchronous, and this fire is not: use def")
    return result


def vote(
    handlers: Iterable[Called], spec: HookSpec, report: Reporter, payload: Payload
) -> VotingDecision:
    """Deny-overrides: the first Deny wins and nobody after it is asked; no handlers is Allow."""
    for handler in handlers:
        decision = call(handler, spec, report, payload)
        if isinstance(decision, Deny) and isinstance(decision.reason, str):
            report.denied(handler, spec, decision.reason)
            return decision
        if not isinstance(decision, Allow):
            wrong, what = decision, "expected Allow or Deny"
            if isinstance(decision, Deny):
                wrong, what = decision.reason, "expected Deny with a reason of type str"
            raise report.failed(handler, spec, f"{what}, got {type(wrong).__name__}")
    return ALLOW_SINGLETON


def chain(
    handlers: Iterable[Called], spec: HookSpec, report: Reporter, payload: Payload, value: Any
) -> Any:
    """Give each handler what the one before it returned; no handlers leave the value as it is."""
    for handler in handlers:
        before = _own_copy(value) if spec.check else None
        value = call(handler, spec, report, payload, value)
        if value is None:
            raise report.failed(handler, spec, "returned None; expected the value, changed or not")
        if spec.check and (problem := spec.check(handler.plugin_name, before, value)):
            raise report.failed(handler, spec, problem)
    return value


def merge(
    handlers: Iterable[Called], spec: HookSpec, report: Reporter, payload: Payload, value: Any
) -> dict[str, float]:
    """Sum the score changes by id, in call order; each handler gets a list of its own."""
    totals: dict[str, float] = {}
    for handler in handlers:
        deltas = call(handler, spec, report, payload, _own_copy(value))
        if not isinstance(deltas, dict):
            problem = f"expected dict of score changes by id, got {type(deltas).__name__}"
            raise report.failed(handler, spec, problem)
        for key, delta in deltas.items():
            if not isinstance(key, str):
                raise report.failed(handler, spec, f"expected ids of type str, got {shown(key)}")
            total = totals.get(key, 0.0) + _finite(delta)
            if not math.isfinite(total):
                problem = f"expected finite real numbers, got {shown(delta)} for {shown(key)}"
                raise report.failed(handler, spec, f"{problem}: sum {total}")
            totals[key] = total
    return totals


def notify(
    handlers: Iterable[Called],
    spec: HookSpec,
    report: Reporter,
    payload: Payload,
    *,
    strict: bool,
) -> None:
    """Tell every handler, whatever the others do.

    Raises:
        PluginExecutionError: If strict, once all were told, when any of them failed. Its cause
            is what that handler raised; of several, an ExceptionGroup.
    """
    failures: list[PluginExecutionError] = []
    for handler in handlers:
        try:
            call(handler, spec, report, payload)
        except PluginExecutionError as failure:
            failures.append(failure)
            if not strict:
                log.warning("%s", failure)
    if strict and failures:
        texts = "; ".join(str(failure) for failure in failures)
        message = f"audit hook {spec.name!r}: {texts}"
        raise PluginExecutionError(message, plugin=failures[0].plugin) from _cause(failures, spec)


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
    if isinstance(delta, bool) or not isinstance(delta, Real):
        return math.nan
    try:
        return float(delta)
    except FAILURES:
        return math.nan
