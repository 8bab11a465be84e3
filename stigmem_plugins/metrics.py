"""Prometheus metrics: counted and timed around fires and handlers, by a registry that is told to.

Every label is looked up once, when a hook is made ready to fire; after that a fire only adds to
numbers. A registry without metrics never comes here, and nothing is imported for it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import cache
from time import perf_counter
from typing import TYPE_CHECKING, Any, NamedTuple

from attrs import evolve, field, frozen

from stigmem_hookspecs import Allow, HookSemantic
from stigmem_hookspecs.markers import HookSpec, Payload
from stigmem_plugins.audit import HANDLER_ERROR, PLUGIN_REGISTERED, REGISTRATION_FAILED
from stigmem_plugins.errors import StigmemPluginError, describe
from stigmem_plugins.shim import Called, Handler, NativeHandler

if TYPE_CHECKING:
    from prometheus_client import Counter, Gauge, Histogram

Function = Callable[..., Any]


class Collectors(NamedTuple):
    """What is shown, one set for the process: Prometheus takes each name once."""

    fires: Counter
    invocations: Counter
    errors: Counter
    decisions: Counter
    registrations: Counter
    fire_seconds: Histogram
    handler_seconds: Histogram
    registered: Gauge
    handlers: Gauge


@cache
def collectors() -> Collectors:
    """The collectors, registered with Prometheus' default registry.

    Raises:
        StigmemPluginError: `prometheus_client` is not installed, or something else has taken one
            of the names.
    """
    try:
        from prometheus_client import Counter, Gauge, Histogram  # noqa: PLC0415  # an extra
    except ImportError:
        message = "metrics are on, and prometheus_client is not installed"
        fix = "install stigmem-plugins[prometheus], or leave emit_metrics off"
        raise StigmemPluginError(message, fix=fix) from None
    try:
        return declare(Counter, Gauge, Histogram)
    except ValueError as error:
        message = f"metrics are on, and something else has their names: {describe(error)}"
        fix = "let one plugin layer alone emit metrics in this process"
        raise StigmemPluginError(message, fix=fix) from None


def declare(counter: type[Counter], gauge: type[Gauge], histogram: type[Histogram]) -> Collectors:
    """Make every collector, with the classes given: the only place that names them.

    Args:
        counter: Prometheus' class, or something called like it.
        gauge: The same.
        histogram: The same.
    """
    by_hook, by_handler, prefix = ["hook"], ["hook", "plugin"], "stigmem_plugin_"
    return Collectors(
        counter(f"{prefix}hook_fire_total", "How often a hook was fired.", by_hook),
        counter(
            f"{prefix}handler_invocation_total",
            "How often a plugin's handlers were called.",
            by_handler,
        ),
        counter(
            f"{prefix}handler_error_total",
            "How often a handler raised, or returned something wrong.",
            [*by_handler, "error_type"],
        ),
        counter(
            f"{prefix}voting_decision_total",
            "Voting fires, by what was decided.",
            ["hook", "decision"],
        ),
        counter(
            f"{prefix}registration_total", "Plugins registered or refused.", ["outcome", "reason"]
        ),
        histogram(f"{prefix}hook_duration_seconds", "How long a fire takes.", by_hook),
        histogram(f"{prefix}handler_duration_seconds", "How long a handler takes.", by_handler),
        gauge(f"{prefix}registered_count", "Plugins registered now."),
        gauge(f"{prefix}handlers_per_hook", "How many handlers a hook has.", by_hook),
    )


@frozen(eq=False)
class _Native(NativeHandler):
    """A native handler under a stopwatch."""

    timed: Function = field(kw_only=True)

    def __call__(self, payload: Payload, *value: Any) -> Any:
        """Call it as it is called without."""
        return self.timed(payload, *value)


class Metrics:
    """Counts and times what one registry does.

    Args:
        registered: Says how many plugins are registered now.
    """

    def __init__(self, registered: Callable[[], int]) -> None:
        self._show = collectors()
        self._registered = registered

    def watch(self, event_type: str, plugin_name: str, metadata: Mapping[str, Any]) -> None:
        """Count what one of the layer's own audit events is about."""
        if event_type == HANDLER_ERROR:
            labels = metadata["hook"], plugin_name, metadata["error_type"]
            self._show.errors.labels(*labels).inc()
        elif event_type == REGISTRATION_FAILED:
            self._show.registrations.labels("failure", metadata["reason"]).inc()
        elif event_type == PLUGIN_REGISTERED:
            self._show.registrations.labels("success", "").inc()
            self._show.registered.set(self._registered())

    def handler(self, called: Handler | NativeHandler, spec: HookSpec) -> Called:
        """The same handler, counted and timed."""
        labels = spec.name, called.plugin_name
        called_once = self._show.invocations.labels(*labels).inc
        seconds = self._show.handler_seconds.labels(*labels).observe
        if isinstance(called, Handler):
            timed = _timed(called.function, called_once, seconds, awaits=called.asynchronous)
            return evolve(called, function=timed)
        timed = _timed(called, called_once, seconds, awaits=called.asynchronous)
        return _Native(called.impl, timed=timed)

    def fire(self, spec: HookSpec, fire: Function, handlers: int, *, awaits: bool) -> Function:
        """The same fire, counted and timed, with the decision if there is one.

        Args:
            spec: The hook.
            fire: What fires it.
            handlers: How many handlers it has.
            awaits: Whether `fire` is a coroutine function.
        """
        self._show.handlers.labels(spec.name).set(handlers)
        fired = self._show.fires.labels(spec.name).inc
        seconds = self._show.fire_seconds.labels(spec.name).observe
        if spec.semantic is not HookSemantic.VOTING:
            return _timed(fire, fired, seconds, awaits=awaits)
        allowed = self._show.decisions.labels(spec.name, "allow").inc
        denied = self._show.decisions.labels(spec.name, "deny").inc

        def decided(decision: Any) -> None:
            if isinstance(decision, Allow):
                allowed()
            else:
                denied()

        return _timed(fire, fired, seconds, decided, awaits=awaits)


def _timed(
    function: Function,
    count: Callable[[], None],
    observe: Callable[[float], None],
    returned: Callable[[Any], None] | None = None,
    *,
    awaits: bool,
) -> Function:
    def timed(*arguments: Any, **keywords: Any) -> Any:
        count()
        start = perf_counter()
        try:
            result = function(*arguments, **keywords)
        finally:
            observe(perf_counter() - start)
        if returned:
            returned(result)
        return result

    async def awaited(*arguments: Any, **keywords: Any) -> Any:
        count()
        start = perf_counter()
        try:
            result = await function(*arguments, **keywords)
        finally:
            observe(perf_counter() - start)
        if returned:
            returned(result)
        return result

    return awaited if awaits else timed
