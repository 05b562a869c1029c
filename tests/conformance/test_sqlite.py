"""The store contract, on SQLite files."""

from longshore.backends.sqlite.store import SqliteStore
from longshore.testing.conformance import conform

TestSqlite = conform(
    lambda place: SqliteStore(place / "jobs.db"), round_trips=lambda store: store.round_trips
)
