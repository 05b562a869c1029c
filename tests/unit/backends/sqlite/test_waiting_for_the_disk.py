"""What waits until it is on the disk, and what a loss of power may undo."""

from collections import Counter
from collections.abc import Iterator

import apsw
import pytest

from longshore.backends.sqlite import SqliteStore
from longshore.core.verdict import COMPLETED
from longshore.store.commands import ClaimAsk, Lease, Settlement


@pytest.fixture
def syncs() -> Iterator[Counter[str]]:
    """How often SQLite has waited for the disk, by the end of the file's name."""
    counted: Counter[str] = Counter()
    default = apsw.vfs_names()[0]

    class CountedFile(apsw.VFSFile):
        def __init__(self, name, flags):
            super().__init__(default, name, flags)
            self._kind = str(name.filename() if isinstance(name, apsw.URIFilename) else name)[-4:]

        def xSync(self, flags):  # noqa: N802 - SQLite's name
            counted[self._kind] += 1
            super().xSync(flags)

    class CountedFiles(apsw.VFS):
        def __init__(self):
            super().__init__("counted", base=default, makedefault=True)

        def xOpen(self, name, flags):  # noqa: N802
            return CountedFile(name, flags)

    files = CountedFiles()
    yield counted
    files.unregister()
    assert apsw.vfs_names()[0] == default


@pytest.mark.parametrize("synchronous", ["full", "normal"])
async def test_jobs_and_verdicts_wait_for_the_disk_and_claims_and_leases_do_not(
    syncs, path, jobs, synchronous
):
    store = SqliteStore(path, synchronous=synchronous)
    await store.open()
    waits = 1 if synchronous == "full" else 0

    async def waited(call) -> int:
        before = syncs["-wal"]
        await call
        return syncs["-wal"] - before

    await store.extend([Lease(session="w", lease_ms=60_000, opens=True)])
    [job] = jobs(1)
    assert await waited(store.insert([job])) == waits
    assert await waited(store.claim([ClaimAsk("mail", 1, "w")])) == 0
    assert await waited(store.extend([Lease(session="w", lease_ms=60_000)])) == 0
    done = Settlement(id=job.id, queue="mail", session="w", fence=1, verdict=COMPLETED)
    assert await waited(store.settle([done])) == waits
    await store.close()
