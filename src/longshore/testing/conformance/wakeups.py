"""This module tests `listen`: who is woken by what, in this handle, in another one and in another thread.

The contract lets a wake-up get lost. In a quiet test none does: a store that never rings would make every worker poll.
"""

import asyncio
from collections.abc import AsyncIterator, Collection
from contextlib import asynccontextmanager

import pytest

from longshore.core.errors import StoreUnavailable
from longshore.core.states import State
from longshore.core.verdict import BURIED, CANCELLED, COMPLETED, RELEASED, Verdict, crashed, retry_after
from longshore.store.commands import PAUSE, Cancel, Changes, Put, Retry, Update
from longshore.store.contract import Listener, Store
from longshore.store.replies import Wake, WakeKind
from longshore.testing.conformance.handles import StoreUnderTest, in_thread
from longshore.testing.conformance.jobs import NOW, QUEUE, SECOND, foreign_job, new_job, only, settlement
from longshore.testing.conformance.steps import add, claim, edit, finish, put, start

PENDING, FINISHED, CANCEL = (
    Wake(WakeKind.PENDING, QUEUE),
    Wake(WakeKind.FINISHED, QUEUE),
    Wake(WakeKind.CANCEL, QUEUE),
)
SCHEDULED = Wake(WakeKind.SCHEDULED, QUEUE)
PATIENCE = 10
"""Seconds in which a wake-up must come; all of them are spent only by a store that fails."""


@asynccontextmanager
async def listening(
    store: Store, *kinds: WakeKind, queues: tuple[str, ...] | None = (QUEUE,)
) -> AsyncIterator[Listener]:
    """A listener, closed in the end."""
    listener = await store.listen(kinds, queues)
    try:
        yield listener
    finally:
        await listener.close()


async def heard_until(listener: Listener, last: Wake) -> list[Wake]:
    """All wake-ups up to the one that must come."""
    heard: list[Wake] = []
    async with asyncio.timeout(PATIENCE):
        while last not in heard:
            heard += await listener.wait(PATIENCE)
    return heard


async def test_the_first_job_of_a_queue_wakes(store: Store) -> None:
    async with listening(store, WakeKind.PENDING) as listener:
        await add(store)
        await heard_until(listener, PENDING)


async def test_somebody_who_waits_is_woken(store: Store) -> None:
    async with listening(store, WakeKind.PENDING) as listener, asyncio.TaskGroup() as tasks:
        tasks.create_task(heard_until(listener, PENDING))
        tasks.create_task(add(store))


async def test_who_wants_to_be_told_is_called_for_each_wake_up(store: Store) -> None:
    async with listening(store, WakeKind.PENDING) as listener:
        heard: asyncio.Queue[Wake] = asyncio.Queue()

        def hear(wakes: Collection[Wake]) -> None:
            for wake in wakes:
                heard.put_nowait(wake)

        listener.tell(hear)
        for _ in range(3):
            await add(store)
            async with asyncio.timeout(PATIENCE):
                assert await heard.get() == PENDING
            await claim(store)
        assert await listener.wait(0) == []


async def test_a_queue_that_was_emptied_wakes_again(store: Store) -> None:
    async with listening(store, WakeKind.PENDING) as listener:
        for _ in range(3):
            await add(store)
            await heard_until(listener, PENDING)
            await claim(store)


async def test_a_job_that_becomes_due_wakes(store: Store) -> None:
    await add(store, delay_ms=SECOND)
    async with listening(store, WakeKind.PENDING) as listener:
        await store.promote(10, now_ms=NOW + SECOND)
        await heard_until(listener, PENDING)


@pytest.mark.parametrize("verdict", [crashed(0), RELEASED], ids=repr)
async def test_a_job_that_goes_back_to_pending_wakes(store: Store, verdict: Verdict) -> None:
    jobs = await start(store)
    async with listening(store, WakeKind.PENDING) as listener:
        await finish(store, jobs, verdict)
        await heard_until(listener, PENDING)


async def test_a_job_that_somebody_retries_or_moves_to_now_wakes(store: Store) -> None:
    [job] = await start(store)
    await finish(store, [job], BURIED)
    async with listening(store, WakeKind.PENDING) as listener:
        await edit(store, Retry(where=only(job.id)))
        await heard_until(listener, PENDING)
        await claim(store)
        [later] = await add(store, delay_ms=SECOND)
        await edit(store, Update(where=only(later), changes=Changes(run_ms=0)))
        await heard_until(listener, PENDING)


async def test_a_follower_wakes_its_queue(store: Store) -> None:
    [job] = await start(store)
    async with listening(store, WakeKind.PENDING, queues=("reports",)) as listener:
        await store.settle([settlement(job, follow=(new_job("reports"),))], now_ms=NOW)
        await heard_until(listener, Wake(WakeKind.PENDING, "reports"))


async def test_a_queue_that_is_resumed_wakes(store: Store) -> None:
    async with listening(store, WakeKind.PENDING) as listener:
        await add(store)
        await heard_until(listener, PENDING)
        await put(store, Put(kind=PAUSE, key=QUEUE, value=b"{}"))
        await put(store, Put(kind=PAUSE, key=QUEUE, value=None))
        await heard_until(listener, PENDING)


@pytest.mark.parametrize("verdict", [COMPLETED, BURIED, CANCELLED], ids=repr)
@pytest.mark.parametrize("keep", [True, False])
async def test_a_job_that_ends_tells_so(store: Store, verdict: Verdict, *, keep: bool) -> None:
    [job] = await start(store)
    async with listening(store, WakeKind.FINISHED) as listener:
        await store.settle([settlement(job, verdict, keep=keep)], now_ms=NOW)
        await heard_until(listener, FINISHED)


async def test_a_job_that_is_cancelled_while_it_waits_tells_that_it_ended(store: Store) -> None:
    [job_id] = await add(store)
    async with listening(store, WakeKind.FINISHED) as listener:
        await edit(store, Cancel(where=only(job_id)))
        await heard_until(listener, FINISHED)


async def test_the_wish_to_cancel_a_running_job_is_told(store: Store) -> None:
    [job] = await start(store)
    async with listening(store, WakeKind.CANCEL) as listener:
        await edit(store, Cancel(where=only(job.id)))
        await heard_until(listener, CANCEL)


async def test_the_first_job_that_waits_for_a_time_tells_who_promotes(store: Store) -> None:
    async with listening(store, WakeKind.SCHEDULED) as listener:
        await add(store, delay_ms=SECOND)
        await heard_until(listener, SCHEDULED)


async def test_a_job_that_is_due_before_all_others_tells_who_promotes(store: Store) -> None:
    await add(store, delay_ms=60 * SECOND)
    async with listening(store, WakeKind.SCHEDULED) as listener:
        for delay_ms in (30 * SECOND, SECOND):
            await add(store, delay_ms=delay_ms)
            await heard_until(listener, SCHEDULED)


async def test_a_job_that_is_due_after_another_of_its_queue_tells_nobody(store: Store) -> None:
    async with listening(store, WakeKind.SCHEDULED, WakeKind.PENDING) as listener:
        await add(store, delay_ms=SECOND)
        await heard_until(listener, SCHEDULED)
        await add(store, delay_ms=60 * SECOND)
        await add(store)
        assert await heard_until(listener, PENDING) == [PENDING]


async def test_a_job_that_will_be_tried_again_tells_who_promotes(store: Store) -> None:
    jobs = await start(store)
    async with listening(store, WakeKind.SCHEDULED) as listener:
        await finish(store, jobs, retry_after(SECOND))
        await heard_until(listener, SCHEDULED)


async def test_a_job_that_is_moved_to_an_earlier_time_tells_who_promotes(store: Store) -> None:
    [job_id] = await add(store, delay_ms=60 * SECOND)
    async with listening(store, WakeKind.SCHEDULED) as listener:
        await edit(store, Update(where=only(job_id), changes=Changes(run_ms=NOW + SECOND)))
        await heard_until(listener, SCHEDULED)


async def test_an_adopted_job_wakes_like_a_new_one(store: Store) -> None:
    async with listening(store, WakeKind.PENDING, WakeKind.SCHEDULED) as listener:
        await store.adopt([foreign_job()])
        await heard_until(listener, PENDING)
        await store.adopt([foreign_job(State.RETRYING)])
        await heard_until(listener, SCHEDULED)


async def test_a_time_set_in_another_handle_tells_who_promotes(kit: StoreUnderTest) -> None:
    other = await kit.another()
    async with listening(other, WakeKind.SCHEDULED) as listener:
        await add(kit.store, delay_ms=SECOND)
        await heard_until(listener, SCHEDULED)


async def test_only_the_kinds_that_were_asked_for_are_told(store: Store) -> None:
    async with listening(store, WakeKind.CANCEL) as listener:
        finished, running = await start(store, 2)
        await finish(store, [finished])
        await edit(store, Cancel(where=only(running.id)))
        assert set(await heard_until(listener, CANCEL)) == {CANCEL}


async def test_several_kinds_come_to_one_listener(store: Store) -> None:
    async with listening(store, WakeKind.PENDING, WakeKind.FINISHED) as listener:
        await finish(store, await start(store))
        heard: set[Wake] = set()
        async with asyncio.timeout(PATIENCE):
            while heard != {PENDING, FINISHED}:
                heard |= set(await listener.wait(PATIENCE))


async def test_only_the_queues_that_were_asked_for_are_told(store: Store) -> None:
    async with listening(store, WakeKind.PENDING, queues=("a", "b")) as listener:
        for queue in ("other", "a", "another", "b"):
            await add(store, queue=queue)
        heard: set[str] = set()
        async with asyncio.timeout(PATIENCE):
            while not {"a", "b"} <= heard:
                heard |= {wake.queue for wake in await listener.wait(PATIENCE)}
        assert heard == {"a", "b"}


async def test_without_queues_all_are_told(store: Store) -> None:
    async with listening(store, WakeKind.PENDING, queues=None) as listener:
        for queue in ("a", "b"):
            await add(store, queue=queue)
            await heard_until(listener, Wake(WakeKind.PENDING, queue))


async def test_what_happened_since_the_last_call_is_told_at_once(store: Store) -> None:
    async with listening(store, WakeKind.PENDING) as listener:
        for _ in range(3):
            await add(store)
            await claim(store)
        await add(store)
        await heard_until(listener, PENDING)


async def test_waiting_ends_after_its_time(store: Store) -> None:
    async with listening(store, WakeKind.CANCEL) as listener, asyncio.timeout(PATIENCE):
        for seconds in (0, 0.01, 0.02):
            assert await listener.wait(seconds) == []


async def test_every_listener_is_woken(store: Store) -> None:
    async with (
        listening(store, WakeKind.PENDING) as first,
        listening(store, WakeKind.PENDING, queues=None) as second,
    ):
        await add(store)
        await heard_until(first, PENDING)
        await heard_until(second, PENDING)


async def test_closing_a_listener_ends_its_waiting_and_harms_no_other(store: Store) -> None:
    async with listening(store, WakeKind.PENDING) as other:
        listener = await store.listen([WakeKind.PENDING])
        waiting = asyncio.create_task(listener.wait(600))
        await asyncio.wait([waiting], timeout=0.01)
        await listener.close()
        async with asyncio.timeout(PATIENCE):
            await waiting
        await listener.close()
        await add(store)
        await heard_until(other, PENDING)


async def test_closing_the_store_ends_the_waiting(kit: StoreUnderTest) -> None:
    handle = await kit.another()
    listener = await handle.listen([WakeKind.PENDING])
    waiting = asyncio.create_task(listener.wait(600))
    await asyncio.wait([waiting], timeout=0.01)
    await handle.close()
    async with asyncio.timeout(PATIENCE):
        with pytest.raises(StoreUnavailable, match="closed"):
            await waiting
    await listener.close()


async def test_waiting_may_be_given_up_and_begun_again(store: Store) -> None:
    async with listening(store, WakeKind.PENDING) as listener:
        for _ in range(3):
            waiting = asyncio.create_task(listener.wait(600))
            await asyncio.wait([waiting], timeout=0.01)
            waiting.cancel()
            await asyncio.wait([waiting])
            assert waiting.cancelled()
        await add(store)
        await heard_until(listener, PENDING)


async def test_a_change_in_another_handle_wakes(kit: StoreUnderTest) -> None:
    other = await kit.another()
    async with listening(other, *WakeKind) as listener:
        [job] = await start(kit.store)
        await heard_until(listener, PENDING)
        await edit(kit.store, Cancel(where=only(job.id)))
        await heard_until(listener, CANCEL)
        await finish(kit.store, [job], retry_after(SECOND))
        await kit.store.promote(10, now_ms=NOW + SECOND)
        await heard_until(listener, PENDING)
        await finish(kit.store, await claim(kit.store, now_ms=NOW + SECOND))
        await heard_until(listener, FINISHED)


async def test_a_change_in_another_thread_wakes(store: Store) -> None:
    async def add_there() -> None:
        twin = await store.twin()
        await add(twin)
        await twin.close()

    async with listening(store, WakeKind.PENDING) as listener, asyncio.TaskGroup() as tasks:
        tasks.create_task(heard_until(listener, PENDING))
        tasks.create_task(in_thread(add_there()))


async def test_a_listener_in_another_thread_is_woken(store: Store) -> None:
    ready = asyncio.Event()
    loop = asyncio.get_running_loop()

    async def listen_there() -> None:
        twin = await store.twin()
        async with listening(twin, WakeKind.PENDING) as listener:
            loop.call_soon_threadsafe(ready.set)
            await heard_until(listener, PENDING)
        await twin.close()

    async with asyncio.TaskGroup() as tasks:
        tasks.create_task(in_thread(listen_there()))
        await ready.wait()
        await add(store)
