"""The conformance checks: what each finds, what it lets pass, and that none passes unseen."""

from __future__ import annotations

import asyncio
import itertools
import os
import sys
import threading
import time
import types
from functools import partial, wraps
from importlib import import_module
from pathlib import Path
from typing import Any

import attrs
import pytest

from stigmem_plugins import (
    HOOK_SPECS,
    Allow,
    CoreApis,
    Deny,
    HookSemantic,
    Migration,
    PluginHealth,
    PluginManifest,
    RejectError,
    StigmemPluginError,
    handler_timeout,
)
from stigmem_plugins.findings import Finding, Level
from stigmem_plugins.testing import ConformanceWarning, conformance
from stigmem_plugins.testing.sources import surrounding_sources
from tests.support import allow, boom, manifest

NAME = "example-plugin"


def factory(**fields: Any):
    """A factory of a manifest of these fields."""
    return lambda: manifest(**fields)


def of_handler(hook: str, handler: Any, **fields: Any):
    """A factory of a plugin with one handler."""
    return factory(hooks={hook: handler}, **fields)


def levels(findings: tuple[Finding, ...]) -> dict[str, Level]:
    """How each check went."""
    return {finding.check: finding.level for finding in findings}


def failure(plugin: Any, **options: Any) -> str:
    """What is said of a plugin that does not conform."""
    with pytest.raises(AssertionError) as caught:
        conformance(plugin, **options)
    return str(caught.value)


def warned(plugin: Any, **options: Any) -> str:
    """What a conforming plugin is warned of."""
    with pytest.warns(ConformanceWarning) as caught:
        conformance(plugin, **options)
    [warning] = caught
    assert warning.filename == __file__
    return str(warning.message)


# What conforms


@attrs.frozen
class Settings:
    limit: int = 3


def well_behaved(ctx, value=None, *, req=None, **_):
    handle = ctx.get_audit_emitter()
    if callable(handle):
        handle({"event_type": "seen"})
    return Allow()


def test_a_plugin_that_does_everything_right_passes_every_check():
    """One finding for each check, none skipped."""
    findings = conformance(
        of_handler(
            "pre_assert_authorize",
            well_behaved,
            capabilities={"audit.emit"},
            config_schema=Settings,
            depends_on={"other-plugin"},
            health_check=lambda ctx: PluginHealth("healthy"),
        ),
        minimum=11,
    )
    assert levels(findings) == dict.fromkeys(
        [
            "manifest",
            "statement",
            "configuration",
            "admission",
            "health",
            "payload",
            "fewer-keywords",
            "surplus-keywords",
            "unchanged",
            "no-handles",
            "capabilities",
        ],
        Level.OK,
    )


@pytest.mark.parametrize("hook", HOOK_SPECS)
def test_every_hook_has_payloads_that_a_plain_handler_takes(hook):
    """Sync and async, of every semantic."""
    result: Any = {HookSemantic.VOTING: Allow(), HookSemantic.SCORE_DELTA: {"fact-1": 0.1}}

    def handler(ctx, value=None, **kw):
        assert value is not None or not HOOK_SPECS[hook].semantic.takes_value
        return result.get(HOOK_SPECS[hook].semantic, value)

    async def coroutine(ctx, value=None, **kw):
        await asyncio.sleep(0)
        return handler(ctx, value, **kw)

    for each in (handler, coroutine):
        if (each, hook) == (coroutine, "config_validate"):
            assert "is asynchronous, and this fire is not" in failure(of_handler(hook, each))
            continue
        skipped = [f.check for f in conformance(of_handler(hook, each)) if f.level is not Level.OK]
        assert skipped == ["configuration", "health", "no-handles"]


def test_a_plugin_without_hooks_passes_what_there_is():
    """Adapters have none."""
    findings = conformance(factory())
    skipped = {f.check: f.message for f in findings if f.level is Level.SKIP}
    assert skipped == {
        "configuration": "the manifest has no config_schema",
        "health": "the manifest has no health_check",
    }


@pytest.mark.parametrize(
    "handler",
    [
        lambda ctx, *, identity, **_: Allow(),
        lambda ctx, *args, **kw: Deny("never"),
        partial(lambda flag, ctx, **_: Allow(), True),
        handler_timeout(5)(lambda ctx, **_: Allow()),
        handler_timeout(5)(well_behaved),
    ],
)
def test_handlers_of_every_shape_pass(handler):
    """A keyword that the handler requires is never left out."""
    conformance(of_handler("pre_recall_authorize", handler, capabilities={"audit.emit"}))


def test_a_coroutine_with_a_deadline_passes():
    """It is awaited like one without."""

    @handler_timeout(5)
    async def soon(ctx, **_):
        await asyncio.sleep(0)
        return Allow()

    conformance(of_handler("capability_check", soon))


def test_raising_a_rejection_is_a_vote():
    """Like returning Deny."""

    def reject(ctx, **_):
        raise RejectError("no")

    conformance(of_handler("capability_check", reject))


@pytest.mark.parametrize(
    ("hook", "handler"),
    [
        ("recall_filter", lambda ctx, facts, **_: [f for f in facts if f.value.v and f["scope"]]),
        ("recall_filter", lambda ctx, facts, **_: facts.pop() and facts),
        ("recall_rank", lambda ctx, v, **_: {getattr(f, "fact", f).id: 0.1 for f in v}),
        ("pre_assert_transform", lambda ctx, r, **_: r.model_copy(update={"scope": "team"})),
        ("pre_assert_transform", lambda ctx, r, **_: {**r, "value": r["value"].strip()}),
        ("pre_recall_rewrite", lambda ctx, q, **_: {**q, "limit": min(q["limit"], 5)}),
        ("tenant_resolve", lambda ctx, t, **_: attrs.evolve(t, tenant_id="x")),
        ("identity_resolve", lambda ctx, i, **_: i | {"groups": i.permissions}),
        ("capability_check", lambda ctx, *, identity, **_: Allow() if identity.can_read() else 0),
        ("capability_check", eval("lambda ctx, **_: Allow()", {"Allow": Allow})),
        ("migration_register", lambda ctx, v, **_: [*v, Migration(NAME, 1, "SELECT 1", "x")]),
        ("federation_inbound_filter", lambda ctx, f, **_: f.model_dump()),
        ("post_assert_persist", lambda ctx, fact=None, **_: fact and fact.value["v"].upper()),
    ],
)
def test_handlers_read_samples_as_objects_and_as_dicts(hook, handler):
    """Hosts pass either, and a plugin is written for one of them."""
    conformance(of_handler(hook, handler))


# What does not


def takes_three(identity=None, capability=None, tenant=None):
    return Allow()


def test_everything_that_is_wrong_is_said_at_once():
    """With the handler, the fact and what to do, in this order."""

    def guard(ctx, *, req=None, **kw):
        return Allow() if req.source else helper(**kw)

    def helper(identity, tenant, request_id):
        return Allow()

    def rewrite(ctx, query, **_):
        query["limit"] = 5
        return query

    text = failure(factory(hooks={"pre_assert_authorize": guard, "pre_recall_rewrite": rewrite}))
    assert text == (
        "plugin 'example-plugin' does not conform: 2 fail, 10 ok, 4 skip\n"
        "fail  fewer-keywords  example-plugin.guard (pre_assert_authorize)\n"
        "      raised AttributeError: 'NoneType' object has no attribute 'source' when a host "
        "leaves out req\n"
        "      to do: do without req; or name what you need without a default, and the handler "
        "is never called without it\n"
        "fail  unchanged  example-plugin.rewrite (pre_recall_rewrite)\n"
        "      changes the host's value\n"
        "      to do: change a copy: {**value, …}, value.model_copy(update={…}), attrs.evolve(…)"
    )


@pytest.mark.parametrize(
    ("hook", "handler", "check", "text"),
    [
        ("capability_check", boom, "payload", "raised ValueError: boom"),
        ("capability_check", lambda ctx, **_: True, "payload", "expected Allow or Deny, got bool"),
        ("recall_filter", lambda ctx, v, **_: None, "payload", "returned None; expected the value"),
        ("recall_filter", lambda ctx, v, **_: iter(v), "payload", "a list_iterator, not a list"),
        ("pre_recall_rewrite", lambda ctx, v, **_: [v], "payload", "returned a list, not a dict"),
        ("tenant_resolve", lambda ctx, v, **_: "acme", "payload", "a str, not a TenantContext"),
        ("recall_rank", lambda ctx, v, **_: {"a": "1"}, "payload", "expected finite real numbers"),
        ("recall_rank", lambda ctx, v, *, depth, **_: {}, "payload", "missing 1 required keyword"),
        ("recall_rank", lambda ctx, v, **_: v[0].update(a=1) or {}, "unchanged", "value"),
        ("post_assert_persist", boom, "payload", "raised ValueError: boom"),
        (
            "recall_filter",
            lambda ctx, v, **_: [each.update(scope="x") or each for each in v],
            "unchanged",
            "changes the host's value",
        ),
        (
            "migration_register",
            lambda ctx, v, **_: [*v, Migration("other", 1, "SELECT 1", "x")],
            "payload",
            "declares migration 1 of 'other'",
        ),
        (
            "pre_recall_authorize",
            lambda ctx, **kw: kw["query"] and Allow(),
            "fewer-keywords",
            "query",
        ),
        (
            "pre_recall_authorize",
            lambda ctx, **kw: Allow() if kw else 1,
            "fewer-keywords",
            "leaves out identity, tenant, request_id, query",
        ),
        (
            "capability_check",
            lambda ctx, **kw: takes_three(**kw),
            "surplus-keywords",
            "unexpected keyword argument 'stigmem_surplus_keyword' when a host passes another",
        ),
        (
            "post_assert_audit",
            lambda ctx, *, req=None, **_: req and req.derived_from.append(1),
            "unchanged",
            "changes the host's req",
        ),
    ],
)
def test_a_handler_that_breaks_the_contract_fails(hook, handler, check, text):
    """By the check that names what is wrong; no other fails for the same cause."""
    said = failure(of_handler(hook, handler))
    assert ": 1 fail, " in said
    assert f"\nfail  {check}  example-plugin." in said
    assert text in said


def test_async_handlers_are_checked_alike():
    """What a coroutine raises, and what it returns."""

    async def wrong(ctx, **_):
        await asyncio.sleep(0)
        return "yes"

    async def failing(ctx, *, capability=None, **_):
        await asyncio.sleep(0)
        return Allow() if capability.upper() else Deny("no")

    assert "expected Allow or Deny, got str" in failure(of_handler("capability_check", wrong))
    assert "when a host leaves out capability" in failure(of_handler("capability_check", failing))


def test_a_handler_that_overruns_its_deadline_fails():
    """Its deadline is kept as in a node."""
    hang = handler_timeout(0.01)(lambda ctx, **_: time.sleep(0.2))
    assert "raised HandlerTimeoutError: timed out after 0.01 seconds" in failure(
        of_handler("capability_check", hang)
    )


def test_a_coroutine_that_overruns_its_deadline_fails():
    """It is cancelled as in a node."""

    @handler_timeout(0.01)
    async def hang(ctx, **_):
        await asyncio.sleep(30)

    assert "raised HandlerTimeoutError: timed out after 0.01 seconds" in failure(
        of_handler("capability_check", hang)
    )


def test_conformance_can_be_asked_for_in_an_event_loop():
    """In an async test, coroutine handlers have a loop of their own."""

    async def coroutine(ctx, **_):
        await asyncio.sleep(0)
        return Allow()

    async def test():
        conformance(of_handler("capability_check", coroutine))

    asyncio.run(test())


def test_a_required_keyword_of_a_wrapped_function_is_kept():
    """A decorator that passes keywords on hides nothing."""

    def inner(ctx, *, identity, query=None):
        return Allow() if identity else Deny("nobody")

    @wraps(inner)
    def outer(*args, **kw):
        return inner(*args, **kw)

    conformance(of_handler("pre_recall_authorize", outer))


# Payloads and handles of another node


def test_a_node_s_own_types_can_be_passed():
    """For the hook that is named; the keyword is required, and so it is not left out."""

    def guard(ctx, *, source, **_):
        return Allow() if source.startswith("agent:") else Deny("no agent")

    plugin = of_handler("pre_assert_authorize", guard)
    assert "conformance(…, payloads={'pre_assert_authorize': {…}})" in failure(plugin)
    conformance(plugin, payloads={"pre_assert_authorize": {"source": "agent:a"}})


def test_what_cannot_be_copied_or_compared_is_not_watched():
    """A lock, and an object that equals nothing but itself."""

    class Bare:
        """Equal by identity."""

    class Hostile:
        def __deepcopy__(self, memo):
            raise TypeError("no copies")

    for value in (Bare(), Hostile()):
        conformance(
            of_handler("capability_check", allow),
            payloads={"capability_check": {"identity": value}},
        )


def test_a_handle_that_is_not_there_must_be_minded():
    """It is None then; the same handler passes once it looks."""

    def careless(ctx, **_):
        ctx.get_audit_emitter()({"event_type": "seen"})

    plugin = of_handler("post_assert_persist", careless, capabilities={"audit.emit"})
    said = failure(plugin)
    assert "fail  no-handles  example-plugin.careless (post_assert_persist)" in said
    assert "raised TypeError: 'NoneType' object is not callable where the node offers no" in said
    assert ": 1 fail, " in said


def test_a_handle_of_an_unexpected_shape_is_warned_of():
    """Unless the author says what the node offers, which is then held against the handler."""

    def counting(ctx, **_):
        reader = ctx.get_facts_reader()
        return Allow() if reader is None or reader.count() > 3 else Deny("too few")

    plugin = of_handler("capability_check", counting, capabilities={"facts.read"})
    said = warned(plugin)
    assert "warn  any-handles  example-plugin.counting (capability_check)" in said
    assert "raised TypeError: '>' not supported" in said
    offered = types.SimpleNamespace(count=lambda: 5)
    findings = conformance(plugin, core_apis=CoreApis(facts_reader=offered))
    assert levels(findings)["no-handles"] is Level.OK
    assert "fail  payload" in failure(plugin, core_apis=CoreApis(facts_reader="facts"))


# What the plugin declares


def test_a_factory_must_say_the_same_twice():
    """What differs is named, with both values."""
    numbers = itertools.count(1)

    def moody():
        turn = next(numbers)
        return manifest(
            version=f"1.{turn}",
            routes=["route"] * turn,
            async_safe=turn == 1,
            health_check=None if turn == 1 else lambda ctx: PluginHealth("healthy"),
            config_schema=None if turn == 1 else Settings,
        )

    assert (
        "\nfail  manifest\n"
        "      two calls of the factory differ: version: '1.1', then '1.2'; "
        "async_safe: True, then False; routes: 1, then 2; health_check: False, then True; "
        f"config_schema: None, then '{__name__}.Settings'\n"
    ) in failure(moody)


def test_handlers_may_be_made_anew_by_each_call():
    """Closures and bound methods are not equal, and need not be."""

    def closures():
        return manifest(hooks={"capability_check": lambda ctx, **_: Allow()})

    conformance(closures)


@pytest.mark.parametrize(
    ("plugin", "text"),
    [
        (lambda: 1 / 0, "<lambda>() raised ZeroDivisionError: division by zero"),
        (dict, "dict() returned a builtins.dict, not a PluginManifest"),
        (lambda: manifest("Bad"), "<lambda>() raised ManifestError: plugin 'Bad': name must match"),
        (factory(requires_stigmem=">=9"), "requires stigmem >=9, and this node is"),
        (factory(hooks={"audit_emit": lambda: None}), "must accept at least 1 positional argument"),
        (factory(depends_on={"Other"}), "plugin 'Other': name must match"),
        (factory(depends_on={""}), "the manifest cannot be signed: its signed statement is malfor"),
        (
            of_handler("config_validate", lambda ctx, **_: Deny("not me")),
            "is refused by config_validate of 'example-plugin.<lambda>': not me",
        ),
    ],
)
def test_a_plugin_that_no_node_could_take_fails(plugin, text):
    """As a node would say it."""
    assert text in failure(plugin)


def test_the_node_can_be_another_version():
    """Of those that the plugin is made for."""
    conformance(factory(requires_stigmem=">=0.9.0a30"), stigmem_version="0.9.0a31")


def test_a_signed_manifest_must_come_back_as_it_was(monkeypatch):
    """What JSON changes is found before a release does."""
    from stigmem_plugins.trust.statement import SignedPlugin

    monkeypatch.setattr(SignedPlugin, "differences", lambda self, manifest: ["version: odd"])
    assert "fail  statement\n      the manifest changes when it is signed: version: odd" in failure(
        factory()
    )


@pytest.mark.parametrize(
    ("check", "text"),
    [
        (lambda ctx: "fine", "expected PluginHealth with a message of type str, got str"),
        (lambda ctx: ctx.get_audit_emitter()(1), "TypeError: 'NoneType' object is not callable"),
        (handler_timeout(0.01)(lambda ctx: time.sleep(0.2)), "timed out after 0.01 seconds"),
    ],
)
def test_a_health_check_must_answer(check, text):
    """In time, with a PluginHealth, and without handles."""
    said = failure(factory(health_check=check, capabilities={"audit.emit"}))
    assert f"the health check failed: {text}" in said or text in said
    assert "fail  health\n" in said


def test_a_health_check_is_asked_with_the_handles_that_are_given_too():
    """As the handlers are."""

    def check(ctx):
        emit = ctx.get_audit_emitter()
        return PluginHealth("healthy") if emit is None else emit()

    conformance(factory(health_check=check, capabilities={"audit.emit"}))
    said = failure(
        factory(health_check=check, capabilities={"audit.emit"}),
        core_apis=CoreApis(audit_emitter=lambda: "?"),
    )
    assert "fail  health\n" in said


# Configuration


@attrs.frozen
class Required:
    api_key: str


def test_a_required_setting_must_be_set_for_the_test(monkeypatch):
    """Else the plugin cannot be admitted, and that is not passed over in silence."""
    plugin = of_handler("capability_check", allow, config_schema=Required)
    said = failure(plugin)
    assert (
        "fail  minimum\n      only 4 of at least 7 checks ran; skipped are admission: not" in said
    )
    assert "api_key is required" in said
    assert "to do: before conformance(), monkeypatch.setenv(…): set STIGMEM_PLUGIN_EXAMPLE_" in said
    monkeypatch.setenv("STIGMEM_PLUGIN_EXAMPLE_PLUGIN_API_KEY", "secret")
    findings = {finding.check: finding for finding in conformance(plugin)}
    assert findings["configuration"].message == (
        "without STIGMEM_PLUGIN_EXAMPLE_PLUGIN_API_KEY an operator is told what is missing"
    )


def test_secrets_are_not_repeated(monkeypatch):
    """What is configured as a secret is masked, as in a node."""

    @attrs.frozen
    class Login:
        api_key: str = attrs.field(repr=False)

    def leaky(ctx, **_):
        raise ValueError(f"login with {ctx.config.api_key} failed")

    monkeypatch.setenv("STIGMEM_PLUGIN_EXAMPLE_PLUGIN_API_KEY", "hunter2")
    said = failure(of_handler("capability_check", leaky, config_schema=Login))
    assert "raised ValueError: login with *** failed" in said


def test_a_schema_must_be_one_and_accept_its_own_defaults():
    """A class of another kind, and one whose validator refuses the default."""

    @attrs.frozen
    class Picky:
        limit: int = attrs.field(default=0, validator=attrs.validators.gt(0))

    assert "fail  configuration\n      config_schema object cannot be read" in failure(
        factory(config_schema=object)
    )
    said = failure(factory(config_schema=Picky))
    assert "fail  configuration\n      plugin 'example-plugin' is misconfigured" in said


# Capabilities


def test_a_capability_that_is_used_and_not_declared_is_warned_of():
    """Where the handler itself asks for it, even if no call came that far."""

    def guarded(ctx, **_):
        return ctx.get_tenant_reader() if "tenant.read" in ctx.capabilities else Allow()

    said = warned(of_handler("capability_check", guarded))
    assert "used, and not declared: guarded asks for get_tenant_reader()" in said
    assert "add 'tenant.read' to the manifest's capabilities" in said


def test_a_handler_s_own_code_is_found_behind_what_wraps_it():
    """A decorator, a partial and an instance; and the health check's is looked at, too."""

    def logged(function):
        @wraps(function)
        def call(*args, **kw):
            return function(*args, **kw)

        return call

    def guarded(ctx, **_):
        return ctx.get_tenant_reader() if ctx.capabilities else Allow()

    class Guard:
        def __call__(self, ctx, **_):
            return ctx.get_tenant_reader() if ctx.capabilities else Allow()

    def check(ctx):
        return ctx.get_tenant_reader() if ctx.capabilities else PluginHealth("healthy")

    for handler in (logged(guarded), partial(guarded), Guard()):
        said = warned(of_handler("capability_check", handler))
        assert "used, and not declared: " in said
        assert " asks for get_tenant_reader()" in said
    assert "declared: check asks for get_tenant_reader()" in warned(factory(health_check=check))


def test_asking_for_what_is_not_declared_fails_when_it_is_called():
    """With the line that the manifest lacks."""

    def greedy(ctx, **_):
        return Allow() if ctx.get_network_outbound() is None else Deny("online")

    lines = failure(of_handler("capability_check", greedy)).splitlines()
    assert lines[1] == "fail  payload  example-plugin.greedy (capability_check)"
    assert lines[2].startswith(
        "      raised CapabilityError: plugin 'example-plugin' cannot call get_network_outbound"
    )
    assert lines[3] == "      to do: add 'network.outbound' to the manifest's capabilities"


@pytest.fixture
def module(tmp_path, monkeypatch):
    """Makes a module of a plugin, from its source, and returns its factory."""

    def make(source: str, name: str = "lonely_plugin", *, file: str = "{}.py"):
        path = tmp_path / file.format(name)
        path.parent.mkdir(exist_ok=True)
        path.write_text(source)
        made = types.ModuleType(name)
        made.__file__ = str(path)
        if path.name == "__init__.py":
            made.__path__ = [str(path.parent)]
        exec(compile(source, str(path), "exec"), vars(made))
        monkeypatch.setitem(sys.modules, name, made)
        return made.plugin_manifest

    return make


LONELY = """
from stigmem_plugins import PluginManifest

def plugin_manifest():
    return PluginManifest("lonely-plugin", "1.0.0", capabilities={"facts.read", "audit.emit"})
"""


def test_a_capability_that_no_code_uses_is_warned_of(module):
    """The whole module is looked at."""
    assert "declared, and never used: facts.read\n" in warned(
        module(LONELY + "\ndef emit(ctx): ctx.get_audit_emitter()\n")
    )
    conformance(module(LONELY + "\nUSED = ['get_audit_emitter', 'get_facts_reader']\n"))


def test_a_package_is_looked_at_whole_and_a_namespace_as_far_as_it_is_loaded(
    module, tmp_path, monkeypatch
):
    """What a package's other modules use counts."""
    make = module(LONELY, "whole_plugin", file="{}/__init__.py")
    (tmp_path / "whole_plugin" / "more.py").write_text("USED = 'get_audit_emitter'\n")
    assert "declared, and never used: facts.read\n" in warned(make)

    part = module(LONELY + "USED = 'get_facts_reader'", "spaced_plugin.part", file="part.py")
    for name in ("spaced_plugin", "spaced_plugin.without_file"):
        monkeypatch.setitem(sys.modules, name, types.ModuleType(name))
    assert "declared, and never used: audit.emit\n" in warned(part)


def test_code_that_cannot_be_told_is_not_accused(module):
    """An attribute by a computed name may be an accessor."""
    make = module(LONELY + "\ndef fetch(ctx, name): return getattr(ctx, name)\n")
    [finding] = [each for each in conformance(make) if each.check == "capabilities"]
    assert finding.level is Level.SKIP
    assert "cannot tell whether the code uses audit.emit, facts.read" in finding.message


def test_code_without_source_is_not_accused(module, monkeypatch):
    """It is skipped, and the minimum then names it."""
    make = module(LONELY)
    monkeypatch.delitem(sys.modules, "lonely_plugin")
    assert "skipped are " in (said := failure(make, minimum=4))
    assert "capabilities: the plugin's source code cannot be read" in said
    assert "to do: lower the minimum" in said


# The minimum, and wrong use


def test_too_few_checks_fail_and_name_what_was_skipped():
    """An author can pin how many there are."""
    assert failure(factory(), minimum=5) == (
        "plugin 'example-plugin' does not conform: 1 fail, 4 ok, 2 skip\n"
        "fail  minimum\n"
        "      only 4 of at least 5 checks ran; skipped are configuration: the manifest has no "
        "config_schema; health: the manifest has no health_check\n"
        "      to do: lower the minimum"
    )


@pytest.mark.parametrize(
    ("options", "text"),
    [
        ({"factory": manifest()}, "not a PluginManifest; write conformance(plugin_manifest), wit"),
        ({"factory": "plugin_manifest"}, "takes the factory of a manifest, not a str"),
        (
            {"factory": manifest, "payloads": {"recal_rank": {}}},
            "payloads names no hook with 'recal_rank' (did you mean 'recall_rank'?)",
        ),
    ],
)
def test_a_wrong_use_says_the_right_one(options, text):
    """Before anything is checked."""
    with pytest.raises(StigmemPluginError) as caught:
        conformance(**options)
    assert text in str(caught.value)


def test_the_fixture_is_the_function(pytester: pytest.Pytester):
    """What it says is what pytest shows, without a line of ours; warnings are pytest's own."""
    pytester.makepyfile(
        """
        from stigmem_plugins import PluginManifest

        def plugin_manifest():
            return PluginManifest("example-plugin", "1.0.0", requires_stigmem=">9")

        def unused_manifest():
            return PluginManifest("example-plugin", "1.0.0", capabilities={"facts.read"})

        def test_failing(conformance):
            conformance(plugin_manifest)

        def test_warned(conformance):
            conformance(unused_manifest)
        """
    )
    result = pytester.runpytest_inprocess("-W", "default")
    result.assert_outcomes(passed=1, failed=1, warnings=1)
    result.stdout.fnmatch_lines(
        [
            "E *AssertionError: plugin 'example-plugin' does not conform: 1 fail, *",
            "E *fail  admission",
            "*ConformanceWarning: plugin 'example-plugin' conforms, with warnings: 1 warn, *",
        ]
    )
    result.stdout.no_fnmatch_line("*conforming.py*")
    assert pytester.runpytest_inprocess("-W", "error").parseoutcomes()["failed"] == 2


def test_threads_of_deadlines_end_with_the_checks():
    """Nothing of it is left running."""
    used: list[threading.Thread] = []

    def remember(ctx, **_):
        used.append(threading.current_thread())
        return Allow()

    conformance(of_handler("capability_check", handler_timeout(5)(remember)))
    assert threading.current_thread() not in used
    for thread in used:
        thread.join(5)
        assert not thread.is_alive()


def test_manifests_are_not_made_of_what_only_looks_like_them():
    """`PluginManifest` itself is no factory."""
    assert "PluginManifest() raised TypeError" in failure(PluginManifest)


def test_a_package_is_read_and_nothing_around_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """pytest makes modules of folders, whose search path is the folder above: that is no package.

    Nor is a pipe source code, whatever it is called.
    """
    source = "def look(ctx, **_): return ctx.get_facts_reader()"
    package, beside = tmp_path / "looking", tmp_path / "beside.py"
    package.mkdir()
    for file in (package / "__init__.py", package / "part.py", beside):
        file.write_text(source)
    os.mkfifo(package / "pipe.py")
    folder = types.ModuleType("looking_folder")
    folder.__file__, folder.__path__ = str(package), [str(tmp_path)]
    inner = types.ModuleType("looking_folder.beside")
    inner.__file__ = str(beside)
    for module in (folder, inner):
        monkeypatch.setitem(sys.modules, module.__name__, module)
    monkeypatch.syspath_prepend(tmp_path)
    looking = import_module("looking")
    monkeypatch.setitem(sys.modules, "looking", looking)
    found = surrounding_sources([looking.look])
    assert found is not None
    assert sorted(found) == [str(package / "__init__.py"), str(package / "part.py")]

    def look() -> None: ...

    look.__module__ = "looking_folder.beside"
    assert surrounding_sources([look]) == {str(beside): source.encode()}
