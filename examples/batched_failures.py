"""A bulk call that fails is tried again, and one that can never succeed is not: "Handling Processor Failures" and
"Retry Configuration" of seed 000. `maxRetries: 3` there is `max_attempts=4` here: the first attempt counts.

It prints:

    the bulk call failed: the service is busy
    2 of 3 accepted
    the bulk call failed: the key is not valid
    2 completed, 1 failed
"""

import asyncio
from itertools import count

from longshore import BatchedQueue, ItemResult, Retry


class ApiError(Exception):
    def __init__(self, message: str, code: str) -> None:
        super().__init__(message)
        self.code = code


calls = count(1)


async def bulk_request(requests: list[str]) -> list[bool]:
    """A service that is busy at first, and then refuses what is not its own."""
    call = next(calls)
    if call == 1:
        raise ApiError("the service is busy", "BUSY")
    if call == 3:
        raise ApiError("the key is not valid", "INVALID_AUTH")
    return [request != "/orders/3" for request in requests]


async def call_api(requests: list[str]) -> list[ItemResult]:
    try:
        responses = await bulk_request(requests)
    except ApiError as error:
        print(f"the bulk call failed: {error}")
        again = error.code != "INVALID_AUTH"  # Don't retry auth errors
        return [ItemResult(success=False, error=error, retryable=again) for _ in requests]
    print(f"{sum(responses)} of {len(requests)} accepted")
    return [ItemResult(success=ok) for ok in responses]


async def main() -> None:
    queue = BatchedQueue(
        call_api,
        batch_size=10,
        flush_interval=2.0,
        retry=Retry(max_attempts=4, initial=0.01, factor=2, maximum=30),
    )
    async with queue:
        await queue.enqueue_many(["/orders/1", "/orders/2", "/orders/3"])
    print(f"{queue.stats.completed} completed, {queue.stats.failed} failed")


asyncio.run(main())
