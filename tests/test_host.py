"""The example host does what the hook reference says that hosts do."""

from __future__ import annotations

from pathlib import Path

import pytest

from stigmem_plugins import Deny, Failure, Outcome
from stigmem_plugins.cli.demo.host import MemoryNode, RefusedError
from tests.support import deny, manifest


def test_a_refused_recall_is_audited(tmp_path: Path) -> None:
    """The audit hook is told of failures too, with no result."""
    outcomes: list[tuple[object, Outcome]] = []

    def audit(_ctx: object, *, result: object, outcome: Outcome, **_: object) -> None:
        outcomes.append((result, outcome))

    node = MemoryNode(tmp_path / "facts.db")
    node.registry.register_plugin(
        manifest(hooks={"pre_recall_authorize": deny, "post_recall_audit": audit})
    )
    with pytest.raises(RefusedError, match="no"):
        node.recall("agent:a", entity="project:atlas")
    assert outcomes == [(None, Failure(Deny("no").reason))]
    node.close()
