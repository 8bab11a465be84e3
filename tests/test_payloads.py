"""The typical payloads: every hook's, complete, nothing shared, readable as object and as dict."""

from __future__ import annotations

from copy import copy, deepcopy
from typing import Any

import pytest

from stigmem_plugins import HOOK_SPECS, HookSemantic, TenantContext
from stigmem_plugins.testing.payloads import Record, Text, result_type, typical_payloads


@pytest.mark.parametrize("hook", HOOK_SPECS)
def test_every_keyword_of_a_hook_is_passed_in_one_payload_or_another(hook):
    """And no other; the value, where the hook has one, is in all."""
    spec = HOOK_SPECS[hook]
    payloads = typical_payloads(hook)
    value = {"value"} if spec.semantic.takes_value else set()
    assert {name for payload in payloads for name in payload} == {*spec.keywords, *value}
    assert all(value <= payload.keys() for payload in payloads)


@pytest.mark.parametrize("hook", HOOK_SPECS)
def test_payloads_are_fresh_and_can_be_compared(hook):
    """What one call changes, the next does not see."""
    for one, other in zip(typical_payloads(hook), typical_payloads(hook), strict=True):
        assert one == other == deepcopy(one)
        assert one is not other


def test_payloads_differ_as_the_fires_of_a_node_do():
    """Refused operations have no fact and no result; senders come with a token or as a peer."""
    assert [sorted(p) for p in typical_payloads("federation_inbound_validate")] == [
        ["cap_token", "fact", "fact_scope", "tenant"],
        ["fact", "fact_scope", "peer", "tenant", "token_payload"],
    ]
    assert [p["fact"] is None for p in typical_payloads("post_assert_audit")] == [False, True]
    assert [p["result"] is None for p in typical_payloads("post_recall_audit")] == [False, True]
    assert [sorted(p) for p in typical_payloads("recall_rank")] == [
        ["identity", "request_id", "tenant", "value"],
        ["depth", "identity", "value", "weights"],
    ]


def test_a_record_is_an_object_and_a_dict():
    """Also when it is copied, and when it is changed."""
    record: Any = Record(source="agent:a", value=Text("on track"))
    for each in (record, copy(record), deepcopy(record), record.model_copy()):
        assert each.source == each["source"] == vars(each)["source"] == "agent:a"
        each.source = "agent:b"
        assert each["source"] == "agent:b"
        each["source"] = "agent:a"
    assert record.model_copy(update={"source": "agent:c"}).source == "agent:c"
    assert record.model_dump() == {"source": "agent:a", "value": "on track"}
    with pytest.raises(AttributeError):
        _ = record.color


def test_text_is_text_and_a_typed_value():
    """As the wire has it, and as the node does."""
    text = Text("on track")
    assert (text, text[0], text.v, text["v"], text.type) == ("on track", "o", text, text, "string")


def test_the_type_of_results_is_that_of_the_specification():
    """For filter chains, where it is not the host's own."""
    chains = [n for n, spec in HOOK_SPECS.items() if spec.semantic is HookSemantic.FILTER_CHAIN]
    assert {name: result_type(name) for name in chains} == {
        "pre_assert_transform": None,
        "pre_recall_rewrite": dict,
        "recall_filter": list,
        "federation_inbound_filter": dict,
        "federation_outbound_filter": list,
        "federation_outbound_sign": list,
        "identity_resolve": None,
        "tenant_resolve": TenantContext,
        "migration_register": list,
    }
    assert result_type("recall_rank") is None
