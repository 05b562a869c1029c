"""What a caller is told when the store cannot be used, and that it works again when the cause is gone."""

import asyncio
import os

import apsw
import pytest

from longshore.backends.sqlite import SqliteStore
from longshore.backends.sqlite.commands import OTHER
from longshore.core.errors import StoreUnavailable


async def refused(call) -> str:
    with pytest.raises(StoreUnavailable) as raised:
        await call
    return raised.value.reason


async def pragma(store, name, value):
    return await store._write(OTHER, lambda tx: tx.connection.pragma(name, value))


async def test_a_full_file_refuses_and_recovers(store, jobs):
    await pragma(store, "max_page_count", 40)
    assert await refused(store.insert(jobs(2000, payload=b"x" * 1000))) == "full"
    await pragma(store, "max_page_count", 1_000_000)
    assert await store.insert(jobs(1)) == ["created"]
    [counts] = await store.count(["mail"])
    assert sum(counts.states.values()) == 1


async def test_a_read_only_file_refuses_and_recovers(store, jobs):
    await pragma(store, "query_only", 1)
    assert await refused(store.insert(jobs(1))) == "read-only"
    assert await store.insert(jobs(1)) == ["created"]


async def test_a_foreign_lock_refuses_after_the_patience_and_recovers(impatient, path, jobs):
    foreign = apsw.Connection(str(path))
    foreign.execute("BEGIN IMMEDIATE")
    assert await refused(impatient.insert(jobs(1))) == "locked"
    assert await impatient.count(None) == []  # reads wait for no writer
    foreign.execute("ROLLBACK")
    assert await impatient.insert(jobs(1)) == ["created"]
    foreign.close()


async def test_all_that_wait_behind_a_lock_are_told(impatient, path, jobs):
    foreign = apsw.Connection(str(path))
    foreign.execute("BEGIN IMMEDIATE")
    answers = await asyncio.gather(*(impatient.insert(jobs(1)) for _ in range(5)), return_exceptions=True)
    assert {answer.reason for answer in answers} == {"locked"}
    assert len({id(answer) for answer in answers}) == 5
    foreign.close()


async def test_a_deleted_file_is_unreachable_and_not_written_in_the_dark(store, path, jobs):
    await store.insert(jobs(1))
    for file in path.parent.glob("jobs.db*"):
        if file.is_file() and file.suffix != ".lock":
            file.unlink()
    assert await refused(store.insert(jobs(1))) == "unreachable"
    assert await refused(store.count(None)) == "unreachable"


async def test_a_file_that_comes_back_is_used_again(store, path, jobs):
    await store.insert(jobs(1))
    hidden = path.with_name("hidden.db")
    await store._write(OTHER, lambda tx: None)
    path.rename(hidden)
    assert await refused(store.insert(jobs(1))) == "unreachable"
    hidden.rename(path)
    assert await store.insert(jobs(1)) == ["created"]
    [counts] = await store.count(["mail"])
    assert sum(counts.states.values()) == 2


async def test_a_file_that_is_no_database_is_corrupt(path):
    path.write_bytes(b"this is not a database, however long one reads it" * 100)
    assert await refused(SqliteStore(path).open()) == "corrupt"


async def test_a_missing_folder_is_named(tmp_path):
    store = SqliteStore(tmp_path / "nowhere" / "jobs.db")
    with pytest.raises(StoreUnavailable, match="nowhere does not exist"):
        await store.open()


async def test_a_folder_in_place_of_the_file_is_unreachable(tmp_path):
    (tmp_path / "jobs.db").mkdir()
    assert await refused(SqliteStore(tmp_path / "jobs.db").open()) == "unreachable"


async def test_an_old_sqlite_is_refused(path, monkeypatch):
    monkeypatch.setattr(apsw, "sqlite_lib_version", lambda: "3.51.2")
    with pytest.raises(StoreUnavailable, match=r"SQLite 3\.51\.2"):
        await SqliteStore(path).open()


async def test_a_store_that_was_not_opened_says_so(path, jobs):
    assert await refused(SqliteStore(path).insert(jobs(1))) == "closed"


async def test_a_forked_child_is_told_to_open_its_own(store, jobs):
    core = store._core
    core._process = os.getpid() + 1
    with pytest.raises(StoreUnavailable, match="open a store of its own"):
        await store.insert(jobs(1))
    core._process = os.getpid()
