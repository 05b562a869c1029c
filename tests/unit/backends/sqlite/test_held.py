"""The lines of held jobs: who leaves one is taken out of it later, and still nobody is lost or comes too late."""

import random
from contextlib import closing

import apsw

from longshore.backends.sqlite.held import READ_AHEAD, STALE_KEPT
from longshore.core.ids import new_id
from longshore.core.job import NewJob
from longshore.core.rules import FlowKey, LimitKind, Rules
from longshore.core.states import State
from longshore.core.verdict import COMPLETED, RELEASED
from longshore.store.commands import Cancel, Changes, ClaimAsk, JobQuery, Lease, Settlement, Update

NOW = 1_700_000_000_000
HOUR = 3_600_000
LOST = """
SELECT count(*)
FROM job
WHERE state = 2 AND NOT EXISTS (
    SELECT 1
    FROM held JOIN meter ON meter.queue = held.queue AND meter.name = held.meter
    WHERE held.queue = job.queue AND held.meter = job.held_by AND held.job = job.seq
        AND (held.priority, held.ord) = (job.priority, job.ord)
        AND (held.priority, held.ord) > (meter.past_priority, meter.past_ord)
)
"""
"""Held jobs that no meter would find."""


def limit(key: str = "", *, rule: str = "at-once", most: int = 1) -> FlowKey:
    return FlowKey(rule, key, LimitKind.CONCURRENCY, most)


def a_job(*limits: FlowKey, priority: int = 0) -> NewJob:
    rules = Rules(flow=limits or (limit(),))
    return NewJob(id=new_id(), queue="mail", name="send", payload=b"{}", rules=rules, priority=priority)


async def claimed(store, count: int = 1):
    await store.extend([Lease(session="w", lease_ms=HOUR, opens=True)], now_ms=NOW)
    [reply] = await store.claim([ClaimAsk("mail", count, "w")], now_ms=NOW)
    return reply.jobs


async def settle(store, *jobs, verdict=COMPLETED):
    await store.settle(
        [
            Settlement(
                id=job.id, queue="mail", session="w", fence=job.fence, verdict=verdict, rules=job.rules
            )
            for job in jobs
        ],
        now_ms=NOW,
    )


async def run_next(store):
    """The id of the one that was claimed and has ended."""
    [job] = await claimed(store)
    await settle(store, job)
    return job.id


def ask(path, statement: str) -> int:
    with closing(apsw.Connection(str(path))) as reader:
        [(number,)] = reader.execute(statement)
    return number


def write_beside(path) -> None:
    """What another process does: whatever is known of the file is not to be believed any more."""
    with closing(apsw.Connection(str(path))) as other:
        other.execute("UPDATE session SET until_ms = until_ms + 1")


async def test_what_left_a_line_does_not_pile_up_in_it(store, path):
    await store.insert([a_job() for _ in range(3)], now_ms=NOW)
    for _ in range(4 * STALE_KEPT):
        await store.insert([a_job()], now_ms=NOW)
        await run_next(store)
    assert ask(path, "SELECT count(*) FROM held") <= STALE_KEPT + 3


async def test_what_was_cancelled_in_a_line_does_not_pile_up_in_it(store, path):
    await store.insert([a_job()], now_ms=NOW)
    for _ in range(2 * STALE_KEPT):
        job = a_job()
        await store.insert([job], now_ms=NOW)
        await store.change([Cancel(where=JobQuery(ids=(job.id,)))], now_ms=NOW)
    assert ask(path, "SELECT count(*) FROM held") <= STALE_KEPT


async def test_a_meter_that_is_forgotten_leaves_no_line(store, path):
    await store.insert([a_job() for _ in range(3)], now_ms=NOW)
    for _ in range(3):
        await run_next(store)
    assert ask(path, "SELECT count(*) FROM held") == ask(path, "SELECT count(*) FROM meter") == 0


async def test_a_more_urgent_job_goes_before_those_that_were_read_ahead(store):
    jobs = [a_job() for _ in range(2 * READ_AHEAD)]
    await store.insert(jobs, now_ms=NOW)
    await run_next(store)  # the next is pending, and more were read
    urgent = a_job(priority=-1)
    await store.insert([urgent], now_ms=NOW)
    assert [await run_next(store) for _ in range(4)] == [jobs[1].id, urgent.id, jobs[2].id, jobs[3].id]


async def test_those_that_were_cancelled_after_they_were_read_ahead_are_passed(store):
    jobs = [a_job() for _ in range(6)]
    await store.insert(jobs, now_ms=NOW)
    await run_next(store)
    await store.change([Cancel(where=JobQuery(ids=(jobs[2].id, jobs[4].id)))], now_ms=NOW)
    assert [await run_next(store) for _ in range(3)] == [jobs[1].id, jobs[3].id, jobs[5].id]


async def test_what_was_read_ahead_is_read_again_after_another_process_has_written(store, path):
    jobs = [a_job() for _ in range(6)]
    await store.insert(jobs, now_ms=NOW)
    await run_next(store)
    with closing(apsw.Connection(str(path))) as other:  # it lets the next in as a process does
        other.execute("UPDATE job SET state = 9, held_by = NULL WHERE id = ?", (jobs[2].id,))
    assert [await run_next(store) for _ in range(3)] == [jobs[1].id, jobs[3].id, jobs[4].id]


async def test_a_released_job_that_is_held_stands_where_it_stood(store):
    one, two = limit(rule="one"), limit(rule="two")
    first, *others = [a_job(one, two), a_job(one), a_job(two), a_job(one)]
    await store.insert([first, *others], now_ms=NOW)
    [job] = await claimed(store)
    await settle(store, job, verdict=RELEASED)
    assert await run_next(store) == first.id
    assert [await run_next(store) for _ in range(3)] == [job.id for job in others]


async def test_nobody_is_ever_lost_in_a_line(store, path):
    """Whatever happens to jobs under limits, each that is held is in the line of its meter, and runs."""
    chance = random.Random(7)
    running = []
    for step in range(400):
        match chance.randrange(6):
            case 0 | 1:
                limits = [
                    limit(chance.choice("ab"), rule=rule, most=chance.randint(1, 3))
                    for rule in chance.sample(("one", "two", "three"), chance.randint(1, 2))
                ]
                jobs = [a_job(*limits, priority=chance.randint(-1, 1)) for _ in range(chance.randint(1, 12))]
                await store.insert(jobs, now_ms=NOW)
            case 2:
                running += await claimed(store, 5)
            case 3:
                chance.shuffle(running)
                verdict = chance.choice((COMPLETED, COMPLETED, RELEASED))
                await settle(store, *running[:3], verdict=verdict)
                del running[:3]
            case 4:
                [page] = await store.scan([JobQuery(states=(State.HELD,))], now_ms=NOW)
                ids = tuple(job.id for job in page.jobs if chance.random() < 0.2)
                edit = chance.choice((Cancel, Update))
                changes = {"changes": Changes(priority=chance.randint(-1, 1))} if edit is Update else {}
                await store.change([edit(where=JobQuery(ids=ids), **changes)], now_ms=NOW)
            case 5:
                write_beside(path)
        assert ask(path, LOST) == 0, step
    while running:
        await settle(store, *running)
        running = list(await claimed(store, 100))
    assert (
        ask(path, "SELECT count(*) FROM job WHERE state < 6") == ask(path, "SELECT count(*) FROM held") == 0
    )
