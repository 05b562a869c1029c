"""What is acknowledged is there, once, whatever becomes of the processes that share a SQLite file."""

import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import apsw

from longshore.backends import open_store
from longshore.core.states import State
from longshore.testing.conformance.jobs import QUEUE, new_jobs

PROGRAM = Path(__file__).with_name("busy_process.py")
BATCH = 10_000


@contextmanager
def busy_process(path: Path, task: str, name: str) -> Iterator[subprocess.Popen[str]]:
    """A process at work, killed in the end wherever it is."""
    command = [sys.executable, str(PROGRAM), f"sqlite:///{path}", task, name]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        try:
            yield process
        finally:
            process.kill()


def acknowledged(lines: list[str]) -> tuple[int, list[str]]:
    """How many jobs the store took, and the ids of those that were done. The last line may be torn."""
    words = [line.split() for line in lines if line.endswith("\n")]
    added = sum(int(numbers[0]) for word, *numbers in words if word == "added")
    return added, [job_id for word, *job_ids in words if word == "done" for job_id in job_ids]


def wrong_counts(path: Path) -> list[tuple[str, int, int, int]]:
    """Queue, state, counted and real number of jobs where these differ."""
    connection = apsw.Connection(str(path))
    assert connection.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
    rows = connection.execute("SELECT queue, state, n FROM tally").fetchall()
    counted = {(queue, state): number for queue, state, number in rows}
    found = connection.execute("SELECT queue, state, COUNT(*) FROM job GROUP BY queue, state").fetchall()
    real = {(queue, state): number for queue, state, number in found}
    connection.close()
    keys = counted.keys() | real.keys()
    return [
        (*key, counted.get(key, 0), real.get(key, 0))
        for key in keys
        if counted.get(key, 0) != real.get(key, 0)
    ]


async def test_a_process_killed_while_it_adds_and_works_leaves_whole_steps_behind(tmp_path: Path):
    path = tmp_path / "jobs.db"
    added, done = 0, Counter[str]()
    for round_number in range(4):
        with busy_process(path, "add", f"round-{round_number}") as process:
            assert process.stdout is not None
            lines = [process.stdout.readline() for _ in range(10 + 7 * round_number)]
            process.kill()
            more, ids = acknowledged(lines + process.stdout.readlines())
        added += more
        done.update(ids)

        store = open_store(f"sqlite:///{path}")
        await store.open()
        counts = {counted.queue: counted.states for counted in await store.count(None)}
        await store.close()
        total, completed = sum(counts[QUEUE].values()), counts[QUEUE][State.COMPLETED]
        assert total % BATCH == 0
        assert total >= added
        assert completed == counts["followers"][State.PENDING]
        assert completed >= len(done)
    assert max(done.values()) == 1
    assert wrong_counts(path) == []


async def test_two_processes_do_every_job_exactly_once(tmp_path: Path):
    path = tmp_path / "jobs.db"
    store = open_store(f"sqlite:///{path}")
    await store.open()
    jobs = new_jobs(5000)
    await store.insert(jobs)
    with busy_process(path, "drain", "a") as first, busy_process(path, "drain", "b") as second:
        outputs = [
            process.communicate(timeout=50)[0].splitlines(keepends=True) for process in (first, second)
        ]
        assert (first.returncode, second.returncode) == (0, 0)
    done = Counter(job_id for lines in outputs for job_id in acknowledged(lines)[1])
    assert done == Counter(job.id.hex() for job in jobs)
    [followers] = await store.count(["followers"])
    assert followers.states[State.PENDING] == len(jobs)
    await store.close()
    assert wrong_counts(path) == []
