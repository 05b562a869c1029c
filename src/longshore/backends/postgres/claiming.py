"""This module gives pending jobs to sessions.

A claim is one statement and waits for nobody. Only where it meets jobs with a rate it claims nothing, and is made again
under the locks of these queues, together with what it spends: so a crash in between loses neither.
"""

from collections.abc import Iterator, Sequence
from itertools import groupby

import msgspec

from longshore.backends.postgres.connecting import Connection
from longshore.backends.postgres.dialect import Dialect, Row
from longshore.backends.postgres.ledger import SPENDS, Ledger, lock, ruled
from longshore.backends.postgres.rounds import rounds
from longshore.backends.postgres.rows import claimed_job
from longshore.backends.postgres.turns import FIRST_TURN
from longshore.backends.postgres.watermarks import Watermarks
from longshore.core.rules import Rules, unpack
from longshore.store.commands import ClaimAsk
from longshore.store.replies import Claimed

Numbered = tuple[int, ClaimAsk]


class Remembered(msgspec.Struct):
    """What a handle knows of lines from the claims before."""

    watermarks: Watermarks
    spending: set[str]
    """Queues whose jobs spent of rates the last time."""


async def claim(
    connection: Connection,
    dialect: Dialect,
    asks: Sequence[ClaimAsk],
    now_ms: int | None,
    remembered: Remembered,
) -> list[Claimed]:
    """Answers each ask, with one statement unless a queue is asked for by several sessions, or its jobs spend."""
    watermarks = remembered.watermarks
    if watermarks.is_look_due():
        [(dead_rows,)] = await dialect.fetch(connection, "dead_rows")
        watermarks.set_dead_rows(dead_rows)
    replies: dict[int, Claimed] = {}
    for named, group in groupby(enumerate(asks), lambda numbered: numbered[1].id is not None):
        for round_ in _rounds(list(group), named=named):
            one = _Round(connection, dialect, round_, now_ms, None if named else watermarks)
            rows = await one.claim(remembered.spending)
            watermarks.gave(len(rows))
            replies.update(_dealt(round_, rows))
    return [replies[number] for number in range(len(asks))]


def _rounds(asks: list[Numbered], *, named: bool) -> Iterator[list[list[Numbered]]]:
    """What one statement can ask for: each queue (or job) once. Asks of one session for one queue become one."""
    merged: dict[tuple[str, str, bytes | None], list[Numbered]] = {}
    for number, ask in asks:
        merged.setdefault((ask.queue, ask.session, ask.id), []).append((number, ask))
    for round_ in rounds(merged.items(), lambda item: item[0][2] if named else item[0][0]):
        yield [together for _, (_, together) in round_]


class _Round:
    """What one statement asks for."""

    def __init__(
        self,
        connection: Connection,
        dialect: Dialect,
        asks: list[list[Numbered]],
        now_ms: int | None,
        watermarks: Watermarks | None,
    ) -> None:
        self._connection = connection
        self._dialect = dialect
        self._asks = asks
        self._now_ms = now_ms
        self._watermarks = watermarks
        self._queues, self._sessions = _subjects(asks)

    async def claim(self, spending: set[str]) -> Sequence[Row]:
        """The rows of the statement: at first of that without locks, unless it would be in vain."""
        locked = sorted(spending.intersection(self._queues))
        while True:
            rows = await self._claim_and_spend(locked) if locked else await self._fetch([], self._now_ms)
            refused = {row[2] for row in rows if row[0] == 0}
            if not refused:
                if locked:
                    spending -= self._thrifty(rows)
                return rows
            spending |= refused
            locked = sorted(refused.union(locked))

    async def _claim_and_spend(self, locked: list[str]) -> Sequence[Row]:
        async with self._connection.transaction():
            held = await lock(self._connection, self._dialect, self._now_ms, flows=locked)
            rows = await self._fetch(locked, held.now_ms)  # what is spent is spent when it starts
            if rows and rows[0][0] == 0:
                return rows
            ledger = Ledger(self._connection, self._dialect, held)
            spent = []
            for row in rows:
                rules = unpack(row[13])
                if rules is not None and ruled(rules) == SPENDS:
                    spent.append((self._queues[row[0] - 1], row[4], Rules(flow=rules.flow)))
            await ledger.load(spent)
            for queue, _, rules in spent:
                ledger.start(queue, rules.flow)
            await ledger.keep()
        return rows

    def _thrifty(self, rows: Sequence[Row]) -> set[str]:
        """Queues whose jobs have not spent."""
        gave = {row[0] for row in rows if row[1] is not None}
        spent = {row[0] for row in rows if row[1] is not None and ruled(unpack(row[13])) == SPENDS}
        return {self._queues[number - 1] for number in gave - spent}

    async def _fetch(self, locked: list[str], now_ms: int | None) -> Sequence[Row]:
        counts = [sum(max(0, ask.count) for _, ask in together) for together in self._asks]
        values = (self._queues, counts, self._sessions, locked)
        if self._watermarks is None:
            ids = [(together[0][1].id or b"").hex() for together in self._asks]
            return await self._dialect.fetch(self._connection, "claim_named", now_ms, *values, ids)
        if not self._watermarks.are_needed:
            return await self._dialect.fetch(self._connection, "claim", now_ms, *values)
        lows = self._watermarks.lows(self._queues)
        rows = await self._dialect.fetch(self._connection, "claim_above", now_ms, *values, lows)
        for row in reversed(rows):  # the first of each line last
            if row[1] is not None and row[12] < FIRST_TURN:
                self._watermarks.claimed(self._queues[row[0] - 1], row[4], row[12])
        return rows


def _subjects(asks: list[list[Numbered]]) -> tuple[list[str], list[str]]:
    """The queues and the sessions."""
    firsts = [together[0][1] for together in asks]
    return [ask.queue for ask in firsts], [ask.session for ask in firsts]


def _dealt(asks: list[list[Numbered]], rows: Sequence[Row]) -> Iterator[tuple[int, Claimed]]:
    """The rows as replies; asks that became one share in their order."""
    if len(asks) == 1:
        groups = {1: list(rows)}
    else:
        groups = {number: list(group) for number, group in groupby(rows, lambda row: int(row[0]))}
    for number, together in enumerate(asks, start=1):
        given = groups.get(number, [])
        is_lost = bool(given) and given[0][1] is None
        for place, ask in together:
            if is_lost:
                yield place, Claimed([], session_lost=True)
                continue
            share, given = given[: max(0, ask.count)], given[max(0, ask.count) :]
            yield place, Claimed([claimed_job(row, ask.queue, ask.session) for row in share])
