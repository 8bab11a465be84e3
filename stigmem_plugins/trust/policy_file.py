"""The operator's trust policy file: who may sign which plugins, and what is denied.

TOML, named by `STIGMEM_PLUGIN_TRUST_POLICY`; see the operator's how-to for an example.
"""

from __future__ import annotations

import tomllib
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Final, TypeVar

from attrs import field, frozen
from packaging.requirements import InvalidRequirement, Requirement
from packaging.version import InvalidVersion, Version

from stigmem_plugins.capabilities import CAPABILITY_ALLOWLIST, unknown_capabilities
from stigmem_plugins.errors import StigmemPluginError, describe, suggest
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
    what: tuple[TrustRule, ...] = field(default=(), converter=tuple)


@frozen
class PolicyFile:
    """What a policy file says; empty where there is none."""

    publishers: tuple[Publisher, ...] = field(default=(), converter=tuple)
    deny: Denied = field(factory=Denied)


def read_policy_file(path: Path) -> PolicyFile:
    """Read a trust policy file.

    Raises:
        StigmemPluginError: It cannot be read, or lists all of its faults.
    """
    try:
        document = tomllib.loads(path.read_text("utf-8"))
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
    faults: list[str] = []
    _unknown(document, ("publishers", "deny"), "", faults)
    tables = _list(document.get("publishers", []), dict, "publishers", faults)
    publishers = [_publisher(table, f"publishers[{n}]", faults) for n, table in enumerate(tables)]
    deny = document.get("deny", {})
    if not isinstance(deny, Mapping):
        faults.append("deny: must be a table")
        deny = {}
    denied = _denied(deny, faults)
    if faults:
        message = f"trust policy {source}: {'; '.join(faults)}"
        raise StigmemPluginError(message, fix="correct it: until then no plugin starts")
    return PolicyFile([each for each in publishers if each], denied)


def _publisher(table: Mapping[str, Any], where: str, faults: list[str]) -> Publisher | None:
    before = len(faults)
    _unknown(table, PUBLISHER_KEYS, where, faults)
    texts = {
        key: table.get(key)
        for key in ("identity", "issuer", "repository", "workflow", "minimum_version")
    }
    for key, value in texts.items():
        if value is not None and (not isinstance(value, str) or not value):
            faults.append(f"{where}: {key} must be a string")
    if texts["identity"] is None:
        faults.append(f"{where}: identity is required")
    if texts["workflow"] and not texts["repository"]:
        faults.append(f"{where}: workflow is a path in the repository: name that too")
    what: list[TrustRule] = []
    if "plugins" in table:
        what.append(MaySign(_list(table["plugins"], str, f"{where}: plugins", faults)))
    if "capabilities" in table:
        granted = _list(table["capabilities"], str, f"{where}: capabilities", faults)
        if unknown := set(granted) - CAPABILITY_ALLOWLIST:
            faults.append(f"{where}: {unknown_capabilities(unknown)}")
        what.append(Within(granted))
    if len(faults) > before:
        return None
    if minimum := texts["minimum_version"]:
        version = _made(Version, minimum, InvalidVersion, f"{where}: minimum_version", faults)
        what += [AtLeast(str(version))] if version else []
    entry = _entry(str(texts["identity"]), texts["issuer"], where, faults)
    if entry is None:
        return None
    who: list[TrustRule] = [SignedBy(entry)]
    if repository := texts["repository"]:
        who.append(FromRepository(repository))
        if workflow := texts["workflow"]:
            who.append(FromWorkflow(f"{repository}/{workflow}"))
    return Publisher(entry, AllOf(who), what)


def _denied(table: Mapping[str, Any], faults: list[str]) -> Denied:
    _unknown(table, DENY_KEYS, "deny", faults)
    identities = _list(table.get("identities", []), str, "deny: identities", faults)
    plugins = _list(table.get("plugins", []), str, "deny: plugins", faults)
    entries = [_entry(text, None, "deny", faults) for text in identities]
    requirements = [
        _made(Requirement, text, InvalidRequirement, "deny: plugins", faults) for text in plugins
    ]
    return Denied([e for e in entries if e], [r for r in requirements if r])


def _entry(text: str, issuer: str | None, where: str, faults: list[str]) -> PublisherEntry | None:
    try:
        return PublisherEntry.parse(text, issuer)
    except ValueError as error:
        faults.append(f"{where}: {error}")
        return None


def _made(
    make: Callable[[str], _T], text: str, error: type[Exception], where: str, faults: list[str]
) -> _T | None:
    try:
        return make(text)
    except error as fault:
        faults.append(f"{where}: {describe(fault)}")
        return None


def _list(value: Any, kind: type[_T], where: str, faults: list[str]) -> list[_T]:
    if isinstance(value, list) and all(isinstance(each, kind) for each in value):
        return value
    faults.append(f"{where}: must be a list of {'tables' if kind is dict else 'strings'}")
    return []


def _unknown(
    table: Mapping[str, Any], known: tuple[str, ...], where: str, faults: list[str]
) -> None:
    for key in table:
        if key not in known:
            prefix = f"{where}: " if where else ""
            faults.append(f"{prefix}unknown key {key!r}{suggest(key, known)}")
