"""What a registry holds of each plugin, and the gate that says when it may take another."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any, Final

from attrs import field, frozen

from stigmem_hookspecs.values import FrozenDict
from stigmem_plugins.capabilities import PluginContext
from stigmem_plugins.config import Configuration
from stigmem_plugins.errors import RegistryFrozenError
from stigmem_plugins.manifest import PluginManifest
from stigmem_plugins.shim import Handler
from stigmem_plugins.trust.decision import UNDECIDED, UNSIGNED, PluginSigningInfo

MANUAL_SOURCE: Final = FrozenDict(type="manual")
NO_CLAIMS: Final = FrozenDict()


def _sorted(names: Iterable[str]) -> tuple[str, ...]:
    return tuple(sorted(names))


@frozen
class HandlerEntry:
    """A handler, for listings."""

    handler_name: str
    plugin_name: str


@frozen
class PluginInfo:
    """A registered plugin, for listings; the tuples are sorted."""

    name: str
    version: str
    capabilities: tuple[str, ...] = field(converter=_sorted)
    hooks: tuple[str, ...] = field(converter=_sorted)
    depends_on: tuple[str, ...] = field(converter=_sorted)
    discovery_source: Mapping[str, Any] = field(converter=FrozenDict)
    signed_by: str


@frozen(eq=False, repr=False)
class Candidate:
    """A plugin that asks to be registered.

    Args:
        manifest: Its manifest.
        discovery_source: Where it was found.
        signing: What was decided about its signature; None where nobody was asked to.
        claims: Signing facts that somebody stated without verification; shown as claims only.
    """

    manifest: PluginManifest
    discovery_source: Mapping[str, Any] = field(default=MANUAL_SOURCE, converter=FrozenDict)
    signing: PluginSigningInfo | None = None
    claims: Mapping[str, Any] = field(default=NO_CLAIMS, converter=FrozenDict)

    @property
    def name(self) -> str:
        """The plugin's name."""
        return self.manifest.name

    @property
    def signed_by(self) -> str:
        """The verified certificate identity, else `unsigned`: never a claim."""
        return self.signing.signing_identity if self.signing else UNSIGNED

    def signing_metadata(self) -> dict[str, Any]:
        """The trust decision and its reason; claims, if any, are kept apart under `claimed`."""
        decided = self.signing.audit_metadata() if self.signing else {}
        return {**decided, "claimed": dict(self.claims)} if self.claims else decided

    def audit_metadata(self) -> dict[str, Any]:
        """What audit events about the registration say."""
        manifest = self.manifest
        return {
            "version": manifest.version,
            "capabilities": _sorted(manifest.capabilities),
            "hooks": _sorted(manifest.hooks),
            "async_safe": manifest.async_safe,
            "requires_stigmem": manifest.requires_stigmem,
            "signed_by": self.signed_by,
            "discovery_source": dict(self.discovery_source),
            "signing": {**UNDECIDED, **self.signing_metadata()},
        }


@frozen(eq=False, repr=False)
class Registration:
    """A plugin that was admitted: everything that the registry knows of it."""

    candidate: Candidate
    context: PluginContext
    handlers: Mapping[str, Handler]
    configuration: Configuration = field(factory=Configuration)
    take_back: Callable[[], None] = field(default=lambda: None, repr=False)
    """Takes the context's handles back."""

    @property
    def secrets(self) -> tuple[str, ...]:
        """Configured values that must not be repeated."""
        return self.configuration.secrets

    @property
    def manifest(self) -> PluginManifest:
        """The plugin's manifest."""
        return self.candidate.manifest

    def info(self) -> PluginInfo:
        """The plugin as listings show it."""
        return PluginInfo(
            name=self.manifest.name,
            version=self.manifest.version,
            capabilities=self.manifest.capabilities,
            hooks=self.manifest.hooks,
            depends_on=self.manifest.depends_on,
            discovery_source=self.candidate.discovery_source,
            signed_by=self.candidate.signed_by,
        )


class Gate:
    """Says whether a registry takes registrations now.

    Sealed while plugins are loaded and admitted, so that nothing that they run, in whatever
    thread, can register; frozen for good once the host says so.

    Example:
        >>> gate = Gate()
        >>> with gate.sealed():
        ...     gate.check("plugin 'x'")
        Traceback (most recent call last):
        stigmem_plugins.errors.RegistryFrozenError: cannot register plugin 'x': the registry is \
sealed while plugins are loaded and admitted; register from the host, before or after
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._holder: object = None
        self._thread: int | None = None
        self._frozen = False

    def freeze(self, seal: object = None) -> None:
        """Take no registrations any more; doing it twice is no error.

        Raises:
            RegistryFrozenError: Somebody else holds the seal.
        """
        if not self._frozen:
            self.check("or freeze", seal)
            self._frozen = True

    def check(self, what: str, seal: object = None) -> None:
        """Refuse if frozen, or sealed by somebody else than the holder of `seal`.

        Raises:
            RegistryFrozenError: Says which.
        """
        if self._frozen:
            message = f"cannot register {what}: registry is frozen"
            fix = "register before freeze(), or make a new registry"
            raise RegistryFrozenError(message, fix=fix)
        if self._lock.locked() and (seal is None or seal is not self._holder):
            raise self._sealed_error(what)

    @contextmanager
    def sealed(self, what: str = "plugins") -> Iterator[object]:
        """Keep everybody else from registering while the block runs; yields the seal.

        Raises:
            RegistryFrozenError: It is sealed already.
        """
        if not self._lock.acquire(blocking=False):
            raise self._sealed_error(what)
        seal = object()
        self._holder, self._thread = seal, threading.get_ident()
        try:
            yield seal
        finally:
            self._holder = self._thread = None
            self._lock.release()

    @contextmanager
    def joined(self) -> Iterator[None]:
        """Like `sealed`, but goes on under a seal that this thread holds already.

        Raises:
            RegistryFrozenError: Another thread has sealed it.
        """
        if self._thread == threading.get_ident():
            yield
        else:
            with self.sealed():
                yield

    @staticmethod
    def _sealed_error(what: str) -> RegistryFrozenError:
        message = (
            f"cannot register {what}: the registry is sealed while plugins are loaded and admitted"
        )
        return RegistryFrozenError(message, fix="register from the host, before or after")
