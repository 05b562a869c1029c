"""Due jobs, lost jobs and old jobs, in manual time over the memory store."""

import asyncio
from random import Random

import msgspec
import pytest

from longshore.backends.memory.store import MemoryStore
from longshore.core.clock import ManualClock
from longshore.core.errors import StoreUnavailable
from longshore.core.events import EVENTS, Bus
from longshore.core.ids import new_id
from longshore.core.job import Details, NewJob
from longshore.core.retention import Retention
from longshore.core.states import State
from longshore.core.verdict import BURIED, COMPLETED
from longshore.engine.engine import Engine
from longshore.engine.policy import Policy
from longshore.store.commands import RETENTION, ClaimAsk, JobQuery, Lease, RecordAsk, Settlement
from longshore.testing.faults import Faults, FaultyStore
from longshore.upkeep.promoter import LEAST_PAUSE_SECONDS, Promoter
from longshore.upkeep.pruner import Pruner
from longshore.upkeep.rescuer import Rescuer
from longshore.worker.registry import Handler


class Yard:
    """A store with its clock, and the means to bring jobs into any state."""

    def __init__(self):
        self.clock = ManualClock()
        self.store = MemoryStore(self.clock)
        self.bus = Bus()
        self.told = []
        for name in EVENTS:
            self.bus.on(name, self.told.append)
        self.engine = Engine(self.store, bus=self.bus, clock=self.clock, random=Random(1))
        self.handlers = {}

    async def add(self, **options):
        job = NewJob(id=new_id(), queue="q", name="t", payload=b"{}", **options)
        await self.engine.add([job])
        return job.id

    async def claim(self, session="lost:1:0"):
        await self.store.extend([Lease(session=session, lease_ms=30_000, opens=True)])
        [claimed] = await self.store.claim([ClaimAsk("q", 100, session)])
        return claimed.jobs

    async def end(self, verdict=COMPLETED):
        for job in await self.claim("good:1:0"):
            settlement = Settlement(
                id=job.id, queue="q", session=job.session, fence=job.fence, verdict=verdict
            )
            await self.store.settle([settlement])

    async def job(self, job_id):
        [page] = await self.store.scan([JobQuery(ids=(job_id,), full=True)])
        return page.jobs[0] if page.jobs else None

    async def states(self):
        [counts] = await self.store.count(["q"])
        return {state: count for state, count in counts.states.items() if count}

    def promoter(self):
        return Promoter(self.engine, clock=self.clock, random=Random(1))

    def rescuer(self):
        return Rescuer(
            self.engine,
            find=lambda queue, name: self.handlers.get(name),
            lease_seconds=30,
            make_job=lambda record: record,
            bus=self.bus,
            clock=self.clock,
            random=Random(1),
        )

    def pruner(self, retention=None, stated=None):
        return Pruner(
            self.engine,
            stated=stated or (lambda: {"q": retention}),
            default=Retention(),
            pause_seconds=60,
            clock=self.clock,
            random=Random(1),
        )

    async def advance(self, seconds):
        await turns()
        self.clock.advance(seconds)
        await turns()


class LateStore(FaultyStore):
    """Refuses the first listener."""

    refused = 0

    def __init__(self, store):
        super().__init__(store, Faults(Random(1)), ManualClock())

    async def listen(self, kinds, queues=None):
        if not self.refused:
            self.refused += 1
            raise StoreUnavailable("unreachable", "not yet")
        return await super().listen(kinds, queues)


async def turns():
    for _ in range(20):
        await asyncio.sleep(0)


@pytest.fixture
async def yard():
    made = Yard()
    await made.store.open()
    return made


@pytest.fixture
async def started():
    services = []

    async def start(service):
        services.append(service)
        await service.start()
        await turns()
        return service

    yield start
    for service in services:
        await service.stop()


async def test_a_job_is_promoted_at_its_time_and_not_before(yard, started):
    job_id = await yard.add(delay_ms=1_200)
    await started(yard.promoter())
    await yard.advance(1.19)
    assert (await yard.job(job_id)).state is State.SCHEDULED
    await yard.advance(0.02)
    assert (await yard.job(job_id)).state is State.PENDING


async def test_what_another_process_adds_is_promoted_on_time_though_the_promoter_sleeps(yard, started):
    await started(yard.promoter())
    await yard.advance(0.1)
    job = NewJob(id=new_id(), queue="q", name="t", payload=b"{}", delay_ms=500)
    await yard.store.insert([job])
    await yard.advance(LEAST_PAUSE_SECONDS)
    await yard.advance(0.47)
    assert (await yard.job(job.id)).state is State.SCHEDULED
    await yard.advance(0.02)
    assert (await yard.job(job.id)).state is State.PENDING


async def test_a_promoter_that_lost_its_store_hears_again(yard, started):
    store, yard.engine.store = yard.store, LateStore(yard.store)
    await started(yard.promoter())
    assert yard.engine.store.refused == 1
    await yard.advance(0.1)
    job = NewJob(id=new_id(), queue="q", name="t", payload=b"{}", delay_ms=500)
    await store.insert([job])
    await yard.advance(LEAST_PAUSE_SECONDS)
    await yard.advance(0.48)
    assert (await yard.job(job.id)).state is State.PENDING


async def test_what_this_process_adds_is_promoted_on_time_though_the_promoter_sleeps(yard, started):
    await started(yard.promoter())
    job_id = await yard.add(delay_ms=300)
    await yard.advance(0.301)
    assert (await yard.job(job_id)).state is State.PENDING


async def test_what_another_process_adds_is_promoted_by_the_next_poll(yard, started):
    await started(yard.promoter())
    await yard.store.insert([NewJob(id=new_id(), queue="q", name="t", payload=b"{}", delay_ms=100)])
    await yard.advance(2.8)
    assert await yard.states() == {State.PENDING: 1}


async def test_a_thousand_and_one_due_jobs_are_promoted_in_one_go(yard, started):
    for _ in range(1_001):
        await yard.add(delay_ms=1)
    yard.clock.advance(1)
    await started(yard.promoter())
    assert await yard.states() == {State.PENDING: 1_001}


async def test_a_lost_job_is_pending_again_and_charged_a_crash(yard, started):
    job_id = await yard.add()
    await yard.claim()
    await started(yard.rescuer())
    assert (await yard.job(job_id)).state is State.RUNNING
    await yard.advance(31)
    job = await yard.job(job_id)
    assert (job.state, job.crashes, job.failures) == (State.PENDING, 1, 0)
    assert job.error_text.startswith("WorkerCrashed: Worker lost:1:0 died")
    assert [event.name for event in yard.told][-1] == "crashed"


async def test_after_an_outage_of_the_store_workers_may_prolong_their_leases_before_anybody_rescues(
    yard, started
):
    job_id = await yard.add()
    await yard.claim("lives:1:0")
    await started(yard.rescuer())
    await yard.store.close()
    await yard.advance(31)
    await yard.store.open()
    await yard.advance(10.1)
    assert (await yard.job(job_id)).state is State.RUNNING
    await yard.store.extend([Lease(session="lives:1:0", lease_ms=90_000)])
    await yard.advance(31)
    assert ((await yard.job(job_id)).state, (await yard.job(job_id)).crashes) == (State.RUNNING, 0)
    await yard.advance(91)
    await yard.advance(11)
    assert ((await yard.job(job_id)).state, (await yard.job(job_id)).crashes) == (State.PENDING, 1)


async def test_a_job_that_crashes_too_often_is_buried_with_its_notice_and_its_hook_is_called(yard, started):
    hooked = []
    policy = Policy(max_crashes=2, dead_letter="graveyard")
    yard.handlers["t"] = Handler(
        name="t", function=print, policy=policy, on_failure=lambda job, error: hooked.append(str(error))
    )
    job_id = await yard.add()
    await started(yard.rescuer())
    for _ in range(2):
        await yard.claim(f"lost:{new_id().hex()}")
        await yard.advance(31)
        await yard.advance(10)
    job = await yard.job(job_id)
    assert (job.state, job.crashes, len(job.errors)) == (State.FAILED, 2, 2)
    assert [event.name for event in yard.told if event.name != "enqueued"] == [
        "crashed",
        "crashed",
        "failed",
        "dead_letter",
    ]
    assert len(hooked) == 1
    [page] = await yard.store.scan([JobQuery(queues=("graveyard",))])
    assert [notice.name for notice in page.jobs] == ["dead-letter"]


async def test_a_task_that_nobody_here_knows_is_rescued_by_the_jobs_own_limit(yard, started):
    one = await yard.add(details=msgspec.json.encode(Details(max_crashes=1)))
    other = await yard.add(details=b"not json")
    await yard.claim()
    await started(yard.rescuer())
    await yard.advance(31)
    assert (await yard.job(one)).state is State.FAILED
    assert (await yard.job(other)).state is State.PENDING


async def test_a_worker_that_comes_back_in_time_keeps_its_jobs(yard, started):
    job_id = await yard.add()
    await yard.claim()
    yard.clock.advance(31)
    await yard.store.extend([Lease(session="lost:1:0", lease_ms=30_000)])
    await started(yard.rescuer())
    assert (await yard.job(job_id)).state is State.RUNNING


async def test_a_worker_that_comes_back_between_the_look_and_the_rescue_keeps_its_jobs(yard, started):
    """The rule that a maintenance step re-checks its condition in the write."""
    job_id = await yard.add()
    await yard.claim()
    yard.clock.advance(31)
    settle = yard.engine.settle

    async def settle_late(settlements):
        await yard.store.extend([Lease(session="lost:1:0", lease_ms=30_000)])
        return await settle(settlements)

    yard.engine.settle = settle_late
    await started(yard.rescuer())
    job = await yard.job(job_id)
    assert (job.state, job.crashes) == (State.RUNNING, 0)
    assert "crashed" not in [event.name for event in yard.told]


async def test_two_rescuers_charge_one_crash(yard, started):
    job_id = await yard.add()
    await yard.claim()
    await started(yard.rescuer())
    await started(yard.rescuer())
    await yard.advance(31)
    assert (await yard.job(job_id)).crashes == 1


async def test_jobs_over_their_age_are_forgotten_and_dead_letters_stay(yard, started):
    """S3.18"""
    await yard.add()
    await yard.end()
    await yard.add()
    await yard.end(BURIED)
    await started(yard.pruner(Retention(completed=3_600)))
    await yard.advance(3_500)
    assert await yard.states() == {State.COMPLETED: 1, State.FAILED: 1}
    await yard.advance(172)
    assert await yard.states() == {State.FAILED: 1}


async def test_no_more_than_the_count_is_kept_and_those_are_the_newest(yard, started):
    """S3.18"""
    ids = []
    for _ in range(5):
        ids.append(await yard.add())
        await yard.end()
        yard.clock.advance(1)
    await started(yard.pruner(Retention(completed=None, max_count=2)))
    assert [await yard.job(job_id) is not None for job_id in ids] == [False, False, False, True, True]


async def test_more_old_jobs_than_a_chunk_are_forgotten_chunk_by_chunk(yard, started):
    for _ in range(1_500):
        await yard.add()
    for _ in range(15):
        await yard.end()
    yard.clock.advance(10)
    await started(yard.pruner(Retention(completed=1)))
    assert await yard.states() == {State.COMPLETED: 500}
    await yard.advance(0.06)
    assert await yard.states() == {}


async def test_a_stated_retention_can_be_withdrawn(yard, started):
    await yard.add()
    stated = {"q": Retention(completed=1.0)}
    await started(yard.pruner(stated=lambda: stated))
    assert [record.key for record in (await yard.store.get([RecordAsk(RETENTION)]))[0]] == ["q"]
    await yard.end(COMPLETED)
    stated["q"] = None
    await yard.advance(100)
    assert await yard.store.get([RecordAsk(RETENTION)]) == [[]]
    assert await yard.states() == {State.COMPLETED: 1}
