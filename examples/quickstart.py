"""The shortest way through Longshore: a task, a job, a worker, a result.

It prints:

    pending
    welcome ann@example.com of acme
"""

import asyncio

from longshore import QueueManager, Retry

manager = QueueManager()  # LONGSHORE_URL, else the file longshore.db of this folder
emails = manager.queue("emails", retry=Retry(max_attempts=5))


@emails.task(name="send-welcome")
async def send_welcome(to: str, *, tenant: str) -> str:
    return f"welcome {to} of {tenant}"


async def main() -> None:
    async with manager:
        job = await send_welcome.enqueue("ann@example.com", tenant="acme")
        print(job.state)
        await manager.run_until_empty()  # in production: longshore worker quickstart:manager
        print(await job.result())


asyncio.run(main())
