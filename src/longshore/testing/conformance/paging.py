"""This module tests how `scan` orders and divides what it finds: orders, cursors, `spare` and limits."""

import msgspec
import pytest

from longshore.core.ids import JobId
from longshore.core.states import State
from longshore.core.verdict import BURIED
from longshore.store.commands import SCAN_LIMIT, Delete, JobQuery, Order, Retry
from longshore.store.contract import Store
from longshore.testing.conformance.jobs import NOW, QUEUE, SECOND, new_job, only
from longshore.testing.conformance.steps import add, claim, edit, find, finish, ids, start

DONE = (State.COMPLETED,)


async def finished_jobs(store: Store, count: int) -> list[JobId]:
    """So many jobs, the first of which ended last: in the order FINISHED, and in the order OLDEST."""
    jobs = await start(store, count)
    for number, job in enumerate(reversed(jobs)):
        await finish(store, [job], now_ms=NOW + number * SECOND)
    return ids(jobs)


async def test_the_newest_jobs_come_first_unless_asked_otherwise(store: Store) -> None:
    jobs = await add(store, 5)
    assert ids(await find(store, JobQuery())) == jobs[::-1]
    assert ids(await find(store, JobQuery(order=Order.NEWEST))) == jobs[::-1]


async def test_the_oldest_come_first_if_so_asked(store: Store) -> None:
    jobs = [new_job() for _ in range(5)]
    await store.insert(jobs[::-1], now_ms=NOW)
    assert ids(await find(store, JobQuery(order=Order.OLDEST))) == ids(jobs)


async def test_jobs_asked_for_by_id_come_in_the_order_too(store: Store) -> None:
    jobs = await add(store, 5)
    mixed = (jobs[2], jobs[0], jobs[4])
    assert ids(await find(store, JobQuery(ids=mixed, order=Order.OLDEST))) == sorted(mixed)
    assert ids(await find(store, JobQuery(ids=mixed))) == sorted(mixed, reverse=True)


async def test_by_the_time_they_ended_newest_first_and_only_those_that_ended(store: Store) -> None:
    jobs = await finished_jobs(store, 5)
    await start(store)
    await add(store)
    assert ids(await find(store, JobQuery(order=Order.FINISHED))) == jobs


async def test_jobs_asked_for_by_id_come_in_the_order_of_their_end(store: Store) -> None:
    jobs = await finished_jobs(store, 5)
    [running] = await start(store)
    query = JobQuery(ids=(jobs[4], running.id, jobs[1], jobs[2]), order=Order.FINISHED, limit=2)
    assert ids(await find(store, query)) == [jobs[1], jobs[2], jobs[4]]


async def test_jobs_that_ended_in_the_same_moment_are_each_found_once(store: Store) -> None:
    jobs = await start(store, 25)
    await finish(store, jobs)
    found = ids(await find(store, JobQuery(order=Order.FINISHED, limit=4)))
    assert sorted(found) == ids(jobs)


async def test_of_many_that_ended_those_that_were_deleted_or_retried_are_not_found(store: Store) -> None:
    jobs = ids(await start(store, 400))
    await finish(store, await find(store, JobQuery(limit=1000)), BURIED)
    await edit(store, Delete(where=only(*jobs[::2], limit=1000)))
    await edit(store, Retry(where=only(*jobs[1::4], limit=1000)))
    for order in Order:
        found = ids(await find(store, JobQuery(states=(State.FAILED,), order=order, limit=1000)))
        assert sorted(found) == jobs[3::4]


QUERIES = {
    "all": JobQuery(),
    "queue": JobQuery(queues=(QUEUE,)),
    "two queues": JobQuery(queues=(QUEUE, "reports")),
    "state": JobQuery(states=DONE),
    "two states": JobQuery(states=(State.COMPLETED, State.FAILED)),
    "queue and state": JobQuery(queues=(QUEUE,), states=DONE),
    "name": JobQuery(names=("send",)),
    "text": JobQuery(text="{"),
    "session": JobQuery(session="worker-1"),
    "before": JobQuery(finished_before_ms=NOW + 99 * SECOND),
}


@pytest.mark.parametrize("order", list(Order))
async def test_pages_of_any_size_hold_every_job_once_and_in_order(store: Store, order: Order) -> None:
    jobs = await finished_jobs(store, 11)
    expected = jobs[::-1] if order is Order.NEWEST else jobs
    for name, query in QUERIES.items():
        for limit in (1, 2, 5, 11, 100):
            paged = msgspec.structs.replace(query, order=order, limit=limit)
            assert ids(await find(store, paged)) == expected, name


async def test_pages_by_tags_hold_every_job_once(store: Store) -> None:
    jobs = [new_job(tags=("red", "blue") if number % 3 else ("red",)) for number in range(20)]
    await store.insert(jobs, now_ms=NOW)
    blue = [job.id for job in jobs if "blue" in job.tags]
    assert ids(await find(store, JobQuery(tags=("red", "blue"), order=Order.OLDEST, limit=3))) == blue
    assert ids(await find(store, JobQuery(tags=("blue",), limit=3))) == blue[::-1]


@pytest.mark.parametrize("order", list(Order))
async def test_jobs_that_are_added_while_somebody_reads_disturb_no_page(store: Store, order: Order) -> None:
    jobs = await finished_jobs(store, 9)
    seen: list[JobId] = []
    query = JobQuery(states=DONE, order=order, limit=2)
    for number in range(20):
        [page] = await store.scan([query], now_ms=NOW)
        seen += ids(page.jobs)
        if page.cursor is None:
            break
        query = msgspec.structs.replace(query, cursor=page.cursor)
        if number < 5:
            await finish(store, await start(store), now_ms=NOW + (100 + number) * SECOND)
    assert len(seen) == len(set(seen))
    assert [job_id for job_id in seen if job_id in jobs] == (jobs[::-1] if order is Order.NEWEST else jobs)


async def test_jobs_that_go_while_somebody_reads_hide_no_others(store: Store) -> None:
    jobs = await add(store, 9)
    query = JobQuery(limit=3)
    [page] = await store.scan([query], now_ms=NOW)
    await edit(store, Delete(where=only(*ids(page.jobs), jobs[4])))
    rest = await find(store, msgspec.structs.replace(query, cursor=page.cursor))
    assert ids(rest) == [job for job in jobs[5::-1] if job != jobs[4]]


async def test_a_cursor_is_good_for_another_limit_and_another_call(store: Store) -> None:
    jobs = await add(store, 9)
    [page] = await store.scan([JobQuery(limit=2)], now_ms=NOW)
    for _ in range(2):
        assert ids(await find(store, JobQuery(limit=4, cursor=page.cursor))) == jobs[6::-1]


@pytest.mark.parametrize("spare", [0, 1, 4, 9, 10, 50])
async def test_spare_leaves_out_the_first_of_the_order_once(store: Store, spare: int) -> None:
    jobs = await finished_jobs(store, 10)
    await add(store, 3)
    for limit in (3, 100):
        by_end = JobQuery(states=DONE, order=Order.FINISHED, spare=spare, limit=limit)
        assert ids(await find(store, by_end)) == jobs[spare:]
        by_age = JobQuery(states=DONE, spare=spare, limit=limit)
        assert ids(await find(store, by_age)) == jobs[::-1][spare:]


async def test_spare_counts_only_jobs_for_which_the_filters_hold(store: Store) -> None:
    jobs = [new_job(name="keep" if number % 2 else "other") for number in range(10)]
    await store.insert(jobs, now_ms=NOW)
    kept = [job.id for job in jobs if job.name == "keep"]
    assert ids(await find(store, JobQuery(names=("keep",), spare=2))) == kept[::-1][2:]


async def test_spare_and_a_time_hold_together(store: Store) -> None:
    jobs = await finished_jobs(store, 6)
    query = JobQuery(order=Order.FINISHED, spare=2, finished_before_ms=NOW + 5 * SECOND)
    assert ids(await find(store, query)) == jobs[3:]


async def test_a_page_holds_at_most_its_limit(store: Store) -> None:
    jobs = await add(store, 5)
    [page] = await store.scan([JobQuery(limit=3, order=Order.OLDEST)], now_ms=NOW)
    assert ids(page.jobs) == jobs[:3]
    assert page.cursor is not None


async def test_the_last_page_has_no_cursor(store: Store) -> None:
    await add(store, 2)
    [page] = await store.scan([JobQuery(limit=100)], now_ms=NOW)
    assert (len(page.jobs), page.cursor) == (2, None)


async def test_no_page_is_larger_than_the_limit_of_all_pages(store: Store) -> None:
    jobs = await add(store, SCAN_LIMIT + 50)
    [page] = await store.scan([JobQuery(limit=SCAN_LIMIT * 10)], now_ms=NOW)
    assert len(page.jobs) <= SCAN_LIMIT
    assert len(await find(store, JobQuery(limit=SCAN_LIMIT))) == len(jobs)


async def test_claimed_jobs_are_found_in_the_same_places(store: Store) -> None:
    jobs = await add(store, 6)
    await claim(store, 3)
    assert ids(await find(store, JobQuery(limit=2))) == jobs[::-1]
