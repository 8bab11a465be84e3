"""Attacks on a plugin that uv installed: all refused, before a line of it runs."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests import attacks
from tests.attacks import ATTACKS, Attack
from tests.signed import with_uv

pytestmark = pytest.mark.slow

make_site = attacks.site_fixture(with_uv)


def test_what_is_not_attacked_starts(make_site: attacks.MakeSite, tmp_path: Path) -> None:
    """Signed, installed by uv, verified, imported; its publisher is shown and audited."""
    attacks.check_unattacked(make_site(tmp_path))


@pytest.mark.parametrize("row", ATTACKS, ids=lambda row: row.title)
def test_an_attack_is_refused(row: Attack, make_site: attacks.MakeSite, tmp_path: Path) -> None:
    """The refusal names file or identity, is audited once, and nothing of the plugin ran."""
    attacks.check(row, make_site(tmp_path))
