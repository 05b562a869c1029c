"""Several processes on one file: wake-ups between them, locks that die with their holder, and forks."""

import asyncio
import os
import signal
import subprocess
import sys
import textwrap
import threading
from pathlib import Path

from longshore.backends.sqlite import SqliteStore
from longshore.backends.sqlite.wakeups import _NAME, wake_folder
from longshore.backends.sqlite.writer_lock import WriterLock
from longshore.core.clock import SystemClock
from longshore.core.verdict import COMPLETED
from longshore.store.commands import ClaimAsk, JobQuery, Lease, Settlement
from longshore.store.replies import Wake, WakeKind

PREAMBLE = """
import asyncio, sys
from longshore.backends.sqlite import SqliteStore
from longshore.core.ids import new_id
from longshore.core.job import NewJob
from longshore.store.commands import *
from longshore.store.replies import *

def job(queue="mail"):
    return NewJob(id=new_id(), queue=queue, name="send", payload=b"{}")
"""


def start(path, body):
    """Another Python that runs `body` with an open `store`, and talks by lines."""
    indented = textwrap.indent(textwrap.dedent(body), "    ")
    opening = f"async def main():\n    store = SqliteStore({str(path)!r})\n    await store.open()\n"
    return subprocess.Popen(
        [sys.executable, "-c", f"{PREAMBLE}\n{opening}{indented}\nasyncio.run(main())"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )


async def line(process):
    return (await asyncio.to_thread(process.stdout.readline)).strip()


def end(process):
    process.kill()
    process.communicate()


async def test_a_job_wakes_a_listener_in_another_process(store, path, jobs):
    other = start(
        path,
        """
        listener = await store.listen([WakeKind.PENDING], ["mail"])
        print("ready", flush=True)
        print(await listener.wait(30), flush=True)
        await listener.close()
        await store.close()
        """,
    )
    assert await line(other) == "ready"
    await store.insert(jobs(1, queue="other"))
    await store.insert(jobs(1))
    assert await line(other) == str([Wake(WakeKind.PENDING, "mail")])
    await asyncio.to_thread(other.communicate)
    assert not wake_folder(path).exists() or not list(wake_folder(path).iterdir())


async def test_another_process_wakes_by_kind(store, path, jobs):
    listener = await store.listen([WakeKind.FINISHED, WakeKind.CANCEL])
    await store.extend([Lease(session="w", lease_ms=60_000, opens=True)])
    await store.insert(jobs(2))
    [claimed] = await store.claim([ClaimAsk("mail", 2, "w")])
    first, second = claimed.jobs
    other = start(
        path,
        f"""
        await store.insert([job()])
        await store.change([Cancel(where=JobQuery(ids=({first.id!r},)))])
        print("cancelled", flush=True)
        await asyncio.to_thread(sys.stdin.readline)
        await store.close()
        """,
    )
    assert await line(other) == "cancelled"
    assert await listener.wait(30) == [Wake(WakeKind.CANCEL, "mail")]
    done = Settlement(id=second.id, queue="mail", session="w", fence=1, verdict=COMPLETED)
    await store.settle([done])
    assert await listener.wait(30) == [Wake(WakeKind.FINISHED, "mail")]
    await listener.close()
    await asyncio.to_thread(other.communicate, "\n")


async def test_the_socket_of_a_killed_process_is_tidied_up(store, path, jobs):
    other = start(
        path,
        """
        listener = await store.listen([WakeKind.PENDING])
        print("ready", flush=True)
        await listener.wait(60)
        """,
    )
    assert await line(other) == "ready"
    folder = wake_folder(path)
    assert len(list(folder.iterdir())) == 1
    await asyncio.to_thread(end, other)
    await store.insert(jobs(1))
    await store.extend([Lease(session="w", lease_ms=60_000)])  # when this is answered the bell has rung
    assert list(folder.iterdir()) == []


async def test_others_see_a_listener_only_when_it_hears(store, path, monkeypatch):
    """Whoever rang before would take it for a dead one and tidy it up."""
    seen = []
    rename = Path.rename

    def look_and_rename(self, target):
        seen.extend(_NAME.fullmatch(each.name) for each in wake_folder(path).iterdir())
        return rename(self, target)

    monkeypatch.setattr(Path, "rename", look_and_rename)
    listener = await store.listen([WakeKind.PENDING])
    assert seen == [None]
    assert [_NAME.fullmatch(each.name)[1] for each in wake_folder(path).iterdir()] == ["p"]
    await listener.close()
    assert not wake_folder(path).exists() or not list(wake_folder(path).iterdir())


async def test_a_process_that_is_killed_inside_a_transaction_leaves_no_lock(store, path, jobs):
    other = start(
        path,
        """
        import threading
        def hang(tx):
            tx.rows("session_open", ("never", 1 << 50))
            print("inside", flush=True)
            threading.Event().wait()
        await store._write(3, hang)
        """,
    )
    assert await line(other) == "inside"
    waiting = asyncio.create_task(store.insert(jobs(1)))
    await asyncio.sleep(0)
    await asyncio.to_thread(end, other)
    assert await waiting == ["created"]
    [answer] = await store.claim([ClaimAsk("mail", 1, "never")])
    assert answer.session_lost


async def test_who_waits_behind_a_process_that_hangs_is_told(impatient, path, jobs):
    other = start(
        path,
        """
        import threading
        def hang(tx):
            print("inside", flush=True)
            threading.Event().wait()
        await store._write(3, hang)
        """,
    )
    assert await line(other) == "inside"
    answers = await asyncio.gather(*(impatient.insert(jobs(1)) for _ in range(3)), return_exceptions=True)
    assert [answer.reason for answer in answers] == ["locked"] * 3
    await asyncio.to_thread(end, other)
    assert await impatient.insert(jobs(1)) == ["created"]
    [counts] = await impatient.count(["mail"])
    assert sum(counts.states.values()) == 1, "a call that was told 'locked' was carried out later"


async def test_a_store_can_be_closed_while_another_process_hangs(path, jobs):
    store = SqliteStore(path, patience_seconds=0.2)
    await store.open()
    other = start(
        path,
        """
        import threading
        def hang(tx):
            print("inside", flush=True)
            threading.Event().wait()
        await store._write(3, hang)
        """,
    )
    assert await line(other) == "inside"
    waiting = asyncio.create_task(store.insert(jobs(1)))
    await asyncio.sleep(0)
    await store.close()
    [answer] = await asyncio.gather(waiting, return_exceptions=True)
    assert answer.reason in {"closed", "locked"}
    await asyncio.to_thread(end, other)


def test_a_forked_child_does_not_keep_the_lock_of_its_parent(path):
    writer_lock = WriterLock(path, SystemClock(), lambda: None)
    writer_lock.enter()
    child = os.fork()
    if child == 0:
        signal.pause()  # lives on when the parent has let go of everything
        os._exit(0)
    try:
        os.close(writer_lock._descriptor)  # as the kernel does when the parent is killed
        writer_lock._descriptor = -1
        second = WriterLock(path, SystemClock(), lambda: None)
        inside = threading.Thread(target=second.enter, daemon=True)
        inside.start()
        inside.join(10)
        assert not inside.is_alive()
        second.close()
    finally:
        os.kill(child, signal.SIGKILL)
        os.waitpid(child, 0)


async def test_two_processes_give_each_job_to_one_of_them(store, path, jobs):
    await store.insert(jobs(1000))
    body = """
        await store.extend([Lease(session=SESSION, lease_ms=60_000, opens=True)])
        print("ready", flush=True)
        await asyncio.to_thread(sys.stdin.readline)
        count = 0
        while True:
            [answer] = await store.claim([ClaimAsk("mail", 7, SESSION)])
            if not answer.jobs:
                break
            count += len(answer.jobs)
        print(count, flush=True)
        await store.close()
    """
    others = [start(path, body.replace("SESSION", repr(name))) for name in "ab"]
    for other in others:
        assert await line(other) == "ready"
    for other in others:
        other.stdin.write("\n")
        other.stdin.flush()
    counts = [int(await line(other)) for other in others]
    assert sum(counts) == 1000
    [page] = await store.scan([JobQuery(limit=1000)])
    assert {job.fence for job in page.jobs} == {1}
    for other in others:
        await asyncio.to_thread(other.communicate)
