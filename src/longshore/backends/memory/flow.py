"""This module keeps the meters of the memory store and the lines of jobs that wait for room.

What a meter decides is in `store/admission.py`. A job that leaves a line for another reason than being served stays
there as an entry that fits it no more, and is dropped when its turn comes.
"""

import heapq
from collections.abc import Callable, Iterable, Iterator

from longshore.backends.memory.rows import HELD, PENDING, RUNNING, Row, Ruled
from longshore.core.rules import FlowKey, LimitKind
from longshore.store.admission import Meter, Meters, meter_for
from longshore.store.commands import MeterAsk, Tune
from longshore.store.replies import MeterReading

Place = tuple[str, str]
"""A queue and the name of one of its meters."""
Entry = tuple[int, int, int, Row]
"""Priority, place, a number that tells equal ones apart, and the job."""

_METERS_KEPT = 1000
"""So many are kept without asking which of them are idle."""


class Flow:
    """All meters of a store. `touched` are those that have to serve before the step ends."""

    def __init__(self, next_place: Callable[[], int], ring: Callable[[str], None]) -> None:
        self.touched: set[Place] = set()
        self._next_place = next_place
        self._ring = ring
        self._meters: dict[Place, Meter] = {}
        self._lines: dict[Place, list[Entry]] = {}
        self._times: dict[Place, int] = {}
        self._entries = 0
        self._sweep_at = _METERS_KEPT

    def admit(self, row: Row, now_ms: int, *, is_new: bool = False) -> bool:
        """Whether there is room for a job that wants to be pending. It uses the room from now on, or is held."""
        queue, flow = row.job.queue, _flow(row)
        if not flow:
            return True
        meters = self._of(queue, flow, now_ms)
        self.touched.update((queue, key.meter) for key in flow)
        meters.learn(flow, is_new=is_new)
        blocker = meters.blocker(flow)
        if blocker is None:
            meters.enter(flow)
            return True
        self._hold(meters, row, blocker)
        return False

    def leave(self, row: Row) -> None:
        """A job gives its room back, or its place in a line, before it gets another state."""
        flow = _flow(row)
        if not flow:
            return
        queue, meters = row.job.queue, self._of(row.job.queue, flow, 0)
        if row.state == HELD:
            holder = _holder(row)
            meters.let_go(holder)
            self.touched.add((queue, holder.meter))
            row.ruled = None
        elif row.state == PENDING:
            meters.leave(flow, was_claimed=False)
            self.touched.update((queue, key.meter) for key in flow)
        elif row.state == RUNNING:
            meters.leave(flow, was_claimed=True)
            self.touched.update((queue, key.meter) for key in flow if key.kind is LimitKind.CONCURRENCY)

    def start(self, row: Row, now_ms: int) -> None:
        """A job is claimed: what it had reserved of rates is spent."""
        rates = [key for key in _flow(row) if key.kind is not LimitKind.CONCURRENCY]
        if rates:
            self._of(row.job.queue, rates, now_ms).start(rates)
            self._note_times([(row.job.queue, key.meter) for key in rates], now_ms)

    def line_up_again(self, row: Row) -> None:
        """A held job has got another priority."""
        holder = _holder(row)
        self._push(row, holder)
        self.touched.add((row.job.queue, holder.meter))

    def serve(self, now_ms: int) -> Iterator[Row]:
        """Jobs that find room, each to be made pending before the next is asked for."""
        touched, self.touched = sorted(self.touched), set()
        changed = set(touched)
        for place in touched:
            while (row := self._first(place)) is not None:
                flow, holder = _flow(row), _holder(row)
                meters = self._of(place[0], flow, now_ms)
                meters.learn(flow, is_new=False)
                blocker = meters.blocker_of_held(flow, holder.meter)
                if blocker is holder:
                    meters.is_first(holder)
                    break
                heapq.heappop(self._lines[place])
                meters.let_go(holder)
                row.updated_ms = now_ms
                if blocker is None:
                    meters.enter(flow)
                    yield row
                else:
                    row.order = self._next_place()
                    self._hold(meters, row, blocker)
                    changed.add((place[0], blocker.meter))
        self._note_times(sorted(changed), now_ms)

    def touch_due(self, now_ms: int) -> None:
        """Touches the meters whose time has come."""
        self.touched.update(place for place, due_ms in self._times.items() if due_ms <= now_ms)
        if len(self._meters) > self._sweep_at:
            for place in [place for place, meter in self._meters.items() if meter.is_idle(now_ms)]:
                self._forget(place)
            self._sweep_at = max(_METERS_KEPT, 2 * len(self._meters))

    def next_due_ms(self) -> int | None:
        """When the first meter has room for a job that it holds, as far as time gives it."""
        return min(self._times.values(), default=None)

    def tune(self, tune: Tune, now_ms: int) -> int:
        """Gives meters another limit, and says how many."""
        tuned = [meter for meter in self._of_queue(tune.queue, now_ms) if meter.rule == tune.key.rule]
        for meter in tuned:
            meter.follow(tune.key, now_ms)
            self.touched.add((tune.queue, meter.name))
        return len(tuned)

    def gauge(self, ask: MeterAsk, now_ms: int) -> list[MeterReading]:
        """How meters stand."""
        readings = [meter.reading(now_ms) for meter in self._of_queue(ask.queue, now_ms)]
        return [reading for reading in readings if ask.names is None or reading.name in ask.names]

    def _of_queue(self, queue: str, now_ms: int) -> list[Meter]:
        return [
            meter
            for (where, _), meter in sorted(self._meters.items())
            if where == queue and not meter.is_idle(now_ms)
        ]

    def _of(self, queue: str, flow: Iterable[FlowKey], now_ms: int) -> Meters:
        meters = []
        for key in flow:
            meter = self._meters.get((queue, key.meter))
            if meter is None:
                meter = self._meters[queue, key.meter] = meter_for(queue, key)
            meters.append(meter)
        return Meters(meters, now_ms)

    def _hold(self, meters: Meters, row: Row, holder: FlowKey) -> None:
        meters.hold(holder)
        row.ruled = Ruled(holder=holder)
        self._push(row, holder)

    def _push(self, row: Row, holder: FlowKey) -> None:
        self._entries += 1
        line = self._lines.setdefault((row.job.queue, holder.meter), [])
        heapq.heappush(line, (row.job.priority, row.order, self._entries, row))

    def _first(self, place: Place) -> Row | None:
        """The first in a line who really stands there."""
        line = self._lines.get(place)
        while line:
            priority, order, _, row = line[0]
            fits = (row.state, row.job.priority, row.order) == (HELD, priority, order)
            if fits and _holder(row).meter == place[1]:
                return row
            heapq.heappop(line)
        self._lines.pop(place, None)
        return None

    def _note_times(self, places: Iterable[Place], now_ms: int) -> None:
        """Keeps in mind when these meters have to serve next, and forgets those that are idle."""
        for place in places:
            meter = self._meters[place]
            due_ms, noted_ms = meter.due_ms(now_ms), self._times.pop(place, None)
            if due_ms is not None:
                self._times[place] = due_ms
                if noted_ms is None or due_ms < noted_ms:
                    self._ring(place[0])
            elif meter.is_idle(now_ms):
                self._forget(place)

    def _forget(self, place: Place) -> None:
        del self._meters[place]
        self._lines.pop(place, None)


def _flow(row: Row) -> tuple[FlowKey, ...]:
    return row.job.rules.flow if row.job.rules is not None else ()


def _holder(row: Row) -> FlowKey:
    """The limit that holds the job."""
    if row.ruled is None or row.ruled.holder is None:
        raise AssertionError("only a held job has a holder")
    return row.ruled.holder
