"""Attacks on a plugin that pip installed: all refused, before a line of it runs."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests import attacks
from tests.attacks import ATTACKS, Attack
from tests.signed import with_pip

pytestmark = pytest.mark.slow

make_site = attacks.site_fixture(with_pip)


def test_what_is_not_attacked_starts(make_site: attacks.MakeSite, tmp_path: Path) -> None:
    """Signed, installed by pip, verified, imported; its publisher is shown and audited."""
    attacks.check_unattacked(make_site(tmp_path))


def test_every_attack_is_a_row() -> None:
    """So that none is lost."""
    assert len(ATTACKS) == 38


@pytest.mark.parametrize("row", ATTACKS, ids=lambda row: row.title)
def test_an_attack_is_refused(row: Attack, make_site: attacks.MakeSite, tmp_path: Path) -> None:
    """The refusal names file or identity, is audited once, and nothing of the plugin ran."""
    attacks.check(row, make_site(tmp_path))
