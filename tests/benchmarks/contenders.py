"""Who is measured: this package, a bare loop, and other ways to call plugins."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any, Final

import blinker
import pluggy
from attrs import frozen
from stevedore.extension import Extension, ExtensionManager

from stigmem_hookspecs import HOOK_SPECS, Allow
from stigmem_plugins import HookRegistry, PluginManifest
from tests.benchmarks.rounds import Contender

ALLOW: Final = Allow()
KEYWORDS: Final = ("identity", "tenant", "request_id")
VALUE: Final = [{"id": "a"}, {"id": "b"}]

Handler = Callable[..., Any]


@frozen
class Case:
    """A hook as a node fires it, and what its handlers answer.

    Args:
        semantic: What `fire_…` and `afire_…` are called.
        hook: The hook.
        keywords: Those of the payload.
        answer: The expression that a handler returns.
        style: How the handler takes the keywords: each by name (`named`), all (`open`), or each
            by name and then all that there may be (`both`).
        fired: The keywords of the fire, where they are others than the usual ones.
        asynchronous: Whether handlers are coroutine functions.
    """

    semantic: str
    hook: str
    keywords: tuple[str, ...]
    answer: str
    style: str = "named"
    fired: tuple[str, ...] = ()
    asynchronous: bool = False

    @property
    def takes_value(self) -> bool:
        """Whether handlers get a value."""
        return HOOK_SPECS[self.hook].semantic.takes_value

    @property
    def arguments(self) -> str:
        """The keywords of a fire, as they are written in a call."""
        return ", ".join(f"{name}={name!r}" for name in self.fired or self.keywords)

    def handlers(self, count: int) -> list[Handler]:
        """That many functions, alike but not the same."""
        named = "*, " + ", ".join(self.keywords)
        taken = {"named": named, "open": "**_", "both": f"{named}, **_"}[self.style]
        if self.fired and self.style == "named":
            taken = taken.replace("tenant", "tenant=None")
        value = "value, " if self.takes_value else ""
        kind = "async def" if self.asynchronous else "def"
        source = f"{kind} handler(_ctx, {value}{taken}):\n    return {self.answer}\n"
        made: list[Handler] = []
        for _ in range(count):
            scope: dict[str, Any] = {"ALLOW": ALLOW}
            exec(source, scope)
            made.append(scope["handler"])
        return made


VOTING: Final = Case("voting", "pre_assert_authorize", ("req", *KEYWORDS), "ALLOW")
FILTER: Final = Case("filter_chain", "recall_filter", KEYWORDS, "value")
SCORE: Final = Case("score_delta", "recall_rank", KEYWORDS, "{'a': 0.5, 'b': 0.25}")
NOTIFY: Final = Case("fire_and_forget", "post_assert_persist", ("fact", *KEYWORDS), "None")
SEMANTICS: Final = (VOTING, FILTER, SCORE, NOTIFY)


def registry_of(
    hooks: Sequence[dict[str, Handler]], *, freeze: bool = True, **options: Any
) -> HookRegistry:
    """A frozen registry with a plugin for each of these."""
    registry = HookRegistry(**options)
    for number, each in enumerate(hooks):
        registry.register_plugin(
            PluginManifest(name=f"plugin-{number:03}", version="1.0.0", hooks=each)
        )
    if freeze:
        registry.freeze()
    return registry


def contenders(case: Case, count: int, **options: Any) -> dict[str, Contender]:
    """Everybody who can fire this case with so many handlers; the bare loop first."""
    handlers = case.handlers(count)
    value = "VALUE, " if case.takes_value else ""
    call = f"({value}{case.arguments})"
    registry = registry_of([{case.hook: each} for each in handlers], **options)
    names = {
        "VALUE": VALUE,
        "loop": _bare_loop(case, handlers),
        "by_name": getattr(registry, f"fire_{case.semantic}"),
        "hook": registry.hook,
        "pluggy": _pluggy(case, handlers),
        "first": _pluggy(case, handlers, firstresult=True),
        "merged": _pluggy_merged(case, handlers),
        "manager": _stevedore(handlers),
        "invoke": _invoke,
        "signal": _blinker(case, handlers),
    }
    statements = {
        "bare loop": f"loop{call}",
        "by name": f"by_name({case.hook!r}, {call[1:]}",
        "registry.hook": f"hook.{case.hook}{call}",
        "pluggy": f"pluggy({'value=' if value else ''}{call[1:]}",
    }
    if case is SCORE:
        statements["pluggy, merged"] = f"merged(value={call[1:]}"
    else:
        statements["pluggy, first result"] = f"first({'value=' if value else ''}{call[1:]}"
    if case is NOTIFY:
        statements["stevedore"] = f"manager.map(invoke, {call[1:]}" if count else "pass"
        statements["blinker"] = f"signal.send('host', {call[1:]}"
    return {
        name: Contender(statement, names)
        for name, statement in statements.items()
        if statement != "pass"
    }


def asynchronous(case: Case, count: int) -> dict[str, Contender]:
    """The same for coroutine functions, without those who cannot await them."""
    handlers = case.handlers(count)
    registry = registry_of([{case.hook: each} for each in handlers])
    names = {
        "loop": _bare_await_loop(handlers),
        "by_name": getattr(registry, f"afire_{case.semantic}"),
    }
    return {
        "bare loop": Contender(f"await loop({case.arguments})", names),
        "by name": Contender(f"await by_name({case.hook!r}, {case.arguments})", names),
    }


def _bare_loop(case: Case, handlers: list[Handler]) -> Handler:
    ctx = object()

    def each(**payload: Any) -> Any:
        for handler in handlers:
            handler(ctx, **payload)

    def link(value: Any, **payload: Any) -> Any:
        for handler in handlers:
            value = handler(ctx, value, **payload)
        return value

    def total(value: Any, **payload: Any) -> Any:
        totals: dict[str, float] = {}
        for handler in handlers:
            for key, delta in handler(ctx, value, **payload).items():
                totals[key] = totals.get(key, 0.0) + delta
        return totals

    return {"filter_chain": link, "score_delta": total}.get(case.semantic, each)


def _bare_await_loop(handlers: list[Handler]) -> Handler:
    ctx = object()

    async def each(**payload: Any) -> Any:
        for handler in handlers:
            await handler(ctx, **payload)

    return each


def _pluggy(case: Case, handlers: list[Handler], *, firstresult: bool = False) -> Handler:
    """pluggy alone, with a specification of these keywords."""
    names = ", ".join([*(["value"] if case.takes_value else []), *(case.fired or case.keywords)])
    scope: dict[str, Any] = {}
    answer = "value" if case is FILTER else case.answer
    exec(
        f"def fire({names}): ...\n"
        f"def bound(ALLOW):\n    def fire({names}): return {answer}\n    return fire\n",
        scope,
    )
    pluggy.HookspecMarker("bench")(scope["fire"], firstresult=firstresult)
    specs = type("Specs", (), {"fire": staticmethod(scope["fire"])})
    manager = pluggy.PluginManager("bench")
    manager.add_hookspecs(specs)
    for _ in handlers:
        implementation = pluggy.HookimplMarker("bench")(scope["bound"](ALLOW))
        manager.register(type("Plugin", (), {"fire": staticmethod(implementation)})())
    return manager.hook.fire


def _pluggy_merged(case: Case, handlers: list[Handler]) -> Handler:
    """pluggy, and the checks of a score that this package makes."""
    call = _pluggy(case, handlers)

    def merged(**keywords: Any) -> dict[str, float]:
        totals: dict[str, float] = {}
        for deltas in call(**keywords):
            if not isinstance(deltas, dict):
                raise TypeError
            for key, delta in deltas.items():
                if not isinstance(key, str) or not isinstance(delta, float):
                    raise TypeError
                total = totals.get(key, 0.0) + delta
                if not math.isfinite(total):
                    raise ValueError
                totals[key] = total
        return totals

    return merged


def _stevedore(handlers: list[Handler]) -> Any:
    extensions = [
        Extension(f"plugin-{number}", None, None, handler)
        for number, handler in enumerate(handlers)
    ]
    return ExtensionManager.make_test_instance(extensions)


def _invoke(extension: Any, **payload: Any) -> Any:
    return extension.obj(None, **payload)


def _blinker(case: Case, handlers: list[Handler]) -> blinker.Signal:
    signal = blinker.Signal()
    if not case.takes_value:
        for handler in handlers:
            signal.connect(handler, weak=False)
    return signal
