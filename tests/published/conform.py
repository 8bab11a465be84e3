"""Run the conformance checks on every installed plugin, and print what they find as JSON.

A script for an environment of its own: needs nothing but `stigmem_plugins` and the plugins.
"""

from __future__ import annotations

import json
import warnings
from importlib.metadata import entry_points
from typing import Any

from stigmem_plugins import bridge
from stigmem_plugins.testing import conformance


def findings(factory: Any) -> list[list[str]]:
    """The check, level and message of each."""
    try:
        return [[each.check, each.level, each.message] for each in conformance(factory)]
    except AssertionError as error:
        return [["conformance", "fail", str(error)]]


def main() -> None:
    """Load the plugins where ours is in the place of the node's own layer."""
    bridge.install()
    warnings.simplefilter("ignore")
    installed = entry_points(group="stigmem.plugins")
    report = {point.name: findings(point.load()) for point in installed}
    print(json.dumps(report))  # noqa: T201  # the report is the script's output


if __name__ == "__main__":
    main()
