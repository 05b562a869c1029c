"""A manager that was used before its process forks, as under `gunicorn --preload`: parent and children go on, each
with connections of its own."""

import json
import subprocess
import sys
from uuid import uuid4

import pytest

PROGRAM = """
import json, os, sys
from longshore import QueueManager

manager = QueueManager(sys.argv[1])

@manager.task
def count(number: int) -> None: ...

def add():
    for number in range(50):
        count.enqueue_sync(number)

children = []
with manager:
    add()
    for ending in ("shutdown", "plainly", "at once"):
        child = os.fork()
        if child == 0:
            add()
            if ending == "shutdown":
                manager.shutdown_sync()
            if ending == "at once":
                os._exit(0)
            sys.exit(0)
        children.append(child)
    add()
    codes = [os.waitpid(child, 0)[1] for child in children]
    idle = os.fork()
    if idle == 0:
        manager.shutdown_sync()  # used nothing here
        sys.exit(0)
    codes.append(os.waitpid(idle, 0)[1])
    add()
    before = manager.get_stats_sync().pending
    manager.run_until_empty_sync()
    after = manager.get_stats_sync()
    print(json.dumps([codes, before, after.pending]))
"""


@pytest.fixture(params=["sqlite", "postgres", "redis"])
def url(request, tmp_path):
    """Of an empty store that processes share."""
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path}/jobs.db"
    if request.param == "postgres":
        return f"{request.getfixturevalue('postgres').url}?schema=fork_{uuid4().hex[:8]}"
    return f"{request.getfixturevalue('redis_server').url}?prefix=fork{uuid4().hex[:8]}"


def run(program, *arguments):
    """What a process of its own prints: pytest's would take its threads through the fork."""
    done = subprocess.run(
        [sys.executable, "-W", "error::ResourceWarning", "-c", program, *arguments],
        capture_output=True,
        text=True,
        timeout=50,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def test_parent_and_children_add_and_end_side_by_side(url):
    """Each with 50 jobs at once; the parent waits for jobs with its old connections afterwards."""
    codes, before, after = run(PROGRAM, url)
    assert codes == [0, 0, 0, 0]
    assert (before, after) == (6 * 50, 0)


BUSY = """
import json, os, sys, threading
import apsw
from longshore import QueueManager, StoreUnavailable

manager = QueueManager(sys.argv[1])

@manager.task
def count(number: int) -> None: ...

with manager:
    count.enqueue_sync(1)
    if sys.argv[2:]:
        ours = apsw.Connection(sys.argv[1].removeprefix("sqlite:///"))
        ours.execute("SELECT * FROM sqlite_schema").fetchall()
    stop = threading.Event()

    def add_all_the_time():
        while not stop.is_set():
            count.enqueue_sync(2)
            manager.get_stats_sync()

    adding = threading.Thread(target=add_all_the_time)
    adding.start()
    codes = []
    for _ in range(10):
        child = os.fork()
        if child == 0:
            try:
                count.enqueue_sync(3)
            except StoreUnavailable as error:
                os._exit(7 if "spawn" in str(error) else 8)
            manager.shutdown_sync()
            os._exit(0)
        codes.append(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))
    stop.set()
    adding.join()
    print(json.dumps(codes))
"""


def test_a_fork_waits_for_the_transactions_of_other_threads(tmp_path):
    """No connection to SQLite is open while the process forks: the child would get its locks wrong."""
    assert run(BUSY, f"sqlite:///{tmp_path}/jobs.db") == [0] * 10


def test_a_child_is_refused_a_file_that_a_foreign_connection_had_open(tmp_path):
    """Its jobs could be lost with the write-ahead log that the parent removes."""
    path = tmp_path / "jobs.db"
    assert run(BUSY, f"sqlite:///{path}", "with a connection of its own") == [7] * 10
