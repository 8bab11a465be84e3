"""The check of a plugin's entry points: each leads to a function that returns a manifest."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from functools import partial
from typing import Final

from stigmem_plugins.authoring.code import Defined
from stigmem_plugins.authoring.flow import End, end_of, kinds
from stigmem_plugins.authoring.handlers import find_function
from stigmem_plugins.authoring.manifests import MANIFEST, Plugin, Reading, results
from stigmem_plugins.authoring.table import Check, found
from stigmem_plugins.discovery import ENTRY_POINT_GROUP
from stigmem_plugins.errors import suggest
from stigmem_plugins.findings import Finding, Level
from stigmem_plugins.trust.statement import FACTORY

_EXAMPLE: Final = "example_plugin:plugin_manifest"
_WHOLE: Final = "name a function without arguments that returns the manifest"


def check_entry_point(reading: Reading) -> Iterator[Finding]:
    """Every entry point of the group is a function of the source, and there is one."""
    if not reading.plugins:
        yield from _no_entry_point(reading)
    for plugin in reading.plugins:
        yield from _resolved(reading, plugin)


def _no_entry_point(reading: Reading) -> Iterator[Finding]:
    metadata = reading.project.metadata
    place = metadata.place()
    if metadata.fault is not None or "entry-points" in metadata.unknown:
        message = "the entry points are only known once it is built"
        yield found("entry-point.unknown", Level.SKIP, message, place=place, hint="check the wheel")
        return
    near = [group for group in metadata.groups if suggest(ENTRY_POINT_GROUP, [group])]
    instead = f", only in {', '.join(map(repr, near))}" if near else ""
    message = f"it has no entry point in the group {ENTRY_POINT_GROUP!r}{instead}"
    table = f'[project.entry-points."{ENTRY_POINT_GROUP}"]'
    hint = f"add {table} with a line such as: example = {_EXAMPLE!r}"
    yield found("entry-point.none", Level.FAIL, message, place=place, hint=hint)


def _resolved(reading: Reading, plugin: Plugin) -> Iterator[Finding]:
    """What is wrong on the way from an entry point to what it names."""
    module, _, attribute = plugin.value.partition(":")
    say = partial(found, subject=plugin.entry_point, place=plugin.place)
    code, project = reading.code, reading.project
    if not FACTORY.fullmatch(plugin.value):
        message = f"{plugin.value!r} is not module:function"
        yield say("entry-point.malformed", Level.FAIL, message, hint=f"write {_EXAMPLE!r}")
    elif module not in project.modules and project.metadata.remapped:
        message = f"there is no module {module}, but a build tool is told to move files"
        yield say("entry-point.unknown", Level.SKIP, message, hint="check the wheel")
    elif module not in project.modules:
        message = f"there is no module {module}{suggest(module, project.modules)}"
        hint = "correct the entry point, or add the module"
        yield say("entry-point.no-module", Level.FAIL, message, hint=hint)
    elif module not in code.modules:
        message = f"module {module} cannot be compiled"
        yield say("entry-point.unknown", Level.SKIP, message, hint="correct it first")
    elif code.lacks(module, attribute.partition(".")[0]):
        near = suggest(attribute, code.modules[module].names)
        message = f"module {module} has no {attribute!r}{near}"
        hint = "correct the entry point, or define the function"
        yield say("entry-point.no-attribute", Level.FAIL, message, hint=hint)
    else:
        yield from _factory(reading, plugin)


def _factory(reading: Reading, plugin: Plugin) -> Iterator[Finding]:
    """What is wrong with what an entry point names."""
    code, factory = reading.code, plugin.factory
    say = partial(found, subject=plugin.entry_point)
    function = find_function(code, factory)
    if function is not None:
        say = partial(say, place=function.place)
        if needed := function.needed:
            message = f"it is called without arguments, and needs {', '.join(needed)}"
            hint = "let it take none, or give them defaults"
            yield say("entry-point.arguments", Level.FAIL, message, hint=hint)
        given, body = list(results(function.node)), function.body()
        shapes = [kind for each in given for kind in kinds(code, each, body)]
        wrong = next(filter(None, shapes), None)
        if function.asynchronous:
            message = "it is a coroutine function, and nobody awaits it"
            yield say("entry-point.result", Level.FAIL, message, hint="use def")
        elif wrong or (not given and end_of(function.node) is End.SURELY):
            message = f"it returns {wrong or 'nothing'}, not a PluginManifest"
            yield say("entry-point.result", Level.FAIL, message, hint="return the manifest")
    elif isinstance(factory, Defined) and isinstance(factory.node, ast.expr):
        say = partial(say, place=factory.place)
        shapes = kinds(code, factory.node, factory.scope)
        match factory.node:
            case ast.Call(func=called) if code.meaning(called, factory.scope) == MANIFEST:
                message = f"{plugin.value} is a manifest, not a function that returns one"
                yield say("entry-point.not-callable", Level.FAIL, message, hint=_WHOLE)
            case _ if None not in shapes:
                message = f"{plugin.value} is of type {shapes[0]}, not a function"
                yield say("entry-point.not-callable", Level.FAIL, message, hint=_WHOLE)
            case _:
                yield _untold(plugin)
    else:
        yield _untold(plugin)


def _untold(plugin: Plugin) -> Finding:
    message = f"what {plugin.value} is, only running the code can tell"
    place = plugin.place
    return found(
        "entry-point.unknown", Level.SKIP, message, subject=plugin.entry_point, place=place
    )


CHECK: Final = Check(
    "entry-point",
    "the entry point is there and resolves to a function in the source",
    {
        "entry-point.none": "no entry point of the group is declared",
        "entry-point.unknown": "what an entry point names cannot be told from the source",
        "entry-point.malformed": "an entry point is not module:function",
        "entry-point.no-module": "an entry point names a module that is not there",
        "entry-point.no-attribute": "an entry point names a function that is not there",
        "entry-point.not-callable": "an entry point names something else than a function",
        "entry-point.arguments": "the manifest factory needs arguments",
        "entry-point.result": "the manifest factory returns no manifest",
    },
    check_entry_point,
)
