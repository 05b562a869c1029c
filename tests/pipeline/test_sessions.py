"""Who owns a job: sessions, fences, crashes, suspects, and a store that comes and goes."""

import asyncio
from random import Random

import pytest

from longshore.backends.memory.store import MemoryStore
from longshore.core.clock import ManualClock
from longshore.core.ids import new_id
from longshore.core.states import State
from longshore.core.verdict import COMPLETED
from longshore.engine.suspicion import Suspicion, write
from longshore.store.commands import SUSPECT, ClaimAsk, Lease, Put, Settlement
from longshore.testing.faults import Fault, Faults, FaultyStore, Harm
from tests.pipeline.plant import Plant, turns, until


async def claim_and_die(plant, count=100, *, names=None):
    """A worker that claims and is never heard of again, until its lease is over; `names` is the suspect it ran."""
    session = f"dead:1:{new_id().hex()[-8:]}"
    await plant.store.extend([Lease(session=session, lease_ms=30_000, opens=True)])
    [claimed] = await plant.store.claim([ClaimAsk("q", count, session)])
    if names is not None:
        await plant.store.put([Put(kind=SUSPECT, key=session, value=names)])
    plant.clock.advance(31)
    return claimed.jobs


async def test_a_second_worker_runs_what_the_first_one_left_and_the_crash_is_counted_apart(plant):
    """F1, F2"""
    plant.hear("completed")

    @plant.task()
    async def runs():
        return "by the second"

    job_id = await plant.add("runs")
    await claim_and_die(plant)
    plant.use_upkeep()
    async with plant.working():
        await plant.signal("completed").wait()
    job = await plant.job(job_id)
    assert (job.state, job.crashes, job.failures, job.attempt) == (State.COMPLETED, 1, 0, 2)


async def test_a_frozen_worker_that_thaws_finds_its_writes_refused(plant, caplog):
    """F15: the job was rescued and done by another worker meanwhile."""
    plant.hear("completed", "stale")
    gates = {1: asyncio.Event(), 2: asyncio.Event()}
    runs = []

    @plant.task()
    async def waits():
        runs.append(len(runs) + 1)
        await gates[runs[-1]].wait()
        return runs[-1]

    job_id = await plant.add("waits")
    frozen = await Plant(FrozenStore(plant.store, plant.clock)).open()
    frozen.registry, frozen.clock, frozen.bus = plant.registry, plant.clock, plant.bus
    async with frozen.working(lease_seconds=30) as first:
        await until(lambda: runs == [1])
        plant.clock.advance(31)
        [_, rescuer] = plant.services()
        await rescuer.start()
        await turns()
        await rescuer.stop()
        async with plant.working():
            await until(lambda: runs == [1, 2])
            gates[2].set()
            await plant.signal("completed").wait()
        gates[1].set()
        await plant.signal("stale").wait()
        assert first.stats.stale == 1
    assert (await plant.job(job_id)).result == b"2"
    assert "somebody else's" in caplog.text


class FrozenStore(FaultyStore):
    """A store whose `extend` is never answered once the worker has opened its session."""

    def __init__(self, store, clock):
        super().__init__(
            store, Faults(Random(1), Fault(harm=Harm.BEFORE, verb="extend", calls=tuple(range(2, 99)))), clock
        )


async def test_a_lost_session_stops_everything_and_a_new_one_goes_on(plant):
    plant.hear("completed", "stale")
    starts = []

    @plant.task()
    async def runs():
        starts.append(1)
        plant.signal("started").set()
        if len(starts) == 1:
            await asyncio.Event().wait()
        return "second life"

    job_id = await plant.add("runs")
    plant.use_upkeep()
    async with plant.working() as worker:
        await plant.signal("started").wait()
        old = worker.session
        await plant.store.extend([Lease(session=old, lease_ms=0)])
        worker.beat_now()
        await until(lambda: worker.stats.sessions_lost == 1 and worker.session != old)
        await until(lambda: worker.running == 0)
        plant.clock.advance(11)
        await plant.signal("completed").wait()
    job = await plant.job(job_id)
    assert (job.state, job.result, job.failures) == (State.COMPLETED, b'"second life"', 0)


async def test_jobs_in_stock_are_not_begun_while_the_lease_is_in_doubt(plant):
    ran = []

    @plant.task()
    async def runs():
        ran.append(1)

    store = FaultyStore(plant.store, Faults(Random(1)), plant.clock)
    faults = store._faults
    doubting = await Plant(store).open()
    doubting.registry, doubting.clock = plant.registry, plant.clock
    async with doubting.working(lease_seconds=30) as worker:
        await until(lambda: worker.session)
        await turns(200)
        faults.plant(Fault(harm=Harm.BEFORE, verb="extend"))
        plant.clock.advance(31)
        await turns(200)
        await plant.add("runs")
        await turns(200)
        assert ran == []
        faults.clear()
        await plant.store.extend([Lease(session=worker.session, lease_ms=60_000, opens=True)])
        await pass_time(plant, lambda: ran == [1])


async def test_suspects_run_one_at_a_time_beside_fresh_jobs(plant):
    """F50: whoever was running when a worker died is a suspect."""
    inside, most, fresh = [], [], []

    @plant.task()
    async def suspect(n: int):
        inside.append(n)
        most.append(len(inside))
        await asyncio.sleep(0)
        inside.remove(n)

    @plant.task()
    async def innocent():
        fresh.append(1)

    ids = [await plant.add("suspect", b'{"n":%d}' % n) for n in range(5)]
    await claim_and_die(plant)
    await _rescue(plant)
    await claim_and_die(plant)
    plant.use_upkeep()
    await plant.add("innocent")
    async with plant.working() as worker:
        for _ in range(10):
            await turns(100)
            plant.clock.advance(1)
        await until(lambda: worker.stats.settled == 6)
    jobs = [await plant.job(job_id) for job_id in ids]
    assert [job.state for job in jobs] == [State.COMPLETED] * 5
    assert max(most) == 1
    assert fresh == [1]
    assert [job.crashes for job in jobs] == [2] * 5


async def test_a_poison_job_is_buried_and_its_nine_neighbours_are_not(plant):
    """F50: the worker dies whenever the poison runs, with everything that it holds."""

    @plant.task()
    async def poison():
        plant.signal("poison").set()
        await asyncio.Event().wait()

    @plant.task()
    async def innocent():
        await plant.clock.sleep(5)

    ids = [await plant.add("poison" if n == 4 else "innocent") for n in range(10)]
    for _ in range(20):
        await live_until_poisoned(plant)
        jobs = [await plant.job(job_id) for job_id in ids]
        if all(job.state.is_terminal for job in jobs):
            break
    assert [job.state for job in jobs].count(State.COMPLETED) == 9
    assert (jobs[4].state, jobs[4].crashes) == (State.FAILED, 3)
    assert {job.crashes for job in jobs if job is not jobs[4]} == {2}


async def live_until_poisoned(plant):
    """One life of a worker: until the poison takes it down, or nothing is left; then whatever it held is rescued."""
    plant.signal("poison").clear()
    faults = Faults(Random(1))
    body = await Plant(FaultyStore(plant.store, faults, plant.clock)).open()
    body.registry, body.clock, body.engine.clock = plant.registry, plant.clock, plant.clock
    body.use_upkeep()
    worker = body.worker(lease_seconds=30, slots=10)
    running = asyncio.create_task(worker.run())
    for _ in range(60):
        await turns(50)
        if plant.signal("poison").is_set():
            break
        plant.clock.advance(0.5)
    faults.plant(Fault(harm=Harm.BEFORE))  # from here on the store hears nothing of it
    running.cancel()
    while not running.done():
        await turns()
        plant.clock.advance(1)
    plant.clock.advance(31)
    [_, rescuer] = plant.services()
    await rescuer.start()
    await turns()
    await rescuer.stop()


async def test_only_the_named_suspect_of_a_dead_worker_is_charged_again(plant):
    """F50: everybody in the worker is charged twice; from then on only the one that it ran alone."""
    poison, *fine = [await plant.add("task") for _ in range(4)]
    for _ in range(2):
        await claim_and_die(plant)
        await _rescue(plant)
    plant.clock.advance(5)
    await _rescue(plant)
    await claim_and_die(plant, names=poison)
    await _rescue(plant)
    assert ((await plant.job(poison)).state, (await plant.job(poison)).crashes) == (State.FAILED, 3)
    others = [await plant.job(job_id) for job_id in fine]
    assert [(job.state, job.crashes, job.releases) for job in others] == [(State.PENDING, 2, 1)] * 3


async def test_nobody_else_is_charged_where_a_suspect_was_alone(plant):
    """F50: a fresh job that the dead worker had claimed as well had not begun."""
    poison = await plant.add("task")
    for _ in range(2):
        await claim_and_die(plant)
        await _rescue(plant)
    plant.clock.advance(5)
    await _rescue(plant)
    fresh = await plant.add("task")
    await claim_and_die(plant, names=write(Suspicion(poison, is_alone=True)))
    await _rescue(plant)
    assert ((await plant.job(poison)).state, (await plant.job(poison)).crashes) == (State.FAILED, 3)
    job = await plant.job(fresh)
    assert (job.state, job.crashes, job.releases) == (State.PENDING, 0, 1)


async def test_a_suspect_that_had_ended_clears_nobody(plant):
    """F50: its name may stand there for longer than it ran."""
    ended = await plant.add("task")
    fresh = await plant.add("task", queue="q")
    session = f"dead:1:{new_id().hex()[-8:]}"
    await plant.store.extend([Lease(session=session, lease_ms=30_000, opens=True)])
    [claimed] = await plant.store.claim([ClaimAsk("q", 2, session)])
    assert [job.id for job in claimed.jobs] == [ended, fresh]
    name = write(Suspicion(ended, is_alone=True))
    await plant.store.put([Put(kind=SUSPECT, key=session, value=name)])
    [first, _] = claimed.jobs
    await plant.store.settle(
        [Settlement(id=ended, queue="q", session=session, fence=first.fence, verdict=COMPLETED)]
    )
    plant.clock.advance(31)
    await _rescue(plant)
    assert (await plant.job(fresh)).crashes == 1


async def _rescue(plant):
    for service in plant.services():
        await service.start()
        await turns(100)
        await service.stop()


@pytest.fixture
async def faulty():
    clock = ManualClock()
    faults = Faults(Random(1))
    plant = Plant(FaultyStore(MemoryStore(clock), faults, clock))
    plant.clock = plant.engine.clock = clock
    plant.faults = faults
    return await plant.open()


async def pass_time(plant, condition, *, seconds=0.5, rounds=400):
    """Moves the clock in small steps until it holds."""
    for _ in range(rounds):
        await turns(10)
        if condition():
            return
        plant.clock.advance(seconds)
    raise AssertionError("it never came")


@pytest.mark.parametrize("verb", ["claim", "settle", "extend", "change", "promote"])
@pytest.mark.parametrize("harm", [Harm.BEFORE, Harm.AFTER])
async def test_a_verb_that_fails_for_a_while_loses_no_job(faulty, verb, harm):
    """F18, F22, F31 to F33: the worker waits and goes on by itself; verdicts are kept meanwhile."""
    plant, ran = faulty, []

    @plant.task()
    async def runs(n: int):
        ran.append(n)
        return n

    plant.use_upkeep()
    plant.faults.plant(Fault(harm=harm, verb=verb, calls=(1, 2, 3)))
    ids = [await plant.add("runs", b'{"n":%d}' % n, delay_ms=10 * (n % 2)) for n in range(20)]
    worker = plant.worker()
    running = asyncio.create_task(worker.run())
    await pass_time(plant, lambda: worker.stats.settled == 20)
    worker.drain()
    await running
    jobs = [await plant.job(job_id) for job_id in ids]
    assert {job.state for job in jobs} == {State.COMPLETED}
    assert sorted(ran) == list(range(20))


async def test_a_store_that_is_away_when_the_worker_starts_is_waited_for(faulty):
    plant = faulty
    plant.hear("completed")

    @plant.task()
    async def runs():
        return None

    await plant.add("runs")
    plant.faults.plant(Fault(harm=Harm.BEFORE))
    worker = plant.worker()
    running = asyncio.create_task(worker.run())
    for _ in range(5):
        await turns()
        plant.clock.advance(10)
    assert worker.stats.claimed == 0
    plant.faults.clear()
    await pass_time(plant, lambda: plant.names() == ["completed"])
    worker.drain()
    await running


async def test_a_drain_is_heard_while_the_worker_waits_for_its_store(faulty):
    plant = faulty
    plant.faults.plant(Fault(harm=Harm.BEFORE))
    worker = plant.worker()
    running = asyncio.create_task(worker.run())
    await turns()
    worker.drain()
    await asyncio.wait_for(running, 5)


async def test_a_claim_that_is_answered_after_its_session_was_lost_is_handed_back(plant):
    ran, gate = [], asyncio.Event()

    @plant.task()
    async def runs():
        ran.append(1)

    worker = plant.worker()
    claim = plant.engine.claim

    async def slow_claim(asks):
        replies = await claim(asks)
        if any(reply.jobs for reply in replies):
            await gate.wait()
        return replies

    plant.engine.claim = slow_claim
    running = asyncio.create_task(worker.run())
    await turns(100)
    job_id = await plant.add("runs")
    await turns(100)
    old = worker.session
    await plant.store.extend([Lease(session=old, lease_ms=0)])
    worker.beat_now()
    await until(lambda: worker.session != old)
    assert ran == []
    gate.set()
    await until(lambda: ran == [1])
    worker.drain()
    await running
    job = await plant.job(job_id)
    assert (job.state, job.releases, job.crashes, job.attempt) == (State.COMPLETED, 1, 0, 1)
    assert job.session == worker.session


@pytest.mark.parametrize(
    ("verb", "began", "over"),
    [
        ("claim", "Claiming waits", "Claiming goes on."),
        ("settle", "verdicts are kept", "Settling goes on; 1 verdicts that were kept are stored."),
        ("extend", "lease could not be prolonged", "Prolonging the worker's lease goes on."),
    ],
)
async def test_the_end_of_an_outage_is_said_once(faulty, caplog, verb, began, over):
    plant = faulty
    caplog.set_level("INFO", "longshore.worker")

    @plant.task()
    async def runs():
        return None

    calls = (2, 3) if verb == "extend" else (1, 2, 3)  # the first of a session opens it
    plant.faults.plant(Fault(harm=Harm.BEFORE, verb=verb, calls=calls))
    await plant.add("runs")
    worker = plant.worker()
    running = asyncio.create_task(worker.run())

    def is_over():
        worker.beat_now()
        return over in caplog.text and worker.stats.settled

    await pass_time(plant, is_over)
    worker.drain()
    await running
    assert (caplog.text.count(began), caplog.text.count(over)) == (1, 1)
