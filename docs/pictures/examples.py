"""Example plugins, signed by an authority that nobody else trusts, and commands that see them."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Final

from attrs import frozen

from stigmem_plugins.capabilities import Capability
from stigmem_plugins.cli.demo import PUBLISHER, TRUSTED
from stigmem_plugins.cli.demo.packages import install
from stigmem_plugins.settings import (
    OVERRIDE_PUBLISHERS,
    PLUGIN_DIR,
    PREFIX,
    TRUSTED_PUBLISHERS,
    TRUSTED_ROOT,
)
from stigmem_plugins.testing.sigstore import LocalAuthority
from stigmem_plugins.testing.sigstore.identities import GITHUB_ISSUER
from stigmem_plugins.testing.wheels import build_wheel


@frozen
class Example:
    """A plugin that does nothing, for the picture of a report."""

    name: str
    version: str
    capabilities: tuple[str, ...]
    hooks: tuple[str, ...]
    depends_on: tuple[str, ...] = ()
    publisher: str = PUBLISHER
    issuer: str = GITHUB_ISSUER

    @property
    def source(self) -> str:
        """The plugin's module."""
        uses = "".join(f"    ctx.{Capability(each).accessor}()\n" for each in self.capabilities)
        return f"""\
from stigmem_plugins import Allow, PluginManifest

def handle(ctx, *value, **_):
{uses}    return Allow()

def plugin_manifest():
    return PluginManifest(
        {self.name!r}, {self.version!r}, capabilities={self.capabilities!r},
        hooks=dict.fromkeys({self.hooks!r}, handle), depends_on={self.depends_on!r},
    )
"""

    def build(self, folder: Path) -> Path:
        """Write the wheel into a folder; returns its path."""
        module = self.name.replace("-", "_")
        return build_wheel(
            folder,
            self.name,
            {f"{module}.py": self.source},
            version=self.version,
            plugins={module: f"{module}:plugin_manifest"},
        )


FRIEND: Final = "release@north.example"
EXAMPLES: Final = (
    Example("example-tenants", "1.4.0", ("tenant.read",), ("tenant_resolve", "recall_filter")),
    Example(
        "example-provenance",
        "2.1.0",
        ("facts.read", "identity.read"),
        ("pre_assert_authorize", "federation_inbound_validate", "recall_filter"),
        ("example-tenants",),
    ),
    Example(
        "example-quota",
        "0.9.2",
        ("facts.read", "config.read"),
        ("pre_assert_authorize", "pre_recall_authorize", "capability_check"),
        ("example-tenants",),
    ),
    Example(
        "example-peers",
        "1.0.3",
        ("federation.read", "network.outbound"),
        ("federation_peer_authenticate", "federation_inbound_validate"),
        publisher=FRIEND,
        issuer="https://accounts.google.com",
    ),
    Example(
        "example-ledger",
        "3.0.1",
        ("audit.emit", "audit.read"),
        ("post_assert_audit", "post_recall_audit", "audit_emit"),
        ("example-provenance", "example-quota"),
    ),
    Example("example-redaction", "1.2.0", ("facts.read",), ("recall_filter", "recall_rank")),
)


def settings(place: Path, wheels: Sequence[tuple[Path, str, str]]) -> dict[str, str]:
    """Sign wheels and install them into a folder; the settings of a node that trusts them.

    Args:
        place: A folder; the settings name what is in it, from there.
        wheels: Each with who signs it, and who vouches for them.
    """
    authority = LocalAuthority()
    for wheel, publisher, issuer in wheels:
        authority.sign_wheel(wheel, identity=publisher, issuer=issuer)
    install([wheel for wheel, *_ in wheels], place / "plugins")
    authority.write_trusted_root(place / "trusted_root.json")
    return {
        PLUGIN_DIR: "plugins",
        TRUSTED_ROOT: "trusted_root.json",
        TRUSTED_PUBLISHERS: TRUSTED,
        OVERRIDE_PUBLISHERS: f"{FRIEND}@https://accounts.google.com",
    }


def run(place: Path, given: Mapping[str, str], *arguments: str) -> str:
    """What a command prints, to a terminal that shows bold letters."""
    inherited = {k: v for k, v in os.environ.items() if not k.startswith((PREFIX, "NO_COLOR"))}
    finished = subprocess.run(  # noqa: S603  # our own arguments, no shell
        [sys.executable, "-m", "stigmem_plugins", *arguments],
        cwd=place,
        env={**inherited, "FORCE_COLOR": "1", "TERM": "xterm", **given},
        capture_output=True,
        encoding="utf-8",
        check=True,
    )
    return finished.stdout
