"""This module adds jobs and ends claims inside a transaction of the caller's, with the statements of every other day.

Nothing is locked that others wait for, but for the claim that is ended, and what `newcomers.join` says of jobs with
rules. The caller's isolation level and its settings for the planner hold.
"""

from collections.abc import Awaitable, Sequence
from typing import TypeVar

from longshore.backends.postgres import editing, inserting, newcomers, releasing, settling
from longshore.backends.postgres.callers import Caller, caller, describe
from longshore.backends.postgres.dialect import Dialect
from longshore.backends.postgres.rounds import rounds
from longshore.core.errors import SchemaMismatch, UnusableConnection
from longshore.core.job import NewJob
from longshore.store.commands import Note, Settlement
from longshore.store.replies import Insertion, Settled

Reply = TypeVar("Reply")
NOT_OURS = frozenset({"3F000", "42P01", "42703", "42883"})
"""No such schema, table, column, function: no store of ours, or one of another version."""


class PostgresWithin:
    """See `Within`."""

    def __init__(self, connection: object, dialect: Dialect, where: str, identity: str | None) -> None:
        """`identity` is the store's own, where it is known. Raises UnusableConnection."""
        self._caller: Caller = caller(connection)
        self._kind = describe(connection)
        self._dialect = dialect
        self._where = where
        self._identity = identity

    @property
    def is_async(self) -> bool:
        """See `Within`."""
        return self._caller.is_async

    async def insert(self, jobs: Sequence[NewJob], *, now_ms: int | None = None) -> Sequence[Insertion]:
        """See `Within`."""
        if not jobs:
            return []
        replies, identity = await self._run(self._insert(jobs, now_ms))
        if self._identity not in {None, identity}:
            raise UnusableConnection(
                f"{self._kind} leads to another store of Longshore's ({identity}) than {self._where} "
                f"({self._identity}). Its transaction must be rolled back: the job is there, and belongs here."
            )
        return replies

    async def note(self, notes: Sequence[Note], *, now_ms: int | None = None) -> None:
        """See `Note`."""
        if notes:
            await self._run(editing.take_notes(self._caller, self._dialect, notes, now_ms))

    async def settle(self, settlements: Sequence[Settlement], *, now_ms: int | None = None) -> list[Settled]:
        """See `Within`."""
        replies: dict[int, Settled] = {}
        for round_ in rounds(settlements, lambda settlement: settlement.id):
            replies.update(await self._run(self._settle(round_, now_ms)))
        return [replies[number] for number in range(len(settlements))]

    async def _insert(self, jobs: Sequence[NewJob], now_ms: int | None) -> tuple[Sequence[Insertion], str]:
        if all(job.rules is None and job.edges is None for job in jobs):
            return await inserting.join(self._caller, self._dialect, jobs, now_ms)
        replies = await newcomers.join(self._caller, self._dialect, jobs, now_ms)
        [(identity,)] = await self._dialect.fetch(self._caller, "identity")
        return replies, identity

    async def _settle(self, round_: list[settling.Numbered], now_ms: int | None) -> dict[int, Settled]:
        if any(releasing.needs_locks(settlement) for _, settlement in round_):
            ended = await releasing.settle_within(self._caller, self._dialect, round_, now_ms)
        else:
            ended = await settling.settle(self._caller, self._dialect, round_, now_ms)
        if ended.tells:
            queues = sorted({each.queue for _, each in ended.applied})
            await self._dialect.fetch(self._caller, "wake_scheduled", self._dialect.channel, queues)
        return ended.replies

    async def _run(self, work: Awaitable[Reply]) -> Reply:
        try:
            return await work
        except Exception as error:
            if _state_of(error) not in NOT_OURS:
                raise
            said = next(
                iter(str(error).splitlines()), ""
            )  # below it, drivers and SQLAlchemy repeat the statement
            raise SchemaMismatch(
                f"{self._kind} leads to a database without Longshore's tables as this version needs them ({said}). "
                f"Give one to the database of {self._where}, or run `longshore migrate` there."
            ) from error


def _state_of(error: BaseException | None) -> str | None:
    """The SQLSTATE, also of an error that SQLAlchemy or Django has wrapped."""
    while error is not None:
        for word in ("sqlstate", "pgcode"):
            state = getattr(error, word, None)
            if isinstance(state, str):
                return state
        error = getattr(error, "orig", None) or error.__cause__
    return None
