"""The files of a new package: those of the template, with what was chosen."""

from __future__ import annotations

import inspect
import json
from collections.abc import Iterable
from importlib import resources
from string import Template
from typing import Final

from attrs import field, frozen

from stigmem_hookspecs import HOOK_SPECS, LIFECYCLE_MODULES
from stigmem_plugins.authoring.scaffold.naming import module_name
from stigmem_plugins.authoring.scaffold.picking import pick
from stigmem_plugins.authoring.scaffold.trying import command_for
from stigmem_plugins.capabilities import Capability

DEFAULT_HOOKS: Final = ("pre_assert_authorize", "post_assert_audit")
PLACEHOLDER: Final = "Your Name"
"""The author where nobody knows one; the README of the package says to change it."""

PLACES: Final = {
    ".github/workflows/release.yml": "release.yml",
    ".github/workflows/tests.yml": "tests.yml",
    ".gitignore": "gitignore",
    "CHANGELOG.md": "CHANGELOG.md",
    "README.md": "README.md",
    "pyproject.toml": "pyproject.toml",
    "src/$module/__init__.py": "plugin.py",
    "src/$module/py.typed": None,
    "tests/test_plugin.py": "test_plugin.py",
}
"""Which file of the template goes where; None for an empty file."""


def _in_order(hooks: Iterable[str]) -> tuple[str, ...]:
    return tuple(sorted(set(hooks), key=list(HOOK_SPECS).index))


def _declared(capabilities: Iterable[str]) -> tuple[Capability, ...]:
    return tuple(sorted(map(Capability, set(capabilities))))


@frozen
class NewPackage:
    """A package that is to be written.

    Args:
        name: What the plugin and its distribution are called; see `check_name`.
        hooks: The hooks that it takes part in, one or more in any order.
        capabilities: The capabilities that it declares, in any order.
        author: Who writes it.

    Example:
        >>> package = NewPackage("my-plugin", hooks=["recall_filter"])
        >>> list(package.files())[-3:]
        ['src/my_plugin/__init__.py', 'src/my_plugin/py.typed', 'tests/test_plugin.py']
        >>> "def recall_filter(" in package.files()["src/my_plugin/__init__.py"]
        True
    """

    name: str
    hooks: tuple[str, ...] = field(default=DEFAULT_HOOKS, converter=_in_order)
    capabilities: tuple[Capability, ...] = field(default=(), converter=_declared)
    author: str = PLACEHOLDER

    def files(self) -> dict[str, str]:
        """The texts of its files, by path: `/` stands between the parts."""
        values = self._values()
        values["explain"] = command_for(self.hooks[0], self._text("plugin.py", values))
        return {
            Template(place).substitute(values): self._text(template, values) if template else ""
            for place, template in PLACES.items()
        }

    def _text(self, template: str, values: dict[str, str]) -> str:
        source = resources.files(__package__) / "template" / f"{template}.txt"
        # Safe: a workflow's own `${{ … }}` stays.
        text = Template(source.read_text("utf-8")).safe_substitute(values)
        return pick(text, self._wants) if template.endswith(".py") else text

    def _values(self) -> dict[str, str]:
        """What the template's placeholders stand for."""
        hooks = [f'"{hook}": {hook}' for hook in self.hooks]
        declared = [f'"{each}"' for each in self.capabilities]
        handles = [f'"{each}": ctx.{each.accessor}()' for each in self.capabilities]
        return {
            "name": self.name,
            "module": module_name(self.name),
            "author": json.dumps(self.author, ensure_ascii=False),
            "purposes": "\n".join(f"- `{hook}`: {_purpose(hook)}" for hook in self.hooks),
            "hooks": f"{{{_lines(hooks, 8)}}}",
            "capabilities": f"{{{_lines(declared, 8)}}}" if declared else "frozenset()",
            "health": "\n        health_check=health_check," if declared else "",
            "handles": f"{{{_lines(handles, 4)}}}",
        }

    def _wants(self, function: str) -> bool:
        """Whether a function of the template's code is to be in the package."""
        if function.startswith("test_health"):
            return bool(self.capabilities)
        of_hooks = (f"{prefix}{hook}" for hook in self.hooks for prefix in ("", "test_"))
        return function in {"plugin_manifest", "test_conformance"} or function.startswith(
            tuple(of_hooks)
        )


def _lines(entries: Iterable[str], indent: int) -> str:
    """Entries of a display, each on a line of its own."""
    margin = " " * indent
    return "".join(["\n", *(f"{margin}    {entry},\n" for entry in entries), margin])


def _purpose(hook: str) -> str:
    """The sentence that a hookspec's docstring starts with."""
    [specified] = [vars(module)[hook] for module in LIFECYCLE_MODULES if hook in vars(module)]
    return (inspect.getdoc(specified) or "").partition("\n")[0]
