"""This module tests unique keys: which jobs are not stored, what is said of it, and when a key is free again."""

import asyncio

import pytest

from longshore.core.job import NewJob
from longshore.core.rules import Rules, UniqueKey
from longshore.core.states import LIVE, State
from longshore.core.verdict import BURIED, CANCELLED, COMPLETED, Verdict, retry_after
from longshore.store.commands import Cancel, Delete, Retry
from longshore.store.contract import Store
from longshore.store.replies import Conflict, Inserted, Insertion
from longshore.testing.conformance.jobs import (
    MINUTE,
    NOW,
    QUEUE,
    SECOND,
    foreign_job,
    new_job,
    only,
    settlement,
)
from longshore.testing.conformance.limits import at_once, meter
from longshore.testing.conformance.steps import add, claim, count, edit, finish, states

ALIVE = tuple(sorted(LIVE))


def one(
    key: bytes = b"k",
    *,
    during: tuple[State, ...] = ALIVE,
    within_ms: int | None = None,
    queue: str = QUEUE,
    delay_ms: int = 0,
) -> NewJob:
    """A job that must not be there twice."""
    return new_job(queue, rules=Rules(unique=UniqueKey(key, during, within_ms)), delay_ms=delay_ms)


async def insert(store: Store, *jobs: NewJob, now_ms: int = NOW) -> list[Insertion]:
    """What became of new jobs."""
    return list(await store.insert(jobs, now_ms=now_ms))


async def test_a_second_job_with_the_key_is_not_stored_and_the_first_is_named(store: Store) -> None:
    first, second = one(), one()
    assert await insert(store, first) == [Inserted.CREATED]
    assert await insert(store, second) == [Conflict(first.id, State.PENDING)]
    assert await states(store, [first.id, second.id]) == [State.PENDING, None]
    assert (await count(store, minutes=1)).minutes[0].added == 1


async def test_of_one_list_the_first_is_stored(store: Store) -> None:
    first, second, other = one(), one(), one(b"other")
    told = await insert(store, first, second, other)
    assert told == [Inserted.CREATED, Conflict(first.id, State.PENDING), Inserted.CREATED]


async def test_keys_are_apart_in_each_queue(store: Store) -> None:
    assert await insert(store, one(), one(queue="video")) == [Inserted.CREATED] * 2


async def test_a_repeated_insert_is_a_duplicate_and_no_conflict(store: Store) -> None:
    first = one()
    await insert(store, first)
    assert await insert(store, first) == [Inserted.DUPLICATE]


async def test_any_bytes_are_a_key(store: Store) -> None:
    keys = [b"", b"\x00", b"\x00\x00", bytes(range(256)), b"k", b"K"]
    assert await insert(store, *map(one, keys)) == [Inserted.CREATED] * len(keys)
    told = await insert(store, *map(one, keys))
    assert all(isinstance(one, Conflict) for one in told)


@pytest.mark.parametrize("verdict", [COMPLETED, BURIED, CANCELLED], ids=lambda verdict: verdict.state)
async def test_the_key_is_free_when_the_job_is_in_none_of_the_states(store: Store, verdict: Verdict) -> None:
    first = one()
    await insert(store, first)
    running = await claim(store)
    assert await insert(store, one()) == [Conflict(first.id, State.RUNNING)]
    await finish(store, running, verdict)
    assert await insert(store, one()) == [Inserted.CREATED]


async def test_the_new_job_says_which_states_count(store: Store) -> None:
    first = one()
    await insert(store, first)
    await claim(store)
    waiting = (State.PENDING, State.SCHEDULED)
    second = one(during=waiting)
    assert await insert(store, second) == [Inserted.CREATED]
    assert await insert(store, one(during=waiting)) == [Conflict(second.id, State.PENDING)]


async def test_a_job_that_has_ended_counts_where_its_state_is_asked_for(store: Store) -> None:
    first = one()
    await insert(store, first)
    await finish(store, await claim(store))
    asked = one(during=(State.COMPLETED,))
    assert await insert(store, asked) == [Conflict(first.id, State.COMPLETED)]


async def test_the_job_that_was_stored_last_has_the_key(store: Store) -> None:
    first, second = one(), one()
    await insert(store, first)
    await edit(store, Cancel(where=only(first.id)))
    await insert(store, second)
    await edit(store, Retry(where=only(first.id)))
    assert await insert(store, one()) == [Conflict(second.id, State.PENDING)]
    await edit(store, Cancel(where=only(second.id)))
    assert await insert(store, one()) == [Inserted.CREATED]


async def test_a_job_that_was_deleted_has_no_key(store: Store) -> None:
    first = one()
    await insert(store, first)
    await edit(store, Delete(where=only(first.id)))
    assert await insert(store, one()) == [Inserted.CREATED]


async def test_a_job_that_is_not_kept_has_no_key(store: Store) -> None:
    during = (State.COMPLETED, *ALIVE)
    await insert(store, one(during=during))
    [running] = await claim(store)
    await store.settle([settlement(running, keep=False)], now_ms=NOW)
    assert await insert(store, one(during=during)) == [Inserted.CREATED]


async def test_a_key_holds_for_its_time_only(store: Store) -> None:
    first = one()
    await insert(store, first)
    for later_ms in (SECOND - 1, SECOND):
        told = await insert(store, one(within_ms=SECOND), now_ms=NOW + later_ms)
        assert told == [Conflict(first.id, State.PENDING)]
    assert await insert(store, one(within_ms=SECOND), now_ms=NOW + SECOND + 1) == [Inserted.CREATED]


async def test_the_time_of_a_key_counts_from_the_insert(store: Store) -> None:
    first = one(delay_ms=MINUTE)
    await insert(store, first)
    await store.promote(9, now_ms=NOW + MINUTE)
    assert await insert(store, one(within_ms=SECOND), now_ms=NOW + MINUTE) == [Inserted.CREATED]


async def test_scheduled_and_retrying_jobs_have_their_keys(store: Store) -> None:
    first = one(delay_ms=MINUTE)
    await insert(store, first)
    assert await insert(store, one()) == [Conflict(first.id, State.SCHEDULED)]
    second = one(b"other")
    await insert(store, second)
    await finish(store, await claim(store), retry_after(SECOND))
    assert await insert(store, one(b"other")) == [Conflict(second.id, State.RETRYING)]


async def test_a_held_job_has_its_key(store: Store) -> None:
    await add(store, rules=Rules(flow=(at_once(1),)))
    rules = Rules(flow=(at_once(1),), unique=UniqueKey(b"k", ALIVE))
    first = new_job(rules=rules)
    await insert(store, first)
    assert await insert(store, new_job(rules=rules)) == [Conflict(first.id, State.HELD)]
    reading = await meter(store)
    assert reading is not None
    assert (reading.used, reading.held) == (1, 1)


async def test_a_follower_that_conflicts_is_dropped_and_its_parent_settled(store: Store) -> None:
    first, plain = one(), new_job()
    await insert(store, plain)
    [running] = await claim(store)
    await insert(store, first)
    second, third = one(), one(b"other")
    await store.settle([settlement(running, follow=(second, third))], now_ms=NOW)
    assert await states(store, [plain.id, second.id, third.id]) == [State.COMPLETED, None, State.PENDING]


async def test_a_job_may_follow_itself_under_its_key(store: Store) -> None:
    await insert(store, one())
    [running] = await claim(store)
    child = one()
    await store.settle([settlement(running, follow=(child,))], now_ms=NOW)
    assert await states(store, [child.id]) == [State.PENDING]


async def test_an_adopted_job_has_its_key(store: Store) -> None:
    job = foreign_job(rules=Rules(unique=UniqueKey(b"k", ALIVE)), created_ms=NOW - MINUTE)
    await store.adopt([job], now_ms=NOW)
    assert await insert(store, one()) == [Conflict(job.id, State.PENDING)]
    assert await insert(store, one(within_ms=SECOND)) == [Inserted.CREATED]


async def test_many_at_once_give_one_job(store: Store) -> None:
    told = await asyncio.gather(*(insert(store, one()) for _ in range(20)))
    assert sum(reply == [Inserted.CREATED] for reply in told) == 1
    assert (await count(store)).states[State.PENDING] == 1
