"""What cannot be timed as a statement: starting, freezing, memory, threads, and scanning."""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
import threading
import time
import tracemalloc
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

from stigmem_hookspecs import HOOK_SPECS
from stigmem_plugins import PluginManifest
from tests.benchmarks.contenders import ALLOW, VOTING, Handler, registry_of
from tests.benchmarks.rounds import paired

_ROOT: Final = Path(__file__).parents[2]
# Imports nothing but a built-in module: pluggy would find done what json needs as well.
_CLOCK: Final = "import time\nclock = time.perf_counter\nstart = clock()\n"
_STOP: Final = "\nprint(clock() - start)"
_OURS: Final = "import stigmem_plugins\nstigmem_plugins.HookRegistry()"
_FREEZE: Final = """
import json, time
from tests.benchmarks.whole import freezing
print(json.dumps(freezing()))
"""
_SCAN: Final = """
import importlib.metadata, json, time
from stigmem_plugins import discover_plugin_manifests
clock = time.perf_counter
def timed(call):
    start = clock()
    call()
    return clock() - start
def theirs():
    list(importlib.metadata.entry_points(group="stigmem.plugins"))
theirs()  # what both need is imported and read once
print(json.dumps([timed(discover_plugin_manifests), timed(theirs)]))
"""


def _python(code: str, *paths: str) -> Any:
    """What a fresh interpreter prints, from JSON."""
    environment = {
        "PATH": "",
        "PYTHONPATH": ":".join([*paths, str(_ROOT)]),
        "STIGMEM_PLUGIN_SIGNING_REQUIRED": "false",
    }
    finished = subprocess.run(
        [sys.executable, "-c", code], check=True, capture_output=True, text=True, env=environment
    )
    return json.loads(finished.stdout)


def importing(rounds: int) -> float:
    """Importing this package and making a registry, against importing pluggy."""

    def measure() -> tuple[float, float]:
        ours, theirs = (_python(_CLOCK + each + _STOP) for each in (_OURS, "import pluggy"))
        return ours, theirs

    return paired(measure, rounds)


def freezing() -> tuple[float, float]:
    """Seconds to freeze 3 plugins with all 22 hooks, and for pluggy to register the same."""
    import pluggy  # imported before the clock starts

    from stigmem_hookspecs import LIFECYCLE_MODULES, hookimpl  # the same

    registry = registry_of([_handlers("_ctx, ") for _ in range(3)], freeze=False)
    manager = pluggy.PluginManager("stigmem")
    for module in LIFECYCLE_MODULES:
        manager.add_hookspecs(module)
    plugins = [
        type("Plugin", (), {name: staticmethod(hookimpl(f)) for name, f in _handlers("").items()})()
        for _ in range(3)
    ]
    start = time.perf_counter()
    for plugin in plugins:
        manager.register(plugin)
    theirs = time.perf_counter() - start
    start = time.perf_counter()
    registry.freeze()
    return time.perf_counter() - start, theirs


def _handlers(first: str) -> dict[str, Handler]:
    """A handler of every hook, which takes its value and its keywords by name."""
    made: dict[str, Handler] = {}
    for name, spec in HOOK_SPECS.items():
        value = "value, " if spec.semantic.takes_value else ""
        # Validators are asked when the next plugin is registered, and have to vote.
        source = f"def handler({first}{value}{', '.join(spec.keywords)}): return ALLOW"
        scope: dict[str, Any] = {"ALLOW": ALLOW}
        exec(source, scope)
        made[name] = scope["handler"]
    return made


def freeze(rounds: int) -> float:
    """Freezing against pluggy's registering, where hooks like these were frozen before."""
    freezing()
    return paired(freezing, rounds)


def first_freeze(rounds: int) -> float:
    """The same, each time in a process that has done neither: all plans must be compiled."""
    return paired(lambda: _python(_FREEZE), rounds)


def memory(plugins: int = 100) -> float:
    """KiB that a registry holds per plugin with 3 hooks, frozen; without the manifests."""

    def handler(_ctx: Any, *_args: Any, **_payload: Any) -> None: ...

    hooks = dict.fromkeys(("pre_assert_authorize", "recall_filter", "post_assert_persist"), handler)
    registry_of([hooks])  # what is made once for all registries
    manifests = [
        PluginManifest(name=f"plugin-{number:03}", version="1.0.0", hooks=hooks)
        for number in range(plugins)
    ]
    empty = registry_of([], freeze=False)
    tracemalloc.start()
    try:
        before = tracemalloc.get_traced_memory()[0]
        for manifest in manifests:
            empty.register_plugin(manifest)
        empty.freeze()
        held = tracemalloc.get_traced_memory()[0] - before
    finally:
        tracemalloc.stop()
    return held / 1024 / plugins


def threads(rounds: int, count: int = 8) -> float:
    """Fires per second of 8 threads together, against those of one."""
    handlers: list[Handler] = VOTING.handlers(3)
    fire = registry_of([{VOTING.hook: handler} for handler in handlers]).fire_voting
    payload = dict.fromkeys(VOTING.keywords, "x")

    def work(number: int) -> None:
        for _ in range(number):
            fire(VOTING.hook, **payload)

    def together(number: int) -> Callable[[], None]:
        def run() -> None:
            running = [threading.Thread(target=work, args=(number,)) for _ in range(count)]
            for thread in running:
                thread.start()
            for thread in running:
                thread.join()

        return run

    def timed(run: Callable[[], None]) -> float:
        start = time.perf_counter()
        run()
        return time.perf_counter() - start

    number = 10_000
    return paired(lambda: (timed(lambda: work(number * count)), timed(together(number))), rounds)


def scanning(distributions: int, rounds: int) -> float:
    """Finding and loading one plugin among so many distributions, against importlib's scan."""
    with tempfile.TemporaryDirectory() as folder:
        site = Path(folder)
        for number in range(distributions):
            info = site / f"other_{number}-1.0.dist-info"
            info.mkdir()
            (info / "METADATA").write_text(
                f"Metadata-Version: 2.1\nName: other-{number}\nVersion: 1.0\n"
            )
            (info / "entry_points.txt").write_text("[console_scripts]\nx = other:main\n")
        (site / "example_plugin.py").write_text(
            "from stigmem_plugins import PluginManifest\n"
            "def plugin_manifest():\n"
            "    return PluginManifest(name='example-plugin', version='1.0.0')\n"
        )
        info = site / "example_plugin-1.0.dist-info"
        info.mkdir()
        (info / "METADATA").write_text(
            "Metadata-Version: 2.1\nName: example-plugin\nVersion: 1.0\n"
        )
        (info / "entry_points.txt").write_text(
            "[stigmem.plugins]\nexample = example_plugin:plugin_manifest\n"
        )
        return paired(lambda: _python(_SCAN, folder), rounds)
