"""This module holds what the oracle knows of limits and turns.

What one meter decides it takes from `store/admission.py`, which has its own tests; who stands where, and who is served
when, is worked out here.
"""

from dataclasses import dataclass, field

from longshore.core.job import JobRecord
from longshore.core.rules import FAIR_STEP, FairKey, FlowKey, LimitKind
from longshore.core.states import State
from longshore.store.admission import Meter, Meters, meter_for
from longshore.store.commands import MeterAsk, Tune
from longshore.store.replies import MeterReading


@dataclass
class Flow:
    """Every meter that was ever asked, by (queue, name)."""

    meters: dict[tuple[str, str], Meter] = field(default_factory=dict)
    touched: set[tuple[str, str]] = field(default_factory=set)

    def admits(self, job: JobRecord, now_ms: int, *, is_new: bool) -> bool:
        """Whether the job may be pending; if not, it is held."""
        flow, meters = flow_of(job), self._of(job, now_ms)
        self.touched |= {(job.queue, key.meter) for key in flow}
        meters.learn(flow, is_new=is_new)
        blocker = meters.blocker(flow)
        if blocker is None:
            meters.enter(flow)
            return True
        self._hold(job, blocker, meters)
        return False

    def leave(self, job: JobRecord) -> None:
        """The job gives back what it has; its state is still the old one."""
        flow, meters = flow_of(job), self._of(job, 0)
        if job.state is State.HELD:
            meters.let_go(self._holder(job))
            self.touch(job.queue, job.held_by or "")
            job.held_by = None
        elif job.state is State.PENDING:
            meters.leave(flow, was_claimed=False)
            self.touched |= {(job.queue, key.meter) for key in flow}
        elif job.state is State.RUNNING:
            meters.leave(flow, was_claimed=True)
            self.touched |= {(job.queue, key.meter) for key in flow if key.kind is LimitKind.CONCURRENCY}

    def start(self, job: JobRecord, now_ms: int) -> None:
        """The job is claimed."""
        self._of(job, now_ms).start(flow_of(job))

    def touch(self, queue: str, meter: str) -> None:
        """The meter has to serve."""
        self.touched.add((queue, meter))

    def touch_due(self, now_ms: int) -> None:
        """The meters whose time has come have to serve."""
        for place, meter in self.meters.items():
            due_ms = meter.due_ms(now_ms)
            if due_ms is not None and due_ms <= now_ms:
                self.touched.add(place)

    def take_touched(self) -> list[tuple[str, str]]:
        """Who serves, in order."""
        touched, self.touched = sorted(self.touched), set()
        return touched

    def lacks_room(self, job: JobRecord, meter: str, now_ms: int) -> bool:
        """Whether the first that is held there has to wait on."""
        key = self._holder(job)
        lacks = not self.meters[job.queue, meter].has_room(key.cost, now_ms)
        if lacks:
            self._of(job, now_ms).is_first(key)
        return lacks

    def serves(self, job: JobRecord, now_ms: int) -> bool:
        """Whether the held job has room everywhere; if not, it is held elsewhere."""
        flow, meters, holder = flow_of(job), self._of(job, now_ms), self._holder(job)
        meters.learn(flow, is_new=False)
        meters.let_go(holder)
        job.held_by = None
        for key in flow:
            if not self.meters[job.queue, key.meter].has_room(key.cost, now_ms):
                self._hold(job, key, meters)
                return False
        meters.enter(flow)
        return True

    def times(self, now_ms: int) -> list[int]:
        """When meters have to serve next."""
        times = [meter.due_ms(now_ms) for meter in self.meters.values()]
        return [time_ms for time_ms in times if time_ms is not None]

    def gauge(self, ask: MeterAsk, now_ms: int) -> list[MeterReading]:
        """Those that are not idle, by name."""
        return [
            meter.reading(now_ms)
            for (queue, name), meter in sorted(self.meters.items())
            if queue == ask.queue and (ask.names is None or name in ask.names) and not meter.is_idle(now_ms)
        ]

    def tune(self, tune: Tune, now_ms: int) -> int:
        """Those that are not idle follow."""
        tuned = [
            meter
            for meter in self.meters.values()
            if (meter.queue, meter.rule) == (tune.queue, tune.key.rule) and not meter.is_idle(now_ms)
        ]
        for meter in tuned:
            meter.follow(tune.key, now_ms)
            self.touch(tune.queue, meter.name)
        return len(tuned)

    def _of(self, job: JobRecord, now_ms: int) -> Meters:
        for key in flow_of(job):
            self.meters.setdefault((job.queue, key.meter), meter_for(job.queue, key))
        return Meters([self.meters[job.queue, key.meter] for key in flow_of(job)], now_ms)

    def _hold(self, job: JobRecord, key: FlowKey, meters: Meters) -> None:
        meters.hold(key)
        job.state, job.held_by = State.HELD, key.meter

    def _holder(self, job: JobRecord) -> FlowKey:
        [holder] = [key for key in flow_of(job) if key.meter == job.held_by]
        return holder


@dataclass
class Turns:
    """Every tag that was given: (queue, priority, key, tag)."""

    given: list[tuple[str, int, str, int]] = field(default_factory=list)

    def tag(self, job: JobRecord, fair: FairKey, waiting: list[int]) -> int:
        """The place of a job among those that take turns, of which these wait."""
        here = [
            (key, tag)
            for queue, priority, key, tag in self.given
            if (queue, priority) == (job.queue, job.priority)
        ]
        largest = max((tag for _, tag in here), default=0)
        virtual_time = min(waiting, default=largest)
        last = max((tag for key, tag in here if key == fair.key), default=0)
        tag = max(last, virtual_time) + max(round(FAIR_STEP / fair.weight), 1)
        self.given.append((job.queue, job.priority, fair.key, tag))
        return tag


def flow_of(job: JobRecord) -> tuple[FlowKey, ...]:
    """The limits that the job is under."""
    return job.rules.flow if job.rules is not None else ()
