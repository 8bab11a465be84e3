"""What source code says of names before anybody follows them."""

from __future__ import annotations

import ast
import warnings
from collections.abc import Iterator
from typing import Final

from attrs import frozen

_HOSTS: Final = ("stigmem_node.plugins.", "stigmem_plugins.", "stigmem_hookspecs.")
_PURE: Final = frozenset(
    {
        "FrozenDict",
        "MappingProxyType",
        "PluginManifest",
        "dict",
        "frozenset",
        "len",
        "list",
        "partial",
        "set",
        "sorted",
        "str",
        "tuple",
    }
)
"""What can be called without changing its arguments."""
_READING: Final = frozenset({"copy", "get", "items", "join", "keys", "union", "values"})
"""The methods that change nothing."""
_OPENING: Final = frozenset({"eval", "exec", "globals", "locals", "modules", "setattr", "vars"})
"""What names can be bound with in ways that cannot be seen."""


@frozen
class External:
    """Something that is not in the source; names of the plugin layer start with `stigmem.`."""

    name: str


def external(name: str) -> External:
    """Something that is not in the source, by its dotted name.

    Example:
        >>> external("stigmem_node.plugins.manifest.PluginManifest").name
        'stigmem.PluginManifest'
        >>> external("os.path").name
        'os.path'
    """
    for host in _HOSTS:
        if name.startswith(host):
            parts = name.removeprefix(host).split(".")
            while len(parts) > 1 and parts[0].islower():
                del parts[0]
            return External(f"stigmem.{'.'.join(parts)}")
    return External(name)


def parsed(source: bytes) -> ast.Module | SyntaxError:
    """The syntax tree of what Python can compile, or why it cannot.

    Example:
        >>> parsed(b"return 1")
        SyntaxError("'return' outside function", ('<plugin>', 1, 1, None, 1, 9))
    """
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of a plugin's invalid escapes, say
        try:
            tree = ast.parse(source, "<plugin>")
            compile(tree, "<plugin>", "exec", dont_inherit=True)
        except SyntaxError as error:
            return error
        except (ValueError, RecursionError, MemoryError) as error:
            return SyntaxError(str(error) or type(error).__name__)
    return tree


def changed_names(tree: ast.AST) -> Iterator[str]:
    """The names whose values the code may change, or lets others change, in place.

    Example:
        >>> source = "a = {}; a['x'] = 1; b = {}; b.update(a); c = {}; fill(c); d = len(c)"
        >>> list(changed_names(ast.parse(source)))
        ['a', 'b', 'a', 'c']
    """
    for node in ast.walk(tree):
        match node:
            case ast.Attribute(attr=name, ctx=ast.Store() | ast.Del()):
                yield name
            case ast.Subscript(value=value, ctx=ast.Store() | ast.Del()):
                yield from last_name(value)
            case ast.AugAssign(target=value) | ast.Assign(value=value):
                yield from last_name(value)
            case ast.Call(func=function, args=arguments, keywords=keywords):
                if isinstance(function, ast.Attribute) and function.attr not in _READING:
                    yield from last_name(function.value)
                if not {*last_name(function)} & _PURE:
                    for each in (*arguments, *(keyword.value for keyword in keywords)):
                        yield from last_name(each)
            case _:
                pass


def last_name(node: ast.expr) -> Iterator[str]:
    """The name that a name or attribute ends in; nothing for other expressions."""
    match node:
        case ast.Name(id=name) | ast.Attribute(attr=name):
            yield name
        case _:
            pass


def is_dynamic(tree: ast.Module) -> bool:
    """Whether names may be bound in ways that cannot be seen."""
    nodes = (node for node in ast.walk(tree) if isinstance(node, ast.expr))
    return not _OPENING.isdisjoint(name for node in nodes for name in last_name(node))
