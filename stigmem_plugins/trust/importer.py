"""Imports exactly the bytes that were verified.

A finder at the head of `sys.meta_path` holds the sources of verified plugins, and its loader
compiles those. So nothing is read a second time, no `.pyc` is looked at, nothing that stands
earlier on `sys.path` is found instead, and a submodule that was not signed does not exist.
"""

from __future__ import annotations

import hashlib
import importlib
import sys
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from importlib.abc import ExecutionLoader, MetaPathFinder
from importlib.machinery import ModuleSpec
from importlib.resources.abc import Traversable, TraversableResources
from importlib.util import decode_source
from io import BytesIO, TextIOWrapper
from pathlib import Path
from types import ModuleType
from typing import IO, Any, Final

from attrs import field, frozen

from stigmem_plugins.trust.layout import module_names
from stigmem_plugins.trust.unverified import Unverified


@frozen(eq=False)
class VerifiedFiles:
    """The files of one verified distribution.

    Args:
        root: The folder that it is installed in.
        digests: The signed sha256 digest of every file by path.
        sources: The source files' verified contents by path.
    """

    root: Path
    digests: Mapping[str, str] = field(repr=False)
    sources: Mapping[str, bytes] = field(repr=False)
    digest: str = field(init=False)
    """Identifies the files as a whole: equal where they all are."""

    @digest.default
    def _of_all(self) -> str:
        listed = "".join(f"{path}\0{digest}\n" for path, digest in sorted(self.digests.items()))
        return hashlib.sha256(listed.encode()).hexdigest()

    def modules(self) -> dict[str, str | None]:
        """The path of each module by its name; None for a folder of modules without one."""
        found: dict[str, str | None] = {}
        for path in sorted(self.sources):
            if path.endswith(".py"):
                parts = path.removesuffix(".py").split("/")
                for depth in range(1, len(parts)):
                    found.setdefault(".".join(parts[:depth]), None)
                if parts[-1] == "__init__":
                    found[".".join(parts[:-1])] = path
                else:
                    found[".".join(parts)] = found.get(".".join(parts)) or path
        return found

    def read(self, path: str) -> bytes:
        """A file's contents as they were signed.

        Raises:
            FileNotFoundError: No file of that path was signed.
            PermissionError: The file on disk is not the signed one any more.
        """
        if path in self.sources:
            return self.sources[path]
        if path not in self.digests:
            raise FileNotFoundError(2, "not among the signed files", str(self.root / path))
        data = (self.root / path).read_bytes()
        if hashlib.sha256(data).hexdigest() != self.digests[path]:
            raise PermissionError(1, "changed after it was verified", str(self.root / path))
        return data


class _Loader(ExecutionLoader, TraversableResources):
    """Loads one module from verified bytes."""

    def __init__(self, files: VerifiedFiles, path: str | None, folder: str | None) -> None:
        self.verified = files
        self._path = path
        self._folder = folder

    def get_source(self, fullname: str) -> str:  # noqa: ARG002  # the loader protocol's
        """The module's source, also for tracebacks."""
        return decode_source(self.verified.sources[self._path]) if self._path else ""

    def get_filename(self, fullname: str) -> str:  # noqa: ARG002  # the same
        """Where the module's source is installed."""
        return str(self.verified.root / (self._path or f"{self._folder}/__init__.py"))

    def is_package(self, fullname: str) -> bool:  # noqa: ARG002  # the same
        """Whether the module has submodules."""
        return self._folder is not None

    def get_data(self, path: str | bytes) -> bytes:
        """A data file, for `pkgutil.get_data`."""
        relative = Path(str(path)).relative_to(self.verified.root)
        return self.verified.read(relative.as_posix())

    def get_resource_reader(self, fullname: str) -> TraversableResources:  # noqa: ARG002  # the same
        """What `importlib.resources` reads a package's files through."""
        return self

    def files(self) -> Traversable:
        """The package's resources."""
        return _Resource(self.verified, self._folder or (self._path or "").rpartition("/")[0])


@frozen
class _Resource(Traversable):
    """A signed file or folder, read when asked for, and only if it still is the signed one."""

    verified: VerifiedFiles
    path: str

    @property
    def name(self) -> str:
        return self.path.rpartition("/")[2]

    def iterdir(self) -> Iterator[Traversable]:
        start = f"{self.path}/" if self.path else ""
        names = {
            path.removeprefix(start).partition("/")[0]
            for path in self.verified.digests
            if path.startswith(start)
        }
        return iter([_Resource(self.verified, start + name) for name in sorted(names)])

    def is_file(self) -> bool:
        return self.path in self.verified.digests

    def is_dir(self) -> bool:
        return not self.path or any(p.startswith(f"{self.path}/") for p in self.verified.digests)

    def joinpath(self, *descendants: Any) -> Traversable:
        parts = [part for each in (self.path, *descendants) for part in str(each).split("/")]
        return _Resource(self.verified, "/".join(p for p in parts if p not in {"", "."}))

    def __truediv__(self, child: Any) -> Traversable:
        return self.joinpath(child)

    def read_bytes(self) -> bytes:
        return self.verified.read(self.path)

    def read_text(self, encoding: str | None = None) -> str:
        return self.read_bytes().decode(encoding or "utf-8")

    def open(self, mode: str = "r", *args: Any, **kwargs: Any) -> IO[Any]:
        binary = BytesIO(self.read_bytes())
        return binary if "b" in mode else TextIOWrapper(binary, *args, **kwargs)


class VerifiedFinder(MetaPathFinder):
    """Finds the modules of the verified distributions that it was given, and hides all others.

    A module below a name that it has is found in the verified files or not at all.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._modules: dict[str, tuple[VerifiedFiles, str | None]] = {}
        self._owners: dict[str, VerifiedFiles] = {}

    def _add(self, files: VerifiedFiles) -> bool:
        """Serve a distribution's modules; returns whether they were not served before."""
        names = sorted(module_names(files.digests))
        with self._lock:
            for name in names:
                self._refuse_foreign(name, files)
            if names and all(name in self._owners for name in names):
                return False
            for name, path in files.modules().items():
                self._modules[name] = (files, path)
            self._owners |= dict.fromkeys(names, files)
            if self in sys.meta_path:
                sys.meta_path.remove(self)
            sys.meta_path.insert(0, self)
            return True

    @contextmanager
    def attempt(self) -> Iterator[Callable[[VerifiedFiles], None]]:
        """Serve what the block asks for; if it fails, nothing of that is left.

        Yields:
            Serves the modules of verified files. It raises `Unverified` if a module of one of
            their names is imported, or served from other files.
        """
        added: list[VerifiedFiles] = []

        def serve(files: VerifiedFiles) -> None:
            if self._add(files):
                added.append(files)

        try:
            yield serve
        except BaseException:
            for files in added:
                self._forget(files)
            raise

    def _forget(self, files: VerifiedFiles) -> None:
        """Serve a distribution's modules no more; those imported are taken out too."""
        with self._lock:
            for name in [n for n, (owner, _) in self._modules.items() if owner is files]:
                del self._modules[name]
                sys.modules.pop(name, None)
            for name in [n for n, owner in self._owners.items() if owner is files]:
                del self._owners[name]
            if not self._owners and self in sys.meta_path:
                sys.meta_path.remove(self)

    def find_spec(
        self,
        fullname: str,
        path: Sequence[str] | None = None,  # noqa: ARG002  # the finder protocol's
        target: ModuleType | None = None,  # noqa: ARG002  # the same
    ) -> ModuleSpec | None:
        """The verified module of a name; None for names that are not below one that is served.

        Raises:
            ModuleNotFoundError: The name is below one that is served, and was not signed.
        """
        top = fullname.partition(".")[0]
        if top not in self._owners:
            return None
        if fullname not in self._modules:
            message = f"No module named {fullname!r} among the signed files of {top}"
            raise ModuleNotFoundError(message, name=fullname)
        files, file = self._modules[fullname]
        folder = fullname.replace(".", "/")
        if is_package := file is None or file.endswith("/__init__.py"):
            loader = _Loader(files, file, folder)
        else:
            loader = _Loader(files, file, None)
        origin = loader.get_filename(fullname)
        spec = ModuleSpec(fullname, loader, origin=origin, is_package=is_package)
        spec.has_location = True  # modules get a __file__
        if is_package:
            spec.submodule_search_locations = [str(files.root / folder)]
        return spec

    def _refuse_foreign(self, name: str, files: VerifiedFiles) -> None:
        owner = self._owners.get(name)
        if owner is not None and owner.digest != files.digest:
            message = f"its module {name} is served from other files, of {owner.root}"
            raise Unverified(message, "restart the node after an upgrade")
        for imported, module in list(sys.modules.items()):
            if imported.partition(".")[0] == name:
                loader = getattr(getattr(module, "__spec__", None), "loader", None)
                if not isinstance(loader, _Loader) or loader.verified.digest != files.digest:
                    message = f"its module {imported} is imported already, from unverified bytes"
                    fix = "restart the node, and let nothing import its plugins before it starts"
                    raise Unverified(message, fix)


FINDER: Final = VerifiedFinder()
"""The one of the process."""


def load(factory: str) -> Any:
    """Import what a factory's name says, from verified bytes; the plugin's code runs.

    Args:
        factory: `module:attribute`; the module is one that the finder serves.

    Raises:
        Exception: Whatever the import raises.
    """
    module, _, attribute = factory.partition(":")
    value: Any = importlib.import_module(module)
    for name in attribute.split("."):
        value = getattr(value, name)
    return value
