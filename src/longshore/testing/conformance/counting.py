"""This module tests `count`: exact after every kind of change, and with a memory of the last minutes."""

from collections import Counter

from longshore.core.states import State
from longshore.core.verdict import (
    BURIED,
    CANCELLED,
    COMPLETED,
    POISONED,
    RELEASED,
    crashed,
    released,
    retry_after,
)
from longshore.store.commands import Cancel, Changes, Delete, Edit, JobQuery, Retry, Update
from longshore.store.contract import Store
from longshore.store.replies import Minute, QueueCounts
from longshore.testing.conformance.every_state import one_in_every_state
from longshore.testing.conformance.jobs import MINUTE, NOW, SECOND, new_job, only, settlement
from longshore.testing.conformance.steps import add, claim, count, edit, find, finish, ids, start

THIS_MINUTE = NOW // MINUTE
NOTHING = dict.fromkeys(State, 0)


async def assert_exact(store: Store, *, now_ms: int = NOW) -> None:
    """The counts are what one gets by looking at every job."""
    jobs = await find(store, JobQuery(limit=1000))
    for counts in await store.count(None, now_ms=now_ms):
        tally = Counter(job.state for job in jobs if job.queue == counts.queue)
        assert counts.states == {state: tally[state] for state in State}


async def test_an_empty_list_is_answered_by_an_empty_list(store: Store) -> None:
    assert await store.count([], now_ms=NOW) == []


async def test_a_queue_that_never_had_a_job_counts_nothing(store: Store) -> None:
    empty = QueueCounts(queue="nowhere", states=NOTHING, oldest_pending_ms=None, next_due_ms=None)
    assert await store.count(["nowhere"], minutes=5, now_ms=NOW) == [empty]
    assert await store.count(None, now_ms=NOW) == []


async def test_replies_stand_in_the_order_of_the_queues(store: Store) -> None:
    for number, queue in enumerate(("a", "b", "c"), start=1):
        await add(store, number, queue)
    counted = await store.count(["c", "nowhere", "a", "c"], now_ms=NOW)
    assert [(counts.queue, counts.states[State.PENDING]) for counts in counted] == [
        ("c", 3),
        ("nowhere", 0),
        ("a", 1),
        ("c", 3),
    ]


async def test_none_counts_every_queue_that_ever_had_a_job_by_name(store: Store) -> None:
    await add(store, 1, "b")
    [gone] = await add(store, 1, "a")
    await add(store, 1, "c", delay_ms=SECOND)
    await edit(store, Delete(where=only(gone)))
    counted = await store.count(None, now_ms=NOW)
    assert [(counts.queue, sum(counts.states.values())) for counts in counted] == [
        ("a", 0),
        ("b", 1),
        ("c", 1),
    ]


async def test_every_state_is_counted(store: Store) -> None:
    by_state = await one_in_every_state(store)
    assert (await count(store)).states == {state: int(state in by_state) for state in State}


async def test_counts_are_exact_after_every_way_in(store: Store) -> None:
    twice = new_job()
    await store.insert([twice, twice, new_job(delay_ms=SECOND), new_job("reports")], now_ms=NOW)
    await assert_exact(store)
    await store.insert([twice], now_ms=NOW)
    await assert_exact(store)
    assert (await count(store)).states[State.PENDING] == 1


async def test_counts_are_exact_after_every_verdict(store: Store) -> None:
    verdicts = [
        COMPLETED,
        BURIED,
        POISONED,
        CANCELLED,
        RELEASED,
        released(SECOND),
        crashed(0),
        crashed(SECOND),
        retry_after(SECOND),
    ]
    for verdict in verdicts:
        for keep in (True, False):
            [job] = (await claim(store)) or (await start(store))
            end = settlement(job, verdict, keep=keep, follow=(new_job("reports"),))
            await store.settle([end, end, settlement(job, BURIED, session="thief")], now_ms=NOW)
            await assert_exact(store)
    await store.promote(100, now_ms=NOW + SECOND)
    await assert_exact(store)


async def test_counts_are_exact_after_every_edit(store: Store) -> None:
    by_state = await one_in_every_state(store)
    everything = only(*by_state.values())
    edits: list[Edit] = [
        Update(where=everything, changes=Changes(run_ms=NOW + 5 * SECOND)),
        Update(where=everything, changes=Changes(run_ms=0, priority=1)),
        Retry(where=everything),
        Update(where=everything, changes=Changes(priority=7, run_ms=NOW + SECOND)),
        Cancel(where=everything),
        Retry(where=only(by_state[State.FAILED], by_state[State.CANCELLED])),
        Delete(where=everything),
    ]
    for change in edits:
        for _ in range(2):
            await edit(store, change)
            await assert_exact(store)


async def test_counts_are_exact_after_claims_of_many_queues(store: Store) -> None:
    for queue in ("a", "b"):
        await add(store, 20, queue)
        await claim(store, 13, queue, session=queue)
        await claim(store, 13, queue, session=queue)
    await assert_exact(store)


async def test_the_oldest_pending_job_is_the_next_in_line(store: Store) -> None:
    assert (await count(store)).oldest_pending_ms is None
    await add(store, now_ms=NOW)
    await add(store, now_ms=NOW + SECOND)
    assert (await count(store)).oldest_pending_ms == NOW
    await claim(store)
    assert (await count(store)).oldest_pending_ms == NOW + SECOND
    await claim(store)
    assert (await count(store)).oldest_pending_ms is None


async def test_the_oldest_pending_job_is_sought_over_all_priorities(store: Store) -> None:
    await add(store, now_ms=NOW, priority=9)
    await add(store, now_ms=NOW + SECOND, priority=0)
    assert (await count(store)).oldest_pending_ms == NOW
    await claim(store, 1)
    assert (await count(store)).oldest_pending_ms == NOW


async def test_jobs_that_wait_for_a_time_are_not_the_oldest_pending(store: Store) -> None:
    await add(store, now_ms=NOW, delay_ms=SECOND)
    await add(store, now_ms=NOW + 1)
    assert (await count(store)).oldest_pending_ms == NOW + 1


async def test_the_next_due_time_is_the_queues_own(store: Store) -> None:
    await add(store, queue="reports", delay_ms=1)
    [retrying] = await start(store)
    assert (await count(store)).next_due_ms is None
    await finish(store, [retrying], retry_after(9 * SECOND))
    assert (await count(store)).next_due_ms == NOW + 9 * SECOND
    [scheduled] = await add(store, delay_ms=5 * SECOND)
    assert (await count(store)).next_due_ms == NOW + 5 * SECOND
    await edit(store, Cancel(where=only(scheduled)))
    assert (await count(store)).next_due_ms == NOW + 9 * SECOND


async def test_without_minutes_there_is_no_history(store: Store) -> None:
    await start(store)
    assert (await count(store)).minutes == ()


async def test_a_minute_tells_what_was_added_and_how_it_ended(store: Store) -> None:
    jobs = await start(store, 6)
    verdicts = [COMPLETED, COMPLETED, BURIED, retry_after(0), crashed(0), CANCELLED]
    ends = [settlement(job, verdict) for job, verdict in zip(jobs, verdicts, strict=True)]
    await store.settle(ends, now_ms=NOW + 5)
    [minute] = (await count(store, minutes=1, now_ms=NOW + 5)).minutes
    assert minute == Minute(
        minute=THIS_MINUTE, added=6, completed=2, failed=1, retried=1, crashed=1, run_ms=4 * 5
    )


async def test_history_counts_jobs_that_are_not_kept_and_followers_and_deleted_ones(store: Store) -> None:
    [job] = await start(store)
    end = settlement(job, keep=False, follow=(new_job(), new_job("reports")))
    await store.settle([end], now_ms=NOW)
    await edit(store, Delete(where=JobQuery()))
    [minute] = (await count(store, minutes=1)).minutes
    assert (minute.added, minute.completed) == (2, 1)
    [minute] = (await count(store, "reports", minutes=1)).minutes
    assert (minute.added, minute.completed) == (1, 0)


async def test_history_counts_duplicates_repeats_and_stale_settlements_once(store: Store) -> None:
    job = new_job()
    await store.insert([job, job], now_ms=NOW)
    await store.insert([job], now_ms=NOW)
    [claimed] = await claim(store)
    for _ in range(3):
        await finish(store, [claimed], BURIED)
        await finish(store, [claimed], COMPLETED)
    [minute] = (await count(store, minutes=1)).minutes
    assert (minute.added, minute.failed, minute.completed) == (1, 1, 0)


async def test_what_was_handed_back_unharmed_is_no_history(store: Store) -> None:
    await finish(store, await start(store), released(SECOND), now_ms=NOW + 5)
    [minute] = (await count(store, minutes=1, now_ms=NOW + 5)).minutes
    assert minute == Minute(minute=THIS_MINUTE, added=1)


async def test_minutes_stand_oldest_first_and_empty_ones_are_left_out(store: Store) -> None:
    await add(store, 1, now_ms=NOW)
    await add(store, 2, now_ms=NOW + MINUTE)
    await add(store, 3, now_ms=NOW + 3 * MINUTE)
    minutes = (await count(store, minutes=10, now_ms=NOW + 3 * MINUTE)).minutes
    assert [(minute.minute - THIS_MINUTE, minute.added) for minute in minutes] == [(0, 1), (1, 2), (3, 3)]


async def test_the_last_minute_is_the_one_that_is_under_way(store: Store) -> None:
    now = THIS_MINUTE * MINUTE
    await add(store, 1, now_ms=now - 1)
    await add(store, 2, now_ms=now)
    history = [(await count(store, minutes=minutes, now_ms=now + 1)).minutes for minutes in (1, 2)]
    assert [[minute.added for minute in minutes] for minutes in history] == [[2], [1, 2]]


async def test_the_history_of_a_day_is_kept(store: Store) -> None:
    day = 24 * 60
    await add(store, 1, now_ms=NOW)
    tomorrow = NOW + (day - 1) * MINUTE
    await add(store, 2, now_ms=tomorrow)
    await store.promote(1, now_ms=tomorrow)
    minutes = (await count(store, minutes=day, now_ms=tomorrow)).minutes
    assert [minute.added for minute in minutes] == [1, 2]


async def test_minutes_that_are_longer_ago_are_left_out(store: Store) -> None:
    await add(store, 1, now_ms=NOW)
    await add(store, 2, now_ms=NOW + 20 * MINUTE)
    minutes = (await count(store, minutes=5, now_ms=NOW + 20 * MINUTE)).minutes
    assert [minute.added for minute in minutes] == [2]


async def test_ten_thousand_jobs_are_counted_exactly(store: Store) -> None:
    for queue in ("a", "b"):
        await add(store, 5000, queue)
    done = await claim(store, 1234, "a")
    await finish(store, done)
    counted = await store.count(None, now_ms=NOW)
    assert [counts.states[State.PENDING] for counts in counted] == [3766, 5000]
    assert counted[0].states[State.COMPLETED] == len(ids(done))
