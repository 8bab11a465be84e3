"""All that the report tells, as one value; nothing here judges, it only collects."""

from __future__ import annotations

import os
import sys
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from contextlib import redirect_stdout
from datetime import UTC, datetime
from importlib.metadata import version
from typing import Any, Final

from attrs import asdict, frozen

from stigmem_plugins.cli.doctor import Installation, diagnose
from stigmem_plugins.cli.output import FAILED, REFUSED, STATUSES, outlook
from stigmem_plugins.cli.pipelines import Pipeline
from stigmem_plugins.cli.report.calls import pipelines
from stigmem_plugins.cli.signing import trust_facts
from stigmem_plugins.config import read_tables
from stigmem_plugins.errors import StigmemPluginError
from stigmem_plugins.findings import Finding
from stigmem_plugins.host import host_version
from stigmem_plugins.settings import PREFIX, SETTING_NAMES, PluginSettings

MASK: Final = "***"


@frozen
class Publisher:
    """Who signed some of the plugins.

    Args:
        identity: The certificate's; `unsigned` stands for nobody.
        issuer: Who vouches for it.
        decisions: What was decided about it; more than one if that depends on the plugin.
        plugins: The plugins' names.
    """

    identity: str
    issuer: str | None
    decisions: tuple[str | None, ...]
    plugins: tuple[str, ...]


@frozen
class Setting:
    """A setting in force.

    Args:
        name: The variable, or the key of a table.
        value: What it is set to; `***` for what configures a plugin.
        origin: Where it is set; None for a default.
    """

    name: str
    value: str
    origin: str | None


@frozen
class Known:
    """What is known of the plugins of a node.

    Args:
        made: When it was found out, with a time zone.
        version: The version of this package.
        node_version: The version of the node that the plugins are held against.
        auto_discovery: Whether a node's start looks for plugins at all.
        plugins: The facts about each plugin, as `list --json` has them.
        pipelines: Who is called at each hook, of the plugins that are accepted.
        trust: Whom the operator trusts, as `trust show --json` has it.
        settings: The settings in force, and the names of what configures plugins.
        findings: What `doctor` found.
    """

    made: datetime
    version: str
    node_version: str
    auto_discovery: bool
    plugins: tuple[Mapping[str, Any], ...]
    pipelines: tuple[Pipeline, ...]
    trust: Mapping[str, Any]
    settings: tuple[Setting, ...]
    findings: tuple[Finding, ...] = ()

    @property
    def statuses(self) -> dict[str, int]:
        """How many plugins there are of each status that occurs."""
        counted = Counter(plugin["status"] for plugin in self.plugins)
        return {status: counted[status] for status in STATUSES if counted[status]}

    @property
    def outlook(self) -> str:
        """Whether a node would start."""
        return outlook([plugin["status"] for plugin in self.plugins])

    @property
    def starts(self) -> bool:
        """Whether a node would start, with whatever plugins."""
        return not self.auto_discovery or {REFUSED, FAILED}.isdisjoint(self.statuses)

    @property
    def publishers(self) -> tuple[Publisher, ...]:
        """Who signed the plugins, by identity; what nobody signed comes last."""
        return _publishers(self.plugins)

    def facts(self) -> dict[str, Any]:
        """The same by name, for JSON."""
        return {
            "made": self.made.isoformat(timespec="seconds"),
            "version": self.version,
            "node_version": self.node_version,
            "auto_discovery": self.auto_discovery,
            "starts": self.starts,
            "plugins": list(self.plugins),
            "publishers": [asdict(each) for each in self.publishers],
            "hooks": [each.facts() for each in self.pipelines],
            "trust": self.trust,
            "settings": [asdict(each) for each in self.settings],
            "findings": [each.facts() for each in self.findings],
        }


def look() -> Known:
    """Look at everything that is installed, and at the settings.

    Accepted plugins are loaded, signed ones from the verified bytes, and asked how they are.

    Raises:
        StigmemPluginError: A setting, the policy file or the trusted root cannot be read, or the
            entry points cannot.
    """
    with redirect_stdout(sys.stderr):  # what plugins print is no result of ours
        seen = Installation.look()
        findings = diagnose(installation=seen)
    return Known(
        made=datetime.now(UTC),
        version=version("stigmem-plugins"),
        node_version=host_version(),
        auto_discovery=seen.settings.plugin_auto_discovery_enabled,
        plugins=tuple(each.facts() for each in seen.plugins),
        pipelines=pipelines(each.plugin for each in seen.accepted if each.plugin),
        trust=trust_facts(seen.settings),
        settings=settings_in_force(seen.settings, os.environ),
        findings=findings,
    )


def shown_name(plugin: Mapping[str, Any]) -> str:
    """What a plugin is called: by its entry point as long as its own name is not known."""
    return str(plugin["name"] or plugin["entry_point"])


def _publishers(plugins: Iterable[Mapping[str, Any]]) -> tuple[Publisher, ...]:
    found: dict[tuple[str, str | None], list[Mapping[str, Any]]] = {}
    for plugin in plugins:
        found.setdefault((plugin["signed_by"], plugin["issuer"]), []).append(plugin)
    order = sorted(found, key=lambda key: (key[1] is None, key[0], key[1] or ""))
    return tuple(
        Publisher(
            *key,
            tuple(sorted({each["trust_decision"] for each in found[key]}, key=str)),
            tuple(sorted(map(shown_name, found[key]))),
        )
        for key in order
    )


def settings_in_force(settings: PluginSettings, environ: Mapping[str, str]) -> tuple[Setting, ...]:
    """The settings of the layer, and what configures plugins, whose values are not shown.

    Example:
        >>> environ = {"STIGMEM_PLUGIN_DIR": "plugins", "STIGMEM_PLUGIN_EXAMPLE_TOKEN": "hunter2"}
        >>> found = settings_in_force(PluginSettings.from_environment(environ), environ)
        >>> [(each.name, each.value) for each in found if each.origin == "environment"]
        [('STIGMEM_PLUGIN_DIR', 'plugins'), ('STIGMEM_PLUGIN_EXAMPLE_TOKEN', '***')]
    """
    values = asdict(settings)
    own = [
        Setting(
            name,
            # What nodes alone read is no attribute.
            _shown(values.get(_attribute(name), environ.get(name))),
            "environment" if environ.get(name) else None,
        )
        for name in sorted(SETTING_NAMES)
    ]
    others = sorted(n for n in environ if n.startswith(PREFIX) and n not in SETTING_NAMES)
    return (*own, *(Setting(name, MASK, "environment") for name in others), *_configured())


def _attribute(variable: str) -> str:
    """The attribute of the settings that a variable sets."""
    return variable.removeprefix("STIGMEM_").lower()


def _shown(value: Any) -> str:
    if isinstance(value, tuple):
        return ", ".join(value)
    return {True: "true", False: "false", None: ""}.get(value, str(value))


def _configured() -> Sequence[Setting]:
    """The keys of tables in `pyproject.toml`; the error where that cannot be read."""
    try:
        tables = read_tables()
    except StigmemPluginError as error:
        return [Setting("[tool.stigmem.plugins]", error.message, "pyproject.toml")]
    return [
        Setting(f"[tool.stigmem.plugins.{plugin}] {key}", MASK, "pyproject.toml")
        for plugin, table in sorted(tables.items())
        for key in (sorted(table) if isinstance(table, dict) else [""])
    ]
