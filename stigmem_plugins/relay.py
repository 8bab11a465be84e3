"""A hook fired through pluggy's own call, where a hookwrapper or a monitor wants to see it.

pluggy calls every implementation with the same arguments and collects what is not None. So
each handler is given to it behind a function that takes the next step of the hook's fold: it
calls the handler with what the fold says, or not at all once the fold has come to an end.
What a vote, a chain, a sum or a failure means is thus decided where it is always decided, and
pluggy's own call decides what it always does: order, wrappers and monitors.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Any

from attrs import frozen
from pluggy import HookImpl, HookimplOpts, PluginManager

from stigmem_hookspecs import LIFECYCLE_MODULES, Deny, HookSemantic
from stigmem_hookspecs.markers import PROJECT_NAME, HookSpec, Payload
from stigmem_plugins.combiners import FOLDS, Fold, Reporter, Step, drive
from stigmem_plugins.errors import FAILURES
from stigmem_plugins.manager import AfterTrace, BeforeTrace
from stigmem_plugins.shim import Answered, Called


class Run(dict[str, Any]):
    """The payload of one fire on its way through pluggy, and how far its fold has come."""

    def __init__(self, payload: Payload, fold: Fold[Any]) -> None:
        super().__init__(payload)
        self.payload = payload
        self.fold = fold
        self.step: Step | None = None
        self.results: list[Any] = []
        self.outcome: Any = None
        self.failure: BaseException | None = None

    def begin(self) -> None:
        """Go to the first call."""
        self._advance(self.fold.send, None)

    def call(self) -> Any:
        """Call the handler whose turn it is, and return its result; None once nobody's is."""
        if self.step is None:
            return None
        handler, value = self.step
        try:
            result = handler(self.payload, *value)
        except FAILURES as error:
            self._advance(self.fold.throw, error)
            return None
        self._advance(self.fold.send, result)
        if result is not None:
            self.results.append(result)
        return result

    def _advance(self, resume: Callable[[Any], Step], outcome: Any) -> None:
        self.step = None
        try:
            self.step = resume(outcome)
        except StopIteration as stop:
            self.outcome = stop.value
        except FAILURES as failure:
            self.failure = failure
            raise


class _Plugin:
    """Has one implementation; pluggy compares plugins with ==, so each is equal to itself alone."""


class _Stage(PluginManager):
    """A plugin manager for one hook, which is told how to register each implementation."""

    def __init__(self, spec: HookSpec) -> None:
        super().__init__(PROJECT_NAME)
        self._options: dict[int, HookimplOpts] = {}
        function = next(getattr(m, spec.name) for m in LIFECYCLE_MODULES if hasattr(m, spec.name))
        self.add_hookspecs(type("Specs", (), {spec.name: staticmethod(function)}))

    def add(self, spec: HookSpec, impl: HookImpl, function: Callable[..., Any]) -> None:
        options: HookimplOpts = {
            "wrapper": impl.wrapper,
            "hookwrapper": impl.hookwrapper,
            "optionalhook": False,
            "tryfirst": False,
            "trylast": False,
            "specname": None,
        }
        plugin = _Plugin()
        setattr(plugin, spec.name, function)
        self._options[id(plugin)] = options
        taken = self.has_plugin(impl.plugin_name)
        self.register(plugin, f"{impl.plugin_name} {id(plugin)}" if taken else impl.plugin_name)

    def parse_hookimpl_opts(self, plugin: object, name: str) -> HookimplOpts | None:
        return None if name.startswith("__") else self._options[id(plugin)]


@frozen(eq=False, repr=False)
class _Wrappers:
    """The wrappers of a hook, or its monitors: whom to name where they change or break it."""

    plugin_name: str
    handler_name: str
    secrets: tuple[str, ...] = ()
    asynchronous: bool = False

    def __call__(self, payload: Payload, *value: Any) -> Any:
        """Never called: pluggy calls wrappers."""


class Relay:
    """Fires one hook through pluggy.

    Args:
        spec: The hook.
        handlers: Its implementations as pluggy lists them, called last to first, each with the
            handler that it stands for; None for a wrapper.
        monitors: What reports every call.
        report: Who is told of failures.
    """

    def __init__(
        self,
        spec: HookSpec,
        handlers: Sequence[tuple[HookImpl, Called | None]],
        monitors: Iterable[tuple[BeforeTrace, AfterTrace]],
        report: Reporter,
    ) -> None:
        self._spec = spec
        self._report = report
        self._called = [called for _, called in reversed(handlers) if called is not None]
        names = ", ".join(impl.plugin_name for impl, called in reversed(handlers) if called is None)
        wrappers = (names, f"hookwrapper of {names}") if names else ("core", "hook call monitor")
        self._wrappers = _Wrappers(*wrappers)
        stage = _Stage(spec)
        for impl, called in handlers:
            stage.add(spec, impl, impl.function if called is None else _step)
        for before, after in monitors:
            stage.add_hookcall_monitoring(before, after)
        self._call = getattr(stage.hook, spec.name)

    def fire(self, payload: Payload, *value: Any) -> Any:
        """Fire the hook.

        Wrappers can change what is made of a hook, but not a denial or a failure. One that
        raises fails as a handler would.

        Raises:
            PluginExecutionError: As the hook's fold does.
        """
        fold = FOLDS[self._spec.semantic]
        run = Run(payload, fold(self._called, self._spec, self._report, *value))
        run.begin()
        known = dict.fromkeys(self._spec.keywords) | dict(payload)
        given = {name: known[name] for name in self._spec.keywords}
        given |= dict(zip(("value",), value, strict=False))
        try:
            results = self._call(**given, payload=run)
        except FAILURES as error:
            if run.failure is None:
                return self._broken(run, error, *value)
            results = run.results
        if run.failure is not None:
            raise run.failure
        if isinstance(run.outcome, Deny) or _same(results, run.results):
            return run.outcome
        changed = [Answered(self._wrappers, result) for result in results]
        return drive(fold(changed, self._spec, self._report, *value), payload)

    def _broken(self, run: Run, error: BaseException, *value: Any) -> Any:
        """What it comes to if a wrapper raised: the same as if a handler had.

        Who is to be told of something is told all the same. Wrappers raise before all handlers
        are called, or after, so that none is told twice.
        """
        telling = self._spec.semantic is HookSemantic.FIRE_AND_FORGET
        untold = self._called if telling and run.step else ()
        rest = (*untold, Answered(self._wrappers, error=error))
        fold = FOLDS[self._spec.semantic](rest, self._spec, self._report, *value)
        return drive(fold, run.payload)


def _step(payload: Run) -> Any:
    return payload.call()


def _same(one: Sequence[Any], other: Sequence[Any]) -> bool:
    return len(one) == len(other) and all(a is b for a, b in zip(one, other, strict=True))
