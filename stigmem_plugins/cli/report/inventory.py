"""The sections of the report about plugins and their publishers."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from packaging.utils import canonicalize_name

from stigmem_plugins.capabilities import Capability
from stigmem_plugins.cli.output import ACCEPTED
from stigmem_plugins.cli.report.known import Known, shown_name
from stigmem_plugins.cli.report.markup import Content, Markup, breakable, element, join
from stigmem_plugins.cli.report.pieces import (
    TONES,
    Section,
    code,
    hidden,
    names,
    note,
    row,
    state,
    table,
)
from stigmem_plugins.discovery import ENTRY_POINT_GROUP
from stigmem_plugins.findings import Finding, Level
from stigmem_plugins.trust.decision import (
    DEVELOPMENT_UNSIGNED_OVERRIDE,
    NOT_VERIFIED,
    OPERATOR_OVERRIDE,
    TRUSTED_PUBLISHER,
    UNSIGNED,
)

NOBODY: Final = frozenset({UNSIGNED, NOT_VERIFIED})
"""What stands in the place of a publisher where there is none."""
DECISIONS: Final = {
    TRUSTED_PUBLISHER: "trusted publisher",
    OPERATOR_OVERRIDE: "operator's exception",
    DEVELOPMENT_UNSIGNED_OVERRIDE: "signing is off",
}
WORST_FIRST: Final = (Level.FAIL, Level.WARN, Level.SKIP)


def findings(known: Known) -> Section:
    """What `doctor` found, the worst first; of checks that passed only the names."""
    found = known.findings
    told = [each for level in WORST_FIRST for each in found if each.level is level]
    passed = sorted({each.check for each in found if each.level is Level.OK})
    content: list[Content] = []
    if told:
        content.append(element("ul", *map(_finding, told), class_="findings"))
    elif found:
        content.append(element("p", "Nothing to do."))
    else:
        content.append(element("p", "Nothing was checked."))
    if passed:
        content.append(note("Checked without a finding: ", names(passed), "."))
    return Section("findings", "Findings", str(len(told)), content)


def _finding(finding: Finding) -> Markup:
    about = [code(breakable(finding.check))]
    if finding.subject:
        about.append(element("span", breakable(finding.subject), class_="subject"))
    if finding.place:
        about.append(element("span", breakable(finding.place), class_="muted"))
    return element(
        "li",
        state(finding.level, finding.level),
        element(
            "div",
            element("p", join(about, " "), class_="about"),
            element("p", finding.message),
            element("p", finding.hint, class_="hint") if finding.hint else None,
        ),
    )


def plugins(known: Known) -> Section:
    """Every plugin with version, publisher, trust decision and status."""
    count = str(len(known.plugins))
    if not known.plugins:
        words = f"No plugin is installed: no package declares a {ENTRY_POINT_GROUP} entry point."
        return Section("plugins", "Plugins", count, [element("p", words)])
    columns = ["Plugin", "Version", "Publisher", "Trust", "Status"]
    bodies = map(_plugin, known.plugins)
    listed = table("All installed plugins", columns, bodies, "stack plugins")
    return Section("plugins", "Plugins", count, [listed])


def _plugin(facts: Mapping[str, Any]) -> Markup:
    name, point = shown_name(facts), facts["entry_point"]
    other = canonicalize_name(point) != canonicalize_name(name)
    package = f"package {facts['distribution']} {facts['distribution_version']}"
    head = join(
        [
            code(breakable(name)),
            _small("entry point ", breakable(point)) if other else None,
            _small(breakable(package)),
        ]
    )
    needs = facts["requires_stigmem"]
    version = [
        element("span", facts["version"] or "not known"),
        _small(f"stigmem {needs}") if needs else None,
    ]
    line = row(
        head,
        {
            "Version": join(version),
            "Publisher": signer(facts["signed_by"], facts["issuer"]),
            "Trust": decided(facts["trust_decision"], facts["signed_by"]),
            "Status": state(TONES[facts["status"]], facts["status"]),
        },
    )
    return element("tbody", line, _why(facts))


def decided(decision: str | None, identity: str) -> str:
    """What was decided about a signature, in words.

    Example:
        >>> decided("trusted_publisher", "ci@example.com"), decided(None, "ci@example.com")
        ('trusted publisher', 'not trusted')
        >>> decided(None, "unsigned")
        'nothing to decide'
    """
    if decision is None:
        return "nothing to decide" if identity in NOBODY else "not trusted"
    return DECISIONS[decision]


def _why(facts: Mapping[str, Any]) -> Markup | None:
    if not facts["problem"]:
        return None
    what = element("p", facts["problem"])
    hint = element("p", facts["fix"], class_="hint") if facts["fix"] else None
    return element("tr", element("td", what, hint, colspan=5), class_="why")


def _small(*content: Content) -> Markup:
    return element("small", *content)


def signer(identity: str, issuer: str | None) -> Markup:
    """Who signed something, and who vouches for them."""
    if identity in NOBODY:
        return element("span", identity, class_="muted")
    shown = element("span", breakable(identity), class_="address")
    return join([shown, _small("issuer ", breakable(issuer))]) if issuer else shown


def publishers(known: Known) -> Section:
    """Who signed which plugins, and what was decided about them."""
    found = known.publishers
    count = str(sum(each.identity not in NOBODY for each in found))
    if not found:
        return Section("publishers", "Publishers", count, [element("p", "There are none.")])
    bodies = [
        element(
            "tbody",
            row(
                signer(each.identity, each.issuer),
                {
                    "Trust": ", ".join(decided(each_, each.identity) for each_ in each.decisions),
                    "Plugins": names(map(breakable, each.plugins)),
                },
            ),
        )
        for each in found
    ]
    columns = ["Publisher", "Trust", "Plugins"]
    listed = table("Publishers of the plugins", columns, bodies, "stack publishers")
    return Section("publishers", "Publishers", count, [listed])


def capabilities(known: Known) -> Section:
    """What each plugin may ask of the node: a row each, and a column for each capability."""
    declared = [set(plugin["capabilities"] or ()) for plugin in known.plugins]
    used = set().union(*declared)
    count = f"{len(used)} of {len(Capability)}"
    if not known.plugins:
        words = element("p", "No plugin asks for any.")
        return Section("capabilities", "Capabilities", count, [words])
    lead = note(
        element("span", class_="dot"),
        " declared by a plugin that a node accepts; ",
        element("span", class_="dot hollow"),
        " declared by one that it does not. What is not declared cannot be reached through the "
        "plugin's context.",
    )
    columns = [
        element("th", element("span", each), scope="col", class_=_group(each))
        for each in Capability
    ]
    head = element("thead", element("tr", element("th", "Plugin", scope="col"), *columns))
    caption = element("caption", "Capabilities by plugin", class_="hidden")
    sums = [
        element("td", sum(each in names_ for names_ in declared) or "", class_=_group(each))
        for each in Capability
    ]
    foot = element("tfoot", element("tr", element("th", "Plugins with it", scope="row"), *sums))
    body = element("tbody", *map(_capabilities, known.plugins))
    matrix = element("table", caption, head, body, foot, class_="matrix")
    return Section("capabilities", "Capabilities", count, [lead, matrix])


def _capabilities(facts: Mapping[str, Any]) -> Markup:
    head = element("th", code(breakable(shown_name(facts))), scope="row")
    if facts["capabilities"] is None:
        unknown = element("td", "not known: it was not loaded", colspan=13, class_="unknown")
        return element("tr", head, unknown)
    accepted = facts["status"] == ACCEPTED
    mark, words = ("dot", "yes") if accepted else ("dot hollow", "declared, not accepted")
    cells = [
        element(
            "td",
            join([element("span", class_=mark), hidden(words)])
            if each in facts["capabilities"]
            else None,
            class_=_group(each),
        )
        for each in Capability
    ]
    return element("tr", head, *cells)


def _group(capability: Capability) -> str | None:
    """Marks the first capability about each subject."""
    first = next(c for c in Capability if c.split(".")[0] == capability.split(".")[0])
    return "first" if capability is first else None
