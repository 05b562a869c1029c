"""This module ends claims."""

from collections.abc import Sequence
from typing import Any

import msgspec

from longshore.backends.postgres.dialect import Dialect, Row, Runs, sparse
from longshore.backends.postgres.inserting import insert
from longshore.backends.postgres.rows import RETRYING, SCHEDULED
from longshore.core.ids import JobId
from longshore.core.job import ERRORS_KEPT, NewJob
from longshore.core.states import CODES, TERMINAL
from longshore.core.verdict import Verdict
from longshore.store.commands import Settlement
from longshore.store.replies import Settled

Numbered = tuple[int, Settlement]


class Ended(msgspec.Struct):
    """A round of settlements that was applied as far as its claims were the newest."""

    replies: dict[int, Settled]
    applied: list[Numbered]
    place: int | None
    """The tail's first; None where nobody went there."""
    steps: dict[int, int]
    """The place of each from there on, by its number."""
    left: Sequence[tuple[str, str]] = ()
    """Meters that have room, and are still to serve: queue and name."""
    tells: bool = False
    """Whether some of them have children that are to be told."""

    @property
    def order(self) -> list[str]:
        """The jobs in the order in which they ended."""
        return [each.id.hex() for _, each in sorted(self.applied, key=_number)]


async def settle(
    connection: Runs, dialect: Dialect, settlements: list[Numbered], now_ms: int | None
) -> Ended:
    """Applies a round of settlements, and says of those that were not whether they had been applied before.

    Takes one statement, one more where some were not applied, and one more where there are follow-ups: then the
    caller sees to it that all are one transaction. Each job may stand in a round once, and none needs the lock of its
    queue (`releasing.needs_locks`).
    """
    ended = await end(connection, dialect, settlements, now_ms)
    jobs, places = _followers(ended.applied, ended.steps)
    if jobs:  # `place` is None where nobody goes to the tail
        await insert(connection, dialect, jobs, now_ms, place=ended.place, steps=places)
    return ended


async def end(connection: Runs, dialect: Dialect, settlements: list[Numbered], now_ms: int | None) -> Ended:
    """`settle` without follow-ups."""
    settlements = sorted(settlements, key=_job)  # so that rescuers do not wait for each other in a circle
    steps = _steps(settlements)
    asked = [settlement for _, settlement in settlements]
    verdicts = _verdicts(asked)
    claims = _claims(asked)
    values: tuple[object, ...]
    if all(map(is_plainly_over, asked)):
        statement = "settle_over"
        values = (*claims, *verdicts[:2], *_endings(asked))
    else:
        values = (
            *claims,
            *verdicts[:2],
            [steps[n] for n, _ in settlements],
            *_extras(asked, verdicts),
            ERRORS_KEPT,
        )
        statement = "settle"
    rows = await dialect.fetch(connection, statement, now_ms, dialect.channel, *values)
    return await _ended(connection, dialect, settlements, steps, rows)


async def end_serving(
    connection: Runs, dialect: Dialect, settlements: list[Numbered], now_ms: int, place: int
) -> Ended:
    """`end` of those that are plainly over and have places of one limit at most, under the locks of their queues: who
    is held and needs one place alone gets theirs with the same statement."""
    settlements = sorted(settlements, key=_job)
    asked = [settlement for _, settlement in settlements]
    limits = [next(iter(each.rules.flow), None) if each.rules else None for each in asked]
    rows = await dialect.fetch(
        connection,
        "settle_serving",
        now_ms,
        dialect.channel,
        *_claims(asked),
        *_verdicts(asked)[:2],
        *_endings(asked),
        [limit and limit.meter for limit in limits],
        [limit and limit.cost for limit in limits],
        place,
    )
    ended = await _ended(connection, dialect, settlements, _steps(settlements), rows)
    ended.left = [(row[5], row[6]) for row in rows if row[5] is not None]
    return ended


async def _ended(
    connection: Runs,
    dialect: Dialect,
    settlements: list[Numbered],
    steps: dict[int, int],
    rows: Sequence[Row],
) -> Ended:
    """What a statement has said, and of those that it did not apply whether they had been applied before."""
    count, which, place, _, tells = rows[0][:5]
    if count == len(settlements):
        applied = settlements
        replies = dict.fromkeys(steps, Settled.APPLIED)
    else:
        applied = [settlements[number - 1] for number in sorted(which or ())]
        replies = dict.fromkeys((number for number, _ in applied), Settled.APPLIED)
        others = [numbered for numbered in settlements if numbered[0] not in replies]
        replies.update(await _check(connection, dialect, others))
    return Ended(replies, applied, place, steps, tells=tells > 0)


def _job(numbered: Numbered) -> JobId:
    return numbered[1].id


def _number(numbered: Numbered) -> int:
    return numbered[0]


def _steps(settlements: list[Numbered]) -> dict[int, int]:
    """The place of each from the tail on, by its number; those of its follow-ups are behind it."""
    steps: dict[int, int] = {}
    step = 1
    for number, settlement in sorted(settlements, key=_number):
        steps[number] = step
        step += 1 + len(settlement.follow)
    return steps


def is_plainly_over(settlement: Settlement) -> bool:
    """Whether nothing happens but that the job is over: what nearly all settlements say."""
    return (
        settlement.keep
        and settlement.error is None
        and not settlement.if_lost
        and settlement.verdict.state in TERMINAL
    )


def _claims(settlements: list[Settlement]) -> tuple[list[Any], ...]:
    """What proves the claims, as both statements take it: ids, sessions, fences."""
    return (
        [settlement.id.hex() for settlement in settlements],
        [settlement.session for settlement in settlements],
        [settlement.fence for settlement in settlements],
    )


def _endings(settlements: list[Settlement]) -> tuple[list[Any], list[Any]]:
    """Results and error texts."""
    return (
        sparse(settlement.result for settlement in settlements),
        sparse(settlement.error_text for settlement in settlements),
    )


def _extras(settlements: list[Settlement], verdicts: tuple[list[Any], ...]) -> tuple[list[Any], ...]:
    """What only `settle.sql` takes, from `keeps` on."""
    results, error_texts = _endings(settlements)
    return (
        [settlement.keep for settlement in settlements],
        *map(sparse, verdicts[2:]),
        results,
        sparse(settlement.error for settlement in settlements),
        error_texts,
        sparse(settlement.if_lost or None for settlement in settlements),
    )


def _verdicts(settlements: list[Settlement]) -> tuple[list[Any], ...]:
    """States, charges, times and delays. Verdicts are shared, so each is looked up once."""
    known: dict[Verdict, tuple[int, int, int | None, int | None]] = {}
    for settlement in settlements:
        if settlement.verdict not in known:
            known[settlement.verdict] = _verdict(settlement.verdict)
    found = [known[settlement.verdict] for settlement in settlements]
    return tuple([verdict[column] for verdict in found] for column in range(4))


def _verdict(verdict: Verdict) -> tuple[int, int, int | None, int | None]:
    """State, charge, and the time or the delay of a verdict that waits for one."""
    state = CODES[verdict.state]
    if state not in {SCHEDULED, RETRYING}:
        return state, verdict.charge, None, None
    if verdict.run_ms is not None:
        return state, verdict.charge, verdict.run_ms, None
    return state, verdict.charge, None, verdict.delay_ms


async def _check(connection: Runs, dialect: Dialect, others: list[Numbered]) -> dict[int, Settled]:
    rows = await dialect.fetch(
        connection,
        "settle_check",
        [settlement.id.hex() for _, settlement in others],
        [settlement.session for _, settlement in others],
        [settlement.fence for _, settlement in others],
        [CODES[settlement.verdict.state] for _, settlement in others],
    )
    before = {others[row[0] - 1][0] for row in rows}
    return {number: Settled.APPLIED if number in before else Settled.STALE for number, _ in others}


def _followers(applied: list[Numbered], steps: dict[int, int]) -> tuple[list[NewJob], list[int]]:
    """The follow-ups of what was applied, with their places."""
    jobs: list[NewJob] = []
    places: list[int] = []
    for number, settlement in sorted(applied, key=_number):
        for behind, job in enumerate(settlement.follow, start=1):
            jobs.append(job)
            places.append(steps[number] + behind)
    return jobs, places
