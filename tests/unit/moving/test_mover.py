"""Moving jobs between two stores: what goes over, what stays, what is told."""

import asyncio

import msgspec
import pytest

from longshore.core.edges import Edge, Edges
from longshore.core.errors import MoveRefused
from longshore.core.job import JobRecord
from longshore.core.states import State
from longshore.core.verdict import BURIED, crashed, released
from longshore.dlq.letters import REQUEUES
from longshore.flow import pausing
from longshore.moving.comparing import Stays, compare
from longshore.moving.holding import HELD_MS, LONGEST_MS
from longshore.moving.journal import JOURNAL, KIND, Entry
from longshore.moving.mover import chunk_size
from longshore.steps.carrying import with_steps
from longshore.steps.entries import Entry as StepEntry
from longshore.steps.entries import Kind, mention, put_of, signals_of, steps_of
from longshore.steps.signals import post
from longshore.store.commands import PAUSE, RETENTION, Delete, JobQuery, Put, RecordAsk, Retry
from longshore.testing.conformance.jobs import new_job
from tests.unit.moving.yard import HOUR_MS, Hand, Killed


def without_times(job):
    return msgspec.structs.replace(job, updated_ms=0)


async def test_waiting_jobs_and_dead_letters_go_over_as_they_are(yard):
    wanted, completed = await yard.one_of_each()
    before = await yard.jobs(yard.source)
    moved = await yard.mover().run()
    assert await yard.states(yard.target) == wanted
    assert await yard.states(yard.source) == {completed: State.COMPLETED}
    after = await yard.jobs(yard.target)
    assert all(without_times(after[job_id]) == without_times(before[job_id]) for job_id in wanted)
    assert (moved.remaining, moved.vanished, moved.tally.moved.total()) == (0, 0, len(wanted))


async def test_history_goes_over_when_it_is_asked_for(yard):
    wanted, completed = await yard.one_of_each()
    await yard.mover(history=True).run()
    assert await yard.states(yard.target) == {**wanted, completed: State.COMPLETED}
    assert not await yard.jobs(yard.source)


async def test_pending_jobs_keep_their_order(yard):
    ids = await yard.add(2_300)
    moved = await yard.mover().run()
    assert moved.tally.moved == {("mail", State.PENDING): 2_300}
    claimed = [job.id for _ in range(3) for job in await yard.claim(yard.target)]
    assert claimed == ids


async def test_only_the_queues_that_were_named_are_moved(yard):
    mail, video = await yard.add(2), await yard.add(2, queue="video")
    await yard.mover(queues=("video",)).run()
    assert list(await yard.jobs(yard.source)) == mail
    assert list(await yard.jobs(yard.target)) == video
    assert list(await pausing.paused(yard.source)) == ["video"]


async def test_nothing_moves_while_jobs_wait_for_others(yard):
    """S3.8: a parent that went away at the source would cancel them there."""
    parent = new_job()
    child = new_job(queue="video", edges=Edges((Edge(parent.id, "mail"),)))
    await yard.source.insert([parent, child])
    with pytest.raises(MoveRefused, match=r"jobs wait for others.*workflows list"):
        await yard.mover(queues=("mail",)).run()
    assert await yard.states(yard.source) == {parent.id: State.PENDING, child.id: State.BLOCKED}
    assert not await yard.jobs(yard.target)
    assert not await pausing.paused(yard.source)


async def test_the_source_stays_paused_and_says_where_its_jobs_are(yard):
    await yard.add()
    await yard.mover().run()
    assert (await pausing.paused(yard.source))["mail"].moved_to == yard.target.url
    assert await pausing.paused(yard.target) == {}


async def test_settings_of_queues_go_over_and_those_of_the_target_stay(yard):
    [dead] = await yard.add()
    await yard.settle(yard.source, await yard.claim(yard.source), BURIED)
    await pausing.pause(yard.source, ["mail"], yard.clock)
    counted = [Put(kind=REQUEUES, key=dead.hex(), value=b"{}", ttl_ms=HOUR_MS) for _ in range(3)]
    kept = [
        Put(kind=RETENTION, key="mail", value=b'{"failed":1}'),
        Put(kind=RETENTION, key="video", value=b'{"failed":2}'),
    ]
    await yard.source.put([*counted, *kept, Put(kind="worker", key="w", value=b"{}", session="w")])
    await yard.target.put([Put(kind=RETENTION, key="video", value=b'{"failed":9}')])
    moved = await yard.mover().run()
    assert (moved.records, moved.paused) == (5, ("mail",))
    assert (await pausing.paused(yard.target))["mail"].moved_to is None
    [retentions, requeues] = await yard.target.get([RecordAsk(RETENTION), RecordAsk(REQUEUES)])
    assert [record.value for record in retentions] == [b'{"failed":1}', b'{"failed":9}']
    assert [(record.version, record.expires_ms) for record in requeues] == [
        (3, yard.clock.now_ms() + HOUR_MS)
    ]


async def test_moving_back_resumes_the_queues_that_were_paused_for_the_first_move(yard):
    ids = await yard.add(3)
    await yard.mover().run()
    back = type(yard)(yard.target, yard.source, yard.clock)
    await back.mover().run()
    assert await pausing.paused(yard.source) == {}
    await yard.work(yard.source)
    assert list(yard.runs) == ids


async def test_jobs_that_run_at_the_source_are_waited_for(yard):
    [job_id] = await yard.add()
    held = await yard.claim(yard.source)
    moving = asyncio.create_task(yard.mover(wait_seconds=60).run())
    for _ in range(50):
        await asyncio.sleep(0)
    assert not moving.done()
    await yard.settle(yard.source, held, crashed(0))
    for _ in range(50):
        yard.clock.advance(0.1)
        await asyncio.sleep(0)
    assert (await moving).remaining == 0
    assert await yard.states(yard.target) == {job_id: State.PENDING}


async def test_jobs_that_run_for_longer_are_left_and_told(yard):
    [job_id] = await yard.add()
    await yard.claim(yard.source)
    moved = await yard.mover().run()
    assert moved.remaining == 1
    assert await yard.states(yard.source) == {job_id: State.RUNNING}
    assert not await yard.jobs(yard.target)


async def test_what_is_added_at_the_source_meanwhile_is_moved_too(yard):
    await yard.add(2)

    async def add_one():
        if len(late) < 3:
            late.extend(await yard.add(queue="new"))

    late = []
    moved = await yard.mover(Hand(watch=add_one), wait_seconds=5).run()
    assert moved.remaining == 0
    assert set(late) <= (await yard.jobs(yard.target)).keys()


async def test_a_job_that_the_target_has_already_is_not_run_again(yard):
    ran, waits, runs = await yard.add(3)
    records = list((await yard.jobs(yard.source)).values())
    await yard.target.adopt(records)
    [first] = await yard.claim(yard.target, count=1, job_id=ran)
    await yard.settle(yard.target, [first])
    await yard.claim(yard.target, count=1, job_id=runs)
    moved = await yard.mover().run()
    assert not await yard.jobs(yard.source)
    assert await yard.states(yard.target) == {
        ran: State.COMPLETED,
        waits: State.PENDING,
        runs: State.RUNNING,
    }
    assert moved.tally.already == {("mail", State.PENDING): 3}


async def test_a_job_that_somebody_wakes_at_the_source_stays_there_and_its_copy_goes(yard):
    [job_id] = await yard.add()
    woken = []

    async def wake():
        if job_id in await yard.jobs(yard.target) and not woken:
            woken.append(job_id)
            await yard.source.change([Retry(where=JobQuery(ids=(job_id,)))])
            await yard.claim(yard.source, job_id=job_id)

    moved = await yard.mover(Hand(watch=wake)).run()
    assert woken
    assert moved.remaining == 1
    assert await yard.states(yard.source) == {job_id: State.RUNNING}
    assert not await yard.jobs(yard.target)


async def test_a_job_for_a_time_that_nobody_lives_to_see_goes_over_as_it_is(yard):
    [job_id] = await yard.add(run_ms=253_402_300_799_000)
    await yard.mover().run()
    assert (await yard.jobs(yard.target))[job_id].run_ms == 253_402_300_799_000


async def test_a_job_deleted_at_the_source_meanwhile_is_told_as_gone(yard):
    ids = await yard.add(2)

    async def delete():
        await yard.source.change([Delete(where=JobQuery(ids=(ids[1],), states=(State.PENDING,)))])

    moved = await yard.mover(Hand(watch=delete)).run()
    assert (moved.vanished, moved.tally.moved.total()) == (1, 1)


async def test_two_moves_from_one_store_do_not_work_at_the_same_time(yard):
    await yard.add()
    hand = Hand(8)
    with pytest.raises(Killed):
        await yard.mover(hand).run()
    second = asyncio.create_task(yard.mover().run())
    for _ in range(30):
        await asyncio.sleep(0)
    assert not second.done()
    for _ in range(100):
        yard.clock.advance(0.1)
        await asyncio.sleep(0)
    assert (await second).remaining == 0


async def test_an_interrupted_move_must_be_ended_before_one_to_another_place(yard):
    await yard.source.put(
        [Put(kind=KIND, key=JOURNAL, value=msgspec.json.encode(Entry("redis://else", ("00" * 16,))))]
    )
    with pytest.raises(MoveRefused, match="redis://else holds 1 jobs"):
        await yard.mover().run()


async def test_a_store_cannot_be_moved_to_itself(yard):
    with pytest.raises(MoveRefused, match="to itself"):
        type(yard)(yard.source, yard.source, yard.clock).mover()


async def test_a_target_that_does_not_keep_what_it_took_loses_nothing(yard):
    ids = await yard.add(2)

    async def lose_one():
        await yard.target.change([Delete(where=JobQuery(ids=(ids[0],)))])

    with pytest.raises(MoveRefused, match="does not show 1 of 2"):
        await yard.mover(Hand(watch=lose_one)).run()
    assert list(await yard.jobs(yard.source)) == ids


def record(state=State.PENDING, fence=1, run_ms=None, updated_ms=5):
    return JobRecord(
        id=b"1" * 16,
        queue="q",
        name="t",
        payload=b"",
        priority=3,
        state=state,
        fence=fence,
        run_ms=run_ms,
        updated_ms=updated_ms,
    )


@pytest.mark.parametrize(
    ("theirs", "stays"),
    [
        (record(State.SCHEDULED, run_ms=HELD_MS), Stays.THEIRS),
        (record(State.SCHEDULED, run_ms=HELD_MS, updated_ms=4), Stays.OURS),
        (record(State.RETRYING, fence=0, run_ms=HELD_MS + LONGEST_MS - 1), Stays.OURS),
        (record(State.RUNNING, fence=2), Stays.THEIRS),
        (record(State.PENDING), Stays.THEIRS),
        (record(State.COMPLETED, fence=2), Stays.THEIRS),
        (record(State.CANCELLED), Stays.THEIRS),
        (record(State.FAILED, fence=2), Stays.THEIRS),
        (record(State.FAILED), Stays.OURS),
    ],
)
def test_which_of_two_records_stays(theirs, stays):
    assert compare(record(State.SCHEDULED, run_ms=HELD_MS), theirs) is stays


def test_a_dead_letter_is_not_replaced_by_itself():
    assert compare(record(State.FAILED), record(State.FAILED)) is Stays.THEIRS


async def test_the_pause_of_a_move_is_the_only_record_of_its_kind_that_stays_behind(yard):
    await yard.add()
    await yard.mover().run()
    [pauses, moves] = await yard.source.get([RecordAsk(PAUSE), RecordAsk(KIND)])
    assert (len(pauses), moves) == (1, [])


@pytest.mark.parametrize(("payload_bytes", "jobs"), [(0, 1000), (100, 1000), (84_000, 99), (100_000_000, 1)])
def test_a_chunk_of_large_jobs_is_smaller(payload_bytes, jobs):
    like = msgspec.structs.replace(record(), payload=b"x" * payload_bytes)
    assert chunk_size([like, like]) == jobs


async def test_what_a_task_has_recorded_goes_over_with_its_job(yard):
    """B.12: neither steps are done again at the target, nor signals lost."""
    [sleeper, other] = await yard.add(2)
    [claimed, _] = await yard.claim(yard.source)
    entry = StepEntry(kind=Kind.WAIT, place=0, attempt=1, at_ms=1, event="go")
    ended = msgspec.structs.replace(entry, ended_ms=2)
    await yard.source.put(
        [mention(sleeper), put_of(sleeper, "go", entry, 0), put_of(sleeper, "go", ended, 1)]
    )
    await post(yard.source, [claimed], "more", b"7", 1)
    await yard.settle(yard.source, [claimed], released(HOUR_MS))
    before = await yard.source.get([RecordAsk(steps_of(sleeper)), RecordAsk(signals_of(sleeper))])
    assert [len(records) for records in before] == [1, 1]
    await yard.mover(wait_seconds=0).run()
    asks = [RecordAsk(steps_of(sleeper)), RecordAsk(signals_of(sleeper))]
    assert await yard.target.get(asks) == before
    assert await with_steps(yard.target, [sleeper, other]) == [sleeper]
