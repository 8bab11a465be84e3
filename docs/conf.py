"""Sphinx configuration. Build with `nox -s docs`."""  # noqa: INP001  # not a package

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
html_static_path = ["_static"]
html_css_files = ["wide.css"]
html_show_copyright = False

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
