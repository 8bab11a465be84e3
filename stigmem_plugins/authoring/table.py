"""The form of a check."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping

from attrs import field, frozen

from stigmem_plugins.authoring.manifests import Reading
from stigmem_plugins.findings import Finding, Level, Place


@frozen
class Check:
    """One thing that is looked at.

    Args:
        name: Its name; the codes of what it finds start with it.
        description: What holds where it finds nothing, in one sentence.
        codes: What it can find, by code; codes stay the same between versions.
        look: Finds it.
        of_wheels: Whether it is about wheels only.
    """

    name: str
    description: str
    codes: Mapping[str, str]
    look: Callable[[Reading], Iterable[Finding]] = field(repr=False)
    of_wheels: bool = False


def found(
    code: str,
    level: Level,
    message: str,
    *,
    place: Place | None = None,
    subject: str | None = None,
    hint: str | None = None,
) -> Finding:
    """A finding of the check that its code names.

    Example:
        >>> found("hooks.unknown", Level.FAIL, "there is no such hook").check
        'hooks'
    """
    check = code.partition(".")[0]
    return Finding(check, level, message, code=code, subject=subject, hint=hint, place=place)
