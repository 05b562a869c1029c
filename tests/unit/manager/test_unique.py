"""Jobs that are the same: the second one, and what becomes of it. On each store without a server."""

import asyncio
from datetime import timedelta
from uuid import uuid4

import pytest

from longshore import (
    InvalidOption,
    NotUnique,
    Priority,
    QueueManager,
    Retry,
    State,
    Unique,
)
from longshore.core.ids import parse_id

LATER = timedelta(hours=1)


async def _greet(to: str, count: int = 1, ids: list[int] | None = None) -> str:
    return f"{to} {count} {ids}"


def task_of(manager, **words):
    return manager.queue("mail").task(name="greet", **words)(_greet)


async def stored(manager):
    return await manager.get_jobs(queue="mail")


async def test_the_second_job_is_the_first_one_and_says_so(manager):
    """B.5"""
    greet = task_of(manager, unique=True)
    first = await greet.enqueue("ann")
    again = await greet.enqueue("ann")
    other = await greet.enqueue("bob")
    assert (first.conflict, again.conflict, other.conflict) == (False, True, False)
    assert again.id == first.id != other.id
    assert again.state is State.PENDING
    assert len(await stored(manager)) == 2


async def test_defaults_and_names_of_arguments_make_no_difference(manager):
    """B.5: what a producer without the task's code adds is the same job."""
    greet = task_of(manager, unique=Unique())
    first = await greet.enqueue("ann")
    for again in (
        await greet.enqueue(to="ann", count=1),
        await manager.add_job("mail", "greet", {"to": "ann"}),
        (await manager.add_bulk("mail", [{"name": "greet", "data": {"count": 1, "to": "ann"}}]))[0],
    ):
        assert (again.id, again.conflict) == (first.id, True)


async def test_when_the_older_job_has_ended_the_next_one_is_added(manager):
    """B.5: a key is never left behind."""
    greet = task_of(manager, unique=Unique())
    first = await greet.enqueue("ann")
    await manager.run_until_empty(timeout=10)
    assert await first.result() == "ann 1 None"
    second = await greet.enqueue("ann")
    assert not second.conflict
    assert await second.cancel()
    third = await greet.enqueue("ann")
    assert not third.conflict
    assert await third.delete()
    assert not (await greet.enqueue("ann")).conflict


async def test_a_list_is_answered_one_to_one_also_where_it_repeats_itself(manager):
    """B.5"""
    greet = task_of(manager, unique=Unique(keys=["to"]))
    jobs = await greet.enqueue_many([("ann",), ("bob",), ("ann", 2), {"to": "bob"}, ("cy",)])
    assert [job.conflict for job in jobs] == [False, False, True, True, False]
    assert jobs[2].id == jobs[0].id
    assert jobs[3].id == jobs[1].id
    assert len(await stored(manager)) == 3


async def test_to_raise_names_the_older_job_and_what_was_added_all_the_same(manager):
    """B.5"""
    greet = task_of(manager, unique=Unique(on_conflict="raise"))
    first = await greet.enqueue("ann")
    with pytest.raises(NotUnique, match=first.id) as caught:
        await greet.enqueue("ann")
    assert (caught.value.job_id, caught.value.state, caught.value.added) == (first.id, "pending", ())
    with pytest.raises(NotUnique, match="2 other jobs") as caught:
        await greet.enqueue_many([("bob",), ("ann",), ("cy",)])
    assert {(await manager.get_job(job_id)).data["to"] for job_id in caught.value.added} == {"bob", "cy"}


async def test_to_replace_makes_the_older_job_the_new_one_while_it_waits(manager):
    """B.5"""
    greet = task_of(manager, unique=Unique(keys=["to"], on_conflict="replace"))
    first = await greet.options(delay=LATER, tags=["old"], metadata={"a": 1}).enqueue("ann", 1)
    again = await greet.options(priority=Priority.HIGH, tags=["new"], retry=7).enqueue("ann", 2)
    assert (again.id, again.conflict, again.data["count"]) == (first.id, True, 2)
    assert (again.state, again.priority, again.tags, again.metadata) == (
        State.PENDING,
        Priority.HIGH,
        ("new",),
        {},
    )
    assert again.max_attempts == 7
    assert [job.id for job in await manager.get_jobs(tags=["new"])] == [first.id]
    assert list(await manager.get_jobs(tags=["old"])) == []


async def test_to_reschedule_puts_the_older_job_off_and_nothing_else(manager):
    """B.5: debounce."""
    greet = task_of(manager, unique=Unique(keys=["to"], on_conflict="reschedule"))
    first = await greet.options(delay=LATER).enqueue("ann", 1)
    again = await greet.options(delay=2 * LATER).enqueue("ann", 2)
    assert (again.id, again.conflict, again.data["count"]) == (first.id, True, 1)
    assert again.state is State.SCHEDULED
    assert again.run_at - first.run_at > timedelta(minutes=59)


async def test_to_merge_gathers_what_all_of_them_brought(manager):
    """B.5"""
    greet = task_of(manager, unique=Unique(keys=["to"], on_conflict="merge"))
    await greet.enqueue("ann", ids=[1])
    again = await greet.enqueue("ann", ids=[2])
    assert again.data["ids"] == [1, 2]
    jobs = await greet.enqueue_many([{"to": "ann", "ids": [number]} for number in range(3, 50)])
    assert {job.id for job in jobs} == {again.id}
    assert (await manager.get_job(again.id)).data["ids"] == list(range(1, 50))


async def test_of_merges_at_the_same_time_none_is_lost(manager, url):
    """B.5: each is made from what was there, or made again."""
    greet = task_of(manager, unique=Unique(keys=["to"], on_conflict="merge"))
    async with QueueManager(url) as other:
        also = task_of(other, unique=Unique(keys=["to"], on_conflict="merge"))
        both = [greet, also]
        jobs = await asyncio.gather(*(both[number % 2].enqueue("ann", ids=[number]) for number in range(40)))
    assert len({job.id for job in jobs}) == 1
    [job] = await stored(manager)
    assert sorted(job.data["ids"]) == list(range(40))


async def test_a_job_that_runs_is_returned_as_it_is(manager):
    """B.5"""
    started, enough = asyncio.Event(), asyncio.Event()

    @manager.queue("mail").task(name="greet", unique=Unique(keys=["to"], on_conflict="replace"))
    async def slow(to: str, count: int) -> int:
        started.set()
        await enough.wait()
        return count

    await manager.start_workers()
    first = await slow.enqueue("ann", 1)
    await started.wait()
    again = await slow.enqueue("ann", 2)
    enough.set()
    assert (again.id, again.conflict, again.state) == (first.id, True, State.RUNNING)
    assert await first.result(timeout=10) == 1


async def test_a_follow_up_is_added_once_while_the_older_job_runs_and_runs_after_it(manager):
    """B.5"""
    running, most, done = 0, 0, []
    started, enough = asyncio.Event(), asyncio.Event()

    @manager.queue("mail", concurrency=4).task(
        name="greet", unique=Unique(keys=["to"], on_conflict="follow_up")
    )
    async def slow(to: str, count: int) -> None:
        nonlocal running, most
        running += 1
        most = max(most, running)
        started.set()
        await enough.wait()
        done.append(count)
        running -= 1

    await manager.start_workers()
    first = await slow.enqueue("ann", 1)
    await started.wait()
    second = await slow.enqueue("ann", 2)
    third = await slow.enqueue("ann", 3)
    assert (second.conflict, third.conflict) == (False, True)
    assert second.id == third.id != first.id
    await second.refresh()
    assert second.state is State.HELD
    enough.set()
    await second.result(timeout=10)
    assert (most, done) == (1, [1, 2])


async def test_what_a_job_is_told_counts_instead_of_its_task(manager):
    """B.5"""
    greet = task_of(manager, unique=Unique())
    first = await greet.enqueue("ann")
    assert (await greet.options(unique=Unique(keys=["to"])).enqueue("ann", 2)).conflict is False
    assert (await greet.options(unique=False).enqueue("ann")).conflict is False
    await manager.add_job("mail", "greet", {"to": "bob"}, unique=True)
    with pytest.raises(NotUnique):
        await manager.add_job("mail", "greet", {"to": "bob"}, unique=Unique(on_conflict="raise"))
    assert first.state is State.PENDING


async def test_each_job_of_a_bulk_may_have_its_own_rule(manager):
    """B.5"""
    by_to = {"unique": Unique(keys=["to"])}
    jobs = await manager.add_bulk(
        "mail",
        [
            {"name": "a", "data": {"to": "ann"}, "options": by_to},
            {"name": "a", "data": {"to": "ann"}},
            {"name": "a", "data": {"to": "ann", "n": 2}, "options": by_to},
            {
                "name": "a",
                "data": {"to": "ann"},
                "options": {"unique": Unique(keys=[], on_conflict="replace")},
            },
        ],
    )
    assert [job.conflict for job in jobs] == [False, False, True, False]
    assert jobs[2].id == jobs[0].id


async def test_an_id_of_the_callers_own_is_no_conflict(manager):
    """B.5: the same id is the same call, made again."""
    mine = str(uuid4())
    greet = task_of(manager, unique=Unique()).options(job_id=mine)
    assert (await greet.enqueue("ann")).conflict is False
    again = await greet.enqueue("ann")
    assert (again.id, again.conflict) == (mine, False)
    assert parse_id(mine) == again.key


async def test_a_retry_of_the_older_job_keeps_its_key(manager):
    """B.5: a failed attempt is no end."""
    tries = []

    @manager.queue("mail").task(name="greet", unique=True, retry=Retry(2, initial=3600, jitter=False))
    async def failing(to: str) -> None:
        tries.append(to)
        raise ConnectionError("busy")

    first = await failing.enqueue("ann")
    await manager.process_job(first.id)
    again = await failing.enqueue("ann")
    assert (again.id, again.conflict, again.state) == (first.id, True, State.RETRYING)


async def test_within_a_period_a_job_that_has_completed_counts_too(manager):
    """B.5"""
    greet = task_of(manager, unique=Unique(within=3600))
    first = await greet.enqueue("ann")
    await manager.run_until_empty(timeout=10)
    again = await greet.enqueue("ann")
    assert (again.id, again.conflict, again.state) == (first.id, True, State.COMPLETED)
    assert await again.result() == "ann 1 None"


def test_wrong_options_are_one_error_where_they_are_written(manager):
    """B.5"""
    with pytest.raises(InvalidOption, match=r"Unique\(within=60\)"):
        task_of(manager, unique="args")
    with pytest.raises(InvalidOption, match="an argument of task 'greet'"):
        task_of(manager, unique=Unique(keys=["too"]))
    greet = task_of(manager)
    with pytest.raises(InvalidOption, match="perhaps 'to'"):
        greet.options(unique=Unique(by="tto"))


def test_code_without_a_loop_gets_the_older_job_too(tmp_path):
    """B.5"""
    manager = QueueManager(f"sqlite:///{tmp_path}/jobs.db")
    try:
        greet = task_of(manager, unique=Unique(keys=["to"], on_conflict="merge"))
        first = greet.enqueue_sync("ann", ids=[1])
        again = greet.enqueue_sync("ann", ids=[2])
        assert (again.id, again.conflict, again.data["ids"]) == (first.id, True, [1, 2])
    finally:
        manager.shutdown_sync()


async def test_in_a_transaction_of_the_callers_the_older_job_is_given_and_never_changed(tmp_path):
    """B.5"""
    async with QueueManager(f"sqlite:///{tmp_path}/jobs.db") as manager:
        greet = task_of(manager, unique=Unique(keys=["to"]))
        first = await greet.enqueue("ann", 1)
        async with manager.transaction() as transaction:
            inside = greet.options(connection=transaction)
            again = await inside.enqueue("ann", 2)
            assert (again.id, again.conflict) == (first.id, True)
            new = await inside.enqueue("bob", 1)
            same = await inside.enqueue("bob", 2)
            assert (same.id, same.conflict) == (new.id, True)
            with pytest.raises(NotUnique):
                await inside.options(unique=Unique(keys=["to"], on_conflict="raise")).enqueue("bob")
            with pytest.raises(InvalidOption, match="beside connection="):
                await inside.options(unique=Unique(keys=["to"], on_conflict="merge")).enqueue("bob")
        assert sorted(job.data["to"] for job in await stored(manager)) == ["ann", "bob"]
