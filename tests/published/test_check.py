"""The eleven published plugins pass `check`, as wheels and as source trees."""

from __future__ import annotations

import subprocess
import sys
import tarfile
from pathlib import Path

import pytest

from stigmem_plugins.findings import Level
from tests.authored import complaints
from tests.published.test_plugins import ALL, requirements

pytestmark = pytest.mark.network

FORMS = {"wheels": (), "sources": ("--no-binary", ":all:")}


@pytest.fixture(scope="module", params=FORMS)
def published(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the wheel, or the unpacked sources, of each."""
    folder = tmp_path_factory.mktemp("published")
    pip = [sys.executable, "-m", "pip", "download", "--quiet", "--disable-pip-version-check"]
    options = ["--no-deps", *FORMS[request.param], "--dest", str(folder)]
    subprocess.run([*pip, *options, *requirements(ALL)], check=True)
    for archive in folder.glob("*.tar.gz"):
        with tarfile.open(archive) as sources:
            sources.extractall(folder, filter="data")
        archive.unlink()
    return folder


def test_the_published_plugins_pass(published: Path) -> None:
    """The one complaint about them is true: they ask for nothing that they declare."""
    found = {path: complaints(path) for path in published.iterdir()}
    assert len(found) == len(ALL)
    everything = [finding for findings in found.values() for finding in findings]
    assert not [finding for finding in everything if finding.level is Level.FAIL]
    assert {finding.check for finding in everything} == {"capabilities"}
