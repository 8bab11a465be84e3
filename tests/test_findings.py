"""Findings, how they print, and the static look at which capabilities code uses."""

from io import StringIO

from hypothesis import given
from hypothesis import strategies as st
from rich.console import Console

from stigmem_plugins.capabilities import Capability
from stigmem_plugins.cli.findings import show_findings, summary
from stigmem_plugins.findings import Finding, Level, Place, failed
from stigmem_plugins.usage import Usage, find_usage

WARNED = Finding("returns", Level.WARN, "falls off the end", place=Place("src/x.py", 3, 4))
BROKEN = Finding(
    "unsigned", Level.FAIL, "no bundle", code="unsigned.no-bundle", subject="a", hint="sign it"
)


def printed(*findings):
    """What a terminal of 80 columns shows."""
    out = StringIO()
    show_findings(Console(file=out, width=80, markup=False, highlight=False), findings)
    return out.getvalue()


def used(source):
    """The capabilities that a piece of code uses."""
    return set(map(str, find_usage({"a.py": source}).places))


def test_only_a_failure_fails():
    """Warnings, skipped checks and good news leave a command's exit code alone."""
    others = [Finding("x", level, "y") for level in (Level.OK, Level.WARN, Level.SKIP)]
    assert not failed(others)
    assert failed([*others, BROKEN])


def test_a_finding_prints_its_place_and_what_to_do():
    """Heading, facts, fix."""
    assert printed(BROKEN, WARNED).splitlines() == [
        "fail  unsigned  a",
        "      no bundle",
        "      to do: sign it",
        "warn  returns  src/x.py:3:4",
        "      falls off the end",
    ]


def test_a_place_that_is_too_far_off_has_a_line_of_its_own():
    """Names and paths are not cut in two by the edge of the terminal."""
    room = 80 - len("warn  returns  example  .py:3")
    near, far = (Place(f"{'x' * length}.py", 3) for length in (room, room + 1))
    findings = [
        Finding("returns", Level.WARN, "a", subject="example", place=p) for p in (near, far)
    ]
    assert printed(*findings).splitlines() == [
        f"warn  returns  example  {near}",
        "      a",
        "warn  returns  example",
        f"      {far}",
        "      a",
    ]


def test_a_hostile_subject_stays_on_its_line():
    """Control characters of foreign text are shown, not obeyed."""
    shown = printed(Finding("x", Level.OK, "a\x1b[31m\nb", subject="evil\nok    x"))
    assert shown.splitlines() == ["ok    x  evil\\nok    x", "      a\\x1b[31m\\nb"]


def test_the_summary_counts_levels_worst_first():
    """As a reader asks: how bad is it?"""
    assert summary([WARNED, BROKEN, WARNED]) == "1 fail, 2 warn"


def test_facts_are_json_values():
    """For `--json`."""
    assert WARNED.facts() == {
        "check": "returns",
        "level": "warn",
        "message": "falls off the end",
        "code": "returns",
        "subject": None,
        "hint": None,
        "place": {"file": "src/x.py", "line": 3, "column": 4},
    }


def test_an_accessor_counts_as_attribute_and_as_string():
    """Called directly, kept for later, or fetched by its name."""
    assert used(b"ctx.get_facts_reader()") == {"facts.read"}
    assert used(b"get = ctx.get_audit_emitter") == {"audit.emit"}
    assert used(b"getattr(ctx, 'get_network_outbound')()") == {"network.outbound"}
    assert used(b"ctx.get_lost(); getattr(ctx, 'lost')") == set()


def test_a_computed_name_leaves_the_answer_open():
    """What only running the code can tell is not guessed."""
    assert not find_usage({"a.py": b"getattr(ctx, name)()"}).complete
    assert find_usage({"a.py": b"getattr(ctx, 'name')()"}).complete


def test_what_is_no_python_is_named():
    """And the other files are still looked at."""
    usage = find_usage({"a.py": b"def (", "b.py": b"ctx.get_facts_reader()"})
    assert usage.unreadable == (Place("a.py"),)
    assert not usage.complete
    assert [str(place) for place in usage.places[Capability.FACTS_READ]] == ["b.py:1:1"]


def test_no_code_uses_nothing():
    """An empty answer, and a certain one."""
    assert find_usage({}) == Usage()
    assert Usage().complete


@given(st.binary(max_size=60))
def test_any_bytes_can_be_looked_at(source):
    """An author's file or an attacker's never raises."""
    find_usage({"a.py": source})
