"""Plugins that do nothing, at every hook: what is left is what the plugin layer itself takes.

With STIGMEM_TRIVIAL_PROFILE they also measure it: the time within the outermost fire of a thread
is added up, and written to the file of that name again and again.
"""

import functools
import json
import os
import threading
import time
from pathlib import Path

from stigmem_node.plugins import Allow, HookRegistry, PluginManifest

WRITE_SECONDS = 0.1
VOTING = [
    "pre_assert_authorize",
    "pre_assert_validate",
    "pre_recall_authorize",
    "federation_peer_authenticate",
    "federation_inbound_validate",
    "capability_check",
]
CHAINS = [
    "pre_assert_transform",
    "pre_recall_rewrite",
    "recall_filter",
    "federation_inbound_filter",
    "federation_outbound_filter",
    "federation_outbound_sign",
    "identity_resolve",
    "tenant_resolve",
]
NOTICES = [
    "post_assert_persist",
    "post_assert_propagate",
    "post_assert_audit",
    "post_recall_audit",
    "audit_emit",
]


def allow(_ctx, **_):
    return Allow()


def keep(_ctx, value, **_):
    return value


def score(_ctx, _facts, **_):
    return {}


def hear(_ctx, **_):
    return None


HOOKS = {
    **dict.fromkeys(VOTING, allow),
    **dict.fromkeys(CHAINS, keep),
    "recall_rank": score,
    **dict.fromkeys(NOTICES, hear),
}


def manifest(number):
    return PluginManifest(name=f"trivial-{number:02}", version="1.0.0", hooks=HOOKS)


def __getattr__(name):
    """The entry points are called `plugin_0` and so on."""
    return functools.partial(manifest, int(name.removeprefix("plugin_")))


def profile(path):
    total = {"seconds": 0.0, "fires": 0}
    within = threading.local()
    clock, lock = time.perf_counter, threading.Lock()

    def timed(fire):
        @functools.wraps(fire)
        def wrapped(*arguments, **payload):
            if getattr(within, "fire", False):
                return fire(*arguments, **payload)
            within.fire = True
            start = clock()
            try:
                return fire(*arguments, **payload)
            finally:
                took = clock() - start
                within.fire = False
                with lock:
                    total["seconds"] += took
                    total["fires"] += 1

        return wrapped

    for name in ("voting", "filter_chain", "score_delta", "fire_and_forget"):
        method = f"fire_{name}"
        setattr(HookRegistry, method, timed(getattr(HookRegistry, method)))

    def write():
        while True:  # a node that is asked to end runs no atexit handlers
            time.sleep(WRITE_SECONDS)
            with lock:
                text = json.dumps(total)
            new = Path(f"{path}.new")
            new.write_text(text, encoding="utf-8")
            new.replace(path)

    threading.Thread(target=write, daemon=True).start()


if os.environ.get("STIGMEM_TRIVIAL_PROFILE"):
    profile(os.environ["STIGMEM_TRIVIAL_PROFILE"])
