"""What is signed: an in-toto statement of a wheel's files and of the plugins that it declares.

The subjects are the sha256 digests of every file of the wheel except `RECORD`, which installers
rewrite, and the bundle, which holds the statement. The predicate is the plugins' manifests, one
for each entry point, so that a plugin can be listed, ordered and judged without importing it.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping
from typing import Any, Final, Self

from attrs import asdict, field, frozen
from packaging.utils import canonicalize_name

from stigmem_hookspecs.values import FrozenDict
from stigmem_plugins.errors import shown
from stigmem_plugins.manifest import PluginManifest
from stigmem_plugins.trust.unverified import Unverified

PAYLOAD_TYPE: Final = "application/vnd.in-toto+json"
STATEMENT_TYPE: Final = "https://in-toto.io/Statement/v1"
PREDICATE_TYPE: Final = "https://stigmem.dev/attestations/plugin-manifest/v1"

_DIGEST: Final = re.compile(r"[0-9a-f]{64}")
FACTORY: Final = re.compile(r"[^\W\d][\w.]*:[^\W\d][\w.]*")
"""`module:attribute`, as the value of an entry point."""
_TEXTS: Final = ("factory", "name", "version", "requires_stigmem")
_MAY_BE_EMPTY: Final = ("requires_stigmem",)
"""An empty specifier is met by every version."""
_LISTS: Final = ("capabilities", "hooks", "depends_on")


def _sorted(names: Iterable[str]) -> tuple[str, ...]:
    return tuple(sorted(names))


@frozen
class SignedPlugin:
    """One plugin as its publisher signed it.

    Args:
        entry_point: The entry point's name.
        factory: `module:attribute` of the manifest factory.
        name: The plugin's name; the other arguments are fields of its manifest too.

    Example:
        >>> manifest = PluginManifest("example-plugin", "1.0.0", capabilities={"audit.emit"})
        >>> signed = SignedPlugin.of(manifest, entry_point="example", factory="example:make")
        >>> signed.capabilities
        ('audit.emit',)
        >>> signed.differences(PluginManifest("example-plugin", "1.0.1"))
        ["capabilities: signed ('audit.emit',), found ()", "version: signed '1.0.0', found '1.0.1'"]
    """

    entry_point: str
    factory: str
    name: str
    version: str
    requires_stigmem: str
    capabilities: tuple[str, ...] = field(converter=_sorted)
    hooks: tuple[str, ...] = field(converter=_sorted)
    depends_on: tuple[str, ...] = field(converter=_sorted)

    @classmethod
    def of(cls, manifest: PluginManifest, *, entry_point: str, factory: str) -> Self:
        """What is to be signed of a manifest."""
        return cls(
            entry_point=entry_point,
            factory=factory,
            name=manifest.name,
            version=manifest.version,
            requires_stigmem=manifest.requires_stigmem,
            capabilities=manifest.capabilities,
            hooks=manifest.hooks,
            depends_on=manifest.depends_on,
        )

    @classmethod
    def from_fields(cls, entry_point: str, fields: Any) -> Self:
        """Read what a predicate says of one plugin.

        Raises:
            ValueError: A field is missing, unknown or malformed; so for TypeError.
        """
        if unknown := fields.keys() ^ {*_TEXTS, *_LISTS}:
            message = (
                f"plugin {shown(entry_point)} has other fields than expected: {sorted(unknown)}"
            )
            raise ValueError(message)
        texts = {name: _text(fields[name], empty=name in _MAY_BE_EMPTY) for name in _TEXTS}
        if not FACTORY.fullmatch(texts["factory"]):
            message = f"factory {shown(texts['factory'])} is not module:attribute"
            raise ValueError(message)
        lists: dict[str, Any] = {name: _texts(fields[name]) for name in _LISTS}
        return cls(entry_point=_text(entry_point), **texts, **lists)

    def fields(self) -> dict[str, Any]:
        """What a predicate says of it, as JSON has it."""
        listed = {n: list(v) if n in _LISTS else v for n, v in asdict(self).items()}
        del listed["entry_point"]
        return listed

    def differences(self, manifest: PluginManifest) -> list[str]:
        """Where a manifest is not the signed one, in words; empty if it is."""
        found = asdict(self.of(manifest, entry_point=self.entry_point, factory=self.factory))
        return [
            f"{name}: signed {signed!r}, found {found[name]!r}"
            for name, signed in sorted(asdict(self).items())
            if signed != found[name]
        ]


def _by_entry_point(plugins: Iterable[SignedPlugin]) -> tuple[SignedPlugin, ...]:
    return tuple(sorted(plugins, key=lambda plugin: plugin.entry_point))


@frozen
class PluginStatement:
    """What a publisher says of a wheel.

    Args:
        distribution: The distribution's name.
        version: Its version.
        files: The sha256 digest, in hexadecimal, by the file's path in the wheel.
        plugins: The plugins by entry point name.
    """

    distribution: str
    version: str
    files: Mapping[str, str] = field(converter=FrozenDict)
    plugins: tuple[SignedPlugin, ...] = field(converter=_by_entry_point)

    def predicate(self) -> dict[str, Any]:
        """The statement's predicate, as JSON has it."""
        plugins = {plugin.entry_point: plugin.fields() for plugin in self.plugins}
        return {"distribution": self.distribution, "version": self.version, "plugins": plugins}

    @classmethod
    def from_payload(cls, payload_type: str, payload: bytes) -> Self:
        """Read the statement out of a verified envelope.

        Args:
            payload_type: The envelope's type; it must be in-toto's.
            payload: The statement as JSON.

        Raises:
            Unverified: It is something else than a statement about plugins of this form.
        """
        if payload_type != PAYLOAD_TYPE:
            message = (
                f"its signature is of the payload type {shown(payload_type)}, not {PAYLOAD_TYPE}"
            )
            raise Unverified(message)
        try:
            statement = json.loads(payload, object_pairs_hook=_unique)
            predicate = _predicate(statement)
            return cls(
                distribution=_text(predicate["distribution"]),
                version=_text(predicate["version"]),
                files=_files(statement["subject"]),
                plugins=tuple(
                    SignedPlugin.from_fields(name, fields)
                    for name, fields in predicate["plugins"].items()
                ),
            )
        except Unverified:
            raise
        except (ValueError, LookupError, TypeError, AttributeError, RecursionError) as error:
            message = f"its signed statement is malformed: {type(error).__name__}: {shown(error)}"
            raise Unverified(message) from None


def same_distribution(one: str, other: str) -> bool:
    """Whether two names are one distribution's, as package indexes see it.

    Example:
        >>> same_distribution("Example.Plugin", "example_plugin")
        True
    """
    return canonicalize_name(one) == canonicalize_name(other)


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """Readers differ on which of two equal keys counts, so none does."""
    found = dict(pairs)
    if len(found) < len(pairs):
        message = "a key occurs twice"
        raise ValueError(message)
    return found


def _predicate(statement: Any) -> Any:
    kinds = (statement["_type"], statement["predicateType"])
    if kinds != (STATEMENT_TYPE, PREDICATE_TYPE):
        message = f"its signature is of a statement about something else ({shown(kinds)})"
        raise Unverified(message)
    return statement["predicate"]


def _text(value: Any, *, empty: bool = False) -> str:
    if not isinstance(value, str) or not (value or empty):
        message = f"{shown(value)} is no text"
        raise ValueError(message)
    return value


def _texts(value: Any) -> tuple[str, ...]:
    if not isinstance(value, list):
        message = f"{shown(value)} is no list"
        raise TypeError(message)
    return tuple(map(_text, value))


def _files(subjects: Any) -> dict[str, str]:
    files = {}
    for subject in subjects:
        path, digest = _text(subject["name"]), _text(subject["digest"]["sha256"])
        if path in files or not _DIGEST.fullmatch(digest):
            message = f"subject {shown(path)} occurs twice, or has no sha256 digest"
            raise ValueError(message)
        files[path] = digest
    return files
