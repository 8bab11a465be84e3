"""What can be said of a plugin by reading its source."""

from __future__ import annotations

import ast
import inspect
import os
from pathlib import Path
from textwrap import dedent
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stigmem_hookspecs import HOOK_SPECS
from stigmem_plugins import ManifestError, PluginManifest, StigmemPluginError
from stigmem_plugins.authoring.annotations import described, expected
from stigmem_plugins.authoring.checks import CHECKS, findings
from stigmem_plugins.authoring.code import Code
from stigmem_plugins.authoring.flow import End, end_of
from stigmem_plugins.authoring.handlers import find_function
from stigmem_plugins.authoring.manifests import read_plugins
from stigmem_plugins.authoring.metadata import from_core_metadata, from_pyproject
from stigmem_plugins.authoring.project import Project, module_files
from stigmem_plugins.findings import Level
from stigmem_plugins.manifest import FIELDS, field_faults
from stigmem_plugins.testing.wheels import build_wheel
from tests.authored import (
    IMPORTS,
    PYPROJECT,
    author,
    codes,
    complaints,
    handling,
    manifest_of,
    reading,
    write,
)

VOTER = "pre_assert_authorize"
FILTER = "recall_filter"
RANK = "recall_rank"
TELL = "post_assert_persist"
GOOD = handling(VOTER, "def h(ctx, **_): return Allow()")


def pyproject(old: str, new: str) -> dict[str, str]:
    """The tree of a good plugin with another pyproject."""
    assert old in PYPROJECT
    return {"pyproject": PYPROJECT.replace(old, new), "source": GOOD}


def source(text: str) -> dict[str, str]:
    return {"source": text}


def handler(hook: str, text: str, name: str = "h", fields: str = "") -> dict[str, str]:
    return {"source": handling(hook, text, name, fields)}


def manifest(fields: str) -> dict[str, str]:
    return {"source": manifest_of(fields)}


FOUND = {
    "syntax.error": ("fail", source("def (")),
    "syntax.other-python": ("skip", {**pyproject(">=3.11", "<3"), "source": "print 'old'"}),
    "metadata.malformed": ("fail", pyproject("[project]", "[project")),
    "metadata.unknown": (
        "skip",
        {"source": GOOD, "pyproject": '[tool.poetry]\nname = "example-plugin"'},
    ),
    "metadata.no-name": ("fail", pyproject('name = "example-plugin"', "")),
    "metadata.name": ("fail", pyproject('name = "example-plugin"', 'name = "-"')),
    "metadata.no-version": ("fail", pyproject('version = "1.0.0"', "")),
    "metadata.version": ("fail", pyproject('version = "1.0.0"', 'version = "one"')),
    "metadata.no-python": ("warn", pyproject('requires-python = ">=3.11"', "")),
    "metadata.python": ("fail", pyproject('">=3.11"', '"3.11+"')),
    "metadata.no-build-system": ("warn", pyproject("[build-system]", "[tool.other]")),
    "dependencies.unknown": (
        "skip",
        pyproject('dependencies = ["stigmem-plugins"]', 'dynamic = ["dependencies"]'),
    ),
    "dependencies.malformed": ("fail", pyproject('["stigmem-plugins"]', '["stigmem plugins"]')),
    "dependencies.missing": ("warn", pyproject('["stigmem-plugins"]', '["stigmem-node"]')),
    "entry-point.none": ("fail", pyproject("stigmem.plugins", "stigmem_plugins")),
    "entry-point.unknown": ("skip", source("plugin_manifest = make()\ndef make(): ...")),
    "entry-point.malformed": ("fail", pyproject(":plugin_manifest", "")),
    "entry-point.no-module": ("fail", pyproject('"example_plugin:', '"example_plugins:')),
    "entry-point.no-attribute": ("fail", pyproject(":plugin_manifest", ":manifest")),
    "entry-point.not-callable": ("fail", source("plugin_manifest = {}")),
    "entry-point.arguments": ("fail", source("def plugin_manifest(node): return node.make()")),
    "entry-point.result": ("fail", source("def plugin_manifest(): return {}")),
    "manifest.unknown": ("skip", source("def plugin_manifest(): return make()")),
    "manifest.field": ("fail", manifest('"example-plugin", "1.0.0", capability={"facts.read"}')),
    "manifest.missing": ("fail", manifest('"example-plugin"')),
    "manifest.value": ("fail", manifest('"Example", "1.0.0"')),
    "manifest.twin": (
        "fail",
        pyproject("example = ", 'other = "example_plugin:plugin_manifest"\nexample = '),
    ),
    "version.unknown": ("skip", pyproject('version = "1.0.0"', 'dynamic = ["version"]')),
    "version.differs": ("warn", pyproject('version = "1.0.0"', 'version = "1.0.1"')),
    "hooks.unknown": ("fail", handler("pre_assert_authorise", "def h(ctx): return Allow()")),
    "hooks.dynamic": ("skip", manifest('"example-plugin", "1.0.0", hooks=find()')),
    "handlers.unknown": ("skip", handler(VOTER, "", "make()")),
    "handlers.positional": ("fail", handler(FILTER, "def h(ctx, **_): return []")),
    "handlers.keyword": ("warn", handler(VOTER, "def h(ctx, *, identiy): return Allow()")),
    "handlers.async": ("fail", handler("config_validate", "async def h(ctx): return Allow()")),
    "handlers.annotation": ("warn", handler(VOTER, "def h(ctx, **_) -> bool: return Allow()")),
    "handlers.deadline": (
        "fail",
        handler(VOTER, "@handler_timeout(60)\ndef h(ctx, **_): return Allow()"),
    ),
    "returns.generator": ("fail", handler(TELL, "def h(ctx, **_): yield 1")),
    "returns.type": ("fail", handler(VOTER, "def h(ctx, **_): return True")),
    "returns.vote": ("warn", handler(TELL, "def h(ctx, **_): return Deny('too late')")),
    "returns.none": ("fail", handler(VOTER, "def h(ctx, *, req=None): req")),
    "capabilities.unknown": ("skip", manifest('"example-plugin", "1.0.0", capabilities=find()')),
    "capabilities.no-such": (
        "fail",
        manifest('"example-plugin", "1.0.0", capabilities={"facts.red"}'),
    ),
    "capabilities.unused": (
        "warn",
        manifest('"example-plugin", "1.0.0", capabilities={"facts.read"}'),
    ),
    "capabilities.undeclared": ("fail", handler(TELL, "def h(ctx, **_): ctx.get_facts_reader()")),
}
"""For each code of a tree's checks, a tree in which it is found."""


@pytest.mark.parametrize("code", FOUND)
def test_each_fault_is_found_where_it_stands(tmp_path: Path, code: str) -> None:
    """With its level, in a file of the tree."""
    level, tree = FOUND[code]
    found = {each.code: each for each in complaints(author(tmp_path, **tree))}
    assert code in found
    assert found[code].level == level
    place = found[code].place
    assert place is not None
    assert (tmp_path / place.file).is_file()


def test_every_code_is_shown_by_an_example() -> None:
    """Nothing is in the table that nothing finds, and each code is named by its check."""
    listed = {code: check for check in CHECKS for code in check.codes}
    assert listed.keys() - FOUND.keys() == {"wheel.files", "wheel.signature"}
    assert all(code.startswith(f"{check.name}.") for code, check in listed.items())


@pytest.mark.parametrize("code", [code for code, (level, _) in FOUND.items() if level == "fail"])
def test_what_fails_comes_alone(tmp_path: Path, code: str) -> None:
    """One mistake is one failure, whatever else becomes unknown by it."""
    failures = [
        each for each in complaints(author(tmp_path, **FOUND[code][1])) if each.level == "fail"
    ]
    assert [each.code for each in failures] == [code]


GOOD_HANDLERS = {
    "a function": (VOTER, "def h(ctx, **_): return Allow()", "h"),
    "an early return": (
        VOTER,
        """
        def h(ctx, *, req, **_):
            if req.blocked:
                return Deny("blocked")
            return Allow()
        """,
        "h",
    ),
    "a verdict from elsewhere": (
        VOTER,
        "from elsewhere import VERDICT\ndef h(ctx, **_): return VERDICT",
        "h",
    ),
    "a helper that returns": (VOTER, "def h(ctx, **_): return judge()", "h"),
    "a conditional": (VOTER, "def h(ctx, *, req): return Allow() if req else Deny('no')", "h"),
    "the singleton": (VOTER, "def h(ctx, **_): return ALLOW_SINGLETON", "h"),
    "a lambda": (VOTER, "", "lambda ctx, **_: Allow()"),
    "a partial": (FILTER, "def f(limit, ctx, value, **_): return value[:limit]", "partial(f, 3)"),
    "a partial by keyword": (
        FILTER,
        "def f(ctx, value, *, limit): return value[:limit]",
        "partial(f, limit=3)",
    ),
    "a partial of what follows": (
        VOTER,
        "def f(ctx, limit, req): return Allow()",
        "partial(f, limit=3)",
    ),
    "a bound method": (
        RANK,
        "class H:\n    def rank(self, ctx, value, **_): return {}",
        "H().rank",
    ),
    "a method of a data class": (
        RANK,
        "import attrs\n@attrs.frozen\nclass H:\n    def rank(self, ctx, value, **_): return {}",
        "H().rank",
    ),
    "a class method": (
        TELL,
        "class H:\n    @classmethod\n    def tell(cls, ctx, **_): pass",
        "H.tell",
    ),
    "a static method": (
        TELL,
        "class H:\n    @staticmethod\n    def tell(ctx, **_): pass",
        "H().tell",
    ),
    "a callable instance": (
        VOTER,
        "class H:\n    def __call__(self, ctx, **_): return Allow()",
        "H()",
    ),
    "a context by position": (VOTER, "def h(ctx, /, req): return Allow()", "h"),
    "everything": (VOTER, "def h(ctx, *args, **kw): return Allow()", "h"),
    "a deadline": (VOTER, "@handler_timeout(2)\ndef h(ctx, **_): return Allow()", "h"),
    "a computed deadline": (
        VOTER,
        "@handler_timeout(limit())\ndef h(ctx, **_): return Allow()",
        "h",
    ),
    "a coroutine": (VOTER, "async def h(ctx, **_): return Allow()", "h"),
    "a promised keyword": (VOTER, "def h(ctx, *, req, identity): return Allow()", "h"),
    "an optional keyword": (VOTER, "def h(ctx, *, source=None, **_): return Allow()", "h"),
    "a raise": (VOTER, "def h(ctx, **_): raise RejectError('no')", "h"),
    "an endless loop": (VOTER, "def h(ctx, **_):\n    while True:\n        return Allow()", "h"),
    "types": (
        RANK,
        "def h(ctx: PluginContext, value: 'list[object]', **_) -> dict[str, float]: return {}",
        "h",
    ),
    "types of the host's": (
        VOTER,
        "def h(ctx: PluginContext, *, req: int, **_: object) -> 'Allow | Deny': return Allow()",
        "h",
    ),
    "an overload": (
        VOTER,
        """
        import typing
        @typing.overload
        def h(ctx): ...
        @typing.overload
        def h(ctx, *, req): ...
        def h(ctx, **_): return Allow()
        """,
        "h",
    ),
    "a dict made by a call": (RANK, "def h(ctx, value, **_): return dict(a=1)", "h"),
    "an inner generator": (
        RANK,
        "def h(ctx, value, **_):\n    def g(): yield 1\n    return dict(g())",
        "h",
    ),
    "an inner return": (TELL, "def h(ctx, **_):\n    def g(): return Deny('no')\n    g()", "h"),
}


@pytest.mark.parametrize("case", GOOD_HANDLERS)
def test_good_handlers_pass(tmp_path: Path, case: str) -> None:
    """In all the forms that a registry takes."""
    hook, text, name = GOOD_HANDLERS[case]
    assert codes(author(tmp_path, handling(hook, text, name))) == set()


CALLABLES = {
    "f": "def f(a, b=1, /, c=2, *d, e, g=3, **h): ...",
    "g": "def g(a, /, b): ...",
    "h": "async def h(*, a=1, b): ...",
    "i": "i = lambda a, *b: a",
    "partial(f, 1)": "def f(a, b, c): ...",
    "partial(f, 1, c=2)": "def f(a, b, c, d, *, e): ...",
    "partial(f, z=2)": "def f(a, *b, **c): ...",
    "partial(partial(f, 1), 2, d=1)": "def f(a, b, c, *, d): ...",
    "A().m": "class A:\n  def m(self, a, *, b=1): ...",
    "A.m": "class A:\n  def m(self, a): ...",
    "A.c": "class A:\n  @classmethod\n  def c(cls, a): ...",
    "A().s": "class A:\n  @staticmethod\n  def s(a): ...",
    "A()": "class A:\n  def __call__(self, a, /, b): ...",
    "partial(A().m, 1)": "class A:\n  def m(self, a, b): ...",
}


@pytest.mark.parametrize("text", CALLABLES)
def test_signatures_are_those_that_callers_meet(tmp_path: Path, text: str) -> None:
    """As `inspect` has them of the same code when it runs."""
    source = f"from functools import partial\n{CALLABLES[text]}\nhandler = {text}\n"
    known = reading(author(tmp_path, source)).code
    function = find_function(known, known.member("example_plugin", "handler"))
    assert function
    namespace: dict[str, Any] = {}
    exec(source, namespace)
    wanted = inspect.signature(namespace["handler"]).parameters.values()
    # What a partial gives by keyword stays a parameter to `inspect`, with a default.
    given = getattr(namespace["handler"], "keywords", {})
    assert [(p.name, p.kind, p.default is p.empty) for _, p in function.arguments()] == [
        (p.name, p.kind, p.default is p.empty) for p in wanted if p.name not in given
    ]


UNKNOWN_HANDLERS = {
    "made by a call": ("def h(): return lambda ctx: True", "h()"),
    "decorated by one's own": ("def d(f): return g\n@d\ndef h(): return True", "h"),
    "defined twice": ("def h(ctx): return Allow()\nif X:\n    def h(): ...", "h"),
    "a partial of what is unpacked": ("def f(a): ...", "partial(f, *x)"),
    "a partial of nothing": ("", "partial()"),
    "a name from elsewhere": ("from elsewhere import h", "h"),
    "an attribute of who knows what": ("", "make().h"),
    "an inherited method": ("class A(B): ...", "A().h"),
    "a method of a class that is wrapped": ("@wrap\nclass A:\n    def h(self): ...", "A().h"),
    "two methods of one name": (
        "class A:\n    def h(self): ...\n    if X:\n        pass\n    def h(self): ...",
        "A().h",
    ),
    "a class": ("class A: ...", "A"),
    "a name that is its own value": ("h = g\ng = h", "h"),
    "the variable of a loop": ("for h in handlers(): ...", "h"),
    "a parameter": ("def make(h): ...", "h"),
}


@pytest.mark.parametrize("case", UNKNOWN_HANDLERS)
def test_what_only_running_can_tell_is_skipped(tmp_path: Path, case: str) -> None:
    """Never a false alarm."""
    text, name = UNKNOWN_HANDLERS[case]
    assert codes(author(tmp_path, handling(VOTER, text, name))) == {("skip", "handlers.unknown")}


BAD_RETURNS = {
    "a bool": (VOTER, "return identity == 'agent:a'", "fail"),
    "not": (VOTER, "return not identity", "fail"),
    "a text": (VOTER, "return 'no'", "fail"),
    "a text with parts": (VOTER, "return f'no {identity}'", "fail"),
    "None": (VOTER, "return None", "fail"),
    "nothing": (VOTER, "return", "fail"),
    "the class": (VOTER, "return Deny", "fail"),
    "a constant": (VOTER, "return VERDICT", "fail"),
    "one of two": (VOTER, "return Allow() if identity else None", "fail"),
    "bool()": (VOTER, "return bool(identity)", "fail"),
    "None of a filter": (FILTER, "return None", "fail"),
    "a vote of a filter": (FILTER, "return Allow()", "warn"),
    "a list of scores": (RANK, "return [1.0]", "fail"),
    "sorted scores": (RANK, "return sorted(identity)", "fail"),
    "a generator of scores": (RANK, "return (x for x in identity)", "fail"),
    "one branch only": (VOTER, "if identity:\n        return Allow()", "fail"),
    "the end of a chain": (
        VOTER,
        "if identity == 1:\n        return Allow()\n    elif identity:\n        return Allow()",
        "warn",
    ),
    "a chain that passes": (
        VOTER,
        "if identity == 1:\n        pass\n    elif identity == 2:\n        return Allow()",
        "fail",
    ),
    "an else that passes": (
        VOTER,
        "if identity:\n        return Allow()\n    else:\n        pass",
        "fail",
    ),
    "a loop": (VOTER, "for each in identity:\n        return Allow()", "warn"),
    "a call": (VOTER, "judge(identity)", "warn"),
}


@pytest.mark.parametrize("case", BAD_RETURNS)
def test_wrong_results_are_found(tmp_path: Path, case: str) -> None:
    """Certain ones fail; where something might yet end the function, it is a warning."""
    hook, text, level = BAD_RETURNS[case]
    value = "value, " if HOOK_SPECS[hook].positional > 1 else ""
    tree = author(
        tmp_path,
        handling(hook, f"VERDICT = True\ndef h(ctx, {value}identity=None):\n    {text}\n"),
    )
    found = complaints(tree)
    assert {each.check for each in found} == {"returns"}
    assert {str(each.level) for each in found} == {level}
    assert all(each.hint and each.hint.startswith("return ") for each in found)


ENDS = {
    "pass": End.SURELY,
    "x = 1": End.SURELY,
    "return 1": End.NEVER,
    "raise E": End.NEVER,
    "sys.exit()": End.NEVER,
    "assert False": End.NEVER,
    "assert x": End.SURELY,
    "if True:\n  return 1": End.NEVER,
    "if 0:\n  return 1": End.SURELY,
    "if a:\n  return 1\n else:\n  return 2": End.NEVER,
    "while True:\n  pass": End.NEVER,
    "while True:\n  break": End.MAYBE,
    "while True:\n  for x in y:\n   break": End.NEVER,
    "while True:\n  for x in y:\n   pass\n  else:\n   break": End.MAYBE,
    "while True:\n  def f():\n   pass": End.NEVER,
    "while a:\n  return 1": End.MAYBE,
    "for x in y:\n  pass\n else:\n  return 1": End.NEVER,
    "for x in y:\n  break\n else:\n  return 1": End.MAYBE,
    "with a:\n  return 1": End.NEVER,
    "with a:\n  b()": End.MAYBE,
    "try:\n  return 1\n except E:\n  raise": End.NEVER,
    "try:\n  return 1\n except E:\n  pass": End.MAYBE,
    "try:\n  a()\n finally:\n  return 1": End.NEVER,
    "try:\n  a()\n except* E:\n  pass": End.MAYBE,
    "match a:\n  case 1:\n   return 1": End.MAYBE,
    "match a:\n  case 1:\n   return 1\n  case _:\n   return 2": End.NEVER,
    "match a:\n  case 1:\n   pass\n  case _:\n   return 2": End.MAYBE,
    "await a()": End.MAYBE,
}


@pytest.mark.parametrize("body", ENDS)
def test_whether_a_function_can_end_without_a_result(body: str) -> None:
    """As its statements say."""
    (function,) = ast.parse(f"async def f():\n {body}").body
    assert isinstance(function, ast.AsyncFunctionDef)
    assert end_of(function) is ENDS[body]


GOOD_MANIFESTS = {
    "names": "name=NAME, version=VERSION",
    "members": '"example-plugin", "1.0.0", hooks={HookName.AUDIT_EMIT: tell}',
    "values of members": '"example-plugin", "1.0.0", hooks={HookName.AUDIT_EMIT.value: tell}',
    "a dict made by a call": '"example-plugin", "1.0.0", hooks=dict(audit_emit=tell)',
    "a dict with more": '"example-plugin", "1.0.0", hooks={**HOOKS, **dict(**HOOKS)}',
    "dicts put together": '"example-plugin", "1.0.0", hooks=HOOKS | {"audit_emit": tell}',
    "no hooks": '"example-plugin", "1.0.0", hooks={}',
    "sets": '"example-plugin", "1.0.0", depends_on=frozenset({"other-plugin"}) | {"third-plugin"}',
    "lists": '"example-plugin", "1.0.0", depends_on=[*("other-plugin",), "third-plugin"]',
    "a pair": '"example-plugin", "1.0.0", depends_on=("other-plugin", "third-plugin")',
    "an empty set": '"example-plugin", "1.0.0", depends_on=frozenset()',
    "a tuple": '"example-plugin", "1.0.0", depends_on=tuple(["other-plugin"])',
    "everything else": '"example-plugin", "1.0.0", ">=1", async_safe=False, routes=(make(),)',
    "a health check": '"example-plugin", "1.0.0", health_check=lambda ctx: make()',
    "no health check": '"example-plugin", "1.0.0", health_check=None, config_schema=make()',
}


@pytest.mark.parametrize("case", GOOD_MANIFESTS)
def test_values_are_followed(tmp_path: Path, case: str) -> None:
    """Through names, members and collections, without a complaint."""
    text = dedent(
        """
        NAME = BASE = "example-plugin"
        VERSION: str = "1.0.0"
        def tell(ctx, **_): pass
        HOOKS = {"audit_emit": tell}
        """
    )
    path = author(tmp_path, IMPORTS + text + manifest_of(GOOD_MANIFESTS[case]))
    assert codes(path) == set()
    assert [reading(path).subject(plugin) for plugin in reading(path).plugins] == ["example-plugin"]


UNKNOWN_VALUES = {
    "a call": ('"example-plugin", version()', {"manifest.unknown", "version.unknown"}),
    "more arguments": ("*a, hooks={}, capabilities=()", {"version.unknown"}),
    "more keywords": ("**a", {"capabilities.unknown", "hooks.dynamic", "version.unknown"}),
    "changed": ('"example-plugin", "1.0.0", hooks=CHANGED', {"hooks.dynamic"}),
    "updated": ('"example-plugin", "1.0.0", hooks=UPDATED', {"hooks.dynamic"}),
    "given away": ('"example-plugin", "1.0.0", hooks=GIVEN', {"hooks.dynamic"}),
    "assigned from elsewhere": ('"example-plugin", "1.0.0", hooks=SET', {"hooks.dynamic"}),
    "aliased": ('"example-plugin", "1.0.0", hooks=ALIASED', {"hooks.dynamic"}),
    "a key that is none": ('"example-plugin", "1.0.0", hooks={f(): g}', {"hooks.dynamic"}),
    "an unhashable key": ('"example-plugin", "1.0.0", hooks={[]: g}', {"hooks.dynamic"}),
    "a comprehension": (
        '"example-plugin", "1.0.0", capabilities={x for x in y}',
        {"capabilities.unknown"},
    ),
    "of two": ('"example-plugin", "1.0.0", capabilities=TWO', {"capabilities.unknown"}),
    "a global": ('"example-plugin", "1.0.0", capabilities=GLOBAL', {"capabilities.unknown"}),
    "two of one": ('"example-plugin", "1.0.0", depends_on=set(a, b)', {"manifest.unknown"}),
}


@pytest.mark.parametrize("case", UNKNOWN_VALUES)
def test_values_that_are_not_known_are_skipped(tmp_path: Path, case: str) -> None:
    """A mapping that something may still fill says nothing about hooks, for one."""
    text = """
        CHANGED = {}
        CHANGED["audit_emit"] = print
        UPDATED = {}
        UPDATED.update(audit_emit=print)
        GIVEN = {}
        fill(GIVEN)
        SET = {}
        elsewhere.SET = {}
        ALIASED = {}
        OTHER = ALIASED
        TWO = ()
        if OTHER:
            TWO = {"facts.read"}
        GLOBAL = ()
        def change():
            global GLOBAL
            GLOBAL = {"facts.read"}
    """
    fields, expected_codes = UNKNOWN_VALUES[case]
    found = codes(author(tmp_path, IMPORTS + dedent(text) + manifest_of(fields)))
    assert found == {("skip", code) for code in expected_codes}


FACTORIES = {
    "a lambda": "plugin_manifest = lambda: PluginManifest('example-plugin', '1.0.0')",
    "a helper": """
        def plugin_manifest(): return make()
        def make(): return PluginManifest("example-plugin", "1.0.0")
        """,
    "a local": """
        def plugin_manifest():
            made: PluginManifest
            made = PluginManifest("example-plugin", "1.0.0")
            return made
        """,
    "cached": """
        @functools.cache
        def plugin_manifest(): return PluginManifest("example-plugin", "1.0.0")
        """,
    "one of two": """
        def plugin_manifest(strict=False):
            if strict:
                return PluginManifest("example-plugin", "1.0.0", hooks={})
            return PluginManifest("example-plugin", "1.0.0")
        """,
    "under a condition": """
        def plugin_manifest():
            if functools:
                return PluginManifest("example-plugin", "1.0.0")
        """,
    "in a try": """
        try:
            from stigmem_plugins import PluginManifest as Made
        except ImportError:
            from stigmem_node.plugins.manifest import PluginManifest as Made
        def plugin_manifest(): return Made("example-plugin", "1.0.0")
        """,
    "by module": """
        import stigmem_plugins.manifest
        import stigmem_plugins as layer
        def plugin_manifest():
            return layer.PluginManifest("example-plugin", stigmem_version())
        def stigmem_version(): return "1.0.0"
        """,
}


@pytest.mark.parametrize("case", FACTORIES)
def test_factories_are_followed(tmp_path: Path, case: str) -> None:
    """To the manifests that they return."""
    path = author(tmp_path, IMPORTS + dedent(FACTORIES[case]))
    assert not [each for each in complaints(path) if each.level in {Level.FAIL, Level.WARN}]
    (plugin,) = reading(path).plugins
    assert plugin.complete
    assert reading(path).text(plugin, "name") == "example-plugin"


def test_a_factory_that_may_return_another_manifest(tmp_path: Path) -> None:
    """What is found of it is judged, and nothing is said of the rest."""
    text = """
        def plugin_manifest():
            if functools:
                return PluginManifest("example-plugin", "1.0.0", hooks={"no_hook": see})
            return make()
        def see(ctx): ctx.get_facts_reader()
        """
    assert codes(author(tmp_path, IMPORTS + dedent(text))) == {
        ("skip", "manifest.unknown"),
        ("skip", "version.unknown"),
        ("fail", "hooks.unknown"),
    }


def test_a_misspelt_group_is_told(tmp_path: Path) -> None:
    """Which is there, and what to write instead."""
    pyproject = PYPROJECT.replace('"stigmem.plugins"', '"stigmem_plugins"')
    (found,) = [e for e in complaints(author(tmp_path, GOOD, pyproject=pyproject)) if e.hint]
    assert found.message == (
        "it has no entry point in the group 'stigmem.plugins', only in 'stigmem_plugins'"
    )
    assert "example = 'example_plugin:plugin_manifest'" in str(found.hint)


BAD_FACTORIES = {
    "plugin_manifest = PluginManifest('example-plugin', '1.0.0')": "not-callable",
    "plugin_manifest = 'example-plugin'": "not-callable",
    "async def plugin_manifest(): return PluginManifest('example-plugin', '1.0.0')": "result",
    "def plugin_manifest(): PluginManifest('example-plugin', '1.0.0'); x = 1": "result",
    "def plugin_manifest(a, *, b, c=1, **d): ...": "arguments",
}


@pytest.mark.parametrize("text", BAD_FACTORIES)
def test_what_is_no_factory_fails(tmp_path: Path, text: str) -> None:
    """As the start of a node would."""
    assert ("fail", f"entry-point.{BAD_FACTORIES[text]}") in codes(author(tmp_path, IMPORTS + text))


OPEN_FACTORIES = {
    "a recursion": "def plugin_manifest(): return plugin_manifest()",
    "an argument": "def plugin_manifest(): return make(1)\ndef make(x): ...",
    "a call": "plugin_manifest = functools.partial(print)",
    "a global": "def plugin_manifest():\n  global made\n  made = make()\n  return made",
    "another module's": "from elsewhere import plugin_manifest",
    "bound by who knows what": "globals()['plugin_manifest'] = print",
    "made when asked for": "def __getattr__(name): ...",
    "a wildcard import": "from elsewhere import *\nfrom elsewhere2 import *",
}


@pytest.mark.parametrize("case", OPEN_FACTORIES)
def test_factories_that_cannot_be_followed_are_skipped(tmp_path: Path, case: str) -> None:
    """Whether they return a manifest is found out when they run."""
    found = codes(author(tmp_path, f"import functools\n{OPEN_FACTORIES[case]}"))
    assert {level for level, _ in found} == {"skip"}
    assert ("skip", "manifest.unknown") in found


STARS = {
    "of the layer": ("from stigmem_plugins import *", True),
    "of a module": ("from .names import *", True),
    "of two": ("from .names import *\nfrom elsewhere import *", True),
    "of who knows what": ("from elsewhere import *\nfrom elsewhere2 import *", False),
    "of nothing that has it": ("from .version import *", False),
}


@pytest.mark.parametrize("case", STARS)
def test_wildcard_imports_are_followed(tmp_path: Path, case: str) -> None:
    """As long as there is one place that a name can be from; builtins keep their meaning."""
    line, known = STARS[case]
    files = {
        "src/example_plugin/names.py": "from stigmem_plugins import PluginManifest",
        "src/example_plugin/version.py": "",
    }
    text = """
        def plugin_manifest():
            return PluginManifest("example-plugin", "1.0.0", depends_on=frozenset({"other-plugin"}))
        """
    found = codes(author(tmp_path, f"{line}\n{dedent(text)}", **files))
    unknown = {("skip", "manifest.unknown"), ("skip", "version.unknown")}
    assert found == (set() if known else unknown)


def test_a_plugin_of_several_modules(tmp_path: Path) -> None:
    """Names are followed through relative imports, packages and wildcards, also in functions."""
    files = {
        "src/example_plugin/__init__.py": "from .make import plugin_manifest",
        "src/example_plugin/make.py": """
            from stigmem_node.plugins import PluginManifest
            from . import handlers
            from .settings import *
            import example_plugin.more.names as names
            import example_plugin.more

            def plugin_manifest() -> PluginManifest:
                from .more import names as inner
                hooks = {
                    "pre_assert_authorize": handlers.vote,
                    "recall_filter": names.choose,
                    "recall_rank": inner.nested.rank,
                    "audit_emit": example_plugin.more.names.tell,
                }
                return PluginManifest(NAME, VERSION, hooks=hooks)
            """,
        "src/example_plugin/handlers.py": "def vote(ctx): return True",
        "src/example_plugin/settings.py": "NAME, VERSION = 'x', 'y'\nNAME = 'example-plugin'",
        "src/example_plugin/more/__init__.py": "",
        "src/example_plugin/more/names.py": """
            from . import nested
            def choose(ctx): ...
            def tell(ctx): yield
            """,
        "src/example_plugin/more/nested.py": "def rank(ctx, value): return []",
    }
    write(tmp_path, {"pyproject.toml": PYPROJECT, **files})
    failures = {
        (each.code, each.subject, str(each.place))
        for each in complaints(tmp_path)
        if each.level == "fail"
    }
    plugin = "example"
    assert failures == {
        ("returns.type", f"{plugin} pre_assert_authorize", "src/example_plugin/handlers.py:1:23"),
        ("handlers.positional", f"{plugin} recall_filter", "src/example_plugin/more/names.py:3:1"),
        ("returns.none", f"{plugin} recall_filter", "src/example_plugin/more/names.py:3:1"),
        ("returns.generator", f"{plugin} audit_emit", "src/example_plugin/more/names.py:4:1"),
        ("returns.type", f"{plugin} recall_rank", "src/example_plugin/more/nested.py:1:30"),
    }


LAYOUTS = [
    "src/example_plugin/__init__.py",
    "src/example_plugin.py",
    "example_plugin/__init__.py",
    "example_plugin.py",
    "lib/example_plugin/__init__.py",
    "python/lib/example_plugin.py",
]


@pytest.mark.parametrize("module", LAYOUTS)
def test_trees_of_every_layout(tmp_path: Path, module: str) -> None:
    """A module is found wherever it is; tests, tools and environments are not looked at."""
    author(tmp_path, GOOD, module=module)
    others = ("tests/test_it.py", "setup.py", ".venv/lib/x.py", "env/lib/y.py", "build/z.py")
    write(tmp_path, {**dict.fromkeys(others, "def ("), "env/pyvenv.cfg": ""})
    if module.startswith("src"):
        write(
            tmp_path,
            {"scripts/tool.py": "import stigmem_node\ndef see(ctx): ctx.get_facts_reader("},
        )
    (tmp_path / "link.py").symlink_to(tmp_path / "setup.py")
    (tmp_path / "folder.py").mkdir()
    assert codes(tmp_path) == set()


def test_a_module_that_a_build_tool_moves_is_skipped(tmp_path: Path) -> None:
    """It may be there once it is built."""
    moved = (
        PYPROJECT + '[tool.hatch.build.targets.wheel.force-include]\n"a.py" = "example_plugin.py"'
    )
    path = author(tmp_path, GOOD, pyproject=moved, module="a.py")
    assert ("skip", "entry-point.unknown") in codes(path)
    assert "fail" not in {level for level, _ in codes(path)}


def test_a_module_that_does_not_compile_is_named_once(tmp_path: Path) -> None:
    """What depends on it is skipped."""
    found = codes(author(tmp_path, "return 1"))
    assert ("fail", "syntax.error") in found
    assert {code for level, code in found if level == "fail"} == {"syntax.error"}


def test_code_that_no_python_can_take_is_a_finding(tmp_path: Path) -> None:
    """Too deep for the parser, that is, whose own error is of another kind."""
    found = codes(author(tmp_path, "-" * 20_000 + "1"))
    assert {code for level, code in found if level == "fail"} == {"syntax.error"}


def test_places_count_characters(tmp_path: Path) -> None:
    """Not the bytes before them."""
    text = handling(VOTER, "def h(ctx): return 'é' if 'é' else Allow()")
    (found,) = complaints(author(tmp_path, text))
    assert (
        str(found.place)
        == f"src/example_plugin/__init__.py:{text[: text.index('def h')].count(chr(10)) + 1}:20"
    )


WHERE = {
    '[tool.hatch.version]\npath = "src/example_plugin/__init__.py"': "1.0.1",
    '[tool.hatch.version]\npath = "src/example_plugin/version.py"': "2.0",
    '[tool.setuptools.dynamic]\nversion = { attr = "example_plugin.version.VERSION" }': "2.0",
    '[tool.setuptools.dynamic]\nversion = { attr = "example_plugin.version.MADE" }': None,
    '[tool.setuptools.dynamic]\nversion = { attr = "example_plugin.version.NUMBER" }': None,
    '[tool.setuptools.dynamic]\nversion = { file = "VERSION.txt" }': None,
    '[tool.hatch.version]\nsource = "vcs"': None,
    '[tool.hatch.version]\npath = "other.py"': None,
}


@pytest.mark.parametrize("where", WHERE)
def test_a_version_that_a_build_takes_from_the_source(tmp_path: Path, where: str) -> None:
    """Is compared too, where it is a constant; else it is skipped."""
    dynamic = PYPROJECT.replace('version = "1.0.0"', 'dynamic = ["version"]')
    version = 'VERSION = "2.0"\nMADE = make()\nNUMBER = 1\n'
    tree = author(
        tmp_path,
        f'__version__ = "1.0.1"\n{GOOD}',
        pyproject=f"{dynamic}{where}\n",
        **{"src/example_plugin/version.py": version},
    )
    assert reading(tree).version() == WHERE[where]
    code = ("warn", "version.differs") if WHERE[where] else ("skip", "version.unknown")
    assert codes(tree) == {code}


def test_metadata_that_only_a_build_knows(tmp_path: Path) -> None:
    """Nothing is missed that may well be there."""
    fields = '["version", "requires-python", "dependencies", "entry-points"]'
    dynamic = f'[build-system]\n[project]\nname = "example-plugin"\ndynamic = {fields}\n'
    found = codes(author(tmp_path, GOOD, pyproject=dynamic))
    assert found == {("skip", "dependencies.unknown"), ("skip", "entry-point.unknown")}


def test_metadata_that_other_tools_have(tmp_path: Path) -> None:
    """A setup.cfg may say all of it; without one, nothing does."""
    pyproject = '[build-system]\nrequires = ["setuptools"]\n'
    path = author(tmp_path, GOOD, pyproject=pyproject)
    assert {("fail", "metadata.no-name"), ("fail", "entry-point.none")} <= codes(path)
    write(path, {"setup.cfg": ""})
    assert codes(path) == {
        ("skip", "metadata.unknown"),
        ("skip", "dependencies.unknown"),
        ("skip", "entry-point.unknown"),
    }


def test_metadata_of_other_types_are_missing(tmp_path: Path) -> None:
    """A number is no version."""
    odd = '[build-system]\n[project]\nname = "x-y"\nversion = 1\ndependencies = 1\nentry-points = 2'
    assert {("fail", "metadata.no-version"), ("fail", "entry-point.none")} <= codes(
        author(tmp_path, GOOD, pyproject=odd)
    )


def test_entry_points_that_cannot_be_read(tmp_path: Path) -> None:
    """The malformed file of a wheel is told as such."""
    metadata = from_core_metadata(b"Name: a\nVersion: 1\n", b"nothing", "a-1.dist-info")
    assert metadata.fault is not None
    assert "malformed" in metadata.fault
    assert metadata.name == "a"
    assert from_pyproject(b"[project]\na").place().line in {0, 2}  # as the parser tells it
    assert from_pyproject(b"[project]\na b\n").place().line == 2
    assert from_pyproject(b"\xff").place().line == 0


def test_imports_of_the_node_need_the_node(tmp_path: Path) -> None:
    """Its plugin layer's names are served by either; an extra brings nothing."""
    text = "import stigmem_node.plugins\nimport stigmem_node.tenant, os\n" + GOOD
    found = complaints(author(tmp_path, text))
    assert [each.message for each in found] == [
        "it imports stigmem_node, and no dependency brings that"
    ]
    extra = PYPROJECT.replace('"stigmem-plugins"', "\"stigmem-plugins; extra == 'x'\"")
    assert ("warn", "dependencies.missing") in codes(author(tmp_path, GOOD, pyproject=extra))


def test_capabilities_that_are_declared_and_used(tmp_path: Path) -> None:
    """By name or as a member; asked for in a handler or elsewhere."""
    text = """
        def h(ctx, **_):
            ctx.get_facts_reader()
            helper(ctx)
        def helper(ctx): getattr(ctx, "get_audit_emitter")()
    """
    fields = 'capabilities={Capability.FACTS_READ, "audit.emit"}'
    assert codes(author(tmp_path, handling(TELL, text, fields=fields))) == set()


ASKING = {
    "def h(ctx, **_):\n    try:\n        ctx.get_facts_reader()\n    except E: pass": "warn",
    "def h(ctx, **_):\n    helper(ctx)\ndef helper(c):\n    c.get_facts_reader()": "warn",
    "def h(ctx, **_):\n    if X:\n        with x:\n            ctx.get_facts_reader()": "warn",
    "def h(ctx, **_):\n    if ctx.capabilities:\n        ctx.get_facts_reader()": "warn",
    "def h(ctx, *, other):\n    other.get_facts_reader()": "warn",
    "def f(ctx): ctx.get_facts_reader()\nh = lambda ctx, **_: ctx.get_facts_reader()": "fail",
    "def h(ctx, **_):\n    if ctx:\n        ctx.get_facts_reader()(1)": "fail",
}


@pytest.mark.parametrize("text", ASKING)
def test_asking_without_declaring(tmp_path: Path, text: str) -> None:
    """Certain to fail where a handler asks its own context, and nothing catches it."""
    found = [
        e for e in complaints(author(tmp_path, handling(TELL, text))) if e.check == "capabilities"
    ]
    assert [(each.level, each.code) for each in found] == [
        (ASKING[text], "capabilities.undeclared")
    ]
    assert found[0].hint == "add 'facts.read' to its capabilities, or do not ask"


def test_the_first_place_that_is_certain_is_shown(tmp_path: Path) -> None:
    """Where the handler fails, rather than where something else asks."""
    text = """
        def f(ctx): ctx.get_facts_reader()
        def h(ctx, **_):
            ctx.get_facts_reader()
            ctx.get_facts_reader()
        """
    source = handling(TELL, text)
    (found,) = [e for e in complaints(author(tmp_path, source)) if e.check == "capabilities"]
    assert found.place
    assert source.splitlines()[found.place.line - 2].startswith("def h")


def test_computed_attributes_leave_the_use_open(tmp_path: Path) -> None:
    """A capability that is not seen may be used all the same."""
    text = "def h(ctx, *, name, **_): getattr(ctx, name)()"
    path = author(tmp_path, handling(TELL, text, fields='capabilities={"facts.read"}'))
    (found,) = [each for each in complaints(path) if each.check == "capabilities"]
    assert (found.level, found.code) == ("skip", "capabilities.unknown")
    assert "computed name" in found.message


HEALTH = {
    "def check(): ...": "handlers.positional",
    "async def check(ctx): ...": "handlers.async",
}


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        (pyproject('version = "1.0.0"', 'dynamic = ["version"]'), "the distribution's version"),
        (manifest('"example-plugin", version()'), "the manifest's version"),
    ],
)
def test_a_version_that_is_not_known_yet(
    tmp_path: Path, changes: dict[str, str], says: str
) -> None:
    """It is said whose, and when it will be."""
    path = author(tmp_path, **{"source": GOOD, **changes})
    messages = [each.message for each in complaints(path) if each.code == "version.unknown"]
    when = {"the distribution's version": "is built", "the manifest's version": "runs"}[says]
    assert messages == [f"{says} is only known when it {when}"]


@pytest.mark.parametrize("text", HEALTH)
def test_health_checks(tmp_path: Path, text: str) -> None:
    """They take the context, and nobody awaits them."""
    fields = '"example-plugin", "1.0.0", health_check=check'
    path = author(tmp_path, IMPORTS + text + manifest_of(fields))
    assert codes(path) == {("fail", HEALTH[text])}


def test_a_health_check_is_no_hook(tmp_path: Path) -> None:
    """The usual mistake gets a hint of its own."""
    (found,) = complaints(author(tmp_path, handling("health_check", "def h(ctx): ...")))
    assert found.hint == "give the manifest health_check=… instead"


def test_a_coroutine_misses_what_the_layer_audits(tmp_path: Path) -> None:
    """A host may await it for the rest."""
    path = author(tmp_path, handling("audit_emit", "async def h(ctx, *, event): ..."))
    assert codes(path) == {("warn", "handlers.async")}


def test_wrong_annotations_are_pointed_at(tmp_path: Path) -> None:
    """Of the context, the value, a keyword, and what is returned."""
    text = (
        "def h(ctx: str, value: int, *, tenant: 'str | None', request_id: int) -> None: return {}"
    )
    found = complaints(author(tmp_path, handling(RANK, text)))
    assert [each.message for each in found] == [
        "the parameter 'ctx' is annotated as str, and the hook says PluginContext",
        "the parameter 'value' is annotated as int, and the hook says list",
        "the parameter 'request_id' is annotated as int, and the hook says None | str",
        "what it returns is annotated as None, and the hook says dict",
    ]


@pytest.mark.parametrize(
    ("text", "types"),
    [
        ("Optional[Allow]", {"Allow", "None"}),
        ("typing.Union[Allow, 'Deny']", {"Allow", "Deny"}),
        ("VotingDecision", {"Allow", "Deny"}),
        ("stigmem_plugins.Allow | None", {"Allow", "None"}),
        ("tuple[int, ...]", {"tuple"}),
        ("Allow | Something", set()),
        ("'not an ['", set()),
        ("1", set()),
        ("Any", set()),
        ("a.b[c]", set()),
    ],
)
def test_annotations_that_are_understood(text: str, types: set[str]) -> None:
    """Others exclude nothing."""
    assert described(ast.parse(text, mode="eval").body) == types


@pytest.mark.parametrize("hook", HOOK_SPECS)
def test_what_the_specs_annotate_is_understood(hook: str) -> None:
    """Every hook says what its context is; only its own parameters are named."""
    types = expected(HOOK_SPECS[hook])
    assert types["ctx"] == {"PluginContext"}
    assert types.keys() <= {"ctx", "value", "return", "payload", *HOOK_SPECS[hook].keywords}


def test_a_folder_that_is_too_much(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Somebody's home folder is not read to its end."""
    monkeypatch.setattr("stigmem_plugins.authoring.project.MOST_FILES", 1)
    author(tmp_path, GOOD, **{"src/example_plugin/more.py": ""})
    with pytest.raises(StigmemPluginError, match="more than 1 Python files"):
        reading(tmp_path)


def test_what_cannot_be_read_is_an_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """With the file, and what to do."""

    def unreadable(*_: object) -> bytes:
        raise PermissionError(13, "Permission denied", "a.py")

    monkeypatch.setattr("stigmem_plugins.authoring.project.read_regular", unreadable)
    with pytest.raises(StigmemPluginError, match=r"cannot read a\.py: Permission denied"):
        reading(author(tmp_path, GOOD))


def test_a_folder_that_cannot_be_read_is_an_error(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What is in it is not taken for missing."""
    author(tmp_path, GOOD)
    scandir = os.scandir

    def unreadable(folder: str) -> Any:
        if folder.endswith("example_plugin"):
            raise PermissionError(13, "Permission denied", "src/example_plugin")
        return scandir(folder)

    monkeypatch.setattr("os.scandir", unreadable)
    with pytest.raises(StigmemPluginError, match="cannot read src/example_plugin: Permission"):
        reading(tmp_path)


def test_files_that_a_signature_cannot_protect(tmp_path: Path) -> None:
    """A wheel with native code is for signing off only: a warning."""
    plugins = {"example": "example_plugin:plugin_manifest"}
    files = {"example_plugin.py": GOOD, "fast.so": ""}
    wheel = build_wheel(tmp_path, "example-plugin", files, plugins=plugins)
    found = [each for each in complaints(wheel) if each.check == "wheel"]
    assert [(each.level, each.code) for each in found] == [("warn", "wheel.files")]
    assert "fast.so" in found[0].message


def test_what_is_no_wheel(tmp_path: Path) -> None:
    """An archive without metadata is refused as a whole."""
    wheel = build_wheel(tmp_path, "example-plugin", {"other-1.dist-info/METADATA": ""})
    with pytest.raises(StigmemPluginError, match=r"not exactly one \.dist-info"):
        reading(wheel)


WRONG_MANIFESTS = {
    "'example-plugin', '1.0.0', depends_on={'example-plugin'}": "names the plugin itself",
    "'example-plugin', '1.0.0', None, (), True, {}, (), None, None, (), 1": "10 arguments, not 11",
    "'example-plugin', '1.0.0', hook={}": "no field 'hook' (did you mean 'hooks'?)",
    "'example-plugin', '1.0.0', capabilities={'facts.red'}": "(did you mean 'facts.read'?)",
    "'example-plugin', '1.0.0', hooks={'recal_rank': h}": "(did you mean 'recall_rank'?)",
    "'example-plugin', '1.0.0', requires_stigmem='1.0'": "invalid requires_stigmem '1.0'",
    "'example-plugin', '1.0.0', async_safe='yes'": "async_safe must be a bool",
}


@pytest.mark.parametrize("fields", WRONG_MANIFESTS)
def test_what_a_manifest_would_refuse(tmp_path: Path, fields: str) -> None:
    """Is refused in the manifest's own words, with the name that was meant."""
    found = complaints(author(tmp_path, manifest_of(fields)))
    assert WRONG_MANIFESTS[fields] in "; ".join(e.message for e in found if e.level == "fail")


BAD_FIELDS = {
    "name": "Example",
    "version": "one",
    "requires_stigmem": "later",
    "capabilities": {"facts.red"},
    "async_safe": 1,
    "hooks": {"no_hook": print},
    "routes": 1,
    "health_check": 1,
    "config_schema": 1,
    "depends_on": "other",
}


@pytest.mark.parametrize("field", FIELDS)
def test_a_manifest_refuses_what_is_wrong_with_a_field(field: str) -> None:
    """The check of a field alone says exactly what the manifest itself would."""
    fields: dict[str, Any] = {
        "name": "example-plugin",
        "version": "1.0.0",
        field: BAD_FIELDS[field],
    }
    with pytest.raises(ManifestError) as error:
        PluginManifest(**fields)
    (fault,) = field_faults(field, BAD_FIELDS[field])
    assert error.value.message.endswith(f": {fault}")


DEEP = {
    "conditions": handling(
        VOTER, "def h(ctx, req=1):\n    " + "if req: return Allow()\n    el" * 600 + "se: pass"
    ),
    "types": handling(VOTER, f"def h(ctx, **_) -> {'|'.join(['int'] * 400)}: return Allow()"),
    "names": handling(VOTER, "h = n0\n" + "".join(f"n{i} = n{i + 1}\n" for i in range(400))),
    "values": manifest_of(f"'example-plugin', '1', hooks={'|'.join(['h'] * 400)}") + "\nh = {}",
    "members": manifest_of(f"'example-plugin', '1', hooks=h{'.h' * 400}"),
    "themselves": manifest_of("'example-plugin', '1', hooks=h, capabilities=c")
    + "\nh = {**h}\nc = [*c]",
    "doubles": manifest_of("'example-plugin', '1', hooks=h0")
    + "".join(f"\nh{i} = {{**h{i + 1}, **h{i + 1}}}" for i in range(50))
    + "\nh50 = {}",
    "factories": "def plugin_manifest(): return f0()\n"
    + "".join(f"def f{i}():\n  if x: return f{i + 1}()\n  return f{i + 1}()\n" for i in range(200)),
    "partials": handling(VOTER, "", "partial(" * 50 + "h" + ")" * 50),
}


@pytest.mark.parametrize("case", DEEP)
def test_deep_code_is_not_followed_to_its_end(tmp_path: Path, case: str) -> None:
    """It is judged as far as it goes, in no time, and nothing is claimed of the rest."""
    assert "fail" not in {level for level, _ in codes(author(tmp_path, DEEP[case]))}


# laws


def project(text: str | bytes) -> Project:
    data = text.encode("utf-8", "surrogatepass") if isinstance(text, str) else text
    metadata = from_pyproject(PYPROJECT.encode())
    sources = {"example_plugin.py": data}
    return Project(Path(), metadata, sources, module_files(sources))


PIECES = st.sampled_from(
    [
        "def plugin_manifest(): return PluginManifest(name='a', version=x, hooks=h, **k)",
        "def plugin_manifest(): return PluginManifest('a', *b, hooks={'recall_rank': f, **h})",
        "from stigmem_plugins import *",
        "from stigmem_plugins import PluginManifest",
        "from . import x as h",
        "from example_plugin import f as x, x as f, h",
        "import example_plugin as f",
        "f = partial(f, x)",
        "def f(ctx, x): return f",
        "async def f(): return h",
        "class f:\n    def __call__(self, ctx): yield",
        "h = {'audit_emit': f(), x: lambda: 1}",
        "h = {**h} | {'audit_emit': f.x}",
        "x = x",
        "x = f.x.h",
        "x = frozenset([*x])",
        "for x in h: f = x",
        "if x:\n    from functools import partial",
        "match x:\n    case [f, *h]: pass\n    case {'a': 1, **x}: pass",
        "with f as x: pass",
        "del x",
        "nonlocal x",
    ]
)


@given(st.lists(PIECES, max_size=8))
def test_no_code_is_too_odd_to_check(pieces: list[str]) -> None:
    """Whatever names mean, or not, each check comes to an end without raising."""
    found = list(findings(read_plugins(project("\n".join(pieces)))))
    assert {each.check for each in found} == {check.name for check in CHECKS if not check.of_wheels}


@given(st.one_of(st.binary(max_size=80), st.text(max_size=80)))
def test_any_bytes_can_be_checked(text: str | bytes) -> None:
    """What is no Python is told, and nothing raises."""
    assert list(findings(read_plugins(project(text))))


@given(st.binary(max_size=80), st.binary(max_size=80))
def test_any_metadata_can_be_read(one: bytes, other: bytes) -> None:
    """Malformed ones have a fault, or just say nothing."""
    from_pyproject(one)
    from_core_metadata(one, other, "x.dist-info")


@given(st.lists(PIECES, max_size=8))
def test_code_that_is_followed_leads_somewhere_or_nowhere(pieces: list[str]) -> None:
    """Following every name ends, circles included."""
    code = Code(project("\n".join(pieces)))
    for module in code.modules.values():
        for name in module.names:
            code.member(module.name, name)
