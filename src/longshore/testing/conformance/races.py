"""This module tests what happens when many do the same at once: tasks, handles and threads on one set of jobs.

Time is the store's own here, as it is for real workers.
"""

import asyncio
from collections import Counter
from collections.abc import Coroutine, Sequence
from typing import Any, TypeVar

import pytest

from longshore.core.clock import SystemClock
from longshore.core.ids import JobId, new_id
from longshore.core.states import State
from longshore.core.verdict import COMPLETED, Charge, Verdict, crashed, released, retry_after
from longshore.store.commands import Cancel, ClaimAsk, Delete, JobQuery, Lease, Note, Put
from longshore.store.contract import Store
from longshore.store.replies import Inserted, Settled
from longshore.testing.conformance.handles import StoreUnderTest, in_thread
from longshore.testing.conformance.jobs import QUEUE, new_job, new_jobs, only, settlement

Answer = TypeVar("Answer")
LEASE_MS = 600_000


async def together(calls: Sequence[Coroutine[Any, Any, Answer]]) -> list[Answer]:
    """The answers of calls that are under way at the same time."""
    async with asyncio.TaskGroup() as group:
        tasks = [group.create_task(call) for call in calls]
    return [task.result() for task in tasks]


async def open_sessions(store: Store, names: Sequence[str]) -> None:
    """Opens a session for each name."""
    await store.extend(
        [Lease(session=name, lease_ms=LEASE_MS, queues=(QUEUE,), opens=True) for name in names]
    )


async def claim_one(store: Store, session: str = "worker-0") -> Any:
    """The one job that is pending."""
    await open_sessions(store, [session])
    [answer] = await store.claim([ClaimAsk(QUEUE, 1, session)])
    [job] = answer.jobs
    return job


async def work(store: Store, session: str, done: list[JobId]) -> None:
    """Claims and settles until nothing is pending; some jobs go back once or twice on their way."""
    while True:
        [answer] = await store.claim([ClaimAsk(QUEUE, 7, session)])
        if not answer.jobs:
            return
        verdicts = {job.id: verdict_for(job.id, job.fence) for job in answer.jobs}
        settled = await store.settle([settlement(job, verdicts[job.id]) for job in answer.jobs])
        assert settled == [Settled.APPLIED] * len(answer.jobs)
        done += [job_id for job_id, verdict in verdicts.items() if verdict is COMPLETED]


def verdict_for(job_id: JobId, fence: int) -> Verdict:
    """Every third job crashes once, every fifth is released once."""
    if fence == 1 and job_id[-1] % 3 == 0:
        return crashed(0)
    if fence == 1 and job_id[-1] % 5 == 0:
        return released(0)
    return COMPLETED


async def assert_each_done_once(store: Store, jobs: Sequence[JobId], done: Sequence[JobId]) -> None:
    """Every job was completed by exactly one claim."""
    assert Counter(done) == Counter(jobs)
    [counts] = await store.count([QUEUE])
    assert counts.states == {**dict.fromkeys(State, 0), State.COMPLETED: len(jobs)}


async def test_many_tasks_on_one_store_hold_each_job_once(store: Store) -> None:
    jobs = new_jobs(600)
    await store.insert(jobs)
    names = [f"worker-{number}" for number in range(12)]
    await open_sessions(store, names)
    done: list[JobId] = []
    await together([work(store, name, done) for name in names])
    await assert_each_done_once(store, [job.id for job in jobs], done)


async def test_many_handles_hold_each_job_once(kit: StoreUnderTest) -> None:
    handles = [kit.store, *[await kit.another() for _ in range(3)]]
    jobs = new_jobs(400)
    await kit.store.insert(jobs)
    await open_sessions(kit.store, [f"worker-{number}" for number in range(8)])
    done: list[JobId] = []
    await together([work(handles[number % 4], f"worker-{number}", done) for number in range(8)])
    await assert_each_done_once(kit.store, [job.id for job in jobs], done)


async def test_many_threads_hold_each_job_once(store: Store) -> None:
    async def work_there(name: str) -> list[JobId]:
        twin = await store.twin()
        done: list[JobId] = []
        await work(twin, name, done)
        await twin.close()
        return done

    jobs = new_jobs(400)
    await store.insert(jobs)
    names = [f"worker-{number}" for number in range(4)]
    await open_sessions(store, names)
    done = await together([in_thread(work_there(name)) for name in names])
    await assert_each_done_once(store, [job.id for job in jobs], [job_id for part in done for job_id in part])


async def test_jobs_that_are_added_while_others_work_are_all_done(kit: StoreUnderTest) -> None:
    producer, worker = kit.store, await kit.another()
    await open_sessions(worker, ["a", "b"])
    batches = [new_jobs(20) for _ in range(15)]
    done: list[JobId] = []

    async def add_all() -> None:
        for batch in batches:
            assert await producer.insert(batch) == [Inserted.CREATED] * 20

    async def work_until_all_are_done(name: str) -> None:
        while len(done) < 300:
            await work(worker, name, done)
            await SystemClock().sleep(0)  # lets the others run

    await together([add_all(), work_until_all_are_done("a"), work_until_all_are_done("b")])
    await assert_each_done_once(producer, [job.id for batch in batches for job in batch], done)


async def test_racing_inserts_of_one_id_create_one_job(kit: StoreUnderTest) -> None:
    handles = [kit.store, await kit.another(), await kit.another()]
    ids = [new_id() for _ in range(10)]
    replies = await together(
        [
            handles[number % 3].insert([new_job(id=job_id, payload=b"%d" % number) for job_id in ids])
            for number in range(12)
        ]
    )
    for position in range(len(ids)):
        answers = Counter(reply[position] for reply in replies)
        assert answers == {Inserted.CREATED: 1, Inserted.DUPLICATE: 11}
    [counts] = await kit.store.count([QUEUE], minutes=5)
    assert counts.states[State.PENDING] == sum(minute.added for minute in counts.minutes) == 10


async def test_of_racing_ends_of_one_claim_one_is_applied(kit: StoreUnderTest) -> None:
    handles = [kit.store, await kit.another()]
    for _ in range(10):
        job_id = new_id()
        await kit.store.insert([new_job(id=job_id)])
        job = await claim_one(kit.store)
        verdicts = [
            COMPLETED,
            Verdict(State.FAILED, Charge.FAILURE),
            retry_after(60_000),
            Verdict(State.CANCELLED),
        ]
        calls = [
            handles[number % 2].settle([settlement(job, verdict)]) for number, verdict in enumerate(verdicts)
        ]
        answers = [answer for [answer] in await together(calls)]
        assert sorted(answers) == [Settled.APPLIED, *[Settled.STALE] * 3]
        [page] = await kit.store.scan([only(job_id)])
        assert page.jobs[0].state is verdicts[answers.index(Settled.APPLIED)].state


async def test_racing_repeats_of_one_settlement_count_once(kit: StoreUnderTest) -> None:
    handles = [kit.store, await kit.another()]
    await kit.store.insert([new_job()])
    job = await claim_one(kit.store)
    end = settlement(job, retry_after(60_000), error=b"e", follow=(new_job("reports"),))
    answers = await together([handles[number % 2].settle([end]) for number in range(8)])
    assert answers == [[Settled.APPLIED]] * 8
    [page] = await kit.store.scan([only(job.id)])
    assert (page.jobs[0].failures, page.jobs[0].errors) == (1, (b"e",))
    [reports] = await kit.store.count(["reports"])
    assert reports.states[State.PENDING] == 1


async def test_of_racing_records_one_is_stored(kit: StoreUnderTest) -> None:
    handles = [kit.store, await kit.another()]
    for key in ("a", "b", "c"):
        puts = [Put(kind="lock", key=key, value=b"%d" % number, expect=0) for number in range(10)]
        answers = await together([handles[number % 2].put([put]) for number, put in enumerate(puts)])
        winners = [answer for [answer] in answers if answer.stored]
        assert len(winners) == 1
        assert {answer.record for [answer] in answers} == {winners[0].record}


async def test_a_counter_of_records_loses_no_step(kit: StoreUnderTest) -> None:
    handles = [kit.store, await kit.another()]
    await kit.store.put([Put(kind="counter", key="n", value=b"0")])

    async def step_up(store: Store) -> None:
        expect, value = 1, b"0"
        while True:
            put = Put(kind="counter", key="n", value=b"%d" % (int(value) + 1), expect=expect)
            [answer] = await store.put([put])
            assert answer.record is not None
            if answer.stored and answer.record.version == expect + 1:
                return
            expect, value = answer.record.version, answer.record.value

    await together([step_up(handles[0]), step_up(handles[1])])


@pytest.mark.parametrize("first", ["cancel", "settle"])
async def test_a_cancel_that_races_with_the_end_leaves_the_job_over(kit: StoreUnderTest, first: str) -> None:
    other = await kit.another()
    for _ in range(5):
        await kit.store.insert([new_job()])
        job = await claim_one(kit.store)
        cancel = other.change([Cancel(where=only(job.id))])
        settle = kit.store.settle([settlement(job)])
        await asyncio.gather(*((cancel, settle) if first == "cancel" else (settle, cancel)))
        [page] = await kit.store.scan([only(job.id)])
        assert page.jobs[0].state is State.COMPLETED


async def test_edits_by_query_that_race_with_workers_touch_only_what_they_may(kit: StoreUnderTest) -> None:
    editor = await kit.another()
    jobs = [job.id for job in new_jobs(300)]
    await kit.store.insert([new_job(id=job_id) for job_id in jobs])
    await open_sessions(kit.store, ["a", "b"])
    done: list[JobId] = []
    gone: list[JobId] = []

    async def edit_until_nothing_waits() -> None:
        waiting = JobQuery(states=(State.PENDING,), queues=(QUEUE,), limit=5)
        while True:
            deleted, cancelled = await editor.change([Delete(where=waiting), Cancel(where=waiting)])
            gone.extend([*deleted.ids, *cancelled.ids])
            if not (deleted.more or cancelled.more):
                return

    await together([work(kit.store, "a", done), edit_until_nothing_waits(), work(kit.store, "b", done)])
    await work(kit.store, "a", done)
    assert Counter([*done, *gone]) == Counter(jobs)
    [counts] = await kit.store.count([QUEUE])
    assert counts.states[State.COMPLETED] == len(done)


async def test_reading_and_counting_while_others_write_shows_whole_steps(kit: StoreUnderTest) -> None:
    reader = await kit.another()
    seen = []
    async with asyncio.TaskGroup() as tasks:
        writing = [tasks.create_task(kit.store.insert(new_jobs(50))) for _ in range(10)]
        while not all(insert.done() for insert in writing):
            [counts] = await reader.count([QUEUE])
            [page] = await reader.scan([JobQuery(limit=1000)])
            seen.append((counts.states[State.PENDING] % 50, len(page.jobs) % 50))
            await SystemClock().sleep(0)  # lets the writers run
    assert set(seen) <= {(0, 0)}


async def test_notes_of_many_tasks_are_all_kept(store: Store) -> None:
    await store.insert([new_job()])
    job = await claim_one(store)
    notes = [
        Note(id=job.id, queue=QUEUE, session=job.session, fence=job.fence, logs=(b"%d" % number,))
        for number in range(50)
    ]
    await together([store.change([note]) for note in notes])
    [page] = await store.scan([only(job.id)])
    assert sorted(page.jobs[0].logs, key=int) == [b"%d" % number for number in range(50)]
