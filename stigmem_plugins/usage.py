"""Which capabilities a plugin's source code uses, read without importing it."""

from __future__ import annotations

import ast
import warnings
from collections.abc import Iterator, Mapping, Sequence

from attrs import field, frozen

from stigmem_plugins.capabilities import Capability
from stigmem_plugins.findings import Place

_ACCESSORS = {capability.accessor: capability for capability in Capability}


@frozen
class Usage:
    """What a static look at source code found.

    Args:
        places: Where each capability's accessor is named, as an attribute or as a string.
        unreadable: Files that are no Python.
        dynamic: Where an attribute is fetched by a name that only running the code can tell:
            `getattr(ctx, name)`. Capabilities that are not in `places` may be used there.
    """

    places: Mapping[Capability, tuple[Place, ...]] = field(factory=dict)
    unreadable: tuple[Place, ...] = ()
    dynamic: tuple[Place, ...] = ()

    @property
    def complete(self) -> bool:
        """Whether a capability that was not found is certainly not used."""
        return not self.unreadable and not self.dynamic


def find_usage(sources: Mapping[str, bytes]) -> Usage:
    """Look for the accessors of `PluginContext`.

    Args:
        sources: Python source code by file name.

    Example:
        >>> usage = find_usage({"example.py": b"def see(ctx, **_): ctx.get_audit_emitter()(1)"})
        >>> {str(capability): str(*where) for capability, where in usage.places.items()}
        {'audit.emit': 'example.py:1:20'}
        >>> usage.complete
        True
    """
    places: dict[Capability, list[Place]] = {}
    unreadable: list[Place] = []
    dynamic: list[Place] = []
    for file, source in sources.items():
        tree = parse(source)
        if tree is None:
            unreadable.append(Place(file))
            continue
        lines = source.splitlines()
        for name, node in _names(tree):
            place = place_of(node, file, lines)
            if name is None:
                dynamic.append(place)
            elif capability := _ACCESSORS.get(name):
                places.setdefault(capability, []).append(place)
    found = {
        capability: tuple(places[capability]) for capability in Capability if capability in places
    }
    return Usage(found, tuple(unreadable), tuple(dynamic))


def place_of(node: ast.expr | ast.stmt | ast.arg, file: str, lines: Sequence[bytes]) -> Place:
    """Where a node stands: the syntax tree counts bytes, and readers count characters.

    Args:
        node: The node.
        file: Its file.
        lines: The file's lines.

    Example:
        >>> source = "é = ctx.x".encode()
        >>> str(place_of(ast.parse(source).body[0].value, "a.py", [source]))
        'a.py:1:5'
    """
    before = b"".join(lines[node.lineno - 1 : node.lineno])[: node.col_offset]
    return Place(file, node.lineno, len(before.decode(errors="replace")) + 1)


def parse(source: bytes) -> ast.Module | None:
    """The syntax tree; None for what is no Python.

    Example:
        >>> parse(b"def (") is None
        True
    """
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of a plugin's invalid escapes, say
        try:
            return ast.parse(source)
        except (SyntaxError, ValueError, RecursionError, MemoryError):
            return None


def _names(tree: ast.Module) -> Iterator[tuple[str | None, ast.expr]]:
    for node in ast.walk(tree):
        match node:
            case ast.Attribute(attr=name):
                yield name, node
            case ast.Constant(value=str(name)):
                yield name, node
            case ast.Call(func=ast.Name(id="getattr"), args=[_, ast.Constant(), *_]):
                pass  # the name is a string, and seen as one
            case ast.Call(func=ast.Name(id="getattr")):
                yield None, node
