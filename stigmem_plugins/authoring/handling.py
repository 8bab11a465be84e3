"""Checks of handlers: how their hooks call them, and what they return."""

from __future__ import annotations

import ast
from collections.abc import Callable, Iterator
from functools import partial
from typing import Final, TypeAlias

from attrs import frozen

from stigmem_hookspecs import HOOK_SPECS
from stigmem_hookspecs.markers import HookSpec
from stigmem_plugins.authoring.annotations import described, expected
from stigmem_plugins.authoring.declaring import each_call
from stigmem_plugins.authoring.handlers import Function, find_function
from stigmem_plugins.authoring.manifests import Reading
from stigmem_plugins.authoring.names import External
from stigmem_plugins.authoring.table import Check, found
from stigmem_plugins.authoring.values import NotKnownError
from stigmem_plugins.deadlines import checked_timeout
from stigmem_plugins.errors import ManifestError, suggest
from stigmem_plugins.findings import Finding, Level, Place
from stigmem_plugins.signatures import read_keywords

HEALTH_CHECK: Final = "health_check"
CONFIG_VALIDATE: Final = "config_validate"
AUDIT_EMIT: Final = "audit_emit"
TIMEOUT: Final = External("stigmem.handler_timeout")
Say: TypeAlias = Callable[..., Finding]
"""Makes a finding about one handler."""


@frozen(eq=False)
class Handler:
    """A handler that a manifest names.

    Args:
        plugin: What findings call its plugin.
        hook: The hook, or `health_check`.
        place: Where the manifest names it.
        spec: The hook's declaration; None for the health check.
        function: The function; None if it is not one known function.
    """

    plugin: str
    hook: str
    place: Place
    spec: HookSpec | None
    function: Function | None

    @property
    def subject(self) -> str:
        """What findings call it."""
        return f"{self.plugin} {self.hook}"


def each_handler(reading: Reading) -> Iterator[Handler]:
    """The handlers of known hooks, and the health checks."""
    for plugin, call in each_call(reading):
        try:
            items = reading.hooks(call)
        except NotKnownError:
            items = []
        for item in items:
            spec = HOOK_SPECS.get(item.value) if isinstance(item.value, str) else None
            if spec is not None:
                function = find_function(reading.code, reading.code.meaning(item.node, item.scope))
                place = item.scope.module.place(item.node)
                yield Handler(plugin, spec.name, place, spec, function)
        if check := call.fields.get(HEALTH_CHECK):
            function = find_function(reading.code, reading.code.meaning(check, call.scope))
            if function is not None:
                yield Handler(plugin, HEALTH_CHECK, call.field_place(HEALTH_CHECK), None, function)


def check_handlers(reading: Reading) -> Iterator[Finding]:
    """Every handler can be called as its hook calls it."""
    for handler in each_handler(reading):
        if handler.function is None:
            message = "which function handles it, only running the code can tell"
            yield found(
                "handlers.unknown",
                Level.SKIP,
                message,
                subject=handler.subject,
                place=handler.place,
            )
            continue
        say = partial(found, subject=handler.subject)
        at = partial(say, place=handler.function.place)
        if handler.spec is None:
            yield from _health_check(at, handler.function)
        else:
            yield from _called(at, handler.function, handler.spec)
            yield from _annotated(say, handler.function, handler.spec)
        yield from _deadline(reading, say, handler.function)


def _called(say: Say, function: Function, spec: HookSpec) -> Iterator[Finding]:
    try:
        read_keywords(function.stand_in(), spec)
    except ManifestError as fault:
        yield say("handlers.positional", Level.FAIL, fault.message, hint=fault.fix)
        return
    for name in function.needed[spec.positional :]:
        if name not in spec.keywords:
            near = suggest(name, spec.keywords)
            message = f"it needs the keyword {name!r}, which the hook does not promise{near}"
            hint = "give it a default, or leave it to **payload"
            yield say("handlers.keyword", Level.WARN, message, hint=hint)
    if function.asynchronous and spec.name == CONFIG_VALIDATE:
        message = "it is a coroutine function, and a start awaits no config_validate handler"
        yield say("handlers.async", Level.FAIL, message, hint="use def")
    elif function.asynchronous and spec.name == AUDIT_EMIT:
        message = "it is a coroutine function, and misses what the plugin layer itself audits"
        yield say("handlers.async", Level.WARN, message, hint="use def")


def _health_check(say: Say, function: Function) -> Iterator[Finding]:
    try:
        function.stand_in().__signature__.bind(None)
    except TypeError:
        message = "health_check must accept 1 positional argument, the context"
        yield say("handlers.positional", Level.FAIL, message, hint="write it as (ctx)")
    if function.asynchronous:
        message = "it is a coroutine function, and nobody awaits a health check"
        yield say("handlers.async", Level.FAIL, message, hint="use def")


def _annotated(say: Say, function: Function, spec: HookSpec) -> Iterator[Finding]:
    """Where a parameter or the result is annotated with another type than the hook's."""
    types = expected(spec)
    arguments = [argument for argument, _ in function.arguments()]
    names = ["ctx", "value"][: spec.positional] + [
        each.arg for each in arguments[spec.positional :]
    ]
    annotated = [
        (f"the parameter {argument.arg!r}", name, argument.annotation)
        for name, argument in zip(names, arguments, strict=False)
    ]
    annotated.append(("what it returns", "return", getattr(function.node, "returns", None)))
    for what, name, annotation in annotated:
        wanted, given = types.get(name), described(annotation)
        if annotation is not None and wanted and given and wanted.isdisjoint(given):
            message = f"{what} is annotated as {' | '.join(sorted(given))}, and the hook says "
            message += " | ".join(sorted(wanted))
            place, hint = function.scope.module.place(annotation), "correct the annotation"
            yield say("handlers.annotation", Level.WARN, message, place=place, hint=hint)


def _deadline(reading: Reading, say: Say, function: Function) -> Iterator[Finding]:
    for decorator in getattr(function.node, "decorator_list", []):
        match decorator:
            case ast.Call(func=called, args=[seconds], keywords=[]) if (
                reading.code.meaning(called, function.scope) == TIMEOUT
            ):
                try:
                    checked_timeout(reading.values.literal(seconds, function.scope))
                except NotKnownError:
                    pass
                except ManifestError as fault:
                    place = function.scope.module.place(seconds)
                    yield say("handlers.deadline", Level.FAIL, fault.message, place=place)
            case _:
                pass


CHECK: Final = Check(
    "handlers",
    "every handler can be called as its hook calls it",
    {
        "handlers.unknown": "which function handles a hook is only known when it runs",
        "handlers.positional": "a handler cannot take the positional arguments of its hook",
        "handlers.keyword": "a handler needs a keyword that its hook does not promise",
        "handlers.async": "a coroutine function stands where nothing is awaited",
        "handlers.annotation": "an annotation contradicts the hook's specification",
        "handlers.deadline": "a deadline is out of range",
    },
    check_handlers,
)
