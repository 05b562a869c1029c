"""This module tests `put` and `get`: small records, their versions, and how long they live."""

import pytest

from longshore.store.commands import PAUSE, ClaimAsk, Lease, Put, RecordAsk
from longshore.store.contract import Store
from longshore.store.replies import Record, Stored
from longshore.testing.conformance.jobs import NOW, QUEUE, SECOND, SESSION
from longshore.testing.conformance.steps import LEASE_MS, put, sign_on


def value(text: bytes | None, key: str = "key", *, expect: int | None = None) -> Put:
    """A record of the kind that most tests use."""
    return Put(kind="note", key=key, value=text, expect=expect)


def stored(text: bytes, version: int, key: str = "key") -> Stored:
    """The answer to a put that was done."""
    return Stored(stored=True, record=Record(kind="note", key=key, value=text, version=version))


async def read(store: Store, key: str = "key", *, now_ms: int = NOW) -> Record | None:
    """One record as it is now."""
    [records] = await store.get([RecordAsk("note", (key,))], now_ms=now_ms)
    return records[0] if records else None


async def keys(store: Store, *, now_ms: int = NOW) -> list[str]:
    """The keys of all records that are there."""
    [records] = await store.get([RecordAsk("note")], now_ms=now_ms)
    return [record.key for record in records]


async def test_empty_lists_are_answered_by_empty_lists(store: Store) -> None:
    assert await store.put([], now_ms=NOW) == []
    assert await store.get([], now_ms=NOW) == []


async def test_a_record_is_stored_and_read(store: Store) -> None:
    assert await store.put([value(b"1")], now_ms=NOW) == [stored(b"1", 1)]
    assert await read(store) == Record(kind="note", key="key", value=b"1", version=1)


async def test_every_change_raises_the_version_by_one(store: Store) -> None:
    for version in range(1, 5):
        text = b"%d" % version
        assert await store.put([value(text)], now_ms=NOW) == [stored(text, version)]


@pytest.mark.parametrize("text", [b"", b"\x00\xff", bytes(range(256)) * 100])
async def test_a_value_is_bytes_and_nothing_else(store: Store, text: bytes) -> None:
    await put(store, value(text))
    record = await read(store)
    assert record is not None
    assert record.value == text


async def test_a_record_is_created_only_where_none_is_expected_and_none_is_there(store: Store) -> None:
    assert await store.put([value(b"mine", expect=0)], now_ms=NOW) == [stored(b"mine", 1)]
    [second] = await store.put([value(b"yours", expect=0)], now_ms=NOW)
    assert second == Stored(stored=False, record=stored(b"mine", 1).record)


async def test_a_record_is_replaced_only_at_the_expected_version(store: Store) -> None:
    await put(store, value(b"1"))
    await put(store, value(b"2"))
    [late] = await store.put([value(b"late", expect=1)], now_ms=NOW)
    assert late == Stored(stored=False, record=stored(b"2", 2).record)
    assert await store.put([value(b"3", expect=2)], now_ms=NOW) == [stored(b"3", 3)]


async def test_a_version_of_a_record_that_is_not_there_is_another_one(store: Store) -> None:
    assert await store.put([value(b"1", expect=3)], now_ms=NOW) == [Stored(stored=False, record=None)]
    assert await read(store) is None


@pytest.mark.parametrize("version", [0, 1, 2])
async def test_a_put_that_is_repeated_with_its_value_is_answered_stored(store: Store, version: int) -> None:
    for number in range(version):
        await put(store, value(b"%d" % number))
    again = value(b"new", expect=version)
    for _ in range(3):
        assert await store.put([again], now_ms=NOW) == [stored(b"new", version + 1)]


async def test_a_repeat_with_another_value_is_not_stored(store: Store) -> None:
    await put(store, value(b"1", expect=0))
    [answer] = await store.put([value(b"2", expect=0)], now_ms=NOW)
    assert not answer.stored


async def test_a_record_is_deleted(store: Store) -> None:
    await put(store, value(b"1"))
    assert await store.put([value(None)], now_ms=NOW) == [Stored(stored=True, record=None)]
    assert await read(store) is None
    assert await keys(store) == []


async def test_a_record_is_deleted_only_at_the_expected_version(store: Store) -> None:
    await put(store, value(b"1"))
    [late] = await store.put([value(None, expect=7)], now_ms=NOW)
    assert late == Stored(stored=False, record=stored(b"1", 1).record)
    assert await store.put([value(None, expect=1)], now_ms=NOW) == [Stored(stored=True, record=None)]


async def test_a_delete_that_is_repeated_is_answered_stored(store: Store) -> None:
    await put(store, value(b"1"))
    for expect in (1, 1, None, 0):
        answer = await store.put([value(None, expect=expect)], now_ms=NOW)
        assert answer == [Stored(stored=True, record=None)]


async def test_a_record_that_comes_back_begins_at_version_one(store: Store) -> None:
    await put(store, value(b"1"))
    await put(store, value(b"2"))
    await put(store, value(None))
    assert await store.put([value(b"3", expect=0)], now_ms=NOW) == [stored(b"3", 1)]


async def test_a_conflict_spoils_nothing_around_it(store: Store) -> None:
    await put(store, value(b"old", "b"))
    puts = [value(b"1", "a", expect=0), value(b"2", "b", expect=9), value(b"3", "c", expect=0)]
    answers = await store.put(puts, now_ms=NOW)
    assert [answer.stored for answer in answers] == [True, False, True]
    assert await keys(store) == ["a", "b", "c"]


async def test_puts_of_one_list_are_done_one_after_the_other(store: Store) -> None:
    puts = [value(b"1", expect=0), value(b"2", expect=1), value(None, expect=2), value(b"3", expect=0)]
    answers = await store.put(puts, now_ms=NOW)
    assert answers == [stored(b"1", 1), stored(b"2", 2), Stored(stored=True, record=None), stored(b"3", 1)]


async def test_records_are_sorted_by_key_and_apart_by_kind(store: Store) -> None:
    for key in ("b", "a.b/c", "B", "a", "ä", "10", "9"):
        await put(store, value(b"", key))
    await put(store, Put(kind="other", key="a", value=b"other"))
    assert await keys(store) == sorted(["b", "a.b/c", "B", "a", "ä", "10", "9"])
    [others] = await store.get([RecordAsk("other")], now_ms=NOW)
    assert [(record.kind, record.key, record.value) for record in others] == [("other", "a", b"other")]


async def test_asks_are_answered_in_their_order_and_with_what_is_there(store: Store) -> None:
    for key in ("a", "b", "c"):
        await put(store, value(b"", key))
    asks = [
        RecordAsk("note", ("c", "nobody", "a")),
        RecordAsk("nothing"),
        RecordAsk("note", ()),
        RecordAsk("note", ("b",)),
        RecordAsk("note"),
    ]
    answers = await store.get(asks, now_ms=NOW)
    found = [[record.key for record in records] for records in answers]
    assert found == [["a", "c"], [], [], ["b"], ["a", "b", "c"]]


async def test_a_record_with_a_time_to_live_is_absent_when_it_has_passed(store: Store) -> None:
    await put(store, Put(kind="note", key="key", value=b"1", ttl_ms=5 * SECOND))
    record = await read(store, now_ms=NOW + 5 * SECOND - 1)
    assert record is not None
    assert record.expires_ms == NOW + 5 * SECOND
    late = NOW + 5 * SECOND
    assert await read(store, now_ms=late) is None
    assert await keys(store, now_ms=late) == []


async def test_a_record_whose_time_has_passed_is_created_anew(store: Store) -> None:
    await put(store, Put(kind="note", key="key", value=b"1", ttl_ms=SECOND))
    late = NOW + SECOND
    assert await store.put([value(b"x", expect=1)], now_ms=late) == [Stored(stored=False, record=None)]
    assert await store.put([value(b"2", expect=0)], now_ms=late) == [stored(b"2", 1)]


async def test_a_put_begins_the_time_to_live_anew_or_takes_it_away(store: Store) -> None:
    lock = Put(kind="note", key="key", value=b"1", ttl_ms=5 * SECOND)
    await store.put([lock], now_ms=NOW)
    await store.put([lock], now_ms=NOW + 4 * SECOND)
    assert await read(store, now_ms=NOW + 8 * SECOND) is not None
    await store.put([value(b"1")], now_ms=NOW + 8 * SECOND)
    record = await read(store, now_ms=NOW + 999 * SECOND)
    assert record is not None
    assert record.expires_ms is None


async def test_a_record_of_a_session_goes_with_its_lease(store: Store) -> None:
    await sign_on(store, SESSION)
    await put(store, Put(kind="note", key="key", value=b"1", session=SESSION))
    record = await read(store)
    assert record == Record(kind="note", key="key", value=b"1", version=1, session=SESSION)
    assert await read(store, now_ms=NOW + LEASE_MS - 1) is not None
    late = NOW + LEASE_MS
    assert await read(store, now_ms=late) is None
    assert await keys(store, now_ms=late) == []
    assert await store.put([value(b"2", expect=0)], now_ms=late) == [stored(b"2", 1)]


async def test_a_record_of_a_session_goes_when_the_session_is_ended(store: Store) -> None:
    await sign_on(store, SESSION, "other")
    await put(store, Put(kind="note", key="mine", value=b"1", session=SESSION))
    await put(store, Put(kind="note", key="others", value=b"2", session="other"))
    await store.extend([Lease(session=SESSION, lease_ms=0, queues=(QUEUE,))], now_ms=NOW)
    assert await keys(store) == ["others"]


async def test_a_pause_of_a_session_that_ended_before_the_queue_had_a_job_is_none(store: Store) -> None:
    """The session has asked the queue, so the queue may know it; whoever ends it must think of that."""
    await store.extend([Lease(session=SESSION, lease_ms=LEASE_MS, opens=True)], now_ms=NOW)
    await store.claim([ClaimAsk("empty", 1, SESSION)], now_ms=NOW)
    await store.extend([Lease(session=SESSION, lease_ms=0)], now_ms=NOW)
    await put(store, Put(kind=PAUSE, key="empty", value=b"1", session=SESSION))
    assert await store.get([RecordAsk(PAUSE)], now_ms=NOW) == [[]]


async def test_a_record_of_a_session_lives_on_while_it_is_extended(store: Store) -> None:
    await sign_on(store, SESSION)
    await put(store, Put(kind="note", key="key", value=b"1", session=SESSION))
    for number in range(1, 4):
        await store.extend(
            [Lease(session=SESSION, lease_ms=LEASE_MS, queues=(QUEUE,))], now_ms=NOW + number * LEASE_MS - 1
        )
    assert await read(store, now_ms=NOW + 3 * LEASE_MS) is not None


async def test_a_record_may_pass_from_one_session_to_another(store: Store) -> None:
    await sign_on(store, "a")
    await put(store, Put(kind="note", key="key", value=b"1", session="a"))
    late = NOW + LEASE_MS + 1
    await sign_on(store, "b", now_ms=late)
    taken = await store.put([Put(kind="note", key="key", value=b"2", expect=0, session="b")], now_ms=late)
    assert [answer.stored for answer in taken] == [True]
    record = await read(store, now_ms=late)
    assert record is not None
    assert (record.session, record.value) == ("b", b"2")


async def test_a_thousand_records_are_stored_in_one_call(store: Store) -> None:
    names = [f"{number:04}" for number in range(1000)]
    answers = await store.put([value(b"x", name, expect=0) for name in names], now_ms=NOW)
    assert all(answer.stored for answer in answers)
    assert await keys(store) == names
