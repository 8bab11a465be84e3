"""Reports for tests: what is known, made up, and a reader of pages."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, datetime
from html.parser import HTMLParser
from typing import Any

from stigmem_hookspecs import HOOK_SPECS
from stigmem_plugins.capabilities import Capability
from stigmem_plugins.cli.report.calls import pipelines
from stigmem_plugins.cli.report.known import Known, Setting
from stigmem_plugins.findings import Finding
from tests.support import discovered

PUBLISHER = "https://github.com/acme/plugins/.github/workflows/release.yml@refs/tags/v1.0.0"
ISSUER = "https://token.actions.githubusercontent.com"
TRUST = {
    "publishers_in_file": [],
    "denied": ["mallory@example.com"],
    "root": "pinned",
    "root_taken": "2026-11-24",
    "services": ["transparency log: https://log.example, since 2026-01-01"],
}
VOID = {"meta", "wbr", "use", "path", "circle", "rect", "line"}


def facts(name: str | None = "example-plugin", **changed: Any) -> dict[str, Any]:
    """The facts about a signed plugin that a node accepts, as `list --json` has them."""
    return {
        "entry_point": (name or "unknown").replace("-", "_"),
        "entry_point_value": "example_plugin:plugin_manifest",
        "distribution": name or "unknown",
        "distribution_version": "1.0.0",
        "signed_by": PUBLISHER,
        "issuer": ISSUER,
        "trust_decision": "trusted_publisher",
        "status": "accepted",
        "problem": None,
        "fix": None,
        "name": name,
        "version": "1.0.0",
        "requires_stigmem": ">=0.9.0a1",
        "capabilities": ["facts.read"],
        "hooks": ["capability_check"],
        "depends_on": [],
        **changed,
    }


def unsigned(entry_point: str, **changed: Any) -> dict[str, Any]:
    """The facts about an unsigned plugin while signing is required."""
    unknown = dict.fromkeys(
        ("version", "requires_stigmem", "capabilities", "hooks", "depends_on", "issuer")
    )
    return facts(
        None,
        **unknown,
        entry_point=entry_point,
        signed_by="unsigned",
        trust_decision=None,
        status="refused",
        problem=f"plugin {entry_point!r} is unsigned",
        fix="install a signed build of it",
        **changed,
    )


def known(
    plugins: Iterable[dict[str, Any]] = (), findings: Iterable[Finding] = (), **changed: Any
) -> Known:
    """What is known of a node with these plugins."""
    listed = tuple(plugins)
    calling = [
        discovered(
            each["name"],
            depends_on=each["depends_on"],
            hooks=dict.fromkeys(each["hooks"], lambda ctx, *_, **__: None),
        )
        for each in listed
        if each["status"] == "accepted"
    ]
    return Known(
        **{
            "made": datetime(2026, 11, 24, 9, 5, tzinfo=UTC),
            "version": "1.2.3",
            "node_version": "0.9.0a12",
            "auto_discovery": True,
            "plugins": listed,
            "pipelines": pipelines(calling),
            "trust": TRUST,
            "settings": (Setting("STIGMEM_PLUGIN_DIR", "plugins", "environment"),),
            "findings": tuple(findings),
            **changed,
        }
    )


def many(count: int) -> Known:
    """What is known of a node with that many plugins, every fifth of which is refused."""
    hooks, capabilities = list(HOOK_SPECS), [str(each) for each in Capability]
    plugins: list[dict[str, Any]] = []
    for number in range(count):
        name = f"example-{'long-named-' * (number % 5)}plugin-{number}"
        earlier = [f"{plugins[at]['name']}" for at in range(number % 3) if at < len(plugins)]
        plugin = facts(
            name,
            capabilities=sorted(capabilities[number % 7 : number % 7 + number % 4]),
            hooks=sorted({hooks[number % 22], hooks[number * 5 % 22]}),
            depends_on=[each for each in earlier if each != "None"],
        )
        if number % 5 == 4:
            plugin |= {"status": "refused", "problem": "it " * 60, "trust_decision": None}
        plugins.append(plugin)
    return known(plugins)


class Page(HTMLParser):
    """A page, taken apart.

    Attributes:
        tags: Every element's name with its attributes, in order.
        texts: Every piece of text with the elements around it.
    """

    def __init__(self, source: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.texts: list[tuple[tuple[str, ...], str]] = []
        self._open: list[str] = []
        self.feed(source)
        self.close()
        assert self._open == [], f"not closed: {self._open}"

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        names = [name for name, _ in attrs]
        assert len(names) == len(set(names)), f"{tag} has an attribute twice: {names}"
        self.tags.append((tag, dict(attrs)))
        if tag not in VOID:
            self._open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.handle_starttag(tag, attrs)

    def handle_endtag(self, tag: str) -> None:
        assert self._open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.texts.append((tuple(self._open), data))

    def every(self, *names: str) -> list[dict[str, str | None]]:
        """The attributes of all elements of these names, in order."""
        return [attributes for tag, attributes in self.tags if tag in names]

    @property
    def text(self) -> str:
        """What the page says, without its style sheet."""
        return "".join(data for around, data in self.texts if "style" not in around)
