"""The command by which an author sees what a new plugin makes of something."""

from __future__ import annotations

import ast
import json
from typing import Any, Final

from stigmem_hookspecs import HOOK_SPECS

_FACT: Final = {"id": "fact:1", "source": "agent:blocked", "confidence": 0.9}
SAMPLES: Final[dict[str, Any]] = {
    "event": {"event_type": "fact.asserted"},
    "fact": _FACT,
    "facts": [_FACT],
    "identity": {"entity_uri": "agent:blocked"},
    "migrations": [],
    "outcome": "denied",
    "plugin": {"name": "blocked-plugin"},
    "query": {"entity": "ada", "limit": 500},
    "req": {"source": "agent:blocked"},
    "results": [_FACT],
    "tenant": {"tenant_id": "acme", "metadata": {}},
}
"""For each parameter of the template's handlers, what a node could pass."""


def command_for(hook: str, code: str) -> str:
    """The `stigmem-plugins explain` of a hook, with all that its handler asks for.

    Args:
        hook: The hook.
        code: The module with its handler, called as the hook is.

    Example:
        >>> print(command_for("audit_emit", "def audit_emit(_ctx, *, event, **_): ..."))
        stigmem-plugins explain audit_emit --input '{"event": {"event_type": "fact.asserted"}}'
    """
    [asked] = [
        node.args
        for node in ast.parse(code).body
        if isinstance(node, ast.FunctionDef) and node.name == hook
    ]
    parts = [f"stigmem-plugins explain {hook}"]
    if keywords := {each.arg: SAMPLES[each.arg] for each in asked.kwonlyargs}:
        parts.append(f"--input '{json.dumps(keywords)}'")
    if HOOK_SPECS[hook].semantic.takes_value:
        parts.append(f"--value '{json.dumps(SAMPLES[asked.args[1].arg])}'")
    return " ".join(parts)
