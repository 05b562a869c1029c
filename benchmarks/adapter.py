"""This module is Longshore as a subject of the peers' harness: the same job bodies, payloads and clock as everyone's.

The harness gives the place of the store in BENCH_SQLITE, BENCH_PG or BENCH_REDIS, which of them in BENCH_VARIANT, and
calls the commands that its `benchlib` describes. Nothing is tuned away: durable settings (synchronous=FULL), history
kept, one worker process.
"""

import os
import sys
from typing import Any

sys.path.insert(0, os.environ["BENCH_LIB"])
from benchlib import (
    ASYNC,
    HOUR_S,
    PG,
    PRIORITIES,
    RECOVERY,
    REDIS,
    SHORTEST_RECOVERY,
    SQLITE,
    Adapter,
    main,
    priority,
)

from longshore import QueueManager, Retry

URLS = {
    "sqlite": f"sqlite:///{SQLITE}",
    "sqlite-normal": f"sqlite:///{SQLITE}?synchronous=normal",
    "postgres": PG,
    "redis": REDIS,
}
LEASE_S = 2 if SHORTEST_RECOVERY else 30
CHUNK = 1000

manager = QueueManager(URLS[os.environ["BENCH_VARIANT"]], lease=LEASE_S if RECOVERY else 30)
queue = manager.queue("bench", retry=Retry(3))
TASKS = {kind: queue.task(name=kind)(body) for kind, body in ASYNC.items()}


class Longshore(Adapter):
    """Longshore through its public API."""

    priorities = True

    async def reset(self) -> None:
        async with manager:
            await manager.get_stats()

    async def open(self) -> None:
        await manager.get_stats()

    async def close(self) -> None:
        await manager.shutdown()

    async def one(self, kind: str, payload: dict[str, Any]) -> None:
        await TASKS[kind].enqueue(**payload)

    async def bulk(self, kind: str, payloads: Any) -> None:
        if not PRIORITIES:
            await TASKS[kind].enqueue_many(payloads)
            return
        for level in range(10):
            chosen = [payload for payload in payloads if priority(payload) == level]
            await TASKS[kind].options(priority=level).enqueue_many(chosen)

    async def delayed(self, kind: str, payloads: Any) -> None:
        await TASKS[kind].options(delay=HOUR_S).enqueue_many(payloads)

    async def work(self, slots: int) -> None:
        await manager.run_worker(concurrency=slots)


if __name__ == "__main__":
    main(Longshore())
