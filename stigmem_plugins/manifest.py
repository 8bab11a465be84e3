"""The manifest: what a plugin says about itself."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from typing import Any, Final, Never

from attrs import fields, frozen
from packaging.version import InvalidVersion, Version

from stigmem_hookspecs import HOOK_SPECS
from stigmem_hookspecs.values import FrozenDict
from stigmem_plugins.capabilities import CAPABILITY_ALLOWLIST, plain, unknown_capabilities
from stigmem_plugins.errors import ManifestError, suggest

NAME_PATTERN: Final = re.compile(r"[a-z][a-z0-9-]{2,63}")
RESERVED_NAMES: Final = frozenset({"core", "system"})
DEFAULT_REQUIRES_STIGMEM: Final = ">=0.9.0a1"


@frozen(init=False)
class PluginManifest:
    """A plugin's name, version, needs and hook handlers; immutable once made.

    Args:
        name: Lower-case letters, digits and dashes, 3 to 64 characters, a letter first; not
            `core` or `system`. It need not be the distribution's name.
        version: A PEP 440 version.
        requires_stigmem: A PEP 440 specifier that the host node's version must meet.
        capabilities: What handlers may ask their context for; see `Capability`.
        async_safe: Whether handlers may run in an event loop's thread.
        hooks: Handlers by hook name; copied into a read-only mapping.
        routes: Routers for the host to mount; opaque to the plugin layer.
        health_check: Called as `health_check(ctx)`, returns a `PluginHealth`.
        config_schema: An attrs, dataclass or pydantic class; an instance of it, made from the
            operator's settings, is `ctx.config`.
        depends_on: Names of plugins that must be registered, and run, before this one.

    Raises:
        ManifestError: One error that lists all faults.
        TypeError: An unknown keyword; the nearest field is suggested.

    Example:
        >>> manifest = PluginManifest(
        ...     name="example-plugin", version="1.0.0", hooks={"audit_emit": lambda ctx, **_: None}
        ... )
        >>> manifest.requires_stigmem, manifest.capabilities
        ('>=0.9.0a1', frozenset())
        >>> PluginManifest(name="Example", version="one")
        Traceback (most recent call last):
        stigmem_plugins.errors.ManifestError: plugin 'Example': name must match \
[a-z][a-z0-9-]{2,63}; invalid version 'one': use a PEP 440 version such as '1.0.0'
    """

    name: str
    version: str
    requires_stigmem: str
    capabilities: frozenset[str]
    async_safe: bool
    hooks: Mapping[str, Callable[..., Any]]
    routes: tuple[Any, ...]
    health_check: Callable[..., Any] | None
    config_schema: type[Any] | None
    depends_on: frozenset[str]

    def __init__(
        self,
        name: str,
        version: str,
        requires_stigmem: str = DEFAULT_REQUIRES_STIGMEM,
        capabilities: Iterable[str] = frozenset(),
        async_safe: bool = True,  # noqa: FBT001, FBT002  # the order of fields is published API
        hooks: Mapping[str, Callable[..., Any]] = FrozenDict(),  # read-only
        routes: Iterable[Any] = (),
        health_check: Callable[..., Any] | None = None,
        config_schema: type[Any] | None = None,
        depends_on: Iterable[str] = frozenset(),
        **unknown: Never,
    ) -> None:
        if hasattr(self, "depends_on"):
            message = "a PluginManifest is immutable; make a new one"
            raise TypeError(message)
        for keyword in unknown:
            known = [attribute.name for attribute in fields(PluginManifest)]
            message = f"PluginManifest has no field {keyword!r}{suggest(keyword, known)}"
            raise TypeError(message)
        faults: list[str] = []
        self.__attrs_init__(
            name=_name(name, faults),
            version=_version(version, faults),
            requires_stigmem=_specifier(requires_stigmem, faults),
            capabilities=_capabilities(capabilities, faults),
            async_safe=_flag(async_safe, faults),
            hooks=_hooks(hooks, faults),
            routes=_routes(routes, faults),
            health_check=_health_check(health_check, faults),
            config_schema=_config_schema(config_schema, faults),
            depends_on=_depends_on(depends_on, faults),
        )
        if self.name in self.depends_on:
            faults.append("depends_on names the plugin itself: remove it")
        if faults:
            message = f"plugin {name!r}: {'; '.join(faults)}"
            raise ManifestError(message, plugin=str(name))


def _name(given: Any, faults: list[str]) -> str:
    if not isinstance(given, str) or not NAME_PATTERN.fullmatch(given):
        faults.append(f"name must match {NAME_PATTERN.pattern}")
        return ""
    if given in RESERVED_NAMES:
        faults.append(f"name {given!r} is reserved for the node itself: choose another")
    return plain(given)


def _flag(given: Any, faults: list[str]) -> Any:
    if not isinstance(given, bool):
        faults.append(f"async_safe must be a bool, not {given!r}")
    return given


def _health_check(given: Any, faults: list[str]) -> Any:
    if given is not None and not callable(given):
        faults.append(f"health_check must be callable, not {given!r}")
    return given


def _config_schema(given: Any, faults: list[str]) -> Any:
    if given is not None and not isinstance(given, type):
        faults.append(f"config_schema must be a class, not {given!r}")
    return given


def _version(given: Any, faults: list[str]) -> Any:
    try:
        Version(given)
    except (InvalidVersion, TypeError):
        faults.append(f"invalid version {given!r}: use a PEP 440 version such as '1.0.0'")
    return given


def _specifier(given: Any, faults: list[str]) -> Any:
    # packaging's module brings subprocess and platform: a node without plugins needs neither.
    from packaging.specifiers import InvalidSpecifier, SpecifierSet  # noqa: PLC0415

    try:
        SpecifierSet(given)
    except (InvalidSpecifier, TypeError, AttributeError):
        faults.append(
            f"invalid requires_stigmem {given!r}: use a PEP 440 specifier such as "
            f"{DEFAULT_REQUIRES_STIGMEM!r}"
        )
    return given


def _names(field: str, given: Any, faults: list[str]) -> frozenset[str]:
    listed = [given] if isinstance(given, str) or not isinstance(given, Iterable) else list(given)
    if isinstance(given, str) or not all(isinstance(name, str) for name in listed):
        faults.append(f"{field} must be a set of names, not {given!r}")
        return frozenset()
    return frozenset(map(plain, listed))


def _capabilities(given: Any, faults: list[str]) -> frozenset[str]:
    names = _names("capabilities", given, faults)
    if unknown := names - CAPABILITY_ALLOWLIST:
        faults.append(unknown_capabilities(unknown))
    return names


def _depends_on(given: Any, faults: list[str]) -> frozenset[str]:
    return _names("depends_on", given, faults)


def _hooks(given: Any, faults: list[str]) -> FrozenDict:
    if not isinstance(given, Mapping):
        faults.append(f"hooks must map hook names to handlers, not be {given!r}")
        return FrozenDict()
    if unknown := sorted(str(hook) for hook in given if hook not in HOOK_SPECS):
        named = ", ".join(f"{hook!r}{suggest(hook, HOOK_SPECS)}" for hook in unknown)
        faults.append(f"unknown plugin hooks: {named}")
    for hook, handler in given.items():
        if not callable(handler):
            faults.append(f"the handler of {hook!r} must be callable, not {handler!r}")
    return FrozenDict({plain(hook): h for hook, h in given.items() if isinstance(hook, str)})


def _routes(given: Any, faults: list[str]) -> tuple[Any, ...]:
    if not isinstance(given, Iterable):
        faults.append(f"routes must be an iterable of routers, not {given!r}")
        return ()
    return tuple(given)


_READERS: Final[Mapping[str, Callable[[Any, list[str]], Any]]] = {
    "name": _name,
    "version": _version,
    "requires_stigmem": _specifier,
    "capabilities": _capabilities,
    "async_safe": _flag,
    "hooks": _hooks,
    "routes": _routes,
    "health_check": _health_check,
    "config_schema": _config_schema,
    "depends_on": _depends_on,
}
FIELDS: Final = tuple(_READERS)
"""The fields of a manifest, in the order of its arguments."""


def field_faults(field: str, value: Any) -> list[str]:
    """What is wrong with a value for one field of a manifest, in words; empty if nothing is.

    Args:
        field: The field's name, one of `FIELDS`.
        value: The value.

    Example:
        >>> field_faults("version", "one")
        ["invalid version 'one': use a PEP 440 version such as '1.0.0'"]
        >>> field_faults("capabilities", {"facts.read"})
        []
    """
    faults: list[str] = []
    _READERS[field](value, faults)
    return faults
