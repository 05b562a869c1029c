"""How users write it, for type checkers: a comment says what they must see, or that they must complain."""

from typing import Any, reveal_type

from longshore import Job, JobContext, Priority, QueueManager

manager = QueueManager("memory://")
emails = manager.queue("emails", concurrency=10, retry=5)


@emails.task
async def send(to: str, *, tenant: str = "acme") -> str:
    """Its own arguments."""
    return to + tenant


@emails.task(name="report", priority=Priority.HIGH)
async def report(ctx: JobContext, month: int) -> list[int]:
    """A context that the worker hands in."""
    return [month]


@manager.task(queue="cpu", process=True)
def render(page: int) -> bytes:
    """A plain function."""
    return bytes(page)


@emails.batch_task(size=10)
async def post(letters: list[str]) -> list[bool]:
    """Many at a time."""
    return [bool(letter) for letter in letters]


@manager.batch_task
async def look(jobs: list[Job[Any]]) -> dict[str, bool]:
    """The same with jobs."""
    return {job.id: True for job in jobs}


async def right() -> None:
    """What they must see."""
    reveal_type(await send("a"))  # str
    reveal_type(render(3))  # bytes
    reveal_type(await report(3))  # list[int]
    reveal_type(await send.enqueue("a", tenant="x"))  # Job[str]
    reveal_type(await (await report.enqueue(3)).result(timeout=5))  # list[int]
    reveal_type(render.options(delay=3, priority=Priority.LOW).enqueue_sync(7))  # Job[bytes]
    reveal_type(await send.enqueue_many([("a",), {"to": "b"}]))  # list[Job[str]]
    reveal_type(render.enqueue_sync(7).result_sync())  # bytes
    reveal_type(await manager.add_job("emails", "send", {"to": "a"}, priority=2))  # Job[Any]
    reveal_type(manager.add_job_sync("send", {"to": "a"}))  # Job[Any]
    reveal_type((await manager.get_stats()).failed)  # int
    reveal_type(await manager.get_job("0192f0c1-0000-7000-8000-000000000001"))  # Job[Any] | None
    reveal_type(await post.enqueue("a"))  # Job[Any]
    reveal_type(await post.enqueue_many(["a", "b"]))  # list[Job[Any]]
    reveal_type(post.options(delay=3))  # BatchTask[str]
    reveal_type(look)  # BatchTask[Any]
    reveal_type(manager.dead_letters.list_sync("emails"))  # LetterPage


async def wrong() -> None:
    """What they must complain about."""
    await send.enqueue(7)  # error
    await send.enqueue("a", tenat="x")  # error
    await report.enqueue("may")  # error
    await post.enqueue(7)  # error
    emails.batch_task(sise=3)  # error
    send.options(dellay=3)  # error
    render.enqueue_sync()  # error
    manager.queue("q", concurency=3)  # error
    emails.task(retries=3)  # error
    await manager.add_job("emails", "send", {}, prioritty=2)  # error
    manager.get_jobs_sync(stat="failed")  # error


async def count(name: str) -> int:
    """A step that is awaited."""
    return len(name)


def spell(number: int) -> str:
    """A step that runs in a thread."""
    return str(number)


@emails.task
async def steps(ctx: JobContext) -> None:
    """Steps have the signatures of their functions."""
    reveal_type(await ctx.step("count", count, "a"))  # int
    reveal_type(await ctx.options(retry=3).step("spell", spell, number=7))  # str
    reveal_type(ctx.step_sync("spell", spell, 7))  # str
    reveal_type(ctx.step_sync("count", count, "a"))  # int
    reveal_type(await ctx.wait_for("go", timeout=5))  # Any
    await ctx.step("count", count, 7)  # error
    await ctx.step("spell", spell)  # error
    ctx.options(retries=3)  # error
