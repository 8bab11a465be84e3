"""Writes the package that an author begins with.

The folder `template` holds a plugin that takes part in all hooks; a new package is the part of
it that was chosen.
"""

from stigmem_plugins.authoring.scaffold.naming import UnusableNameError, check_name
from stigmem_plugins.authoring.scaffold.package import DEFAULT_HOOKS, NewPackage
from stigmem_plugins.authoring.scaffold.writing import PlaceTakenError, author_of, write_package

__all__ = [
    "DEFAULT_HOOKS",
    "NewPackage",
    "PlaceTakenError",
    "UnusableNameError",
    "author_of",
    "check_name",
    "write_package",
]
