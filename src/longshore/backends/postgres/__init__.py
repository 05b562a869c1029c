"""This package is the PostgreSQL store: narrow tables, a few connections with a purpose each, wake-ups by NOTIFY."""

from longshore.backends.postgres.store import PostgresStore
from longshore.core.clock import Clock

__all__ = ["PostgresStore", "from_url"]


def from_url(
    url: str, *, schema: str | None = None, prefix: str | None = None, clock: Clock | None = None
) -> PostgresStore:
    """The store of a URL; `url.py` says what it may hold. Raises SettingsError, InvalidOption and UnknownOption."""
    return PostgresStore(url, schema=schema, prefix=prefix, clock=clock)
