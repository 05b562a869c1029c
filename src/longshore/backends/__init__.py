"""This package holds the stores, one folder each, and finds the right one for a URL."""

import re
from collections.abc import Callable, Mapping
from difflib import get_close_matches
from importlib import import_module
from inspect import signature
from types import ModuleType
from typing import Any

from longshore.core.errors import SettingsError, UnknownOption
from longshore.store.contract import Store

_REDIS = [
    f"{name}{kind}"
    for name in ("redis", "rediss", "valkey", "valkeys")
    for kind in ("", "+cluster", "+sentinel")
]

_POSTGRES = ["postgresql", "postgres", "postgresql+asyncpg", "postgresql+psycopg", "postgresql+psycopg2"]
"""The last three as SQLAlchemy writes them: the driver is asyncpg all the same."""

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
    scheme = url.partition(":")[0].lower()  # urlsplit would raise for a bracket in a password
    if scheme in DRIVERS:
        return scheme
    raise SettingsError(
        f"{_what_is_wrong(url)} Known: {', '.join(f'{known}://' for known in sorted(DRIVERS))}."
    )


def _what_is_wrong(url: str) -> str:
    """In words that repeat no more than a scheme or the name of a file: the rest may be a password."""
    named = re.match(r"([a-z][a-z0-9+.-]*)://", url, re.IGNORECASE)
    if named is not None:
        near = get_close_matches(named[1].lower(), DRIVERS, n=1)
        return f"No store speaks {named[1]}://." + (f" Did you mean {near[0]}://?" if near else "")
    if url and re.fullmatch(r"[\w./ -]+\.\w+", url):
        return f"{url!r} is no URL. Did you mean sqlite:///{url}?"
    return "This is no URL of a store."


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
