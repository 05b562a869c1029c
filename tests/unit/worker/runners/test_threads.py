"""Threads: plain functions beside the loop, and what becomes of those that do not end."""

import asyncio
import threading
from collections.abc import AsyncIterator

import pytest

from longshore.worker.runners.threads import ThreadRunner
from tests.unit.worker.runners.errands import Awaited


class Held:
    """A function that blocks its thread until it is let go, and says when it has begun."""

    def __init__(self) -> None:
        self.loop = asyncio.get_running_loop()
        self.begun = asyncio.Event()
        self.let_go = threading.Event()

    def __call__(self) -> str:
        self.thread = threading.current_thread()
        self.loop.call_soon_threadsafe(self.begun.set)
        self.let_go.wait(10)
        return "let go"


@pytest.fixture
async def runner() -> AsyncIterator[ThreadRunner]:
    runner = ThreadRunner(2)
    yield runner
    await runner.close()


async def others_run() -> None:
    """Lets whatever was made ready run."""
    for _ in range(5):
        await asyncio.sleep(0)


async def test_a_function_runs_off_the_loops_thread_and_its_result_comes_back(runner):
    errand = Awaited(threading.current_thread)
    runner.submit(errand)
    assert await errand.outcome is not threading.current_thread()


async def test_what_a_function_raises_comes_back_as_it_is(runner):
    errand = Awaited(lambda: 1 / 0)
    runner.submit(errand)
    with pytest.raises(ZeroDivisionError):
        await errand.outcome


@pytest.mark.parametrize("deadly", [SystemExit(3), KeyboardInterrupt(), GeneratorExit()])
async def test_an_exception_that_would_end_the_thread_ends_only_the_job(deadly):
    def leave() -> None:
        raise deadly

    runner = ThreadRunner(1)
    bad, good = Awaited(leave), Awaited(lambda: "still here")
    runner.submit(bad)
    runner.submit(good)
    assert await good.outcome == "still here"
    assert bad.outcome.exception() is deadly
    await runner.close()


async def test_at_most_as_many_functions_run_at_once_as_there_are_slots(runner):
    first, second, third = Held(), Held(), Held()
    errands = [Awaited(held) for held in (first, second, third)]
    for errand in errands:
        runner.submit(errand)
    await first.begun.wait()
    await second.begun.wait()
    assert not third.begun.is_set()
    first.let_go.set()
    await third.begun.wait()
    second.let_go.set()
    third.let_go.set()
    assert await asyncio.gather(*(errand.outcome for errand in errands)) == ["let go"] * 3


async def test_threads_are_started_only_when_there_is_something_for_them():
    runner = ThreadRunner(50)
    used = set()
    for _ in range(10):
        errand = Awaited(threading.current_thread)
        runner.submit(errand)
        used.add(await errand.outcome)
    assert len(used) == 1
    await runner.close()


async def test_threads_never_keep_a_process_from_ending(runner):
    errand = Awaited(lambda: threading.current_thread().daemon)
    runner.submit(errand)
    assert await errand.outcome is True


async def test_ten_thousand_jobs_come_back_once_each():
    runner = ThreadRunner(8)
    errands = [Awaited(lambda: None) for _ in range(10_000)]
    for errand in errands:
        runner.submit(errand)
    await asyncio.gather(*(errand.outcome for errand in errands))
    assert {errand.done_count for errand in errands} == {1}
    await runner.close()


async def test_an_abandoned_thread_is_reported_replaced_and_its_late_outcome_dropped(caplog):
    runner = ThreadRunner(1)
    held = Held()
    errand = Awaited(held)
    runner.submit(errand)
    await held.begun.wait()
    stuck = held.thread
    runner.abandon(errand)
    assert "(task) and was replaced" in caplog.text
    assert "in __call__" in caplog.text

    following = Awaited(threading.current_thread)
    runner.submit(following)
    assert await following.outcome is not stuck
    held.let_go.set()
    await asyncio.to_thread(stuck.join, 10)
    assert not stuck.is_alive()
    await others_run()
    assert errand.done_count == 0
    await runner.close()


async def test_an_abandoned_errand_that_has_not_begun_is_never_called():
    runner = ThreadRunner(1)
    held, called = Held(), []
    runner.submit(Awaited(held))
    await held.begun.wait()
    waits = Awaited(lambda: called.append(True))
    runner.submit(waits)
    runner.abandon(waits)
    held.let_go.set()
    last = Awaited(threading.current_thread)
    runner.submit(last)
    assert await last.outcome is held.thread
    assert called == []
    assert waits.done_count == 0
    await runner.close()


async def test_a_cancelled_errand_that_has_not_begun_is_never_called():
    runner = ThreadRunner(1)
    held, called = Held(), []
    runner.submit(Awaited(held))
    waits = Awaited(lambda: called.append(True))
    runner.submit(waits)
    runner.cancel(waits)
    assert waits.outcome.cancelled()
    held.let_go.set()
    last = Awaited(lambda: None)
    runner.submit(last)
    await last.outcome
    assert called == []
    assert waits.done_count == 1
    await runner.close()


async def test_a_cancelled_function_that_has_begun_ends_itself(runner):
    held = Held()
    errand = Awaited(held)
    runner.submit(errand)
    await held.begun.wait()
    runner.cancel(errand)
    await others_run()
    assert not errand.outcome.done()
    held.let_go.set()
    assert await errand.outcome == "let go"


async def test_cancelling_or_abandoning_what_is_done_changes_nothing(runner, caplog):
    errand = Awaited(lambda: "done")
    runner.submit(errand)
    await errand.outcome
    runner.cancel(errand)
    runner.abandon(errand)
    assert errand.done_count == 1
    assert caplog.text == ""


async def test_threads_keep_nothing_of_their_last_job_alive():
    import gc
    import weakref

    class Result:
        pass

    runner = ThreadRunner(1)
    errand = Awaited(Result)
    runner.submit(errand)
    seen = weakref.ref(await errand.outcome)
    del errand
    other = Awaited(lambda: None)
    runner.submit(other)
    await other.outcome
    gc.collect()
    assert seen() is None
    await runner.close()


async def test_a_thread_that_outlives_the_loop_ends_in_silence():
    begun, let_go, threads = threading.Event(), threading.Event(), []

    async def short_life() -> None:
        runner = ThreadRunner(1)

        def hold() -> None:
            threads.append(threading.current_thread())
            begun.set()
            let_go.wait(10)

        runner.submit(Awaited(hold))
        await asyncio.to_thread(begun.wait, 10)
        await runner.close()

    await asyncio.to_thread(lambda: asyncio.run(short_life()))
    let_go.set()
    await asyncio.to_thread(threads[0].join, 10)
    assert not threads[0].is_alive()


async def test_the_errand_that_follows_runs_in_the_same_thread_and_nobody_submits_it(runner):
    first, second = Awaited(threading.current_thread), Awaited(threading.current_thread)
    first.next = second
    runner.submit(first)
    assert await first.outcome is await second.outcome
    assert (first.done_count, second.done_count) == (1, 1)


async def test_an_errand_that_followed_another_can_be_abandoned_like_any_other():
    runner = ThreadRunner(1)
    first, held = Awaited(lambda: None), Held()
    first.next = stuck = Awaited(held)
    runner.submit(first)
    await first.outcome
    await held.begun.wait()
    runner.abandon(stuck)
    last = Awaited(threading.current_thread)
    runner.submit(last)
    assert await last.outcome is not held.thread
    held.let_go.set()
    await asyncio.to_thread(held.thread.join, 10)
    await others_run()
    assert stuck.done_count == 0
    await runner.close()


async def test_nothing_follows_a_job_that_was_abandoned():
    runner = ThreadRunner(1)
    held, called = Held(), []
    stuck = Awaited(held)
    stuck.next = Awaited(lambda: called.append(True))
    runner.submit(stuck)
    await held.begun.wait()
    runner.abandon(stuck)
    held.let_go.set()
    await asyncio.to_thread(held.thread.join, 10)
    assert called == []
    await runner.close()
