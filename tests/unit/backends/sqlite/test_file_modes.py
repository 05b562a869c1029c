"""Who may read the files, and where they are."""

import os
import stat

import pytest

from longshore.backends.sqlite import SqliteStore, from_url
from longshore.backends.sqlite.wakeups import wake_folder
from longshore.core.errors import InvalidOption, SettingsError, UnknownOption
from longshore.store.replies import WakeKind


def mode(path):
    return stat.S_IMODE(path.stat().st_mode)


@pytest.mark.parametrize("umask", [0o000, 0o022, 0o277])
async def test_only_the_owner_may_read_whatever_the_umask(path, jobs, umask):
    before = os.umask(umask)
    try:
        store = SqliteStore(path)
        await store.open()
        await store.insert(jobs(1))
        listener = await store.listen([WakeKind.PENDING])
        files = {file.name: mode(file) for file in path.parent.glob("jobs.db*") if file.is_file()}
        folder = mode(wake_folder(path))
        [socket] = [mode(file) for file in wake_folder(path).iterdir()]
        await listener.close()
        await store.close()
    finally:
        os.umask(before)
    assert (folder, socket) == (0o700, 0o600)
    assert not wake_folder(path).exists()
    assert set(files) == {"jobs.db", "jobs.db-wal", "jobs.db-shm", "jobs.db.lock"}
    assert set(files.values()) == {0o600}


async def test_no_draft_of_the_file_is_left(path):
    store = SqliteStore(path)
    await store.open()
    await store.close()
    assert {file.name for file in path.parent.iterdir()} <= {"jobs.db", "jobs.db.lock"}


def test_a_long_path_has_its_sockets_in_a_short_folder(tmp_path):
    long = tmp_path / ("x" * 120) / "jobs.db"
    folder = wake_folder(long)
    assert len(os.fsencode(folder)) < 80
    assert folder == wake_folder(long)
    assert folder != wake_folder(long.with_name("other.db"))


@pytest.mark.parametrize(
    ("url", "path"),
    [
        ("sqlite:///jobs.db", "jobs.db"),
        ("sqlite:////var/lib/my%20jobs.db", "/var/lib/my jobs.db"),
        ("sqlite:///data/jobs.db?synchronous=normal", "data/jobs.db"),
    ],
)
def test_a_url_leads_to_its_file(url, path):
    assert from_url(url).url == f"sqlite:///{os.path.realpath(path)}"


def test_the_url_may_relax_durability():
    assert from_url("sqlite:///jobs.db?synchronous=normal")._settings.synchronous == "normal"
    assert from_url("sqlite:///jobs.db")._settings.synchronous == "full"


@pytest.mark.parametrize("url", ["sqlite://jobs.db", "sqlite:///", "sqlite://"])
def test_a_url_without_a_path_is_refused_with_an_example(url):
    with pytest.raises(SettingsError, match=r"sqlite:///jobs\.db"):
        from_url(url)


def test_unknown_options_and_values_are_refused():
    with pytest.raises(UnknownOption):
        from_url("sqlite:///jobs.db?synchronus=normal")
    with pytest.raises(InvalidOption):
        from_url("sqlite:///jobs.db?synchronous=off")
