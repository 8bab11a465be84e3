"""Every error that this package raises, under one root.

Each carries what happened (`message`), what to do about it (`fix`) and, where one is to
blame, the plugin's name (`plugin`). `str()` gives message and fix in one sentence each.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

TEXT_LIMIT: Final = 500
"""How many characters of foreign text (exceptions, reasons) an error or audit event repeats."""


SHORTEST_SECRET: Final = 4

FAILURES: Final = (Exception, SystemExit)
"""What plugin code may raise to its own account; any other BaseException is the host's."""


class StigmemPluginError(Exception):
    """The root of all errors of the plugin layer.

    Args:
        message: The facts: which plugin, hook, file or value, and what is wrong with it.
        plugin: The plugin that it is about, if one is.
        fix: What to do, as an instruction.

    Example:
        >>> error = StigmemPluginError("plugin 'a' is odd", plugin="a", fix="reinstall it")
        >>> str(error)
        "plugin 'a' is odd; reinstall it"
        >>> error.message, error.plugin, error.fix
        ("plugin 'a' is odd", 'a', 'reinstall it')
    """

    def __init__(self, message: str, *, plugin: str | None = None, fix: str | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.plugin = plugin
        self.fix = fix

    def __str__(self) -> str:
        return f"{self.message}; {self.fix}" if self.fix else self.message


class ManifestError(StigmemPluginError, ValueError):
    """A manifest, or a handler or hook name in it, cannot be accepted."""


class CapabilityError(StigmemPluginError, PermissionError):
    """A plugin asked its context for something that its manifest does not declare."""


class PluginExecutionError(StigmemPluginError, RuntimeError):
    """A handler raised, or returned what its hook does not allow.

    The handler's own exception is the `__cause__`.
    """


class HandlerTimeoutError(StigmemPluginError, TimeoutError):
    """A handler did not return by its deadline: the cause of the error that a host gets.

    A `TimeoutError` that the handler raised itself stays what it is.
    """


class PluginDiscoveryError(StigmemPluginError, RuntimeError):
    """Installed plugins could not be read or loaded; the message names every one of them."""


class PluginDependencyError(StigmemPluginError, RuntimeError):
    """A plugin's `depends_on` is not met, or goes round in a circle."""


class PluginMigrationError(StigmemPluginError, RuntimeError):
    """A schema migration cannot be applied; raised by hosts."""


class PluginSignatureError(StigmemPluginError, RuntimeError):
    """A plugin is not signed by a publisher that the operator trusts.

    Args:
        message: What is wrong with its signature, files or publisher.
        plugin: The plugin.
        fix: What to do.
        checked: False if that could not be found out: something cannot be read.
    """

    def __init__(
        self,
        message: str,
        *,
        plugin: str | None = None,
        fix: str | None = None,
        checked: bool = True,
    ) -> None:
        super().__init__(message, plugin=plugin, fix=fix)
        self.checked = checked


class RegistryFrozenError(StigmemPluginError, RuntimeError):
    """Something tried to register while the registry does not take registrations."""


class RejectError(StigmemPluginError, RuntimeError):
    """Raised by a voting handler: the same as returning `Deny(reason)`.

    Args:
        reason: Why, in words that the caller may be shown.
    """

    reason = "no reason given"  # for a subclass that does not call __init__

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


def suggest(name: str, known: Iterable[str]) -> str:
    """The nearest known name, phrased to follow a wrong one; empty if none is near.

    Example:
        >>> suggest("recal_rank", ["recall_rank", "audit_emit"])
        " (did you mean 'recall_rank'?)"
        >>> suggest("zzz", ["recall_rank"])
        ''
    """
    from difflib import get_close_matches  # noqa: PLC0415  # only for who made a mistake

    near = get_close_matches(name, list(known), n=1)
    return f" (did you mean {near[0]!r}?)" if near else ""


def bounded(text: str, secrets: Iterable[str] = ()) -> str:
    """Foreign text made fit to repeat: secret values masked, length limited to `TEXT_LIMIT`.

    Secrets of fewer than four characters are not looked for: they are in every other word.

    Example:
        >>> bounded("login with hunter2 failed", ["hunter2"])
        'login with *** failed'
        >>> len(bounded("x" * 10_000))
        500
    """
    text = without(text, secrets)
    return text if len(text) <= TEXT_LIMIT else text[: TEXT_LIMIT - 1] + "…"


def without(text: str, secrets: Iterable[str]) -> str:
    """Foreign text of any length, secret values masked as `bounded` does.

    Example:
        >>> without("login with hunter2 failed", ["hunter2"])
        'login with *** failed'
    """
    for secret in sorted(secrets, key=len, reverse=True):
        if len(secret) >= SHORTEST_SECRET:
            text = text.replace(secret, "***").replace(repr(secret)[1:-1], "***")
    return text


def shown(value: object, secrets: Iterable[str] = ()) -> str:
    """A foreign value as `repr` has it, fit to repeat; its type's name where that fails.

    Example:
        >>> shown("1.5"), shown(float("nan"))
        ("'1.5'", 'nan')
    """
    try:
        return bounded(repr(value), secrets)
    except FAILURES:
        return f"a {type(value).__name__}"


def describe(error: BaseException, secrets: Iterable[str] = ()) -> str:
    """An exception as `Type: text`, fit to repeat; survives a broken `__str__`.

    Example:
        >>> describe(ValueError("no"))
        'ValueError: no'
        >>> describe(KeyError())
        'KeyError'
    """
    try:
        text = str(error)
    except FAILURES:
        text = "(no text: its __str__ failed)"
    name = type(error).__name__
    return bounded(f"{name}: {text}" if text else name, secrets)
