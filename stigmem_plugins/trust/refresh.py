"""Fetches a trusted root by TUF, when the operator asks for it.

No per-user cache is involved: metadata goes to a temporary folder, and every refresh starts from
the root of trust that this package carries.
"""

from __future__ import annotations

from importlib import resources
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Final

from stigmem_plugins.errors import FAILURES, StigmemPluginError, describe
from stigmem_plugins.trust.replacing import replacing
from stigmem_plugins.trust.root import TrustedRootFile

PRODUCTION: Final = "https://tuf-repo-cdn.sigstore.dev"
"""The TUF repository of the public instance."""
TARGET: Final = "trusted_root.json"


def fetch_trusted_root(path: Path, url: str = PRODUCTION, bootstrap: bytes | None = None) -> None:
    """Fetch the trusted root of an instance, verify it, and write it.

    Args:
        path: Where to; a file that is there is replaced at once.
        url: The instance's TUF repository.
        bootstrap: The TUF root to start from; default: that of the public instance.

    Raises:
        StigmemPluginError: It cannot be fetched, does not verify, or cannot be written. A file
            that was there is as it was.
    """
    from tuf.ngclient.updater import Updater  # noqa: PLC0415  # slow to import

    base = url.rstrip("/")
    with TemporaryDirectory(prefix="stigmem-trust-") as folder:
        try:
            updater = Updater(
                metadata_dir=folder,
                metadata_base_url=base,
                target_dir=folder,
                target_base_url=f"{base}/targets/",
                bootstrap=bootstrap or _pinned_root(),
            )
            updater.refresh()
            target = updater.get_targetinfo(TARGET)
            if target is None:
                message = f"it has no {TARGET}"
                raise LookupError(message)
            fetched = updater.download_target(target)
        except FAILURES as error:
            message = f"cannot fetch the trusted root from {url}: {describe(error)}"
            raise StigmemPluginError(message, fix="check the network and the URL") from error
        TrustedRootFile.in_force(fetched).read()
        try:
            with replacing(path) as file:
                file.write(Path(fetched).read_bytes())
        except OSError as error:
            message = f"cannot write {path}: {error.strerror}"
            raise StigmemPluginError(message, fix="make its folder, and make it writable") from None


def _pinned_root() -> bytes:
    return (resources.files(__package__) / "data" / "tuf_root.json").read_bytes()
