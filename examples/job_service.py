"""Jobs as records to look up, change, run by hand and retry together: the queue service of seed 002.

It prints:

    EMAIL_SEND pending of Reference(type='User', id='7')
    after update: HIGH
    ran here and now: failed, ConnectionError: no mail server
    patterns: {'ConnectionError: no mail server': 1}
    Retried 1 failed job.
    completed: True, anything of this kind running: False
"""

import asyncio
from typing import Any

from longshore import Job, Priority, QueueManager, Reference

manager = QueueManager()
server = {"up": False}


async def send(job: Job[Any]) -> str:
    if not server["up"]:
        raise ConnectionError("no mail server")
    return f"sent to {job.data['to']}"


manager.register_handler("EMAIL_SEND", send)


async def main() -> None:
    async with manager:
        job = await manager.add_job(
            "EMAIL_SEND",
            {"to": "ann@example.com"},
            max_attempts=1,
            reference=Reference("User", "7"),
        )
        [found] = await manager.get_jobs(reference=("User", "7"))
        print(found.name, found.state, "of", found.reference)
        changed = await manager.update_job(job.id, priority=Priority.HIGH)
        print("after update:", Priority(changed.priority).name)

        ran = await manager.process_job(job.id, skip_if_running=True)
        print(f"ran here and now: {ran.state}, {ran.error_message}")
        print("patterns:", ran.error_patterns)

        server["up"] = True
        summary = await manager.retry_failed("EMAIL_SEND")
        print(summary.message)
        await manager.run_until_empty()
        completed = await manager.get_jobs_by_status("completed")
        print(
            f"completed: {len(completed) == 1}, anything of this kind running: "
            f"{await manager.has_running('EMAIL_SEND')}"
        )


asyncio.run(main())
