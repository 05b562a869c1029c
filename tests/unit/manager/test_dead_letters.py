"""The shelf of dead letters: looked at, requeued, discarded, by hand or by a policy."""

from datetime import timedelta

import pytest

from longshore import (
    DeadLetterPolicy,
    InvalidOption,
    JobNotFound,
    QueueManager,
    Reference,
    Retry,
    State,
    bind_context,
)
from longshore.core.clock import ManualClock


@pytest.fixture
async def dead(manager):
    """Three dead letters of two queues with tasks that always fail."""

    @manager.queue("a", retry=Retry(1)).task
    async def first(n: int) -> None:
        raise ValueError(f"no {n}")

    @manager.queue("b", retry=Retry(1)).task
    async def second() -> None:
        raise LookupError("nothing there")

    with bind_context(user="7"):
        jobs = [await first.options(metadata={"schema": "v1"}, reference=Reference("User", "7")).enqueue(1)]
    jobs += [await first.enqueue(2), await second.enqueue()]
    await manager.run_until_empty(10)
    return jobs


async def test_a_letter_carries_all_that_is_known_of_the_job(manager, dead):
    """S1.8: queue, data, metadata and context, every error with its traceback, times."""
    letter = await manager.dead_letters.get(dead[0].id)
    assert (letter.queue, letter.name, letter.data) == ("a", "first", {"n": 1})
    assert (letter.metadata, letter.context) == ({"schema": "v1"}, {"user": "7"})
    assert letter.reference == Reference("User", "7")
    assert letter.error_message == "ValueError: no 1"
    assert [(error.type, "raise ValueError" in error.traceback) for error in letter.errors] == [
        ("ValueError", True)
    ]
    assert letter.errors[0].at <= letter.failed_at + timedelta(seconds=1)
    assert letter.requeues == 0
    assert await manager.dead_letters.get("0192f0c1-0000-7000-8000-000000000001") is None


async def test_letters_are_listed_by_queue_task_and_error_in_pages(manager, dead):
    """S1.8"""
    shelf = manager.dead_letters
    assert {letter.id for letter in await shelf.list()} == {job.id for job in dead}
    assert {letter.id for letter in await shelf.list("a")} == {dead[0].id, dead[1].id}
    assert [letter.id for letter in await shelf.list(name="second")] == [dead[2].id]
    assert [letter.id for letter in await shelf.list(error="no 2")] == [dead[1].id]
    page = await shelf.list(limit=2)
    rest = await shelf.list(limit=2, cursor=page.cursor)
    assert {letter.id for letter in [*page, *rest]} == {job.id for job in dead}


async def test_requeued_letters_go_back_into_their_own_queues_and_are_counted(manager, dead):
    """S1.10"""
    assert await manager.dead_letters.requeue(dead[0].id, dead[2].id) == 2
    again = [await manager.get_job(job.id) for job in (dead[0], dead[2])]
    assert [(job.queue, job.state, job.failures) for job in again] == [
        ("a", State.PENDING, 0),
        ("b", State.PENDING, 0),
    ]
    await manager.run_until_empty(10)
    letter = await manager.dead_letters.get(dead[0].id)
    assert (letter.requeues, len(letter.errors)) == (1, 2)
    with pytest.raises(JobNotFound):
        await manager.dead_letters.requeue("0192f0c1-0000-7000-8000-000000000001")


async def test_discarded_letters_are_forgotten_and_nothing_else_is(manager, dead):
    """S1.8"""
    waiting = await manager.add_job("a", "first", {"n": 3})
    assert await manager.dead_letters.discard(dead[0].id, waiting.id) == 1
    assert await manager.get_job(dead[0].id) is None
    assert (await manager.get_job(waiting.id)).state is State.PENDING


async def test_without_a_policy_nothing_happens_by_itself(manager, dead):
    with pytest.raises(InvalidOption, match="DeadLetterPolicy"):
        await manager.dead_letters.process()
    assert not manager.dead_letters.has_policies
    assert len(await manager.dead_letters.list()) == 3


async def test_a_policy_is_applied_by_hand_to_a_queue_or_to_all(manager, dead):
    """S1.9: dead_letters.process()"""
    manager.queue("b", dead_letter=DeadLetterPolicy(discard_after=0))
    swept = await manager.dead_letters.process()
    assert (swept.requeued, swept.discarded, swept.stayed) == (0, 1, 0)
    manager.dead_letters.policy = DeadLetterPolicy(requeue_after=0, max_requeues=1)
    assert (await manager.dead_letters.process()).requeued == 2
    await manager.run_until_empty(10)
    assert (await manager.dead_letters.process("a")).stayed == 2


async def test_a_dead_letter_queue_is_told_of_each_death(manager):
    """S3.5: a processor there reads originalQueue, originalData and failureReason."""
    heard = []

    @manager.queue("work", retry=Retry(1), dead_letter="dead-letter-queue").task
    async def fails(n: int) -> None:
        raise ValueError("no")

    manager.register_processor("dead-letter-queue", lambda job: heard.append(job.data))
    job = await fails.enqueue(7)
    await manager.run_until_empty(10)
    [notice] = heard
    assert (notice["originalQueue"], notice["originalData"]) == ("work", {"n": 7})
    assert notice["failureReason"] == "ValueError: no"
    assert notice["originalId"] == job.id


async def test_the_age_of_a_letter_counts_from_its_death():
    """S1.9: younger ones wait, older ones than four hours are dropped."""
    clock = ManualClock()
    policy = DeadLetterPolicy(requeue_after=60, discard_after=timedelta(hours=4))
    async with QueueManager("memory://", clock=clock, dead_letters=policy) as manager:

        @manager.queue("q", retry=Retry(1)).task
        async def fails() -> None:
            raise ValueError

        job = await fails.enqueue()
        assert (await manager.process_job(job.id)).state is State.FAILED
        assert (await manager.dead_letters.process()).stayed == 1
        clock.advance(60)
        assert (await manager.dead_letters.process()).requeued == 1
        assert (await manager.process_job(job.id)).state is State.FAILED
        clock.advance(4 * 3600)
        assert (await manager.dead_letters.process()).discarded == 1
        assert (await manager.get_stats()).total == 0
