"""Handlers of every shape register, and get the keywords that they name."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from functools import partial, wraps
from typing import Any
from unittest.mock import Mock

import pytest

from stigmem_plugins import (
    Allow,
    Deny,
    HookRegistry,
    ManifestError,
    PluginExecutionError,
)
from stigmem_plugins.testing import TestPluginRegistry
from tests.support import manifest


class Voter:
    """A class whose methods and instances are handlers."""

    def method(self, _ctx: Any, *, source: str) -> Deny:
        return Deny(source)

    def __call__(self, _ctx: Any, **keywords: Any) -> Deny:
        return Deny(keywords["source"])

    @staticmethod
    def static(_ctx: Any, source: str = "") -> Deny:
        return Deny(source)


def passing_on(function: Any) -> Any:
    @wraps(function)
    def wrapper(*args: Any, **keywords: Any) -> Any:
        return function(*args, **keywords)

    return wrapper


def plain(_ctx: Any, *, source: str) -> Deny:
    return Deny(source)


class Decorated:
    @passing_on
    def method(self, _ctx: Any, *, source: str) -> Deny:
        return Deny(source)


SHAPES = {
    "keywords": lambda ctx, **kw: Deny(kw["source"]),
    "named keyword": plain,
    "positional or keyword": lambda ctx, source: Deny(source),
    "arguments and keywords": lambda ctx, *args, **kw: Deny(kw["source"]),
    "only arguments and keywords": lambda *args, **kw: Deny(kw["source"]),
    "bound method": Voter().method,
    "static method": Voter.static,
    "callable instance": Voter(),
    "partial": partial(lambda greeting, ctx, *, source: Deny(source), "hello"),
    "keyword partial": partial(lambda ctx, *, greeting, source: Deny(source), greeting="hello"),
    "decorated": passing_on(plain),
    "decorated method": Decorated().method,
    "mock": Mock(side_effect=lambda ctx, **kw: Deny(kw["source"])),
}


@pytest.mark.parametrize("shape", SHAPES)
def test_every_shape_of_handler_registers_and_fires(shape: str) -> None:
    """A handler may be any callable that takes the context."""
    registry = TestPluginRegistry.with_hooks(pre_assert_authorize=SHAPES[shape])
    assert registry.fire_voting("pre_assert_authorize", source="a", surplus=1) == Deny("a")


@pytest.mark.parametrize(
    ("handler", "name"),
    [
        (plain, "plain"),
        (partial(partial(plain)), "plain"),
        (Voter(), "Voter"),
        (lambda ctx, **_: None, "<lambda>"),
    ],
)
def test_a_handler_is_named_after_its_plugin_and_callable(handler: Any, name: str) -> None:
    """Errors and listings say which plugin and which function."""
    registry = TestPluginRegistry.with_hooks(pre_assert_authorize=handler)
    (entry,) = registry.handlers_for("pre_assert_authorize")
    assert (entry.handler_name, entry.plugin_name) == (f"example-plugin.{name}", "example-plugin")


def test_a_handler_without_var_keywords_gets_what_it_names_and_no_more() -> None:
    """Surplus keywords of a payload are no error, and neither are missing optional ones."""
    seen: list[Any] = []

    def handler(_ctx: Any, *, event: Any, tenant: Any = "none") -> None:
        seen.append((event, tenant))

    registry = HookRegistry()
    registry.register_plugin(manifest(hooks={"post_assert_persist": handler}))
    registry.fire_fire_and_forget("post_assert_persist", event=1, request_id="r")
    assert seen == [(1, "none")]


class Yielding:
    """A class whose methods and instances do nothing when they are called."""

    def method(self, _ctx: Any, **_: Any) -> Iterator[None]:
        yield

    async def __call__(self, _ctx: Any, **_: Any) -> AsyncIterator[None]:
        yield


@pytest.mark.parametrize(
    "handler", [lambda ctx, **_: (yield), Yielding().method, Yielding(), partial(Yielding())]
)
@pytest.mark.parametrize("hook", ["pre_assert_authorize", "post_assert_audit"])
def test_a_generator_function_is_refused(hook: str, handler: Any) -> None:
    """Calling it runs nothing: a strict audit would record nothing, in silence."""
    registry = HookRegistry()
    with pytest.raises(ManifestError, match="has a yield, so that calling it runs nothing"):
        registry.register_plugin(manifest(hooks={hook: handler}))
    with pytest.raises(ManifestError, match="has a yield, so that calling it runs nothing"):
        registry.register_core_handler(hook, handler, name="core.001")


def test_a_link_of_a_chain_may_be_a_generator_function() -> None:
    """What it yields is run by whoever reads it."""

    def even(_ctx: Any, value: Any, **_: Any) -> Iterator[int]:
        yield from (number for number in value if number % 2 == 0)

    registry = TestPluginRegistry.with_hooks(recall_filter=even)
    assert list(registry.fire_filter_chain("recall_filter", [1, 2])) == [2]


def test_a_missing_required_keyword_is_the_handlers_failure() -> None:
    """The error names handler, hook and keyword."""
    registry = TestPluginRegistry.with_hooks(pre_assert_authorize=plain)
    with pytest.raises(PluginExecutionError, match=r"example-plugin\.plain.*source"):
        registry.fire_voting("pre_assert_authorize")


@pytest.mark.parametrize(
    "name", ["self", "hook", "value", "ctx", "_ctx", "entry", "payload", "args"]
)
def test_a_payload_keyword_may_have_any_name(name: str) -> None:
    """No keyword of a payload collides with the dispatcher's own arguments."""
    seen: list[dict[str, Any]] = []

    def voter(context: Any, /, **keywords: Any) -> Allow:
        seen.append(keywords)
        return Allow()

    def link(context: Any, current: Any, /, **keywords: Any) -> Any:
        seen.append(keywords)
        return current

    registry = TestPluginRegistry.with_hooks(pre_assert_authorize=voter, recall_filter=link)
    registry.fire_voting("pre_assert_authorize", **{name: 1})
    registry.fire_filter_chain("recall_filter", [], **{name: 1})
    assert seen == [{name: 1}, {name: 1}]


def test_a_payload_keyword_named_like_a_filled_parameter_is_surplus() -> None:
    """The context and the value are positional; a keyword of their name is dropped."""
    registry = TestPluginRegistry.with_hooks(recall_filter=lambda ctx, value, **kw: [value, kw])
    assert registry.fire_filter_chain("recall_filter", 1, value=2, ctx=3, other=4) == [
        1,
        {"other": 4},
    ]


def test_positional_only_parameters_take_no_name_from_a_payload() -> None:
    """Python itself would deliver such keywords, and so do we."""
    registry = TestPluginRegistry.with_hooks(
        recall_filter=lambda ctx, value, /, **kw: [value, kw],
    )
    fired = registry.fire_filter_chain("recall_filter", 1, value=2, ctx=3)
    assert fired == [1, {"value": 2, "ctx": 3}]


def test_a_wrapper_passes_on_no_keyword_that_the_wrapped_handler_has_filled() -> None:
    """The rule above, seen through functools.wraps."""
    registry = TestPluginRegistry.with_hooks(pre_assert_authorize=passing_on(plain))
    assert registry.fire_voting("pre_assert_authorize", source="a", _ctx="mine") == Deny("a")


@pytest.mark.parametrize(
    ("hook", "handler", "fragment"),
    [
        ("pre_assert_authorize", lambda: None, "must accept at least 1 positional argument "),
        ("pre_assert_authorize", lambda **kw: None, "must accept at least 1 positional argument "),
        ("recall_filter", lambda ctx, **kw: None, "must accept at least 2 positional arguments"),
        ("recall_rank", lambda ctx: None, "must accept at least 2 positional arguments"),
        ("audit_emit", lambda ctx, event, /: None, "no other that cannot be given by keyword"),
        ("audit_emit", dict, "has no signature|must accept"),
    ],
)
def test_a_handler_that_cannot_be_called_is_refused(hook: str, handler: Any, fragment: str) -> None:
    """Arity is checked when the plugin is registered, and nothing of it stays behind."""
    registry = HookRegistry()
    with pytest.raises(ManifestError, match=fragment):
        registry.register_plugin(manifest(hooks={hook: handler, "capability_check": plain}))
    assert registry.registered_plugins() == frozenset()
    assert registry.handlers_for("capability_check") == ()


def test_all_unusable_handlers_of_a_plugin_are_named_at_once() -> None:
    """An author corrects them in one go."""
    hooks = {"recall_filter": lambda ctx: None, "recall_rank": lambda: None}
    with pytest.raises(ManifestError, match=r"recall_filter.*recall_rank"):
        HookRegistry().register_plugin(manifest(hooks=hooks))


def test_a_coroutine_function_is_a_clear_error_and_no_lost_coroutine() -> None:
    """A synchronous fire cannot await; it says so, even where results are ignored."""

    async def handler(_ctx: Any, *_args: Any, **_: Any) -> Any:
        raise AssertionError

    registry = TestPluginRegistry.with_hooks(
        pre_assert_authorize=handler, recall_filter=handler, audit_emit=handler
    )
    with pytest.raises(PluginExecutionError, match="is asynchronous"):
        registry.fire_voting("pre_assert_authorize")
    with pytest.raises(PluginExecutionError, match="is asynchronous"):
        registry.fire_filter_chain("recall_filter", [])
    with pytest.raises(PluginExecutionError, match="is asynchronous"):
        registry.fire_fire_and_forget("audit_emit", event=None)
