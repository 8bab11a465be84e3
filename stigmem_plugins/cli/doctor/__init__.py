"""What is wrong with a node's plugins and settings, and what to do about it.

`diagnose()` returns findings, for the command `doctor` and for reports; `CHECKS` is the table
that it goes through. Nothing is judged anew here: a start's own verdicts are sorted by what an
operator can do about them. A finding *fails* if a node would not start, or a plugin reports
that it does not work; it *warns* of what works, and should not stay as it is.
"""

from __future__ import annotations

from stigmem_plugins.cli.doctor.checks import CHECKS, diagnose, remedies
from stigmem_plugins.cli.doctor.installation import Check, Installation, Remedy

__all__ = ["CHECKS", "Check", "Installation", "Remedy", "diagnose", "remedies"]
