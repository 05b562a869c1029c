"""Why a job is not running: one reason for each."""

import msgspec
import pytest

from longshore.core.ids import new_id
from longshore.core.job import JobRecord
from longshore.core.states import State
from longshore.core.unique import FOLLOW_UP
from longshore.flow.pausing import Pause
from longshore.manager.explain import Surroundings, count_ahead, reason
from longshore.manager.worker_cards import WorkerCard
from longshore.moving.holding import HELD_MS

NOW = 1_700_000_000_000
WORKER = WorkerCard(
    session="host:1:abc", host="host", pid=1, queues=("q",), tasks=("t",), slots=10, started_ms=NOW
)


def record(state=State.PENDING, **fields):
    return JobRecord(id=new_id(), queue="q", name="t", payload=b"{}", state=state, priority=3, **fields)


def around(**fields):
    known = {
        "now_ms": NOW,
        "pause": None,
        "workers": [WORKER],
        "ahead": 0,
        "counted_to_the_end": True,
    }
    return Surroundings(**(known | fields))


@pytest.mark.parametrize(
    ("job", "surroundings", "code", "says"),
    [
        (
            record(),
            around(pause=Pause(since_ms=NOW - 300_000)),
            "paused",
            "'q' was paused 5 min ago; resume_queue('q')",
        ),
        (
            record(),
            around(pause=Pause(since_ms=NOW - 300_000, moved_to="redis://there")),
            "moved",
            "'q' was moved to redis://there 5 min ago, and this job came later",
        ),
        (
            record(State.SCHEDULED, run_ms=HELD_MS),
            around(),
            "between-stores",
            "Run the same move again",
        ),
        (record(), around(workers=[]), "no-worker", "No worker that is alive serves queue 'q'"),
        (
            record(State.SCHEDULED, run_ms=NOW + 60_000, releases=3),
            around(workers=[msgspec.structs.replace(WORKER, tasks=("other",))]),
            "unknown-task",
            "No worker that serves queue 'q' knows a task 't'; it was handed back",
        ),
        (record(State.SCHEDULED, run_ms=NOW + 60_000, releases=3), around(), "scheduled", "scheduled for"),
        (record(), around(ahead=1234), "behind", "behind 1,234 other jobs"),
        (record(), around(ahead=1000, counted_to_the_end=False), "behind", "behind more than 1,000"),
        (record(), around(), "next", "next in line"),
        (
            record(State.SCHEDULED, run_ms=NOW + 7_200_000),
            around(),
            "scheduled",
            "scheduled for 2023-11-15 00:13:20 UTC (in 2 h)",
        ),
        (
            record(State.RETRYING, run_ms=NOW + 30_000, failures=2, error_text="ValueError: no"),
            around(),
            "retrying",
            "failed 2 times, last with ValueError: no, and will be tried again 2023-11-14 22:13:50 UTC (in 30 s)",
        ),
        (
            record(State.RUNNING, session="host:1:abc", started_ms=NOW - 90_000),
            around(),
            "running",
            "runs on host:1:abc, started 90 s ago.",
        ),
        (
            record(State.RUNNING, session="gone", started_ms=NOW, cancel_requested=True),
            around(),
            "silent",
            "and was asked to stop. No sign of that worker",
        ),
        (record(State.COMPLETED), around(), "completed", "over: completed"),
        (record(State.FAILED, error_text="ValueError: no"), around(), "failed", "failed with ValueError: no"),
    ],
)
def test_each_situation_has_its_reason(job, surroundings, code, says):
    explanation = reason(job, surroundings)
    assert explanation.code == code
    assert says in explanation


@pytest.mark.parametrize(
    ("job", "workers", "code", "says"),
    [
        (record(), [], "no-worker", "no worker of the process serves it: `await manager.start_workers()`"),
        (
            record(),
            [msgspec.structs.replace(WORKER, tasks=())],
            "unknown-task",
            "neither a task 't' nor a processor for it: set_processor(…) gives it one.",
        ),
        (
            record(State.SCHEDULED, run_ms=NOW + 60_000, releases=3),
            [msgspec.structs.replace(WORKER, tasks=())],
            "unknown-task",
            "set_processor(…) gives it one; it was handed back, and is offered again",
        ),
    ],
)
def test_of_a_queue_in_memory_it_says_that_only_this_process_can_run_it(job, workers, code, says):
    """S4.1"""
    reply = reason(job, around(workers=workers, is_in_memory=True))
    assert reply.code == code
    assert "in the memory of this process" in reply
    assert says in reply


def test_a_follow_up_names_what_it_waits_for_and_no_digest():
    """B.5"""
    reply = reason(record(State.HELD, held_by=f"{FOLLOW_UP}:3f9a"), around())
    assert (reply.code, "3f9a" in reply) == ("held", False)
    assert "follows up on a job of task 't' with the same unique key" in reply


def test_a_task_that_no_worker_knows_is_named():
    idle = WorkerCard(session="s", host="h", pid=1, queues=("q",), tasks=(), slots=1, started_ms=NOW)
    assert "knows a task 't'" in reason(record(), around(workers=[idle]))
    processor = WorkerCard(
        session="s", host="h", pid=1, queues=("q",), tasks=(), processors=("q",), slots=1, started_ms=NOW
    )
    assert reason(record(), around(workers=[processor])).code == "next"


async def test_the_reason_is_read_from_the_store(manager):
    @manager.queue("q").task
    async def quick() -> None: ...

    first, second, urgent = [await quick.options(priority=priority).enqueue() for priority in (3, 3, 1)]
    assert (await second.explain()).code == "no-worker"
    await manager.pause_queue("q")
    assert (await second.explain()).code == "paused"
    await manager.start_workers()
    await manager.get_queue("other").add({})
    await manager.resume_queue("q")
    for job in (first, second, urgent):
        await job.result(10)
        assert await job.explain() == "It is over: completed."
    await manager.shutdown()


async def test_pending_jobs_count_those_that_come_first(manager):
    jobs = [await manager.add_job("q", "t", None, priority=priority) for priority in (3, 3, 1, 5)]
    engine = await manager.runtime.engines.here()
    assert [(await count_ahead(engine, (await manager.get_job(job.id)).record))[0] for job in jobs] == [
        1,
        2,
        0,
        3,
    ]
