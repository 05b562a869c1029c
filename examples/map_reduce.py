"""Many parts, and one job that puts them together (seed 003, pattern 2: map-reduce), line by line.

The jobs are added together and name the same follower, so it runs once, after all of them, with all their results.

It prints:

    added 10 parts
    reduced 10 of 10 chunks to 4950
    reduced 1 time
"""

import asyncio
from typing import Any

from longshore import Job, JobContext, QueueManager

queue_manager = QueueManager()
large_dataset = list(range(100))
reduced: list[int] = []


def split_data_into_chunks(data: list[int], size: int) -> list[list[int]]:
    return [data[start : start + size] for start in range(0, len(data), size)]


async def map_process(job: Job[int]) -> int:
    return sum(job.data["chunk"])


@queue_manager.task(queue="reduce-processing", name="reduce-results")
async def reduce_results(ctx: JobContext, totalChunks: int) -> int:  # noqa: N803 - the seed's word
    sums = await ctx.previous
    reduced.append(sum(sums))
    print("reduced", len(sums), "of", totalChunks, "chunks to", reduced[-1])
    return reduced[-1]


async def main() -> None:
    async with queue_manager:
        queue_manager.register_processor("map-processing", map_process)
        # Map phase: break a large dataset into chunks
        chunks = split_data_into_chunks(large_dataset, 10)
        map_jobs: list[dict[str, Any]] = [
            {
                "name": "map-process",
                "data": {"chunk": chunk, "index": index},
                "options": {
                    "chainTo": [
                        {
                            "queueName": "reduce-processing",
                            "jobName": "reduce-results",
                            "data": {"totalChunks": len(chunks)},
                        }
                    ],
                },
            }
            for index, chunk in enumerate(chunks)
        ]
        added = await queue_manager.add_bulk("map-processing", map_jobs)
        print("added", len(added), "parts")
        await queue_manager.run_until_empty()
        print("reduced", len(reduced), "time")


asyncio.run(main())
