"""Hostile plugins, odd values and bad luck: always one named error, and nothing half done."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from enum import Enum
from functools import partial, wraps
from pathlib import Path
from typing import Any, cast

import attrs
import pydantic
import pytest
from attrs.exceptions import FrozenInstanceError
from pluggy import PluginValidationError

from stigmem_plugins import (
    Allow,
    AuditEvent,
    CoreApis,
    Deny,
    Failure,
    HookRegistry,
    ManifestError,
    Migration,
    PluginDiscoveryError,
    PluginExecutionError,
    PluginHealth,
    PluginManifest,
    PluginSignatureError,
    RegistryFrozenError,
    RejectError,
    StigmemPluginError,
    discover_plugin_manifests,
    hookimpl,
    register_discovered_plugins,
    set_registry,
)
from stigmem_plugins.config import configure
from stigmem_plugins.testing import TestPluginRegistry
from tests.support import allow, deny, discovered, install_module, manifest

PREFIX = "STIGMEM_PLUGIN_EXAMPLE_PLUGIN_"
MAKE = """
from stigmem_plugins import PluginManifest

def make():
    return PluginManifest("{name}", "1.0.0")
"""


class Hostile:
    """Raises whatever is asked of it."""

    def __str__(self) -> str:
        raise OSError("hostile")

    __repr__ = __str__


class HostileError(Exception):
    def __str__(self) -> str:
        raise SystemExit(3)


# Threads


def test_what_is_registered_while_hooks_fire_is_dispatched() -> None:
    """A fire that arranges handlers must not lose one that is added meanwhile."""
    for _ in range(30):
        registry, stop = HookRegistry(), threading.Event()
        for number in range(20):
            registry.register_core_handler("audit_emit", allow, name=f"core.{number:03}")

        def fire(registry: HookRegistry = registry, stop: threading.Event = stop) -> None:
            while not stop.is_set():
                registry.fire_voting("capability_check")

        thread = threading.Thread(target=fire)
        thread.start()
        for hook in ("pre_recall_authorize", "pre_assert_authorize"):
            registry.register_core_handler(hook, deny, name="core.900")
        stop.set()
        thread.join()
        registry.freeze()
        assert registry.fire_voting("pre_recall_authorize") == Deny("no")
        assert registry.fire_voting("pre_assert_authorize") == Deny("no")


def test_nobody_can_register_in_the_moment_between_seal_and_freeze(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """There is none: a plugin's thread that retries finds the registry sealed, then frozen."""
    registry, outcomes = HookRegistry(), []
    sealed = registry._gate.sealed

    @contextmanager
    def watched(what: str = "plugins") -> Iterator[object]:
        with sealed(what) as seal:
            yield seal
        try:
            registry.register_core_handler("audit_emit", allow, name="core.000")
        except RegistryFrozenError as error:
            outcomes.append(error.message)

    monkeypatch.setattr(registry._gate, "sealed", watched)
    register_discovered_plugins(
        registry=registry, discover=lambda: [discovered()], signing_required=False
    )
    assert outcomes == ["cannot register core handler 'core.000': registry is frozen"]


def test_a_plugin_cannot_freeze_the_registry_while_it_is_admitted() -> None:
    """Nor take the seal, which nothing public leads to."""
    registry, outcomes = HookRegistry(), []

    def freeze(_ctx: Any, **_: Any) -> Allow:
        try:
            registry.freeze()
        except RegistryFrozenError as error:
            outcomes.append(error.message)
        return Allow()

    registry.register_plugin(manifest(hooks={"config_validate": freeze}))
    assert len(outcomes) == 1
    registry.register_plugin(manifest("another"))
    public = [name for name in dir(registry) if not name.startswith("_")]
    assert not {"gate", "admit", "refuse"} & set(public)


def test_discovery_by_another_thread_waits_for_nobody(monkeypatch: pytest.MonkeyPatch) -> None:
    """Startup in one thread, discovery in another: an error, not a hole in the seal."""
    errors: list[str] = []

    def discover_elsewhere(_ctx: Any, **_: Any) -> Allow:
        def discover() -> None:
            try:
                discover_plugin_manifests()
            except RegistryFrozenError as error:
                errors.append(error.message)

        thread = threading.Thread(target=discover)
        thread.start()
        thread.join()
        return Allow()

    plugin = discovered(hooks={"config_validate": discover_elsewhere})
    register_discovered_plugins(discover=lambda: [plugin], freeze=False, signing_required=False)
    assert len(errors) == 1


# What can be reached


def test_no_listing_leads_to_another_plugins_context() -> None:
    """handlers_for() gives names, and pluggy's impls are closed functions."""
    registry = TestPluginRegistry(
        [manifest(capabilities={"facts.write"}, hooks={"capability_check": allow})],
        core_apis=CoreApis(facts_writer=object()),
    )
    (entry,) = registry.handlers_for("capability_check")
    assert attrs.asdict(entry) == {
        "handler_name": "example-plugin.allow",
        "plugin_name": "example-plugin",
    }
    (impl,) = registry.plugin_manager.hook.capability_check.get_hookimpls()
    assert not hasattr(impl.function, "handler")


def test_values_stay_as_they_are_even_if_their_constructor_is_called_again() -> None:
    """A manifest on its way through admission, an event on its way through audit handlers."""
    seen: list[Any] = []

    def tamper(_ctx: Any, *, event: AuditEvent) -> None:
        event.metadata.__init__(plugin_name="forged")  # type: ignore[misc]
        try:
            event.metadata["signing"]["trust_decision"] = "trusted_publisher"
        except TypeError:
            seen.append(event.metadata)

    made = manifest(hooks={"audit_emit": tamper})
    made.hooks.__init__(capability_check=print)  # type: ignore[misc]
    with pytest.raises(TypeError, match="immutable"):
        made.__init__("renamed", "9.9.9")  # type: ignore[misc]
    with pytest.raises(FrozenInstanceError):
        made.name = "renamed"  # type: ignore[misc]
    HookRegistry().register_plugin(made)
    assert seen[0]["plugin_name"] == made.name == "example-plugin"
    assert list(made.hooks) == ["audit_emit"]


def test_a_manifest_that_is_forced_to_change_changes_nothing_that_is_registered() -> None:
    """The registry has a copy of its own; listings, health and dispatch go by that."""
    made = manifest(
        hooks={"capability_check": deny}, health_check=lambda ctx: PluginHealth("healthy")
    )
    registry = HookRegistry()
    registry.register_plugin(made)
    for name, value in [
        ("name", "forged"),
        ("version", "9"),
        ("hooks", {}),
        ("health_check", None),
    ]:
        object.__setattr__(made, name, value)
    (info,) = registry.plugin_infos()
    assert (info.name, info.version, info.hooks) == (
        "example-plugin",
        "1.0.0",
        ("capability_check",),
    )
    assert registry.poll_plugin_health()[0].status == "healthy"
    assert registry.fire_voting("capability_check") == Deny("no")


def test_coroutines_that_nobody_will_await_are_closed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of a health check and of a manifest factory."""

    async def check(_ctx: Any) -> PluginHealth:
        raise AssertionError

    registry = HookRegistry()
    registry.register_plugin(manifest(health_check=check))
    assert registry.poll_plugin_health()[0].status == "unhealthy"
    source = "async def make(): ..."
    install_module(tmp_path / "site", "async_one", source, plugins={"async": "async_one:make"})
    monkeypatch.syspath_prepend(tmp_path / "site")
    monkeypatch.setenv("STIGMEM_PLUGIN_SIGNING_REQUIRED", "false")
    with pytest.raises(
        PluginDiscoveryError, match=r"expected PluginManifest, got builtins\.coroutine"
    ):
        discover_plugin_manifests()


def test_native_plugins_cannot_pose_as_core() -> None:
    """Neither by name nor by an attribute."""
    registry = HookRegistry()

    class Native:
        @hookimpl
        def recall_filter(self, value: Any) -> Any:
            return [*value, "native"]

    Native.recall_filter.handler = print  # type: ignore[attr-defined]
    for name in ("core", "system"):
        with pytest.raises(PluginValidationError, match="reserved"):
            registry.plugin_manager.register(Native(), name=name)
    registry.plugin_manager.register(Native(), name="native")
    assert registry.fire_filter_chain("recall_filter", []) == ["native"]


# Values


@pytest.mark.parametrize(
    ("hook", "handler", "text"),
    [
        (
            "capability_check",
            lambda ctx, **_: Deny(cast("str", Hostile())),
            "reason of type str, got Hostile",
        ),
        ("recall_rank", lambda ctx, v, **_: {Hostile(): 1.0}, "type str, got a Hostile"),
        ("recall_rank", lambda ctx, v, **_: {"a": Hostile()}, "numbers, got a Hostile"),
        ("recall_rank", lambda ctx, v, **_: {"a": 10**5000}, "numbers, got a int"),
    ],
)
def test_a_result_that_cannot_be_shown_is_still_a_named_error(
    hook: str, handler: Any, text: str
) -> None:
    """Audited once, like any other wrong result."""
    registry = TestPluginRegistry.with_hooks(**{hook: handler})
    fire = registry.fire_voting if hook == "capability_check" else registry.fire_score_delta
    arguments = [hook] if hook == "capability_check" else [hook, []]
    with pytest.raises(PluginExecutionError, match=text):
        fire(*arguments)
    assert registry.audit_events[-1].event_type == "plugin.handler_error"


def test_an_exception_that_cannot_be_shown_ends_nothing() -> None:
    """Not even if its text ends the process."""

    def fail(_ctx: Any, **_: Any) -> None:
        raise HostileError

    def reject(_ctx: Any, **_: Any) -> None:
        raise RejectError(Hostile())  # type: ignore[arg-type]

    registry = TestPluginRegistry.with_hooks(post_assert_persist=fail, capability_check=reject)
    registry.fire_fire_and_forget("post_assert_persist")
    assert registry.audit_events[-1].metadata["error"].startswith("HostileError: (no text")
    with pytest.raises(PluginExecutionError, match="reason of type str"):
        registry.fire_voting("capability_check")


def test_a_hostile_number_is_refused() -> None:
    """Its conversion may raise anything."""
    from fractions import Fraction

    class Trap(Fraction):
        def __float__(self) -> float:
            raise ZeroDivisionError

    registry = TestPluginRegistry.with_hooks(recall_rank=lambda ctx, v, **_: {"a": Trap(1)})
    with pytest.raises(PluginExecutionError, match="finite real numbers"):
        registry.fire_score_delta("recall_rank", [])


def test_a_health_message_is_text() -> None:
    """Anything else is an unhealthy report."""
    registry = HookRegistry()
    registry.register_plugin(
        manifest(health_check=lambda ctx: PluginHealth("healthy", Hostile()))  # type: ignore[arg-type]
    )
    (report,) = registry.poll_plugin_health()
    assert report.status == "unhealthy"


def test_a_denial_without_a_reason_is_a_failure_all_the_same() -> None:
    """An empty reason is no success."""
    registry = TestPluginRegistry.with_hooks(capability_check=lambda ctx, **_: Deny(""))
    assert registry.fire_voting("capability_check") == Deny("")
    assert registry.audit_events[-1].outcome == Failure("")


# Handlers


class Method:
    def handler(self, _ctx: Any, **keywords: Any) -> Deny:
        return Deny(repr(sorted(keywords)))

    __call__ = handler


def after_greeting(tenant: str, _ctx: Any, **keywords: Any) -> Deny:
    return Deny(repr(sorted(keywords)))


def needs_two(function: Any) -> Any:
    @wraps(function)
    def wrapper(ctx: Any, *, tenant: str, **keywords: Any) -> Any:
        return function(ctx, **keywords)

    return wrapper


@needs_two
def inner(_ctx: Any, *, capability: str) -> Deny:
    return Deny(repr(capability))


@pytest.mark.parametrize(
    ("handler", "said"),
    [
        (Method().handler, "['capability', 'ctx', 'tenant']"),
        (Method(), "['capability', 'ctx', 'tenant']"),
        (partial(after_greeting, "hello"), "['capability', 'ctx', 'self']"),
        (partial(Method().handler), "['capability', 'ctx', 'tenant']"),
        (inner, "'read'"),
    ],
)
def test_parameters_that_are_filled_already_meet_no_keyword(handler: Any, said: str) -> None:
    """`self`, what a partial fills, and what a wrapper takes for itself."""
    registry = TestPluginRegistry.with_hooks(capability_check=handler)
    payload = {"self": 1, "ctx": 2, "tenant": "t", "capability": "read"}
    assert registry.fire_voting("capability_check", **payload) == Deny(said)


@wraps(max)
def wraps_a_builtin(*args: Any, **keywords: Any) -> Any:
    raise AssertionError


def wraps_itself(*_args: Any, **_keywords: Any) -> Any:
    raise AssertionError


wraps_itself.__wrapped__ = wraps_itself  # type: ignore[attr-defined]


@pytest.mark.parametrize("handler", [wraps_a_builtin, wraps_itself])
def test_a_handler_whose_signature_cannot_be_read_is_refused(handler: Any) -> None:
    """Instead of a raw error from `inspect`, or a hang."""
    with pytest.raises(ManifestError, match="has no signature"):
        HookRegistry().register_plugin(manifest(hooks={"capability_check": handler}))


# Bad input


class Hook(str, Enum):  # noqa: UP042  # what older code has
    CHECK = "capability_check"


def test_names_may_be_members_of_an_enumeration() -> None:
    """Of one that mixes str in, as older code has."""

    class Right(str, Enum):  # noqa: UP042  # the same
        EMIT = "audit.emit"

    made = manifest(hooks={Hook.CHECK: deny}, capabilities={Right.EMIT})
    assert list(made.hooks) == ["capability_check"]
    assert made.capabilities == {"audit.emit"}
    registry = HookRegistry()
    registry.register_plugin(made)
    assert registry.fire_voting(Hook.CHECK) == Deny("no")


def test_bad_arguments_are_named() -> None:
    """A version that is none, a manifest that is none, plugins that are none."""
    with pytest.raises(StigmemPluginError, match="stigmem_version must be a PEP 440 version"):
        HookRegistry(stigmem_version="dev")
    with pytest.raises(ManifestError, match="expected PluginManifest, got dict"):
        HookRegistry().register_plugin({})  # type: ignore[arg-type]
    with pytest.raises(ManifestError, match="name must match"):
        PluginManifest([], "1.0.0")  # type: ignore[arg-type]
    with pytest.raises(StigmemPluginError, match="expected HookRegistry, got int"):
        set_registry(5)  # type: ignore[arg-type]
    with pytest.raises(ManifestError, match="health_check must accept 1 positional argument"):
        HookRegistry().register_plugin(manifest(health_check=lambda: None))
    with pytest.raises(TypeError, match="migration_id"):
        Migration("mine", "001", "SELECT 1", "nothing")  # type: ignore[arg-type]
    with pytest.raises(PluginDiscoveryError, match="from discover\\(\\), got NoneType"):
        register_discovered_plugins(discover=lambda: None, signing_required=False)  # type: ignore[arg-type, return-value]
    with pytest.raises(PluginDiscoveryError, match="expected DiscoveredPlugin from discover"):
        register_discovered_plugins(discover=lambda: [manifest()], signing_required=False)  # type: ignore[list-item]
    with pytest.raises(ManifestError, match="plugin 'example-plugin' is already registered"):
        TestPluginRegistry([manifest(), manifest(version="2.0.0")])


def test_a_verifier_must_return_a_decision() -> None:
    """`True` is none, and nothing is registered."""
    registry = TestPluginRegistry()
    with pytest.raises(PluginSignatureError, match="returned True for plugin 'example-plugin'"):
        register_discovered_plugins(
            registry=registry,
            discover=lambda: [discovered()],
            signing_required=True,
            signature_verifier=lambda plugin: True,  # type: ignore[arg-type]
        )
    assert registry.registered_plugins() == frozenset()


def test_a_host_may_filter_what_discovery_finds(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """`discover=` may call discover_plugin_manifests(), which goes on under the same seal."""
    source = MAKE.format(name="found")
    install_module(tmp_path / "site", "found_one", source, plugins={"found": "found_one:make"})
    monkeypatch.syspath_prepend(tmp_path / "site")
    monkeypatch.setenv("STIGMEM_PLUGIN_SIGNING_REQUIRED", "false")
    started = register_discovered_plugins(discover=discover_plugin_manifests)
    assert [plugin.manifest.name for plugin in started] == ["found"]


@pytest.mark.parametrize("ignored", ["left-out", "left-out-dist"])
def test_an_ignored_plugin_does_not_stop_a_second_start(
    ignored: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nor a first one, by being unsigned, if its distribution has the name."""
    source = MAKE.format(name="left-out")
    install_module(tmp_path / "site", "left_out_dist", source, plugins={"x": "left_out_dist:make"})
    monkeypatch.syspath_prepend(tmp_path / "site")
    if ignored == "left-out":
        monkeypatch.setenv("STIGMEM_PLUGIN_SIGNING_REQUIRED", "false")
    assert register_discovered_plugins(ignore={ignored}) == ()
    assert register_discovered_plugins(ignore={ignored}) == ()


def test_distributions_of_the_old_kind_are_found_by_their_metadata(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Their folders end in `.egg-info`, and the name in them counts."""
    info = tmp_path / "old_one.egg-info"
    info.mkdir()
    (info / "PKG-INFO").write_text("Metadata-Version: 1.0\nName: old-one\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text("[stigmem.plugins]\nold = old_one:make\n")
    monkeypatch.syspath_prepend(tmp_path)
    with pytest.raises(PluginSignatureError, match="plugin 'old' is unsigned"):
        discover_plugin_manifests()


@pytest.mark.parametrize("content", [b"[console_scripts]\nfoo\n", b"\xff\xfe\n"])
def test_broken_metadata_of_others_does_not_stop_a_node(
    content: bytes,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    """It is logged; where it mentions our group it is an error that names the distribution."""
    install_module(tmp_path / "site", "unrelated", "", plugins={})
    entry_points = tmp_path / "site" / "unrelated-1.0.0.dist-info" / "entry_points.txt"
    entry_points.write_bytes(content)
    monkeypatch.syspath_prepend(tmp_path / "site")
    assert discover_plugin_manifests() == ()
    assert "entry points of unrelated cannot be read" in caplog.text
    entry_points.write_bytes(b"[stigmem.plugins]\n" + content)
    with pytest.raises(PluginDiscoveryError, match="cannot read the entry points of unrelated"):
        discover_plugin_manifests()


def test_of_two_distributions_of_one_name_the_first_on_the_path_counts(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As for every other import."""
    for folder in ("second", "first"):
        (tmp_path / folder).mkdir()
        source = MAKE.format(name=folder)
        install_module(tmp_path / folder, "shadowed", source, plugins={folder: "shadowed:make"})
        monkeypatch.syspath_prepend(tmp_path / folder)
    monkeypatch.setenv("STIGMEM_PLUGIN_SIGNING_REQUIRED", "false")
    assert [plugin.manifest.name for plugin in discover_plugin_manifests()] == ["first"]


# Configuration


class Nested(pydantic.BaseModel):
    password: pydantic.SecretStr = pydantic.SecretStr("nested-secret")


class Secretive(pydantic.BaseModel):
    token: pydantic.SecretStr | None = None
    tokens: list[pydantic.SecretStr] = []
    db: Nested = Nested()
    alias: str = pydantic.Field("default", alias="apiName")
    strict: bool = pydantic.Field(default=False, validation_alias="strictMode")
    choice: str = pydantic.Field("x", validation_alias=pydantic.AliasChoices("choice", "option"))


def configured(schema: type[Any], **environ: str) -> Any:
    return configure(
        manifest(config_schema=schema),
        environ={f"{PREFIX}{key}": value for key, value in environ.items()},
        tables={},
    )


def test_secrets_are_found_wherever_they_are() -> None:
    """Optional ones, in lists, and in models in models."""
    made = configured(
        Secretive, TOKEN="hunter2", TOKENS="swordfish, mellon", DB='{"password": "deep-secret"}'
    )
    assert {"hunter2", "swordfish", "mellon", "deep-secret"} <= set(made.secrets)


def test_fields_with_aliases_are_set_by_their_names() -> None:
    """An operator need not know what the author's JSON calls them."""
    made = configured(Secretive, ALIAS="mine", STRICT="true", CHOICE="y").value
    assert (made.alias, made.strict, made.choice) == ("mine", True, "y")


@attrs.frozen
class Strict:
    tokens: tuple[str, ...] = attrs.field(default=(), repr=False)
    stripped: str = attrs.field(default="", repr=False, converter=lambda text: text.strip())
    quoted: str = attrs.field(default="", repr=False)
    split: Any = attrs.field(default="", repr=False, converter=lambda text: text.split(","))

    def __attrs_post_init__(self) -> None:
        raise ValueError(f"bad {self.tokens} {self.stripped} {self.quoted!r} {self.split}")


def test_a_validators_message_repeats_no_part_of_a_secret() -> None:
    """Neither the pieces of a list, nor the stripped text, nor its repr."""
    with pytest.raises(ManifestError, match="bad") as raised:
        configured(
            Strict,
            TOKENS="hunter2, swordfish",
            STRIPPED=" mellon ",
            QUOTED="pa\\ss\nword",
            SPLIT="sesame,abracadabra",
        )
    for secret in ("hunter2", "swordfish", "mellon", "ss\\nword", "sesame", "abracadabra"):
        assert secret not in str(raised.value)


@attrs.frozen
class Unresolvable:
    field: "NoSuchType" = None  # type: ignore[name-defined]  # noqa: F821, UP037


@attrs.frozen
class Leaves:
    def __attrs_post_init__(self) -> None:
        raise SystemExit(2)


@attrs.frozen
class Unhashable:
    field: set[Any] = attrs.field(factory=set)


@attrs.frozen
class Huge:
    field: float = 0.0


@pytest.mark.parametrize(
    ("schema", "environ", "fault"),
    [
        (Unresolvable, {}, "NameError"),
        (Leaves, {}, "SystemExit: 2"),
        (Unhashable, {"FIELD": "[[1]]"}, "field unhashable"),
    ],
)
def test_whatever_a_schema_does_is_one_refusal(
    schema: type[Any], environ: dict[str, str], fault: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With its audit event."""
    for key, value in environ.items():
        monkeypatch.setenv(f"{PREFIX}{key}", value)
    registry = TestPluginRegistry()
    with pytest.raises(ManifestError, match=fault):
        registry.register_plugin(manifest(config_schema=schema))
    assert [event.metadata["reason"] for event in registry.audit_events] == ["config_validate"]


def test_a_number_too_large_for_its_field_is_a_fault() -> None:
    """TOML has integers of any size."""
    with pytest.raises(ManifestError, match="field int too large"):
        configure(
            manifest(config_schema=Huge),
            environ={},
            tables={"example-plugin": {"field": 10**400}},
        )


def test_a_variable_that_would_configure_two_plugins_is_refused(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A secret of the one must not become a setting of the other."""

    @attrs.frozen
    class Long:
        bar_key: str = attrs.field(default="", repr=False)

    @attrs.frozen
    class Short:
        key: str = ""

    plugins = [manifest("foo", config_schema=Long), manifest("foo-bar", config_schema=Short)]
    TestPluginRegistry(plugins)
    monkeypatch.setenv("STIGMEM_PLUGIN_FOO_BAR_KEY", "s3cret")
    with pytest.raises(ManifestError, match="STIGMEM_PLUGIN_FOO_BAR_KEY would configure plugin"):
        TestPluginRegistry(plugins)
