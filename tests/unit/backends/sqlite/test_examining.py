"""What `examine` finds about a file and its place."""

import apsw
import pytest

from longshore.backends.sqlite import SqliteStore, examining


async def codes(store):
    return {finding.code: finding.level for finding in await store.examine()}


async def test_nothing_is_found_about_a_good_file(store):
    assert await codes(store) == {}


async def test_relaxed_durability_is_a_warning(path):
    store = SqliteStore(path, synchronous="normal")
    await store.open()
    assert await codes(store) == {"not-synchronous": "warning"}
    await store.close()


async def test_a_file_that_others_may_read_is_a_warning(store, path):
    path.chmod(0o644)
    [finding] = await store.examine()
    assert (finding.level, finding.code, finding.remedy) == (
        "warning",
        "readable-by-others",
        f"chmod 600 {path}",
    )


async def test_an_old_library_is_an_error(store, monkeypatch):
    monkeypatch.setattr(apsw, "sqlite_lib_version", lambda: "3.51.2")
    assert await codes(store) == {"old-sqlite": "error"}


async def test_a_network_file_system_is_an_error(store, monkeypatch):
    monkeypatch.setattr(examining, "_file_system", lambda path: 0x6969)
    [finding] = await store.examine()
    assert (finding.level, finding.code) == ("error", "network-file-system")
    assert "NFS" in finding.problem


async def test_the_file_system_of_this_folder_is_known_to_the_kernel(tmp_path):
    assert examining._file_system(tmp_path) != 0


@pytest.mark.parametrize(
    ("limit", "code"), [("LARGE_LOG_BYTES", "large-wal"), ("LOW_DISK_BYTES", "low-disk")]
)
async def test_sizes_beyond_their_limits_are_warnings(store, jobs, monkeypatch, limit, code):
    await store.insert(jobs(100))
    monkeypatch.setattr(examining, limit, 0 if code == "large-wal" else 1 << 62)
    assert await codes(store) == {code: "warning"}


async def test_a_damaged_file_is_an_error(path, jobs):
    store = SqliteStore(path)
    await store.open()
    await store.insert(jobs(2000))
    await store.close()
    with path.open("r+b") as file:
        file.seek(4096 * 12)
        file.write(b"\xff" * 4096)
    await store.open()
    assert (await codes(store))["corrupt"] == "error"
    assert await store.examine(contents=False) == []  # a worker's start does not read the whole file
    await store.close()
