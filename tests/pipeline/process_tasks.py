"""Tasks that run in child processes, which import them from here."""

import os

from longshore import JobContext, QueueManager, Retry

manager = QueueManager("memory://")

manager.queue("quick", durable=False)


@manager.task(queue="cpu", process=True, retry=Retry(1))
def add_in_memory(ctx: JobContext) -> None:
    """Adds a job that nobody would ever see."""
    ctx.manager.add_job_sync("quick", "any", {})


@manager.task(queue="cpu", process=True, retry=Retry(1))
def pid_of(ctx: JobContext, n: int) -> tuple[int, int]:
    """Where it runs."""
    ctx.log_sync(f"page {n}")
    return os.getpid(), n
