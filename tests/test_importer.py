"""Imports from verified bytes: these and no others."""

from __future__ import annotations

import hashlib
import importlib
import importlib.resources
import inspect
import linecache
import pkgutil
import sys
import traceback
from collections.abc import Callable, Mapping
from importlib.machinery import BuiltinImporter
from pathlib import Path
from typing import Any

import pytest

from stigmem_plugins.trust.importer import FINDER, VerifiedFiles, VerifiedFinder, load
from stigmem_plugins.trust.unverified import Unverified

FILES = {
    "vpkg/__init__.py": "NAME = __name__\nfrom vpkg.sub import deep",
    "vpkg/one.py": "def boom():\n    raise ValueError('boom')\n",
    "vpkg/sub/deep.py": "HERE = __file__",
    "vpkg/data/text.txt": "verified",
    "vpkg/data/more/bytes.bin": "bytes",
    "vtop.py": "VALUE = 42\nclass Inner:\n    value = 43\n",
}
Make = Callable[[Mapping[str, str]], VerifiedFiles]


@pytest.fixture
def make(tmp_path: Path) -> Make:
    """Lays out files and holds them as verified."""

    def lay_out(files: Mapping[str, str]) -> VerifiedFiles:
        for path, content in files.items():
            (tmp_path / path).parent.mkdir(parents=True, exist_ok=True)
            (tmp_path / path).write_text(content)
        digests = {p: hashlib.sha256(c.encode()).hexdigest() for p, c in files.items()}
        sources = {path: c.encode() for path, c in files.items() if path.endswith(".py")}
        return VerifiedFiles(tmp_path, digests, sources)

    return lay_out


@pytest.fixture
def served(make: Make) -> VerifiedFiles:
    """The files, importable while the test runs."""
    files = make(FILES)
    with FINDER.attempt() as serve:
        serve(files)
    return files


class EndOfTestError(Exception):
    """Makes the attempt fail, so that nothing of it is left."""


def test_modules_are_found_by_their_paths(make: Make) -> None:
    """Packages, modules, folders without `__init__.py`; a package goes before a module."""
    files = {"a/__init__.py": "", "a/b.py": "", "a/b/__init__.py": "", "a/c/d.py": "", "e.py": ""}
    assert make({**files, "a/x.txt": ""}).modules() == {
        "a": "a/__init__.py",
        "a.b": "a/b/__init__.py",
        "a.c": None,
        "a.c.d": "a/c/d.py",
        "e": "e.py",
    }


def test_the_verified_bytes_are_imported_whatever_is_on_disk(served: VerifiedFiles) -> None:
    """The files are rewritten, and removed, after verification."""
    (served.root / "vtop.py").write_text("VALUE = 'evil'")
    (served.root / "vpkg/__init__.py").unlink()
    (served.root / "vpkg/extra.py").write_text("")
    assert load("vtop:VALUE") == 42
    assert load("vtop:Inner.value") == 43
    assert load("vpkg:NAME") == "vpkg"
    with pytest.raises(ModuleNotFoundError, match=r"'vpkg\.extra' among the signed files of vpkg"):
        importlib.import_module("vpkg.extra")


def test_modules_look_like_ordinary_ones(served: VerifiedFiles) -> None:
    """They have a file, a package, a path and a source, also in tracebacks."""
    deep = importlib.import_module("vpkg.sub.deep")
    assert str(served.root / "vpkg/sub/deep.py") == deep.HERE
    package = sys.modules["vpkg"]
    assert package.__path__ == [str(served.root / "vpkg")]
    assert {each.name for each in pkgutil.iter_modules(package.__path__)} == {"one"}
    one = importlib.import_module("vpkg.one")
    assert one.__package__ == "vpkg"
    loaders: list[Any] = [package.__loader__, one.__loader__]
    assert [each.is_package("any") for each in loaders] == [True, False]
    (served.root / "vpkg/one.py").unlink()
    linecache.clearcache()
    assert "def boom" in inspect.getsource(one.boom)
    with pytest.raises(ValueError, match="boom") as raised:
        one.boom()
    assert "raise ValueError('boom')" in "".join(traceback.format_exception(raised.value))


def test_data_files_are_verified_when_they_are_read(served: VerifiedFiles) -> None:
    """By `importlib.resources` and `pkgutil`; what was not signed is not there."""
    importlib.import_module("vpkg")
    root = importlib.resources.files("vpkg")
    assert sorted(each.name for each in root.iterdir()) == ["__init__.py", "data", "one.py", "sub"]
    data = root / "data"
    assert data.is_dir()
    assert not data.is_file()
    text = data.joinpath("text.txt")
    assert text.is_file()
    assert text.read_text() == "verified"
    with text.open() as file:
        assert file.read() == "verified"
    assert root.joinpath("data", "./more/bytes.bin").read_bytes() == b"bytes"
    with (root / "data/more/bytes.bin").open("rb") as file:
        assert file.read() == b"bytes"
    assert pkgutil.get_data("vpkg", "data/text.txt") == b"verified"
    assert (root / "one.py").read_text().startswith("def boom")
    with importlib.resources.as_file(text) as path:
        assert path.read_text() == "verified"
    (served.root / "vpkg/data/text.txt").write_text("changed")
    (served.root / "vpkg/data/new.txt").write_text("new")
    with pytest.raises(PermissionError, match="changed after it was verified"):
        text.read_text()
    with pytest.raises(FileNotFoundError, match="not among the signed files"):
        (root / "data/new.txt").read_text()
    for name in ("vpkg.one", "vtop"):
        spec: Any = importlib.import_module(name).__spec__
        beside = spec.loader.get_resource_reader(name).files()
        assert beside.is_dir()
        assert beside.joinpath(f"{name.rpartition('.')[2]}.py").is_file()
    assert "vtop.py" in [each.name for each in beside.iterdir()]


def test_other_modules_are_none_of_its_business(served: VerifiedFiles) -> None:
    """It finds nothing for names that are not below those that it serves."""
    assert FINDER.find_spec("json") is None
    assert FINDER.find_spec("vpkgs") is None


def test_serving_the_same_files_again_changes_nothing(make: Make) -> None:
    """As a second start in one process does; the modules stay the same objects."""
    finder, files = VerifiedFinder(), make({"vagain.py": "VALUE = []"})
    try:
        with finder.attempt() as serve:
            serve(files)
        value = load("vagain:VALUE")
        with pytest.raises(EndOfTestError), finder.attempt() as serve:
            serve(VerifiedFiles(files.root, files.digests, files.sources))
            raise EndOfTestError
        assert load("vagain:VALUE") is value
    finally:
        sys.meta_path.remove(finder)
        del sys.modules["vagain"]


def test_other_files_of_the_name_are_refused(make: Make) -> None:
    """Two distributions with one module, or an upgrade under a running node."""
    old, new = make({"vtwice.py": "VALUE = 1"}), make({"vtwice.py": "VALUE = 2"})
    with (
        pytest.raises(Unverified, match="vtwice is served from other files"),
        FINDER.attempt() as serve,
    ):
        serve(old)
        serve(new)
    assert FINDER.find_spec("vtwice") is None


def test_a_module_that_is_imported_already_is_refused(
    make: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    """From unverified bytes, it would be what the plugin runs with."""
    files = make({"vearly/__init__.py": "", "vearly/part.py": ""})
    monkeypatch.syspath_prepend(files.root)
    importlib.import_module("vearly.part")
    try:
        with (
            pytest.raises(Unverified, match=r"vearly(\.part)? is imported already") as raised,
            FINDER.attempt() as serve,
        ):
            serve(files)
        assert "restart the node" in (raised.value.fix or "")
    finally:
        for name in ("vearly.part", "vearly"):
            del sys.modules[name]


def test_nothing_is_left_of_an_attempt_that_failed(make: Make) -> None:
    """Neither the modules that were imported nor the way to import them."""
    files = make({"vgone/__init__.py": "", "vgone/part.py": ""})
    with pytest.raises(EndOfTestError), FINDER.attempt() as serve:
        serve(files)
        importlib.import_module("vgone.part")
        raise EndOfTestError
    assert not {"vgone", "vgone.part"} & sys.modules.keys()
    assert FINDER not in sys.meta_path
    with pytest.raises(ModuleNotFoundError):
        importlib.import_module("vgone")


def test_the_finder_comes_first(make: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    """Before every other way to find a module, also one that came in between."""
    with FINDER.attempt() as serve:
        serve(make({"vfirst.py": ""}))
        monkeypatch.setattr(sys, "meta_path", [BuiltinImporter, *sys.meta_path])
        serve(make({"vsecond.py": ""}))
        assert sys.meta_path[:2] == [FINDER, BuiltinImporter]
        assert sys.meta_path.count(FINDER) == 1
