"""This module gives pending jobs to sessions."""

from collections.abc import Iterator, Sequence
from itertools import groupby

from longshore.backends.postgres.dialect import Dialect, Row, Runs
from longshore.backends.postgres.rounds import rounds
from longshore.backends.postgres.rows import claimed_job
from longshore.store.commands import ClaimAsk
from longshore.store.replies import Claimed

Numbered = tuple[int, ClaimAsk]


async def claim(
    connection: Runs, dialect: Dialect, asks: Sequence[ClaimAsk], now_ms: int | None
) -> list[Claimed]:
    """Answers each ask, with one statement unless a queue is asked for by several sessions."""
    replies: dict[int, Claimed] = {}
    for named, group in groupby(enumerate(asks), lambda numbered: numbered[1].id is not None):
        together = list(group)
        for round_ in _rounds(together, named=named):
            rows = await _fetch(connection, dialect, round_, now_ms, named=named)
            replies.update(_dealt(round_, rows))
    return [replies[number] for number in range(len(asks))]


def _rounds(asks: list[Numbered], *, named: bool) -> Iterator[list[list[Numbered]]]:
    """What one statement can ask for: each queue (or job) once. Asks of one session for one queue become one."""
    merged: dict[tuple[str, str, bytes | None], list[Numbered]] = {}
    for number, ask in asks:
        merged.setdefault((ask.queue, ask.session, ask.id), []).append((number, ask))
    for round_ in rounds(merged.items(), lambda item: item[0][2] if named else item[0][0]):
        yield [together for _, (_, together) in round_]


async def _fetch(
    connection: Runs, dialect: Dialect, asks: list[list[Numbered]], now_ms: int | None, *, named: bool
) -> Sequence[Row]:
    queues = [together[0][1].queue for together in asks]
    sessions = [together[0][1].session for together in asks]
    if named:
        ids = [(together[0][1].id or b"").hex() for together in asks]
        return await dialect.fetch(connection, "claim_named", now_ms, queues, ids, sessions)
    counts = [sum(max(0, ask.count) for _, ask in together) for together in asks]
    return await dialect.fetch(connection, "claim", now_ms, queues, counts, sessions)


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
