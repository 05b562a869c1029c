"""A queue that is probably misspelt is warned about, once, and its job is added all the same."""

import pytest

from longshore import QueueManager
from longshore.manager.options import read_queue


@pytest.mark.parametrize("add", ["add_job", "add_bulk"])
async def test_a_queue_much_like_one_that_had_jobs_is_warned_about_once(manager, caplog, add):
    await manager.add_job("emails", "send", {})
    async with QueueManager(manager.runtime.url) as producer:
        for _ in range(2):
            if add == "add_job":
                await producer.add_job("emial", "send", {})
            else:
                await producer.add_bulk("emial", [{"name": "send", "data": 1}])
    assert caplog.text.count("Queue 'emial' was named nowhere here and never had a job") == 1
    assert "Did you mean 'emails'?" in caplog.text


async def test_a_queue_much_like_one_that_was_defined_here_is_warned_about(manager, caplog):
    manager.queue("emails")
    await manager.pause_queue("email")
    assert "Did you mean 'emails'?" in caplog.text


@pytest.mark.parametrize("queue", ["emails", "video", "tenant-2"])
async def test_a_queue_that_is_known_or_like_no_other_is_not_warned_about(manager, caplog, queue):
    manager.queue("emails")
    await manager.add_job("tenant-1", "send", {})
    await manager.add_job(queue, "send", {})
    assert "Did you mean" not in caplog.text


def test_the_word_default_withdraws_a_retention():
    assert read_queue({"retention": "default"}) == {"retention": None, "withdraws_retention": True}
    assert read_queue({"retention": 5})["withdraws_retention"] is False
    assert read_queue({}) == {}


async def test_what_was_withdrawn_is_told_to_the_pruner(manager):
    manager.queue("emails", retention=60)
    assert manager.runtime.stated_retentions()["emails"] is not None
    manager.queue("emails", retention="default")
    assert manager.runtime.stated_retentions() == {"emails": None}


async def test_a_job_is_not_run_by_name_on_a_store_that_may_lose_it(manager, monkeypatch):
    from longshore.core.errors import UnsafeStore
    from longshore.store.replies import Finding

    @manager.queue("emails").task
    def send() -> None:
        pass

    job = await send.enqueue()
    store = (await manager.runtime.engines.here()).store

    async def unsafe(*, contents):
        return [Finding("error", "planted", "It forgets.", "Mend it.")]

    monkeypatch.setattr(store, "examine", unsafe)
    with pytest.raises(UnsafeStore, match="It forgets"):
        await manager.process_job(job.id)


async def test_a_worker_that_is_to_serve_a_misspelt_queue_warns(manager, caplog):
    manager.queue("mail")
    await manager.run_worker(queues=["mial"], burst=True, install_signals=False)
    assert "Did you mean 'mail'?" in caplog.text
