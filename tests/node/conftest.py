"""Fixtures: folders with installed plugins."""

from __future__ import annotations

import os
from pathlib import Path

import pytest


@pytest.fixture(scope="session")
def sites() -> Path:
    """The folder with `published` and `recorder`, into which the session installed plugins."""
    place = os.environ.get("NODE_SITES")
    assert place, "run these tests with `python -m nox -s node`, which installs what they need"
    return Path(place)
