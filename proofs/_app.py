"""This module is the application that the proofs run: tasks that leave a mark in a file each time they start.

Workers load it as `_app:manager`; the store comes from LONGSHORE_URL and the marks go to the file PROOF_MARKS.
A mark is one line, `job id, fence, milliseconds since 1970, process id`, written by one append, so no SIGKILL cuts it.
"""

import asyncio
import ctypes
import os
import time

from longshore import JobContext, QueueManager, Retry

manager = QueueManager()
work = manager.queue("work", retry=Retry(3, initial=0.1))
_marks = os.open(os.environ["PROOF_MARKS"], os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)


def _mark(ctx: JobContext) -> None:
    record = (
        f"{ctx.job.id} {ctx.job.attempt + ctx.job.releases} {time.time_ns() // 1_000_000} {os.getpid()}\n"
    )
    os.write(_marks, record.encode())


@work.task(name="short")
async def short(number: int, *, ctx: JobContext) -> int:
    """About 5 ms of work."""
    _mark(ctx)
    await asyncio.sleep(0.005)
    return number


@work.task(name="sleep")
async def sleep(seconds: float, *, ctx: JobContext) -> None:
    """As long as it is told."""
    _mark(ctx)
    await asyncio.sleep(seconds)


@work.task(name="block")
def block(seconds: float, *, ctx: JobContext) -> None:
    """As long as it is told, in a thread that nothing can stop."""
    _mark(ctx)
    time.sleep(seconds)


@work.task(name="exit-async")
async def exit_async(*, ctx: JobContext) -> None:
    """Takes its worker down without a word."""
    _mark(ctx)
    os._exit(13)


@work.task(name="exit-thread")
def exit_thread(*, ctx: JobContext) -> None:
    """The same from a thread."""
    _mark(ctx)
    os._exit(13)


@work.task(name="segfault-async")
async def segfault_async(*, ctx: JobContext) -> None:
    """Reads address 0."""
    _mark(ctx)
    ctypes.string_at(0)


@work.task(name="segfault-thread")
def segfault_thread(*, ctx: JobContext) -> None:
    """The same from a thread."""
    _mark(ctx)
    ctypes.string_at(0)


@work.task(name="memory-async")
async def memory_async(*, ctx: JobContext) -> None:
    """Takes memory until the worker is killed for it."""
    _mark(ctx)
    held = []
    while True:
        held.append(b"x" * 10_000_000)
        await asyncio.sleep(0.01)


@work.task(name="memory-thread")
def memory_thread(*, ctx: JobContext) -> None:
    """The same from a thread."""
    _mark(ctx)
    held = []
    while True:
        held.append(b"x" * 10_000_000)
        time.sleep(0.01)
