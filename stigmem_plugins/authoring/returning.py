"""The check of what handlers return, as far as their source says so for certain."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from functools import partial
from typing import Final

from stigmem_hookspecs import HookSemantic
from stigmem_hookspecs.markers import HookSpec
from stigmem_plugins.authoring.bindings import own_nodes
from stigmem_plugins.authoring.flow import ALLOW, DENY, NONE, End, end_of, is_generator, kinds
from stigmem_plugins.authoring.handlers import Function
from stigmem_plugins.authoring.handling import Say, each_handler
from stigmem_plugins.authoring.manifests import Reading, results
from stigmem_plugins.authoring.table import Check, found
from stigmem_plugins.findings import Finding, Level

RETURNS: Final = {
    HookSemantic.VOTING: "Allow() or Deny(reason)",
    HookSemantic.FILTER_CHAIN: "the value, changed or not",
    HookSemantic.SCORE_DELTA: "a dict of score changes by id",
    HookSemantic.FIRE_AND_FORGET: "nothing",
}


def check_returns(reading: Reading) -> Iterator[Finding]:
    """Every handler returns what its hook's semantic asks for."""
    for handler in each_handler(reading):
        function, spec = handler.function, handler.spec
        if function is None or spec is None:
            continue
        say = partial(found, subject=handler.subject)
        if is_generator(function.node):
            message = "it has a yield, so that calling it runs nothing"
            hint = "collect what it yields, and return that"
            yield say("returns.generator", Level.FAIL, message, place=function.place, hint=hint)
            continue
        body = function.body()
        for result in results(function.node):
            place = function.scope.module.place(result)
            for kind in kinds(reading.code, result, body):
                if kind is not None:
                    yield from _result(partial(say, place=place), spec, kind)
        if spec.semantic is not HookSemantic.FIRE_AND_FORGET:
            yield from _end(partial(say, place=function.place), function, spec)


def _result(say: Say, spec: HookSpec, kind: str) -> Iterator[Finding]:
    """What is wrong with one result of a known type."""
    votes = kind in {ALLOW, DENY}
    hint = f"return {RETURNS[spec.semantic]}"
    match spec.semantic:
        case HookSemantic.VOTING if kind.startswith("type "):
            message = f"it returns the class {kind.removeprefix('type ')} itself"
            yield say("returns.type", Level.FAIL, message, hint=hint)
        case HookSemantic.VOTING if not votes:
            yield say("returns.type", Level.FAIL, f"it votes by {kind}", hint=hint)
        case HookSemantic.SCORE_DELTA if kind != "dict":
            yield say("returns.type", Level.FAIL, f"it returns {kind}", hint=hint)
        case HookSemantic.FILTER_CHAIN if kind == NONE:
            message = "it returns None, which is never a value"
            yield say("returns.type", Level.FAIL, message, hint=hint)
        case HookSemantic.FILTER_CHAIN if votes:
            message = f"it returns {kind}, which becomes the value"
            yield say("returns.vote", Level.WARN, message, hint=hint)
        case HookSemantic.FIRE_AND_FORGET if votes:
            message = f"it returns {kind}, and results of this hook are ignored"
            yield say("returns.vote", Level.WARN, message, hint=hint)
        case _:
            pass


def _end(say: Say, function: Function, spec: HookSpec) -> Iterator[Finding]:
    """What is wrong with a function that can end without a result."""
    hint = f"return {RETURNS[spec.semantic]} on every path"
    body = [] if isinstance(function.node, ast.Lambda) else function.node.body
    bare = [n for n in own_nodes(body) if isinstance(n, ast.Return) and n.value is None]
    for node in bare:
        place = function.scope.module.place(node)
        yield say("returns.type", Level.FAIL, "it returns nothing here", place=place, hint=hint)
    end = end_of(function.node)
    if end is End.SURELY:
        yield say("returns.none", Level.FAIL, "it can end without a result", hint=hint)
    elif end is End.MAYBE:
        message = "it ends without a result unless something before that ends it"
        yield say("returns.none", Level.WARN, message, hint=hint)


CHECK: Final = Check(
    "returns",
    "every handler returns what its hook asks for",
    {
        "returns.generator": "a handler is a generator function, which runs nothing",
        "returns.type": "a handler returns what its hook refuses",
        "returns.vote": "a handler votes where votes do not count",
        "returns.none": "a handler can end without a result",
    },
    check_returns,
)
