"""Unique jobs and full queues where several processes share a server. What they mean is tested beside the manager; here
is what only a race, or another's transaction, can break."""

import asyncio

import asyncpg
import pytest

from longshore import InvalidOption, JobCancelled, NotUnique, QueueFull, QueueManager, State, Unique
from longshore.core.unique import WAITING
from servers import running

MANAGERS = 3


@pytest.fixture(params=["postgres", "redis", "cluster"])
def url(request, tmp_path):
    """Of an empty store."""
    place = running.name_for(tmp_path)
    return {
        "postgres": lambda: f"{running.postgres().url}?schema={place}",
        "redis": lambda: f"{running.redis().url}?prefix={place}",
        "cluster": lambda: f"{running.cluster().url}?prefix={place}",
    }[request.param]()


@pytest.fixture
async def managers(url):
    """As many as if they were processes."""
    made = [QueueManager(url) for _ in range(MANAGERS)]
    for manager in made:
        await manager.store()
    yield made
    for manager in made:
        await manager.shutdown()


async def _greet(to: str, ids: list[int] | None = None) -> list[int] | None:
    return ids


def tasks_of(managers, **words):
    options = {word: words.pop(word) for word in ("max_size", "when_full") if word in words}
    return [manager.queue("mail", **options).task(name="greet", **words)(_greet) for manager in managers]


async def waiting(manager):
    jobs = await manager.get_jobs(queue="mail", state=WAITING, order="oldest", limit=1000)
    return [job.data for job in jobs]


async def test_of_merges_at_the_same_time_none_is_lost(managers):
    """B.5"""
    tasks = tasks_of(managers, unique=Unique(by="to", on_conflict="merge"))
    jobs = await asyncio.gather(*(tasks[number % MANAGERS].enqueue("ann", [number]) for number in range(24)))
    assert len({job.id for job in jobs}) == 1
    assert [sorted(data["ids"]) for data in await waiting(managers[0])] == [list(range(24))]


@pytest.mark.parametrize("on_conflict", ["return", "replace", "reschedule", "follow_up"])
async def test_of_many_at_the_same_time_one_is_there(managers, on_conflict):
    """B.5"""
    tasks = tasks_of(managers, unique=Unique(by="to", on_conflict=on_conflict))
    jobs = await asyncio.gather(
        *(tasks[number % MANAGERS].options(delay=3600).enqueue("ann", [number]) for number in range(24))
    )
    [data] = await waiting(managers[0])
    assert len({job.id for job in jobs}) == 1
    assert [job.conflict for job in jobs].count(False) == 1
    assert data["ids"][0] in range(24)


async def test_a_job_that_is_over_leaves_no_key_behind(managers):
    """B.5: however it ended."""
    [greet, *_] = tasks_of(managers, unique=Unique(by="to"))
    first = await greet.enqueue("ann", [1])
    await managers[0].run_until_empty(timeout=20)
    assert await first.result() == [1]
    second = await greet.enqueue("ann", [2])
    assert await second.cancel()
    third = await greet.enqueue("ann", [3])
    assert await third.delete()
    fourth = await greet.enqueue("ann", [4])
    assert [job.conflict for job in (first, second, third, fourth)] == [False] * 4


async def test_a_queue_never_holds_more_than_its_size_whoever_adds(managers):
    """S0.8"""
    tasks = tasks_of(managers, max_size=5)
    outcomes = await asyncio.gather(
        *(tasks[number % MANAGERS].enqueue(str(number)) for number in range(30)), return_exceptions=True
    )
    assert sum(isinstance(outcome, QueueFull) for outcome in outcomes) == 25
    assert len(await waiting(managers[0])) == 5


async def test_the_oldest_make_way_whoever_adds(managers):
    """S0.8"""
    tasks = tasks_of(managers, max_size=5, when_full="drop_oldest")
    first = await tasks[0].enqueue("first")
    outcomes = await asyncio.gather(*(tasks[number % MANAGERS].enqueue(str(number)) for number in range(30)))
    assert len(outcomes) == 30
    assert len(await waiting(managers[0])) == 5
    with pytest.raises(JobCancelled):
        await first.result(timeout=10)
    over = await managers[0].get_jobs(queue="mail", state=State.CANCELLED, limit=1000)
    assert len(over) == 26


async def test_all_who_wait_for_room_get_it(managers):
    """S0.8"""
    tasks = tasks_of(managers, max_size=2, when_full="wait")
    await managers[0].start_workers()
    jobs = await asyncio.gather(*(tasks[number % MANAGERS].enqueue(str(number)) for number in range(30)))
    for job in jobs:
        await job.result(timeout=20)
    assert len({job.id for job in jobs}) == 30


async def test_in_a_transaction_on_postgresql_the_older_job_is_given_and_never_changed(tmp_path):
    """B.5"""
    server = running.postgres().url
    async with QueueManager(f"{server}?schema={running.name_for(tmp_path)}") as manager:
        [greet] = tasks_of([manager], unique=Unique(by="to"), max_size=3)
        first = await greet.enqueue("ann", [1])
        connection = await asyncpg.connect(server)
        try:
            async with connection.transaction():
                inside = greet.options(connection=connection)
                again = await inside.enqueue("ann", [2])
                new = await inside.enqueue("bob", [1])
                same = await inside.enqueue("bob", [2])
                with pytest.raises(NotUnique):
                    await inside.options(unique=Unique(by="to", on_conflict="raise")).enqueue("bob")
                with pytest.raises(InvalidOption, match="beside connection="):
                    await inside.options(unique=Unique(by="to", on_conflict="merge")).enqueue("bob")
                await inside.enqueue("cy")
                with pytest.raises(QueueFull):
                    await inside.enqueue("dan")
        finally:
            await connection.close()
        assert (again.id, again.conflict, same.id, same.conflict) == (first.id, True, new.id, True)
        assert sorted(data["to"] for data in await waiting(manager)) == ["ann", "bob", "cy"]
