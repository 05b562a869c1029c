"""This module gives pending jobs to sessions."""

from collections.abc import Iterator, Sequence
from itertools import groupby

from longshore.backends.postgres.dialect import Dialect, Row, Runs
from longshore.backends.postgres.rounds import rounds
from longshore.backends.postgres.rows import claimed_job
from longshore.backends.postgres.watermarks import Watermarks
from longshore.store.commands import ClaimAsk
from longshore.store.replies import Claimed

Numbered = tuple[int, ClaimAsk]


async def claim(
    connection: Runs,
    dialect: Dialect,
    asks: Sequence[ClaimAsk],
    now_ms: int | None,
    watermarks: Watermarks,
) -> list[Claimed]:
    """Answers each ask, with one statement unless a queue is asked for by several sessions."""
    if watermarks.is_look_due():
        [(dead_rows,)] = await dialect.fetch(connection, "dead_rows")
        watermarks.set_dead_rows(dead_rows)
    replies: dict[int, Claimed] = {}
    for named, group in groupby(enumerate(asks), lambda numbered: numbered[1].id is not None):
        together = list(group)
        for round_ in _rounds(together, named=named):
            if named:
                rows = await _fetch_named(connection, dialect, round_, now_ms)
            else:
                rows = await _fetch_next(connection, dialect, round_, now_ms, watermarks)
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


async def _fetch_named(
    connection: Runs, dialect: Dialect, asks: list[list[Numbered]], now_ms: int | None
) -> Sequence[Row]:
    queues, sessions = _subjects(asks)
    ids = [(together[0][1].id or b"").hex() for together in asks]
    return await dialect.fetch(connection, "claim_named", now_ms, queues, ids, sessions)


async def _fetch_next(
    connection: Runs,
    dialect: Dialect,
    asks: list[list[Numbered]],
    now_ms: int | None,
    watermarks: Watermarks,
) -> Sequence[Row]:
    queues, sessions = _subjects(asks)
    counts = [sum(max(0, ask.count) for _, ask in together) for together in asks]
    if not watermarks.are_needed:
        return await dialect.fetch(connection, "claim", now_ms, queues, counts, sessions)
    lows = watermarks.lows(queues)
    rows = await dialect.fetch(connection, "claim_above", now_ms, queues, counts, sessions, lows)
    for row in reversed(rows):  # the first of each line last
        if row[1] is not None:
            watermarks.claimed(queues[row[0] - 1], row[4], row[12])
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
