"""The hooks of a Stigmem node, and the values that hosts and plugins exchange through them.

A module per phase of a node's life holds the specifications; everything here is derived from
them. Dependency rule: this package imports pluggy and attrs only, never `stigmem_plugins`.
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import EnumType, StrEnum
from types import MappingProxyType
from typing import TYPE_CHECKING, Final

from stigmem_hookspecs import assertion, federation, identity, operations, recall
from stigmem_hookspecs.markers import (
    DECLARATION,
    NO_PAYLOAD,
    PROJECT_NAME,
    Band,
    HookOrdering,
    HookSemantic,
    HookSpec,
    Payload,
    ResultCheck,
    filter_chain,
    fire_and_forget,
    hookimpl,
    hookspec,
    score_delta,
    voting,
)
from stigmem_hookspecs.values import (
    ALLOW_SINGLETON,
    SYSTEM_TENANT,
    Allow,
    AssertionRequest,
    AuditEvent,
    Deny,
    FactRecord,
    Failure,
    FrozenDict,
    Identity,
    Migration,
    Outcome,
    Peer,
    PluginHealth,
    PluginHealthStatus,
    Success,
    TenantContext,
    VotingDecision,
)

LIFECYCLE_MODULES: Final = (assertion, recall, federation, identity, operations)
"""The modules that declare hooks, in the order of a node's reference."""

HOOK_SPECS: Final[Mapping[str, HookSpec]] = MappingProxyType(
    {
        declaration.name: declaration
        for module in LIFECYCLE_MODULES
        for member in vars(module).values()
        if isinstance(declaration := getattr(member, DECLARATION, None), HookSpec)
    }
)
"""Every hook's declaration by its name, in order of definition."""


class _DerivedMembers(EnumType):
    """Lets type checkers accept members that are only known once the specs are read."""

    if TYPE_CHECKING:

        def __getattr__(cls, name: str) -> HookName: ...


class HookName(StrEnum, metaclass=_DerivedMembers):
    """The name of each hook, as a member in upper case.

    Example:
        >>> HookName.RECALL_RANK == "recall_rank"
        True
        >>> [str(name) for name in HookName] == list(HOOK_SPECS)
        True
    """

    _ignore_ = "_hook"
    for _hook in HOOK_SPECS:
        vars()[_hook.upper()] = _hook


__all__ = [
    "ALLOW_SINGLETON",
    "HOOK_SPECS",
    "LIFECYCLE_MODULES",
    "NO_PAYLOAD",
    "PROJECT_NAME",
    "SYSTEM_TENANT",
    "Allow",
    "AssertionRequest",
    "AuditEvent",
    "Band",
    "Deny",
    "FactRecord",
    "Failure",
    "FrozenDict",
    "HookName",
    "HookOrdering",
    "HookSemantic",
    "HookSpec",
    "Identity",
    "Migration",
    "Outcome",
    "Payload",
    "Peer",
    "PluginHealth",
    "PluginHealthStatus",
    "ResultCheck",
    "Success",
    "TenantContext",
    "VotingDecision",
    "filter_chain",
    "fire_and_forget",
    "hookimpl",
    "hookspec",
    "score_delta",
    "voting",
]
