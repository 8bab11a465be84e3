"""Wheel files: read with suspicion, and rewritten with a bundle in them."""

from __future__ import annotations

import base64
import csv
import hashlib
import io
import lzma
import stat
import struct
import zipfile
import zlib
from collections.abc import Mapping
from pathlib import Path
from typing import Final

from attrs import field, frozen
from packaging.utils import InvalidWheelFilename, canonicalize_name, parse_wheel_filename

from stigmem_plugins.discovery import BUNDLE_NAME
from stigmem_plugins.errors import describe
from stigmem_plugins.trust.bundle import BundleVerifier, SignedStatement
from stigmem_plugins.trust.files import check_metadata, digest_faults, record_faults, refuse_if
from stigmem_plugins.trust.layout import (
    belongs_to,
    layout_faults,
    metadata_folder,
    same_version,
)
from stigmem_plugins.trust.replacing import replacing
from stigmem_plugins.trust.unverified import Unverified

LARGEST_WHEEL: Final = 2**30
"""In bytes, unpacked: a wheel is read into memory."""
_UNREADABLE: Final = (
    OSError,
    RuntimeError,
    EOFError,
    ValueError,
    struct.error,
    lzma.LZMAError,
    zipfile.error,
    zlib.error,
)
"""What reading a damaged, encrypted or otherwise odd archive raises."""


@frozen
class Wheel:
    """A wheel that was read.

    Args:
        path: The file.
        folder: The name of its `.dist-info` folder; empty if there is not exactly one.
        members: What the archive says of each file.
        contents: The files by path.
    """

    path: Path
    folder: str
    members: tuple[zipfile.ZipInfo, ...] = field(repr=False)
    contents: Mapping[str, bytes] = field(repr=False)

    @property
    def bundle(self) -> str:
        """The path of its bundle, which need not be there."""
        return f"{self.folder}/{BUNDLE_NAME}"

    @property
    def record(self) -> str:
        """The path of its RECORD."""
        return f"{self.folder}/RECORD"

    def signable(self) -> dict[str, bytes]:
        """The files that a signature covers: all but RECORD and the bundle."""
        rest = {self.bundle, self.record}
        return {path: data for path, data in self.contents.items() if path not in rest}


def open_wheel(path: Path) -> Wheel:
    """Read a wheel, whatever is in it: of a path that is in it twice, the last file counts.

    Raises:
        Unverified: It cannot be read, is damaged or too large.
    """
    if not path.is_file():
        message = "there is no such file"
        raise Unverified(message, "check the path", checked=False)
    try:
        with zipfile.ZipFile(path) as archive:
            members = [each for each in archive.infolist() if not each.is_dir()]
            size = sum(each.file_size for each in members)
            contents = {e.filename: archive.read(e) for e in members if size <= LARGEST_WHEEL}
    except _UNREADABLE as error:
        message = f"it is no wheel that can be read: {describe(error)}"
        raise Unverified(message, "build or download it anew", checked=False) from None
    if size > LARGEST_WHEEL:
        message = f"it has {size} bytes unpacked, more than {LARGEST_WHEEL}"
        raise Unverified(message)
    return Wheel(path, metadata_folder(contents) or "", tuple(members), contents)


def wheel_faults(wheel: Wheel) -> list[str]:
    """Why a wheel's files cannot be protected; empty if they can."""
    faults = [
        f"{each.filename}: a symlink cannot be protected"
        for each in wheel.members
        if stat.S_ISLNK(each.external_attr >> 16)
    ]
    if len(wheel.contents) < len(wheel.members):
        faults.append("a file is in it twice")
    faults += layout_faults(wheel.contents)
    if not faults and wheel.record not in wheel.contents:
        faults.append(f"it has no {wheel.record}")
    return faults


def read_wheel(path: Path) -> Wheel:
    """Read a wheel whose files can be protected.

    Raises:
        Unverified: It cannot be read, is damaged, or has files that cannot be protected.
    """
    wheel = open_wheel(path)
    refuse_if(wheel_faults(wheel))
    return wheel


def check_name(wheel: Wheel, distribution: str, version: str) -> None:
    """Refuse a wheel whose file or metadata folder is not named like what is in it.

    Raises:
        Unverified: It is not.
    """
    try:
        name, named, _, _ = parse_wheel_filename(wheel.path.name)
    except InvalidWheelFilename as error:
        raise Unverified(str(error)) from None
    if name != canonicalize_name(distribution) or not same_version(str(named), version):
        message = f"it contains {distribution} {version}, and its name says {name} {named}"
        raise Unverified(message)
    if not belongs_to(wheel.folder, distribution, version):
        message = f"it contains {distribution} {version} in {wheel.folder}"
        raise Unverified(message)


def verify_wheel(path: Path, verifier: BundleVerifier) -> SignedStatement:
    """Hold a wheel's files against its bundle, and the bundle against the trusted root.

    Args:
        path: The wheel.
        verifier: Verifies bundles.

    Raises:
        Unverified: Something does not verify, or cannot be read.
        StigmemPluginError: The trusted root is malformed.
    """
    wheel = read_wheel(path)
    if wheel.bundle not in wheel.contents:
        message = "it is unsigned"
        raise Unverified(message, "have its publisher sign it with `stigmem-plugins sign`")
    signed = verifier.verify(wheel.contents[wheel.bundle])
    statement, contents = signed.statement, wheel.signable()
    refuse_if(
        [
            *(f"missing: {each}" for each in sorted(statement.files.keys() - contents)),
            *(f"not signed: {each}" for each in sorted(contents.keys() - statement.files.keys())),
        ]
    )
    refuse_if(digest_faults(contents, statement))
    check_name(wheel, statement.distribution, statement.version)
    check_metadata(contents, wheel.folder, statement)
    refuse_if(record_faults(wheel.contents[wheel.record], contents, wheel.folder))
    return signed


def write_bundle(wheel: Wheel, bundle: bytes) -> None:
    """Put a bundle into a wheel, with its row in RECORD, in the place of one that is there.

    The file is replaced at once, by a complete one.

    Raises:
        OSError: It cannot be written; the wheel is as it was.
    """
    record = _with_row(wheel.contents[wheel.record], wheel.bundle, bundle)
    changed = {wheel.bundle: bundle, wheel.record: record}
    mode = stat.S_IMODE(wheel.path.stat().st_mode)
    with replacing(wheel.path.resolve(), mode) as file, zipfile.ZipFile(file, "w") as archive:
        for member in wheel.members:
            if member.filename not in changed:
                archive.writestr(member, wheel.contents[member.filename])
        for path, data in changed.items():
            archive.writestr(_like(wheel.members, wheel.record, path), data)


def _like(members: tuple[zipfile.ZipInfo, ...], model: str, path: str) -> zipfile.ZipInfo:
    """What the archive is to say of a file: time and mode of another."""
    (other,) = (each for each in members if each.filename == model)
    info = zipfile.ZipInfo(path, other.date_time)
    info.external_attr, info.compress_type = other.external_attr, zipfile.ZIP_DEFLATED
    return info


def _with_row(record: bytes, path: str, data: bytes) -> bytes:
    digest = base64.urlsafe_b64encode(hashlib.sha256(data).digest()).rstrip(b"=").decode()
    rows = [row for row in csv.reader(io.StringIO(record.decode())) if row and row[0] != path]
    text = io.StringIO()
    csv.writer(text, lineterminator="\n").writerows([*rows, [path, f"sha256={digest}", len(data)]])
    return text.getvalue().encode()
