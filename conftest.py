"""Every example in docs and docstrings runs."""

from doctest import ELLIPSIS

from sybil import Sybil
from sybil.parsers.myst import DocTestDirectiveParser as MystDocTestParser
from sybil.parsers.myst import PythonCodeBlockParser as MystPythonParser
from sybil.parsers.rest import DocTestParser

_docs = Sybil(
    parsers=[MystDocTestParser(), MystPythonParser(doctest_optionflags=ELLIPSIS)],
    patterns=["*.md"],
    excludes=["CHANGELOG.md"],
)
_docstrings = Sybil(
    parsers=[DocTestParser(optionflags=ELLIPSIS)],
    patterns=["*.py"],
    excludes=["tests/*", "docs/*", "noxfile.py"],
)

pytest_collect_file = (_docs + _docstrings).pytest()
