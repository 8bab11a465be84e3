"""The demonstration: two signed plugins, installed with pip, in a small node."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Final

from stigmem_plugins.cli.demo.narration import say, scene
from stigmem_plugins.cli.demo.packages import PACKAGES, install
from stigmem_plugins.cli.output import Failed
from stigmem_plugins.settings import (
    PLUGIN_DIR,
    PREFIX,
    SIGNING_REQUIRED,
    TRUSTED_PUBLISHERS,
    TRUSTED_ROOT,
)

PUBLISHER: Final = "https://github.com/acme/plugins/.github/workflows/release.yml@refs/tags/v1.0.0"
TRUSTED: Final = "https://github.com/acme/plugins/.github/workflows/release.yml@refs/tags/*"
FOLDER: Final = "plugins"


def run() -> None:
    """Make the plugins, sign and install them, and start nodes that find them.

    Raises:
        Failed: There is no pip, or a part of the demonstration did not end as it must.
    """
    from stigmem_plugins.testing.sigstore import LocalAuthority  # noqa: PLC0415  # slow to import

    with TemporaryDirectory(prefix="stigmem-demo-") as folder:
        place = Path(folder)
        scene("1. Two plugin packages are made, signed, and installed with pip")
        authority = LocalAuthority()
        wheels = [package.build(place) for package in PACKAGES]
        for package, wheel in zip(PACKAGES, wheels, strict=True):
            authority.sign_wheel(wheel, identity=PUBLISHER)
            say(f"{package.distribution} {package.version}, which requires {package.requires}")
        say(f"signed as {PUBLISHER}")
        say(
            "by a throwaway Sigstore authority, made for this demo and forgotten after it; its "
            "trusted root stands in for that of the public one"
        )
        install(wheels, place / FOLDER)
        say("pip install --no-deps --no-index --target, into a plugin directory")
        root = authority.write_trusted_root(place / "trusted_root.json")
        settings = {PLUGIN_DIR: str(place / FOLDER), TRUSTED_ROOT: str(root)}
        _start_node("stranger", place, **settings)
        _start_node("production", place, **settings, **{TRUSTED_PUBLISHERS: TRUSTED})
        _start_node("tampered", place, **settings, **{TRUSTED_PUBLISHERS: TRUSTED})
        _start_node("faults", place, **{SIGNING_REQUIRED: "false"})
    scene("Done. The temporary folder is removed.")


def _start_node(part: str, place: Path, **settings: str) -> None:
    """Run a part in a process of its own, with no settings of the plugin layer but these."""
    environment = {k: v for k, v in os.environ.items() if not k.upper().startswith(PREFIX)}
    environment |= {"PYTHONPATH": os.pathsep.join(filter(None, sys.path)), **settings}
    sys.stdout.flush()
    result = subprocess.run(  # noqa: S603  # our own arguments, no shell
        [sys.executable, "-m", __name__, part, str(place)],
        cwd=place,  # a pyproject.toml where the user is would configure plugins
        env=environment,
        check=False,
    )
    if result.returncode:
        message = f"the demo's part {part!r} failed with exit code {result.returncode}"
        raise Failed(message)
