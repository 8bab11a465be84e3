"""Names that a plugin, its distribution and its module can all have."""

from __future__ import annotations

import keyword
import re
import sys
import unicodedata
from typing import Final

from stigmem_plugins.errors import StigmemPluginError
from stigmem_plugins.manifest import NAME_PATTERN, RESERVED_NAMES
from stigmem_plugins.trust.layout import OWN_MODULES, STARTUP_MODULES

RULE: Final = (
    "lower-case letters, digits and single dashes, 3 to 64 characters, "
    "a letter first and no dash last"
)
_WORDS: Final = re.compile(r"[a-z0-9]+(-[a-z0-9]+)*")
_TAKEN: Final = OWN_MODULES | STARTUP_MODULES | sys.stdlib_module_names


class UnusableNameError(StigmemPluginError, ValueError):
    """No package can be written under a name."""


def module_name(name: str) -> str:
    """What a plugin's module is called.

    Example:
        >>> module_name("example-plugin")
        'example_plugin'
    """
    return name.replace("-", "_")


def check_name(name: str) -> str:
    """Return `name` if a plugin, its distribution and its module can all be called so.

    Raises:
        UnusableNameError: They cannot; says by which rule and, where it can, what to try.

    Example:
        >>> check_name("example-plugin")
        'example-plugin'
        >>> check_name("Example_Plugin")
        Traceback (most recent call last):
        stigmem_plugins.authoring.scaffold.naming.UnusableNameError: 'Example_Plugin' cannot be a \
plugin's name: it takes lower-case letters, digits and single dashes, 3 to 64 characters, \
a letter first and no dash last; try example-plugin
    """
    problem = _problem(name)
    if problem is None:
        return name
    plain = unicodedata.normalize("NFKD", name.lower()).encode("ascii", "ignore").decode()
    near = "-".join(re.findall("[a-z0-9]+", plain))
    fix = f"try {near}" if _problem(near) is None else "choose another, such as example-plugin"
    message = f"{name!r} cannot be a plugin's name: {problem}"
    raise UnusableNameError(message, fix=fix)


def _problem(name: str) -> str | None:
    if not NAME_PATTERN.fullmatch(name) or not _WORDS.fullmatch(name):
        return f"it takes {RULE}"
    if name in RESERVED_NAMES:
        return "it is reserved for the node itself"
    module = module_name(name)
    if module in _TAKEN:
        return f"the module {module} would take the place of one that Python or the node has"
    if keyword.iskeyword(module):
        return f"{module} is a word of the Python language, and no module can be imported by it"
    return None
