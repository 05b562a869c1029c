"""This module tests `change` where a running attempt notes its progress and its log lines."""

from longshore.core.ids import new_id
from longshore.core.job import LOGS_KEPT
from longshore.core.states import State
from longshore.core.verdict import crashed
from longshore.store.commands import Cancel, JobQuery, Note
from longshore.store.contract import Store
from longshore.store.replies import Changed, Settled
from longshore.testing.conformance.jobs import NOW, QUEUE, SECOND, SESSION, note, only
from longshore.testing.conformance.steps import add, claim, edit, find, finish, ids, look, start


async def test_progress_and_its_note_are_stored(store: Store) -> None:
    [job] = await start(store)
    assert await edit(store, note(job, progress=0.25, progress_note="a quarter")) == Changed((job.id,))
    noted = await look(store, job.id)
    assert (noted.progress, noted.progress_note, noted.state) == (0.25, "a quarter", State.RUNNING)


async def test_none_leaves_the_old_progress(store: Store) -> None:
    [job] = await start(store)
    await edit(store, note(job, progress=0.5, progress_note="half"))
    await edit(store, note(job, progress=0.75))
    await edit(store, note(job, logs=(b"line",)))
    noted = await look(store, job.id)
    assert (noted.progress, noted.progress_note) == (0.75, "half")


async def test_progress_may_be_nothing_and_all(store: Store) -> None:
    [job] = await start(store)
    for progress in (1.0, 0.0):
        await edit(store, note(job, progress=progress, progress_note=""))
        noted = await look(store, job.id)
        assert (noted.progress, noted.progress_note) == (progress, "")


async def test_log_lines_are_added_behind_the_older_ones(store: Store) -> None:
    [job] = await start(store)
    await edit(store, note(job, logs=(b"one", b"two")))
    await edit(store, note(job, logs=(b"\x00\xff", b"")))
    assert (await look(store, job.id)).logs == (b"one", b"two", b"\x00\xff", b"")


async def test_log_lines_of_later_attempts_follow_and_stay_when_the_job_is_over(store: Store) -> None:
    [job] = await start(store)
    await edit(store, note(job, logs=(b"first",)))
    await finish(store, [job], crashed(0))
    [job] = await claim(store)
    await edit(store, note(job, logs=(b"second",)))
    await finish(store, [job])
    assert (await look(store, job.id)).logs == (b"first", b"second")


async def test_of_many_log_lines_the_newest_are_kept(store: Store) -> None:
    [job] = await start(store)
    lines = [b"%d" % number for number in range(LOGS_KEPT + 30)]
    await edit(store, note(job, logs=tuple(lines[:20])))
    await edit(store, note(job, logs=tuple(lines[20:])))
    assert (await look(store, job.id)).logs == tuple(lines[-LOGS_KEPT:])
    await edit(store, note(job, logs=(b"last",)))
    assert (await look(store, job.id)).logs == (*lines[-LOGS_KEPT + 1 :], b"last")


async def test_a_stale_note_changes_nothing(store: Store) -> None:
    [first] = await start(store)
    await finish(store, [first], crashed(0))
    [job] = await claim(store)
    before = await look(store, job.id)
    thief = Note(id=job.id, queue=QUEUE, session="thief", fence=job.fence, progress=0.5, logs=(b"x",))
    nobody = Note(id=new_id(), queue=QUEUE, session=SESSION, fence=1, progress=0.5, logs=(b"x",))
    stale = [note(first, progress=0.5, logs=(b"x",)), thief, nobody, note(job, fence=9, progress=0.5)]
    assert await store.change(stale, now_ms=NOW + SECOND) == [Changed(())] * 4
    assert await look(store, job.id) == before


async def test_a_note_after_the_claim_has_ended_changes_nothing(store: Store) -> None:
    [job] = await start(store)
    await finish(store, [job])
    before = await look(store, job.id)
    assert await edit(store, note(job, progress=0.5, logs=(b"x",)), now_ms=NOW + SECOND) == Changed(())
    assert await look(store, job.id) == before


async def test_a_job_that_was_asked_to_cancel_may_still_take_notes(store: Store) -> None:
    [job] = await start(store)
    await edit(store, Cancel(where=only(job.id)))
    assert await edit(store, note(job, progress=0.9)) == Changed((job.id,))


async def test_a_stale_note_spoils_nothing_around_it(store: Store) -> None:
    first, second, third = await start(store, 3)
    notes = [
        note(first, progress=0.1, logs=(b"1",)),
        note(second, fence=7, progress=0.2, logs=(b"2",)),
        note(third, progress=0.3, logs=(b"3",)),
    ]
    replies = await store.change(notes, now_ms=NOW)
    assert replies == [Changed((first.id,)), Changed(()), Changed((third.id,))]
    kept = [await look(store, job.id) for job in (first, second, third)]
    assert [(job.progress, job.logs) for job in kept] == [(0.1, (b"1",)), (None, ()), (0.3, (b"3",))]


async def test_a_note_does_not_end_or_renew_a_claim(store: Store) -> None:
    [job] = await start(store)
    await edit(store, note(job, progress=0.5))
    assert await finish(store, [job]) == [Settled.APPLIED]
    assert (await look(store, job.id)).progress == 0.5


async def test_a_thousand_notes_go_into_one_call(store: Store) -> None:
    await add(store, 500)
    jobs = await claim(store, 500)
    notes = [note(job, progress=0.5, logs=(b"line",)) for job in jobs * 2]
    assert await store.change(notes, now_ms=NOW) == [Changed((job.id,)) for job in jobs * 2]
    kept = await find(store, JobQuery(ids=tuple(ids(jobs)), limit=1000, full=True))
    assert {job.logs for job in kept} == {(b"line", b"line")}
