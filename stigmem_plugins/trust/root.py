"""The trusted root: the keys of the Sigstore instance whose signatures count.

The one of the public instance comes with this package, pinned, and is used unless the operator
names another. sigstore's own per-user cache is never read: whoever can write there would decide
whom the node trusts.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import date
from importlib import resources
from importlib.resources.abc import Traversable
from typing import TYPE_CHECKING, Any, Final

from attrs import field, frozen

from stigmem_plugins.errors import FAILURES, StigmemPluginError, describe
from stigmem_plugins.reading import read_named
from stigmem_plugins.settings import TRUSTED_ROOT

if TYPE_CHECKING:
    from sigstore.models import TrustedRoot

PINNED: Final = "pinned"
PINNED_ON: Final = date(2026, 11, 24)
"""When the pinned root was taken."""
PINNED_FROM: Final = "sigstore-python 4.5.1"
"""What carried it."""


@frozen
class ServiceKey:
    """A key of a service, and when it is valid.

    Args:
        service: The service's URL.
        start: The first day, as an ISO date; empty if the root does not say.
        end: The last day, likewise; empty as long as it has no end.

    Example:
        >>> key = ServiceKey("https://fulcio.sigstore.dev", "2021-03-07", "2022-12-31")
        >>> str(key), key.covers(date(2022, 12, 31)), key.covers(date(2023, 1, 1))
        ('https://fulcio.sigstore.dev, 2021-03-07 to 2022-12-31', True, False)
    """

    service: str
    start: str = ""
    end: str = ""

    def covers(self, day: date) -> bool:
        """Whether it is valid on a day."""
        return self.start <= day.isoformat() and (not self.end or day.isoformat() <= self.end)

    def __str__(self) -> str:
        """The service and the period, for listings."""
        period = f"{self.start or '?'} to {self.end}" if self.end else f"since {self.start or '?'}"
        return f"{self.service}, {period}"


@frozen
class TrustedRootFile:
    """A trusted root as JSON.

    Args:
        origin: The file that it is from, or `pinned` for the one of this package.
        text: The JSON.
    """

    origin: str
    text: str = field(repr=False)

    @classmethod
    def in_force(cls, path: str | None) -> TrustedRootFile:
        """The operator's root, else the pinned one.

        Args:
            path: The operator's, if there is one.

        Raises:
            StigmemPluginError: It cannot be read.

        Example:
            >>> TrustedRootFile.in_force(None).services()["certificate authority"][0]
            'https://fulcio.sigstore.dev, 2021-03-07 to 2022-12-31'
        """
        if path is None:
            return cls(PINNED, _pinned().read_text("utf-8"))
        try:
            return cls(path, read_named(path).decode())
        except (OSError, ValueError) as error:
            message = f"cannot read the trusted root {path}: {error}"
            raise StigmemPluginError(message, fix=f"correct {TRUSTED_ROOT}, or unset it") from None

    def read(self) -> TrustedRoot:
        """The root as sigstore has it.

        Raises:
            StigmemPluginError: It is none.
        """
        from sigstore.models import TrustedRoot  # noqa: PLC0415  # slow to import

        try:
            if self.origin != PINNED:
                return TrustedRoot.from_file(self.origin)
            with resources.as_file(_pinned()) as path:
                return TrustedRoot.from_file(str(path))
        except FAILURES as error:
            raise self.malformed(error) from None

    def services(self) -> dict[str, list[str]]:
        """The services whose keys it holds, each with when the keys are valid, for listings.

        Raises:
            StigmemPluginError: It is no trusted root.
        """
        return {label: list(map(str, keys)) for label, keys in self.keys().items()}

    def keys(self) -> dict[str, list[ServiceKey]]:
        """The keys that it holds, by what they are for.

        Raises:
            StigmemPluginError: It is no trusted root.
        """
        lists = {
            "certificate authority": "certificateAuthorities",
            "transparency log": "tlogs",
            "certificate log": "ctlogs",
            "timestamp authority": "timestampAuthorities",
        }
        try:
            document = json.loads(self.text)
            return {
                label: [_key(each) for each in document.get(key, [])]
                for label, key in lists.items()
            }
        except (ValueError, LookupError, TypeError, AttributeError, RecursionError) as error:
            raise self.malformed(error) from None

    def malformed(self, error: BaseException) -> StigmemPluginError:
        """The error of a file that is no trusted root."""
        reason = describe(error).partition(" [type=")[0]  # where pydantic quotes its input
        message = f"the trusted root {self.origin} is none: {' '.join(reason.split())}"
        fix = f"get it anew with `stigmem-plugins trust refresh`, or unset {TRUSTED_ROOT}"
        return StigmemPluginError(message, fix=fix)


def _pinned() -> Traversable:
    return resources.files(__package__) / "data" / "trusted_root.json"


def _key(service: Mapping[str, Any]) -> ServiceKey:
    holder = service if "validFor" in service else service["publicKey"]
    valid = holder.get("validFor", {})
    start, end = (str(valid.get(key, ""))[:10] for key in ("start", "end"))
    return ServiceKey(service.get("uri") or service.get("baseUrl") or "unnamed", start, end)
