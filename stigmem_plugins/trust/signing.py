"""Signs wheels: what the author's command does, and what tests do with a local authority."""

from __future__ import annotations

import hashlib
import json
import subprocess
import sys
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any, Final, Protocol

from attrs import frozen

from stigmem_plugins.discovery import ENTRY_POINT_GROUP
from stigmem_plugins.errors import FAILURES, StigmemPluginError, describe
from stigmem_plugins.trust.files import (
    check_metadata,
    entry_points,
    name_and_version,
    record_faults,
    refuse_if,
)
from stigmem_plugins.trust.statement import FACTORY, PREDICATE_TYPE, PluginStatement, SignedPlugin
from stigmem_plugins.trust.unverified import Unverified
from stigmem_plugins.trust.wheel import Wheel, check_name, read_wheel, write_bundle

if TYPE_CHECKING:
    from sigstore.dsse import Statement
    from sigstore.models import Bundle

LONGEST_IMPORT: Final = 120
"""In seconds: how long a plugin's factory may take when its wheel is signed."""


class StatementSigner(Protocol):
    """What signs: `sigstore.sign.Signer` does."""

    def sign_dsse(self, input_: Statement, /) -> Bundle:
        """Sign a statement."""


@frozen
class SignableWheel:
    """A wheel that can be signed, and what will be signed.

    Args:
        wheel: The wheel, as it was read.
        statement: Its files' digests and its plugins' manifests.
    """

    wheel: Wheel
    statement: PluginStatement


def prepare_wheel(path: Path) -> SignableWheel:
    """Read a wheel, and learn from its plugins what they declare: their code runs.

    Each manifest factory is called in a process of its own, which imports the wheel as a node
    does: from the files that will be signed and no others. What the plugin depends on must be
    installed.

    Args:
        path: The wheel.

    Raises:
        StigmemPluginError: It cannot be signed; says why.
    """
    try:
        wheel = read_wheel(path)
        return SignableWheel(wheel, _statement(wheel))
    except Unverified as finding:
        message = f"cannot sign {path}: {finding.problem}"
        fix = finding.fix or "correct its build configuration, and build it anew"
        raise StigmemPluginError(message, fix=fix) from None


def _statement(wheel: Wheel) -> PluginStatement:
    """What is to be signed of a wheel.

    Raises:
        Unverified: Its name or its entry points are not what they should be.
    """
    contents = wheel.signable()
    name, version = name_and_version(contents.get(f"{wheel.folder}/METADATA", b""))
    check_name(wheel, name, version)
    text = contents.get(f"{wheel.folder}/entry_points.txt", b"")
    factories = entry_points(text).get(ENTRY_POINT_GROUP, {})
    if not factories:
        message = f"it declares no {ENTRY_POINT_GROUP} entry point"
        raise Unverified(message, "declare the plugin's factory in its pyproject.toml")
    for entry_point, factory in factories.items():
        if not FACTORY.fullmatch(factory):
            message = f"entry point {entry_point} is {factory!r}, not module:attribute"
            raise Unverified(message)
    digests = {path: hashlib.sha256(data).hexdigest() for path, data in contents.items()}
    statement = PluginStatement(name, version, digests, _declared(wheel.path, factories))
    check_metadata(contents, wheel.folder, statement)
    refuse_if(record_faults(wheel.contents[wheel.record], contents, wheel.folder))
    return statement


def sign_prepared(prepared: SignableWheel, signer: StatementSigner) -> None:
    """Sign a wheel, and put the bundle into it; the file is replaced at once.

    Raises:
        StigmemPluginError: The Sigstore services fail, or the file cannot be written.
    """
    from sigstore.dsse import StatementBuilder, Subject  # noqa: PLC0415  # slow to import

    statement, wheel = prepared.statement, prepared.wheel
    subjects = [
        Subject(name=path, digest={"sha256": digest})  # type: ignore[arg-type]  # pydantic's
        for path, digest in sorted(statement.files.items())
    ]
    built = StatementBuilder(subjects, PREDICATE_TYPE, statement.predicate()).build()
    try:
        bundle = signer.sign_dsse(built).to_json().encode()
    except FAILURES as error:
        message = f"cannot sign {wheel.path}: {describe(error)}"
        fix = "check the network and the identity token, and try again"
        raise StigmemPluginError(message, fix=fix) from error
    try:
        write_bundle(wheel, bundle)
    except OSError as error:
        message = f"cannot write {wheel.path}: {error.strerror}"
        raise StigmemPluginError(message, fix="make its folder writable") from None


def sign_wheel(path: Path, signer: StatementSigner) -> None:
    """Sign one wheel in place.

    Args:
        path: The wheel; its plugins' factories are called.
        signer: What signs, such as a `sigstore.sign.Signer`.

    Raises:
        StigmemPluginError: It cannot be signed; the file is as it was.
    """
    sign_prepared(prepare_wheel(path), signer)


def _declared(path: Path, factories: dict[str, str]) -> tuple[SignedPlugin, ...]:
    """What the plugins of a wheel declare, found out in a process of its own."""
    with TemporaryDirectory(prefix="stigmem-sign-") as folder:
        report = Path(folder) / "report.json"
        # -P: the folder that somebody signs in is no part of the wheel.
        module = ["-P", "-m", "stigmem_plugins.trust.declare"]
        command = [sys.executable, *module, str(path), str(report)]
        try:
            done = subprocess.run(  # noqa: S603  # our own arguments, no shell
                command, capture_output=True, text=True, timeout=LONGEST_IMPORT, check=False
            )
        except subprocess.TimeoutExpired:
            message = f"its plugins took more than {LONGEST_IMPORT} s to say what they declare"
            raise Unverified(message, "let the factory return at once") from None
        told: dict[str, Any] = json.loads(report.read_bytes()) if report.exists() else {}
    fix = "install what the plugin depends on beside stigmem-plugins, or correct the plugin"
    if "plugins" in told:
        plugins = told["plugins"]
        return tuple(SignedPlugin.from_fields(name, plugins[name]) for name in factories)
    last = (done.stderr.strip().splitlines() or ["it said nothing"])[-1]
    problem = told.get("error") or f"its plugins ended their process: {last}"
    raise Unverified(problem, fix)
