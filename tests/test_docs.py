"""The documentation says what the code does."""

import inspect
import re
import tomllib
from typing import Any

import pytest

import stigmem_plugins
from stigmem_hookspecs import HOOK_SPECS, LIFECYCLE_MODULES, Allow
from stigmem_plugins import HookRegistry
from stigmem_plugins.checks import REASONS
from stigmem_plugins.plans import Plan
from stigmem_plugins.settings import SETTING_NAMES
from stigmem_plugins.trust.policy_file import PUBLISHER_KEYS, parse_policy
from tests.pages import DOCS, REFERENCE, ROOT, load
from tests.support import manifest

PROSE = [ROOT / "README.md", *sorted(DOCS.glob("*.md"))]
PAGES = [*PROSE, *sorted(REFERENCE.glob("*.md"))]
ROLE = re.compile(
    r"\{[a-z]+\}`|^\([a-z-]+\)=$|^[`:]{3,}\{(?:important|note|warning)\}", re.MULTILINE
)
FUNCTIONS = {
    name: getattr(module, name)
    for module in LIFECYCLE_MODULES
    for name in HOOK_SPECS
    if hasattr(module, name)
}


generate = load("generate")
hooks = load("derived.hooks")
HOOKS_PAGE = (REFERENCE / "hooks.md").read_text("utf-8")


@pytest.mark.parametrize("path", generate.FILES, ids=lambda path: path.name)
def test_every_derived_file_is_what_the_code_says(path):
    """Who edits what it is derived from is told how to bring it up to date."""
    if generate.FILES[path]() != path.read_text("utf-8"):
        pytest.fail(f"{path.name} is out of date; run: {generate.COMMAND}")


def test_checking_reports_by_exit_code(tmp_path, monkeypatch, capsys):
    """`--check` accepts a file that is up to date, and names the command for another or none."""
    path = tmp_path / "reference" / "page.md"
    monkeypatch.setattr(generate, "FILES", {path: lambda: "as it should be"})
    assert generate.main(["--check"]) == 1
    assert generate.COMMAND in capsys.readouterr().err
    assert generate.main([]) == 0
    assert generate.main(["--check"]) == 0
    path.write_text("edited")
    assert generate.main(["--check"]) == 1


@pytest.mark.parametrize("hook", HOOK_SPECS)
def test_every_hook_has_a_section_with_its_exact_signature(hook):
    """The section shows each parameter with its annotation and default."""
    _, _, section = HOOKS_PAGE.partition(f"\n### {hook}\n")
    shown = section.partition("```py\n")[2].partition("\n```")[0]
    for parameter in inspect.signature(FUNCTIONS[hook]).parameters.values():
        assert f"    {parameter.name}: {parameter.annotation}" in shown
    assert shown.startswith(f"def {hook}(")


@pytest.mark.parametrize("hook", HOOK_SPECS)
def test_every_hookspec_documents_arguments_results_errors_and_an_example(hook):
    """A docstring has all four sections, an entry for each parameter, and a doctest."""
    function = FUNCTIONS[hook]
    sections = hooks.read(inspect.getdoc(function))
    assert set(sections) == {"", *hooks.SECTIONS}
    assert all(sections.values())
    listed = [line.split(":")[0] for line in sections["Args"].splitlines() if line[0] != " "]
    assert listed == list(inspect.signature(function).parameters)
    assert ">>> " in sections["Example"]


def test_a_hook_that_a_search_would_not_lead_to_is_named():
    """The build ends then; a heading on another page does not count."""
    unfindable = load("conf").unfindable
    index = {
        "docnames": ["guide", "reference/hooks"],
        "alltitles": {"recall_rank": [[1, "recall-rank"]], "audit_emit": [[0, "audit-emit"]]},
    }
    assert unfindable(index, ["recall_rank"]) == []
    assert unfindable(index, ["recall_rank", "audit_emit", "recall_filter"]) == [
        "audit_emit",
        "recall_filter",
    ]


@pytest.mark.parametrize("name", stigmem_plugins.__all__)
def test_every_public_name_is_in_the_api_reference(name):
    """A name that is exported is documented."""
    page = (DOCS / "reference" / "api.md").read_text("utf-8")
    assert f" stigmem_plugins.{name}\n" in page


@pytest.mark.parametrize("reason", REASONS)
def test_operators_find_what_to_do_about_every_refusal(reason):
    """The operator's page has a table row for each reason."""
    assert f"\n| `{reason}` |" in (DOCS / "operate.md").read_text("utf-8")


def test_the_readme_lists_every_setting():
    """The README's table is complete, too."""
    readme = (ROOT / "README.md").read_text("utf-8")
    assert [name for name in SETTING_NAMES if f"\n| `{name}` |" not in readme] == []


def test_the_policy_file_of_the_how_to_is_one():
    """Every key that it explains is known, and used in the example."""
    page = (DOCS / "trust.md").read_text("utf-8")
    document = tomllib.loads(page.partition("```toml\n")[2].partition("```")[0])
    policy = parse_policy(document, "trust.md")
    assert len(policy.publishers) == 3
    assert len(policy.deny.identities) == len(policy.deny.plugins) - 1 == 1
    used = {key for table in document["publishers"] for key in table}
    assert used == set(PUBLISHER_KEYS)
    assert [key for key in PUBLISHER_KEYS if f"\n| `{key}` |" not in page] == []


@pytest.mark.parametrize("page", PROSE, ids=lambda page: page.name)
def test_pages_read_well_without_sphinx(page):
    """Prose has no roles, labels or admonition fences: a Markdown viewer shows them as text."""
    assert ROLE.findall(page.read_text("utf-8")) == []


def test_the_plan_that_is_explained_is_the_one_that_is_compiled() -> None:
    """The page shows what `order --plan` prints."""

    def vote(_ctx: Any, *, identity: Any) -> Allow:
        return Allow()

    registry = HookRegistry()
    for name in ("beta", "zeta"):
        registry.register_plugin(manifest(name, hooks={"capability_check": vote}))
    spec = HOOK_SPECS["capability_check"]
    plan = Plan(spec, registry._dispatcher.handlers(spec.name), spec.keywords)
    page = (DOCS / "explanation.md").read_text("utf-8")
    assert plan.get_source().replace("'identity'", '"identity"') in page
