"""The table of checks, and what goes through it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Final

from stigmem_plugins.cli.doctor import (
    admission,
    code,
    presence,
    publishers,
    roots,
    trust,
    unread,
)
from stigmem_plugins.cli.doctor.installation import Check, Installation, Remedy, Sees
from stigmem_plugins.cli.output import NotFound
from stigmem_plugins.errors import suggest
from stigmem_plugins.findings import Finding, Level

CHECKS: Final = (
    Check(
        presence.NOTHING_DISCOVERED,
        "No plugin is installed, or the node looks for none.",
        "there are plugins, and a node looks for them",
        presence.nothing_discovered,
        remedies=presence.switch_on,
    ),
    Check(
        presence.NAME_IN_TWO_PLACES,
        "Two places, such as the node's environment and the plugin directory, offer one name.",
        "every name is installed once",
        presence.name_in_two_places,
    ),
    Check(
        trust.UNSIGNED,
        "A plugin is not signed.",
        "no plugin is unsigned",
        trust.unsigned,
    ),
    Check(
        trust.SIGNATURE_INVALID,
        "A signature does not verify, or files or the manifest are not those that were signed.",
        "every signature verifies",
        trust.signature_invalid,
    ),
    Check(
        trust.UNTRUSTED,
        "A plugin is signed by somebody whom you do not trust with it, or denied.",
        "you trust every publisher with what they signed",
        trust.untrusted,
        remedies=trust.trust_publishers,
    ),
    Check(
        publishers.ISSUER_NOT_PINNED,
        "An accepted identity does not say who has to vouch for it.",
        "every accepted identity has its issuer",
        publishers.issuer_not_pinned,
        remedies=publishers.pin_issuers,
    ),
    Check(
        publishers.ANY_REF,
        "An accepted workflow may sign on any branch, also on those of pull requests.",
        "no workflow may sign on any ref",
        publishers.any_ref,
    ),
    Check(
        trust.OVERRIDE_IN_USE,
        "A plugin loads only because its publisher is an audited exception.",
        "no exception is needed",
        trust.override_in_use,
    ),
    Check(
        trust.SIGNING_OFF,
        "Signing is not required: anything that is installed is loaded.",
        "signing is required",
        trust.signing_off,
        remedies=trust.require_signing,
    ),
    Check(
        roots.ROOT_OUTDATED,
        "The trusted root has no valid key of some kind, or is old.",
        "the trusted root has valid keys, and is not old",
        roots.root_outdated,
        remedies=roots.renew_root,
    ),
    Check(
        admission.LOAD_FAILED,
        "A plugin raises when it is imported, or returns no manifest.",
        "every plugin loads",
        admission.load_failed,
        sees=Sees.LOADED,
    ),
    Check(
        admission.MANIFEST_INVALID_CHECK,
        "A start refuses a plugin's manifest: a handler cannot be called, say.",
        "every handler can be called",
        admission.manifest_invalid,
        sees=Sees.LOADED,
    ),
    Check(
        admission.INCOMPATIBLE_VERSION,
        "A plugin is made for another version of the node.",
        "every plugin is made for this node",
        admission.incompatible_version,
        sees=Sees.LOADED,
    ),
    Check(
        admission.DEPENDENCY_MISSING,
        "A plugin depends on one that is not installed.",
        "every dependency is installed",
        admission.dependency_missing,
        sees=Sees.LOADED,
    ),
    Check(
        admission.CYCLE,
        "Plugins depend on each other in a circle.",
        "there is no circle",
        admission.cycle,
        sees=Sees.LOADED,
    ),
    Check(
        admission.CONFIG_INVALID,
        "A plugin's configuration is not valid, or a `config_validate` handler objects.",
        "every configuration is valid",
        admission.config_invalid,
        sees=Sees.LOADED,
    ),
    Check(
        unread.SETTING_UNREAD,
        "Nothing reads a variable or a table that is set: it is misspelled, say.",
        "every variable and table has a reader",
        unread.setting_unread,
    ),
    Check(
        code.UNHEALTHY,
        "A plugin's own health check fails, hangs, or reports that something is wrong.",
        "no health check reports anything",
        code.unhealthy,
        sees=Sees.ACCEPTED,
    ),
    Check(
        code.CAPABILITY_UNUSED,
        "A plugin asks for a capability that its code never uses.",
        "every capability that is asked for is used",
        code.capability_unused,
        sees=Sees.LOADED,
    ),
    Check(
        code.NEVER_CALLED,
        "A handler can never be called, or never with the plugin layer's own events.",
        "no handler is known to be in vain",
        code.never_called,
        sees=Sees.ACCEPTED,
        remedies=code.uninstall_left_out,
    ),
)
"""All checks of `doctor`, in the order in which a start would come to them."""


def diagnose(
    names: Sequence[str] = (), installation: Installation | None = None
) -> tuple[Finding, ...]:
    """Check an installation.

    Args:
        names: The checks to make; none stands for all.
        installation: What to check; default: `Installation.look()`.

    Returns:
        The findings, check by check; one of level `ok` for a check that finds nothing.

    Raises:
        NotFound: There is no check of a name.
        StigmemPluginError: What `Installation.look()` raises.
    """
    wanted = chosen(names)
    seen = installation or Installation.look()
    return tuple(finding for check in wanted for finding in _findings(check, seen))


def _findings(check: Check, installation: Installation) -> Iterator[Finding]:
    findings = list(check.look(installation))
    yield from findings
    told = {finding.subject for finding in findings}
    missed = [each.name for each in check.sees.misses(installation) if each.name not in told]
    if missed:
        why = "does not load" if check.sees is Sees.LOADED else "refuses"
        message = f"not checked for {', '.join(missed)}, which a start {why}"
        yield Finding(check.name, Level.SKIP, message, code=f"{check.name}.not-checked")
    elif not findings:
        yield Finding(check.name, Level.OK, check.well)


def remedies(names: Sequence[str], installation: Installation) -> tuple[Remedy, ...]:
    """What can be done at once about what the checks find; nothing of it is done.

    Args:
        names: The checks; none stands for all.
        installation: What was checked.

    Raises:
        NotFound: There is no check of a name.
    """
    return tuple(each for check in chosen(names) for each in check.remedies(installation))


def chosen(names: Sequence[str]) -> list[Check]:
    """The checks of these names, in the table's order; all of them for none.

    Raises:
        NotFound: There is no check of a name; the nearest is suggested.

    Example:
        >>> [check.name for check in chosen(["cycle", "unsigned"])]
        ['unsigned', 'cycle']
    """
    known = [check.name for check in CHECKS]
    for name in names:
        if name not in known:
            message = f"there is no check {name!r}{suggest(name, known)}"
            raise NotFound(message, "`stigmem-plugins doctor --list` shows them")
    return [check for check in CHECKS if not names or check.name in names]
