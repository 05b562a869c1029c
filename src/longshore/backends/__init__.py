"""This package holds the stores, one folder each, and finds the right one for a URL."""

from collections.abc import Callable, Mapping
from importlib import import_module
from inspect import signature
from types import ModuleType
from typing import Any
from urllib.parse import urlsplit

from longshore.core.errors import SettingsError, UnknownOption
from longshore.store.contract import Store

_REDIS = [
    f"{name}{kind}"
    for name in ("redis", "rediss", "valkey", "valkeys")
    for kind in ("", "+cluster", "+sentinel")
]

_POSTGRES = ["postgresql", "postgres", "postgresql+asyncpg", "postgresql+psycopg"]
"""The last two as SQLAlchemy writes them: the driver is asyncpg all the same."""

DRIVERS: Mapping[str, str] = {
    "memory": "longshore.backends.memory",
    "sqlite": "longshore.backends.sqlite",
    **dict.fromkeys(_POSTGRES, "longshore.backends.postgres"),
    **dict.fromkeys(_REDIS, "longshore.backends.redis"),
}
"""The package behind each scheme of a URL; imported only when it is asked for."""

EXTRAS: Mapping[str, str] = {"longshore.backends.postgres": "postgres", "longshore.backends.redis": "redis"}
"""What to install for a package that needs more than Longshore itself: `longshore[…]`."""


def check_scheme(url: str) -> str:
    """The scheme of a store's URL. Raises SettingsError for one that nobody serves."""
    scheme = urlsplit(url).scheme
    if scheme in DRIVERS:
        return scheme
    known = ", ".join(f"{known}://" for known in sorted(DRIVERS))
    raise SettingsError(
        f"No store speaks {url.partition(':')[0] + '://' if ':' in url else repr(url)}. Known: {known}."
    )


def open_store(url: str, **options: Any) -> Store:
    """The store that a URL names, not opened yet: `memory://`, `memory://name`, `sqlite:///path/to/jobs.db`.

    `options` are the driver's own. Raises SettingsError for a scheme that nobody serves, and UnknownOption.
    """
    scheme = check_scheme(url)
    opener: Callable[..., Store] = _package(scheme).from_url
    taken = [name for name in signature(opener).parameters if name != "url"]
    for option in options:
        if option not in taken:
            raise UnknownOption(option, taken, of=f"{scheme}://")
    return opener(url, **options)


def _package(scheme: str) -> ModuleType:
    package = DRIVERS[scheme]
    try:
        return import_module(package)
    except ModuleNotFoundError as missing:
        if package not in EXTRAS or str(missing.name).startswith("longshore"):
            raise
        raise SettingsError(
            f"{scheme}:// needs a driver that is not installed ({missing.name}). "
            f'Install it: pip install "longshore[{EXTRAS[package]}]"'
        ) from missing
