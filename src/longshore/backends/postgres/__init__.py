"""This package is the PostgreSQL store: narrow tables, a few connections with a purpose each, wake-ups by NOTIFY."""

from longshore.backends.postgres.store import PostgresStore
from longshore.core.clock import Clock

__all__ = ["PostgresStore", "from_url"]


def from_url(
    url: str, *, schema: str | None = None, prefix: str | None = None, clock: Clock | None = None
) -> PostgresStore:
    """The store of `postgresql://user@host:5432/database`, with options of its own behind the `?`: see the how-to page.

    `schema` and `prefix` win over what the URL says of them. Raises SettingsError, UnknownOption and InvalidOption.
    """
    return PostgresStore(url, schema=schema, prefix=prefix, clock=clock)
