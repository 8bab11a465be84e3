"""What the results of several handlers become, and what their failures do."""

from __future__ import annotations

import logging
from fractions import Fraction
from typing import Any

import pytest

from stigmem_plugins import (
    ALLOW_SINGLETON,
    Allow,
    Deny,
    HookRegistry,
    ManifestError,
    PluginExecutionError,
    RejectError,
    StigmemPluginError,
)
from stigmem_plugins.testing import TestPluginRegistry
from tests.support import allow, boom, deny, manifest

VOTE, CHAIN, SCORE, TELL, STRICT = (
    "pre_assert_authorize",
    "recall_filter",
    "recall_rank",
    "post_assert_persist",
    "post_assert_audit",
)


def registry_of(hook: str, *handlers: Any) -> TestPluginRegistry:
    """A registry with a plugin per handler, called in the order given."""
    return TestPluginRegistry(
        manifest(f"plugin-{number}", hooks={hook: handler})
        for number, handler in enumerate(handlers)
    )


def fire(registry: HookRegistry, hook: str) -> Any:
    """Fire any of the five hooks used here, without keywords."""
    return {
        VOTE: lambda: registry.fire_voting(VOTE),
        CHAIN: lambda: registry.fire_filter_chain(CHAIN, []),
        SCORE: lambda: registry.fire_score_delta(SCORE, []),
        TELL: lambda: registry.fire_fire_and_forget(TELL),
        STRICT: lambda: registry.fire_fire_and_forget(STRICT),
    }[hook]()


def event_types(registry: TestPluginRegistry) -> list[str]:
    """The audit events after registration."""
    kinds = [event.event_type for event in registry.audit_events]
    return [kind for kind in kinds if kind != "plugin.registered"]


def test_an_empty_hook_allows_passes_on_adds_nothing_and_is_silent() -> None:
    """Each semantic has an empty result."""
    registry, value = HookRegistry(), object()
    assert registry.fire_voting(VOTE) is ALLOW_SINGLETON
    assert registry.fire_filter_chain(CHAIN, value) is value
    assert registry.fire_score_delta(SCORE, [1]) == {}
    registry.fire_fire_and_forget(STRICT)


def test_the_first_deny_wins_and_nobody_after_it_is_asked() -> None:
    """Deny-overrides, and the chain stops."""
    asked: list[str] = []

    def last(_ctx: Any, **_: Any) -> Allow:
        asked.append("last")
        return Allow()

    registry = registry_of(VOTE, allow, lambda ctx, **_: Deny("first"), deny, last)
    assert registry.fire_voting(VOTE) == Deny("first")
    assert asked == []
    event = registry.audit_events[-1]
    assert event.event_type == "plugin.handler_denied"
    assert event.target_uri == "plugin:plugin-1"
    assert event.metadata == {
        "plugin_name": "plugin-1",
        "hook": VOTE,
        "handler_name": "plugin-1.<lambda>",
        "reason": "first",
    }


def test_a_reject_error_is_a_deny_in_a_vote_and_a_failure_elsewhere() -> None:
    """Raising RejectError(reason) means Deny(reason), where a vote is asked for."""

    def reject(_ctx: Any, *_args: Any, **_: Any) -> Any:
        raise RejectError("not today")

    registry = TestPluginRegistry.with_hooks(**{VOTE: reject, CHAIN: reject})
    assert registry.fire_voting(VOTE) == Deny("not today")
    with pytest.raises(PluginExecutionError, match="RejectError: not today"):
        registry.fire_filter_chain(CHAIN, [])


def test_a_rejection_that_was_made_carelessly_is_a_denial_all_the_same():
    """A subclass that does not call what it overrides has a reason too."""

    class CarelessError(RejectError):
        def __init__(self):
            pass

    def reject(ctx, **_):
        raise CarelessError

    registry = TestPluginRegistry.with_hooks(capability_check=reject)
    assert registry.fire_voting("capability_check") == Deny("no reason given")


def test_a_chain_hands_each_result_to_the_next_handler() -> None:
    """Handlers see what the one before them returned, and all the keywords."""
    registry = registry_of(
        CHAIN, lambda ctx, v, *, n, **_: [*v, n], lambda ctx, v, *, n, **_: [*v, n * 2]
    )
    assert registry.fire_filter_chain(CHAIN, [0], n=1) == [0, 1, 2]


def test_scores_are_summed_by_id() -> None:
    """Ids that are not in the list are kept; any finite real number will do."""
    registry = registry_of(
        SCORE, lambda ctx, v, **_: {"a": 1, "b": Fraction(1, 2)}, lambda ctx, v, **_: {"a": -0.25}
    )
    assert registry.fire_score_delta(SCORE, []) == {"a": 0.75, "b": 0.5}


@pytest.mark.parametrize("hook", [VOTE, CHAIN, SCORE, STRICT])
def test_an_exception_fails_closed_and_names_plugin_handler_and_hook(hook: str) -> None:
    """The host gets one kind of error, with the original as its cause."""
    registry = registry_of(hook, boom)
    with pytest.raises(PluginExecutionError) as raised:
        fire(registry, hook)
    assert f"handler 'plugin-0.boom' failed for hook {hook!r}: ValueError: boom" in str(
        raised.value
    )
    assert raised.value.plugin == "plugin-0"
    assert isinstance(raised.value.__cause__, ValueError)
    assert event_types(registry) == ["plugin.handler_error"]
    assert registry.audit_events[-1].metadata["error_type"] == "ValueError"


@pytest.mark.parametrize(
    ("hook", "result", "fragment"),
    [
        (VOTE, None, "expected Allow or Deny, got NoneType"),
        (VOTE, True, "expected Allow or Deny, got bool"),
        (VOTE, Allow, "expected Allow or Deny, got type"),
        (CHAIN, None, "returned None"),
        (SCORE, None, "expected dict"),
        (SCORE, [("a", 1.0)], "expected dict"),
        (SCORE, {1: 1.0}, "expected ids of type str, got 1"),
        (SCORE, {None: 1.0}, "expected ids of type str, got None"),
        (SCORE, {"a": True}, "expected finite real numbers, got True"),
        (SCORE, {"a": "1.5"}, "expected finite real numbers, got '1.5'"),
        (SCORE, {"a": None}, "expected finite real numbers"),
        (SCORE, {"a": float("nan")}, "expected finite real numbers"),
        (SCORE, {"a": float("inf")}, "expected finite real numbers"),
        (SCORE, {"a": 10**400}, "expected finite real numbers"),
        (SCORE, {"a": 1j}, "expected finite real numbers"),
    ],
)
def test_a_wrong_result_fails_closed_and_is_audited_once(
    hook: str, result: Any, fragment: str
) -> None:
    """No result is guessed at, converted or merged by accident."""
    registry = registry_of(hook, lambda ctx, *args, **_: result)
    with pytest.raises(PluginExecutionError, match="failed for hook") as raised:
        fire(registry, hook)
    assert fragment in str(raised.value)
    assert isinstance(raised.value.__cause__, TypeError)
    assert event_types(registry) == ["plugin.handler_error"]


def test_a_dict_that_cannot_be_read_is_the_handlers_failure() -> None:
    """As one that changes meanwhile: it is audited, and is no error of ours."""

    class Changing(dict[str, float]):
        def items(self) -> Any:
            raise RuntimeError("dictionary changed size during iteration")

    registry = TestPluginRegistry.with_hooks(recall_rank=lambda ctx, value, **_: Changing(a=1.0))
    with pytest.raises(PluginExecutionError, match=r"<lambda>.*RuntimeError: dictionary changed"):
        registry.fire_score_delta(SCORE, [])
    assert registry.audit_events[-1].event_type == "plugin.handler_error"


def test_a_sum_that_overflows_is_refused() -> None:
    """Two finite deltas must not make an infinite score."""
    registry = registry_of(SCORE, *[lambda ctx, v, **_: {"a": 1.7e308}] * 2)
    with pytest.raises(PluginExecutionError, match=r"plugin-1.*sum inf"):
        registry.fire_score_delta(SCORE, [])


def test_a_failing_listener_is_logged_and_the_others_still_run(
    caplog: pytest.LogCaptureFixture,
) -> None:
    """Fire and forget: nothing reaches the host."""
    told: list[str] = []
    registry = registry_of(TELL, boom, lambda ctx, **_: told.append("second"))
    with caplog.at_level(logging.WARNING, "stigmem.plugins.registry"):
        registry.fire_fire_and_forget(TELL)
    assert told == ["second"]
    assert f"handler 'plugin-0.boom' failed for hook {TELL!r}" in caplog.text
    assert event_types(registry) == ["plugin.handler_error"]


def test_a_strict_hook_raises_once_all_handlers_were_told() -> None:
    """Several failures are one error, whose cause is the group of them."""
    told: list[str] = []

    def leave(_ctx: Any, **_: Any) -> None:
        raise SystemExit(3)

    registry = registry_of(STRICT, boom, lambda ctx, **_: told.append("told"), leave)
    with pytest.raises(
        PluginExecutionError, match=r"audit hook 'post_assert_audit'.*boom.*SystemExit"
    ) as raised:
        registry.fire_fire_and_forget(STRICT)
    assert told == ["told"]
    group = raised.value.__cause__
    assert isinstance(group, ExceptionGroup)
    first, second = group.exceptions
    assert isinstance(first, ValueError)
    assert isinstance(second, PluginExecutionError)
    assert isinstance(second.__cause__, SystemExit)


@pytest.mark.parametrize("hook", [VOTE, CHAIN, SCORE, TELL, STRICT])
@pytest.mark.parametrize("exception", [KeyboardInterrupt, GeneratorExit, pytest.skip.Exception])
def test_what_is_not_the_handlers_to_raise_passes(hook: str, exception: Any) -> None:
    """KeyboardInterrupt, cancellation and a test runner's outcomes are the host's."""

    def interrupt(_ctx: Any, *_args: Any, **_: Any) -> Any:
        raise exception

    registry = registry_of(hook, interrupt)
    with pytest.raises(exception):
        fire(registry, hook)


def test_an_unknown_hook_is_an_error_that_suggests_the_nearest() -> None:
    """A typing mistake in a host is found at once."""
    with pytest.raises(ManifestError, match="did you mean 'recall_rank'"):
        HookRegistry().fire_score_delta("recal_rank", [])


def test_firing_with_the_wrong_semantic_says_which_call_is_right() -> None:
    """The four ways to fire are not interchangeable."""
    registry = HookRegistry()
    with pytest.raises(PluginExecutionError, match=r"call fire_voting\(\) instead"):
        registry.fire_filter_chain(VOTE, [])
    with pytest.raises(PluginExecutionError, match=r"call fire_fire_and_forget\(\) instead"):
        registry.fire_voting("audit_emit")


def test_every_error_has_one_root() -> None:
    """A host can catch everything of the plugin layer with one class."""
    assert issubclass(PluginExecutionError, StigmemPluginError)
    assert issubclass(ManifestError, ValueError)


def test_a_failing_audit_handler_is_counted_and_the_decision_stands(
    caplog: pytest.LogCaptureFixture,
) -> None:
    """The registry's own events are not a reason to change an answer."""
    registry = HookRegistry()
    registry.register_plugin(manifest("broken-audit", hooks={"audit_emit": boom}))
    registry.register_plugin(manifest("voter", hooks={VOTE: deny}))
    before = registry.audit_failures
    assert registry.fire_voting(VOTE) == Deny("no")
    assert registry.audit_failures == before + 1
    assert "'broken-audit.boom' failed for hook 'audit_emit'" in caplog.text
