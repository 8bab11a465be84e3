"""The manifests that a plugin's entry points lead to, found without calling anything."""

from __future__ import annotations

import ast
from collections.abc import Iterator, Mapping
from typing import Final

from attrs import field, frozen

from stigmem_plugins.authoring.bindings import FunctionNode, own_nodes
from stigmem_plugins.authoring.code import DEEPEST, Code, Defined, Meaning, Module, Scope
from stigmem_plugins.authoring.handlers import find_function
from stigmem_plugins.authoring.names import External
from stigmem_plugins.authoring.project import Project
from stigmem_plugins.authoring.values import Item, NotKnownError, Values
from stigmem_plugins.findings import Place
from stigmem_plugins.manifest import FIELDS
from stigmem_plugins.trust.statement import FACTORY, SignedPlugin

MANIFEST: Final = External("stigmem.PluginManifest")


@frozen(eq=False)
class ManifestCall:
    """A call of `PluginManifest` that a factory returns.

    Args:
        call: The call.
        scope: Where it stands.
        fields: The arguments by the field that they are for.
        open: Whether there may be more, which `*` and `**` bring.
    """

    call: ast.Call
    scope: Scope
    fields: Mapping[str, ast.expr]
    open: bool

    @property
    def place(self) -> Place:
        """Where it stands."""
        return self.scope.module.place(self.call)

    def argument(self, name: str) -> ast.expr | None:
        """The argument for a field; None if there is none.

        Raises:
            NotKnownError: There may be one.
        """
        if name not in self.fields and self.open:
            raise NotKnownError
        return self.fields.get(name)

    def field_place(self, name: str) -> Place:
        """Where the argument for a field stands; the call if there is none."""
        given = self.fields.get(name)
        return self.scope.module.place(given) if given is not None else self.place


@frozen(eq=False)
class Plugin:
    """An entry point of the group, and where it leads.

    Args:
        entry_point: Its name.
        value: What it names.
        place: Where it stands.
        factory: What that is; None if it is not known.
        calls: The manifests that the factory returns.
        complete: Whether it certainly returns no others.
        signed: What its publisher signed of it.
    """

    entry_point: str
    value: str
    place: Place
    factory: Meaning
    calls: tuple[ManifestCall, ...]
    complete: bool
    signed: SignedPlugin | None


@frozen(eq=False)
class Reading:
    """A plugin's distribution with all that is known of its code.

    Args:
        project: What was read.
        code: Its modules.
        values: Evaluates expressions in them.
        plugins: The plugins that it declares.
    """

    project: Project
    code: Code
    values: Values
    plugins: tuple[Plugin, ...] = field(repr=False)

    def literal(self, call: ManifestCall, name: str) -> object:
        """The value of a manifest's field.

        Raises:
            NotKnownError: It is not known, or not given.
        """
        if name not in call.fields:
            raise NotKnownError
        return self.values.literal(call.fields[name], call.scope)

    def version(self) -> str | None:
        """The distribution's version: as its metadata have it, or where they say that it is."""
        metadata = self.project.metadata
        if metadata.version is not None or metadata.version_in is None:
            return metadata.version
        stem, _, attribute = metadata.version_in.rpartition(".")
        for module in self.code.modules.values():
            if metadata.version_in == module.file:
                return self._constant(module, "__version__") or self._constant(module, "VERSION")
            if stem == module.name:
                return self._constant(module, attribute)
        return None

    def _constant(self, module: Module, name: str) -> str | None:
        try:
            value = self.values.literal(ast.Name(name), Scope(module))
        except NotKnownError:
            return None
        return value if isinstance(value, str) else None

    def text(self, plugin: Plugin, name: str) -> str | None:
        """The text that a field has in all of a plugin's manifests; None if it is not known."""
        if plugin.signed is not None:
            return str(getattr(plugin.signed, name))
        try:
            found = {self.literal(call, name) for call in plugin.calls}
        except (NotKnownError, TypeError):
            return None
        value = found.pop() if len(found) == 1 and plugin.complete else None
        return value if isinstance(value, str) else None

    def subject(self, plugin: Plugin) -> str:
        """What findings call a plugin: its name, as long as it is known."""
        return self.text(plugin, "name") or plugin.entry_point

    def elements(self, call: ManifestCall, name: str) -> list[Item]:
        """The elements of a manifest's field.

        Raises:
            NotKnownError: They are not known.
        """
        given = call.argument(name)
        return [] if given is None else self.values.elements(given, call.scope)

    def hooks(self, call: ManifestCall) -> list[Item]:
        """The handlers of a manifest by hook.

        Raises:
            NotKnownError: They are not known.
        """
        given = call.argument("hooks")
        return [] if given is None else self.values.entries(given, call.scope)


def read_plugins(project: Project) -> Reading:
    """Follow the entry points of a distribution to the manifests that they lead to."""
    code = Code(project)
    signed = {each.entry_point: each for each in _signed(project)}
    plugins = [
        _plugin(code, name, value, project.metadata.plugin_place(name), signed.get(name))
        for name, value in project.metadata.plugins.items()
    ]
    return Reading(project, code, Values(code), tuple(plugins))


def _signed(project: Project) -> tuple[SignedPlugin, ...]:
    return project.signed.statement.plugins if project.signed else ()


def _plugin(code: Code, name: str, value: str, place: Place, signed: SignedPlugin | None) -> Plugin:
    factory: Meaning = None
    if FACTORY.fullmatch(value):
        module, _, attribute = value.partition(":")
        first, *others = attribute.split(".")
        factory = code.member(module, first) if module in code.modules and not others else None
    returned = () if factory is None else _Following(code).manifests(factory)
    calls = tuple(each for each in returned if each is not None)
    complete = bool(calls) and None not in returned
    return Plugin(name, value, place, factory, calls, complete, signed)


class _Following:
    """Follows factories to the manifests that they return.

    Args:
        code: The plugin's modules.
    """

    def __init__(self, code: Code) -> None:
        self._code = code
        self._returned: dict[FunctionNode, tuple[ManifestCall | None, ...]] = {}

    def manifests(self, factory: Meaning) -> tuple[ManifestCall | None, ...]:
        """What a function returns: manifests, and None for each result that is something else."""
        function = find_function(self._code, factory)
        if function is None or function.asynchronous:
            return (None,)
        if function.node not in self._returned and len(self._returned) < DEEPEST:
            self._returned[function.node] = (None,)  # as long as it leads to itself
            body = function.body()
            found = [self._result(each, body) for each in results(function.node)]
            self._returned[function.node] = tuple(dict.fromkeys(e for each in found for e in each))
        return self._returned.get(function.node, (None,))

    def _result(self, result: ast.expr, scope: Scope) -> tuple[ManifestCall | None, ...]:
        match self._code.meaning(result, scope):
            case Defined(ast.Call(func=called) as call, where):
                made = self._code.meaning(called, where)
                if made == MANIFEST:
                    return (_call(call, where),)
                return (None,) if call.args or call.keywords else self.manifests(made)
            case _:
                return (None,)


def results(function: FunctionNode) -> Iterator[ast.expr]:
    """What a function returns, where it says so."""
    if isinstance(function, ast.Lambda):
        yield function.body
        return
    for node in own_nodes(function.body):
        if isinstance(node, ast.Return) and node.value is not None:
            yield node.value


def _call(call: ast.Call, scope: Scope) -> ManifestCall:
    starred = [isinstance(each, ast.Starred) for each in call.args]
    certain = call.args[: starred.index(True)] if any(starred) else call.args
    fields = dict(zip(FIELDS, certain, strict=False))
    fields |= {each.arg: each.value for each in call.keywords if each.arg is not None}
    is_open = any(starred) or any(each.arg is None for each in call.keywords)
    return ManifestCall(call, scope, fields, is_open)
