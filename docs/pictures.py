"""Makes the pictures of the README anew: what the commands print, and what `report` writes."""  # noqa: INP001  # not a package

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Final
from xml.etree import ElementTree as ET

from attrs import frozen
from rich.text import Text

from stigmem_plugins.cli.demo import PUBLISHER, TRUSTED
from stigmem_plugins.cli.demo.packages import PACKAGES, install
from stigmem_plugins.cli.report.markup import Markup, element, join
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

STATIC: Final = Path(__file__).parent / "_static"
RECORDING: Final = STATIC / "recording.svg"
COMMAND: Final = "python docs/pictures.py"

COMMANDS: Final = (("list",), ("order", "pre_assert_authorize"), ("verify", "--all"))
"""What is recorded."""
BROWSERS: Final = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
PHOTOGRAPHS: Final = (
    ("report.png", "", "1120,1180", False),
    ("report-dark.png", "#capabilities", "1120,1180", True),
)
"""Pictures of the report: where from the window looks, its size, and whether it is dark."""
FRAME: Final = """<!doctype html><style>body { margin: 0 }
iframe { border: 0; width: 100vw; height: 100vh; display: block }</style>
<iframe src="report.html{}"></iframe>"""


# Example plugins, signed by an authority that nobody else trusts


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
        uses = "".join(f"    ctx.get_{use}()\n" for use in map(accessor, self.capabilities))
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


def accessor(capability: str) -> str:
    """What a context's method for a capability is called, after `get_`."""
    subject, verb = capability.split(".")
    return f"{subject}_{ {'read': 'reader', 'write': 'writer', 'emit': 'emitter'}.get(verb, verb) }"


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


# The recording


@frozen
class Recorded:
    """A command, and the lines that it printed."""

    command: str
    lines: tuple[Text, ...]


def record() -> list[Recorded]:
    """Run the commands with the two plugins of the demonstration."""
    with TemporaryDirectory() as folder:
        place = Path(folder)
        given = settings(
            place, [(each.build(place), PUBLISHER, GITHUB_ISSUER) for each in PACKAGES]
        )
        return [_recorded(arguments, run(place, given, *arguments)) for arguments in COMMANDS]


def _recorded(arguments: tuple[str, ...], printed: str) -> Recorded:
    lines = tuple(Text.from_ansi(line) for line in printed.rstrip("\n").split("\n"))
    return Recorded(" ".join(["stigmem-plugins", *arguments]), lines)


def transcript(recorded: Iterable[Recorded]) -> list[str]:
    """The lines of a recording as text."""
    return [
        line
        for each in recorded
        for line in (f"$ {each.command}", *(line.plain.rstrip() for line in each.lines), "")
    ] + ["$"]


def transcript_of(picture: str) -> list[str]:
    """The lines that a picture shows."""
    root = ET.fromstring(picture)  # noqa: S314  # our own
    return ["".join(line.itertext()) for line in root.iter("{http://www.w3.org/2000/svg}text")]


LINE: Final = 18
LEFT: Final = 22
TOP: Final = 62
COLUMN: Final = 7.85
STYLE: Final = """
text { font: 13px ui-monospace, "SF Mono", Menlo, Consolas, "Liberation Mono", monospace;
  fill: #1d2127; white-space: pre; }
.window { fill: #fbfbfc; stroke: #d9dde3; }
.bar { stroke: #e4e6ea; }
.dots { fill: #d3d8df; }
.bold { font-weight: 700; }
.dim { fill: #5b626d; }
.good { fill: #17713f; }
.prompt { fill: #2450c8; font-weight: 700; }
.cursor { fill: #5b626d; animation: blink 1.2s steps(1) infinite; }
@keyframes blink { 50% { opacity: 0; } }
@media (prefers-reduced-motion: reduce) { .cursor { animation: none; } }
@media (prefers-color-scheme: dark) {
  text { fill: #dfe2e7; }
  .window { fill: #16191d; stroke: #2b3037; }
  .bar { stroke: #2b3037; }
  .dots { fill: #3a414b; }
  .dim, .cursor { fill: #98a0ac; }
  .good { fill: #5fc98c; }
  .prompt { fill: #86a8ff; }
}
"""
GOOD: Final = re.compile(r"\(accepted\)|(?<=: )verified$|A node would start\.")
LABEL: Final = re.compile(r"  [a-z]+( [a-z]+)?(?=  )|  \d(?=  )")


def draw(recorded: Sequence[Recorded]) -> str:
    """The picture of a recording: what was typed appears, and then what was printed."""
    rows = [
        row
        for each in recorded
        for row in (_command(each.command), *map(_line, each.lines), Markup(""))
    ]
    lines = [element("text", row, x=LEFT, y=TOP + at * LINE) for at, row in enumerate(rows)]
    foot = TOP + len(rows) * LINE
    prompt = [
        element("text", element("tspan", "$", class_="prompt"), x=LEFT, y=foot),
        element("rect", x=LEFT + 2 * COLUMN, y=foot - 11, width=8, height=14, class_="cursor"),
    ]
    width, height = 2 * LEFT + 80 * COLUMN, foot + 22
    title = f"A terminal: {', '.join(each.command for each in recorded)}"
    frame = [
        element("rect", x=0.5, y=0.5, width=width - 1, height=height - 1, rx=9, class_="window"),
        element("path", d=f"M1 36.5H{width - 1:g}", class_="bar"),
        *(element("circle", cx=20 + 16 * n, cy=18.5, r=5, class_="dots") for n in range(3)),
    ]
    size = {"width": f"{width:g}", "height": f"{height:g}", "viewBox": f"0 0 {width:g} {height:g}"}
    picture = element(
        "svg",
        element("title", title),
        element("style", Markup(STYLE)),
        *frame,
        *lines,
        *prompt,
        xmlns="http://www.w3.org/2000/svg",
        role="img",
        **size,
    )
    return re.sub("(<(?:rect|text|style|title)[ >]|</svg>)", r"\n\1", picture) + "\n"


def _command(command: str) -> Markup:
    return join(
        [element("tspan", "$", class_="prompt"), " ", element("tspan", command, class_="bold")]
    )


def _line(line: Text) -> Markup:
    """A line of output, with its bold, its labels and its good news set off."""
    plain = line.plain.rstrip()
    styles = {at: "bold" for span in line.spans for at in range(span.start, span.end)}
    for pattern, style in ((LABEL, "dim"), (GOOD, "good")):
        found = pattern.match(plain) if pattern is LABEL else pattern.search(plain)
        bold = "bold " if found and found.start() in styles else ""
        styles |= dict.fromkeys(range(*found.span()), bold + style) if found else {}
    return join(
        element("tspan", part, class_=style) if style else part
        for style, part in _runs(plain, styles)
    )


def _runs(plain: str, styles: Mapping[int, str]) -> Iterator[tuple[str | None, str]]:
    start = 0
    for at in range(1, len(plain) + 1):
        if at == len(plain) or styles.get(at) != styles.get(start):
            yield styles.get(start), plain[start:at]
            start = at


# The photographs


def browser() -> str | None:
    """A Chromium on the search path."""
    return next(filter(None, map(shutil.which, BROWSERS)), None)


def photograph(program: str, place: Path) -> None:
    """Write a report about the examples, and take pictures of it."""
    wheels = [(_wheel(each, place), each.publisher, each.issuer) for each in EXAMPLES]
    given = settings(place, wheels)
    run(place, given, "report", "-o", "report.html")
    for name, start, window, dark in PHOTOGRAPHS:
        frame = place / "frame.html"  # a window that looks elsewhere than at the top stays white
        frame.write_text(FRAME.replace("{}", start), encoding="utf-8")
        browse(program, place, frame, f"--screenshot={STATIC / name}", window, dark=dark)


def _wheel(example: Example, place: Path) -> Path:
    module = example.name.replace("-", "_")
    return build_wheel(
        place,
        example.name,
        {f"{module}.py": example.source},
        version=example.version,
        plugins={module: f"{module}:plugin_manifest"},
    )


def browse(
    program: str, profile: Path, page: Path, wanted: str, window: str, *, dark: bool = False
) -> subprocess.CompletedProcess[str]:
    """Open a page in a browser without a window or a network, for what is wanted of it.

    Args:
        program: The browser.
        profile: A folder for its files.
        page: The page.
        wanted: `--screenshot=…`, `--dump-dom` or `--print-to-pdf=…`.
        window: Its width and height.
        dark: Whether it prefers a dark colour scheme.
    """
    quiet = ["background-networking", "component-update", "sync", "gpu", "quic", "extensions"]
    return subprocess.run(  # noqa: S603  # our own arguments, no shell
        [
            program,
            "--headless",
            "--no-sandbox",
            "--no-first-run",
            "--hide-scrollbars",
            "--enable-logging=stderr",
            *(f"--disable-{what}" for what in quiet),
            f"--user-data-dir={profile / 'browser'}",
            f"--blink-settings=preferredColorScheme={0 if dark else 1}",
            f"--window-size={window}",
            wanted,
            page.as_uri(),
        ],
        capture_output=True,
        encoding="utf-8",
        errors="replace",
        timeout=120,
        check=True,
    )


def main() -> int:
    """Make both; the exit code is 1 where there is no browser for the photographs."""
    STATIC.mkdir(exist_ok=True)
    RECORDING.write_text(draw(record()), encoding="utf-8")
    program = browser()
    if program is None:
        sys.stderr.write(
            f"the report's pictures are as they were: no {' or '.join(BROWSERS)} on PATH\n"
        )
        return 1
    with TemporaryDirectory() as folder:
        photograph(program, Path(folder))
    return 0


if __name__ == "__main__":
    sys.exit(main())
