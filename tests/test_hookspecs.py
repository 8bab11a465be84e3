"""The 22 hooks: complete in meaning, and a leaf among the packages."""

from __future__ import annotations

import inspect
import re
from typing import Any

import pytest

import stigmem_plugins
from stigmem_hookspecs import HOOK_SPECS, LIFECYCLE_MODULES, Band, HookName, Migration
from stigmem_hookspecs.operations import own_migrations
from tests.support import python

# hook, band, semantic, strict, ordering: the published surface.
SURFACE = """
pre_assert_authorize          AUTHZ      voting           -       core_first
pre_assert_validate           VALIDATE   voting           -       core_first
pre_assert_transform          TRANSFORM  filter_chain     -       plugins_first
post_assert_persist           PERSIST    fire_and_forget  -       plugin_only
post_assert_propagate         PERSIST    fire_and_forget  -       plugin_only
post_assert_audit             AUDIT      fire_and_forget  strict  core_only_default
pre_recall_authorize          AUTHZ      voting           -       core_first
pre_recall_rewrite            TRANSFORM  filter_chain     -       plugins_first
recall_filter                 FILTER     filter_chain     -       plugins_first
recall_rank                   RANK       score_delta      -       plugins_first
post_recall_audit             AUDIT      fire_and_forget  strict  core_only_default
federation_peer_authenticate  AUTHN      voting           -       core_first
federation_inbound_validate   VALIDATE   voting           -       core_first
federation_inbound_filter     FILTER     filter_chain     -       plugins_first
federation_outbound_filter    FILTER     filter_chain     -       plugins_first
federation_outbound_sign      TRANSFORM  filter_chain     -       plugins_first
identity_resolve              AUTHN      filter_chain     -       core_first
tenant_resolve                AUTHN      filter_chain     -       core_first
capability_check              AUTHZ      voting           -       core_first
migration_register            TRANSFORM  filter_chain     -       core_only_default
audit_emit                    AUDIT      fire_and_forget  strict  core_only_default
config_validate               VALIDATE   voting           -       core_first
"""


def specification(hook: str) -> Any:
    (function,) = [getattr(m, hook) for m in LIFECYCLE_MODULES if hasattr(m, hook)]
    return function


def test_the_surface_is_the_published_one() -> None:
    """Names, bands, semantics, orderings and strictness, in this order."""
    declared = [
        [s.name, s.band.name, s.semantic.value, "strict" if s.strict else "-", s.ordering.value]
        for s in HOOK_SPECS.values()
    ]
    assert declared == [line.split() for line in SURFACE.strip().splitlines()]
    assert [module.__name__.rpartition(".")[2] for module in LIFECYCLE_MODULES] == [
        "assertion",
        "recall",
        "federation",
        "identity",
        "operations",
    ]


def test_names_are_derived_from_the_specifications() -> None:
    """HookName has a member for each hook, equal to its name."""
    assert [str(name) for name in HookName] == list(HOOK_SPECS)
    assert HookName("recall_rank").name == "RECALL_RANK"


def test_bands_are_the_published_numbers() -> None:
    """In steps of ten, from authentication to observation."""
    assert [int(band) for band in Band] == list(range(10, 100, 10))


@pytest.mark.parametrize("hook", HOOK_SPECS)
def test_a_hook_says_everything_that_an_author_must_know(hook: str) -> None:
    """When, arguments, results, errors, and an example that fires this very hook."""
    documentation = inspect.getdoc(specification(hook)) or ""
    sections = re.findall(r"^(Args|Returns|Raises|Example):$", documentation, re.MULTILINE)
    assert sections == ["Args", "Returns", "Raises", "Example"]
    for parameter in inspect.signature(specification(hook)).parameters:
        assert re.search(rf"^    {parameter}: ", documentation, re.MULTILINE), parameter
    example = documentation.partition("Example:")[2]
    assert f"{hook}=" in example
    assert 3 <= example.count(">>>") + example.count("...") <= 14


@pytest.mark.parametrize("hook", HOOK_SPECS)
def test_a_hook_is_annotated_and_ends_in_the_whole_payload(hook: str) -> None:
    """A value comes first where handlers get one; everything else may be missing."""
    signature = inspect.signature(specification(hook), eval_str=True)
    names = list(signature.parameters)
    assert names[-1] == "payload"
    assert ("value" in names) == (names[0] == "value") == HOOK_SPECS[hook].semantic.takes_value
    for name, parameter in signature.parameters.items():
        assert parameter.annotation is not parameter.empty
        assert (parameter.default is parameter.empty) == (name == "value")
    assert signature.return_annotation is not signature.empty


def test_the_hookspecs_do_not_know_the_framework() -> None:
    """A fresh interpreter that imports them has no stigmem_plugins."""
    code = "import sys, stigmem_hookspecs; print('stigmem_plugins' in sys.modules)"
    assert python(code).stdout == "False\n"


@pytest.mark.parametrize(
    "module",
    [
        *("sigstore", "pydantic", "prometheus_client", "importlib.metadata", "asyncio", "click"),
        *("rich", "difflib", "stigmem_plugins.startup", "stigmem_plugins.trust.policy"),
        "stigmem_plugins.schemas",
    ],
)
def test_importing_the_framework_is_cheap(module: str) -> None:
    """What only some need is imported where it is needed; a registry can be made without it."""
    code = f"""
        import sys, stigmem_plugins
        stigmem_plugins.HookRegistry()
        print({module!r} in sys.modules)
    """
    assert python(code).stdout == "False\n"


def test_the_public_names_are_complete() -> None:
    """Each exists, is listed once, and is documented."""
    names = stigmem_plugins.__all__
    assert len(names) == len(set(names))
    assert set(names) <= set(dir(stigmem_plugins))
    with pytest.raises(AttributeError, match="no attribute 'nothing'"):
        stigmem_plugins.nothing  # noqa: B018  # looking is enough
    for name in names:
        thing = getattr(stigmem_plugins, name)
        if inspect.isclass(thing) or inspect.isfunction(thing):
            assert inspect.getdoc(thing), name


OWN = Migration("mine", 1, "SELECT 1", "nothing")
OTHER = Migration("other", 3, "SELECT 1", "nothing")


@pytest.mark.parametrize(
    ("plugin", "value", "result", "fault"),
    [
        ("mine", [OTHER], [OTHER, OWN], None),
        ("mine", [], [OTHER], "declares migration 3 of 'other'"),
        ("mine", None, (OTHER,), "declares migration 3 of 'other'"),
        ("core", [], [OTHER], None),
        ("mine", [], "no migrations at all", None),
        ("mine", [], 3, None),
        ("mine", [], iter([OTHER]), "which can be read only once"),
    ],
)
def test_migrations_belong_to_the_plugin_that_declares_them(
    plugin: str, value: Any, result: Any, fault: str | None
) -> None:
    """The node itself may declare any; values of other types are the host's business."""
    said = own_migrations(plugin, value, result)
    assert said is None if fault is None else fault in str(said)
