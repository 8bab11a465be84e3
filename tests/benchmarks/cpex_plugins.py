"""CPEX as a contender: plugins that let everything pass, and what fires its hook."""

from __future__ import annotations

import asyncio
import tempfile
from pathlib import Path
from typing import Any

from cpex.framework import (
    GlobalContext,
    Plugin,
    PluginManager,
    ToolPreInvokePayload,
    ToolPreInvokeResult,
)

from tests.benchmarks.rounds import Contender


class Permit(Plugin):  # type: ignore[misc]  # untyped where CPEX is not installed
    """Lets a tool be called."""

    async def tool_pre_invoke(
        self, _payload: ToolPreInvokePayload, _context: Any
    ) -> ToolPreInvokeResult:
        return ToolPreInvokeResult(continue_processing=True)


def contender(count: int) -> Contender:
    """CPEX with that many plugins; its hook is told what the others are told, in its own form."""
    entries = "\n".join(
        f"  - {{name: permit-{number}, kind: {__name__}.Permit, hooks: [tool_pre_invoke]}}"
        for number in range(count)
    )
    with tempfile.TemporaryDirectory() as folder:
        config = Path(folder, "plugins.yaml")
        config.write_text(f"plugins:\n{entries}\n", encoding="utf-8")
        PluginManager.reset()
        manager = PluginManager(str(config))
        asyncio.run(manager.initialize())
    if manager.plugin_count != count:
        message = f"CPEX loaded {manager.plugin_count} of {count} plugins"
        raise RuntimeError(message)
    names = {"invoke": manager.invoke_hook, "Payload": ToolPreInvokePayload, "Ctx": GlobalContext}
    payload = "Payload(name='assert', args={'req': 'req', 'tenant': 'tenant'})"
    context = "Ctx(request_id='request_id', user='identity')"
    return Contender(f"await invoke('tool_pre_invoke', {payload}, {context})", names)
