"""The check of the trusted root, as far as its age can be told without a network."""

from __future__ import annotations

import shlex
from collections.abc import Iterator
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Final

from stigmem_plugins.cli.doctor.installation import Installation, Remedy
from stigmem_plugins.findings import Finding, Level
from stigmem_plugins.settings import TRUSTED_ROOT
from stigmem_plugins.trust.root import PINNED, PINNED_ON

ROOT_OUTDATED: Final = "root-outdated"
OLDEST: Final = 180
"""In days: until then an instance is unlikely to have changed all keys of a kind."""


def root_outdated(installation: Installation) -> Iterator[Finding]:
    """A root without a valid key of some kind, or one that nobody has renewed for long."""
    root, today = installation.root, installation.today
    renew = f"run `{_refresh(installation)}`"
    for kind, keys in root.keys().items():
        if keys and not any(key.covers(today) for key in keys):
            yield Finding(
                ROOT_OUTDATED,
                Level.WARN,
                f"none of its {kind} keys is valid on {today}: {keys[-1]}",
                code=f"{ROOT_OUTDATED}.no-valid-key",
                subject=root.origin,
                hint=f"{renew}: until then new signatures are refused",
            )
    taken = _taken(installation)
    if today < taken:
        yield Finding(
            ROOT_OUTDATED,
            Level.WARN,
            f"it is of {taken}, and the clock of this machine says {today}",
            code=f"{ROOT_OUTDATED}.clock",
            subject=root.origin,
            hint="set the clock",
        )
    if (age := (today - taken).days) > OLDEST:
        yield Finding(
            ROOT_OUTDATED,
            Level.WARN,
            f"it is of {taken}, {age} days ago: keys that are newer are not in it",
            code=f"{ROOT_OUTDATED}.old",
            subject=root.origin,
            hint=renew,
        )


def renew_root(installation: Installation) -> Iterator[Remedy]:
    """Fetch the root anew: over the network, so the operator runs it."""
    if any(f.code != f"{ROOT_OUTDATED}.clock" for f in root_outdated(installation)):
        lines = [_refresh(installation)]
        if installation.root.origin == PINNED:
            lines.append(f'export {TRUSTED_ROOT}="$PWD/trusted_root.json"')
        yield Remedy("Fetch the trusted root anew; this needs the network", tuple(lines))


def _refresh(installation: Installation) -> str:
    origin = installation.root.origin
    path = "trusted_root.json" if origin == PINNED else origin
    return f"stigmem-plugins trust refresh --output {shlex.quote(path)}"


def _taken(installation: Installation) -> date:
    """The day that the root is of: of a file, when it was written."""
    if installation.root.origin == PINNED:
        return PINNED_ON
    return datetime.fromtimestamp(Path(installation.root.origin).stat().st_mtime, UTC).date()
