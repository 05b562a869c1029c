"""An open SQLite store in a folder of the test's own, and jobs for it."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from longshore.backends.sqlite import SqliteStore
from longshore.core.ids import new_id
from longshore.core.job import NewJob


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "jobs.db"


@pytest.fixture
async def store(path: Path) -> AsyncIterator[SqliteStore]:
    store = SqliteStore(path)
    await store.open()
    yield store
    await store.close()


@pytest.fixture
async def impatient(path: Path) -> AsyncIterator[SqliteStore]:
    """A store that soon gives up behind a lock; on a busy machine an honest writer may hold one for as long."""
    store = SqliteStore(path, patience_seconds=0.2)
    await store.open()
    yield store
    await store.close()


@pytest.fixture
def jobs():
    def make(count: int, payload: bytes = b"{}", queue: str = "mail") -> list[NewJob]:
        return [NewJob(id=new_id(), queue=queue, name="send", payload=payload) for _ in range(count)]

    return make
