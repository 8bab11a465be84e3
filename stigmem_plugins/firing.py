"""What fires a hook: which way its handlers are called, and the table that it is looked up in."""

from __future__ import annotations

import keyword
from collections.abc import Callable, Sequence
from functools import cached_property
from typing import TYPE_CHECKING, Any, Final

from pluggy import HookImpl

from stigmem_hookspecs import HookSemantic
from stigmem_hookspecs.markers import HookSpec, Payload
from stigmem_plugins.combiners import ASYNCHRONOUS, FOLDS, Reporter, adrive, drive
from stigmem_plugins.deadlines import awaited, limited
from stigmem_plugins.errors import PluginExecutionError
from stigmem_plugins.manager import AfterTrace, BeforeTrace
from stigmem_plugins.plans import Exits, Function, Plan, Shape, silent
from stigmem_plugins.shim import Answered, Called
from stigmem_plugins.workers import Bulkheads

SHAPES: Final = 16
"""How many shapes of payload, beside the usual one, a hook gets plans for; others are folded."""

_UNWRITABLE: Final = {*keyword.kwlist, "__debug__"}

if TYPE_CHECKING:
    from stigmem_plugins.relay import Relay

UNWRAP: Final = (
    "is asynchronous, and pluggy, which calls this hook for a hookwrapper or monitor, cannot "
    "await it: use def, or take the hookwrapper out"
)


class Table(dict[str, Function]):
    """What fires the hooks of one semantic, by hook; made when first looked up.

    Args:
        make: Makes and keeps it; gets the table and the hook's name.
        semantic: The semantic.
        asynchronous: Whether what is kept are coroutine functions.
    """

    def __init__(
        self, make: Callable[[Table, str], Function], semantic: HookSemantic, *, asynchronous: bool
    ) -> None:
        super().__init__()
        self._make = make
        self.semantic = semantic
        self.asynchronous = asynchronous

    def __missing__(self, hook: str) -> Function:
        return self._make(self, hook)


class Hook:
    """One hook as it stands: its handlers in call order, and what surrounds them.

    Args:
        spec: Its declaration.
        called: Its implementations as pluggy lists them, called last to first, each with the
            handler that it stands for; None for a wrapper.
        monitors: What wants every call reported by pluggy.
        report: Who is told of failures.
        bulkheads: Where handlers run that have a deadline, or must not run in an event loop.
    """

    def __init__(
        self,
        spec: HookSpec,
        called: Sequence[tuple[HookImpl, Called | None]],
        monitors: Sequence[tuple[BeforeTrace, AfterTrace]],
        report: Reporter,
        bulkheads: Bulkheads,
    ) -> None:
        self.spec = spec
        self.handlers = tuple(each for _, each in reversed(called) if each is not None)
        self._called = called
        self._monitors = monitors
        self._report = report
        self._bulkheads = bulkheads

    def fire(self) -> Function:
        """What fires it: `fire(payload)`, or `fire(value, payload)` where there is a value.

        Handlers that are coroutine functions cannot be called: then it says so, and calls none.
        """
        for handler in self.handlers:
            if handler.asynchronous:
                why = UNWRAP if self._through_pluggy else ASYNCHRONOUS
                return _refuse(handler, self.spec, why)
        if self._through_pluggy:
            return self._folding
        return _planned(self.spec, self._limited, self._report, asynchronous=False)

    def afire(self) -> Function:
        """The same as a coroutine function, which awaits the handlers that must be.

        pluggy cannot await: what goes through it blocks the loop while it lasts.
        """
        if self._through_pluggy:
            return _awaitable(self.fire())
        handlers = tuple(awaited(each, self._bulkheads) for each in self.handlers)
        return _planned(self.spec, handlers, self._report, asynchronous=True)

    def fold(self, payload: Payload, *value: Any) -> Any:
        """Fire it without a plan."""
        if self._through_pluggy:
            return self._relay.fire(payload, *value)
        fold = FOLDS[self.spec.semantic]
        return drive(fold(self._limited, self.spec, self._report, *value), payload)

    @property
    def is_silent(self) -> bool:
        """Whether firing it calls nobody at all."""
        return not self._called and not self._monitors

    @property
    def _through_pluggy(self) -> bool:
        return bool(self._monitors) or len(self.handlers) < len(self._called)

    @cached_property
    def _relay(self) -> Relay:
        from stigmem_plugins.relay import Relay  # noqa: PLC0415  # only where it is needed

        called = [(impl, each and limited(each, self._bulkheads)) for impl, each in self._called]
        return Relay(self.spec, called, self._monitors, self._report)

    @cached_property
    def _limited(self) -> tuple[Called, ...]:
        return tuple(limited(each, self._bulkheads) for each in self.handlers)

    def _folding(self, *arguments: Any) -> Any:
        *value, payload = arguments
        return self.fold(payload, *value)


def _planned(
    spec: HookSpec, handlers: tuple[Called, ...], report: Reporter, *, asynchronous: bool
) -> Function:
    """A function that fires a hook by its plan, and by its fold what no plan is made for."""
    if not handlers:
        return silent(spec.semantic, asynchronous=asynchronous)
    fold, run = FOLDS[spec.semantic], adrive if asynchronous else drive
    shapes: dict[Shape, Function] = {}

    def plain(*arguments: Any) -> Any:
        *value, payload = arguments
        return run(fold(handlers, spec, report, *value), payload)

    def other(*arguments: Any) -> Any:
        """Fire by the plan for a payload that is not of the usual shape."""
        shape = tuple(arguments[-1])
        try:
            fire = shapes[shape]
        except KeyError:
            if len(shapes) >= SHAPES or not fits(shape):
                return plain(*arguments)
            # Two threads may both make it; either is as good.
            plan = Plan(spec, handlers, shape, usual=False, asynchronous=asynchronous)
            fire = shapes[shape] = plan.compile(exits)
        return fire(*arguments)

    def returned(at: int, result: Any, payload: Payload, *state: Any) -> Any:
        rest = (Answered(handlers[at], result), *handlers[at + 1 :])
        return run(fold(rest, spec, report, *state), payload)

    def raised(at: int, error: BaseException, payload: Payload, *state: Any) -> Any:
        rest = (Answered(handlers[at], error=error), *handlers[at + 1 :])
        return run(fold(rest, spec, report, *state), payload)

    if spec.check:  # each result is compared with what came before it
        return plain
    exits = Exits(other=other, plain=plain, returned=returned, raised=raised)
    return Plan(spec, handlers, spec.keywords, asynchronous=asynchronous).compile(exits)


def fits(shape: Shape) -> bool:
    """Whether a plan can be written for a payload of these keywords, as they are.

    Of a member of an enumeration, or beyond ASCII, Python would read another name.

    Example:
        >>> fits(("req", "self")), fits(("class",)), fits(("x-y",)), fits(("\ufb01x",))
        (True, False, False, False)
    """
    return all(
        type(name) is str and name.isascii() and name.isidentifier() and name not in _UNWRITABLE
        for name in shape
    )


def _refuse(handler: Called, spec: HookSpec, why: str) -> Function:
    def refuse(*_arguments: Any) -> Any:
        message = f"handler {handler.handler_name!r} for hook {spec.name!r} {why}"
        raise PluginExecutionError(message, plugin=handler.plugin_name)

    return refuse


def _awaitable(fire: Function) -> Function:
    async def afire(*arguments: Any) -> Any:
        return fire(*arguments)

    return afire
