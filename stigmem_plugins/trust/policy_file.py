"""The operator's trust policy file: who may sign which plugins, and what is denied.

TOML, named by `STIGMEM_PLUGIN_TRUST_POLICY`; see the operator's how-to for an example.
"""

from __future__ import annotations

import tomllib
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any, Final, TypeVar

from attrs import field, frozen
from packaging.requirements import Requirement

from stigmem_plugins.capabilities import CAPABILITY_ALLOWLIST, unknown_capabilities
from stigmem_plugins.errors import StigmemPluginError, suggest
from stigmem_plugins.reading import read_named
from stigmem_plugins.trust.rules import (
    AllOf,
    AtLeast,
    Denied,
    FromRepository,
    FromWorkflow,
    MaySign,
    SignedBy,
    TrustRule,
    Within,
)
from stigmem_plugins.trust.signer import PublisherEntry

PUBLISHER_KEYS: Final = (
    "identity",
    "issuer",
    "repository",
    "workflow",
    "plugins",
    "minimum_version",
    "capabilities",
)
DENY_KEYS: Final = ("identities", "plugins")
_T = TypeVar("_T")


@frozen
class Publisher:
    """A publisher of a policy file.

    Args:
        entry: How the file names it.
        who: Which signers it is about: those that the entry names, from where it says.
        what: What they may sign; without rules, any plugin.
    """

    entry: PublisherEntry
    who: AllOf
    what: tuple[TrustRule, ...] = ()


@frozen
class PolicyFile:
    """What a policy file says; empty where there is none."""

    publishers: tuple[Publisher, ...] = ()
    deny: Denied = field(factory=Denied)


def read_policy_file(path: Path) -> PolicyFile:
    """Read a trust policy file.

    Raises:
        StigmemPluginError: It cannot be read, or lists all of its faults.
    """
    try:
        document = tomllib.loads(read_named(path).decode())
    except (OSError, ValueError) as error:
        message = f"cannot read the trust policy {path}: {error}"
        fix = "correct the file, or STIGMEM_PLUGIN_TRUST_POLICY"
        raise StigmemPluginError(message, fix=fix) from None
    return parse_policy(document, str(path))


def parse_policy(document: Mapping[str, Any], source: str) -> PolicyFile:
    """Read a trust policy from its parsed TOML.

    Args:
        document: What the TOML says.
        source: Where it is from, for the error.

    Raises:
        StigmemPluginError: Lists all faults.

    Example:
        >>> policy = parse_policy(
        ...     {"publishers": [{"identity": "ada@example.com", "plugins": ["example-plugin"]}]},
        ...     "policy.toml",
        ... )
        >>> len(policy.publishers)
        1
        >>> parse_policy({"publishers": [{"identiy": "ada@example.com"}]}, "policy.toml")
        Traceback (most recent call last):
        stigmem_plugins.errors.StigmemPluginError: trust policy policy.toml: publishers[0]: \
unknown key 'identiy' (did you mean 'identity'?); publishers[0]: identity is required; correct it: \
until then no plugin starts
    """
    reader = _Reader()
    reader.check_keys(document, ("publishers", "deny"))
    tables = reader.listed(document, "publishers", dict)
    publishers = [reader.publisher(table, f"publishers[{n}]") for n, table in enumerate(tables)]
    denied = reader.denied(document.get("deny", {}))
    if reader.faults:
        message = f"trust policy {source}: {'; '.join(reader.faults)}"
        raise StigmemPluginError(message, fix="correct it: until then no plugin starts")
    return PolicyFile(tuple(each for each in publishers if each), denied)


class _Reader:
    """Reads tables, and collects their faults."""

    def __init__(self) -> None:
        self.faults: list[str] = []

    def publisher(self, table: Mapping[str, Any], where: str) -> Publisher | None:
        """A publisher; None if something that it needs is at fault."""
        self.check_keys(table, PUBLISHER_KEYS, where)
        identity, issuer = self.text(table, "identity", where), self.text(table, "issuer", where)
        if "identity" not in table:
            self.faults.append(f"{where}: identity is required")
        entry = self.made(partial(PublisherEntry.parse, issuer=issuer), identity, where)
        what = self._bounds(table, where)
        repository = self.text(table, "repository", where)
        workflow = self.text(table, "workflow", where)
        if workflow and not repository:
            self.faults.append(f"{where}: workflow is a path in the repository: name that too")
        if entry is None:
            return None
        who: list[TrustRule] = [SignedBy(entry)]
        if repository:
            who.append(FromRepository(repository))
        if workflow:
            who.append(FromWorkflow(f"{repository}/{workflow}"))
        return Publisher(entry, AllOf(who), what)

    def _bounds(self, table: Mapping[str, Any], where: str) -> tuple[TrustRule, ...]:
        bounds: list[TrustRule] = []
        if "plugins" in table:
            bounds.append(MaySign(frozenset(self.listed(table, "plugins", str, where))))
        if minimum := self.text(table, "minimum_version", where):
            bounds += [b for b in [self.made(AtLeast, minimum, where)] if b]
        if "capabilities" in table:
            granted = frozenset(self.listed(table, "capabilities", str, where))
            if unknown := granted - CAPABILITY_ALLOWLIST:
                self.faults.append(f"{where}: {unknown_capabilities(unknown)}")
            bounds.append(Within(granted))
        return tuple(bounds)

    def denied(self, table: Any) -> Denied:
        """The deny list."""
        if not isinstance(table, Mapping):
            self.faults.append("deny: must be a table")
            return Denied()
        self.check_keys(table, DENY_KEYS, "deny")
        identities = self.listed(table, "identities", str, "deny")
        plugins = self.listed(table, "plugins", str, "deny")
        entries = [self.made(PublisherEntry.parse, text, "deny") for text in identities]
        versions = [self.made(_plugin_versions, text, "deny") for text in plugins]
        return Denied(tuple(e for e in entries if e), tuple(v for v in versions if v))

    def check_keys(self, table: Mapping[str, Any], known: Sequence[str], where: str = "") -> None:
        """Note the keys that are not known, each with the nearest that is."""
        unknown = [f"unknown key {key!r}{suggest(key, known)}" for key in table if key not in known]
        self.faults += [f"{where}: {fault}" if where else fault for fault in unknown]

    def text(self, table: Mapping[str, Any], key: str, where: str) -> str | None:
        """A text; None if it is not there, or none."""
        value = table.get(key)
        if value is None or (isinstance(value, str) and value):
            return value
        self.faults.append(f"{where}: {key} must be a string, and not empty")
        return None

    def listed(
        self, table: Mapping[str, Any], key: str, kind: type[_T], where: str = ""
    ) -> list[_T]:
        """A list of one kind; empty if it is not there, or none."""
        value = table.get(key, [])
        if isinstance(value, list) and all(isinstance(each, kind) for each in value):
            return value
        names = "tables" if kind is dict else "strings"
        self.faults.append(f"{where}: {key} must be a list of {names}".removeprefix(": "))
        return []

    def made(self, make: Callable[[str], _T], text: str | None, where: str) -> _T | None:
        """What a text stands for; None if there is none, or it stands for nothing."""
        try:
            return None if text is None else make(text)
        except ValueError as error:
            self.faults.append(f"{where}: {error}")
            return None


def _plugin_versions(text: str) -> Requirement:
    """A plugin's name with the versions of it that are meant."""
    requirement = Requirement(text)
    if requirement.url or requirement.extras or requirement.marker:
        message = f"{text!r} must be a plugin's name and a version specifier"
        raise ValueError(message)
    return requirement
