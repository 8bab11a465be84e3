"""Findings in SARIF 2.1.0, the format that code hosts show beside the code."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any, Final
from urllib.parse import quote

from stigmem_plugins.authoring.table import Check
from stigmem_plugins.findings import Finding, Level, Place

SCHEMA: Final = "https://docs.oasis-open.org/sarif/sarif/v2.1.0/os/schemas/sarif-schema-2.1.0.json"
_LEVELS: Final = {Level.FAIL: "error", Level.WARN: "warning"}
ROOT: Final = "%SRCROOT%"
"""What paths are relative to: the folder that was checked."""


def sarif_log(
    findings: Iterable[Finding], checks: Sequence[Check], *, version: str, default: str
) -> dict[str, Any]:
    """A log with one run.

    What could not be checked is a notification of the run, and no result.

    Args:
        findings: What was found.
        checks: All checks: their codes are the rules.
        version: The version of this package.
        default: The file that findings without a place are shown at: code hosts want one.

    Example:
        >>> log = sarif_log([], [], version="1.0", default="pyproject.toml")
        >>> log["version"], log["runs"][0]["results"]
        ('2.1.0', [])
    """
    rules = [
        {
            "id": code,
            "name": "".join(part.title() for part in code.replace(".", "-").split("-")),
            "shortDescription": {"text": _sentence(text)},
            "fullDescription": {"text": _sentence(f"To pass: {check.description}")},
        }
        for check in checks
        for code, text in check.codes.items()
    ]
    index = {rule["id"]: number for number, rule in enumerate(rules)}
    found = list(findings)
    results = [
        {
            "ruleId": each.code,
            "ruleIndex": index[each.code],
            "level": _LEVELS[each.level],
            "message": {"text": _text(each)},
            "locations": [_location(each.place or Place(default))],
        }
        for each in found
        if each.level in _LEVELS
    ]
    skipped = [
        {
            "level": "note",
            "message": {"text": _text(each)},
            "locations": [_location(each.place or Place(default))],
            "associatedRule": {"id": each.code, "index": index[each.code]},
        }
        for each in found
        if each.level is Level.SKIP
    ]
    tool = {"name": "stigmem-plugins", "version": version, "rules": rules}
    return {
        "$schema": SCHEMA,
        "version": "2.1.0",
        "runs": [
            {
                "tool": {"driver": tool},
                "columnKind": "unicodeCodePoints",
                "invocations": [
                    {"executionSuccessful": True, "toolExecutionNotifications": skipped}
                ],
                "results": results,
            }
        ],
    }


def _text(finding: Finding) -> str:
    about = f"{finding.subject}: " if finding.subject else ""
    to_do = f" To do: {finding.hint}." if finding.hint else ""
    return f"{about}{finding.message}.{to_do}"


def _sentence(text: str) -> str:
    return f"{text[0].upper()}{text[1:]}."


def _location(place: Place) -> dict[str, Any]:
    artifact = {"uri": quote(place.file), "uriBaseId": ROOT}
    region = {"startLine": place.line, "startColumn": place.column}
    given = {key: number for key, number in region.items() if number}
    physical: dict[str, Any] = {"artifactLocation": artifact}
    return {"physicalLocation": {**physical, "region": given} if place.line else physical}
