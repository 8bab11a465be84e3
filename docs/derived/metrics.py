"""The reference of metrics, from the one place that declares them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

from derived.markdown import code, joined, listed, opening, table
from stigmem_plugins.metrics import declare

TEXT = """\
A registry made with `HookRegistry(emit_metrics=True)` counts and times for Prometheus, in the
default registry of `prometheus_client`, which the extra `stigmem-plugins[prometheus]` installs. It
costs about ten times what a fire costs without, so it is off unless asked for. All registries of a
process share one set.
"""

LABELS = """\
| Label | Its values |
|---|---|
| `hook` | a name of the [hook reference](hooks.md) |
| `plugin` | a plugin's name, or `core` for the host's own handlers |
| `decision` | `allow` or `deny` |
| `outcome` | `success` or `failure` |
| `reason` | empty, or of a failure a [reason](audit.md#reasons) |
| `error_type` | the class of what a handler raised; `PluginExecutionError` for a wrong result |

Counters only grow, so ask for their rate: a rising `stigmem_plugin_handler_error_total` means
that a plugin fails, and any `stigmem_plugin_registration_total{outcome="failure"}` that a start was
refused. [Embedding](../embed.md#metrics) shows how to switch metrics on.
"""


class Declared(NamedTuple):
    """A metric as the code declares it."""

    kind: str
    name: str
    meaning: str
    labels: Sequence[str]


def page() -> str:
    """The whole page."""
    rows = ([code(each.name), each.kind, listed(each.labels), each.meaning] for each in declared())
    return joined(
        opening("Metrics", "`stigmem_plugins/metrics.py`"),
        TEXT,
        table(["Metric", "Type", "Labels", "Meaning"], rows),
        LABELS,
    )


def declared() -> Iterator[Declared]:
    """All metrics; Prometheus' client need not be installed for it."""

    def of_kind(kind: str) -> Any:
        return lambda name, meaning, labels=(): Declared(kind, name, meaning, labels)

    yield from declare(of_kind("counter"), of_kind("gauge"), of_kind("histogram"))
