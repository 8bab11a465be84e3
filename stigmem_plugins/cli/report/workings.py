"""The sections of the report about hooks, dependencies and settings."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from stigmem_hookspecs import LIFECYCLE_MODULES, HookOrdering
from stigmem_plugins.cli.pipelines import Pipeline
from stigmem_plugins.cli.report import graph
from stigmem_plugins.cli.report.chains import POLICIES, chain, policy
from stigmem_plugins.cli.report.known import Known, Setting
from stigmem_plugins.cli.report.markup import Content, Markup, breakable, element, join
from stigmem_plugins.cli.report.pieces import Section, code, names, note, row, table

MEANINGS = {
    HookOrdering.CORE_FIRST: "the node's own handlers, then plugins",
    HookOrdering.PLUGINS_FIRST: "plugins, then the node's own handlers",
    HookOrdering.CORE_ONLY_DEFAULT: "the node's own handlers, which do without plugins",
    HookOrdering.PLUGIN_ONLY: "made for plugins",
}


def hooks(known: Known) -> Section:
    """Who is called at each hook that plugins take part in, as pictures."""
    taken = [each for each in known.pipelines if each.steps]
    content: list[Content] = [
        note(
            "Who is called at each hook, top to bottom. ",
            element("b", "core"),
            " stands for the handlers of the node itself; plugins come after those that they "
            "depend on, and otherwise by name. Plugins that a node refuses are not drawn.",
        ),
        element("ul", *map(_meaning, HookOrdering), class_="policies"),
    ]
    for module in LIFECYCLE_MODULES:
        phase = module.__name__.rpartition(".")[2]
        content += _phase(phase, [p for p in known.pipelines if hasattr(module, p.spec.name)])
    count = f"{len(taken)} of {len(known.pipelines)}"
    return Section("hooks", "Hooks", count, content)


def _meaning(ordering: HookOrdering) -> Markup:
    words = element("span", element("b", POLICIES[ordering]), f": {MEANINGS[ordering]}")
    return element("li", policy(ordering), words)


def _phase(phase: str, found: Sequence[Pipeline]) -> list[Markup]:
    taken = [each for each in found if each.steps]
    idle = [each for each in found if not each.steps]
    content = [element("h3", phase.capitalize())]
    if taken:
        content.append(element("div", *map(_hook, taken), class_="cards"))
    if idle:
        listed = names(breakable(each.spec.name) for each in idle)
        content.append(note("No plugin: ", listed, "."))
    return content


def _hook(pipeline: Pipeline) -> Markup:
    spec, pictures = pipeline.spec, chain(pipeline)
    facts = [spec.semantic.replace("_", " "), POLICIES[spec.ordering], spec.band.name.lower()]
    if spec.strict:
        facts.append("strict")
    return element(
        "article",
        element("h4", code(breakable(spec.name))),
        element("p", join(facts, " · "), class_="muted"),
        element("div", *pictures, class_="pictures"),
        class_="card wide" if len(pictures) > 1 else "card",
    )


def dependencies(known: Known) -> Section:
    """Who depends on whom: as a picture, and as a table."""
    rows = graph.nodes(known.plugins)
    connected = {node.name for node in rows}
    alone = sorted({p["name"] for p in known.plugins if p["name"]} - connected)
    unknown = sorted(p["entry_point"] for p in known.plugins if not p["name"])
    content: list[Content] = []
    if rows:
        content.append(
            note("Plugins in the order of loading; a line leads from each to those that need it.")
        )
        figure = element("figure", graph.graph(rows))
        content.append(element("div", figure, _needs(rows), class_="beside"))
    else:
        content.append(element("p", "No plugin depends on another."))
    if alone and rows:
        content.append(note("On their own: ", names(map(breakable, alone)), "."))
    if unknown:
        content.append(
            note("Not known, for they were not loaded: ", names(map(breakable, unknown)), ".")
        )
    count = str(sum(len(node.needs) for node in rows))
    return Section("dependencies", "Dependencies", count, content)


def _needs(rows: list[graph.Node]) -> Markup:
    bodies = [
        element(
            "tbody",
            row(code(breakable(node.name)), {"Depends on": names(map(breakable, node.needs))}),
        )
        for node in rows
        if node.needs
    ]
    return table("Dependencies of plugins", ["Plugin", "Depends on"], bodies, "stack half")


def settings(known: Known) -> Section:
    """The settings in force, whom they trust, and the trusted root."""
    columns = ["Setting", "Value", "Set in"]
    bodies = map(_setting, known.settings)
    listed = table("Settings in force", columns, bodies)
    trust = known.trust
    policy_file = [
        ("Publishers in the policy file", trust["publishers_in_file"]),
        ("Denied", trust["denied"]),
    ]
    taken = trust["root_taken"]
    root = [
        ("File", ["the one of this package" if trust["root"] == "pinned" else trust["root"]]),
        ("Taken", [taken] if taken else []),
        ("Services", trust["services"]),
    ]
    held = [("Node", [known.node_version]), ("stigmem-plugins", [known.version])]
    content: list[Content] = [
        listed,
        note("What configures a plugin is listed by its name; its value is not shown."),
        element("h3", "Trust policy"),
        _definitions(policy_file),
        element("h3", "Trusted root"),
        _definitions(root),
        element("h3", "Versions"),
        _definitions(held),
    ]
    return Section("settings", "Settings", "", content)


def _setting(setting: Setting) -> Markup:
    value = element("span", breakable(setting.value), class_="address") if setting.value else "-"
    cells: dict[str, Content] = {"Value": value, "Set in": setting.origin or "default"}
    return element("tbody", row(code(breakable(setting.name)), cells))


def _definitions(entries: Iterable[tuple[str, list[Any]]]) -> Markup:
    parts = [
        element(
            "div",
            element("dt", name),
            *(element("dd", breakable(value)) for value in values or ["-"]),
        )
        for name, values in entries
    ]
    return element("dl", *parts)
