"""This module keeps the meters of the memory store and the lines of jobs that wait for room.

What a meter decides is in `store/admission.py`. A job that leaves a line for another reason than being served stays
there as an entry that fits it no more, and is dropped when its turn comes.
"""

import heapq
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Sequence

from longshore.backends.memory.rows import HELD, PENDING, RUNNING, Row, Ruled
from longshore.core.rules import FlowKey, LimitKind
from longshore.store.admission import Asked, Meter, blocker, blocker_of_held, enter, learn, meter_for
from longshore.store.commands import MeterAsk, Tune
from longshore.store.replies import MeterReading

Place = tuple[str, str]
"""A queue and the name of one of its meters."""
Entry = tuple[int, int, int, Row]
"""Priority, place, a number that tells equal ones apart, and the job."""

_METERS_KEPT = 1000
"""So many are kept without asking which of them are idle."""
_CONCURRENCY = LimitKind.CONCURRENCY


class Flow:
    """All meters of a store. `touched` are those that have to serve before the step ends: only such as hold jobs, or
    may have done so."""

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
        flow = _flow(row)
        if not flow:
            return True
        asked = self._asked(row.job.queue, flow)
        learn(asked, now_ms, is_new=is_new)
        holder = blocker(asked, now_ms)
        if holder is None:
            enter(asked)
            return True
        self._hold(row, holder)
        self.touched.update((row.job.queue, key.meter) for key in flow)
        return False

    def leave(self, row: Row) -> None:
        """A job gives its room back, or its place in a line, before it gets another state."""
        if row.state == HELD:
            place = row.job.queue, _holder(row).meter
            self._meters[place].held -= 1
            self.touched.add(place)
            row.ruled = None
        elif row.state in {PENDING, RUNNING}:
            for key in _flow(row):
                if key.kind is _CONCURRENCY or row.state == PENDING:
                    self._give_back((row.job.queue, key.meter), key.cost)

    def _give_back(self, place: Place, cost: int) -> None:
        meter = self._meters[place]
        meter.used -= cost
        if meter.held:
            self.touched.add(place)
        elif not meter.used and meter.kind is _CONCURRENCY:
            self._forget(place)

    def start(self, queue: str, rows: Iterable[Row], now_ms: int) -> None:
        """Jobs are claimed: what they had reserved of rates is spent."""
        costs: defaultdict[Place, list[int]] = defaultdict(list)
        for row in rows:
            for key in _flow(row):
                if key.kind is not _CONCURRENCY:
                    costs[queue, key.meter].append(key.cost)
        for place, spent in costs.items():
            self._meters[place].start(spent, now_ms)
        self._note_times(costs, now_ms)

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
            meter = self._meters.get(place)
            while meter is not None and meter.held and not meter.is_full:
                row = self._first(place)
                asked = self._asked(place[0], _flow(row))
                learn(asked, now_ms, is_new=False)
                key = blocker_of_held(asked, meter, now_ms)
                if key is not None and key is _holder(row):
                    meter.wanted = key.cost
                    break
                heapq.heappop(self._lines[place])
                meter.held -= 1
                row.updated_ms = now_ms
                if key is None:
                    enter(asked)
                    if len(asked) > 1:
                        changed.update((place[0], each.meter) for each, _ in asked)
                    yield row
                else:
                    row.order = self._next_place()
                    self._hold(row, key)
                    changed.add((place[0], key.meter))
        self._note_times(changed if len(changed) == 1 else sorted(changed), now_ms)

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

    def _asked(self, queue: str, flow: Sequence[FlowKey]) -> Asked:
        return [(key, self._meter((queue, key.meter), key)) for key in flow]

    def _meter(self, place: Place, key: FlowKey) -> Meter:
        meter = self._meters.get(place)
        if meter is None:
            meter = self._meters[place] = meter_for(place[0], key)
        return meter

    def _hold(self, row: Row, holder: FlowKey) -> None:
        self._meters[row.job.queue, holder.meter].hold(holder.cost)
        self._push(row, holder)

    def _push(self, row: Row, holder: FlowKey) -> None:
        self._entries += 1
        row.ruled = Ruled(holder=holder, entry=self._entries)
        line = self._lines.setdefault((row.job.queue, holder.meter), [])
        heapq.heappush(line, (row.job.priority, row.order, self._entries, row))

    def _first(self, place: Place) -> Row:
        """The first in a line who really stands there; asked only of a meter that holds somebody."""
        line = self._lines[place]
        while True:
            _, _, entry, row = line[0]
            if row.state == HELD and row.ruled is not None and row.ruled.entry == entry:
                return row
            heapq.heappop(line)

    def _note_times(self, places: Iterable[Place], now_ms: int) -> None:
        """Keeps in mind when these meters have to serve next, and forgets those that are idle."""
        for place in places:
            meter = self._meters.get(place)
            if meter is None:
                continue
            due_ms, noted_ms = meter.due_ms(now_ms), self._times.pop(place, None)
            if due_ms is not None:
                self._times[place] = due_ms
                if noted_ms is None or due_ms < noted_ms:
                    self._ring(place[0])
            elif not meter.used and not meter.held and meter.is_idle(now_ms):
                self._forget(place)

    def _forget(self, place: Place) -> None:
        del self._meters[place]
        self._lines.pop(place, None)
        self._times.pop(place, None)


def _flow(row: Row) -> tuple[FlowKey, ...]:
    return row.job.rules.flow if row.job.rules is not None else ()


def _holder(row: Row) -> FlowKey:
    """The limit that holds the job."""
    if row.ruled is None or row.ruled.holder is None:
        raise AssertionError("only a held job has a holder")
    return row.ruled.holder
