"""`audited`: events as expected, and what pytest says of others."""

from __future__ import annotations

import pytest

from stigmem_plugins import Failure, Success
from stigmem_plugins.testing import TestPluginRegistry, audited
from stigmem_plugins.testing.events import explain
from tests.support import deny, manifest

HOOK = "capability_check"


@pytest.fixture
def events():
    """Of a registration and a denial."""
    registry = TestPluginRegistry([manifest(hooks={HOOK: deny})])
    registry.fire_voting(HOOK)
    return registry.audit_events


def test_what_is_not_named_may_be_anything(events):
    """Fields and metadata alike, also inside a mapping."""
    assert events == [
        audited("plugin.registered", version="1.0.0", outcome=Success()),
        audited("plugin.handler_denied", hook=HOOK, outcome=Failure("no"), tenant_id="system"),
    ]
    assert events[0] == audited("plugin.registered", discovery_source={"type": "manual"})
    assert audited("plugin.registered", signing={}) == events[0]


@pytest.mark.parametrize(
    "facts",
    [
        {"version": "2"},
        {"signing": {"trust_decision": "trusted_publisher"}},
        {"outcome": Failure("no")},
        {"color": "red"},
        {"version": {"major": 1}},
    ],
)
def test_what_is_named_must_be_so(events, facts):
    """And it must be there."""
    assert events[0] != audited("plugin.registered", **facts)
    assert audited("plugin.registered", **facts) not in events


def test_other_types_and_other_things_are_not_equal(events):
    """An event of another type, and what is no event."""
    assert events[0] != audited("plugin.handler_denied")
    assert audited("plugin.registered") != "plugin.registered"
    with pytest.raises(TypeError, match="unhashable"):
        hash(audited("plugin.registered"))


def test_an_expected_event_reads_as_it_was_written():
    """In messages."""
    assert repr(audited("plugin.registered", version="2")) == (
        "audited('plugin.registered', version='2')"
    )


def test_one_event_is_explained_by_its_differences(events):
    """On either side, with the path into a mapping, and with the names that there are."""
    expected = audited(
        "plugin.registered", version="2", signing={"trust_decision": "x"}, colour="red"
    )
    lines = explain("==", events[0], expected)
    assert lines is not None
    assert lines[:3] == [
        f"plugin.registered is not {expected!r}:",
        "    version: '1.0.0', expected '2'",
        "    signing.trust_decision: None, expected 'x'",
    ]
    assert lines[3].startswith("    colour: not there, expected 'red'; there are actor_uri, async_")
    assert lines == explain("==", expected, events[0])


def test_lists_are_explained_one_by_one(events):
    """What agrees, what differs, what did not come and what was not expected."""
    denied = audited("plugin.handler_denied", reason="never")
    more = audited("plugin.handler_error")
    lines = [
        "audit events are not as expected:",
        "[0] plugin.registered (plugin_name='example-plugin')",
        f"[1] plugin.handler_denied is not {denied!r}:",
        "    reason: 'no', expected 'never'",
        f"[2] did not come: {more!r}",
    ]
    wanted = [audited("plugin.registered"), denied, more]
    assert explain("==", events, wanted) == explain("==", wanted, events) == lines
    denial = f"plugin.handler_denied (plugin_name='example-plugin', hook={HOOK!r}, reason='no')"
    assert explain("==", events, [audited("plugin.registered")]) == [
        *lines[:2],
        f"[1] was not expected: {denial}",
    ]
    assert explain("==", ["text"], [more]) == [lines[0], "[0] 'text'"]


def test_what_is_not_among_events_is_explained_by_those_of_its_type(events):
    """The others are only named."""
    expected = audited("plugin.handler_denied", reason="never")
    assert explain("in", expected, [*events, "text"]) == [
        f"{expected!r} is not among these 2 audit events:",
        "plugin.registered (plugin_name='example-plugin')",
        f"plugin.handler_denied is not {expected!r}:",
        "    reason: 'no', expected 'never'",
    ]


def test_everything_else_is_left_to_pytest(events):
    """Comparisons that no expected event has a part in, and other operators."""
    expected = audited("plugin.registered")
    assert explain("==", events, events[:1]) is None
    assert explain("==", "a", "b") is None
    assert explain("!=", events[0], expected) is None
    assert explain("not in", expected, events) is None
    assert explain("==", expected, "a") is None


def test_pytest_shows_the_differences(pytester: pytest.Pytester):
    """In the message of a failed assert."""
    pytester.makepyfile(
        """
        from stigmem_plugins.testing import audited

        def test_events(hook_registry):
            assert hook_registry.audit_events == [audited("plugin.registered")]

        def test_other_things():
            assert [1] == [2]
        """
    )
    result = pytester.runpytest_inprocess()
    result.assert_outcomes(failed=2)
    result.stdout.fnmatch_lines(
        [
            "*audit events are not as expected:",
            "*[[]0[]] did not come: audited('plugin.registered')",
        ]
    )
    result.stdout.fnmatch_lines(["*assert [[]1[]] == [[]2[]]"])
