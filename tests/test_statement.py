"""What is signed, read back with suspicion, and which files a signed wheel may have."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stigmem_hookspecs import HOOK_SPECS
from stigmem_plugins import Capability
from stigmem_plugins.trust.files import entry_points
from stigmem_plugins.trust.layout import layout_faults
from stigmem_plugins.trust.statement import (
    PAYLOAD_TYPE,
    PREDICATE_TYPE,
    STATEMENT_TYPE,
    PluginStatement,
    SignedPlugin,
)
from stigmem_plugins.trust.unverified import Unverified
from tests.support import allow, manifest

DIGEST = "0" * 64
PLUGIN = {
    "factory": "example:make",
    "name": "example-plugin",
    "version": "1.0.0",
    "requires_stigmem": ">=0.9.0a1",
    "capabilities": ["audit.emit"],
    "hooks": ["audit_emit"],
    "depends_on": [],
}


def document(**changes: Any) -> dict[str, Any]:
    """A statement as JSON has it."""
    predicate = {
        "distribution": "example-plugin",
        "version": "1.0.0",
        "plugins": {"example": dict(PLUGIN)},
    }
    return {
        "_type": STATEMENT_TYPE,
        "predicateType": PREDICATE_TYPE,
        "subject": [{"name": "example.py", "digest": {"sha256": DIGEST}}],
        "predicate": predicate,
        **changes,
    }


def read(statement: Any, kind: str = PAYLOAD_TYPE) -> PluginStatement:
    payload = statement if isinstance(statement, bytes) else json.dumps(statement).encode()
    return PluginStatement.from_payload(kind, payload)


def test_a_statement_is_read_back_as_it_was_written() -> None:
    """Its predicate is the one that the contract gives, with sorted lists."""
    statement = read(document())
    assert statement.distribution == "example-plugin"
    assert statement.files == {"example.py": DIGEST}
    assert [plugin.name for plugin in statement.plugins] == ["example-plugin"]
    assert statement.predicate() == document()["predicate"]


names = st.from_regex(r"[a-z][a-z0-9-]{2,20}", fullmatch=True)


@given(
    st.dictionaries(
        names.filter(lambda name: name not in {"core", "system"}),
        st.tuples(
            st.sets(st.sampled_from([str(each) for each in Capability])),
            st.sets(st.sampled_from(sorted(HOOK_SPECS))),
            st.sets(names),
        ),
        max_size=4,
    )
)
def test_manifests_survive_the_way_through_a_statement(plugins: dict[str, Any]) -> None:
    """For every manifest: what is read back does not differ from it."""
    manifests = {
        name: manifest(
            name,
            capabilities=capabilities,
            hooks=dict.fromkeys(hooks, allow),
            depends_on=depends_on - {name},
        )
        for name, (capabilities, hooks, depends_on) in plugins.items()
    }
    signed = [
        SignedPlugin.of(each, entry_point=name, factory="example:make")
        for name, each in manifests.items()
    ]
    predicate = PluginStatement("example", "1", {}, tuple(signed)).predicate()
    for plugin in read(document(predicate=predicate)).plugins:
        assert plugin.differences(manifests[plugin.name]) == []


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("name", "another-plugin"),
        ("version", "2.0.0"),
        ("requires_stigmem", ">=0.9.0a2"),
        ("capabilities", {"facts.read"}),
        ("hooks", {"audit_emit": allow, "recall_rank": allow}),
        ("depends_on", {"another-plugin"}),
    ],
)
def test_every_field_that_is_signed_is_compared(field: str, value: Any) -> None:
    """A manifest that differs in one of them is not the signed one."""
    fields: dict[str, Any] = {
        "name": "example-plugin",
        "capabilities": {"audit.emit"},
        "hooks": {"audit_emit": allow},
    }
    (signed,) = read(document()).plugins
    assert signed.differences(manifest(**fields)) == []
    (difference,) = signed.differences(manifest(**{**fields, field: value}))
    assert difference.startswith(f"{field}: signed ")


def test_another_payload_type_is_refused() -> None:
    """Before the payload is looked at."""
    with pytest.raises(Unverified, match="payload type 'text/plain'"):
        read(b"junk", "text/plain")


def _without(key: str) -> Callable[[dict[str, Any]], None]:
    return lambda statement: statement.pop(key)


def _with(*path: Any, value: Any) -> Callable[[dict[str, Any]], None]:
    def change(statement: Any) -> None:
        *parents, last = path
        for key in parents:
            statement = statement[key]
        statement[last] = value

    return change


PLUGINS = ("predicate", "plugins")
EXAMPLE = (*PLUGINS, "example")


@pytest.mark.parametrize(
    "change",
    [
        _with("_type", value="https://in-toto.io/Statement/v0.1"),
        _with("predicateType", value="https://slsa.dev/provenance/v1"),
        *(_without(key) for key in document()),
        _with("subject", value=None),
        _with("subject", 0, "name", value=""),
        _with("subject", 0, "name", value=["a"]),
        _with("subject", 0, "digest", value={"sha512": DIGEST}),
        _with("subject", 0, "digest", "sha256", value="0" * 63),
        _with("subject", 0, "digest", "sha256", value="F" * 64),
        _with("subject", value=document()["subject"] * 2),
        _with("predicate", value=[]),
        _with("predicate", "distribution", value=1),
        _with("predicate", "version", value=""),
        _with(*PLUGINS, value=[]),
        _with(*PLUGINS, "", value=dict(PLUGIN)),
        _with(*EXAMPLE, value=None),
        _with(*EXAMPLE, "extra", value=1),
        _with(*EXAMPLE, value={**PLUGIN, "name": None}),
        _with(*EXAMPLE, "factory", value="example"),
        _with(*EXAMPLE, "factory", value="example:make [extra]"),
        _with(*EXAMPLE, "hooks", value="audit_emit"),
        _with(*EXAMPLE, "capabilities", value=[1]),
    ],
)
def test_a_malformed_statement_is_refused(change: Callable[[Any], None]) -> None:
    """Whatever is wrong with it, in one way."""
    statement = document()
    change(statement)
    with pytest.raises(Unverified, match=r"malformed|something else"):
        read(statement)


def test_an_empty_specifier_can_be_signed() -> None:
    """Every version meets it, and manifests may have it."""
    statement = document()
    statement["predicate"]["plugins"]["example"]["requires_stigmem"] = ""
    assert read(statement).plugins[0].requires_stigmem == ""


@pytest.mark.parametrize(
    "payload",
    [
        b"",
        b"\xff",
        b"[]",
        b"null",
        b"[" * 100_000,
        b'{"_type": "a", "_type": "b"}',
        json.dumps(document()).replace('"name": "ex', '"name": "a", "name": "ex').encode(),
    ],
)
def test_what_is_no_statement_is_refused(payload: bytes) -> None:
    """Readers differ on repeated keys, so these are refused too."""
    with pytest.raises(Unverified, match="malformed"):
        read(payload)


INFO = "example-1.0.dist-info/METADATA"


@pytest.mark.parametrize(
    ("path", "fault"),
    [
        ("x.pth", "a .pth file"),
        ("X.PTH", "a .pth file"),
        ("example-1.0.data/scripts/x", "a .data folder"),
        ("example/x.so", "native code"),
        ("example/x.cpython-311-x86_64-linux-gnu.so", "native code"),
        ("example/x.abi3.so.1", "native code"),
        ("x.pyd", "native code"),
        ("example/x.dll", "native code"),
        ("example/x.dylib", "native code"),
        ("example/x.pyc", "bytecode"),
        ("example/__pycache__/x.cpython-311.pyc", "bytecode"),
        ("/etc/passwd", "not a plain path"),
        ("../x.py", "not a plain path"),
        ("example/../../x.py", "not a plain path"),
        ("example//x.py", "not a plain path"),
        ("example/./x.py", "not a plain path"),
        ("example\\x.py", "not a plain path"),
        ("c:/x.py", "not a plain path"),
        ("example/a\nb.py", "unprintable"),
        ("Example/__init__.py", "differs from it only in case"),
        ("space/x.py", "space/: a top-level package without __init__.py"),
        ("json.py", "json: a module of this name is not the plugin's"),
        ("os/__init__.py", "os: a module of this name is not the plugin's"),
        ("sitecustomize.py", "sitecustomize: a module of this name"),
        ("stigmem_plugins/__init__.py", "stigmem_plugins: a module of this name"),
        ("other-1.0.dist-info/METADATA", "not exactly one .dist-info folder"),
    ],
)
def test_files_that_cannot_be_protected(path: str, fault: str) -> None:
    """Each is named with the reason."""
    faults = layout_faults(["example/__init__.py", INFO, path])
    assert [each for each in faults if fault in each] != []
    good = ["example/__init__.py", "one.py", "example/data/x.txt", "example/weights.pth"]
    assert layout_faults([*good, "example-stubs/__init__.pyi", INFO]) == []


def test_entry_points_are_read_from_bytes() -> None:
    """Names keep their case; what is malformed is refused."""
    assert entry_points(b"[stigmem.plugins]\nMy.Plugin = a.b:c\n[x]\n") == {
        "stigmem.plugins": {"My.Plugin": "a.b:c"},
        "x": {},
    }
    for text in (b"\xff", b"a = b", b"[a]\nx = 1\nx = 2", b"[a]\nx"):
        with pytest.raises(Unverified, match=r"entry_points\.txt is malformed"):
            entry_points(text)
