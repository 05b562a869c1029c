"""This module tests how many jobs may wait in a queue, and what happens to those that are too many."""

import asyncio

from longshore.core.job import NewJob
from longshore.core.rules import Rules, UniqueKey
from longshore.core.states import State
from longshore.core.verdict import retry_after
from longshore.store.commands import Cancel, Delete
from longshore.store.contract import Store
from longshore.store.replies import Conflict, Inserted
from longshore.testing.conformance.jobs import MINUTE, NOW, SECOND, new_job, only, settlement
from longshore.testing.conformance.limits import at_once
from longshore.testing.conformance.steps import add, claim, count, edit, finish, ids, states

CREATED, FULL = Inserted.CREATED, Inserted.FULL


def bounded(room: int = 3, *, delay_ms: int = 0, queue: str = "mail") -> NewJob:
    """A job for a queue of so many."""
    return new_job(queue, rules=Rules(room=room), delay_ms=delay_ms)


async def test_so_many_may_wait_and_no_more(store: Store) -> None:
    jobs = [bounded() for _ in range(5)]
    assert list(await store.insert(jobs, now_ms=NOW)) == [CREATED] * 3 + [FULL] * 2
    assert await states(store, ids(jobs)) == [State.PENDING] * 3 + [None] * 2
    assert (await count(store, minutes=1)).minutes[0].added == 3


async def test_all_that_wait_count_and_those_that_run_or_are_over_do_not(store: Store) -> None:
    await add(store, 2)
    await finish(store, await claim(store), retry_after(MINUTE))
    await finish(store, await claim(store))
    await add(store, delay_ms=MINUTE)
    await add(store, 2, rules=Rules(flow=(at_once(1),)))
    assert list(await store.insert([bounded(4)], now_ms=NOW)) == [FULL]
    assert list(await store.insert([bounded(5)], now_ms=NOW)) == [CREATED]
    await claim(store)
    assert list(await store.insert([bounded(5)], now_ms=NOW)) == [CREATED]


async def test_each_queue_has_its_own_room(store: Store) -> None:
    await add(store, 3, "video")
    assert list(await store.insert([bounded(1)], now_ms=NOW)) == [CREATED]


async def test_the_new_job_says_how_much_room_there_is(store: Store) -> None:
    await add(store, 3)
    assert list(await store.insert([bounded(3), bounded(4), new_job()], now_ms=NOW)) == [
        FULL,
        CREATED,
        CREATED,
    ]


async def test_a_job_that_leaves_makes_room(store: Store) -> None:
    jobs = [bounded() for _ in range(3)]
    await store.insert(jobs, now_ms=NOW)
    await edit(store, Cancel(where=only(jobs[0].id)))
    await edit(store, Delete(where=only(jobs[1].id)))
    await claim(store)
    told = await store.insert([bounded(delay_ms=SECOND) for _ in range(4)], now_ms=NOW)
    assert list(told) == [CREATED] * 3 + [FULL]


async def test_a_job_that_comes_back_is_never_turned_away(store: Store) -> None:
    await store.insert([bounded(1)], now_ms=NOW)
    running = await claim(store)
    await store.insert([bounded(1)], now_ms=NOW)
    await finish(store, running, retry_after(SECOND))
    await store.promote(9, now_ms=NOW + SECOND)
    assert (await count(store)).states[State.PENDING] == 2


async def test_a_follower_is_never_turned_away(store: Store) -> None:
    await store.insert([bounded(1)], now_ms=NOW)
    [running] = await claim(store)
    child = bounded(1)
    await store.insert([bounded(1)], now_ms=NOW)
    await store.settle([settlement(running, follow=(child,))], now_ms=NOW)
    assert await states(store, [child.id]) == [State.PENDING]


async def test_a_repeated_insert_is_a_duplicate_though_the_queue_is_full(store: Store) -> None:
    jobs = [bounded(2) for _ in range(2)]
    await store.insert(jobs, now_ms=NOW)
    assert list(await store.insert(jobs, now_ms=NOW)) == [Inserted.DUPLICATE] * 2


async def test_a_conflict_is_told_before_want_of_room(store: Store) -> None:
    rules = Rules(unique=UniqueKey(b"k", (State.PENDING,)), room=1)
    first, second = new_job(rules=rules), new_job(rules=rules)
    await store.insert([first], now_ms=NOW)
    assert list(await store.insert([second], now_ms=NOW)) == [Conflict(first.id, State.PENDING)]


async def test_a_job_that_was_turned_away_has_no_key_and_uses_no_room(store: Store) -> None:
    rules = Rules(flow=(at_once(2),), unique=UniqueKey(b"k", (State.PENDING,)), room=1)
    await add(store)
    assert list(await store.insert([new_job(rules=rules)], now_ms=NOW)) == [FULL]
    await claim(store)
    assert list(await store.insert([new_job(rules=rules)], now_ms=NOW)) == [CREATED]


async def test_a_queue_that_turned_its_only_job_away_never_had_one(store: Store) -> None:
    assert list(await store.insert([bounded(0, queue="nothing")], now_ms=NOW)) == [FULL]
    assert await store.count(None, now_ms=NOW) == []


async def test_many_at_once_do_not_fill_a_queue_above_its_room(store: Store) -> None:
    told = await asyncio.gather(*(store.insert([bounded(7)], now_ms=NOW) for _ in range(20)))
    assert sum(list(reply) == [CREATED] for reply in told) == 7
    assert (await count(store)).states[State.PENDING] == 7
