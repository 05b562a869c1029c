"""What is urgent goes first, and each item has a result of its own: "Prioritized Queue" of seed 000.

It prints:

    sending: Security Alert, Weekly Newsletter
    sending: Monthly Survey
    Security Alert: sent
    Weekly Newsletter: sent
    Monthly Survey: mailbox unknown
"""

import asyncio
from dataclasses import dataclass

from longshore import BatchedQueue, ItemResult, Retry


@dataclass
class Email:
    to: str
    subject: str


async def send_bulk(emails: list[Email]) -> list[ItemResult]:
    print("sending:", ", ".join(email.subject for email in emails))
    return [
        ItemResult(success=True) if "@" in email.to else ItemResult(success=False, error="mailbox unknown")
        for email in emails
    ]


outcomes: list[str] = []


def note(email: Email, result: ItemResult) -> None:
    outcomes.append(f"{email.subject}: {'sent' if result.success else result.error}")


async def main() -> None:
    queue = BatchedQueue(
        send_bulk,
        batch_size=2,
        flush_interval=10.0,
        priority_levels=3,  # 0 = highest, 2 = lowest
        retry=Retry(1),
        on_processed=note,
    )
    async with queue:
        queue.pause()  # so that all three are there before the first batch goes
        await queue.enqueue(Email("nobody", "Monthly Survey"), 2)
        await queue.enqueue(Email("user@example.com", "Weekly Newsletter"), 1)
        await queue.enqueue(Email("user@example.com", "Security Alert"), 0)
        queue.resume()
    print("\n".join(outcomes))


asyncio.run(main())
