"""Who may sign what: entries, rules, the policy file, and what is decided."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from attrs.exceptions import FrozenInstanceError
from hypothesis import given
from hypothesis import strategies as st

from stigmem_plugins import PluginTrustPolicy, StigmemPluginError
from stigmem_plugins.trust.policy import Untrusted
from stigmem_plugins.trust.policy_file import PolicyFile, parse_policy, read_policy_file
from stigmem_plugins.trust.rules import AllOf, AnyOf, SignedBy
from stigmem_plugins.trust.signer import PublisherEntry, Signer
from stigmem_plugins.trust.statement import SignedPlugin

GITHUB = "https://token.actions.githubusercontent.com"
WORKFLOW = "https://github.com/acme/plugin/.github/workflows/release.yml"
TAG = Signer(
    f"{WORKFLOW}@refs/tags/v1.0",
    GITHUB,
    "https://github.com/acme/plugin",
    f"{WORKFLOW}@refs/tags/v1.0",
)
PLUGIN = SignedPlugin(
    entry_point="example",
    factory="example:make",
    name="example-plugin",
    version="1.2.0",
    requires_stigmem=">=0.9.0a1",
    capabilities=("facts.read",),
    hooks=(),
    depends_on=(),
)


def policy(trusted: str = "", overrides: str = "", **file: Any) -> PluginTrustPolicy:
    return PluginTrustPolicy(trusted, overrides, parse_policy(file, "policy.toml"))


def objection(chosen: PluginTrustPolicy, signer: Signer = TAG) -> str:
    with pytest.raises(Untrusted) as raised:
        chosen.decide(signer, PLUGIN)
    return raised.value.problem


# Entries


@pytest.mark.parametrize(
    ("entry", "signer", "matches"),
    [
        (TAG.identity, TAG, True),
        (f"{WORKFLOW}@*", TAG, True),
        (f"{WORKFLOW}@refs/tags/*", TAG, True),
        (f"{WORKFLOW}@refs/heads/*", TAG, False),
        (f"{WORKFLOW}@refs/tags/v1", TAG, False),
        (f"{WORKFLOW}@refs/tags/*", Signer(TAG.identity, "https://gitlab.com"), False),
        (f"{TAG.identity}@{GITHUB}", TAG, True),
        (f"{TAG.identity}@{GITHUB}/", TAG, False),
        ("a@b.c@https://d.example/", Signer("a@b.c", "https://d.example/"), True),
        (f"{TAG.identity}@https://other.example", TAG, False),
        (f"{WORKFLOW}@refs/tags/*", Signer(f"{WORKFLOW}@refs/tags/", GITHUB), False),
        (
            # A branch may have a workflow file of this name, and is no tag.
            f"{WORKFLOW}@refs/tags/*",
            Signer(f"{WORKFLOW}@refs/tags/x.yml@refs/heads/main", GITHUB),
            False,
        ),
        ("ada@example.com", Signer("ada@example.com", "https://anybody.example"), True),
        ("ada@example.com@https://a.example", Signer("ada@example.com", "https://a.example"), True),
        (
            "ada@example.com@https://a.example",
            Signer("ada@example.com", "https://b.example"),
            False,
        ),
        # A host's own word for an identity: no issuer is known.
        (TAG.identity, Signer(TAG.identity), True),
        ("ada@example.com", Signer("ada@example.com"), True),
        ("ada@example.com@https://a.example", Signer("ada@example.com"), False),
    ],
)
def test_an_entry_names_an_identity_and_its_issuer(
    entry: str, signer: Signer, matches: bool
) -> None:
    """Exactly, but for the ref of a workflow where a star stands for it."""
    assert PublisherEntry.parse(entry).matches(signer) is matches


@pytest.mark.parametrize(
    "entry",
    [
        "*",
        "https://github.com/acme/*",
        f"{WORKFLOW}@refs/tags/v*",
        "ada@*",
        "*@example.com",
        f"{WORKFLOW}@*@*",
        "https://github.com/*/plugin@refs/tags/*",
    ],
)
@pytest.mark.parametrize("field", ["trusted_publishers", "override_publishers"])
def test_a_star_elsewhere_is_an_error(entry: str, field: str) -> None:
    """Which names the setting to correct."""
    with pytest.raises(StigmemPluginError, match=r"\* may only stand for the ref") as raised:
        PluginTrustPolicy(**{field: entry})  # type: ignore[arg-type]
    assert (raised.value.fix or "").startswith("correct STIGMEM_PLUGIN_TRUST")


def test_the_issuer_of_a_code_host_is_implied() -> None:
    """GitHub's and GitLab's; that of others and of e-mail addresses is not."""
    assert PublisherEntry.parse(f"{WORKFLOW}@*").issuer == GITHUB
    gitlab = "https://gitlab.com/acme/plugin//.gitlab-ci.yml@refs/tags/v1"
    assert PublisherEntry.parse(gitlab).issuer == "https://gitlab.com"
    assert PublisherEntry.parse("https://code.example/x@refs/tags/v1").issuer is None
    assert PublisherEntry.parse("ada@example.com").issuer is None


@given(st.text(max_size=30))
def test_an_entry_without_a_star_matches_nothing_else(text: str) -> None:
    """However it is spelt."""
    entry = PublisherEntry.parse(TAG.identity)
    assert entry.matches(Signer(text, GITHUB)) is (text == TAG.identity)


# Rules


def test_no_rule_admits_nobody() -> None:
    """A list that was left empty by mistake is no open door."""
    assert AllOf(()).objection(TAG, PLUGIN) == "no rule is given"
    assert AnyOf(()).objection(TAG, PLUGIN) == "no rule is given"
    assert "untrusted identity" in objection(PluginTrustPolicy())


def test_rules_are_combined() -> None:
    """All of them must agree, or any of them."""
    yes, no = SignedBy(PublisherEntry.parse(TAG.identity)), SignedBy(PublisherEntry.parse("a@b"))
    assert AllOf([yes, yes]).objection(TAG, PLUGIN) is None
    assert AllOf([yes, no]).objection(TAG, PLUGIN) == f"{TAG} is not a@b"
    assert AnyOf([no, yes]).objection(TAG, PLUGIN) is None
    assert AnyOf([no, no]).objection(TAG, PLUGIN) == f"{TAG} is not a@b"


# Decisions


def test_a_trusted_publisher() -> None:
    """The decision carries identity and issuer."""
    decision = policy(f"{WORKFLOW}@refs/tags/*").decide(TAG, PLUGIN)
    assert decision.signing_identity == TAG.identity
    assert decision.audit_metadata() == {
        "trust_decision": "trusted_publisher",
        "trust_reason": None,
        "issuer": GITHUB,
    }


def test_an_override() -> None:
    """It is audited as such, with the setting that made it."""
    decision = policy("somebody@example.com", TAG.identity).decide(TAG, PLUGIN)
    assert decision.trust_decision == "operator_override"
    assert decision.trust_reason == "accepted by STIGMEM_PLUGIN_TRUST_OVERRIDE_PUBLISHERS"


def test_an_untrusted_identity_is_told_from_a_near_one() -> None:
    """An entry of the same identity says why it does not match."""
    assert objection(policy()) == f"it is signed by an untrusted identity: {TAG}"
    pinned = f"{TAG.identity}@https://other.example"
    assert objection(policy(pinned)).endswith(f"; {TAG} is not {pinned}")
    assert objection(policy(f"{WORKFLOW}@refs/heads/*")).endswith(
        "of its workflow you trust refs/heads/*"
    )
    assert objection(policy(WORKFLOW)).endswith(f"; {WORKFLOW} lacks a ref, such as @refs/tags/*")
    assert objection(policy(f"{WORKFLOW}-too@refs/tags/*, {TAG.identity[8:]}")).endswith(str(TAG))
    elsewhere = {"identity": TAG.identity, "repository": "https://github.com/acme/other"}
    assert "not https://github.com/acme/other" in objection(policy(publishers=[elsewhere]))


@pytest.mark.parametrize(
    ("fields", "says"),
    [
        ({}, None),
        ({"issuer": GITHUB}, None),
        ({"issuer": "https://other.example"}, "untrusted identity"),
        ({"repository": "https://github.com/acme/plugin"}, None),
        ({"repository": "https://github.com/acme/other"}, "signed for the repository"),
        (
            {
                "repository": "https://github.com/acme/plugin",
                "workflow": ".github/workflows/release.yml",
            },
            None,
        ),
        (
            {
                "repository": "https://github.com/acme/plugin",
                "workflow": ".github/workflows/other.yml",
            },
            "signed in the workflow",
        ),
        ({"plugins": ["example-plugin"]}, None),
        ({"plugins": ["other-plugin"]}, "may not sign 'example-plugin', only: other-plugin"),
        ({"plugins": []}, "may not sign 'example-plugin', only: none"),
        ({"minimum_version": "1.2"}, None),
        ({"minimum_version": "1.2.1"}, "downgrade refused: version 1.2.0 is below 1.2.1"),
        ({"capabilities": ["facts.read", "audit.emit"]}, None),
        ({"capabilities": ["audit.emit"]}, "asks for facts.read, which plugins of"),
        ({"capabilities": []}, "asks for facts.read"),
    ],
)
def test_the_policy_file_bounds_a_publisher(fields: dict[str, Any], says: str | None) -> None:
    """By issuer, repository, workflow, plugin names, version and capabilities."""
    chosen = policy(publishers=[{"identity": f"{WORKFLOW}@refs/tags/*", **fields}])
    if says is None:
        assert chosen.decide(TAG, PLUGIN).trust_decision == "trusted_publisher"
    else:
        assert says in objection(chosen)


def test_bounds_hold_for_a_publisher_that_is_also_listed() -> None:
    """The plain list says who; where the file says what, it is not overruled."""
    bounded = {"identity": TAG.identity, "plugins": ["other-plugin"]}
    assert "may not sign" in objection(policy(TAG.identity, publishers=[bounded]))
    second = {"identity": f"{WORKFLOW}@refs/tags/*", "plugins": ["example-plugin"]}
    accepted = policy(publishers=[bounded, second]).decide(TAG, PLUGIN)
    assert accepted.trust_decision == "trusted_publisher"
    elsewhere = {"identity": TAG.identity, "repository": "https://github.com/acme/other"}
    assert "signed for the repository" in objection(policy(TAG.identity, publishers=[elsewhere]))
    foreign = {"identity": TAG.identity, "issuer": "https://other.example"}
    assert "untrusted identity" in objection(policy(TAG.identity, publishers=[foreign]))
    override = policy("", TAG.identity, publishers=[bounded]).decide(TAG, PLUGIN)
    assert override.trust_decision == "operator_override"


@pytest.mark.parametrize(
    ("deny", "denied"),
    [
        ({"identities": [TAG.identity]}, True),
        ({"identities": [f"{WORKFLOW}@*"]}, True),
        ({"identities": [f"{WORKFLOW}@refs/heads/*"]}, False),
        ({"plugins": ["example-plugin"]}, True),
        ({"plugins": ["Example_Plugin==1.2.*"]}, True),
        ({"plugins": ["example-plugin<1.2"]}, False),
        ({"plugins": ["example-plugin>=1.2.0a1"]}, True),
        ({"plugins": ["other-plugin"]}, False),
        ({}, False),
    ],
)
def test_what_is_denied_is_refused_whoever_else_admits_it(
    deny: dict[str, Any], denied: bool
) -> None:
    """Identities, and plugins in all or some versions."""
    chosen = policy(TAG.identity, TAG.identity, deny=deny)
    if denied:
        assert "denied" in objection(chosen)
    else:
        assert chosen.decide(TAG, PLUGIN).trust_decision == "trusted_publisher"


@pytest.mark.parametrize(
    ("entry", "signer", "denied"),
    [
        (f"{WORKFLOW}@*", Signer(f"{WORKFLOW}@refs/heads/a@b", GITHUB), True),
        (f"{WORKFLOW}@refs/heads/*", Signer(f"{WORKFLOW}@refs/tags/a@b", GITHUB), False),
        ("a@b.c@https://d.example", Signer("a@b.c"), True),
        ("a@b.c@https://d.example/", Signer("a@b.c", "https://d.example/"), True),
        ("a@b.c@https://d.example", Signer("a@b.c", "https://e.example"), False),
        ("a@b.c", Signer("a@b.c", "https://e.example"), True),
    ],
)
def test_a_denial_errs_on_the_side_of_denying(entry: str, signer: Signer, denied: bool) -> None:
    """Where a grant would err on the side of refusing."""
    rules = policy(deny={"identities": [entry]}).file.deny
    assert (rules.objection(signer, PLUGIN) is not None) is denied


def test_a_version_that_is_none_is_denied_with_all_others() -> None:
    """What cannot be compared does not slip through."""
    chosen = policy(deny={"plugins": ["example-plugin<2"]})
    with pytest.raises(Untrusted, match="version None is denied"):
        chosen.deny("example-plugin", None)
    chosen.deny("example-plugin", "2.0")


def test_a_policy_is_a_value() -> None:
    """Equal by its fields, and immutable."""
    assert PluginTrustPolicy("a@b, c@d") == PluginTrustPolicy(["c@d", "a@b"])
    with pytest.raises(FrozenInstanceError):
        PluginTrustPolicy().trusted_publishers = frozenset()  # type: ignore[misc]


# The file


def test_a_file_is_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """By the setting that names it."""
    path = tmp_path / "policy.toml"
    path.write_text(f'[[publishers]]\nidentity = "{TAG.identity}"\n')
    assert len(read_policy_file(path).publishers) == 1
    monkeypatch.setenv("STIGMEM_PLUGIN_TRUST_POLICY", str(path))
    decision = PluginTrustPolicy.from_settings().decide(TAG, PLUGIN)
    assert decision.trust_decision == "trusted_publisher"
    monkeypatch.delenv("STIGMEM_PLUGIN_TRUST_POLICY")
    assert PluginTrustPolicy.from_settings().file == PolicyFile()


@pytest.mark.parametrize("content", [b"[[", b"\xff", None])
def test_a_file_that_cannot_be_read_stops_the_start(tmp_path: Path, content: bytes | None) -> None:
    """With its path, and the setting that names it."""
    path = tmp_path / "policy.toml"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(StigmemPluginError, match=r"cannot read the trust policy .*policy\.toml"):
        read_policy_file(path)


def test_all_faults_of_a_file_are_reported_at_once() -> None:
    """Each with where it is, and the nearest known name."""
    document = {
        "publishes": [],
        "publishers": [
            {"identiy": "a@b"},
            {"identity": "a@*", "issuer": 3, "plugins": "x", "minimum_version": "one"},
            {"identity": "a@b", "workflow": "x.yml", "capabilities": ["facts.reed"]},
            {"identity": ""},
        ],
        "deny": {"identity": [], "plugins": ["x;y", "x[extra]", "x @ https://e.example/x"]},
    }
    with pytest.raises(StigmemPluginError) as raised:
        parse_policy(document, "policy.toml")
    message = raised.value.message
    for fault in (
        "trust policy policy.toml: unknown key 'publishes' (did you mean 'publishers'?)",
        "publishers[0]: unknown key 'identiy' (did you mean 'identity'?)",
        "publishers[0]: identity is required",
        "publishers[1]: issuer must be a string",
        "publishers[1]: publisher 'a@*': * may only stand",
        "publishers[1]: plugins must be a list of strings",
        "publishers[1]: Invalid version: 'one'",
        "publishers[2]: workflow is a path in the repository",
        "publishers[2]: unknown plugin capabilities: 'facts.reed' (did you mean 'facts.read'?)",
        "publishers[3]: identity must be a string, and not empty",
        "deny: unknown key 'identity' (did you mean 'identities'?)",
        "deny: 'x[extra]' must be a plugin's name and a version specifier",
        "deny: 'x @ https://e.example/x' must be a plugin's name",
    ):
        assert fault in message
    with pytest.raises(StigmemPluginError, match="publishers must be a list of tables"):
        parse_policy({"publishers": {}}, "policy.toml")
    with pytest.raises(StigmemPluginError, match="deny: must be a table"):
        parse_policy({"deny": []}, "policy.toml")
