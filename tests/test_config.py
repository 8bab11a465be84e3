"""From the operator's settings to ctx.config."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from collections.abc import Set as AbstractSet
from datetime import date
from enum import StrEnum
from pathlib import Path
from typing import Any, Literal, NewType

import attrs
import pydantic
import pytest

from stigmem_plugins import HookRegistry, ManifestError, StigmemPluginError
from stigmem_plugins.config import configure, masked, read_tables
from stigmem_plugins.conversion import convert
from tests.support import deny, manifest

PREFIX = "STIGMEM_PLUGIN_EXAMPLE_PLUGIN_"


class Colour(StrEnum):
    RED = "red"


@attrs.frozen
class AttrsConfig:
    limit: int = attrs.field()
    name: str = "none"
    token: str = attrs.field(default="", repr=False)
    upper: str = attrs.field(default="", converter=lambda text: text.upper())
    derived: int = attrs.field(init=False, default=1)

    @limit.validator
    def _positive(self, _attribute: Any, value: int) -> None:
        if value < 1:
            raise ValueError(f"limit must be positive; token is {self.token}")


@dataclasses.dataclass(frozen=True)
class DataclassConfig:
    limit: int
    names: list[str] = dataclasses.field(default_factory=list)
    token: str = dataclasses.field(default="", metadata={"secret": True})
    derived: int = dataclasses.field(init=False, default=1)


class PydanticConfig(pydantic.BaseModel):
    limit: int
    names: list[str] = []
    table: dict[str, int] = {}
    token: pydantic.SecretStr = pydantic.SecretStr("")

    @pydantic.model_validator(mode="after")
    def _check(self) -> PydanticConfig:
        if self.limit < 1:
            raise ValueError("limit must be positive")
        return self


SCHEMAS = [AttrsConfig, DataclassConfig, PydanticConfig]


def configured(schema: type[Any], tables: Any = None, **environ: str) -> Any:
    """The configuration of the example plugin."""
    return configure(
        manifest(config_schema=schema),
        environ={f"{PREFIX}{key}": value for key, value in environ.items()},
        tables={"example-plugin": tables or {}},
    )


@pytest.mark.parametrize("schema", SCHEMAS)
def test_the_environment_overrides_the_table(schema: type[Any]) -> None:
    """Text is converted to the field's type."""
    assert configured(schema, {"limit": 1}).value.limit == 1
    assert configured(schema, {"limit": 1}, LIMIT="2").value.limit == 2


@pytest.mark.parametrize("schema", SCHEMAS)
def test_all_faults_are_named_at_once(schema: type[Any]) -> None:
    """Unknown keys with the nearest known, and what is missing."""
    with pytest.raises(ManifestError) as raised:
        configured(schema, {"tokn": "x", "nams": 1})
    for fragment in (
        "'tokn' (did you mean 'token'?)",
        "unknown key 'nams'",
        "limit is required",
        PREFIX,
    ):
        assert fragment in str(raised.value)


@pytest.mark.parametrize("schema", SCHEMAS)
def test_a_secret_is_kept_for_masking_and_never_shown(schema: type[Any]) -> None:
    """Its text is in no listing and no error."""
    made = configured(schema, LIMIT="1", TOKEN="hunter2")
    assert made.secrets == ("hunter2",)
    assert "hunter2" not in repr(made)
    assert masked(made.value)["token"] == "***"
    with pytest.raises(ManifestError, match="misconfigured") as raised:
        configured(schema, LIMIT="hunter2", TOKEN="hunter2")
    assert "hunter2" not in str(raised.value)


@pytest.mark.parametrize("schema", [AttrsConfig, PydanticConfig])
def test_what_the_schema_itself_refuses_is_reported(schema: type[Any]) -> None:
    """With secret values masked."""
    with pytest.raises(ManifestError, match="limit must be positive") as raised:
        configured(schema, LIMIT="0", TOKEN="hunter2")
    assert "hunter2" not in str(raised.value)


def test_pydantic_reads_lists_and_tables_from_text() -> None:
    """Comma lists and JSON; the rest is its own business."""
    made = configured(PydanticConfig, LIMIT="1", NAMES="a, b", TABLE='{"x": 1}').value
    assert (made.names, made.table) == (["a", "b"], {"x": 1})


def test_attrs_converters_get_the_text_as_it_is() -> None:
    """A field that converts itself is left to."""
    assert configured(AttrsConfig, LIMIT="1", UPPER="abc").value.upper == "ABC"


@pytest.mark.parametrize(
    ("given", "hint", "expected"),
    [
        ("text", str, "text"),
        ("7", int, 7),
        (7, int, 7),
        ("7.5", float, 7.5),
        (7, float, 7.0),
        (7.5, float, 7.5),
        ("off", bool, False),
        (True, bool, True),
        ("/srv", Path, Path("/srv")),
        ("red", Colour, Colour.RED),
        ("a", Literal["a", "b"], "a"),
        ("2", Literal[1, 2], 2),
        ("7", int | None, 7),
        ("seven", int | str, "seven"),
        ("a,b", list[str], ["a", "b"]),
        ('["a,b"]', list[str], ["a,b"]),
        ("1, 2", tuple[int, ...], (1, 2)),
        ("1, b", tuple[int, str], (1, "b")),
        ([1, 2], frozenset[int], frozenset({1, 2})),
        ("a", set, {"a"}),
        ('{"a": 1}', dict[str, int], {"a": 1}),
        (date(2026, 1, 2), date, date(2026, 1, 2)),
        ("3", NewType("Count", int), 3),
        ("a,b", Sequence[str], ["a", "b"]),
        ("a,a", AbstractSet[str], frozenset({"a"})),
        ('{"a": "1"}', Mapping[str, int], {"a": 1}),
        ("{}", dict, {}),
        ("", int | None, None),
        ("true", Literal[True, "auto"], True),
        ("x", bytes, b"x"),
        ("anything", Any, "anything"),
    ],
)
def test_values_are_converted_to_the_fields_type(given: Any, hint: Any, expected: Any) -> None:
    """From the environment's text and from TOML."""
    assert convert(given, hint) == expected


@pytest.mark.parametrize(
    ("given", "hint", "message"),
    [
        (7, str, "must be of type str"),
        ("x", int, "must be of type int"),
        (True, int, "must be of type int"),
        (1.5, int, "must be of type int"),
        ("maybe", bool, "must be one of"),
        (1, bool, "must be of type bool"),
        ("blue", Colour, "must be one of red"),
        ("c", Literal["a", "b"], "must be one of a, b"),
        ("x", int | float, "must be of type int or float"),
        (3, list[int], "must be of type list"),
        ("1", tuple[int, int], "must have 2 items"),
        ("[1]", dict[str, int], "must be of type dict"),
        ("{", dict[str, int], "Expecting"),
        ("2026-01-02", date, "cannot be set by text, since its type is date"),
        (3, complex, "must be of type complex"),
    ],
)
def test_what_cannot_be_converted_is_a_fault(given: Any, hint: Any, message: str) -> None:
    """Said in words that follow the field's name."""
    with pytest.raises(ValueError, match=message):
        convert(given, hint)


def test_secrets_of_every_kind_are_found() -> None:
    """Lists, bytes, numbers and defaults."""

    @attrs.frozen
    class Many:
        keys: list[str] = attrs.field(factory=lambda: ["k1", "k2"], repr=False)
        raw: bytes = attrs.field(default=b"bytes", repr=False)
        blank: bytes = attrs.field(default=b"", repr=False)
        pin: int = attrs.field(default=1234, repr=False)
        none: Any = attrs.field(default=None, repr=False)
        mapping: Any = attrs.field(factory=lambda: {"user": "deep"}, repr=False)

    assert set(configured(Many).secrets) == {"k1", "k2", "bytes", "1234", "deep"}


def test_without_a_schema_there_is_no_configuration() -> None:
    """ctx.config is None."""
    assert configure(manifest()).value is None
    assert masked(None) == {}


def test_a_schema_of_another_kind_is_refused() -> None:
    """With what it may be."""
    registry = HookRegistry()
    with pytest.raises(ManifestError, match="not an attrs, dataclass or pydantic class"):
        registry.register_plugin(manifest(config_schema=int))


def test_configuration_is_validated_before_any_handler_runs(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The validators of others are not even asked."""
    registry = HookRegistry()
    registry.register_plugin(manifest("first"))
    registry.register_core_handler("config_validate", deny, name="core.validator")
    with pytest.raises(ManifestError, match="limit is required"):
        registry.register_plugin(manifest(config_schema=AttrsConfig))


def test_a_setting_of_the_layer_is_never_a_plugins_configuration() -> None:
    """A plugin may be called `signing` and have a field `required`."""

    @attrs.frozen
    class Config:
        required: str = "default"

    made = configure(
        manifest("signing", config_schema=Config),
        environ={"STIGMEM_PLUGIN_SIGNING_REQUIRED": "false"},
        tables={},
    )
    assert made.value.required == "default"


def test_tables_come_from_the_working_directorys_pyproject(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """[tool.stigmem.plugins.<name>], if there is such a file."""
    monkeypatch.chdir(tmp_path)
    assert read_tables() == {}
    (tmp_path / "pyproject.toml").write_text("[tool.stigmem.plugins.example-plugin]\nlimit = 3\n")
    assert read_tables() == {"example-plugin": {"limit": 3}}
    assert configure(manifest(config_schema=AttrsConfig)).value.limit == 3


@pytest.mark.parametrize("text", ["[tool", "[tool.stigmem]\nplugins = 3\n", "tool = 3\n"])
def test_a_file_that_cannot_be_read_is_one_clear_error(
    text: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It names the file."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "pyproject.toml").write_text(text)
    with pytest.raises(StigmemPluginError, match=r"pyproject\.toml"):
        read_tables()


def test_a_table_that_is_none_is_a_fault() -> None:
    """`example-plugin = 3` under [tool.stigmem.plugins]."""
    with pytest.raises(ManifestError, match="no table for it, but int"):
        configure(manifest(config_schema=AttrsConfig), environ={}, tables={"example-plugin": 3})
