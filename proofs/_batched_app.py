"""This module is the processes of the proof `batched`.

_batched_app.py keep FOLDER EVERY FIRST     adds items FIRST, FIRST + 1, … until it is killed
_batched_app.py finish FOLDER EVERY         brings back what was saved, works it off, and ends
_batched_app.py stream HOW ITEMS            items through no-op batches of 50; prints rate and peak memory
"""

import asyncio
import json
import os
import resource
import sys
import time
from pathlib import Path

from longshore import BatchedQueue, FileStorage, Persistence

WARM_UP = 200_000


class Diary:
    """Lines of "item time" that are in the kernel's hands when `write` returns: a SIGKILL loses none."""

    def __init__(self, path: Path) -> None:
        self._handle = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)

    def write(self, *items: int) -> None:
        """The items, now; the clock is the machine's, so that the parent's is the same."""
        now_s = time.monotonic()
        os.write(self._handle, "".join(f"{item} {now_s:.6f}\n" for item in items).encode())


async def keep(folder: str, every: str, first: str) -> None:
    """Adds for ever, faster than it is worked off, so that there is always something to lose."""
    added = Diary(Path(folder) / "added")
    queue = _kept(Path(folder), float(every), batch_s=0.1)
    item = int(first)
    while True:
        await queue.enqueue(item)
        added.write(item)
        item += 1
        await asyncio.sleep(0.0005)


async def finish(folder: str, every: str) -> None:
    """What was saved, to its end."""
    async with _kept(Path(folder), float(every), batch_s=0.0) as queue:
        await queue.drain(60)


async def stream(how: str, count: str) -> None:
    """Millions of items, and what they cost."""
    await _pass_through(how, WARM_UP)
    before_kb = _peak_kb()
    begin_s = time.perf_counter()
    done = await _pass_through(how, int(count))
    took_s = time.perf_counter() - begin_s
    print(json.dumps({"done": done, "per_s": done / took_s, "grew_mb": (_peak_kb() - before_kb) / 1024}))


def _kept(folder: Path, every: float, *, batch_s: float) -> BatchedQueue[int]:
    done = Diary(folder / "done")

    async def work(items: list[int]) -> list[bool]:
        await asyncio.sleep(batch_s)
        done.write(*items)
        return [True] * len(items)

    persistence = Persistence(FileStorage(folder), "kept", every=every)
    return BatchedQueue(work, batch_size=20, flush_interval=0.05, persistence=persistence)


async def _pass_through(how: str, count: int) -> int:
    async def nothing(items: list[int]) -> list[bool]:
        return [True] * len(items)

    async with BatchedQueue(nothing, batch_size=50) as queue:
        if how == "many":
            await queue.enqueue_many(iter(range(count)))
        else:
            for item in range(count):
                await queue.enqueue(item)
    return queue.stats.completed


def _peak_kb() -> int:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss


if __name__ == "__main__":
    asyncio.run({"keep": keep, "finish": finish, "stream": stream}[sys.argv[1]](*sys.argv[2:]))
