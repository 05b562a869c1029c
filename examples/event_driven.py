"""Something happened, and several queues have work to do because of it (seed 003, pattern 6: event-driven processing).

The event's id goes along as correlation id, so that all that came of it can be found again.

It prints:

    emails: welcome ann@example.com
    crm: new contact ann@example.com
    came of event-1: ['add-contact completed', 'handle-registration completed', 'send-welcome completed']
"""

import asyncio

from longshore import JobContext, Priority, QueueManager

manager = QueueManager()
events = manager.queue("user-events")


@manager.task(queue="emails", name="send-welcome")
async def send_welcome(to: str) -> None:
    print("emails: welcome", to)


@manager.task(queue="crm", name="add-contact")
async def add_contact(email: str) -> None:
    print("crm: new contact", email)


@events.task(name="handle-registration")
async def handle_registration(ctx: JobContext, email: str) -> None:
    await send_welcome.enqueue(email)  # jobs that a job adds get its correlation id
    await add_contact.options(delay=0.2).enqueue(email)


async def on_user_registered(event: dict[str, str]) -> None:
    """What the application's event bus calls."""
    await handle_registration.options(
        priority=Priority.HIGH, correlation_id=event["id"], tags=["user-event", "registration"]
    ).enqueue(event["email"])


async def main() -> None:
    async with manager:
        await manager.start_workers()
        await on_user_registered({"id": "event-1", "email": "ann@example.com"})
        await manager.drain(timeout=20)  # until nothing is left to do, anywhere
        jobs = await manager.get_jobs(correlation_id="event-1")
        print("came of event-1:", sorted(f"{job.name} {job.state}" for job in jobs))


asyncio.run(main())
