"""`assert_allows` and `assert_denies`: what passes, and what they say of what does not."""

from __future__ import annotations

import asyncio
import re
import threading
from contextvars import ContextVar
from typing import Any

import pytest

from stigmem_plugins import (
    Allow,
    Deny,
    HookRegistry,
    ManifestError,
    PluginExecutionError,
    RejectError,
    StigmemPluginError,
    handler_timeout,
    hookimpl,
)
from stigmem_plugins.testing import TestPluginRegistry, assert_allows, assert_denies
from stigmem_plugins.testing.loops import run
from tests.support import allow, boom, deny, manifest

HOOK = "capability_check"


async def allow_soon(_ctx: Any, **_: Any) -> Allow:
    await asyncio.sleep(0)
    return Allow()


async def deny_soon(_ctx: Any, **_: Any) -> Deny:
    await asyncio.sleep(0)
    return Deny("no")


def reject(_ctx: Any, **_: Any) -> Allow:
    raise RejectError("rejected")


def voters(**handlers: Any) -> HookRegistry:
    """A registry with a plugin for each handler, called in the order of their names."""
    registry = HookRegistry()
    for name, handler in handlers.items():
        registry.register_plugin(manifest(f"{name}-plugin", hooks={HOOK: handler}))
    return registry


def said(message: str) -> str:
    """A pattern for a whole message."""
    return f"^{re.escape(message)}$"


@pytest.mark.parametrize(
    "handler", [allow, allow_soon, handler_timeout(5)(lambda ctx, **_: Allow())]
)
def test_an_allowed_vote_passes(handler):
    """Of a handler by itself, of a coroutine function, and with a deadline."""
    assert_allows(handler, HOOK, capability="write")
    with pytest.raises(AssertionError, match="was allowed, and should have been denied"):
        assert_denies(handler, HOOK, capability="write")


@pytest.mark.parametrize("handler", [deny, deny_soon, reject])
def test_a_denied_vote_passes(handler):
    """Returned, awaited or raised; the denial is returned."""
    denial = assert_denies(handler, HOOK, capability="write")
    assert isinstance(denial, Deny)
    with pytest.raises(AssertionError, match="was denied, and should have been allowed"):
        assert_allows(handler, HOOK, capability="write")


def test_the_payload_is_passed_on():
    """All keywords but `reason`, whatever they are called."""

    def only_ada(ctx, *, registry_or_handler, hook, **_):
        return Allow() if registry_or_handler == "ada" else Deny(f"not {hook}")

    assert_allows(only_ada, HOOK, registry_or_handler="ada", hook="ada")
    assert_denies(only_ada, HOOK, reason="not ada", registry_or_handler="bob", hook="ada")


def test_a_message_shows_who_denied_and_who_was_not_asked():
    """In call order, with the reason."""
    registry = voters(a=allow, b=deny, c=allow)
    registry.register_core_handler(HOOK, allow, name="core.001.check")
    message = (
        f"{HOOK!r} was denied, and should have been allowed:\n"
        "    core.001.check  Allow\n"
        "    a-plugin.allow  Allow\n"
        "    b-plugin.deny   Deny: no\n"
        "    c-plugin.allow  not asked"
    )
    with pytest.raises(AssertionError, match=said(message)):
        assert_allows(registry, HOOK)


def test_a_message_shows_that_everybody_allowed():
    """Where a denial was expected."""
    message = (
        f"{HOOK!r} was allowed, and should have been denied:\n"
        "    a-plugin.allow       Allow\n"
        "    b-plugin.allow_soon  Allow"
    )
    with pytest.raises(AssertionError, match=said(message)):
        assert_denies(voters(a=allow, b=allow_soon), HOOK)


@pytest.mark.parametrize("check", [assert_allows, assert_denies])
def test_a_failure_is_neither(check):
    """It shows what was raised, and is chained to it."""
    with pytest.raises(AssertionError) as caught:
        check(voters(a=allow, b=boom, c=allow), HOOK)
    wanted = "allowed" if check is assert_allows else "denied"
    assert str(caught.value) == (
        f"{HOOK!r} failed, and should have been {wanted}:\n"
        "    a-plugin.allow  Allow\n"
        "    b-plugin.boom   failed: ValueError: boom\n"
        "    c-plugin.allow  not asked"
    )
    assert isinstance(caught.value.__cause__, PluginExecutionError)


def test_a_denial_for_another_reason_is_shown():
    """The reason need only be part of the whole."""
    assert assert_denies(deny, HOOK, reason="n") == Deny("no")
    with pytest.raises(AssertionError, match=r"(?s)not with the reason 'never'.*Deny: no$"):
        assert_denies(deny, HOOK, reason="never")


@pytest.mark.parametrize("check", [assert_allows, assert_denies])
def test_a_vote_without_voters_does_not_pass(check):
    """It would be allowed in a node; but nothing is tested then."""
    with pytest.raises(AssertionError, match=r"(?s)was allowed.*@pytest.mark.stigmem_plugins\("):
        check(TestPluginRegistry(), HOOK)


def test_a_wrong_use_is_told_as_by_a_fire():
    """Another hook's name, a hook that is not voted on, and something that cannot vote."""
    with pytest.raises(ManifestError, match=r"did you mean 'capability_check'"):
        assert_allows(HookRegistry(), "capability_chek")
    with pytest.raises(PluginExecutionError, match=r"call fire_filter_chain\(\) instead"):
        assert_denies(TestPluginRegistry(), "recall_filter")
    with pytest.raises(StigmemPluginError, match=r"got PluginManifest; pass hook_registry"):
        assert_allows(manifest(), HOOK)  # type: ignore[arg-type]


def test_votes_can_be_cast_while_an_event_loop_runs():
    """In an async test, coroutine handlers are awaited in a loop of their own."""

    async def test() -> None:
        await asyncio.sleep(0)
        assert_allows(allow_soon, HOOK)
        assert_denies(voters(a=allow, b=deny_soon), HOOK, reason="no")

    asyncio.run(test())


def test_whoever_listens_to_the_registry_still_does():
    """Its metrics, for one; and it is left as it was."""
    registry, heard = voters(a=deny), []

    def listen(event_type, plugin, _metadata):
        heard.append((event_type, plugin))

    registry._dispatcher.trail.watch = listen
    assert_denies(registry, HOOK)
    assert heard == [("plugin.handler_denied", "a-plugin")]
    assert registry._dispatcher.trail.watch is listen


def test_what_a_handler_fires_meanwhile_is_not_taken_for_votes():
    """At another hook, or at the same one."""

    def asks(_ctx, *, inner=False, **_):
        if not inner:
            registry.fire_voting("pre_recall_authorize")
            registry.fire_voting(HOOK, inner=True)
        return Allow()

    def denies_inside(_ctx, *, inner=False, **_):
        return Deny("inside") if inner else Allow()

    registry = voters(a=asks, b=denies_inside)
    registry.register_core_handler("pre_recall_authorize", deny, name="core.deny")
    assert_allows(registry, HOOK)
    votes = "    a-plugin.asks           Allow\n    b-plugin.denies_inside  Allow"
    with pytest.raises(AssertionError, match=rf"should have been denied:\n{re.escape(votes)}$"):
        assert_denies(registry, HOOK)
    registry.register_plugin(manifest("c-plugin", hooks={HOOK: deny}))
    votes += "\n    c-plugin.deny           Deny: no"
    with pytest.raises(AssertionError, match=rf"should have been allowed:\n{re.escape(votes)}$"):
        assert_allows(registry, HOOK)


def test_a_broken_audit_handler_is_not_taken_for_a_voter():
    """It fails on the event of the denial, that is after it."""
    registry = voters(a=deny)
    registry.register_plugin(manifest("z-plugin", hooks={"audit_emit": boom}))
    with pytest.raises(
        AssertionError, match=r"should have been allowed:\n    a-plugin.deny  Deny: no$"
    ):
        assert_allows(registry, HOOK)


def test_a_native_wrapper_may_decide():
    """Then its vote is shown after those that were cast."""

    class Wrapper:
        @hookimpl(wrapper=True)
        def capability_check(self):
            yield
            return [Deny("outvoted")]

    registry = voters(a=allow)
    registry.plugin_manager.register(Wrapper(), "wrapper")
    assert assert_denies(registry, HOOK) == Deny("outvoted")
    with pytest.raises(AssertionError, match=r"a-plugin\.allow +Allow\n.*Deny: outvoted$"):
        assert_allows(registry, HOOK)


# The event loop of coroutine handlers


def test_a_coroutine_is_awaited_in_this_thread_where_that_can_be():
    """What belongs to the thread can be used; else it is another's, with the same context."""
    variable = ContextVar("variable", default="unset")

    async def where() -> tuple[int, str]:
        await asyncio.sleep(0)
        return threading.get_ident(), variable.get()

    async def test() -> tuple[int, str]:
        await asyncio.sleep(0)
        return run(where)

    variable.set("set")
    assert run(where) == (threading.get_ident(), "set")
    thread, value = asyncio.run(test())
    assert thread != threading.get_ident()
    assert value == "set"


def test_the_event_loop_of_the_thread_stays():
    """Code that set one finds it again."""
    loop = asyncio.new_event_loop()
    asyncio.set_event_loop(loop)
    try:
        run(lambda: asyncio.sleep(0))
        assert asyncio.get_event_loop() is loop
    finally:
        asyncio.set_event_loop(None)
        loop.close()
