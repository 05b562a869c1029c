"""Tasks with steps that run in child processes, which import them from here."""

import os
from pathlib import Path

from longshore import JobContext, QueueManager

manager = QueueManager(os.environ.get("STEPS_URL", "memory://"))


def mark(n: int) -> int:
    """Leaves a line for each time it was called."""
    with Path(os.environ["STEPS_MARKS"]).open("a") as marks:
        marks.write("once\n")
    return n


@manager.task(queue="cpu", process=True)
def work(ctx: JobContext, n: int) -> int:
    """A step, a sleep and a wait."""
    found = ctx.step_sync("mark", mark, n)
    ctx.sleep_sync(1.2)
    got: int = ctx.wait_for_sync("go")
    return found + got


@manager.task(queue="cpu", process=True)
def swallows(ctx: JobContext) -> str:
    """Catches everything."""
    try:
        ctx.sleep_sync(3600)
    except BaseException:  # noqa: BLE001 - what is tested
        return "swallowed"
    return "woke"
