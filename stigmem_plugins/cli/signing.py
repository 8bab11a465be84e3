"""The commands about signatures: `sign`, `verify`, `trust show` and `trust refresh`."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import click
from rich.text import Text

from stigmem_plugins.cli.listing import find
from stigmem_plugins.cli.output import (
    BadInput,
    Failed,
    make_console,
    print_json,
    print_rows,
    printable,
)
from stigmem_plugins.cli.parameters import complete_wheel_or_plugin
from stigmem_plugins.cli.verification import (
    REFUSED,
    UNCHECKED,
    Checked,
    check_installed,
    check_wheel,
    terms_in_force,
)
from stigmem_plugins.errors import StigmemPluginError
from stigmem_plugins.reading import read_named
from stigmem_plugins.settings import TRUSTED_ROOT, PluginSettings
from stigmem_plugins.trust.client import SigstoreClient
from stigmem_plugins.trust.refresh import PRODUCTION, fetch_trusted_root
from stigmem_plugins.trust.root import PINNED, PINNED_FROM, PINNED_ON, TrustedRootFile
from stigmem_plugins.trust.signer import Signer
from stigmem_plugins.trust.signing import prepare_wheel, sign_prepared
from stigmem_plugins.trust.vetting import TrustTerms

WHEELS = click.Path(path_type=Path)


@click.command("sign")
@click.argument("wheels", nargs=-1, required=True, type=WHEELS, metavar="WHEEL...")
@click.option(
    "--identity-token",
    envvar="SIGSTORE_IDENTITY_TOKEN",
    show_envvar=True,
    help="An OIDC token for who signs. Default: what the CI job offers.",
)
@click.option(
    "--trust-config",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="A Sigstore client trust configuration, for a private instance.",
)
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
def sign_command(
    wheels: tuple[Path, ...],
    identity_token: str | None,
    trust_config: Path | None,
    *,
    as_json: bool,
) -> None:
    """Sign wheels of plugins, in place.

    The signature covers every file of the wheel and what its plugins declare: to learn that,
    their code is run. Sign after building and before uploading:

    \b
        python -m build
        stigmem-plugins sign dist/*.whl
        twine upload dist/*
    """  # noqa: D301  # click's mark for text that is not wrapped
    signed = []
    for count, path, signer in _signed(wheels, identity_token, trust_config):
        signed.append({"wheel": str(path), "signed_by": signer.identity, "issuer": signer.issuer})
        if not as_json:
            console = make_console()
            line = f"{count}signed {path} as {signer}"
            console.print(Text(printable(line, console.encoding), overflow="fold"))
    if as_json:
        print_json(signed=signed)


def _signed(
    wheels: Sequence[Path], identity_token: str | None, trust_config: Path | None
) -> Iterator[tuple[str, Path, Signer]]:
    """Sign wheels one after the other; yields each with its number and who signed it."""
    with _ends_in_failure():
        # All are looked at before the first is signed.
        prepared = [prepare_wheel(wheel) for wheel in wheels]
        client = SigstoreClient.connect(identity_token, trust_config)
        with client.signer() as signer:
            for number, each in enumerate(prepared, 1):
                sign_prepared(each, signer)
                path = each.wheel.path
                count = f"[{number}/{len(prepared)}] " if len(prepared) > 1 else ""
                yield count, path, client.verified(path).signer


@contextmanager
def _ends_in_failure() -> Iterator[None]:
    """What cannot be done is a failure, whatever the reason: there was nothing to check."""
    try:
        yield
    except StigmemPluginError as error:
        raise Failed(error.message, error.fix) from error


@click.command("verify")
@click.argument(
    "targets", nargs=-1, metavar="[WHEEL|NAME]...", shell_complete=complete_wheel_or_plugin
)
@click.option("--all", "everything", is_flag=True, help="Verify all installed plugins.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
@click.pass_context
def verify_command(
    context: click.Context, targets: tuple[str, ...], *, everything: bool, as_json: bool
) -> None:
    """Verify wheels or installed plugins.

    That is what a node does before it imports them; no network is needed. A NAME is the plugin's,
    its entry point's or its distribution's. The exit code is 0 if all are verified and of trusted
    publishers, 1 if one is refused, 3 if one could not be checked.

    \b
        stigmem-plugins verify dist/example_plugin-1.0.0-py3-none-any.whl
        stigmem-plugins verify --all --json
    """  # noqa: D301  # click's mark for text that is not wrapped
    if bool(targets) == everything:
        message = "name wheels or plugins, or say --all"
        raise click.UsageError(message)
    terms = terms_in_force()
    checked: list[Checked] = []
    installed = check_installed(terms) if everything else []
    checked += installed
    for target in targets:
        if target.endswith(".whl"):
            checked += check_wheel(Path(target), terms)
        else:
            installed = installed or check_installed(terms)
            checked.append(find(target, installed, _names))
    if as_json:
        print_json(results=[each.facts() for each in checked])
    else:
        _show(checked)
    statuses = {each.status for each in checked}
    context.exit(1 if REFUSED in statuses else 3 if UNCHECKED in statuses else 0)


@click.group("trust")
def trust_group() -> None:
    """Look at whom the node trusts, and renew the trusted root."""


@trust_group.command("show")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
def show_command(*, as_json: bool) -> None:
    """Show the settings about trust, and the services whose keys the trusted root holds.

    \b
        stigmem-plugins trust show
    """  # noqa: D301  # click's mark for text that is not wrapped
    facts = trust_facts(PluginSettings.from_environment())
    if as_json:
        print_json(trust=facts)
        return
    lines = [(_LABELS[key], value) for key, values in facts.items() for value in _lines(values)]
    previous = None
    rows = []
    for label, value in lines:
        rows.append(("" if label == previous else label, value))
        previous = label
    print_rows(make_console(), rows)


@trust_group.command("refresh")
@click.option(
    "--output",
    type=click.Path(dir_okay=False, path_type=Path),
    help=f"Where to write it. Default: the file of {TRUSTED_ROOT}.",
)
@click.option("--tuf-url", default=PRODUCTION, show_default=True, help="The TUF repository.")
@click.option(
    "--tuf-root",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="The root.json of a private instance to start from.",
)
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
def refresh_command(
    output: Path | None, tuf_url: str, tuf_root: Path | None, *, as_json: bool
) -> None:
    """Fetch the trusted root of a Sigstore instance; needs the network.

    It is verified by TUF, starting from the root of trust that this package carries, and
    replaces the file at once.

    \b
        stigmem-plugins trust refresh --output /etc/stigmem/trusted_root.json
    """  # noqa: D301  # click's mark for text that is not wrapped
    path = output or PluginSettings.from_environment().plugin_trusted_root
    if path is None:
        message = f"say where to write it: --output FILE, or set {TRUSTED_ROOT}"
        raise click.UsageError(message)
    if tuf_url != PRODUCTION and tuf_root is None:
        message = "another instance needs its root.json to start from: --tuf-root FILE"
        raise click.UsageError(message)
    bootstrap = _root_json(tuf_root) if tuf_root else None
    with _ends_in_failure():
        fetch_trusted_root(Path(path), tuf_url, bootstrap)
    if as_json:
        print_json(written=str(path), setting=TRUSTED_ROOT, tuf_url=tuf_url)
        return
    console = make_console()
    rows = [("written", str(path)), ("use it with", f"{TRUSTED_ROOT}={path}")]
    print_rows(console, rows)


def _root_json(path: Path) -> bytes:
    try:
        return read_named(path)
    except OSError as error:
        message = f"cannot read {path}: {error.strerror}"
        raise BadInput(message, "name the instance's root.json") from None


_LABELS = {
    "signing_required": "signing required",
    "trusted_publishers": "publishers",
    "override_publishers": "overrides",
    "policy_file": "policy file",
    "publishers_in_file": "its publishers",
    "denied": "denied",
    "plugin_dir": "plugin directory",
    "root": "trusted root",
    "root_taken": "taken",
    "services": "services",
}


def trust_facts(settings: PluginSettings) -> dict[str, Any]:
    """Whom the operator trusts, and the trusted root in use, by name.

    Args:
        settings: The settings in force.

    Raises:
        StigmemPluginError: A setting, the policy file or the trusted root cannot be read.
    """
    terms = TrustTerms.of(settings)
    root = TrustedRootFile.in_force(settings.plugin_trusted_root)
    root.read()
    policy, deny = terms.policy, terms.policy.file.deny
    taken = f"{PINNED_ON}, from {PINNED_FROM}" if root.origin == PINNED else None
    return {
        "signing_required": terms.required,
        "trusted_publishers": sorted(policy.trusted_publishers),
        "override_publishers": sorted(policy.override_publishers),
        "policy_file": settings.plugin_trust_policy,
        "publishers_in_file": [str(each.entry) for each in policy.file.publishers],
        "denied": [*map(str, deny.identities), *map(str, deny.plugins)],
        "plugin_dir": settings.plugin_dir,
        "root": root.origin,
        "root_taken": taken,
        "services": [f"{kind}: {each}" for kind, all_ in root.services().items() for each in all_],
    }


def _lines(value: Any) -> list[str]:
    if isinstance(value, list):
        return value or ["-"]
    return [{True: "yes", False: "no", None: "-"}.get(value, str(value))]


def _names(checked: Checked) -> tuple[str, str, str]:
    return checked.name or "", checked.target, checked.distribution or ""


def _show(checked: list[Checked]) -> None:
    console = make_console()
    if not checked:
        console.print("No plugin is installed.")
    for each in checked:
        console.print(
            Text(printable(f"{each.target}: {each.status}", console.encoding), style="bold")
        )
        facts = [
            ("plugin", each.name),
            ("package", f"{each.distribution} {each.version}" if each.distribution else None),
            ("signed by", each.signed_by),
            ("issuer", each.issuer),
            ("trust", each.trust_decision),
            ("problem", each.error.message if each.error else None),
            ("to do", each.error.fix if each.error else None),
        ]
        print_rows(console, [(label, value) for label, value in facts if value])
        console.print()
