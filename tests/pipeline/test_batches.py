"""Batch tasks over a whole worker: what goes together, when, and one verdict for each job whatever happens."""

import asyncio
import threading
from itertools import pairwise
from typing import Any

import pytest

from longshore.batch.gathering import BatchRule
from longshore.batch.results import ItemResult
from longshore.core.clock import ManualClock
from longshore.core.events import EVENTS
from longshore.core.ids import format_id
from longshore.core.retry import Retry
from longshore.core.signature import ItemSignature
from longshore.core.states import State
from longshore.core.task_signals import Discard
from longshore.engine.policy import Policy
from longshore.store.commands import Cancel, JobQuery
from longshore.worker.registry import Handler, Kind
from tests.pipeline.plant import Plant, turns, until

ONCE = Retry(1)


def batch_task(plant, *, kind=Kind.ASYNC, retry=ONCE, timeout=None, item=Any, queue="q", **rule):
    """Registers the decorated function as a batch task of its own name."""

    def register(function):
        plant.registry.add_task(
            Handler(
                name=function.__name__,
                queue=queue,
                function=function,
                kind=kind,
                signature=ItemSignature(function.__name__, item),
                policy=Policy(retry=retry, timeout=timeout),
                batch=BatchRule(**{"size": 3, "max_wait": 5.0} | rule),
            )
        )
        return function

    return register


async def add(plant, count, name="sends", payload="{}", **options):
    """So many jobs with the numbers from 0 as their data."""
    return [await plant.add(name, payload.format(number).encode(), **options) for number in range(count)]


async def states(plant, ids):
    """Of these jobs."""
    return [(await plant.job(each)).state for each in ids]


# ------------------------------------------------------------------------------------------ what goes, and when


async def test_a_full_batch_goes_at_once_and_the_rest_when_the_oldest_has_waited(plant):
    """S0.1, S0.12, B.9: on a durable queue."""
    seen = []

    @batch_task(plant)
    async def sends(items):
        seen.append(items)
        return [True] * len(items)

    ids = await add(plant, 5)
    async with plant.working():
        await until(lambda: len(seen) == 1)
        await turns(200)
        assert seen == [[0, 1, 2]]
        plant.clock.advance(4.9)
        await turns(200)
        assert seen == [[0, 1, 2]]
        plant.clock.advance(0.11)
        await until(lambda: len(seen) == 2)
    assert seen[1] == [3, 4]
    assert await states(plant, ids) == [State.COMPLETED] * 5


class EarlyClock(ManualClock):
    """Its timers come a millisecond early, as uvloop's do, and time goes on between two looks at it."""

    def call_later(self, seconds, callback):
        return super().call_later(seconds - 0.001 if seconds > 0.001 else seconds, callback)

    def monotonic(self):
        now, self._monotonic = self._monotonic, self._monotonic + self.step
        return now

    step = 0.0


async def test_a_batch_that_becomes_due_while_one_looks_goes_at_once():
    """It went a second late, when its patience ended: the look was too early, and the next one not before."""
    clock = EarlyClock()
    plant = await Plant(clock=clock).open()
    seen = []

    @batch_task(plant)
    async def sends(items):
        seen.append(items)
        return [True] * len(items)

    await add(plant, 1)
    async with plant.working() as worker:
        await until(lambda: worker.stats.claimed == 1)
        await turns(200)
        clock.step = 0.002
        clock.advance(4.999)
        await turns(200)
        clock.step = 0.0
        clock.advance(0.01)
        await until(lambda: seen == [[0]], 1000)


async def test_with_min_size_a_smaller_batch_does_not_wait(plant):
    seen = []

    @batch_task(plant, size=10, min_size=2)
    async def sends(items):
        seen.append(items)
        return [True] * len(items)

    async with plant.working():
        await add(plant, 1)
        await turns(200)
        assert seen == []
        await add(plant, 1)
        await until(lambda: seen == [[0, 0]])


async def test_a_batch_ends_at_so_many_bytes_and_a_larger_job_goes_alone(plant):
    seen = []

    @batch_task(plant, size=10, max_bytes=6, concurrency=5)
    async def sends(items):
        seen.append(items)
        return [True] * len(items)

    for size in (2, 2, 3, 2, 20):
        await plant.add("sends", b'"' + b"x" * (size - 2) + b'"')
    async with plant.working() as worker:
        await until(lambda: len(seen) == 3)
        await until(lambda: worker.stats.settled == 5)
    assert sorted(len(item) for items in seen for item in items) == [0, 0, 0, 1, 18]
    assert [18] in [list(map(len, items)) for items in seen]
    assert all(len(items) <= 2 for items in seen)


@pytest.mark.parametrize("by", ["kind", lambda job: len(job.payload) % 2])
async def test_only_jobs_with_the_same_key_go_together(plant, by):
    """S0.5, B.9."""
    seen = []

    @batch_task(plant, size=2, by=by, concurrency=4)
    async def sends(items):
        seen.append([item["n"] for item in items])
        return [True] * len(items)

    for number in range(4):
        kind = "odd " if number % 2 else "even"
        await plant.add("sends", b'{"kind":"%s","n":%d}' % (b"o" if kind == "odd " else b"ev", number))
    await plant.work()
    assert sorted(seen) == [[0, 2], [1, 3]]


async def test_a_job_whose_key_cannot_be_found_fails_alone(plant):
    seen = []

    @batch_task(plant, by="kind")
    async def sends(items):
        seen.append(items)
        return [True] * len(items)

    good = await plant.add("sends", b'{"kind":1}')
    bad = await plant.add("sends", b"{}")
    odd = await plant.add("sends", b'{"kind":[1]}')
    await plant.work()
    assert seen == [[{"kind": 1}]]
    assert await states(plant, [good, bad, odd]) == [State.COMPLETED, State.FAILED, State.FAILED]
    assert "Option 'by' cannot be 'kind'" in (await plant.job(bad)).error_text


async def test_a_strategy_splits_what_waits_and_what_it_leaves_over_stays_queued(plant):
    """S0.5, B.9: left-overs are not begun, go back to the queue and are asked about again."""
    seen, wants_all = [], False

    def strategy(jobs):
        return [jobs] if wants_all else [[job for job in jobs if job.payload != b"1"]]

    @batch_task(plant, size=3, strategy=strategy)
    async def sends(items):
        seen.append(items)
        return [True] * len(items)

    ids = await add(plant, 3)
    async with plant.working() as worker:
        await until(lambda: seen == [[0, 2]])
        plant.clock.advance(5.1)
        await turns(200)
        plant.clock.advance(1.1)
        await until(lambda: worker.stats.released == 1)
        await until(lambda: worker.stats.settled == 3)
        assert (await plant.job(ids[1])).state is State.SCHEDULED
        wants_all = True
        plant.clock.advance(1)
        await plant.engine.promote(10)
        await until(lambda: worker.stats.claimed == 4)
        plant.clock.advance(6)
        await until(lambda: seen == [[0, 2], [1]])
    job = await plant.job(ids[1])
    assert (job.state, job.failures, job.releases) == (State.COMPLETED, 0, 1)


@pytest.mark.parametrize("answer", ["invents", "doubles", "raises"])
async def test_a_strategy_that_answers_no_partition_moves_nothing(plant, answer, caplog):
    """B.9: the application's own strategy is checked to be a partition."""
    seen = []
    plant.hear("error")

    def strategy(jobs):
        if answer == "raises":
            raise ZeroDivisionError
        return [[*jobs, object()]] if answer == "invents" else [jobs, jobs]

    @batch_task(plant, strategy=strategy)
    async def sends(items):
        seen.append(items)

    ids = await add(plant, 3)
    async with plant.working():
        await until(lambda: "error" in plant.names())
        plant.clock.advance(5)
        await turns(200)
        plant.clock.advance(1.1)
        await turns(200)
        found = [await plant.job(each) for each in ids]
    assert seen == []
    assert {(job.state, job.failures, job.crashes) for job in found} == {(State.SCHEDULED, 0, 0)}
    assert "did not split" in caplog.text


async def test_the_more_urgent_go_first(plant):
    """S0.3."""
    seen = []

    @batch_task(plant, size=2)
    async def sends(items):
        seen.append(items)
        return [True] * len(items)

    await plant.add("sends", b'"low"', priority=5)
    await plant.add("sends", b'"normal"')
    await plant.add("sends", b'"high"', priority=1)
    await plant.work()
    assert seen == [["high", "normal"], ["low"]]


async def test_no_more_batches_run_at_once_than_told_and_they_start_no_faster(plant):
    """S0.6: concurrency and throttle."""
    gate, running, most = asyncio.Event(), 0, 0

    @batch_task(plant, size=1, concurrency=2)
    async def sends(items):
        nonlocal running, most
        running += 1
        most = max(most, running)
        await gate.wait()
        running -= 1
        return [True]

    starts = []

    @batch_task(plant, size=1, concurrency=5, throttle=2.0, queue="slow", max_wait=60)
    async def slowly(items):
        starts.append(plant.clock.monotonic())
        return [True]

    await add(plant, 5)
    await add(plant, 3, "slowly", queue="slow")
    async with plant.working("q", "slow") as worker:
        await until(lambda: running == 2)
        for step in range(3):
            await until(lambda wanted=step + 1: len(starts) == wanted)
            await turns(200)
            plant.clock.advance(1.99)
            await turns(200)
            assert len(starts) == step + 1
            plant.clock.advance(0.02)
        gate.set()
        await until(lambda: worker.stats.settled >= 5)
    assert most == 2
    assert all(later - earlier >= 2.0 for earlier, later in pairwise(starts))


async def test_a_job_that_finds_no_place_goes_back_for_another_worker(plant):
    gate, seen = asyncio.Event(), []

    @batch_task(plant, size=1)
    async def sends(items):
        seen.append(items)
        await gate.wait()
        return [True]

    ids = await add(plant, 3)
    async with plant.working() as worker:
        await until(lambda: len(seen) == 1)
        await turns(200)
        plant.clock.advance(6.1)
        await until(lambda: worker.stats.settled == 1)
        found = await states(plant, ids)
        gate.set()
    assert found == [State.RUNNING, State.SCHEDULED, State.PENDING]


async def test_other_tasks_of_the_queue_run_beside_a_batch(plant):
    seen = []

    @batch_task(plant, size=2)
    async def sends(items):
        seen.append(items)
        return [True] * len(items)

    @plant.task()
    async def plain():
        seen.append("plain")

    ids = [await plant.add(name, b"{}") for name in ("sends", "plain", "plain", "sends", "plain")]
    await plant.work()
    assert seen.count("plain") == 3
    assert [{}, {}] in seen
    assert await states(plant, ids) == [State.COMPLETED] * 5


# ------------------------------------------------------------------------------------------ what becomes of each


async def test_each_job_has_its_own_result_attempts_and_errors(plant):
    """S0.2, B.9."""
    calls = []

    @batch_task(plant, size=5, retry=Retry(2, initial=1, jitter=False))
    async def sends(items):
        calls.append(items)
        answers = [
            ItemResult(success=True, result={"sent": 0}),
            None,
            False,
            ItemResult(success=False, error="no such address", retryable=False),
            ValueError("odd") if len(calls) == 1 else True,
        ]
        return [answers[item] for item in items]

    ids = await add(plant, 5)
    await plant.work()
    plant.clock.advance(1)
    await plant.work()
    found = [await plant.job(each) for each in ids]
    assert [job.state for job in found] == [
        State.COMPLETED,
        State.COMPLETED,
        State.FAILED,
        State.FAILED,
        State.COMPLETED,
    ]
    assert [job.failures for job in found] == [0, 0, 2, 1, 1]
    assert [len(job.errors) for job in found] == [0, 0, 2, 1, 1]
    assert found[0].result == b'{"sent":0}'
    assert [job.attempt for job in found] == [1, 1, 2, 1, 2]
    assert "no such address" in found[3].error_text
    assert calls == [[0, 1, 2, 3, 4], [2, 4]]


@pytest.mark.parametrize(
    ("answer", "said"),
    [
        (lambda items: [True] * (len(items) - 1), "2 results"),
        (lambda items: [True] * (len(items) + 1), "4 results"),
        (lambda items: None, "NoneType"),
        (lambda items: True, "bool"),
        (lambda items: "yes", "str"),
        (lambda items: {"strange": True}, "strange"),
        (lambda items: 1 / 0, "ZeroDivisionError"),
        (lambda items: raises(SystemExit), "SystemExit"),
        (lambda items: raises(GeneratorExit), "GeneratorExit"),
        (lambda items: raises(asyncio.CancelledError), "CancelledError"),
    ],
)
@pytest.mark.parametrize("kind", [Kind.ASYNC, Kind.THREAD])
async def test_a_batch_that_is_not_answered_fails_whole_and_comes_again(plant, answer, said, kind):
    """S0.2, B.9: nothing lost, and no job with two outcomes."""
    calls = []

    def work(items):
        calls.append(items)
        return [True] * len(items) if len(calls) > 1 else answer(items)

    async def sends(items):
        return work(items)

    def sends_in_a_thread(items):
        return work(items)

    function = sends if kind is Kind.ASYNC else sends_in_a_thread
    batch_task(plant, kind=kind, retry=Retry(2, initial=1, jitter=False))(function)
    ids = await add(plant, 3, function.__name__)
    await plant.work()
    first = [await plant.job(each) for each in ids]
    assert {(job.state, job.failures) for job in first} == {(State.RETRYING, 1)}
    assert all(said in job.error_text for job in first)
    plant.clock.advance(1)
    await plant.work()
    assert {(job.state, len(job.errors)) for job in [await plant.job(each) for each in ids]} == {
        (State.COMPLETED, 1)
    }
    assert calls == [[0, 1, 2], [0, 1, 2]]


def raises(kind):
    raise kind


async def test_answers_by_id_may_come_in_any_order_and_who_is_missing_has_failed(plant):
    """B.9: wrong order and dropped items do no harm to others."""
    ids = await add(plant, 3)

    @batch_task(plant)
    async def sends(items):
        return {
            format_id(ids[2]): ItemResult(success=True, result=2),
            format_id(ids[0]): ItemResult(success=True, result=0),
        }

    await plant.work()
    found = [await plant.job(each) for each in ids]
    assert [job.result for job in found] == [b"0", None, b"2"]
    assert [job.state for job in found] == [State.COMPLETED, State.FAILED, State.COMPLETED]
    assert "says nothing of it" in found[1].error_text


async def test_a_signal_counts_for_all_jobs_or_for_one(plant):
    @batch_task(plant, retry=Retry(5))
    async def sends(items):
        return [True, Discard("never"), True]

    @batch_task(plant, retry=Retry(5), queue="other")
    async def drops(items):
        raise Discard("all of them")

    ids = await add(plant, 3)
    others = await add(plant, 2, "drops", queue="other")
    await plant.work("q", "other")
    assert await states(plant, ids) == [State.COMPLETED, State.FAILED, State.COMPLETED]
    assert await states(plant, others) == [State.FAILED] * 2


async def test_a_job_that_cannot_be_read_fails_alone(plant):
    seen = []

    @batch_task(plant, item=int)
    async def sends(items):
        seen.append(items)
        return [True] * len(items)

    ids = [await plant.add("sends", payload) for payload in (b"1", b'"no number"', b"3")]
    details = await plant.add("sends", b"4", details=b"no json")
    await plant.work()
    assert seen == [[1, 3]]
    assert await states(plant, [*ids, details]) == [
        State.COMPLETED,
        State.FAILED,
        State.COMPLETED,
        State.FAILED,
    ]


async def test_a_result_that_cannot_be_stored_fails_its_job_only(plant):
    @batch_task(plant)
    async def sends(items):
        return [ItemResult(success=True, result=object()), True, True]

    ids = await add(plant, 3)
    await plant.work()
    assert await states(plant, ids) == [State.FAILED, State.COMPLETED, State.COMPLETED]


async def test_batches_are_told_when_they_begin_and_end(plant):
    """S0.7, S0.11."""
    plant.hear(*EVENTS)

    @batch_task(plant)
    async def sends(items):
        return [True, False, True]

    ids = await add(plant, 3)
    await plant.work()
    names = [name for name in plant.names() if name in ("started", "batch_started", "batch_completed")]
    assert names == ["started"] * 3 + ["batch_started", "batch_completed"]
    [ended] = [event for event in plant.told if event.name == "batch_completed"]
    assert ended.data["ids"] == [format_id(each) for each in ids]
    assert (ended.data["size"], ended.data["succeeded"], ended.data["failed"]) == (3, 2, 1)


# --------------------------------------------------------------------------------------------------- stopping


@pytest.mark.parametrize("kind", [Kind.ASYNC, Kind.THREAD])
async def test_a_time_out_fails_the_whole_batch_and_no_slot_is_lost(plant, kind):
    """B.9: also where the function does not stop."""
    began, gate = threading.Event(), threading.Event()

    async def waits(items):
        began.set()
        await asyncio.Event().wait()

    def blocks(items):
        began.set()
        gate.wait(10)

    function = waits if kind is Kind.ASYNC else blocks
    batch_task(plant, kind=kind, timeout=3.0, retry=Retry(2, initial=9))(function)
    ids = await add(plant, 3, function.__name__)
    async with plant.working(slots=1) as worker:
        await until(began.is_set)
        await turns(200)
        plant.clock.advance(3.01)
        await turns(200)
        plant.clock.advance(2.01)
        await until(lambda: worker.stats.settled == 3)
        gate.set()
        found = [await plant.job(each) for each in ids]
        assert {(job.state, job.failures) for job in found} == {(State.RETRYING, 1)}
        assert all("AttemptTimeout" in job.error_text for job in found)
        assert worker.running == 0


async def test_a_coroutine_that_ignores_its_time_out_is_given_up_and_its_late_answer_dropped(plant):
    gate = asyncio.Event()

    @batch_task(plant, timeout=1.0, retry=ONCE)
    async def stays(items):
        while not gate.is_set():
            try:
                await gate.wait()
            except asyncio.CancelledError:
                continue
        return [True] * len(items)

    ids = await add(plant, 3, "stays")
    async with plant.working(slots=1) as worker:
        await until(lambda: worker.running == 3)
        await turns(200)
        plant.clock.advance(1.01)
        await turns(200)
        plant.clock.advance(2.01)
        await until(lambda: worker.stats.settled == 3)
        gate.set()
        await turns(200)
    assert await states(plant, ids) == [State.FAILED] * 3
    assert worker.stats.stale == 0


async def test_cancelling_one_job_of_a_batch_leaves_the_others_alone(plant):
    """B.9: its success counts all the same; otherwise it is cancelled."""
    gate, began = asyncio.Event(), asyncio.Event()

    @batch_task(plant, size=4, retry=Retry(3))
    async def sends(items):
        began.set()
        await gate.wait()
        return [True, False, True, False]

    ids = await add(plant, 4)
    async with plant.working() as worker:
        await began.wait()
        await plant.engine.change([Cancel(where=JobQuery(ids=(ids[0], ids[1])))])
        worker.beat_now()
        await until(lambda: sum(a.stop is not None for a in worker._parts.executor.running.values()) == 2)
        gate.set()
        await until(lambda: worker.stats.settled == 4)
    assert await states(plant, ids) == [State.COMPLETED, State.CANCELLED, State.COMPLETED, State.RETRYING]


async def test_when_all_jobs_of_a_batch_are_cancelled_the_call_is_stopped(plant):
    began = asyncio.Event()

    @batch_task(plant)
    async def sends(items):
        began.set()
        await asyncio.Event().wait()

    ids = await add(plant, 3)
    async with plant.working() as worker:
        await began.wait()
        await plant.engine.change([Cancel(where=JobQuery(ids=tuple(ids)))])
        worker.beat_now()
        await until(lambda: worker.stats.settled == 3)
    assert await states(plant, ids) == [State.CANCELLED] * 3


async def test_a_job_that_waits_for_its_batch_is_cancelled_at_once(plant):
    @batch_task(plant)
    async def sends(items):
        return [True] * len(items)

    ids = await add(plant, 2)
    async with plant.working() as worker:
        await until(lambda: worker.stats.claimed == 2)
        await plant.engine.change([Cancel(where=JobQuery(ids=(ids[0],)))])
        worker.beat_now()
        await until(lambda: worker.stats.settled == 1)
        plant.clock.advance(5.01)
        await until(lambda: worker.stats.settled == 2)
    assert await states(plant, ids) == [State.CANCELLED, State.COMPLETED]


async def test_a_drain_hands_back_what_waits_and_lets_the_batch_that_runs_end(plant):
    """S3.19: nothing is charged."""
    gate, began = asyncio.Event(), asyncio.Event()

    @batch_task(plant, size=2)
    async def sends(items):
        began.set()
        await gate.wait()
        return [True] * len(items)

    ids = await add(plant, 5)
    worker = plant.worker()
    running = asyncio.create_task(worker.run())
    await began.wait()
    await turns(200)
    worker.drain()
    await turns(200)
    gate.set()
    await running
    found = [await plant.job(each) for each in ids]
    assert [job.state for job in found] == [State.COMPLETED] * 2 + [State.PENDING] * 3
    assert {(job.failures, job.crashes) for job in found} == {(0, 0)}


async def test_a_batch_that_does_not_end_within_the_grace_goes_back_unharmed(plant):
    began = asyncio.Event()

    @batch_task(plant)
    async def sends(items):
        began.set()
        await asyncio.Event().wait()

    ids = await add(plant, 3)
    worker = plant.worker()
    running = asyncio.create_task(worker.run())
    await began.wait()
    worker.stop()
    await running
    found = [await plant.job(each) for each in ids]
    assert {(job.state, job.failures, job.crashes) for job in found} == {(State.PENDING, 0, 0)}
