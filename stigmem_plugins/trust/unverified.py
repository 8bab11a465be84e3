"""What the parts of verification raise: a problem, told before anybody knows whose it is."""

from __future__ import annotations


class Unverified(ValueError):  # noqa: N818  # on its way to the one place that names the plugin
    """Something does not verify.

    Args:
        problem: What, with the file or identity that it is about.
        fix: What to do; by default, to install the plugin anew.
        checked: False where nothing could be found out, since something cannot be read.
    """

    def __init__(self, problem: str, fix: str | None = None, *, checked: bool = True) -> None:
        super().__init__(problem)
        self.problem = problem
        self.fix = fix
        self.checked = checked
