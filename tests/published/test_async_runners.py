"""The test kit beside pytest-asyncio and anyio with trio, in an environment of their own.

pytest-asyncio is not installed where the other tests run: as long as its setting
`asyncio_default_fixture_loop_scope` is not there it warns while pytest is configured, and where
warnings are errors, as here, pytest does not start. The setting itself is unknown, an error too,
wherever pytest-asyncio is not installed.
"""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.environments import Environment, make_environment

pytestmark = pytest.mark.network

INI = """
[pytest]
asyncio_default_fixture_loop_scope = function
filterwarnings = error
"""

TESTS = """
import asyncio

import pytest

from stigmem_plugins import Allow, Deny, PluginManifest, get_registry
from stigmem_plugins.testing import assert_allows, assert_denies, audited

async def only_good(ctx, *, req=None, **_):
    return Deny("blocked") if req == "bad" else Allow()

async def waits(ctx, *, identity=None, **_):
    await asyncio.sleep(0)
    return Allow()

def plugin_manifest():
    hooks = {"pre_assert_authorize": only_good, "capability_check": waits}
    return PluginManifest("example-plugin", "1.0.0", hooks=hooks)

pytestmark = pytest.mark.stigmem_plugins(plugin_manifest)

async def votes(hook_registry, conformance):
    assert get_registry() is hook_registry
    assert await hook_registry.afire_voting("pre_assert_authorize", req="good") == Allow()
    assert_allows(hook_registry, "capability_check")
    assert_denies(hook_registry, "pre_assert_authorize", reason="blocked", req="bad")
    assert audited("plugin.handler_denied", reason="blocked") in hook_registry.audit_events
    conformance(plugin_manifest)

def test_sync(hook_registry, conformance):
    assert_denies(hook_registry, "pre_assert_authorize", req="bad")
    conformance(plugin_manifest)
"""

OF_ASYNCIO = """
import pytest_asyncio

@pytest_asyncio.fixture
async def decision(hook_registry):
    return await hook_registry.afire_voting("pre_assert_authorize", req="bad")

@pytest.mark.asyncio
async def test_async(hook_registry, conformance):
    await votes(hook_registry, conformance)

@pytest.mark.asyncio
async def test_async_fixture(decision):
    assert decision == Deny("blocked")
"""

OF_ANYIO = """
@pytest.fixture
async def decision(hook_registry):
    return await hook_registry.afire_voting("pre_assert_authorize", req="bad")

@pytest.mark.anyio
async def test_async(hook_registry, conformance):
    await votes(hook_registry, conformance)

@pytest.mark.anyio
async def test_async_fixture(decision):
    assert decision == Deny("blocked")
"""


@pytest.fixture(scope="module")
def environment(tmp_path_factory: pytest.TempPathFactory, wheel: str) -> Environment:
    """Our wheel, pytest, and those who run async tests."""
    folder = tmp_path_factory.mktemp("async-runners")
    packages = ("pytest>=8.2", "pytest-asyncio", "pytest-xdist", "anyio", "trio")
    return make_environment(folder / "venv", wheel, *packages)


def run(environment: Environment, folder: Path, tests: str, *options: str) -> str:
    (folder / "pytest.ini").write_text(INI)
    (folder / "test_async_plugin.py").write_text(TESTS + tests)
    pytest_ = ("-m", "pytest", "--strict-markers", "-p", "no:cacheprovider")
    return environment.run(*pytest_, *options, cwd=folder).stdout


@pytest.mark.parametrize("options", [(), ("--asyncio-mode=auto",), ("-n2",)])
def test_with_pytest_asyncio(environment: Environment, tmp_path: Path, options: tuple[str, ...]):
    """In both of its modes, and distributed."""
    said = run(environment, tmp_path, OF_ASYNCIO, *options)
    assert "3 passed" in said, said


@pytest.mark.parametrize("options", [(), ("-n2",)])
def test_with_anyio_on_both_of_its_event_loops(
    environment: Environment, tmp_path: Path, options: tuple[str, ...]
):
    """Each async test runs on asyncio and on trio."""
    said = run(environment, tmp_path, OF_ANYIO, *options)
    assert "5 passed" in said, said
