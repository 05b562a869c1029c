"""This module puts one job into every state that a job of this contract can be in."""

from longshore.core.ids import JobId
from longshore.core.states import State
from longshore.core.verdict import BURIED, CANCELLED, COMPLETED, retry_after
from longshore.store.contract import Store
from longshore.testing.conformance.jobs import MINUTE
from longshore.testing.conformance.steps import add, finish, start


async def one_in_every_state(store: Store) -> dict[State, JobId]:
    """One job in each state, in a queue that had none; those that wait are not due within an hour."""
    running, completed, failed, cancelled, retrying = await start(store, 5)
    await finish(store, [completed], COMPLETED)
    await finish(store, [failed], BURIED)
    await finish(store, [cancelled], CANCELLED)
    await finish(store, [retrying], retry_after(60 * MINUTE))
    [pending] = await add(store)
    [scheduled] = await add(store, delay_ms=60 * MINUTE)
    return {
        State.PENDING: pending,
        State.SCHEDULED: scheduled,
        State.RETRYING: retrying.id,
        State.RUNNING: running.id,
        State.COMPLETED: completed.id,
        State.FAILED: failed.id,
        State.CANCELLED: cancelled.id,
    }
