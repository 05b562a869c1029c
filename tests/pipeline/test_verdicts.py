"""Every way in which an attempt can end, through the whole worker."""

import asyncio
from contextvars import ContextVar
from datetime import UTC, datetime

import msgspec
import pytest

from longshore.core.context import current_context
from longshore.core.job import AttemptFailure, Details
from longshore.core.retry import Retry
from longshore.core.states import State
from longshore.core.task_signals import Cancel, Discard, RetryAt, Snooze
from longshore.store.commands import JobQuery
from longshore.worker.registry import Kind
from tests.pipeline.plant import until

STEADY = Retry(3, initial=10, jitter=False)


def failures(job):
    return [msgspec.json.decode(error, type=AttemptFailure) for error in job.errors]


@pytest.mark.parametrize("kind", [Kind.ASYNC, Kind.THREAD])
async def test_a_task_that_returns_completes_its_job_with_the_result(plant, kind):
    async def add(a: int, b: int = 1):
        return {"sum": a + b}

    def add_plainly(a: int, b: int = 1):
        return {"sum": a + b}

    plant.task(kind=kind)(add if kind is Kind.ASYNC else add_plainly)
    name = plant.registry.names()[0]
    first = await plant.add(name, b'{"a":1,"b":2}')
    second = await plant.add(name, b'{"a":1}')
    worker = await plant.work()
    assert [(await plant.job(job)).result for job in (first, second)] == [b'{"sum":3}', b'{"sum":2}']
    job = await plant.job(first)
    assert (job.state, job.attempt, job.failures) == (State.COMPLETED, 1, 0)
    assert worker.stats.settled == 2


async def test_a_job_that_raises_is_retried_after_its_backoff_and_then_buried(plant):
    runs = []

    @plant.task(retry=STEADY)
    async def fails():
        runs.append(plant.clock.monotonic())
        raise ValueError("no")

    job_id = await plant.add("fails")
    for seconds in (9.9, 0.1, 19.9, 0.1):
        await plant.work()
        plant.clock.advance(seconds)
    await plant.work()
    job = await plant.job(job_id)
    assert [round(run, 1) for run in runs] == [0.0, 10.0, 30.0]
    assert (job.state, job.failures, job.attempt) == (State.FAILED, 3, 3)
    assert job.error_text == "ValueError: no"
    assert [failure.attempt for failure in failures(job)] == [1, 2, 3]
    assert failures(job)[0].worker.count(":") == 2
    assert "in fails" in failures(job)[0].traceback
    assert "longshore/worker" not in failures(job)[0].traceback


async def test_snooze_costs_no_attempt(plant):
    @plant.task(retry=Retry(1))
    async def naps():
        raise Snooze(30)

    job_id = await plant.add("naps")
    await plant.work()
    job = await plant.job(job_id)
    assert (job.state, job.releases, job.failures, job.attempt) == (State.SCHEDULED, 1, 0, 0)
    assert job.run_ms == plant.clock.now_ms() + 30_000
    assert job.error_text is None


async def test_what_a_snooze_was_raised_from_is_kept(plant):
    @plant.task(retry=Retry(1))
    async def naps():
        raise Snooze(30) from ValueError("the shop is closed")

    job_id = await plant.add("naps")
    await plant.work()
    job = await plant.job(job_id)
    assert (job.state, job.error_text, job.errors) == (
        State.SCHEDULED,
        "ValueError: the shop is closed",
        (),
    )


async def test_retry_at_cancel_and_discard_end_the_attempt_as_they_say(plant):
    @plant.task(retry=STEADY)
    async def later():
        raise RetryAt(datetime(2033, 5, 18, tzinfo=UTC), "shop is closed")

    @plant.task(retry=STEADY)
    async def unwanted():
        raise Cancel("order withdrawn")

    @plant.task(retry=STEADY)
    async def hopeless():
        raise Discard("no such customer")

    ids = [await plant.add(name) for name in ("later", "unwanted", "hopeless")]
    await plant.work()
    jobs = [await plant.job(job_id) for job_id in ids]
    assert [job.state for job in jobs] == [State.RETRYING, State.CANCELLED, State.FAILED]
    assert [job.failures for job in jobs] == [1, 0, 1]
    assert jobs[1].error_text == "Cancel: order withdrawn"
    assert jobs[2].error_text == "Discard: no such customer"


class Exploding(Exception):
    def __str__(self):
        raise SystemExit

    __repr__ = __str__


def recurse():
    recurse()


def hostile_raisers():  # noqa: C901 - a list of one-liners
    async def exploding():
        raise Exploding

    async def exits():
        raise SystemExit(3)

    async def interrupts():
        raise KeyboardInterrupt

    async def leaves_a_generator():
        raise GeneratorExit

    async def cancels_itself():
        raise asyncio.CancelledError

    async def cancels_its_task():
        asyncio.current_task().cancel()
        await asyncio.sleep(0)

    async def stops():
        raise StopIteration

    async def recurses():
        recurse()

    async def groups():
        async with asyncio.TaskGroup() as group:
            group.create_task(exploding())
            group.create_task(exploding())

    async def waits_and_exits():
        await asyncio.sleep(0)
        raise SystemExit

    async def waits_and_leaves_a_generator():
        await asyncio.sleep(0)
        raise GeneratorExit

    return {name: raiser for name, raiser in locals().items() if asyncio.iscoroutinefunction(raiser)}


@pytest.mark.parametrize("name", sorted(hostile_raisers()))
async def test_nothing_that_a_task_raises_takes_its_worker_down(plant, name):
    """F13, F40 of the fault list: what is raised is kept as text, and the next job runs."""

    @plant.task()
    async def fine():
        return "fine"

    plant.task(retry=Retry(1))(hostile_raisers()[name])
    bad, good = await plant.add(name), await plant.add("fine")
    await plant.work(slots=1)
    assert (await plant.job(good)).state is State.COMPLETED
    job = await plant.job(bad)
    if name == "cancels_its_task":  # nobody can tell it from an event loop that is being shut down
        assert (job.state, job.failures, job.releases) == (State.SCHEDULED, 0, 1)
    else:
        assert (job.state, job.failures) == (State.FAILED, 1)
        assert job.error_text


async def test_a_cancellation_that_comes_too_late_does_not_hit_the_next_job(plant):
    @plant.task()
    async def cancels_as_it_ends():
        asyncio.current_task().cancel()
        return "ended"

    @plant.task(retry=Retry(1))
    async def waits():
        await asyncio.sleep(0)
        return asyncio.current_task().cancelling()

    ids = [await plant.add("cancels_as_it_ends"), await plant.add("waits")]
    await plant.work(slots=1)
    assert [(await plant.job(job_id)).result for job_id in ids] == [b'"ended"', b"0"]


@pytest.mark.parametrize("error", [SystemExit, KeyboardInterrupt, GeneratorExit, StopIteration, Exploding])
async def test_nothing_that_a_thread_raises_takes_its_worker_down(plant, error):
    @plant.task(kind=Kind.THREAD, retry=Retry(1))
    def bad():
        raise error

    @plant.task(kind=Kind.THREAD)
    def fine():
        return "fine"

    first, second = await plant.add("bad"), await plant.add("fine")
    await plant.work(slots=1)
    assert (await plant.job(first)).state is State.FAILED
    assert (await plant.job(second)).state is State.COMPLETED


async def test_a_payload_that_cannot_be_read_fails_at_once_and_keeps_its_bytes(plant):
    """F36"""

    @plant.task(retry=STEADY)
    async def reads(n: int):
        return n

    @plant.task(retry=STEADY, takes_job=True)
    async def processes(job):
        return 1

    bad = [await plant.add("reads", data) for data in (b"\xff", b'{"n":"x"}', b'{"n":1,"m":2}', b"[]", b"")]
    bad += [await plant.add("processes", b"{")]
    bad += [await plant.add("reads", b'{"n":1}', details=details) for details in (b"{", b'{"retry":{"x":1}}')]
    good = await plant.add("reads", b'{"n":1}')
    await plant.work()
    jobs = [await plant.job(job_id) for job_id in bad]
    assert {job.state for job in jobs} == {State.FAILED}
    assert all(job.error_text.startswith("PayloadUndecodable: ") for job in jobs)
    assert jobs[0].payload == b"\xff"
    assert (await plant.job(good)).result == b"1"


class Unwritable:
    pass


class Shy:
    model_validate = None

    def model_dump(self, mode):
        raise KeyError("hostile")


@pytest.mark.parametrize("value", [Unwritable(), float("nan"), {1, Unwritable()}, 10**400, Shy(), "x" * 101])
async def test_a_result_that_json_cannot_say_ends_by_the_policy(plant, value):
    """F38, F39"""

    async def returns():
        return value

    async def returns_too():
        return value

    plant.task(retry=Retry(1), result_limit_bytes=100)(returns)
    plant.task(retry=Retry(1), result_limit_bytes=100, on_bad_result="complete")(returns_too)
    strict, lenient = await plant.add("returns"), await plant.add("returns_too")
    await plant.work()
    strict, lenient = await plant.job(strict), await plant.job(lenient)
    assert (strict.state, lenient.state) == (State.FAILED, State.COMPLETED)
    assert strict.error_text.startswith("ResultNotEncodable: The result of 'returns' ")
    assert lenient.error_text.startswith("ResultNotEncodable: The result of 'returns_too' ")
    assert lenient.result is None


async def test_an_unknown_task_waits_ever_longer_for_a_worker_that_has_it(plant, caplog):
    """F37"""
    plant.hear("unknown_task", "released")
    ids = [await plant.add("newer") for _ in range(3)]
    worker = await plant.work()
    job = await plant.job(ids[0])
    assert (job.state, job.releases, job.attempt) == (State.SCHEDULED, 1, 0)
    assert plant.names().count("unknown_task") == 1
    assert worker.stats.unknown == 3
    first_delay = job.run_ms - plant.clock.now_ms()
    plant.clock.advance(60)
    await plant.work()
    assert (await plant.job(ids[0])).run_ms - plant.clock.now_ms() > first_delay

    @plant.task()
    async def newer():
        return "known now"

    plant.clock.advance(60)
    await plant.work()
    assert {(await plant.job(job_id)).state for job_id in ids} == {State.COMPLETED}


async def test_a_last_failure_sends_its_notice_to_the_dead_letter_queue_in_the_same_step(plant):
    """S3.5"""

    @plant.task(retry=Retry(1), dead_letter="graveyard")
    async def dies(n: int):
        raise ValueError("no")

    job_id = await plant.add("dies", b'{"n":7}')
    await plant.work()
    [page] = await plant.store.scan([JobQuery(queues=("graveyard",))])
    notice = msgspec.json.decode(page.jobs[0].payload)
    assert notice["originalData"] == {"n": 7}
    assert notice["failureReason"] == "ValueError: no"
    assert (await plant.job(job_id)).state is State.FAILED


async def test_jobs_that_shall_not_be_kept_are_forgotten_in_the_step_that_ends_them(plant):
    @plant.task(keep_completed=False)
    async def ends():
        return 1

    @plant.task(keep_failed=False, retry=Retry(1))
    async def dies():
        raise ValueError

    ids = [await plant.add("ends"), await plant.add("dies")]
    await plant.work()
    assert [await plant.job(job_id) for job_id in ids] == [None, None]


async def test_a_jobs_own_policy_wins_over_its_tasks(plant):
    @plant.task(retry=Retry(1))
    async def fails():
        raise ValueError

    own = msgspec.json.encode(Details(retry={"max_attempts": 2, "initial": 7.0, "jitter": False}))
    job_id = await plant.add("fails", details=own)
    await plant.work()
    assert (await plant.job(job_id)).run_ms == plant.clock.now_ms() + 7_000


async def test_jobs_run_by_priority_and_then_in_order_with_one_slot(plant):
    order = []

    @plant.task()
    async def runs(n: int):
        order.append(n)
        await asyncio.sleep(0)

    for n, priority in enumerate((5, 3, 1, 3, 1)):
        await plant.add("runs", b'{"n":%d}' % n, priority=priority)
    await plant.work(slots=1)
    assert order == [2, 4, 1, 3, 0]


async def test_every_coroutine_starts_when_there_are_slots_and_a_queues_limit_holds(plant):
    inside, most = {"a": 0, "b": 0}, {"a": 0, "b": 0}
    gate = asyncio.Event()

    async def waits(queue):
        inside[queue] += 1
        most[queue] = max(most[queue], inside[queue])
        await gate.wait()
        inside[queue] -= 1

    @plant.task("a")
    async def first():
        await waits("a")

    @plant.task("b")
    async def second():
        await waits("b")

    for _ in range(30):
        await plant.add("first", queue="a")
        await plant.add("second", queue="b")
    async with plant.working(slots=20, queues={"a": 3, "b": None}):
        await until(lambda: inside == {"a": 3, "b": 17})
        gate.set()
        await until(lambda: sum(inside.values()) == 0)
    assert most["a"] == 3
    assert most["b"] <= 20


async def test_each_attempt_has_a_contextvars_context_of_its_own(plant):
    mark = ContextVar("mark", default="clean")
    seen = []

    @plant.task()
    async def marks(n: int):
        seen.append((n, mark.get(), dict(current_context())))
        mark.set(f"dirty {n}")
        await asyncio.sleep(0)
        assert mark.get() == f"dirty {n}"

    await plant.add("marks", b'{"n":1}', details=msgspec.json.encode(Details(context={"tenant": "acme"})))
    await plant.add("marks", b'{"n":2}')
    await plant.work(slots=1)
    assert seen == [(1, "clean", {"tenant": "acme"}), (2, "clean", {})]
