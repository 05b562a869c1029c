"""Drivers are optional: who lacks one is told what to install, once and clearly."""

import sys
from collections.abc import Callable

import pytest

from longshore.backends import open_store
from longshore.core.errors import SettingsError

DRIVERS = {"redis": "redis", "postgres": "asyncpg"}
"""The extra and the package of the store, and what is imported for it."""


@pytest.fixture
def without_driver(monkeypatch: pytest.MonkeyPatch) -> Callable[[str], None]:
    """As if a store's driver were not installed."""

    def hide(store: str) -> None:
        driver = DRIVERS[store]
        for name in list(sys.modules):
            if name.split(".")[0] == driver or f".backends.{store}" in name:
                monkeypatch.delitem(sys.modules, name)
        monkeypatch.setitem(sys.modules, driver, None)

    return hide


@pytest.mark.parametrize(
    ("url", "store"), [("redis://localhost/0", "redis"), ("postgresql://localhost/jobs", "postgres")]
)
def test_a_store_without_its_driver_says_what_to_install(
    without_driver: Callable[[str], None], url: str, store: str
) -> None:
    without_driver(store)
    with pytest.raises(
        SettingsError, match=rf'{url.partition("/")[0]}//.*pip install "longshore\[{store}\]"'
    ):
        open_store(url)
