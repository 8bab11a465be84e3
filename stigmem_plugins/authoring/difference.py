"""What changed from one version of a distribution to another, and whether its rights grew."""

from __future__ import annotations

from collections.abc import Iterator
from collections.abc import Set as AbstractSet
from typing import Any, Final

from attrs import frozen

from stigmem_plugins.authoring.snapshot import Publisher, Rights, Snapshot
from stigmem_plugins.trust.signer import Signer

TAGS: Final = "@refs/tags/"
"""What is between workflow and version in the identity of a release that is signed in CI."""


@frozen
class Change:
    """One thing that is different.

    Args:
        what: `publisher`, `plugin`, `capability`, `hook`, `depends on`, `dependency`,
            `requires`, `name` or `version`.
        plugin: Which plugin it is about; None if it is about the distribution.
        old: What it was; None if it was not there.
        new: What it is; None if it is gone.
        grows: Whether the plugin may do more than before, or somebody else answers for it.
    """

    what: str
    plugin: str | None
    old: str | None
    new: str | None
    grows: bool = False

    def facts(self) -> dict[str, Any]:
        """The same as names and JSON values."""
        kind = "added" if self.old is None else "removed" if self.new is None else "changed"
        return {
            "what": self.what,
            "change": kind,
            "plugin": self.plugin,
            "old": self.old,
            "new": self.new,
            "grows": self.grows,
        }


@frozen
class Difference:
    """All that is different.

    Args:
        changes: The changes; those by which rights grow first.
        unknown: What could not be compared, in words.
    """

    changes: tuple[Change, ...]
    unknown: tuple[str, ...]

    @property
    def grows(self) -> bool:
        """Whether rights grow by one of them."""
        return any(change.grows for change in self.changes)


def compare(old: Snapshot, new: Snapshot) -> Difference:
    """Compare two versions.

    Example:
        >>> old = Snapshot("old", plugins=(Rights("a", capabilities=frozenset()),))
        >>> new = Snapshot("new", plugins=(Rights("a", capabilities=frozenset({"facts.read"})),))
        >>> compare(old, new).grows, compare(new, old).grows
        (True, False)
    """
    pairs = _paired(old, new)
    changes = [
        *_publisher(old.publisher, new.publisher),
        *_text("distribution", None, old.name, new.name),
        *_text("version", None, old.version, new.version),
        *(each for pair in pairs for each in _plugin(*pair) if not _is_release(each, old, new)),
        *_dependencies(old, new),
    ]
    unknown = [note for pair in pairs for note in _unknown(*pair)]
    for when, snapshot in (("old", old), ("new", new)):
        unknown += [f"what else the {when} one runs: {each}" for each in snapshot.unclear]
    if old.digest == new.digest:
        unknown = []
    return Difference(tuple(sorted(changes, key=lambda each: not each.grows)), tuple(unknown))


def _is_release(change: Change, old: Snapshot, new: Snapshot) -> bool:
    """Whether it is a plugin's version that changes as its distribution's does."""
    return (change.what, change.old, change.new) == ("version", old.version, new.version)


def _paired(old: Snapshot, new: Snapshot) -> list[tuple[Rights | None, Rights | None]]:
    """Each plugin before and after: found again by its name, else by its entry point."""
    left = list(new.plugins)
    pairs: dict[int, Rights] = {}
    for key in ("name", "entry_point"):
        for number, before in enumerate(old.plugins):
            name = getattr(before, key)
            after = next((each for each in left if name and getattr(each, key) == name), None)
            if number not in pairs and after is not None:
                pairs[number] = after
                left.remove(after)
    known = [(before, pairs.get(number)) for number, before in enumerate(old.plugins)]
    return [*known, *((None, after) for after in left)]


def _plugin(old: Rights | None, new: Rights | None) -> Iterator[Change]:
    called = {each.name or each.entry_point for each in (old, new) if each is not None}
    name = called.pop() if len(called) == 1 else str(old and old.entry_point)
    if old is None or new is None:
        was, now = (None, name) if old is None else (name, None)
        yield Change("plugin", name, was, now, grows=old is None)
    nothing = Rights(name, "", "", "", frozenset(), frozenset(), frozenset())
    before, after = old or nothing, new or nothing
    yield from _set("capability", name, before.capabilities, after.capabilities, grows=True)
    yield from _set("hook", name, before.hooks, after.hooks, grows=True)
    yield from _set("depends on", name, before.depends_on, after.depends_on)
    if old is not None and new is not None:
        yield from _text("name", name, old.name, new.name)
        yield from _text("version", name, old.version, new.version)
        yield from _text("requires", name, old.requires_stigmem, new.requires_stigmem)


def _set(
    what: str,
    plugin: str,
    old: AbstractSet[str] | None,
    new: AbstractSet[str] | None,
    *,
    grows: bool = False,
) -> Iterator[Change]:
    if old is None or new is None:
        return
    for name in sorted(new - old):
        yield Change(what, plugin, None, name, grows=grows)
    for name in sorted(old - new):
        yield Change(what, plugin, name, None)


def _text(what: str, plugin: str | None, old: str | None, new: str | None) -> Iterator[Change]:
    if old != new and old is not None and new is not None:
        yield Change(what, plugin, old, new)


def _dependencies(old: Snapshot, new: Snapshot) -> Iterator[Change]:
    for name in sorted(old.dependencies.keys() | new.dependencies.keys()):
        before, after = old.dependencies.get(name), new.dependencies.get(name)
        if before != after:
            yield Change("dependency", None, before, after)


def _unknown(old: Rights | None, new: Rights | None) -> Iterator[str]:
    for when, rights in (("old", old), ("new", new)):
        if rights is not None:
            name = rights.name or rights.entry_point
            what = [each for each in ("capabilities", "hooks") if getattr(rights, each) is None]
            if what:
                yield f"the {' and '.join(what)} of the {when} {name}"


def _publisher(old: Publisher, new: Publisher) -> Iterator[Change]:
    same = is_same_publisher(old.signer, new.signer)
    if not same or old.verified != new.verified:
        grows = old.signer is not None and (old.verified or not same)
        yield Change("publisher", None, str(old), str(new), grows=grows)


def is_same_publisher(one: Signer | None, other: Signer | None) -> bool:
    """Whether two signers are one publisher: a workflow is, at whatever tag it releases.

    Example:
        >>> ci = "https://github.com/acme/plugin/.github/workflows/release.yml"
        >>> first, second = Signer(f"{ci}@refs/tags/v1"), Signer(f"{ci}@refs/tags/v2")
        >>> is_same_publisher(first, second)
        True
        >>> is_same_publisher(first, Signer(f"{ci}@refs/heads/main"))
        False
    """
    if one is None or other is None:
        return one is other
    (a, tagged, _), (b, also_tagged, _) = (s.identity.partition(TAGS) for s in (one, other))
    return (a, tagged, one.issuer) == (b, also_tagged, other.issuer)
