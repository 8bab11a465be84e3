"""The page: everything in one file that fetches nothing and runs nothing."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Sequence
from importlib import resources
from typing import Final

from stigmem_plugins.cli.report import inventory, workings
from stigmem_plugins.cli.report.known import Known
from stigmem_plugins.cli.report.markup import Markup, element
from stigmem_plugins.cli.report.pieces import FAIL, OK, WARN, Section, signs, state

TITLE: Final = "Plugin report"


def render(known: Known) -> str:
    """The report as HTML.

    Args:
        known: What it tells.
    """
    style = resources.files(__package__).joinpath("style.css").read_text("utf-8")
    parts = [
        inventory.findings(known),
        inventory.plugins(known),
        inventory.publishers(known),
        inventory.capabilities(known),
        workings.hooks(known),
        workings.dependencies(known),
        workings.settings(known),
    ]
    body = element(
        "body",
        element("a", "To the report", href="#report", class_="skip"),
        signs(),
        element("div", _contents(parts), _report(known, parts), class_="page"),
    )
    return f'<!doctype html>\n<html lang="en">\n{_head(known, style)}\n{body}\n</html>\n'


def policy(style: str) -> str:
    """What the page allows itself: this style sheet, and nothing else.

    Example:
        >>> policy("")
        "default-src 'none'; style-src 'sha256-47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU='; \
base-uri 'none'; form-action 'none'"
    """
    digest = base64.b64encode(hashlib.sha256(style.encode()).digest()).decode()
    allowed = f"default-src 'none'; style-src 'sha256-{digest}'"
    return f"{allowed}; base-uri 'none'; form-action 'none'"


def _head(known: Known, style: str) -> Markup:
    return element(
        "head",
        element("meta", charset="utf-8"),
        element("meta", http_equiv="Content-Security-Policy", content=policy(style)),
        element("meta", name="viewport", content="width=device-width, initial-scale=1"),
        element("meta", name="color-scheme", content="light dark"),
        element("meta", name="referrer", content="no-referrer"),
        element("meta", name="generator", content=f"stigmem-plugins {known.version}"),
        element("title", f"{TITLE}, {known.made:%Y-%m-%d}"),
        element("style", Markup(style)),
    )


def _contents(parts: Sequence[Section]) -> Markup:
    links = [
        element(
            "li",
            element(
                "a",
                element("span", part.title),
                element("span", part.count, class_="count") if part.count else None,
                href=f"#{part.id}",
            ),
        )
        for part in parts
    ]
    return element("nav", element("ul", *links), aria_label="Contents")


def _report(known: Known, parts: Sequence[Section]) -> Markup:
    counted = ", ".join(f"{number} {status}" for status, number in known.statuses.items())
    made = element(
        "time",
        f"{known.made:%d %B %Y, %H:%M} UTC".lstrip("0"),
        datetime=known.made.isoformat(timespec="seconds"),
    )
    header = element(
        "header",
        element("p", f"stigmem-plugins {known.version}", class_="eyebrow"),
        element("h1", TITLE),
        element("p", _verdict(known), class_="verdict"),
        element("p", made, f" · {counted}" if counted else None, class_="muted"),
        _summary(parts),
    )
    footer = element(
        "footer",
        element("p", "Made by ", element("code", "stigmem-plugins report"), " on ", made, "."),
    )
    return element("main", header, *(part.html() for part in parts), footer, id="report")


def _verdict(known: Known) -> Markup:
    """Whether a node would start, in one sentence."""
    if not known.auto_discovery:
        return state(WARN, "Discovery is off: a node starts without plugins.")
    return state(OK if known.starts else FAIL, known.outlook)


def _summary(parts: Sequence[Section]) -> Markup:
    """The figures of the page, each leading to its section."""
    shown = [each for each in parts if each.count]
    return element("ul", *map(_figure, shown), class_="figures")


def _figure(section: Section) -> Markup:
    number, _, rest = section.count.partition(" ")
    value = element("strong", number, element("small", f" {rest}") if rest else None)
    return element("li", element("a", value, element("span", section.title), href=f"#{section.id}"))
