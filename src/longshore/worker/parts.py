"""This module puts the parts of one worker together; here one sees who is given what."""

import contextvars
from collections.abc import Callable, Collection, Sequence
from random import Random

import msgspec

from longshore.core.clock import Clock
from longshore.core.context import restore
from longshore.core.events import Bus
from longshore.core.ids import JobId
from longshore.core.job import JobRecord
from longshore.engine.engine import Engine
from longshore.engine.herald import Herald, MakeJob
from longshore.flow.parking import Parking
from longshore.store.contract import Store
from longshore.worker.batch_runner import BatchRunner
from longshore.worker.batches import Batches, is_ticket
from longshore.worker.completer import Completer
from longshore.worker.control import MakeContext
from longshore.worker.deadlines import Deadlines
from longshore.worker.executor import Executor
from longshore.worker.fetcher import Fetcher
from longshore.worker.handback import Handback
from longshore.worker.heartbeat import Heartbeat
from longshore.worker.invocation import Invocation
from longshore.worker.lanes import Lanes
from longshore.worker.ledger import Ledger
from longshore.worker.middleware import Middleware
from longshore.worker.options import WorkerOptions
from longshore.worker.outside import Outside
from longshore.worker.providers import Providers
from longshore.worker.registry import Registry
from longshore.worker.relay import Relay
from longshore.worker.slots import Slots
from longshore.worker.stats import Stats
from longshore.worker.stopping import Stopping
from longshore.worker.suspects import Suspects
from longshore.worker.tenure import Tenure


class Gear(msgspec.Struct, frozen=True, kw_only=True):
    """What a worker was given."""

    engine: Engine
    registry: Registry
    options: WorkerOptions
    bus: Bus
    clock: Clock
    random: Random
    make_context: MakeContext
    make_job: MakeJob
    middleware: Sequence[Middleware]
    heartbeat_store: Store
    parking: Parking


class WorkerCallbacks(msgspec.Struct, frozen=True, kw_only=True):
    """Where the parts tell the worker what they found."""

    rested: Callable[[], None]
    """A slot found nothing to do, or a claim found nothing anywhere."""
    doubt: Callable[[str], None]
    """A claim was told that this session is over."""
    lost: Callable[[str], None]
    """The heartbeat was told so."""
    trusted: Callable[[], None]
    """The lease runs again after it was over."""


class Parts:
    """The pipeline of one worker, for the running event loop."""

    def __init__(self, gear: Gear, tenure: Tenure, stats: Stats, callbacks: WorkerCallbacks) -> None:
        self._tenure = tenure
        self._registry = gear.registry
        engine, options, clock, random = gear.engine, gear.options, gear.clock, gear.random
        base = contextvars.copy_context()
        base.run(restore, {}, None)  # what is bound where the worker was started belongs to no job
        self.lanes = Lanes(options.queues, options.slots, most_ahead=options.prefetch)
        self.herald = Herald(gear.bus, gear.make_job)
        self.completer = Completer(engine, self.herald, stats, clock=clock, random=random)
        self.handback = Handback(gear.registry, self.completer, self.herald, stats, random=random)
        self.relay = Relay(self.lanes, tenure, clock)
        self.outside = Outside(options.slots, options.processes, random, self.relay.fill)
        self.deadlines = Deadlines(clock)
        invocation = Invocation(
            make_context=gear.make_context,
            make_job=gear.make_job,
            middleware=gear.middleware,
            scribe=self.completer.note_buffer,
            base=base,
        )
        self._providers = Providers(gear.parking, clock=clock, random=random)
        self.executor = Executor(
            deadlines=self.deadlines,
            registry=gear.registry,
            lanes=self.lanes,
            relay=self.relay,
            invocation=invocation,
            outside=self.outside,
            completer=self.completer,
            handback=self.handback,
            herald=self.herald,
            providers=self._providers,
            stats=stats,
            clock=clock,
            random=random,
        )
        self.stopping = Stopping(
            self.executor,
            self.deadlines,
            withdraw=self.withdraw,
            handback=self.handback,
            outside=self.outside,
            herald=self.herald,
            stats=stats,
        )
        self.slots = Slots(self.lanes, tenure, self.executor.run, callbacks.rested, clock=clock, base=base)
        self.executor.on_abandoned = self.slots.forget
        self.executor.on_free = self.slots.refill
        self.suspects = Suspects(
            engine, self.lanes, give=self.handback.give, wake=self.slots.wake, clock=clock, random=random
        )
        self.handback.on_left = self.suspects.left
        self._gather(gear, tenure, invocation, base)
        self.batches.on_rest = callbacks.rested
        self._connect(gear, tenure, stats, callbacks)

    def _gather(self, gear: Gear, tenure: Tenure, invocation: Invocation, base: contextvars.Context) -> None:
        """The parts that put jobs together and run them so."""
        self.ledger = Ledger(gear.engine, lambda: tenure.session, clock=gear.clock, random=gear.random)
        self.batches = Batches(
            gear.engine,
            session=lambda: tenure.session,
            registry=gear.registry,
            lanes=self.lanes,
            suspects=self.suspects,
            handback=self.handback,
            herald=self.herald,
            make_job=gear.make_job,
            wake=self.slots.wake,
            clock=gear.clock,
        )
        runner = BatchRunner(
            self.executor,
            self.batches,
            self.ledger,
            lanes=self.lanes,
            deadlines=self.deadlines,
            providers=self._providers,
            invocation=invocation,
            outside=self.outside,
            handback=self.handback,
            herald=self.herald,
            scribe=self.completer.note_buffer,
            base=base,
            clock=gear.clock,
        )
        self.batches.fail = runner.fail
        self.executor.run_batch = runner.run
        self.stopping.give_up_batch = runner.give_up

    def _connect(self, gear: Gear, tenure: Tenure, stats: Stats, callbacks: WorkerCallbacks) -> None:
        """The parts that bring something in: jobs, and the store's word on the session."""
        self.fetcher = Fetcher(
            gear.engine,
            self.lanes,
            tenure,
            self.completer,
            stats,
            take=self._take,
            held=self._held,
            lost=callbacks.doubt,
            poll_seconds=gear.options.poll_seconds,
            clock=gear.clock,
            random=gear.random,
        )
        self.fetcher.on_dry = callbacks.rested
        self.heartbeat = Heartbeat(
            gear.heartbeat_store,
            tenure,
            gear.options.lease_seconds,
            self.lanes.queues(),
            lost=callbacks.lost,
            cancel=self.stopping.cancel,
            renewed=callbacks.trusted,
            clock=gear.clock,
            random=gear.random,
        )

    async def _take(self, queue: str, records: list[JobRecord]) -> None:
        """Claimed jobs, on their way into their lane; those that may be poison take their turn."""
        if records[0].session == self._tenure.session:
            records = self.suspects.sift(records)
            if self._registry.has_batches:
                records = await self.batches.sift(records)
            self.lanes.offer(queue, records)
            self.slots.wake()
        else:  # it was lost while the claim was under way
            self.handback.give(records)

    def withdraw(self, ids: Collection[JobId] | None = None) -> list[JobRecord]:
        """Takes these jobs, or all, back from wherever they wait, as far as they have not begun."""
        waiting = [record for record in self.relay.withdraw(ids) if not is_ticket(record)]
        return waiting + self.batches.withdraw(ids)

    def _held(self) -> set[JobId]:
        """Every job that this worker has: in a lane, in a slot, or on its way back to the store."""
        waiting = self.relay.held() | self.lanes.held() | self.batches.held()
        return {*self.executor.running, *waiting, *self.completer.held()}
