"""The operator's settings for the plugin layer, read from the environment."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Mapping
from typing import Any, Final, Protocol, Self, TypeVar

from attrs import frozen

from stigmem_plugins.errors import StigmemPluginError

PREFIX: Final = "STIGMEM_PLUGIN_"
SIGNING_REQUIRED: Final = f"{PREFIX}SIGNING_REQUIRED"
TRUSTED_PUBLISHERS: Final = f"{PREFIX}TRUSTED_PUBLISHERS"
OVERRIDE_PUBLISHERS: Final = f"{PREFIX}TRUST_OVERRIDE_PUBLISHERS"
AUTO_DISCOVERY_ENABLED: Final = f"{PREFIX}AUTO_DISCOVERY_ENABLED"
TRUST_POLICY: Final = f"{PREFIX}TRUST_POLICY"
TRUSTED_ROOT: Final = f"{PREFIX}TRUSTED_ROOT"
PLUGIN_DIR: Final = f"{PREFIX}DIR"
UNSIGNED_ACK: Final = f"{PREFIX}UNSIGNED_ACK"
"""`i-understand-plugins-are-unsigned`, without which stigmem-node lets nobody turn signing off."""
SETTING_NAMES: Final = frozenset(
    {
        SIGNING_REQUIRED,
        TRUSTED_PUBLISHERS,
        OVERRIDE_PUBLISHERS,
        AUTO_DISCOVERY_ENABLED,
        TRUST_POLICY,
        TRUSTED_ROOT,
        PLUGIN_DIR,
        UNSIGNED_ACK,
    }
)
"""Variables that are settings of the layer, hence never configuration of a plugin."""
PATHS: Final = {
    "plugin_trust_policy": TRUST_POLICY,
    "plugin_trusted_root": TRUSTED_ROOT,
    "plugin_dir": PLUGIN_DIR,
}
"""Attributes of settings that name files or folders, with the variable of each."""

SIGNING_OFF: Final = f"{SIGNING_REQUIRED}=false"
ACKNOWLEDGEMENT: Final = "i-understand-plugins-are-unsigned"
"""What nodes whose settings have `plugin_unsigned_ack` want to read there, if signing is off."""

TRUE_WORDS: Final = frozenset({"1", "true", "yes", "on"})
FALSE_WORDS: Final = frozenset({"0", "false", "no", "off"})
_T = TypeVar("_T")


class SettingsLike(Protocol):
    """What a host's own settings object must offer; its attributes are read when needed.

    It may also have `plugin_trust_policy`, `plugin_trusted_root` and `plugin_dir`, paths of which
    the environment's are taken where the object does not have the attribute. If it has
    `plugin_unsigned_ack`, signing can be off only while that holds the acknowledgement.
    """

    @property
    def plugin_signing_required(self) -> bool:
        """Whether only plugins with a trusted signature load."""

    @property
    def plugin_trusted_publishers(self) -> str | Iterable[str]:
        """Accepted signing identities, as a comma list or an iterable."""

    @property
    def plugin_trust_override_publishers(self) -> str | Iterable[str]:
        """Identities accepted as audited exceptions."""

    @property
    def plugin_auto_discovery_enabled(self) -> bool:
        """Whether installed plugins are looked for at all."""


@frozen
class PluginSettings:
    """The settings of the plugin layer.

    Example:
        >>> environ = {"STIGMEM_PLUGIN_SIGNING_REQUIRED": "off"}
        >>> PluginSettings.from_environment(environ).plugin_signing_required
        False
        >>> PluginSettings.from_environment({}).plugin_signing_required
        True
    """

    plugin_signing_required: bool = True
    """Whether only plugins with a trusted signature load."""
    plugin_trusted_publishers: tuple[str, ...] = ()
    """Signing identities that are accepted."""
    plugin_trust_override_publishers: tuple[str, ...] = ()
    """Signing identities that are accepted as exceptions, which the audit trail shows."""
    plugin_auto_discovery_enabled: bool = True
    """Whether installed plugins are looked for at all."""
    plugin_trust_policy: str | None = None
    """A TOML file that says what each publisher may sign, and what is denied."""
    plugin_trusted_root: str | None = None
    """A file with the keys of a Sigstore instance, in the place of the pinned one."""
    plugin_dir: str | None = None
    """A directory of plugins besides the node's environment."""
    signing_off: str = SIGNING_OFF
    """What an operator sets to do without signatures, for hints."""

    @classmethod
    def from_environment(cls, environ: Mapping[str, str] | None = None) -> Self:
        """Read the settings from `environ`, by default the process's environment.

        Raises:
            StigmemPluginError: A value cannot be read; names the variable and what it takes.
        """
        source = os.environ if environ is None else environ
        return cls(
            plugin_signing_required=_flag(source, SIGNING_REQUIRED),
            plugin_trusted_publishers=identities(source.get(TRUSTED_PUBLISHERS, "")),
            plugin_trust_override_publishers=identities(source.get(OVERRIDE_PUBLISHERS, "")),
            plugin_auto_discovery_enabled=_flag(source, AUTO_DISCOVERY_ENABLED),
            signing_off=SIGNING_OFF,
            **{attribute: source.get(name) or None for attribute, name in PATHS.items()},
        )

    @classmethod
    def in_force(cls, source: SettingsLike | None = None) -> Self:
        """Read the settings off a host's own settings object, else from the environment.

        Raises:
            StigmemPluginError: A value cannot be read, or an attribute is missing or of the wrong
                type.
        """
        if source is None:
            return cls.from_environment()
        signing_off = SIGNING_OFF
        required = _attribute(source, "plugin_signing_required", _bool)
        if hasattr(source, "plugin_unsigned_ack"):
            signing_off = f"{SIGNING_OFF} and {UNSIGNED_ACK}={ACKNOWLEDGEMENT}"
            required = required or source.plugin_unsigned_ack != ACKNOWLEDGEMENT
        return cls(
            plugin_signing_required=required,
            signing_off=signing_off,
            plugin_trusted_publishers=_attribute(source, "plugin_trusted_publishers", identities),
            plugin_trust_override_publishers=_attribute(
                source, "plugin_trust_override_publishers", identities
            ),
            plugin_auto_discovery_enabled=_attribute(
                source, "plugin_auto_discovery_enabled", _bool
            ),
            **{
                attribute: _attribute(source, attribute, _path)
                if hasattr(source, attribute)
                else os.environ.get(name) or None
                for attribute, name in PATHS.items()
            },
        )


def parse_flag(text: str) -> bool:
    """A yes or no as an operator writes it.

    Raises:
        ValueError: It is neither; the message lists what is.

    Example:
        >>> parse_flag(" Yes "), parse_flag("0")
        (True, False)
    """
    word = text.strip().lower()
    if word in TRUE_WORDS:
        return True
    if word in FALSE_WORDS:
        return False
    message = f"must be one of {', '.join(sorted(TRUE_WORDS | FALSE_WORDS))}, not {text!r}"
    raise ValueError(message)


def identities(given: str | Iterable[str]) -> tuple[str, ...]:
    """Signing identities from a comma list or an iterable; blanks are dropped.

    Example:
        >>> identities("a@example.com, b@example.com,")
        ('a@example.com', 'b@example.com')
    """
    listed = given.split(",") if isinstance(given, str) else given
    return tuple(stripped for identity in listed if (stripped := identity.strip()))


def _bool(given: object) -> bool:
    if isinstance(given, bool):
        return given
    message = f"must be a bool, not {given!r}"
    raise TypeError(message)


def _path(given: object) -> str | None:
    if given is None or isinstance(given, (str, os.PathLike)):
        return os.fspath(given) or None if given else None
    message = f"must be a path or None, not {given!r}"
    raise TypeError(message)


def _attribute(source: object, name: str, read: Callable[[Any], _T]) -> _T:
    try:
        return read(getattr(source, name))
    except (AttributeError, TypeError) as error:
        message = f"the host's settings object has no usable {name!r}: {error}"
        fix = "see PluginSettings for the attributes that it needs"
        raise StigmemPluginError(message, fix=fix) from error


def _flag(environ: Mapping[str, str], name: str) -> bool:
    try:
        return parse_flag(environ.get(name, "true"))
    except ValueError as error:
        message = f"setting {name} {error}"
        raise StigmemPluginError(message, fix=f"correct {name}, or unset it") from None
