"""Tasks: defined on a queue, called in place, and enqueued with their own arguments."""

from datetime import UTC, datetime, timedelta

import pytest

from longshore import (
    InvalidOption,
    InvalidTask,
    JobContext,
    PayloadError,
    Priority,
    QueueManager,
    Reference,
    Retention,
    Retry,
    State,
    UnknownOption,
    bind_context,
)
from longshore.core.errors import InvalidId

ID = "0192f0c1-0000-7000-8000-000000000001"


@pytest.fixture
def send(manager):
    """A task of two arguments and a context."""

    @manager.queue("emails").task(name="send-welcome")
    async def send(to: str, *, tenant: str = "acme", ctx: JobContext | None = None) -> str:
        return f"{to} of {tenant}, attempt {ctx.attempt}"

    return send


async def test_a_plain_call_runs_in_place_with_a_context_and_stores_nothing(manager, send):
    assert await send("a@example.com", tenant="x") == "a@example.com of x, attempt 1"
    assert (await manager.get_stats()).total == 0


async def test_enqueue_stores_the_arguments_by_their_names(manager, send):
    """S4.13: the task's own arguments, and what is kept of them."""
    job = await send.enqueue("a@example.com", tenant="x")
    assert job.state is State.PENDING
    assert (job.queue, job.name) == ("emails", "send-welcome")
    found = await manager.get_job(job.id)
    assert found.data == {"to": "a@example.com", "tenant": "x"}
    assert found.kwargs == found.data
    assert found.id == job.id


async def test_arguments_that_do_not_fit_are_refused_and_nothing_is_stored(manager, send):
    for wrong in ({"who": "b"}, {"to": 7}, {}):
        with pytest.raises(PayloadError):
            await send.enqueue(**wrong)
    with pytest.raises(PayloadError):
        await send.enqueue_many([("a",), {"to": 1}])
    assert (await manager.get_stats()).total == 0


async def test_enqueue_many_takes_tuples_and_dicts_in_their_order(manager, send):
    jobs = await send.enqueue_many([("a",), {"to": "b", "tenant": "x"}])
    assert [job.data for job in jobs] == [{"to": "a"}, {"to": "b", "tenant": "x"}]
    assert len(await manager.get_jobs(queue="emails")) == 2


async def test_options_bind_once_and_go_with_each_job(manager, send):
    """S3.2 S3.3 S3.20: priority, time, and words to search by."""
    at = datetime(2099, 1, 1, tzinfo=UTC)
    bound = send.options(
        at=at,
        priority=Priority.HIGH,
        tags=["new"],
        metadata={"createdBy": "me"},
        reference=Reference("User", "7"),
        correlation_id="c-1",
        max_attempts=9,
        timeout=timedelta(seconds=3),
    )
    job = await manager.get_job((await bound.enqueue("a")).id)
    assert (job.state, job.run_at, job.priority) == (State.SCHEDULED, at, 2)
    assert (job.tags, job.metadata, job.reference) == (("new",), {"createdBy": "me"}, ("User", "7"))
    assert (job.correlation_id, job.max_attempts) == ("c-1", 9)
    assert job.details.timeout == 3
    assert (await send.enqueue("b")).tags == ()
    for search in ({"tags": ["new"]}, {"reference": Reference("User", "7")}, {"correlation_id": "c-1"}):
        assert [found.id for found in await manager.get_jobs(**search)] == [job.id]
    assert [found.id for found in await manager.get_jobs(text="createdby")] == [job.id]


async def test_a_delay_counts_from_the_moment_of_adding(manager, send):
    """S3.3"""
    job = await send.options(delay=timedelta(minutes=1)).enqueue("a")
    assert job.state is State.SCHEDULED
    assert job.run_at - job.created_at == timedelta(minutes=1)
    stored = await manager.get_job(job.id)
    assert abs(stored.run_at - job.run_at) < timedelta(seconds=5)


async def test_a_job_id_of_the_callers_own_is_added_once(manager, send):
    mine = send.options(job_id=ID)
    first, again = await mine.enqueue("a"), await mine.enqueue("b")
    assert first.id == again.id == ID
    assert again.data == {"to": "a"}
    assert not again.conflict
    with pytest.raises(InvalidOption):
        await mine.enqueue_many([("a",)])


@pytest.mark.parametrize(
    ("words", "error"),
    [
        ({"dellay": 3}, UnknownOption),
        ({"unique": "args"}, InvalidOption),
        ({"chain_two": []}, UnknownOption),
        ({"chain_to": 5}, InvalidOption),
        ({"priority": 11}, InvalidOption),
        ({"delay": -1}, InvalidOption),
        ({"at": datetime(2099, 1, 1)}, InvalidOption),  # noqa: DTZ001 - the mistake
        ({"retry": Retry(retry_if=ValueError)}, InvalidOption),
        ({"job_id": "mine"}, InvalidId),
        ({"tags": "one"}, InvalidOption),
        ({"reference": "User 7"}, InvalidOption),
        ({"max_attempts": -1}, InvalidOption),
        ({"timeout": 0}, InvalidOption),
        ({"metadata": {"a": object()}}, PayloadError),
    ],
)
def test_a_wrong_option_is_refused_where_it_is_written(words, error):
    task = QueueManager("memory://").task(_noop)
    with pytest.raises(error):
        task.options(**words)


def test_an_unknown_option_names_itself_and_the_nearest_one():
    with pytest.raises(UnknownOption, match=r"'dellay'.*Did you mean 'delay'"):
        QueueManager("memory://").task(_noop).options(dellay=3)
    with pytest.raises(UnknownOption, match=r"'retries'.*Did you mean 'retry'"):
        QueueManager("memory://").task(retries=3)
    with pytest.raises(UnknownOption, match=r"'rate_limits' of a queue.*'rate_limit'"):
        QueueManager("memory://").queue("q", rate_limits=3)


def test_functions_that_cannot_be_tasks_are_refused_with_the_reason():
    manager = QueueManager("memory://")

    def varied(*args): ...
    def generated():
        yield 1

    async def awaited(): ...
    def local(): ...

    for wrong, words in (
        (varied, {}),
        (generated, {}),
        (awaited, {"process": True}),
        (local, {"process": True}),
    ):
        with pytest.raises(InvalidTask):
            manager.task(**words)(wrong)
    with pytest.raises(InvalidTask, match="pass name="):
        manager.task(lambda: None)


def test_a_task_may_only_say_that_its_jobs_are_forgotten_at_once():
    task = QueueManager("memory://").task
    for fits in (0, Retention(completed=0), Retention(failed=0)):
        task(retention=fits)
    for wrong in (60, Retention(completed=60), Retention(max_count=5)):
        with pytest.raises(InvalidOption, match="queue's"):
            task(retention=wrong)


def test_two_tasks_of_one_name_in_one_queue_are_refused():
    manager = QueueManager("memory://")
    manager.task(name="same")(_noop)
    with pytest.raises(InvalidTask, match="pass name="):
        manager.task(name="same")(_other)


async def test_a_job_carries_the_context_in_which_it_was_added(manager, send):
    """S1.12: metadata and context travel with each job."""
    with bind_context(user="7"):
        job = await send.options(metadata={"schema": "v1"}).enqueue("a")
    found = await manager.get_job(job.id)
    assert found.context == {"user": "7"}
    assert found.metadata == {"schema": "v1"}
    assert (await send.enqueue("b")).context == {}


def _noop() -> None: ...


def _other() -> None: ...


async def test_a_durability_that_the_store_has_is_taken_and_one_that_it_cannot_have_stores_nothing(
    manager, send
):
    best = (await manager.runtime.engines.here()).store.durability
    await send.options(durability=best).enqueue("a@example.com")
    await manager.add_job("emails", "other", {}, durability=best)
    before = (await manager.get_stats()).total
    assert before == 2
    with pytest.raises(InvalidOption, match="durability"):
        await send.options(durability="replicated").enqueue("a@example.com")
    with pytest.raises(InvalidOption, match="durability"):
        await manager.add_bulk(
            "emails",
            [
                {"name": "other", "data": 1},
                {"name": "other", "data": 2, "options": {"durability": "replicated"}},
            ],
        )
    assert (await manager.get_stats()).total == before


def test_a_durability_that_does_not_exist_is_refused_where_it_is_written(send):
    with pytest.raises(InvalidOption, match="'fsync'"):
        send.options(durability="forever")
