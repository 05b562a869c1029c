"""This module makes small again what only grows: the tally, idle meters, and unique keys whose last job is gone."""

from longshore.backends.postgres.dialect import Dialect, Runs

TIDY_AFTER = 500
"""Steps of a handle after which it tidies. Each leaves a row in the tally; reading 1,000 of them takes 0.5 ms."""
LOOKED_AT = 1000
"""Unique keys, and meters, that are looked at each time."""


class Tidier:
    """Tidies once in a while, for one handle."""

    def __init__(self, dialect: Dialect) -> None:
        self._dialect = dialect
        self._steps = 0
        self._behind = (b"", "", "")
        """Up to where unique keys and meters were looked at."""

    def is_due(self) -> bool:
        """Whether it is time, asked once for each step."""
        self._steps = (self._steps + 1) % TIDY_AFTER
        return self._steps == 0

    async def tidy(self, connection: Runs, now_ms: int | None) -> None:
        """Two statements that commit by themselves."""
        await self._dialect.fetch(connection, "fold", now_ms)
        mark, *meter = self._behind
        [(mark, queue, name)] = await self._dialect.fetch(connection, "tidy", now_ms, mark, LOOKED_AT, *meter)
        self._behind = (mark or b"", queue or "", name or "")
