"""This module lets a worker claim one job and no other: for `process_job`."""

from collections.abc import Sequence

import msgspec

from longshore.core.ids import JobId
from longshore.core.job import JobRecord
from longshore.core.states import State
from longshore.engine.engine import Engine
from longshore.store.commands import ClaimAsk, Settlement
from longshore.store.replies import Claimed, Settled


class SingleClaim(Engine):
    """An engine over the same store whose claims give one named job, once."""

    def __init__(self, engine: Engine, job_id: JobId) -> None:
        super().__init__(engine.store, bus=engine.bus, clock=engine.clock, random=engine.random)
        self._job_id = job_id
        self._outcome: Settlement | None = None
        self.has_claimed = False

    async def claim(self, asks: Sequence[ClaimAsk]) -> list[Claimed]:
        """The job for the first ask, until it was given."""
        if self.has_claimed:
            return [Claimed([]) for _ in asks]
        first = ClaimAsk(asks[0].queue, 1, asks[0].session, self._job_id)
        [claimed] = await super().claim([first])
        self.has_claimed = bool(claimed.jobs)
        return [claimed, *(Claimed([]) for _ in asks[1:])]

    async def settle(self, settlements: Sequence[Settlement]) -> list[Settled]:
        """Notes what the attempt came to."""
        self._outcome = settlements[-1]
        return await super().settle(settlements)

    def outcome_for(self, record: JobRecord) -> JobRecord:
        """The job after its attempt, for a queue that keeps nothing."""
        outcome = self._outcome
        if outcome is None:  # by the job itself, in a transaction of its own
            return msgspec.structs.replace(record, state=State.COMPLETED)
        return msgspec.structs.replace(
            record, state=outcome.verdict.state, result=outcome.result, error_text=outcome.error_text
        )
