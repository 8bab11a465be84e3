"""Settings for all tests."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from hypothesis import HealthCheck, settings

from stigmem_plugins import HookRegistry, get_registry, set_registry
from stigmem_plugins.trust.importer import FINDER

pytest_plugins = ["pytester"]

# A shared machine is slow at times; a hang is what the runner's own limits are for.
settings.register_profile(
    "shared-machine", deadline=None, suppress_health_check=[HealthCheck.too_slow]
)
settings.load_profile("shared-machine")


@pytest.fixture(autouse=True)
def _verified_modules() -> Iterator[None]:
    """What a test imports from verified bytes is gone afterwards."""
    yield
    for files in {id(files): files for files in FINDER._owners.values()}.values():
        FINDER._forget(files)


@pytest.fixture(autouse=True)
def _process_registry() -> Iterator[None]:
    """Each test has a process registry of its own."""
    previous = set_registry(HookRegistry())
    yield
    get_registry()
    set_registry(previous)


@pytest.fixture
def pytester(pytester: pytest.Pytester) -> pytest.Pytester:
    """A pytest with settings of its own: temporary folders may be within the project."""
    pytester.makeini("[pytest]")
    return pytester
