"""A task that completes its job from a child process, which imports it from here."""

import os

from longshore import JobContext, QueueManager, Retry

manager = QueueManager(os.environ["COMPLETING_URL"])


@manager.task(queue="q", process=True, retry=Retry(2, initial=0.01, jitter=False))
def order(ctx: JobContext) -> None:
    """Fails once before its commit, and dies after it."""
    ctx.log_sync(f"attempt {ctx.attempt}")
    with manager.transaction_sync(5) as tx:
        tx.execute("INSERT INTO orders VALUES ('boat')")
        ctx.complete_in_sync(tx, result=ctx.attempt)
        if ctx.attempt == 1:
            raise ValueError("not yet")
    os._exit(3)
