"""This module shows what SQLite, asyncio and threads themselves allow: the same work and no queue system.

For SQLite that is the same durability and record: one table with a partial index, a batch claimed by one UPDATE …
RETURNING and settled by one executemany, each in a transaction of its own; `drain` runs one asyncio task for each job
besides. What a product does beyond this (fences, leases, counters, retries, wake-ups, history to search) is what the
shares in the table pay for.

    limits.py FILE JOBS    prints one line of JSON, per second: one, bulk, claim_settle, drain, io, threads; start in ms
"""

import asyncio
import json
import os
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from queue import SimpleQueue
from typing import Any

import apsw
import msgspec
import uuid_utils

from longshore.cli.loops import run_on

FILLER = "x" * 100
BATCH = 500
REST_S = 0.02
HAND_OVERS = 100
ONE_BY_ONE_SHARE = 20
"""Commits are so much rarer than jobs in the other figures."""

SCHEMA = """
CREATE TABLE job (
  seq INTEGER PRIMARY KEY,
  id BLOB NOT NULL UNIQUE,
  state INT NOT NULL,
  priority INT NOT NULL,
  name TEXT NOT NULL,
  payload BLOB NOT NULL,
  attempt INT NOT NULL DEFAULT 0,
  session TEXT,
  created INT NOT NULL,
  finished INT
);
CREATE INDEX ready ON job (priority, seq) WHERE state = 1;
"""
INSERT = "INSERT INTO job (id, state, priority, name, payload, created) VALUES (?, 1, 0, 'noop', ?, ?)"
CLAIM = """
UPDATE job SET state = 2, attempt = attempt + 1, session = 's'
WHERE seq IN (SELECT seq FROM job WHERE state = 1 ORDER BY priority, seq LIMIT ?)
RETURNING seq, id, name, payload, attempt
"""
SETTLE = (
    "UPDATE job SET state = 3, finished = ? WHERE seq = ? AND session = 's' AND attempt = ? AND state = 2"
)

Row = Any


def open_database(file: Path) -> apsw.Connection:
    """A new file that survives a loss of power."""
    connection = apsw.Connection(str(file))
    connection.pragma("journal_mode", "wal")
    connection.pragma("synchronous", "full")
    connection.pragma("cache_size", -64_000)
    connection.execute(SCHEMA)
    return connection


def enqueue(connection: apsw.Connection, jobs: int, batch: int) -> None:
    """Inserts jobs, so many in each transaction."""
    for begin in range(0, jobs, batch):
        now = time.time_ns() // 1_000_000
        rows = [(uuid_utils.uuid7().bytes, payload(n), now) for n in range(begin, min(begin + batch, jobs))]
        connection.execute("BEGIN IMMEDIATE")
        connection.executemany(INSERT, rows)
        connection.execute("COMMIT")


def payload(number: int) -> bytes:
    """What every job carries."""
    return msgspec.json.encode({"n": number, "s": FILLER})


def claim(connection: apsw.Connection) -> list[Row]:
    """The next batch."""
    connection.execute("BEGIN IMMEDIATE")
    rows = connection.execute(CLAIM, (BATCH,)).fetchall()
    connection.execute("COMMIT")
    return rows


def settle(connection: apsw.Connection, rows: list[Row]) -> None:
    """The end of a batch."""
    now = time.time_ns() // 1_000_000
    connection.execute("BEGIN IMMEDIATE")
    connection.executemany(SETTLE, [(now, row[0], row[4]) for row in rows])
    connection.execute("COMMIT")


def claim_and_settle(connection: apsw.Connection) -> None:
    """A drain that runs nothing."""
    while rows := claim(connection):
        settle(connection, rows)


async def drain(connection: apsw.Connection) -> None:
    """A drain that runs a task for each job."""
    while rows := claim(connection):
        await asyncio.gather(*(asyncio.create_task(run_job(row[3])) for row in rows))
        settle(connection, rows)


async def run_job(data: bytes) -> None:
    """What a worker does at least."""
    await noop(**msgspec.json.decode(data))


async def noop(n: int, s: str) -> None:
    """Nothing."""


async def io(jobs: int) -> None:
    """100 coroutines that wait 10 ms again and again."""

    async def slot() -> None:
        for _ in range(jobs // 100):
            await asyncio.sleep(0.01)

    await asyncio.gather(*(slot() for _ in range(100)))


async def start_ms(times: int) -> float:
    """Half of all hand-overs from one task to another, over a queue of asyncio, take longer; each after 20 ms in which
    nothing happened. After such a rest even a loop that counts to a hundred takes many times as long as it does
    otherwise on most machines, virtual ones above all: this is what is left of a target for whoever does more."""
    waits_ms: list[float] = []
    moments: asyncio.Queue[int] = asyncio.Queue()

    async def take() -> None:
        while True:
            sent_ns = await moments.get()
            waits_ms.append((time.monotonic_ns() - sent_ns) / 1e6)

    taking = asyncio.create_task(take())
    for _ in range(times):
        await asyncio.sleep(REST_S)
        moments.put_nowait(time.monotonic_ns())
    await asyncio.sleep(REST_S)
    taking.cancel()
    return sorted(waits_ms)[times // 2]


def threads(jobs: int) -> None:
    """32 threads that take a number and block for 1 ms."""
    numbers: SimpleQueue[int] = SimpleQueue()
    for number in [*range(jobs), *[-1] * 32]:
        numbers.put(number)

    def work() -> None:
        while numbers.get() >= 0:
            time.sleep(0.001)

    workers = [threading.Thread(target=work) for _ in range(32)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()


def per_second(jobs: int, work: Callable[[], None]) -> float:
    """How fast `work` does `jobs` jobs."""
    begin_s = time.perf_counter()
    work()
    return jobs / (time.perf_counter() - begin_s)


def measure(file: Path, jobs: int) -> dict[str, float]:
    """Every limit, on a new file."""
    connection = open_database(file)
    ones = max(jobs // ONE_BY_ONE_SHARE, 10)
    figures = {"bulk": per_second(jobs, lambda: enqueue(connection, jobs, BATCH))}
    figures["claim_settle"] = per_second(jobs, lambda: claim_and_settle(connection))
    enqueue(connection, jobs, BATCH)
    figures["drain"] = per_second(jobs, lambda: asyncio.run(drain(connection)))
    figures["one"] = per_second(ones, lambda: enqueue(connection, ones, 1))
    connection.close()
    few = max(jobs // 10, 200)
    figures["io"] = per_second(few, lambda: run_on(os.environ.get("BENCH_LOOP", "auto"), io(few)))
    figures["start"] = run_on(os.environ.get("BENCH_LOOP", "auto"), start_ms(HAND_OVERS))
    figures["threads"] = per_second(few, lambda: threads(few))
    return figures


if __name__ == "__main__":
    print(json.dumps(measure(Path(sys.argv[1]), int(sys.argv[2]))))
