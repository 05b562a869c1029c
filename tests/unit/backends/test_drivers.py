"""Drivers are optional: who lacks one is told what to install, once and clearly."""

import sys

import pytest

from longshore.backends import open_store
from longshore.core.errors import SettingsError


@pytest.fixture
def without_redis_py(monkeypatch: pytest.MonkeyPatch) -> None:
    """As if it were not installed."""
    for name in [name for name in sys.modules if name.split(".")[0] == "redis" or ".backends.redis" in name]:
        monkeypatch.delitem(sys.modules, name)
    for name in ("redis", "redis.asyncio", "redis.asyncio.connection", "redis.exceptions"):
        monkeypatch.setitem(sys.modules, name, None)


def test_a_store_without_its_driver_says_what_to_install(without_redis_py: None):
    with pytest.raises(SettingsError, match=r'redis://.*pip install "longshore\[redis\]"'):
        open_store("redis://localhost/0")
