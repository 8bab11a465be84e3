"""Where a node behaves otherwise on our layer than on its own, on purpose, and why.

What differs and has no row here fails the session, and so does a row that nothing shows.
"""

from __future__ import annotations

from typing import NamedTuple

from tests.node.faults import EXIT, RUBBISH


class Row(NamedTuple):
    """One deliberate difference.

    Args:
        what: What was done.
        own: What comes of it on the node's own layer.
        ours: What comes of it on ours.
        why: Why ours is better.
    """

    what: str
    own: str
    ours: str
    why: str


ANSWERS: dict[tuple[str, str, str], Row] = {}
"""By name of the configuration, exchange and place in the answer. There is none."""

FAULTS: dict[tuple[str, str], Row] = {
    (EXIT, "ended"): Row(
        "A handler calls `sys.exit()`",
        "the node goes down",
        "the node goes on",
        "a plugin's fault is the plugin's: it is contained like any exception",
    ),
    (EXIT, "audited"): Row(
        "The same",
        "no audit event",
        "one `plugin.handler_error` that names the plugin",
        "whoever looks for the cause finds it",
    ),
    (EXIT, "status"): Row(
        "The same, in a hook that only notifies",
        "the request is answered with 500",
        "the request is answered as if nothing had happened",
        "nobody waits for a notification",
    ),
    (RUBBISH, "audited"): Row(
        "A handler returns what its hook forbids",
        "no audit event",
        "one `plugin.handler_error` that names the plugin",
        "a refused request has a cause on record",
    ),
}
"""By fault and by what of its outcome differs."""
