"""This module is how new jobs get into the store: on the manager's own way, or in a transaction of the caller's.

A caller's transaction is worked in where it is: an async connection in the caller's event loop, a blocking one in the
caller's thread, never in another. So the blocking twin of a method that was given a connection does not go through
the portal: its coroutine is run on the spot, which it can be because nothing in it waits.
"""

import functools
from collections.abc import Callable, Coroutine, Mapping, Sequence
from contextvars import ContextVar
from typing import Any, Concatenate, ParamSpec, Protocol, TypeVar

from longshore.core.durability import Durability
from longshore.core.errors import InvalidOption, UnusableConnection, UsageError
from longshore.core.ids import JobId
from longshore.core.job import JobRecord, NewJob
from longshore.manager import editing
from longshore.manager.portal import Portal
from longshore.manager.runtime import Runtime
from longshore.store.commands import Settlement
from longshore.store.replies import Insertion, Settled
from longshore.store.within import Within, WorksWithin
from longshore.worker.control import Control
from longshore.worker.runners.importing import is_child

CHUNK = 1000
"""Jobs in one insert on a caller's connection, at most."""


async def insert(
    runtime: Runtime,
    jobs: Sequence[NewJob],
    connection: object | None,
    durability: Durability | None,
    *,
    together: bool = False,
) -> Sequence[Insertion]:
    """Stores new jobs; `together`: in one step, however many. Raises what `Engine.add` raises, or with a connection
    UnusableConnection, InvalidOption and what its driver raises."""
    if runtime.volatile and is_child():
        _refuse_in_child(runtime, jobs)
    runtime.stored.update({job.queue for job in jobs})
    if connection is None:
        added = await (await runtime.engines.here()).add(jobs, durability=durability, together=together)
        if runtime.self_run:
            await _let_run(runtime, {job.queue for job in jobs})
        return added
    if runtime.volatile:
        _refuse_volatile(runtime, jobs)
    if durability is not None:
        raise InvalidOption(
            "durability", durability, "nothing beside connection=, whose commit decides about it"
        )
    within = await join(runtime, connection)
    replies: list[Insertion] = []
    for start in range(0, len(jobs), CHUNK):
        replies += await within.insert(jobs[start : start + CHUNK])
    return replies


async def _let_run(runtime: Runtime, queues: set[str]) -> None:
    for queue in queues & runtime.self_run.keys():
        await runtime.self_run[queue]()


def _refuse_in_child(runtime: Runtime, jobs: Sequence[NewJob]) -> None:
    for job in jobs:
        if job.queue in runtime.volatile:
            raise UsageError(
                f"Queue '{job.queue}' is in the memory of the worker (durable=False), which a task with process=True "
                "does not share: its job would be lost. Add it to a durable queue, or run the task in a thread."
            )


def _refuse_volatile(runtime: Runtime, jobs: Sequence[NewJob]) -> None:
    for job in jobs:
        if job.queue in runtime.volatile:
            raise UnusableConnection(
                f"Queue '{job.queue}' is in memory (durable=False), where no transaction reaches. Add the job after "
                "the commit, or leave out durable=False."
            )


async def settle(runtime: Runtime, settlement: Settlement, connection: object, control: Control) -> Settled:
    """Ends a claim in the caller's transaction; `control` is told when nothing but the store can refuse it any more.
    Raises like `insert` with a connection."""
    within = await join(runtime, connection)
    control.completing(settlement.result)
    await within.note(control.notes)
    [settled] = await within.settle([settlement])
    return settled


async def read_older(runtime: Runtime, ids: Sequence[JobId]) -> dict[JobId, JobRecord]:
    """The jobs of these ids that are there, in full."""
    if _on_the_spot.get():
        return runtime.portal.call(_read_many(runtime, ids))
    return await _read_many(runtime, ids)


async def join(runtime: Runtime, connection: object) -> Within:
    """The caller's transaction as a place for jobs. Raises UnusableConnection, and what opening the store raises."""
    _within(runtime, connection)  # what is refused is refused before anything is done
    if _on_the_spot.get():
        runtime.portal.call(runtime.engines.prepare())
    else:
        await runtime.engines.prepare()
    return _within(runtime, connection)


def _within(runtime: Runtime, connection: object) -> Within:
    store = runtime.engines.unopened()
    if not isinstance(store, WorksWithin):
        raise UnusableConnection(
            f"connection= needs jobs and data in one database, and the jobs are in {runtime.url}. Add the job after "
            "the commit, or write it into an outbox table of your own in the transaction and let a job move it: see "
            "'Add and complete jobs in your own transaction' in the docs."
        )
    within = store.within(connection)
    if within.is_async and _on_the_spot.get():
        raise UnusableConnection(
            f"The {_kind(connection)} belongs to an event loop: use the method without _sync there, and await it."
        )
    if not within.is_async and not _on_the_spot.get():
        raise UnusableConnection(
            f"The {_kind(connection)} blocks its thread: use the method with _sync at the end (enqueue_sync, "
            "add_job_sync, complete_in_sync), in the thread that has the transaction."
        )
    return within


class MayBeGiven(Protocol):
    """Whatever has async methods whose jobs may go into a caller's transaction."""

    @property
    def portal(self) -> Portal:
        """Where its coroutines are run for callers without a loop."""

    def connection_in(self, options: Mapping[str, Any]) -> object | None:
        """The connection that the caller gave, here or before."""


S = TypeVar("S", bound=MayBeGiven)
P = ParamSpec("P")
R = TypeVar("R")


def blocking_intake(
    method: Callable[Concatenate[S, P], Coroutine[Any, Any, R]],
) -> Callable[Concatenate[S, P], R]:
    """`blocking` for a method that may be given a connection: it is then used in the caller's own thread."""

    @functools.wraps(method)
    def call(self: S, /, *args: P.args, **kwargs: P.kwargs) -> R:
        work = method(self, *args, **kwargs)
        return self.portal.call(work) if self.connection_in(kwargs) is None else on_the_spot(work)

    call.__name__ = f"{method.__name__}_sync"
    call.__qualname__ = f"{method.__qualname__}_sync"
    call.__doc__ = f"`{method.__name__}` for code without an event loop: waits for the outcome."
    return call


def on_the_spot(work: Coroutine[Any, Any, R]) -> R:
    """What the coroutine returns or raises, run here and now: it may let others run, and must not wait for them."""
    before = _on_the_spot.set(True)
    try:
        while work.send(None) is None:
            """It let others run."""
    except StopIteration as stop:
        result: R = stop.value
        return result
    finally:
        work.close()
        _on_the_spot.reset(before)
    raise AssertionError("something that waits got into the way of a blocking connection")


def without_connection(options: Mapping[str, Any]) -> tuple[dict[str, Any], object | None]:
    """Options of a job, and the connection among them."""
    rest = dict(options)
    return rest, rest.pop("connection", None)


async def _read_many(runtime: Runtime, ids: Sequence[JobId]) -> dict[JobId, JobRecord]:
    engine = await runtime.engines.here()
    named = list(dict.fromkeys(ids))
    found: dict[JobId, JobRecord] = {}
    for start in range(0, len(named), CHUNK):
        chunk = named[start : start + CHUNK]
        pairs = zip(chunk, await editing.read(engine, chunk), strict=True)
        found.update({job_id: record for job_id, record in pairs if record is not None})
    return found


def _kind(connection: object) -> str:
    return f"{type(connection).__module__}.{type(connection).__qualname__}"


_on_the_spot: ContextVar[bool] = ContextVar("longshore_on_the_spot", default=False)
