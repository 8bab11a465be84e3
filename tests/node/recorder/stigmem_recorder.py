"""Two plugins: the recorder handles every hook, the witness hears every audit event.

STIGMEM_RECORDER_LOG names the file that both append to, a JSON object a line.
STIGMEM_RECORDER_FAULTS names a file with a JSON object, which says by hook how the recorder is to
misbehave there: `raise`, `exit`, `sleep`, return `rubbish` that the hook forbids, or an `alien`
value that only the node can know to be none of its own. It is read at every call, so that a fault
can come and go while the node runs. STIGMEM_RECORDER_DEADLINE, in seconds, is the recorder's.
"""

import json
import os
import sys
import threading
import time
from pathlib import Path

from stigmem_node.plugins import Allow, PluginHealth, PluginHealthStatus, PluginManifest

VOTING = {
    "pre_assert_authorize",
    "pre_assert_validate",
    "pre_recall_authorize",
    "federation_peer_authenticate",
    "federation_inbound_validate",
    "capability_check",
    "config_validate",
}
CHAINS = {
    "pre_assert_transform",
    "pre_recall_rewrite",
    "recall_filter",
    "federation_inbound_filter",
    "federation_outbound_filter",
    "federation_outbound_sign",
    "identity_resolve",
    "tenant_resolve",
    "migration_register",
}
SCORES = {"recall_rank"}
NOTICES = {
    "post_assert_persist",
    "post_assert_propagate",
    "post_assert_audit",
    "post_recall_audit",
    "audit_emit",
}
HOOKS = sorted(VOTING | CHAINS | SCORES | NOTICES)

SLEEP_SECONDS = 2.5
_lock = threading.Lock()


def write(**line):
    path = os.environ.get("STIGMEM_RECORDER_LOG")
    if path:
        text = json.dumps({"pid": os.getpid(), **line}, default=str) + "\n"
        with _lock, Path(path).open("a", encoding="utf-8") as log:
            log.write(text)


def kind(value):
    """A value's type, with that of the elements of a list."""
    name = type(value).__name__
    if isinstance(value, list):
        return f"list[{' | '.join(sorted({kind(each) for each in value}))}]" if value else "list"
    return "None" if value is None else name


def misbehave(hook):
    """Do what the faults file says; returns what it says, where that is about the result."""
    path = os.environ.get("STIGMEM_RECORDER_FAULTS")
    if not path or not Path(path).exists():
        return None
    fault = json.loads(Path(path).read_text(encoding="utf-8")).get(hook)
    if fault == "raise":
        raise ValueError("the recorder was told to fail")
    if fault == "exit":
        sys.exit("the recorder was told to exit")
    if fault == "sleep":
        time.sleep(SLEEP_SECONDS)
    return fault


def recording(hook):
    def handler(_ctx, *value, **payload):
        keywords = {name: kind(given) for name, given in payload.items()}
        write(hook=hook, value=kind(value[0]) if value else None, keywords=keywords)
        fault = misbehave(hook)
        if fault == "alien" or (fault == "rubbish" and hook not in CHAINS):
            return object()
        if fault == "rubbish":
            return None
        if hook in VOTING:
            return Allow()
        if hook in CHAINS:
            return value[0]
        return {} if hook in SCORES else None

    handler.__name__ = hook
    if seconds := os.environ.get("STIGMEM_RECORDER_DEADLINE"):
        from stigmem_node.plugins import handler_timeout

        handler = handler_timeout(float(seconds))(handler)
    return handler


def healthy(_ctx):
    return PluginHealth(PluginHealthStatus.HEALTHY, "recording")


def recorder():
    return PluginManifest(
        name="stigmem-recorder",
        version="1.0.0",
        hooks={hook: recording(hook) for hook in HOOKS},
        health_check=healthy,
    )


def heard(_ctx, *, event, **_):
    write(
        event=event.event_type,
        target=event.target_uri,
        outcome=type(event.outcome).__name__,
        metadata=dict(event.metadata),
    )


def witness():
    return PluginManifest(name="stigmem-witness", version="1.0.0", hooks={"audit_emit": heard})
