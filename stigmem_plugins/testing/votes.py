"""Assertions about votes, whose messages show how each handler voted."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from functools import partial
from typing import Any, Final, TypeAlias

from attrs import frozen

from stigmem_hookspecs import Deny
from stigmem_plugins.audit import HANDLER_DENIED, HANDLER_ERROR, AuditTrail
from stigmem_plugins.errors import PluginExecutionError, StigmemPluginError
from stigmem_plugins.registry import HookRegistry
from stigmem_plugins.testing.loops import run
from stigmem_plugins.testing.registries import TestPluginRegistry

Voter: TypeAlias = HookRegistry | Callable[..., Any]

_NOBODY: Final = (
    "no handler is registered for it: mark the test with "
    "@pytest.mark.stigmem_plugins(plugin_manifest), or register the plugin first"
)


def assert_allows(registry_or_handler: Voter, hook: str, /, **payload: Any) -> None:
    """Fire a voting hook and require that every handler allows; there must be one.

    Coroutine handlers are awaited, in an event loop of their own.

    Args:
        registry_or_handler: What votes: a registry, or one handler by itself, which then belongs
            to a plugin without capabilities.
        hook: The hook's name.
        **payload: The keywords to fire it with.

    Raises:
        AssertionError: A handler denies or fails, or nobody votes; shows each handler's vote.
        StigmemPluginError: There is no such hook, or it is none that is voted on.

    Example:
        >>> from stigmem_hookspecs import Allow, Deny
        >>> def only_the_owner(ctx, *, req, identity, **_):
        ...     return Allow() if identity == req["source"] else Deny("not your source")
        >>> request = {"source": "agent:a"}
        >>> assert_allows(only_the_owner, "pre_assert_authorize", req=request, identity="agent:a")
        >>> assert_allows(only_the_owner, "pre_assert_authorize", req=request, identity="agent:b")
        Traceback (most recent call last):
        AssertionError: 'pre_assert_authorize' was denied, and should have been allowed:
            example-plugin.only_the_owner  Deny: not your source
    """
    __tracebackhide__ = True
    poll = _poll(registry_or_handler, hook, payload)
    if poll.failure is not None:
        raise AssertionError(poll.against("failed, and should have been allowed")) from poll.failure
    if poll.denial is not None:
        raise AssertionError(poll.against("was denied, and should have been allowed"))
    if not poll.votes:
        raise AssertionError(poll.against("was allowed, since nobody voted"))


def assert_denies(
    registry_or_handler: Voter, hook: str, /, *, reason: str | None = None, **payload: Any
) -> Deny:
    """Fire a voting hook and require that a handler denies; a failure is no denial.

    Coroutine handlers are awaited, in an event loop of their own.

    Args:
        registry_or_handler: What votes, as for `assert_allows`.
        hook: The hook's name.
        reason: What its reason must contain; None takes any.
        **payload: The keywords to fire it with.

    Returns:
        The denial, whose `reason` is the whole one.

    Raises:
        AssertionError: All allow, one fails, or the reason is another; shows each handler's vote.
        StigmemPluginError: There is no such hook, or it is none that is voted on.

    Example:
        >>> from stigmem_hookspecs import Allow, Deny
        >>> registry = TestPluginRegistry.with_hooks(capability_check=lambda ctx, **_: Deny("no"))
        >>> assert_denies(registry, "capability_check", capability="admin")
        Deny(reason='no')
        >>> assert_denies(registry, "capability_check", reason="read-only", capability="admin")
        Traceback (most recent call last):
        AssertionError: 'capability_check' was denied, but not with the reason 'read-only':
            example-plugin.<lambda>  Deny: no
    """
    __tracebackhide__ = True
    poll = _poll(registry_or_handler, hook, payload)
    if poll.failure is not None:
        raise AssertionError(poll.against("failed, and should have been denied")) from poll.failure
    if poll.denial is None:
        raise AssertionError(poll.against("was allowed, and should have been denied"))
    if reason is not None and reason not in poll.denial.reason:
        raise AssertionError(poll.against(f"was denied, but not with the reason {reason!r}"))
    return poll.denial


@frozen
class Poll:
    """How a vote ended.

    Args:
        hook: What was voted on.
        denial: What it came to; None if it was allowed, or failed.
        failure: What it failed with.
        votes: What each handler did, in call order.
    """

    hook: str
    denial: Deny | None
    failure: PluginExecutionError | None
    votes: Mapping[str, str]

    def against(self, what: str) -> str:
        """What an assertion that fails says, with all votes."""
        width = max(map(len, self.votes), default=0)
        votes = [f"{name:<{width}}  {vote}" for name, vote in self.votes.items()] or [_NOBODY]
        return "\n    ".join([f"{self.hook!r} {what}:", *votes])


def _poll(voter: Voter, hook: str, payload: Mapping[str, Any]) -> Poll:
    registry = _registry(voter, hook)
    handlers = registry._dispatcher.handlers(hook)
    fire = partial(registry.fire_voting, hook, **payload)
    if any(handler.asynchronous for handler in handlers):
        fire = partial(run, partial(registry.afire_voting, hook, **payload))
    decision: Any = None
    failure = None
    with _overheard(registry._dispatcher.trail, hook) as told:
        try:
            decision = fire()
        except PluginExecutionError as error:
            if not told:  # it was never fired
                raise
            failure = error
    names = [handler.handler_name for handler in handlers]
    denial = decision if isinstance(decision, Deny) else None
    # Of an allowed vote, what was told is about fires that a handler made meanwhile.
    return Poll(hook, denial, failure, _votes(names, told if denial or failure else []))


def _registry(voter: Voter, hook: str) -> HookRegistry:
    if isinstance(voter, HookRegistry):
        return voter
    given: object = voter
    if not callable(given):
        message = f"expected a registry or a handler, got {type(voter).__name__}"
        fix = "pass hook_registry, or TestPluginRegistry([manifest])"
        raise StigmemPluginError(message, fix=fix)
    return TestPluginRegistry.with_hooks(**{hook: voter})


@contextmanager
def _overheard(trail: AuditTrail, hook: str) -> Iterator[list[tuple[str, str]]]:
    """Collect who denied or failed at a hook, and how; whoever listened already still does."""
    told: list[tuple[str, str]] = []
    listening = trail.watch
    label = {HANDLER_DENIED: ("Deny", "reason"), HANDLER_ERROR: ("failed", "error")}

    def watch(event_type: str, plugin: str, metadata: Mapping[str, Any]) -> None:
        listening(event_type, plugin, metadata)
        if event_type in label and metadata["hook"] == hook:
            what, why = label[event_type]
            told.append((metadata["handler_name"], f"{what}: {metadata[why]}"))

    trail.watch = watch
    try:
        yield told
    finally:
        trail.watch = listening


def _votes(names: list[str], told: list[tuple[str, str]]) -> dict[str, str]:
    """Everybody before the one who stopped the vote allowed; nobody after it was asked."""
    who, vote = told[-1] if told else ("", "")
    votes: dict[str, str] = {}
    for name in names:
        stopped = who in votes
        votes[name] = "not asked" if stopped else vote if name == who else "Allow"
    if who:  # else a hookwrapper, which changed what the handlers said
        votes.setdefault(who, vote)
    return votes
