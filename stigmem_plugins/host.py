"""The version of the node that plugins are for: what the host says, else what is installed."""

from __future__ import annotations

from typing import Final

from packaging.version import InvalidVersion, Version

from stigmem_plugins.errors import StigmemPluginError, shown

SURFACE_VERSION: Final = "0.9.0a12"
"""The node version whose hooks these are; assumed where no node is installed."""


def checked_version(version: str | None) -> str | None:
    """A version that a host passed, or None as it is.

    Raises:
        StigmemPluginError: It is not a PEP 440 version.

    Example:
        >>> checked_version("0.9.0.a12")
        '0.9.0a12'
    """
    try:
        return None if version is None else str(Version(version))
    except (InvalidVersion, TypeError):
        message = f"stigmem_version must be a PEP 440 version, not {shown(version)}"
        raise StigmemPluginError(
            message, fix="pass the node's version, such as '0.9.0a12'"
        ) from None


def host_version() -> str:
    """The installed node's version, else that of the surface."""
    return installed_node_version() or SURFACE_VERSION


def installed_node_version() -> str | None:
    """The version of the installed `stigmem-node` distribution, or None."""
    from importlib.metadata import PackageNotFoundError, version  # noqa: PLC0415  # slow to import

    try:
        return version("stigmem-node")
    except PackageNotFoundError:
        return None
