"""The store contract, on SQLite."""

from longshore.backends.sqlite import SqliteStore
from longshore.testing.conformance import conform

TestSqlite = conform(
    lambda place: SqliteStore(place / "jobs.db"), round_trips=lambda store: store.round_trips
)
