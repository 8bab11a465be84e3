"""The files on disk, held against the signed statement.

Everything is read once: what is hashed here is what the importer compiles later. `RECORD` is
never believed, since installers write it and so can anybody; it is only one more reason to
refuse.
"""

from __future__ import annotations

import configparser
import csv
import errno
import hashlib
import io
import os
import stat
from collections.abc import Collection, Iterator, Mapping
from email import message_from_string
from importlib.machinery import all_suffixes
from pathlib import Path
from typing import Final

from stigmem_plugins.discovery import ENTRY_POINT_GROUP
from stigmem_plugins.trust.layout import (
    INSTALLER_FILES,
    is_metadata,
    layout_faults,
    module_names,
    top_level,
)
from stigmem_plugins.trust.statement import PluginStatement, same_distribution
from stigmem_plugins.trust.unverified import Unverified

SHOWN_FAULTS: Final = 5
LARGEST_FILE: Final = 2**30
"""In bytes: files are read into memory."""
_FLAGS: Final = (
    os.O_RDONLY
    | getattr(os, "O_NOFOLLOW", 0)
    | getattr(os, "O_NONBLOCK", 0)  # a pipe in a file's place must not hang the node
    | getattr(os, "O_BINARY", 0)
)


def read_installed(root: Path, folder: str, statement: PluginStatement) -> dict[str, bytes]:
    """Read an installed distribution's files, if they are the signed ones and no others.

    Args:
        root: The folder that it is installed in, such as a `site-packages`.
        folder: The name of its `.dist-info` folder there.
        statement: What its publisher signed.

    Returns:
        The contents of its source files and metadata by path.

    Raises:
        Unverified: A file is changed, missing or not signed, or cannot be read; names it.
    """
    refuse_if(layout_faults(statement.files))
    place, signed = os.fspath(root), statement.files.keys()
    tops = {top_level(path) for path in signed} | {folder}
    try:
        present = {path for top in tops for path in _walk(place, top)}
        faults = [f"missing: {path}" for path in sorted(signed - present)]
        extra = sorted(path for path in present - signed if not _is_installers(path, folder))
        faults += [f"not signed: {path}" for path in extra]
        faults += _shadows(place, signed)
        refuse_if(faults)
        contents = {path: read_regular(place, path) for path in sorted(signed)}
        record = read_regular(place, f"{folder}/RECORD") if f"{folder}/RECORD" in present else b""
    except OSError as error:
        raise unreadable(error) from None
    refuse_if(digest_faults(contents, statement))
    check_metadata(contents, folder, statement)
    refuse_if(record_faults(record, contents, folder))
    return {path: data for path, data in contents.items() if _is_kept(path)}


def unreadable(error: OSError) -> Unverified:
    """The finding about a file or folder that cannot be read."""
    message = f"cannot read {error.filename}: {error.strerror}"
    return Unverified(message, "make it readable for the node", checked=False)


def refuse_if(faults: list[str]) -> None:
    """Refuse with the first few of the faults, if there are any.

    Raises:
        Unverified: There are.
    """
    if faults:
        more = len(faults) - SHOWN_FAULTS
        raise Unverified("; ".join([*faults[:SHOWN_FAULTS], *([f"and {more} more"] * (more > 0))]))


def digest_faults(contents: Mapping[str, bytes], statement: PluginStatement) -> list[str]:
    """The files that are not the signed ones."""
    return [
        f"checksum mismatch: {path} is not the file that was signed"
        for path, data in sorted(contents.items())
        if hashlib.sha256(data).hexdigest() != statement.files[path]
    ]


def check_metadata(contents: Mapping[str, bytes], folder: str, statement: PluginStatement) -> None:
    """Hold the metadata of the signed files against what the statement says of them.

    Raises:
        Unverified: Name, version or entry points differ, or an entry point names a module that
            is not among the files.
    """
    name, version = name_and_version(contents.get(f"{folder}/METADATA", b""))
    if not same_distribution(name, statement.distribution) or version != statement.version:
        message = (
            f"its signature is of {statement.distribution} {statement.version}, and this is "
            f"{name or 'unnamed'} {version}"
        )
        raise Unverified(message)
    factories = {plugin.entry_point: plugin.factory for plugin in statement.plugins}
    declared = entry_points(contents.get(f"{folder}/entry_points.txt", b"")).get(
        ENTRY_POINT_GROUP, {}
    )
    if declared != factories:
        message = f"its entry points are {declared or 'none'}, and the signed ones {factories}"
        raise Unverified(message)
    if not factories:
        message = "no plugin is signed in it"
        raise Unverified(message)
    for entry_point, factory in factories.items():
        module = factory.partition(":")[0].replace(".", "/")
        if not {f"{module}.py", f"{module}/__init__.py"} & contents.keys():
            message = f"entry point {entry_point} names {factory}, which is not among its files"
            raise Unverified(message)


def name_and_version(metadata: bytes) -> tuple[str, str]:
    r"""A distribution's name and version, empty where its `METADATA` has none.

    Raises:
        Unverified: It is not UTF-8, or says one of them twice: readers differ on which counts.

    Example:
        >>> name_and_version(b"Name: example-plugin\nVersion: 1.0.0\n")
        ('example-plugin', '1.0.0')
    """
    try:
        headers = message_from_string(metadata.decode())
    except UnicodeDecodeError as error:
        message = f"its METADATA is not UTF-8: {error}"
        raise Unverified(message) from None
    found = [headers.get_all(header, [""]) for header in ("Name", "Version")]
    if any(len(values) > 1 for values in found):
        message = "its METADATA has several names or versions"
        raise Unverified(message)
    name, version = (str(values[0]) for values in found)
    return name, version


def entry_points(text: bytes) -> dict[str, dict[str, str]]:
    r"""The entry points of an `entry_points.txt` by group and name.

    Raises:
        Unverified: It is malformed.

    Example:
        >>> entry_points(b"[stigmem.plugins]\nexample = example:make\n")
        {'stigmem.plugins': {'example': 'example:make'}}
    """
    parser = configparser.ConfigParser(delimiters=("=",), interpolation=None)
    parser.optionxform = str  # type: ignore[assignment,method-assign]  # names have a case
    try:
        parser.read_string(text.decode())
    except (configparser.Error, UnicodeDecodeError) as error:
        message = f"its entry_points.txt is malformed: {error}"
        raise Unverified(message) from None
    return {group: dict(parser[group]) for group in parser.sections()}


def _walk(root: str, top: str) -> Iterator[str]:
    """The paths of all files in a folder, or that of the file itself.

    Raises:
        Unverified: There is something that is neither file nor folder.
        OSError: Something cannot be read.
    """
    try:
        mode = os.lstat(f"{root}/{top}").st_mode
    except FileNotFoundError:
        return
    pending = [(top, stat.S_ISDIR(mode), stat.S_ISREG(mode))]
    while pending:
        path, is_folder, is_file = pending.pop()
        if is_folder:
            with os.scandir(f"{root}/{path}") as entries:
                pending += [
                    (
                        f"{path}/{entry.name}",
                        entry.is_dir(follow_symlinks=False),
                        entry.is_file(follow_symlinks=False),
                    )
                    for entry in entries
                ]
        elif is_file:
            yield path
        else:
            message = f"symlink or special file: {path}"
            raise Unverified(message)


def _is_installers(path: str, folder: str) -> bool:
    """Whether an unsigned file is one that installers and Python write, and nothing runs."""
    parts = path.split("/")
    if parts[0] == folder:
        return len(parts) == 2 and parts[1] in INSTALLER_FILES  # noqa: PLR2004  # folder and file
    return parts[-2:-1] == ["__pycache__"] and path.endswith(".pyc")


def _shadows(root: str, signed: Collection[str]) -> list[str]:
    """What stands beside the signed files and could be imported in their place."""
    suffixes = ("", *all_suffixes())
    owned = {top_level(path) for path in signed}
    candidates = {f"{name}{suffix}" for name in module_names(signed) for suffix in suffixes}
    return [
        f"not signed: {name} has the name of a signed module"
        for name in sorted(candidates - owned)
        if os.path.lexists(f"{root}/{name}")
    ]


def read_regular(root: str, path: str, largest: int = LARGEST_FILE) -> bytes:
    """Read a file that is one: through a link is not looked, and for a pipe not waited.

    Args:
        root: Where the path starts.
        path: The file.
        largest: How many bytes it may have.

    Raises:
        Unverified: It is something else, or too large.
        OSError: It cannot be read.
    """
    try:
        with os.fdopen(os.open(f"{root}/{path}", _FLAGS), "rb") as file:
            found = os.fstat(file.fileno())
            if found.st_size > largest:
                message = f"{path} has {found.st_size} bytes, more than {largest}"
                raise Unverified(message)
            if stat.S_ISREG(found.st_mode):
                return file.read()
    except OSError as error:
        if error.errno not in {errno.ELOOP, errno.EISDIR}:
            raise
    message = f"symlink or special file: {path}"
    raise Unverified(message)


def _is_kept(path: str) -> bool:
    return path.endswith(".py") or is_metadata(path)


def record_faults(record: bytes, contents: Mapping[str, bytes], folder: str) -> list[str]:
    """The files that `RECORD` claims for the distribution, and that its publisher did not sign."""
    points = entry_points(contents[f"{folder}/entry_points.txt"])
    scripts = {
        name for group in ("console_scripts", "gui_scripts") for name in points.get(group, ())
    }
    try:
        claimed = [row[0] for row in csv.reader(io.StringIO(record.decode())) if row]
    except (csv.Error, UnicodeDecodeError) as error:
        return [f"{folder}/RECORD is malformed: {error}"]
    return [
        f"not signed: {path}, which {folder}/RECORD claims"
        for path in claimed
        if path not in contents
        and not _is_installers(path, folder)
        and not _is_script(path, scripts)
    ]


def _is_script(path: str, scripts: Collection[str]) -> bool:
    """Whether a path is that of a command which the installer made of a signed entry point."""
    parent, _, name = path.rpartition("/")
    return parent.rpartition("/")[2] in {"bin", "Scripts"} and (
        name in scripts or name.removesuffix(".exe").removesuffix("-script.py") in scripts
    )
