"""The command `diff`, and what it compares."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from attrs import evolve
from click.testing import CliRunner, Result
from hypothesis import given
from hypothesis import strategies as st

from stigmem_plugins import Capability
from stigmem_plugins.authoring.difference import Change, compare, is_same_publisher
from stigmem_plugins.authoring.snapshot import Publisher, Rights, Snapshot
from stigmem_plugins.cli import main
from stigmem_plugins.testing.sigstore import LocalAuthority
from stigmem_plugins.testing.wheels import build_wheel
from stigmem_plugins.trust.signer import Signer
from tests.authored import manifest_of
from tests.signed import ISSUER, PUBLISHER, sign_anyway, unpack

WORKFLOW = PUBLISHER.partition("@")[0]
FACTORY = {"example": "example_plugin:plugin_manifest"}


@pytest.fixture(scope="module")
def authority() -> LocalAuthority:
    return LocalAuthority()


@pytest.fixture(autouse=True)
def site(
    tmp_path_factory: pytest.TempPathFactory,
    authority: LocalAuthority,
    monkeypatch: pytest.MonkeyPatch,
) -> Path:
    """An empty plugin directory; the authority's root is the one in force."""
    folder = tmp_path_factory.mktemp("site")
    for name in ("TRUSTED_PUBLISHERS", "TRUST_POLICY", "SIGNING_REQUIRED"):
        monkeypatch.delenv(f"STIGMEM_PLUGIN_{name}", raising=False)
    for name in ("COLUMNS", "FORCE_COLOR"):
        monkeypatch.delenv(name, raising=False)
    root = authority.write_trusted_root(tmp_path_factory.mktemp("root") / "root.json")
    monkeypatch.setenv("STIGMEM_PLUGIN_TRUSTED_ROOT", str(root))
    monkeypatch.setenv("STIGMEM_PLUGIN_DIR", str(folder))
    monkeypatch.chdir(folder)
    return folder


def wheel(folder: Path, version: str, fields: str = "", **options: Any) -> Path:
    """A wheel whose manifest has these fields."""
    source = manifest_of(f"'example-plugin', '{version}', {fields}")
    plugins = options.pop("plugins", FACTORY)
    return build_wheel(
        folder,
        "example-plugin",
        {"example_plugin.py": options.pop("source", source)},
        version=version,
        plugins=plugins,
        **options,
    )


def signed(authority: LocalAuthority, path: Path, identity: str = PUBLISHER, **fields: Any) -> Path:
    """The wheel, signed as its file says."""
    version = path.name.split("-")[1]
    own = {"entry_point": "example", "name": "example-plugin", "version": version}
    nothing = {"capabilities": (), "hooks": ()}
    factory = FACTORY["example"]
    fields = {**own, **nothing, **fields}
    return sign_anyway(authority, path, factory=factory, identity=identity, fields=fields)


def run(*arguments: str | Path) -> Result:
    return CliRunner().invoke(main, ["diff", *map(str, arguments)])


def document(*arguments: str | Path) -> dict[str, Any]:
    printed: dict[str, Any] = json.loads(run(*arguments, "--json").stdout)
    assert printed.pop("schema_version") == 1
    return printed


def changes(*arguments: str | Path) -> list[tuple[str, str | None, str | None]]:
    return [(each["what"], each["old"], each["new"]) for each in document(*arguments)["changes"]]


def test_a_wheel_and_itself(tmp_path: Path) -> None:
    """Nothing to say, and no right grows."""
    one = wheel(tmp_path, "1.0.0", "hooks={'audit_emit': h}")
    result = run(one, one)
    assert result.exit_code == 0
    assert result.stdout.splitlines()[-1] == "Nothing changes in what it declares."
    assert changes(one, one) == []


def test_what_a_reviewer_sees(tmp_path: Path, authority: LocalAuthority) -> None:
    """First the rights that grow, then the rest, then what it comes to; within 80 columns."""
    fields = "capabilities={'audit.emit'}, hooks={'audit_emit': h}"
    one = wheel(tmp_path, "1.0.0", fields, requires=["httpx>=0.27", "stigmem-plugins"])
    signed(authority, one, capabilities=("audit.emit",), hooks=("audit_emit",))
    fields = "'>=0.9.0a12', {'facts.read', 'network.outbound'}, hooks={'recall_filter': h},"
    fields += "depends_on={'other-plugin'}"
    two = wheel(tmp_path, "1.1.0", fields, requires=["stigmem-plugins>=1"])
    result = run(one, two)
    assert result.exit_code == 1
    heading, _, body = result.stdout.partition("\n\n")
    assert "verified" in heading
    assert heading.endswith("       unsigned")
    assert body.splitlines() == [
        "Rights grow",
        "  ~  publisher   the signature is lost",
        "  +  capability  facts.read",
        "  +  capability  network.outbound",
        "  +  hook        recall_filter",
        "",
        "Other changes",
        "  ~  version     1.0.0 -> 1.1.0",
        "  -  capability  audit.emit",
        "  -  hook        audit_emit",
        "  +  depends on  other-plugin",
        "  ~  requires    >=0.9.0a1 -> >=0.9.0a12",
        "  -  dependency  httpx>=0.27",
        "  ~  dependency  stigmem-plugins -> stigmem-plugins>=1",
        "",
        "Rights grow: the signature is lost, 2 capabilities, 1 hook.",
    ]
    assert max(map(len, result.stdout.splitlines())) <= 80


def test_json_says_the_same(tmp_path: Path) -> None:
    """With what is compared, and whether rights grow."""
    one = wheel(tmp_path, "1.0.0")
    two = wheel(tmp_path, "1.1.0", "capabilities={Capability.FACTS_READ}")
    printed = document(one, two)
    assert printed["grows"] is True
    assert printed["unknown"] == []
    assert printed["old"] == {
        "target": str(one),
        "distribution": "example-plugin",
        "version": "1.0.0",
        "signed_by": None,
        "issuer": None,
        "verified": False,
        "problem": None,
    }
    assert printed["changes"][0] == {
        "what": "capability",
        "change": "added",
        "plugin": "example-plugin",
        "old": None,
        "new": "facts.read",
        "grows": True,
    }
    assert [each["change"] for each in printed["changes"]] == ["added", "changed"]
    assert [each["change"] for each in document(two, one)["changes"]] == ["changed", "removed"]
    assert run(two, one).exit_code == 0


def test_a_release_by_the_same_workflow_is_no_change_of_publisher(
    tmp_path: Path, authority: LocalAuthority
) -> None:
    """The tag in the identity is another at every release."""
    one = signed(authority, wheel(tmp_path, "1.0.0"), f"{WORKFLOW}@refs/tags/v1.0.0")
    two = signed(authority, wheel(tmp_path, "1.1.0"), f"{WORKFLOW}@refs/tags/v1.1.0")
    result = run(one, two)
    assert result.exit_code == 0
    assert result.stdout.splitlines()[-1] == "Rights do not grow."
    assert changes(one, two) == [("version", "1.0.0", "1.1.0")]


OTHERS = {
    "another branch": f"{WORKFLOW}@refs/heads/main",
    "another workflow": PUBLISHER.replace("release.yml", "test.yml"),
    "another owner": PUBLISHER.replace("acme", "mallory"),
}


@pytest.mark.parametrize("other", OTHERS)
def test_another_publisher(tmp_path: Path, authority: LocalAuthority, other: str) -> None:
    """Their rights are new, whatever the plugin may do."""
    one = signed(authority, wheel(tmp_path, "1.0.0"))
    two = wheel(tmp_path, "1.0.1")
    signed(authority, two, OTHERS[other])
    result = run(one, two)
    assert result.exit_code == 1
    assert result.stdout.splitlines()[-1] == "Rights grow: another publisher."
    assert document(one, two)["changes"][0]["plugin"] is None
    ((old, new),) = [(each[1], each[2]) for each in changes(one, two) if each[0] == "publisher"]
    assert old is not None
    assert old.startswith(PUBLISHER)
    assert new is not None
    assert new.startswith(OTHERS[other])


def test_what_is_signed_now(tmp_path: Path, authority: LocalAuthority) -> None:
    """Is told, and no right grows by it."""
    one, two = wheel(tmp_path, "1.0.0"), signed(authority, wheel(tmp_path, "1.0.1"))
    result = run(one, two)
    assert result.exit_code == 0
    assert "  ~  publisher  signed now\n" in result.stdout


def test_a_claim_is_no_publisher(
    tmp_path: Path, authority: LocalAuthority, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A signature that this node cannot verify is said to be claimed, with the reason."""
    elsewhere = LocalAuthority()
    one = signed(authority, wheel(tmp_path, "1.0.0"))
    two = signed(elsewhere, wheel(tmp_path, "1.0.1"), hooks=("audit_emit",))
    result = run(one, two)
    assert result.exit_code == 1
    assert result.stdout.splitlines()[-1] == (
        "Rights grow: the signature does not verify any more."
    )
    text = " ".join(result.stdout.split())
    assert "claimed, not verified not verified: its signature does not verify" in text
    printed = document(one, two)
    assert printed["new"]["signed_by"] == PUBLISHER
    assert printed["new"]["verified"] is False
    assert "does not verify" in printed["new"]["problem"]
    # The files count, not the statement that nobody could verify.
    assert "hook" not in {each["what"] for each in printed["changes"]}
    back = run(two, one)
    assert back.exit_code == 0
    assert "the signature verifies now" in back.stdout


def test_a_signature_that_cannot_be_read(tmp_path: Path, authority: LocalAuthority) -> None:
    """Names nobody, not even as a claim."""
    one = signed(authority, wheel(tmp_path, "1.0.0"))
    bundle = "example_plugin-1.0.1.dist-info/stigmem-plugin.sigstore.json"
    files = {"example_plugin.py": manifest_of("'example-plugin', '1.0.1'"), bundle: "{}"}
    two = build_wheel(tmp_path, "example-plugin", files, version="1.0.1", plugins=FACTORY)
    result = run(one, two)
    assert result.exit_code == 1
    assert "a signature that cannot be read" in result.stdout
    assert result.stdout.splitlines()[-1] == "Rights grow: the signature is lost."


def test_what_only_running_can_tell(tmp_path: Path) -> None:
    """Is not guessed: exit code 3, unless something grows for certain, or nothing differs."""
    source = "from elsewhere import plugin_manifest"
    one = wheel(tmp_path, "1.0.0")
    two = wheel(tmp_path, "1.0.1", source=source)
    result = run(one, two)
    assert result.exit_code == 3
    assert "\nOnly running the code can tell\n  the capabilities and hooks of the new" in (
        result.stdout
    )
    assert result.stdout.splitlines()[-1].startswith("Whether rights grow cannot be told: ")
    assert document(one, two)["unknown"] == ["the capabilities and hooks of the new example"]
    assert run(two, two).exit_code == 0
    three = wheel(tmp_path, "1.0.2", "capabilities=find(), hooks={'audit_emit': h}")
    assert run(one, three).exit_code == 1
    assert document(three, one)["unknown"] == ["the capabilities of the old example-plugin"]
    four = wheel(tmp_path, "1.0.3", "hooks=find()")
    assert document(one, four)["unknown"] == ["the hooks of the new example-plugin"]


def test_what_a_wheel_hides(tmp_path: Path) -> None:
    """Files that an installer puts over the modules that were read, or that are native code."""
    one = wheel(tmp_path, "1.0.0")
    hidden = {"example_plugin-1.0.1.data/purelib/example_plugin.py": "print('another')"}
    files = {"example_plugin.py": manifest_of("'example-plugin', '1.0.1'"), **hidden}
    two = build_wheel(tmp_path, "example-plugin", files, version="1.0.1", plugins=FACTORY)
    assert run(one, two).exit_code == 3
    (note,) = document(one, two)["unknown"]
    assert note.startswith("what else the new one runs: example_plugin-1.0.1.data/purelib/")
    assert run(two, two).exit_code == 0


def test_another_factory_of_the_same_code_is_told(tmp_path: Path) -> None:
    """Equal files are equal rights only if the entry point is the same."""
    source = "from elsewhere import one, two"
    first = wheel(tmp_path, "1.0.0", source=source, plugins={"example": "example_plugin:one"})
    folder = tmp_path / "other"
    folder.mkdir()
    second = wheel(folder, "1.0.0", source=source, plugins={"example": "example_plugin:two"})
    assert run(first, second).exit_code == 3


def test_a_plugin_more(tmp_path: Path) -> None:
    """A new plugin is a right of its own, and each line says whose it is."""
    one = wheel(tmp_path, "1.0.0", "hooks={'audit_emit': h}")
    source = manifest_of("'example-plugin', '1.0.0', hooks={'recall_filter': h}")
    source += (
        "\ndef other(): return PluginManifest('other-plugin', '1.0.0', hooks={'audit_emit': h})"
    )
    plugins = {**FACTORY, "other": "example_plugin:other"}
    two = wheel(tmp_path, "1.1.0", source=source, plugins=plugins)
    result = run(one, two)
    lines = result.stdout.splitlines()
    assert lines[lines.index("Rights grow") :] == [
        "Rights grow",
        "  +  hook    recall_filter (example-plugin)",
        "  +  plugin  other-plugin",
        "  +  hook    audit_emit (other-plugin)",
        "",
        "Other changes",
        "  ~  version  1.0.0 -> 1.1.0",
        "  -  hook     audit_emit (example-plugin)",
        "",
        "Rights grow: 2 hooks, 1 plugin.",
    ]
    assert run(two, one).stdout.splitlines()[-1] == "Rights grow: 1 hook."


def test_a_plugin_that_is_called_otherwise_now(tmp_path: Path) -> None:
    """Is found again by its entry point."""
    one, two = (
        wheel(tmp_path, "1.0.0"),
        wheel(tmp_path, "1.0.1", source=manifest_of("'renamed-plugin', '1.0.1'")),
    )
    assert ("name", "example-plugin", "renamed-plugin") in changes(one, two)
    assert run(one, two).exit_code == 0


REQUIRED = {
    "'>=0.9.0a2'": ("requires", ">=0.9.0a1", ">=0.9.0a2"),
    "find()": None,
    "**fields": None,
}


@pytest.mark.parametrize("given", REQUIRED)
def test_which_nodes_it_is_for(tmp_path: Path, given: str) -> None:
    """By default all of them; what is not known is not compared."""
    fields = given if given.startswith("*") else f"requires_stigmem={given}"
    found = changes(wheel(tmp_path, "1.0.0"), wheel(tmp_path, "1.0.1", fields))
    assert [each for each in found if each[0] == "requires"] == (
        [REQUIRED[given]] if REQUIRED[given] else []
    )


def test_a_plugin_that_has_one_of_two_manifests(tmp_path: Path) -> None:
    """May do what any of them lets it do."""
    source = manifest_of("'example-plugin', '1.0.1', '>=0.9.0a2', hooks={'audit_emit': h}")
    source = source.replace(
        "    return",
        "    if x:\n        return PluginManifest('example-plugin', '1.0.1')\n    return",
    )
    found = changes(wheel(tmp_path, "1.0.0"), wheel(tmp_path, "1.0.1", source=source))
    assert found == [
        ("hook", None, "audit_emit"),
        ("version", "1.0.0", "1.0.1"),
        ("requires", ">=0.9.0a1", ">=0.9.0a1 or >=0.9.0a2"),
    ]


def test_odd_requirements_are_compared_as_they_are(tmp_path: Path) -> None:
    """Several for one distribution are one line."""
    one = wheel(tmp_path, "1.0.0", requires=["no requirement", "a; python_version < '3'", "A"])
    two = wheel(tmp_path, "1.0.1", requires=["a"])
    assert [each for each in changes(one, two) if each[0] == "dependency"] == [
        ("dependency", 'A, a; python_version < "3"', "a"),
        ("dependency", "no requirement", None),
    ]


# what is installed


def test_an_installed_plugin_and_a_wheel(
    tmp_path: Path, site: Path, authority: LocalAuthority
) -> None:
    """By the name of its distribution, its entry point, or its own."""
    one = signed(authority, wheel(tmp_path, "1.0.0"), name="own-name")
    unpack(one, site)
    two = signed(authority, wheel(tmp_path, "1.0.1"), name="own-name", hooks=("audit_emit",))
    for name in ("example-plugin", "Example_Plugin", "example", "own-name"):
        result = run(name, two)
        assert result.exit_code == 1
        assert result.stdout.splitlines()[-1] == "Rights grow: 1 hook."
    assert document("own-name", two)["old"]["verified"] is True
    assert run("example-plugin", one).stdout.startswith("  old  example-plugin 1.0.0\n")
    assert run(one, "example").exit_code == 0


def test_a_folder_of_the_same_name_is_not_meant(tmp_path: Path, site: Path) -> None:
    """An author stands beside one."""
    one = wheel(tmp_path, "1.0.0")
    unpack(one, site)
    (site / "example-plugin").mkdir()
    assert run("example-plugin", one).exit_code == 0


def test_an_installed_plugin_that_nobody_signed(tmp_path: Path, site: Path) -> None:
    """Is read as its files say."""
    unpack(wheel(tmp_path, "1.0.0", "hooks={'audit_emit': h}"), site)
    two = wheel(tmp_path, "1.0.1", "hooks={'audit_emit': h, 'recall_filter': h}")
    assert [each for each in changes("example", two) if each[0] == "hook"] == [
        ("hook", None, "recall_filter")
    ]


def test_installed_files_that_are_not_the_signed_ones(
    tmp_path: Path, site: Path, authority: LocalAuthority
) -> None:
    """Who signed the others is only claimed."""
    one = signed(authority, wheel(tmp_path, "1.0.0"))
    unpack(one, site)
    (site / "example_plugin.py").write_text(
        manifest_of("'example-plugin', '1.0.0', hooks={'audit_emit': h}")
    )
    printed = document(one, "example-plugin")
    assert printed["new"]["verified"] is False
    assert "checksum mismatch" in printed["new"]["problem"]
    assert {each["what"] for each in printed["changes"]} == {"publisher", "hook"}


def test_a_bundle_without_entry_points(
    tmp_path: Path, site: Path, authority: LocalAuthority
) -> None:
    """The distribution is still found by its name."""
    one = signed(authority, wheel(tmp_path, "1.0.0"))
    unpack(one, site)
    (site / "example_plugin-1.0.0.dist-info" / "entry_points.txt").unlink()
    printed = document(one, "example-plugin")
    assert ("plugin", "example-plugin", None) in changes(one, "example-plugin")
    assert printed["grows"] is True


def test_usage_errors(tmp_path: Path) -> None:
    """Two are compared, and a name must be one."""
    one = wheel(tmp_path, "1.0.0")
    assert run(one).exit_code == 2
    result = run(one, "nothing")
    assert (result.exit_code, result.stdout) == (2, "")
    assert result.stderr.startswith("error: no plugin 'nothing' is installed")


def test_a_misspelt_name_gets_the_nearest(tmp_path: Path, site: Path) -> None:
    """Of the distributions, too."""
    one = wheel(tmp_path, "1.0.0")
    unpack(one, site)
    assert "(did you mean 'example-plugin'?)" in run(one, "example-plugim").stderr


def test_what_cannot_be_read(tmp_path: Path, site: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Exit code 3, with the path and what to do."""
    one = wheel(tmp_path, "1.0.0")
    (tmp_path / "text.whl").write_text("no wheel")
    for target in (tmp_path / "none.whl", tmp_path / "text.whl", tmp_path):
        result = run(one, target)
        assert (result.exit_code, result.stdout) == (3, "")
        assert str(target) in result.stderr
        assert "hint: " in result.stderr
    monkeypatch.setenv("STIGMEM_PLUGIN_TRUSTED_ROOT", str(tmp_path / "none.json"))
    unpack(one, site)
    assert run(one, "example").exit_code == 3


def test_installed_files_that_cannot_be_read(tmp_path: Path, site: Path) -> None:
    """Missing, and no files at all."""
    one = wheel(tmp_path, "1.0.0")
    unpack(one, site)
    (site / "example_plugin.py").unlink()
    result = run(one, "example")
    assert result.exit_code == 3
    assert "example_plugin.py" in result.stderr
    (site / "example_plugin.py").mkdir()
    result = run(one, "example")
    assert result.exit_code == 3
    assert "symlink or special file: example_plugin.py" in result.stderr


def test_files_outside_are_not_read(tmp_path: Path, site: Path) -> None:
    """Whatever RECORD says, and one need not be there."""
    one = wheel(tmp_path, "1.0.0")
    unpack(one, site)
    record = site / "example_plugin-1.0.0.dist-info" / "RECORD"
    record.write_text(f"../{tmp_path.name}/other.py,,\n/etc/other.py,,\n\n")
    assert document(one, "example")["unknown"] == ["the capabilities and hooks of the new example"]
    record.unlink()
    assert document(one, "example")["unknown"] == ["the capabilities and hooks of the new example"]


def test_what_is_not_in_a_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """An egg, say, is not read."""
    from stigmem_plugins.discovery import InstalledDistribution, InstalledPlugin

    plugin = InstalledPlugin("egg", "egg:make", "egg", "1.0")
    egg = InstalledDistribution("egg", "1.0", (plugin,))
    monkeypatch.setattr("stigmem_plugins.cli.diff.installed_distributions", lambda **_: [egg])
    result = run(wheel(tmp_path, "1.0.0"), "egg")
    assert result.exit_code == 3
    assert result.stderr.startswith("error: egg is not installed in a folder")


# laws

NAMES = st.sampled_from(["a", "b", "c"])
SETS = st.none() | st.frozensets(st.sampled_from(sorted(map(str, Capability))[:4]))
SIGNERS = st.builds(
    Signer,
    st.sampled_from(
        [PUBLISHER, f"{WORKFLOW}@refs/tags/v2", f"{WORKFLOW}@refs/heads/main", "ada@x"]
    ),
    st.sampled_from([ISSUER, None]),
)
PUBLISHERS = st.builds(Publisher) | st.builds(Publisher, SIGNERS, verified=st.booleans())
TEXTS = st.none() | st.sampled_from(["1", "2"])


@st.composite
def snapshots(draw: st.DrawFn) -> Snapshot:
    points = draw(st.lists(NAMES, unique=True))
    names = draw(st.lists(NAMES, unique=True, min_size=len(points), max_size=len(points)))
    plugins = [
        Rights(point, name, draw(TEXTS), draw(TEXTS), draw(SETS), draw(SETS), draw(SETS))
        for point, name in zip(points, names, strict=True)
    ]
    return Snapshot(
        "x",
        "x",
        draw(TEXTS),
        draw(PUBLISHERS),
        tuple(plugins),
        draw(st.dictionaries(NAMES, st.sampled_from(["a", "a>1"]))),
        draw(st.sampled_from(["1", "2"])),
    )


def turned(change: Change) -> Change:
    return evolve(change, old=change.new, new=change.old, grows=False)


@given(snapshots())
def test_nothing_differs_from_itself(one: Snapshot) -> None:
    """Neither a change nor an open question."""
    difference = compare(one, one)
    assert (difference.changes, difference.unknown) == ((), ())
    assert not difference.grows


@given(snapshots(), snapshots())
def test_what_one_way_adds_the_other_removes(one: Snapshot, other: Snapshot) -> None:
    """The same changes, each turned round."""
    there = [evolve(change, grows=False) for change in compare(one, other).changes]
    back = [turned(change) for change in compare(other, one).changes]
    assert sorted(map(repr, there)) == sorted(map(repr, back))


@given(snapshots(), snapshots())
def test_rights_that_do_not_grow_are_among_the_old(one: Snapshot, other: Snapshot) -> None:
    """For plugins of one name, as far as they are known."""
    if not compare(one, other).grows:
        before = {each.name: each for each in one.plugins}
        for each in other.plugins:
            old = before.get(each.name)
            if old and old.capabilities is not None and each.capabilities is not None:
                assert each.capabilities <= old.capabilities


@given(SIGNERS, SIGNERS)
def test_being_one_publisher_is_mutual(one: Signer, other: Signer) -> None:
    """And everybody is themselves; nobody is somebody."""
    assert is_same_publisher(one, other) == is_same_publisher(other, one)
    assert is_same_publisher(one, one)
    assert not is_same_publisher(None, one)
    assert is_same_publisher(None, None)
