"""What stops a running attempt from outside: cancellation, time-outs, a drain, a stop, an event loop that ends."""

import asyncio
import threading
from random import Random

import pytest

from longshore.backends.memory.store import MemoryStore
from longshore.core.clock import ManualClock
from longshore.core.retry import Retry
from longshore.core.states import State
from longshore.core.task_signals import Snooze
from longshore.store.commands import Cancel, JobQuery, Order
from longshore.store.replies import WakeKind
from longshore.testing.faults import Faults, FaultyStore
from longshore.worker.control import Control
from longshore.worker.registry import Kind
from tests.pipeline.plant import Plant, turns, until


async def ask_to_cancel(plant, *ids):
    """As another process would: by another handle on the store."""
    other = await plant.store.twin()
    await other.change([Cancel(where=JobQuery(ids=ids))])
    await other.close()


def endless(plant, name="endless", **policy):
    """A task that waits until it is cancelled, and says when it has started."""

    async def task():
        plant.signal(name).set()
        await asyncio.Event().wait()

    task.__name__ = name
    plant.task(**policy)(task)


async def test_a_running_coroutine_is_cancelled_from_another_handle(plant):
    endless(plant)
    plant.hear("cancelled")
    job_id = await plant.add("endless")
    async with plant.working() as worker:
        await plant.signal("endless").wait()
        await ask_to_cancel(plant, job_id)
        await plant.signal("cancelled").wait()
        assert worker.running == 0
    job = await plant.job(job_id)
    assert (job.state, job.failures) == (State.CANCELLED, 0)


class LateListener(FaultyStore):
    """A store whose handles hear cancellations from when `begins` is set, and that notes beats."""

    def __init__(self, store, faults, clock, begins, beats):
        super().__init__(store, faults, clock)
        self._parts = faults, clock, begins, beats
        self._begins, self._beats = begins, beats

    async def twin(self):
        return LateListener(await self._store.twin(), *self._parts)

    async def listen(self, kinds, queues=None):
        if WakeKind.CANCEL in kinds:
            await asyncio.to_thread(self._begins.wait, 10)
        return await super().listen(kinds, queues)

    async def extend(self, leases, *, now_ms=None):
        extended = await super().extend(leases, now_ms=now_ms)
        self._beats.append(threading.current_thread())
        return extended


async def test_a_wish_to_cancel_between_the_first_beat_and_the_listening_is_heard():
    """It came with the second beat, a third of the lease later: the only wake-up had gone where nobody listened."""
    clock, begins, beats = ManualClock(), threading.Event(), []
    plant = await Plant(LateListener(MemoryStore(clock), Faults(Random(1)), clock, begins, beats)).open()
    endless(plant)
    plant.hear("cancelled")
    job_id = await plant.add("endless")
    async with plant.working():
        await plant.signal("endless").wait()
        await until(lambda: any(thread is not threading.current_thread() for thread in beats))
        await ask_to_cancel(plant, job_id)
        begins.set()
        await plant.signal("cancelled").wait()
    assert (await plant.job(job_id)).state is State.CANCELLED


async def test_a_thread_is_asked_to_stop_and_may_raise_or_complete(plant):
    plant.hear("cancelled", "completed")
    home = asyncio.get_running_loop()

    def stops(ctx: Control):
        home.call_soon_threadsafe(plant.signal("stops").set)
        while not ctx.cancelled:
            threading.Event().wait(0.001)
        raise ValueError("stopped half way")

    def finishes(ctx: Control):
        home.call_soon_threadsafe(plant.signal("finishes").set)
        while not ctx.cancelled:
            threading.Event().wait(0.001)
        return "done anyway"

    plant.task(kind=Kind.THREAD)(stops)
    plant.task(kind=Kind.THREAD)(finishes)
    ids = [await plant.add("stops"), await plant.add("finishes")]
    async with plant.working():
        await plant.signal("stops").wait()
        await plant.signal("finishes").wait()
        await ask_to_cancel(plant, *ids)
        await plant.signal("cancelled").wait()
        await plant.signal("completed").wait()
    assert (await plant.job(ids[0])).state is State.CANCELLED
    assert (await plant.job(ids[1])).result == b'"done anyway"'


async def keep_a_stock(plant, gate, kind=Kind.ASYNC):
    """A worker with one slot, busy with job 100, that has claimed 101 and 102 as well: forty quick jobs before them
    have taught it to."""
    ran = []

    home = asyncio.get_running_loop()

    async def runs(n: int):
        ran.append(n)
        plant.clock.advance(0.0001)
        if n >= 100:
            await gate.wait()

    def runs_in_a_thread(n: int):
        ran.append(n)
        asyncio.run_coroutine_threadsafe(tick(), home).result(10)
        if n >= 100:
            gate.wait(10)

    async def tick():
        plant.clock.advance(0.0001)

    runs_in_a_thread.__name__ = "runs"
    plant.task(kind=kind)(runs if kind is Kind.ASYNC else runs_in_a_thread)
    for n in (*range(40), 100, 101, 102):
        await plant.add("runs", b'{"n":%d}' % n)
    worker = plant.worker(slots=1)
    running = asyncio.create_task(worker.run())
    await until(lambda: 100 in ran)
    await until(lambda: worker.stats.claimed == 43)
    [page] = await plant.store.scan([JobQuery(states=(State.RUNNING,), order=Order.OLDEST)])
    stock = [job.id for job in page.jobs if job.payload in (b'{"n":101}', b'{"n":102}')]
    assert len(stock) == 2
    return worker, running, ran, stock


GATES = [(Kind.ASYNC, asyncio.Event), (Kind.THREAD, threading.Event)]


@pytest.mark.parametrize(("kind", "gate_type"), GATES)
async def test_a_claimed_job_that_has_not_begun_is_cancelled_without_running(plant, kind, gate_type):
    gate = gate_type()
    worker, running, ran, stock = await keep_a_stock(plant, gate, kind)
    await ask_to_cancel(plant, stock[0])
    plant.hear("cancelled")
    await plant.signal("cancelled").wait()
    gate.set()
    await until(lambda: 102 in ran)
    worker.drain()
    await running
    assert (await plant.job(stock[0])).state is State.CANCELLED
    assert 101 not in ran


@pytest.mark.parametrize(("kind", "gate_type"), GATES)
async def test_a_drain_hands_back_claimed_jobs_that_have_not_begun(plant, kind, gate_type):
    gate = gate_type()
    worker, running, ran, stock = await keep_a_stock(plant, gate, kind)
    worker.drain()
    await turns()
    gate.set()
    await running
    jobs = [await plant.job(job_id) for job_id in stock]
    assert [(job.state, job.releases, job.attempt) for job in jobs] == [(State.PENDING, 1, 0)] * 2
    assert ran[-1] == 100


async def test_an_attempt_that_swallows_its_cancellation_ends_as_it_likes(plant):
    plant.hear("completed")

    @plant.task()
    async def stubborn():
        plant.signal("started").set()
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            return "cleaned up"

    @plant.task()
    async def after():
        await asyncio.sleep(0)
        return "not cancelled"

    job_id = await plant.add("stubborn")
    async with plant.working(slots=1):
        await plant.signal("started").wait()
        await ask_to_cancel(plant, job_id)
        await plant.signal("completed").wait()
        plant.signal("completed").clear()
        second = await plant.add("after")
        await plant.signal("completed").wait()
    assert (await plant.job(job_id)).result == b'"cleaned up"'
    assert (await plant.job(second)).result == b'"not cancelled"'


@pytest.mark.parametrize("kind", [Kind.ASYNC, Kind.THREAD])
async def test_an_attempt_over_its_time_fails_and_counts_as_a_failure(plant, kind):
    plant.hear("failed")
    home = asyncio.get_running_loop()

    async def slow():
        plant.signal("started").set()
        await asyncio.Event().wait()

    def slow_thread(ctx: Control):
        home.call_soon_threadsafe(plant.signal("started").set)
        while not ctx.timed_out:
            threading.Event().wait(0.001)
        raise ValueError("noticed")

    function = slow if kind is Kind.ASYNC else slow_thread
    plant.task(kind=kind, timeout=5, retry=Retry(1))(function)
    job_id = await plant.add(function.__name__)
    async with plant.working():
        await plant.signal("started").wait()
        await turns()
        plant.clock.advance(4.9)
        await turns()
        assert (await plant.job(job_id)).state is State.RUNNING
        plant.clock.advance(0.1)
        await plant.signal("failed").wait()
    job = await plant.job(job_id)
    assert (job.state, job.failures) == (State.FAILED, 1)
    assert job.error_text == "AttemptTimeout: The attempt took longer than its time-out of 5 s."


@pytest.mark.parametrize("kind", [Kind.ASYNC, Kind.THREAD])
async def test_an_attempt_that_ignores_its_time_out_is_given_up_and_its_slot_replaced(plant, kind, caplog):
    """F17"""
    plant.hear("error", "failed", "completed")
    home, gate = asyncio.get_running_loop(), threading.Event()
    coroutine_gate = asyncio.Event()

    async def stuck():
        plant.signal("started").set()
        while not coroutine_gate.is_set():
            try:
                await coroutine_gate.wait()
            except asyncio.CancelledError:
                continue
        return "late"

    def stuck_thread():
        home.call_soon_threadsafe(plant.signal("started").set)
        gate.wait()
        return "late"

    @plant.task()
    async def next_one():
        return "ran"

    function = stuck if kind is Kind.ASYNC else stuck_thread
    plant.task(kind=kind, timeout=5, retry=Retry(1))(function)
    job_id = await plant.add(function.__name__)
    async with plant.working(slots=1) as worker:
        await plant.signal("started").wait()
        second = await plant.add("next_one")
        await turns()
        plant.clock.advance(5)
        await turns()
        plant.clock.advance(2)
        await plant.signal("failed").wait()
        await plant.signal("completed").wait()
        gate.set()
        coroutine_gate.set()
        await turns()
        assert worker.stats.abandoned == 1
    assert (await plant.job(job_id)).error_text.startswith("AttemptTimeout")
    assert (await plant.job(second)).state is State.COMPLETED
    assert "does not stop" in caplog.text


async def test_a_drain_of_an_idle_worker_ends_it_at_once_and_ends_its_session(plant):
    plant.hear("worker_started", "worker_stopped")
    worker = plant.worker()
    running = asyncio.create_task(worker.run())
    await plant.signal("worker_started").wait()
    worker.drain()
    await running
    assert plant.names() == ["worker_started", "worker_stopped"]


async def test_a_drain_that_is_asked_for_before_the_run_is_not_lost(plant):
    """F8"""
    plant.task()(lambda: None)
    worker = plant.worker()
    job_id = await plant.add("<lambda>")
    worker.drain()
    await worker.run()
    assert (await plant.job(job_id)).state is State.PENDING


async def test_a_drain_lets_jobs_end_and_claims_no_more(plant):
    """F6"""
    gate = asyncio.Event()

    @plant.task()
    async def waits():
        plant.signal("started").set()
        await gate.wait()
        return "ended"

    first = await plant.add("waits")
    worker = plant.worker(slots=1)
    running = asyncio.create_task(worker.run())
    await plant.signal("started").wait()
    worker.drain()
    await turns()
    second = await plant.add("waits")
    gate.set()
    await running
    assert (await plant.job(first)).result == b'"ended"'
    job = await plant.job(second)
    assert (job.state, job.fence) == (State.PENDING, 0)


async def test_a_drain_hands_back_what_does_not_end_in_the_grace_time_with_no_attempt_burned(plant):
    """F6"""
    endless(plant, retry=Retry(1))
    endless(plant, "another", retry=Retry(1))
    ids = [await plant.add("endless"), await plant.add("another")]
    worker = plant.worker(slots=2, grace_seconds=10)
    running = asyncio.create_task(worker.run())
    await plant.signal("endless").wait()
    await plant.signal("another").wait()
    worker.drain()
    await turns()
    plant.clock.advance(9.9)
    await turns()
    assert worker.running == 2
    plant.clock.advance(0.1)
    await running
    for job_id in ids:
        job = await plant.job(job_id)
        assert (job.state, job.releases, job.failures, job.crashes, job.attempt) == (
            State.PENDING,
            1,
            0,
            0,
            0,
        )


async def test_a_job_that_cannot_be_stopped_does_not_keep_the_worker_from_ending(plant):
    gate = asyncio.Event()

    @plant.task()
    async def stuck():
        plant.signal("started").set()
        while not gate.is_set():
            try:
                await gate.wait()
            except asyncio.CancelledError:
                continue

    job_id = await plant.add("stuck")
    worker = plant.worker()
    running = asyncio.create_task(worker.run())
    await plant.signal("started").wait()
    worker.stop()
    await turns()
    plant.clock.advance(2)
    await running
    gate.set()
    await turns()
    job = await plant.job(job_id)
    assert (job.state, job.releases) == (State.PENDING, 1)


async def test_a_stop_during_the_drain_does_not_wait_for_the_grace_time(plant):
    """F7"""
    endless(plant)
    job_id = await plant.add("endless")
    worker = plant.worker(grace_seconds=1000)
    running = asyncio.create_task(worker.run())
    await plant.signal("endless").wait()
    worker.drain()
    await turns()
    threading.Thread(target=worker.stop).start()
    await running
    assert (await plant.job(job_id)).releases == 1


async def test_a_worker_whose_task_is_cancelled_hands_everything_back(plant):
    endless(plant)
    job_id = await plant.add("endless")
    running = asyncio.create_task(plant.worker().run())
    await plant.signal("endless").wait()
    running.cancel()
    with pytest.raises(asyncio.CancelledError):
        await running
    assert (await plant.job(job_id)).releases == 1


async def test_an_event_loop_that_cancels_everything_ends_the_worker_and_charges_nothing(plant):
    endless(plant)
    job_id = await plant.add("endless")
    running = asyncio.create_task(plant.worker().run())
    await plant.signal("endless").wait()
    here = asyncio.current_task()
    for task in asyncio.all_tasks() - {here}:
        task.cancel()
    for _ in range(10):
        await turns()
        plant.clock.advance(10)
    await until(running.done)
    job = await plant.job(job_id)
    assert (job.failures, job.crashes) == (0, 0)


async def test_burst_ends_when_only_the_future_is_left(plant):
    @plant.task()
    async def naps():
        raise Snooze(60)

    await plant.add("naps")
    await plant.add("naps", delay_ms=1_000)
    plant.clock.advance(1)  # due, but nobody has promoted it
    worker = await plant.work()
    assert worker.stats.claimed == 2
