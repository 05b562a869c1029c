"""This module is a whole worker over the memory store, with everything a test wants to hold in its hands."""

import asyncio
from contextlib import asynccontextmanager
from random import Random

from longshore.backends.memory.store import MemoryStore
from longshore.core.clock import ManualClock
from longshore.core.events import EVENTS, Bus
from longshore.core.ids import new_id
from longshore.core.job import NewJob
from longshore.core.signature import Signature
from longshore.engine.engine import Engine
from longshore.engine.policy import Policy
from longshore.store.commands import JobQuery
from longshore.upkeep.promoter import Promoter
from longshore.upkeep.rescuer import Rescuer
from longshore.worker.control import Control
from longshore.worker.options import WorkerOptions
from longshore.worker.registry import Handler, Kind, Registry
from longshore.worker.worker import Worker

LONG_LEASE = 1_000_000.0
"""Seconds; tests that move the clock over retries do not want to lose their session on the way."""


class Plant:
    """Tasks, jobs and workers of one test."""

    def __init__(self, store=None, clock=None):
        self.clock = clock or ManualClock()
        self.store = store or MemoryStore(self.clock)
        self.bus = Bus()
        self.registry = Registry()
        self.engine = Engine(self.store, bus=self.bus, clock=self.clock, random=Random(1))
        self.told = []
        self.middleware = []
        self.upkeep = []
        self._signals = {}

    async def open(self):
        await self.store.open()
        return self

    def hear(self, *names):
        """Notes these events in `told`; all when none is named."""
        for name in names or EVENTS:
            self.bus.on(name, self._note)

    def _note(self, event):
        self.told.append(event)
        self.signal(event.name).set()

    def signal(self, name):
        """A named signal: an event of the bus, or whatever a task of the test says."""
        return self._signals.setdefault(name, asyncio.Event())

    def names(self):
        """Of the events told so far."""
        return [event.name for event in self.told]

    def task(
        self, queue="q", *, kind=Kind.ASYNC, on_complete=None, on_failure=None, takes_job=False, **policy
    ):
        """Registers the decorated function as a task of its own name."""

        def register(function):
            self.registry.add_task(
                Handler(
                    name=function.__name__,
                    queue=queue,
                    function=function,
                    kind=kind,
                    signature=None
                    if takes_job
                    else Signature(function.__name__, function, context_types=(Control,)),
                    policy=Policy(**policy),
                    target=f"{function.__module__}:{function.__qualname__}",
                    on_complete=on_complete,
                    on_failure=on_failure,
                )
            )
            return function

        return register

    async def add(self, name, payload=b"{}", *, queue="q", **options):
        """One job; gives its id."""
        job = NewJob(id=new_id(), queue=queue, name=name, payload=payload, **options)
        await self.engine.add([job])
        return job.id

    async def job(self, job_id):
        """As the store has it now, with errors and logs."""
        [page] = await self.store.scan([JobQuery(ids=(job_id,), full=True)])
        return page.jobs[0] if page.jobs else None

    def worker(self, *queues, **options):
        """A worker of the named queues, or of "q"."""
        chosen = {"lease_seconds": LONG_LEASE, "queues": dict.fromkeys(queues or ("q",))} | options
        return Worker(
            self.engine,
            self.registry,
            WorkerOptions(**chosen),
            bus=self.bus,
            clock=self.clock,
            random=Random(1),
            make_context=lambda control: control,
            make_job=lambda record: record,
            middleware=self.middleware,
            upkeep=self.upkeep,
        )

    def services(self):
        """The upkeep that every real worker has beside it."""
        parts = {"clock": self.clock, "random": Random(1), "bus": self.bus}
        rescuer = Rescuer(
            self.engine,
            find=self.registry.find,
            lease_seconds=30,
            make_job=lambda record: record,
            **parts,
        )
        return [Promoter(self.engine, **parts), rescuer]

    def use_upkeep(self):
        """Lets the workers of this plant do it."""
        self.upkeep = self.services()

    async def work(self, *queues, **options):
        """Does everything that can be done now, and gives the worker that did it."""
        worker = self.worker(*queues, burst=True, **options)
        await worker.run()
        return worker

    @asynccontextmanager
    async def working(self, *queues, **options):
        """A worker for the length of a block; it is drained at the end."""
        worker = self.worker(*queues, **options)
        running = asyncio.create_task(worker.run())
        try:
            yield worker
        finally:
            worker.stop()
            await running


async def turns(count=20):
    """Lets everything that can go on go on."""
    for _ in range(count):
        await asyncio.sleep(0)


async def until(condition, turns_left=100_000):
    """Waits for something that other tasks or threads bring about, without a clock."""
    while not condition():
        assert turns_left > 0, "it never came"
        turns_left -= 1
        await asyncio.sleep(0)
