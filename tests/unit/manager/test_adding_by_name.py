"""Jobs by name: from any process, without the task's code, in the words of the seeds."""

from datetime import UTC, datetime
from enum import Enum

import pytest

from longshore import InvalidOption, PayloadError, QueueManager, Reference, State, UnknownOption
from longshore.core.errors import InvalidName, PayloadNotEncodable


class QueueName(str, Enum):  # noqa: UP042 - what users of 3.10 have written
    """As seed 001 lists its queues."""

    EMAILS = "emails"


async def test_a_producer_needs_no_code_of_the_task(url):
    """S1.3 S2.1: one manager defines the task, another one adds the job by name."""
    async with QueueManager(url) as consumer, QueueManager(url) as producer:

        @consumer.queue("emails").task
        async def send(to: str) -> None: ...

        job = await producer.add_job(
            "emails",
            "send",
            {"to": "a"},
            priority=1,
            run_at=datetime(2099, 1, 1, tzinfo=UTC),
            max_attempts=3,
            reference=Reference("User", "7"),
        )
        found = await consumer.get_job(job.id)
        assert (found.kwargs, found.state, found.priority) == ({"to": "a"}, State.SCHEDULED, 1)
        assert (found.max_attempts, found.reference) == (3, Reference("User", "7"))


async def test_data_is_checked_where_the_task_is_known(manager):
    @manager.queue("emails").task
    async def send(to: str) -> None: ...

    with pytest.raises(PayloadError, match="to"):
        await manager.add_job("emails", "send", {"too": "a"})
    with pytest.raises(PayloadError):
        await manager.add_job("other", "anything", {"a": object()})


async def test_without_a_queue_the_job_goes_to_that_of_its_task_or_handler(manager):
    """S4.5: add_job(name, data), as seed 004 writes it."""

    @manager.queue("mails").task
    async def send(to: str) -> None: ...

    manager.register_handler("image", lambda job: None)
    assert (await manager.add_job("send", {"to": "a"})).queue == "mails"
    assert (await manager.add_job("image", {"path": "x"})).queue == "image"
    assert (await manager.add_job("unheard-of", 1)).queue == "unheard-of"


async def test_queues_may_be_named_by_an_enum(manager):
    """S1.2"""
    job = await manager.add_job(QueueName.EMAILS, "send", {})
    assert job.queue == "emails"
    assert manager.get_queue(QueueName.EMAILS) is manager.queue("emails")
    assert [found.id for found in await manager.get_jobs(queue=QueueName.EMAILS)] == [job.id]


async def test_the_seeds_words_for_options_are_understood(manager):
    """S3.1 S3.4: attempts and backoff, scheduledAt, and metadata with correlationId and tags."""
    job = await manager.add_job(
        "q",
        "n",
        None,
        attempts=5,
        backoff={"type": "exponential", "delay": 2000},
        scheduledAt=datetime(2099, 1, 1, tzinfo=UTC),
        metadata={"correlationId": "w-1", "tags": ["user-event"], "createdBy": "system"},
    )
    found = await manager.get_job(job.id)
    assert found.max_attempts == 5
    assert found.details.retry["initial"] == 2.0
    assert found.state is State.SCHEDULED
    assert (found.correlation_id, found.tags) == ("w-1", ("user-event",))
    assert found.metadata["createdBy"] == "system"


async def test_add_bulk_adds_all_in_their_order_with_options_of_their_own(manager):
    """S1.5 S3.1"""
    jobs = await manager.add_bulk(
        "users",
        [
            {"name": "process", "data": {"id": 1}, "options": {"priority": 2}},
            {"name": "process", "data": {"id": 2}},
            {"name": "other"},
        ],
    )
    assert [job.data for job in jobs] == [{"id": 1}, {"id": 2}, None]
    assert [job.priority for job in jobs] == [2, 3, 3]
    assert {job.id for job in await manager.get_jobs(queue="users")} == {job.id for job in jobs}


@pytest.mark.parametrize(
    ("item", "error"),
    [
        ({"data": 1}, InvalidOption),
        ({"name": "a", "payload": 1}, UnknownOption),
        ({"name": "a", "options": {"dellay": 1}}, UnknownOption),
        ({"name": "two words"}, InvalidName),
    ],
)
async def test_a_bulk_with_one_bad_item_stores_nothing(manager, item, error):
    with pytest.raises(error):
        await manager.add_bulk("users", [{"name": "good"}, item])
    assert (await manager.get_stats()).total == 0


async def test_default_job_options_go_to_each_job_of_the_queue(manager):
    """S3.1 S3.18: default options and removeOnComplete of seed 003."""
    queue = manager.register_queue(
        "mail",
        default_job_options={
            "attempts": 4,
            "backoff": {"type": "fixed", "delay": 500},
            "priority": 4,
            "removeOnComplete": {"age": 3600, "count": 100},
        },
    )
    job = await manager.add_job("mail", "send", {}, priority=2)
    assert (job.max_attempts, job.priority) == (4, 2)
    assert job.details.retry["curve"] == "constant"
    retention = manager.runtime.stated_retentions()["mail"]
    assert (retention.completed, retention.max_count, retention.failed) == (3600, 100, None)
    assert (await queue.add({})).name == "mail"
    with pytest.raises(UnknownOption):
        manager.register_queue("mail", default_job_options={"attemps": 4})


async def test_the_same_default_options_are_read_from_the_seeds_own_shape(manager):
    """S3.1"""
    manager.register_queue("mail", {"defaultJobOptions": {"attempts": 2}})
    assert (await manager.add_job("mail", "send", {})).max_attempts == 2


async def test_what_is_no_address_of_a_job_is_refused(manager):
    with pytest.raises(InvalidOption, match="queue, name, data"):
        await manager.add_job("only-a-name")


@pytest.mark.parametrize(
    "words",
    [
        {"delay": 1e300},
        {"timeout": 1e300},
        {"max_attempts": 2**40},
        {"metadata": [1]},
        {"reference": ("User", "\x00")},
    ],
)
async def test_a_value_that_no_store_can_hold_is_refused_by_its_option_and_nothing_is_stored(manager, words):
    with pytest.raises(InvalidOption, match=min(words)):
        await manager.add_job("mail", "send", {}, **words)
    assert (await manager.get_stats()).total == 0


async def test_an_item_of_a_bulk_that_is_no_job_is_refused(manager):
    with pytest.raises(InvalidOption, match="jobs"):
        await manager.add_bulk("mail", [{"name": "send"}, 5])
    assert (await manager.get_stats()).total == 0


@pytest.mark.parametrize("words", [{"order": "up"}, {"tags": "abc"}, {"text": "\ud800"}])
async def test_a_search_for_what_cannot_be_is_refused_by_its_option(manager, words):
    with pytest.raises(InvalidOption, match=min(words)):
        await manager.get_jobs(**words)


async def test_data_whose_own_encoder_raises_is_refused_like_any_that_cannot_be_encoded(manager):
    class Choosy:
        @classmethod
        def model_validate(cls, value):
            return value

        def model_dump(self, mode):
            raise KeyError(mode)

    with pytest.raises(PayloadNotEncodable, match="KeyError"):
        await manager.add_job("mail", "send", Choosy())
    assert (await manager.get_stats()).total == 0
