"""BatchedQueue: pause, flush, drain, close, and what comes back after a restart."""

import asyncio

import msgspec
import pytest

from longshore import (
    DrainTimeout,
    FileStorage,
    InvalidOption,
    Persistence,
    QueueClosed,
    Retry,
    UsageError,
)
from longshore.core.clock import ManualClock
from longshore.core.errors import PayloadError, PayloadNotEncodable
from tests.unit.manager.batching import Gate, Notes, let_run, queue_of


class Shelf:
    """A storage in memory that says when it was written to."""

    def __init__(self) -> None:
        self.kept: dict[str, bytes] = {}
        self.saved = asyncio.Event()
        self.fails = False

    async def load(self, key: str) -> bytes | None:
        return self.kept.get(key)

    async def save(self, key: str, data: bytes) -> None:
        if self.fails:
            self.saved.set()
            raise OSError("disk full")
        self.kept[key] = data
        self.saved.set()

    def items(self, key: str) -> list[object]:
        """What the snapshot holds."""
        return [each["item"] for each in msgspec.json.decode(self.kept[key])["items"]]


async def test_a_paused_queue_takes_items_and_starts_no_batch_until_it_is_resumed():
    """S0.10."""
    notes, clock = Notes(), ManualClock()
    queue = queue_of(notes, clock, batch_size=1)
    queue.pause()
    await queue.enqueue("a")
    clock.advance(60)
    await let_run()
    assert (notes.batches, queue.is_paused) == ([], True)
    queue.resume()
    await let_run()
    assert notes.batches == [["a"]]


async def test_flush_lets_all_go_that_waits_and_returns_when_it_was_tried():
    notes = Notes()
    queue = queue_of(notes, batch_size=10)
    await queue.enqueue_many("abc")
    await queue.flush()
    assert notes.batches == [["a", "b", "c"]]
    await queue.enqueue("d")
    await let_run()
    assert len(notes.batches) == 1


async def test_two_who_flush_both_wait_for_what_was_there_before():
    gate = Gate()
    queue = queue_of(gate, batch_size=10)
    await queue.enqueue("a")
    queue.pause()
    first, second = asyncio.create_task(queue.flush()), asyncio.create_task(queue.flush())
    await let_run()
    assert not first.done()
    assert not second.done()
    await gate.open()
    await asyncio.gather(first, second)


async def test_drain_runs_everything_though_paused_and_waits_for_retries():
    """S0.10."""
    clock, tries = ManualClock(), []

    async def processor(items):
        tries.append(items)
        return [len(tries) > 1] * len(items)

    queue = queue_of(processor, clock, batch_size=10, retry=Retry(2, initial=5, jitter=False))
    queue.pause()
    await queue.enqueue("a")
    draining = asyncio.create_task(queue.drain(30))
    await let_run()
    assert not draining.done()
    clock.advance(5)
    await draining
    assert tries == [["a"], ["a"]]


async def test_a_drain_that_takes_too_long_names_what_is_left_and_loses_nothing():
    """S0.10."""
    clock, gate = ManualClock(), Gate()
    queue = queue_of(gate, clock, name="reports", batch_size=2)
    await queue.enqueue_many("abc")
    draining = asyncio.create_task(queue.drain(30))
    await let_run()
    clock.advance(30)
    with pytest.raises(DrainTimeout, match="3 in 'reports'") as told:
        await draining
    assert told.value.left == {"reports": 3}
    await gate.open()
    draining = asyncio.create_task(queue.drain())
    await let_run()
    await gate.open()
    await draining
    assert gate.batches == [["a", "b"], ["c"]]
    assert queue.stats.completed == 3


async def test_what_was_saved_comes_back_with_its_priority_and_its_failures():
    """S0.9."""
    shelf, clock = Shelf(), ManualClock()

    async def failing(items):
        return [False] * len(items)

    queue = queue_of(
        failing,
        clock,
        batch_size=1,
        priority_levels=2,
        persistence=Persistence(shelf, "backup"),
        retry=Retry(2),
    )
    await queue.enqueue("tried")
    await let_run()
    queue.pause()
    await queue.enqueue("low", 1)
    await queue.enqueue("high", 0)
    await queue.save_state()
    notes, later = Notes(), Shelf()
    later.kept = dict(shelf.kept)  # as the next process finds it
    again = queue_of(notes, batch_size=1, priority_levels=2, persistence=Persistence(later, "backup"))
    async with again:
        assert again.stats.restored == 3
    assert sorted(notes.batches) == [["high"], ["low"], ["tried"]]
    assert notes.batches.index(["high"]) < notes.batches.index(["low"])
    assert later.items("backup") == []


async def test_items_of_batches_that_run_are_saved_too():
    """S0.9: they are done again rather than lost."""
    shelf, gate = Shelf(), Gate()
    queue = queue_of(gate, batch_size=1, persistence=Persistence(shelf, "backup"))
    await queue.enqueue("a")
    await let_run()
    await queue.save_state()
    assert shelf.items("backup") == ["a"]
    await gate.open()


async def test_it_is_saved_by_itself_after_each_interval_in_which_something_changed():
    """S0.9: at most one interval is lost."""
    shelf, clock = Shelf(), ManualClock()
    queue = queue_of(Notes(), clock, persistence=Persistence(shelf, "backup", every=60))
    queue.pause()
    await queue.enqueue("a")
    await let_run()
    clock.advance(60)
    await shelf.saved.wait()
    assert shelf.items("backup") == ["a"]
    shelf.kept.clear()
    await let_run()
    clock.advance(60)
    await let_run()
    assert shelf.kept == {}
    await queue.close()


async def test_a_save_that_fails_is_told_and_the_next_interval_tries_again():
    shelf, clock, errors = Shelf(), ManualClock(), []
    queue = queue_of(Notes(), clock, persistence=Persistence(shelf, every=60), on_error=errors.append)
    queue.pause()
    shelf.fails = True
    await queue.enqueue("a")
    await let_run()
    clock.advance(60)
    await shelf.saved.wait()
    await let_run()
    assert [str(error) for error in errors] == ["disk full"]
    shelf.fails = False
    shelf.saved.clear()
    clock.advance(60)
    await shelf.saved.wait()
    assert shelf.items("batched") == ["a"]
    await queue.close()


async def test_a_state_that_cannot_be_read_is_not_overwritten():
    shelf = Shelf()
    shelf.kept["backup"] = b"not json"
    queue = queue_of(Notes(), persistence=Persistence(shelf, "backup"))
    for attempt in (queue.enqueue("a"), queue.save_state(), queue.drain()):
        with pytest.raises(PayloadError, match="left as it is"):
            await attempt
    assert shelf.kept["backup"] == b"not json"


async def test_saving_without_persistence_or_what_is_no_json_is_told():
    with pytest.raises(UsageError, match="persistence="):
        await queue_of(Notes()).save_state()
    shelf = Shelf()
    queue = queue_of(Notes(), persistence=Persistence(shelf, "backup"))
    queue.pause()
    await queue.enqueue_many([object(), "fine"])
    with pytest.raises(PayloadNotEncodable):
        await queue.save_state()
    assert shelf.items("backup") == ["fine"]


async def test_the_shutdown_of_the_seed_saves_what_could_not_be_drained(tmp_path):
    """S0.10."""
    clock, gate = ManualClock(), Gate()
    persistence = Persistence(FileStorage(tmp_path), "backup")
    queue = queue_of(gate, clock, batch_size=1, persistence=persistence)
    await queue.enqueue_many("ab")
    await let_run()
    queue.pause()
    closing = asyncio.create_task(queue.close(30))
    await let_run()
    clock.advance(30)
    with pytest.raises(DrainTimeout):
        await closing
    with pytest.raises(QueueClosed):
        await queue.enqueue("c")
    notes = Notes()
    async with queue_of(notes, batch_size=2, persistence=persistence):
        await let_run()
    assert notes.batches == [["a", "b"]]


async def test_who_waits_for_room_is_told_when_the_queue_is_closed():
    clock, gate = ManualClock(), Gate()
    queue = queue_of(gate, clock, batch_size=1, max_size=1, when_full="wait")
    await queue.enqueue_many("ab")
    waiting = asyncio.create_task(queue.enqueue("c"))
    closing = asyncio.create_task(queue.close(1))
    await let_run()
    clock.advance(1)
    with pytest.raises(DrainTimeout):
        await closing
    with pytest.raises(QueueClosed):
        await waiting


async def test_another_event_loop_is_refused_and_harms_nothing():
    """S0.1: its timers and batches are in the loop that used it first."""
    notes = Notes()
    queue = queue_of(notes, batch_size=2)
    await queue.enqueue(1)
    for use in (lambda: queue.enqueue(2), queue.flush, queue.drain, queue.close):
        with pytest.raises(
            UsageError, match=r"'batched' belongs to the event loop that used it first\. Make one"
        ):
            await asyncio.to_thread(lambda use=use: asyncio.run(use()))
    await queue.close()
    assert notes.batches == [[1]]


def test_a_queue_whose_event_loop_has_ended_says_so():
    queue = queue_of(Notes(), batch_size=2)
    asyncio.run(queue.enqueue(1))
    with pytest.raises(UsageError, match="which has ended with what still waited in it"):
        asyncio.run(queue.enqueue(2))


async def test_two_queues_of_a_process_may_not_save_under_one_key(tmp_path):
    """S0.9: each would overwrite what the other had saved."""
    first = queue_of(Notes(), name="first", persistence=Persistence(FileStorage(tmp_path), "backup"))
    await first.enqueue("a")
    second = queue_of(Notes(), name="second", persistence=Persistence(FileStorage(tmp_path), "backup"))
    with pytest.raises(UsageError, match=r"'second'.*key 'backup'.*queue 'first'"):
        await second.enqueue("b")
    async with queue_of(Notes(), persistence=Persistence(FileStorage(tmp_path), "other")):
        await first.close()
    async with second:
        assert len(second) == 0


async def test_saved_items_that_cannot_be_keyed_stay_saved_and_come_back_once():
    """S0.9"""
    shelf = Shelf()
    shelf.kept["backup"] = b'{"queue":"q","items":[{"item":{"a":1}},{"item":{"b":1}}]}'
    queue = queue_of(Notes(), batch_by="a", persistence=Persistence(shelf, "backup"))
    for _ in range(2):
        with pytest.raises(InvalidOption, match="'batch_by' cannot be 'a'"):
            await queue.enqueue({"a": 2})
    assert (len(queue), queue.stats.added, len(shelf.items("backup"))) == (0, 0, 2)
    mended = queue_of(Notes(), persistence=Persistence(shelf, "backup"))
    async with mended:
        assert mended.stats.restored == 2


async def test_a_folder_that_cannot_be_written_is_refused_at_the_start(tmp_path):
    """S0.9"""
    (tmp_path / "file").write_text("")
    queue = queue_of(Notes(), persistence=Persistence(FileStorage(tmp_path / "file" / "folder"), "k"))
    with pytest.raises(UsageError, match=r"No snapshot can be kept in folder '.*file/folder'"):
        await queue.enqueue("a")


@pytest.mark.parametrize("method", ["drain", "flush", "close"])
async def test_a_processor_that_waits_for_its_own_batch_is_told(method):
    errors = []

    async def processor(items):
        await getattr(queue, method)()
        return [True]

    queue = queue_of(processor, batch_size=1, retry=1, on_error=errors.append)
    await queue.enqueue("a")
    await let_run()
    assert [str(error).partition(",")[0] for error in errors] == [
        f"Queue 'batched': a processor or hook cannot wait for {method}"
    ]
    assert (queue.stats.failed, queue.stats.running) == (1, 0)
