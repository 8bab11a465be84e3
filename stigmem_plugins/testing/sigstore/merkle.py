"""The tree of RFC 6962, over which a transparency log proves what it holds."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence


def leaf_hash(content: bytes) -> bytes:
    """Return the hash under which an entry is in the tree."""
    return hashlib.sha256(b"\0" + content).digest()


def root_hash(leaves: Sequence[bytes]) -> bytes:
    """Return the hash over `leaves`, of which there is at least one."""
    if len(leaves) == 1:
        return leaves[0]
    middle = _middle(len(leaves))
    return hashlib.sha256(b"\1" + root_hash(leaves[:middle]) + root_hash(leaves[middle:])).digest()


def inclusion_path(leaves: Sequence[bytes]) -> list[bytes]:
    """Return the hashes that lead from the last of `leaves` to the root, lowest first."""
    if len(leaves) == 1:
        return []
    middle = _middle(len(leaves))
    return [*inclusion_path(leaves[middle:]), root_hash(leaves[:middle])]


def _middle(size: int) -> int:
    """Return the largest power of two below `size`."""
    return 1 << (size - 1).bit_length() - 1
