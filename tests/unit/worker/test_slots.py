"""Slots take jobs only while the worker's lease is sure to run."""

import asyncio
from contextvars import copy_context

from longshore.core.clock import ManualClock
from longshore.core.ids import new_id
from longshore.core.job import JobRecord
from longshore.core.states import State
from longshore.worker.lanes import Lanes
from longshore.worker.slots import Slots
from longshore.worker.tenure import Tenure


async def test_claimed_jobs_wait_while_the_lease_is_over_and_run_when_it_is_renewed():
    """F15: a process that thaws begins nothing that others may have by now."""
    clock, tenure, lanes, ran = ManualClock(), Tenure("host"), Lanes({"q": None}, 2), []

    async def run(record, task):
        ran.append(record)
        lanes.done(record.queue)
        return True

    slots = Slots(lanes, tenure, run, lambda: None, clock=clock, base=copy_context())
    session = tenure.begin()
    tenure.prolong(session, 30.0)
    clock.advance(30)
    job = JobRecord(id=new_id(), queue="q", name="t", payload=b"{}", state=State.RUNNING, priority=3)
    lanes.offer("q", [job])
    slots.wake()
    for _ in range(5):
        await asyncio.sleep(0)
    assert ran == []
    tenure.prolong("somebody:1:else", 90.0)
    slots.wake()
    for _ in range(5):
        await asyncio.sleep(0)
    assert ran == []
    tenure.prolong(session, 60.0)
    slots.wake()
    for _ in range(5):
        await asyncio.sleep(0)
    assert ran == [job]
    await slots.close()
