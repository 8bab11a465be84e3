"""Sphinx configuration. Build with `nox -s docs`."""  # noqa: INP001  # not a package

from __future__ import annotations

import json
from collections.abc import Iterable
from importlib.metadata import version as installed_version
from pathlib import Path
from typing import TYPE_CHECKING, Any

from stigmem_hookspecs import HOOK_SPECS

if TYPE_CHECKING:
    from sphinx.application import Sphinx

project = "stigmem-plugins"
author = "The Stigmem authors"
version = release = installed_version("stigmem-plugins")

extensions = ["myst_parser", "sphinx.ext.autodoc", "sphinx.ext.napoleon"]
exclude_patterns = ["_build", "changes"]
myst_heading_anchors = 3
myst_enable_extensions = ["colon_fence"]

html_theme = "furo"
html_title = "stigmem-plugins"
html_static_path = ["_static"]
html_css_files = ["pages.css"]
html_show_copyright = False
# pytest would take the copy of test.md, test.md.txt, for a file of tests.
html_copy_source = False

# Docstrings are read as plain text too: a name in single backticks is code, not a reference.
default_role = "literal"

autodoc_member_order = "bysource"
autodoc_typehints_format = "short"
napoleon_google_docstring = True
napoleon_numpy_docstring = False

nitpicky = True
nitpick_ignore_regex = [
    # The inventories of the standard library and of others are on the network; the build is not.
    (
        r"py:.*",
        r"(collections|typing|datetime|pathlib|contextlib|os|sqlite3|packaging|pluggy|sigstore|types|enum)\..*",
    ),
    # What serves; only `LocalAuthority.serve()` makes it.
    (r"py:class", r"stigmem_plugins\.testing\.sigstore\.service\.Services"),
    # The type variable of a decorator, which Sphinx takes for a class.
    (r"py:class", r"stigmem_plugins\.deadlines\.F"),
]


def setup(app: Sphinx) -> None:
    """Look into the search index when it is written."""
    app.connect("build-finished", check_search)


def check_search(app: Sphinx, failure: Exception | None) -> None:
    """End the build if a search for a hook would not lead to its section.

    Raises:
        SphinxError: Names the hooks.
    """
    from sphinx.errors import SphinxError  # noqa: PLC0415  # tests read this file without Sphinx

    index = Path(app.outdir, "searchindex.js")
    if failure is None and index.exists():
        found = json.loads(index.read_text("utf-8").partition("(")[2].rpartition(")")[0])
        if lost := unfindable(found, HOOK_SPECS):
            message = f"a search for these hooks finds no section of theirs: {', '.join(lost)}"
            raise SphinxError(message)


def unfindable(index: dict[str, Any], hooks: Iterable[str]) -> list[str]:
    """The hooks that no heading of the hook reference in a search index is called like.

    Args:
        index: What Sphinx's search reads: `docnames`, and `alltitles` with places in these.
        hooks: What is looked for.
    """
    page = index["docnames"].index("reference/hooks")
    places = index["alltitles"]
    return [hook for hook in hooks if page not in [number for number, _ in places.get(hook, [])]]
