"""Sphinx configuration. Build with `nox -s docs`."""

from importlib.metadata import version as installed_version

project = "stigmem-plugins"
author = "The Stigmem authors"
version = release = installed_version("stigmem-plugins")

extensions = ["myst_parser", "sphinx.ext.autodoc", "sphinx.ext.napoleon"]
exclude_patterns = ["_build"]
myst_heading_anchors = 3
myst_enable_extensions = ["colon_fence"]

html_theme = "furo"
html_title = "stigmem-plugins"

# Docstrings are read as plain text too: a name in single backticks is code, not a reference.
default_role = "literal"

autodoc_member_order = "bysource"
autodoc_typehints_format = "short"
napoleon_google_docstring = True
napoleon_numpy_docstring = False

nitpicky = True
nitpick_ignore_regex = [
    # The standard library's and pluggy's inventories are on the network, and the build is not.
    (r"py:.*", r"(collections\.abc|typing|datetime|importlib|pluggy|types|enum)\..*"),
    (r"py:.*", r"(Any|Callable|Iterable|Mapping|Sequence|Iterator|datetime|Final)"),
]
