"""This module prunes a queue in a process of its own, for the proof `sizes`, and prints how many jobs it has forgotten.

python _pruning.py URL QUEUE
"""

import asyncio
import sys
import time

from longshore.backends import open_store
from longshore.store.commands import SCAN_LIMIT, Delete, JobQuery
from longshore.upkeep.pruner import CHUNK_PAUSE_SECONDS, ENDED_WELL

HOUR_MS = 3_600_000


async def main(url: str, queue: str) -> None:
    """What the pruner of a worker does with jobs that are older than an hour."""
    store = open_store(url)
    await store.open()
    before_ms = time.time_ns() // 1_000_000 - HOUR_MS
    where = JobQuery(queues=(queue,), states=ENDED_WELL, finished_before_ms=before_ms, limit=SCAN_LIMIT)
    pruned, more = 0, True
    while more:
        [changed] = await store.change([Delete(where=where)])
        pruned, more = pruned + len(changed.ids), changed.more
        await asyncio.sleep(CHUNK_PAUSE_SECONDS)
    await store.close()
    print(pruned)


if __name__ == "__main__":
    asyncio.run(main(*sys.argv[1:]))
