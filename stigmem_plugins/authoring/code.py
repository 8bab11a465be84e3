"""A plugin's modules as syntax trees, and what a name in them is bound to.

A name is followed through assignments and imports as long as there is one thing that it can
mean. Where there are several, or only running the code can tell, it means nothing here.
"""

from __future__ import annotations

import ast
import builtins
from typing import Final, Self, TypeAlias

from attrs import field, frozen

from stigmem_plugins.authoring.bindings import (
    Binding,
    Bindings,
    FunctionNode,
    Imported,
    bindings,
    collected,
    local_names,
)
from stigmem_plugins.authoring.names import (
    External,
    changed_names,
    external,
    is_dynamic,
    parsed,
)
from stigmem_plugins.authoring.project import Project
from stigmem_plugins.findings import Place
from stigmem_plugins.usage import place_of

DEEPEST: Final = 60
"""How many names and values a name or value is followed through."""


@frozen(eq=False)
class Module:
    """A module's source.

    Args:
        name: Its dotted name.
        file: Its path.
        tree: Its syntax tree.
        lines: Its lines.
        package: The package that it is, or is in; empty for none.
        names: What binds the names of its namespace.
        stars: The modules from which it imports everything.
    """

    name: str
    file: str
    tree: ast.Module = field(repr=False)
    lines: tuple[bytes, ...] = field(repr=False)
    package: str
    names: Bindings = field(repr=False)
    stars: tuple[str, ...]

    @classmethod
    def of(cls, name: str, file: str, tree: ast.Module, source: bytes) -> Self:
        """A module of this source."""
        package = name if file.endswith("__init__.py") else name.rpartition(".")[0]
        names = collected(bindings(tree.body, package))
        stars = [each.module for each in names.pop("*", ()) if isinstance(each, Imported)]
        for node in ast.walk(tree):
            if isinstance(node, ast.Global):
                names.update({each: (*names.get(each, ()), None) for each in node.names})
        lines = tuple(source.splitlines())
        return cls(name, file, tree, lines, package, names, tuple(stars))

    def place(self, node: ast.expr | ast.stmt | ast.arg) -> Place:
        """Where a node stands."""
        return place_of(node, self.file, self.lines)


@frozen(eq=False)
class Scope:
    """Where names are looked up: in functions, from the inner to the outer, then in the module."""

    module: Module
    functions: tuple[Bindings, ...] = ()

    def within(self, function: FunctionNode) -> Scope:
        """The scope of a function's body."""
        return Scope(self.module, (local_names(function, self.module.package), *self.functions))


@frozen
class Inner:
    """A module of the source."""

    name: str


@frozen(eq=False)
class Defined:
    """A function, class or value in the source, and the scope that it stands in."""

    node: ast.stmt | ast.expr
    scope: Scope

    @property
    def place(self) -> Place:
        """Where it stands."""
        return self.scope.module.place(self.node)


Meaning: TypeAlias = External | Inner | Defined | None
"""What a name or expression stands for; None where it is not one known thing."""


class Code:
    """All modules of a plugin that can be parsed.

    Args:
        project: The plugin.
    """

    def __init__(self, project: Project) -> None:
        self.modules: dict[str, Module] = {}
        self.errors: dict[str, SyntaxError] = {}
        """Why files cannot be compiled, by path."""
        for name, file in project.modules.items():
            source = project.sources[file]
            tree = parsed(source)
            if isinstance(tree, SyntaxError):
                self.errors[file] = tree
            else:
                self.modules[name] = Module.of(name, file, tree, source)
        self.changed = frozenset(n for m in self.modules.values() for n in changed_names(m.tree))
        """The names whose values something may change after they are assigned."""
        self._known: dict[tuple[int, str], tuple[Meaning, Bindings]] = {}
        self._depth = 0

    def lacks(self, module: str, name: str) -> bool:
        """Whether a module of the source certainly has no such name."""
        found = self.modules[module]
        is_open = found.stars or "__getattr__" in found.names or is_dynamic(found.tree)
        return not (is_open or name in found.names or f"{module}.{name}" in self.modules)

    def member(self, module: str, name: str) -> Meaning:
        """What a name of a module means: one of its own, or a submodule."""
        found = self.modules.get(module)
        if found is None:
            return external(f"{module}.{name}")
        if name not in found.names and f"{module}.{name}" in self.modules:
            return Inner(f"{module}.{name}")
        return self._global(found, name)

    def meaning(self, node: ast.expr, scope: Scope) -> Meaning:
        """What an expression stands for; it stands for itself if it is neither name nor member."""
        members: list[str] = []
        owner = node
        while isinstance(owner, ast.Attribute):
            members.append(owner.attr)
            owner = owner.value
        found = self._looked_up(owner.id, scope) if isinstance(owner, ast.Name) else None
        while members and isinstance(found, External | Inner):
            member = members.pop()
            if isinstance(found, External):
                found = external(f"{found.name}.{member}")
            else:
                found = self.member(found.name, member)
        if members or not isinstance(owner, ast.Name):
            return Defined(node, scope)
        return found

    def _looked_up(self, name: str, scope: Scope) -> Meaning:
        for number, names in enumerate(scope.functions):
            if name in names:
                return self._one(names, name, Scope(scope.module, scope.functions[number:]))
        return self._global(scope.module, name)

    def _global(self, module: Module, name: str) -> Meaning:
        if name in module.names:
            return self._one(module.names, name, Scope(module))
        having = [s for s in module.stars if s in self.modules and name in self.modules[s].names]
        if having:
            return self.member(having[-1], name)
        if hasattr(builtins, name):
            return External(f"builtins.{name}")
        outer = [star for star in module.stars if star not in self.modules]
        return external(f"{outer[0]}.{name}") if len(outer) == len(module.stars) == 1 else None

    def _one(self, names: Bindings, name: str, scope: Scope) -> Meaning:
        """What all bindings of a name agree on; nothing where they lead in a circle."""
        key = (id(names), name)
        if key not in self._known and self._depth < DEEPEST:
            self._known[key] = (None, names)
            self._depth += 1
            first, *others = [self._bound(binding, name, scope) for binding in names[name]]
            self._depth -= 1
            self._known[key] = (first if all(each == first for each in others) else None, names)
        return self._known.get(key, (None,))[0]

    def _bound(self, binding: Binding, name: str, scope: Scope) -> Meaning:
        match binding:
            case Imported(module, None):
                return Inner(module) if module in self.modules else external(module)
            case Imported(module, str(member)):
                return self.member(module, member)
            case ast.stmt():
                return Defined(binding, scope)
            case ast.expr():
                found = self.meaning(binding, scope)
                is_open = isinstance(found, Defined) and not isinstance(found.node, _FIXED)
                return None if is_open and name in self.changed else found
            case _:
                return None


_FIXED: Final = (ast.stmt, ast.Constant, ast.Tuple, ast.Lambda)
"""What does not change once it is there."""
