"""The reference of what `doctor` and `check` look at, from their tables."""

from __future__ import annotations

from derived.markdown import code, joined, opening, table
from stigmem_plugins.authoring.checks import CHECKS as OF_CHECK
from stigmem_plugins.cli.doctor import CHECKS as OF_DOCTOR

TEXT = """\
A *finding* has the name of its check, a level (`ok`, `warn`, `fail`, or `skip` where something
could not be looked at), a code, a message and, mostly, a hint. Names and codes stay the same
between versions. Findings that fail make the exit code 1; warnings do not.
"""

DOCTOR = """\
## Of a node: doctor

`stigmem-plugins doctor` goes through all of these, or through those that are named:
"""

CHECK = """\
## Of a plugin: check

`stigmem-plugins check` looks at a source tree or a wheel without running any of it. What holds
where a check finds nothing:
"""

CODES = """\
The codes of what it finds, which SARIF calls rules:
"""


def page() -> str:
    """The whole page."""
    doctor = ([code(each.name), each.description] for each in OF_DOCTOR)
    check = ([code(each.name), each.description] for each in OF_CHECK)
    codes = ([code(name), text] for each in OF_CHECK for name, text in each.codes.items())
    return joined(
        opening("Checks", "the tables of checks in `stigmem_plugins/cli/doctor` and `authoring`"),
        TEXT,
        DOCTOR,
        table(["Check", "What it finds"], doctor),
        CHECK,
        table(["Check", "What holds"], check),
        CODES,
        table(["Code", "What was found"], codes),
    )
