"""Work that needs a processor runs in child processes: `process=True`. A child that dies takes only its own job along.

It prints:

    4 pictures of 4 kB each, drawn in other processes: True
    the one that killed its process: failed after 3 crashes
    the one beside it: completed
"""

import asyncio
import os
import zlib

from longshore import QueueManager

manager = QueueManager()
cpu = manager.queue("cpu")


@cpu.task(process=True)
def draw(size_bytes: int) -> tuple[int, int]:
    picture = bytes(number * number % 251 for number in range(size_bytes))
    zlib.compress(picture, 9)
    return len(picture), os.getpid()


@cpu.task(process=True)
def segfault() -> None:
    os.kill(os.getpid(), 11)


async def main() -> None:
    async with manager:
        pictures = await draw.enqueue_many([(4096,)] * 4)
        await manager.run_until_empty(concurrency=4)
        results = [await picture.result() for picture in pictures]
        elsewhere = all(pid != os.getpid() for _, pid in results)
        print(
            f"{len(results)} pictures of {results[0][0] // 1024} kB each, drawn in other processes:",
            elsewhere,
        )

        poison, beside = await segfault.enqueue(), await draw.enqueue(4096)
        await manager.run_until_empty()
        await poison.refresh()
        await beside.refresh()
        print(f"the one that killed its process: {poison.state} after {poison.crashes} crashes")
        print("the one beside it:", beside.state)


if __name__ == "__main__":  # a child process imports this file to find the task
    asyncio.run(main())
