"""Quick tasks in memory, important jobs in a store: the quick start and the server action of seed 004, line by line.

It prints:

    Email job queued: True
    resize /uploads/image.jpg to {'width': 300, 'height': 300}
    GET https://api.example.com/data
    created ann@example.com
    mail to user@example.com: Welcome!
    mail to ann@example.com: Welcome, Ann!
    jobs in memory: 2, in all: 4
"""

import asyncio
from typing import Any

from longshore import Job, QueueManager

queue_manager = QueueManager()  # jobs that must not be lost: in longshore.db

# Tier 1: in this process's memory, fast, and gone when it ends; each runs by itself
image_queue = queue_manager.create_in_memory_queue("image-processing", concurrency=3)
api_queue = queue_manager.create_rate_limited_queue("api-calls", 100)  # 100 requests per minute


async def process_image(job: Job[Any]) -> None:
    for operation in job.data["operations"]:
        print(operation["type"], job.data["imagePath"], "to", operation["params"])


async def call_api(job: Job[Any]) -> None:
    print(job.data["options"]["method"], job.data["url"])


async def send_email(job: Job[Any]) -> None:
    print(f"mail to {job.data['to']}: {job.data['subject']}")


image_queue.set_processor(process_image)
api_queue.set_processor(call_api)
queue_manager.register_handler("email", send_email)


async def create_user(form: dict[str, str]) -> dict[str, bool]:
    """A server action: it answers at once, and the mail goes out by itself."""
    print("created", form["email"])
    await queue_manager.add_job(
        "email", {"to": form["email"], "subject": f"Welcome, {form['name']}!", "html": "<h1>Welcome!</h1>"}
    )
    return {"success": True}


async def main() -> None:
    async with queue_manager:
        # Send an email
        job = await queue_manager.add_job(
            "email",
            {"to": "user@example.com", "subject": "Welcome!", "html": "<h1>Welcome to our service!</h1>"},
        )
        print("Email job queued:", bool(job.id))

        # Process images with concurrency control
        resize = {"type": "resize", "params": {"width": 300, "height": 300}}
        quick = await queue_manager.get_in_memory_queue("image-processing").add(
            {"imagePath": "/uploads/image.jpg", "operations": [resize]}
        )
        await quick.result(timeout=20)
        quick = await queue_manager.get_in_memory_queue("api-calls").add(
            {"url": "https://api.example.com/data", "options": {"method": "GET"}}
        )
        await quick.result(timeout=20)

        await create_user({"email": "ann@example.com", "name": "Ann"})
        await queue_manager.run_until_empty(concurrency=1)  # tier 2; a server calls start_workers() once
        stats = await queue_manager.get_all_in_memory_stats()
        in_memory = sum(each.completed for each in stats.values())
        print(f"jobs in memory: {in_memory}, in all: {(await queue_manager.get_stats()).completed}")


asyncio.run(main())
