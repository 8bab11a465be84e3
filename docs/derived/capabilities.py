"""The capability reference, from the enumeration that everything else about them follows from."""

from __future__ import annotations

from derived.docstrings import documented
from derived.markdown import code, joined, opening, table
from stigmem_plugins import Capability

TEXT = """\
A plugin's manifest declares the capabilities that its handlers use. A host offers a handle for each
that it has, as a field of `CoreApis`; the context that a handler gets has a method for each.

| The manifest declares it | The host offers it | The method |
|---|---|---|
| yes | yes | returns the handle, whatever the host made it |
| yes | no | returns None |
| no | | raises `CapabilityError` |

A handle has the shape that the host gives it: a function, or an object with methods. Ask the host's
documentation, and check what you get before you use it. {count} capabilities exist; a manifest that
declares another is refused. What a capability protects from, and what it does not, is explained
[elsewhere](../explanation.md#what-a-capability-means).
"""

EXAMPLE = """\
## Example

```python
from stigmem_plugins import CoreApis, PluginManifest
from stigmem_plugins.testing import TestPluginRegistry


def note(ctx, *, fact=None, **_):
    emit = ctx.get_audit_emitter()
    if emit is not None:
        emit({"event_type": "example.noted"})


manifest = PluginManifest(
    "example-plugin",
    "1.0.0",
    capabilities={"audit.emit"},
    hooks={"post_assert_persist": note},
)
written = []
registry = TestPluginRegistry([manifest], core_apis=CoreApis(audit_emitter=written.append))
registry.fire_fire_and_forget("post_assert_persist", fact={"id": "f1"})
assert written == [{"event_type": "example.noted"}]
```
"""


def page() -> str:
    """The whole page."""
    purposes = documented(Capability)
    rows = (
        [code(each.value), code(f"{each.accessor}()"), code(each.field), purposes[each.name]]
        for each in Capability
    )
    return joined(
        opening("Capabilities", "`stigmem_plugins/capabilities.py`"),
        TEXT.format(count=len(Capability)),
        table(["Capability", "Method of the context", "Field of `CoreApis`", "For"], rows),
        EXAMPLE,
    )
