"""This module keeps claimed jobs until a slot takes them, and says how many more of each queue to claim. Pure.

Each queue has a lane with its own limit. A lane asks for what it can run now and for a little more, as much as it gets
through while a claim is under way: so slots never idle between claims, and slow jobs are not hoarded by one worker.
Where claims spend of a rate, a start long after its claim would fall into another stretch of time than the one that
it was allowed for; so no more is claimed ahead there than the rate gives in RATE_AHEAD_MS: mostly nothing.
"""

from collections import deque
from collections.abc import Callable, Iterable, Mapping, Sequence

from longshore.core.ids import JobId
from longshore.core.job import JobRecord
from longshore.core.rules import LimitKind
from longshore.store.commands import ClaimAsk

AHEAD_GROWTH = 16
"""A lane's stock at most doubles with each claim, from this number: one burst of quick jobs says little."""

RATE_AHEAD_MS = 2
"""The stock of jobs under a rate is no more than comes back in this time; so many too many start in the worst case,
where quick jobs are followed by slow ones. It is as large as ever for 1,000,000 a second, and nothing for 100."""

PACE_SECONDS = 0.002
"""The shortest time that tells how fast jobs go. Where a claim takes 0.05 ms, two follow each other before a job was
taken, as if jobs stood still: the stock was given up and built again a thousand times a second, and of 1 ms jobs in
threads 40 % followed another at once, where 98 % can."""
_CONCURRENCY = LimitKind.CONCURRENCY


class Lane:
    """One queue's jobs in this worker."""

    __slots__ = (
        "ahead",
        "is_dry",
        "is_ready",
        "limit",
        "low",
        "most_ahead",
        "queue",
        "room",
        "running",
        "taken",
        "waiting",
        "wakes",
    )

    def __init__(self, queue: str, limit: int, most_ahead: int) -> None:
        self.queue = queue
        self.limit = limit
        self.running = 0
        self.waiting: deque[JobRecord] = deque()
        self.most_ahead = most_ahead
        """Becomes less with the first job under a rate, and stays so."""
        self.ahead = 0
        """How many jobs to keep in stock beyond those that can run now."""
        self.low = 0
        """When so few are left, it is time to claim more: three quarters of the stock, because slots whose jobs began
        together end together, and empty half of it in one turn of the loop."""
        self.taken = 0
        """By slots, since the last claim."""
        self.room: int | None = None
        """So many jobs more could be gathered for batches; None: nothing of this queue is."""
        self.is_ready = False
        self.is_dry = False
        """The last claim got less than it asked for, and nothing has been heard of the queue since."""
        self.wakes = 0

    def is_low(self) -> bool:
        """Whether it is time to claim more."""
        return not self.is_dry and len(self.waiting) <= self.low


class Lanes:
    """The lanes of one worker, and how many slots are taken."""

    def __init__(self, queues: Mapping[str, int | None], slots: int, *, most_ahead: int = 1000) -> None:
        self.slots = slots
        self._most = slots
        """How many may run now; fewer than there are slots while the lanes are shut."""
        self.running = 0
        self.waiting = 0
        self.aside: dict[JobId, JobRecord] = {}
        """Claimed jobs that may not run yet, in the order in which they came."""
        self.on_low: Callable[[], None] = lambda: None
        """Called when a lane's stock gets low."""
        self.on_empty: Callable[[], None] = lambda: None
        """Called when the last job has ended that ran when the lanes were shut."""
        self._lanes = {
            queue: Lane(queue, slots if limit is None else limit, most_ahead)
            for queue, limit in queues.items()
        }
        self._turn = deque(self._lanes.values())
        self.ready: deque[Lane] = deque()
        """Lanes with a job that may run now; each slot takes from the first, which then goes to the end."""

    def take(self) -> JobRecord | None:
        """The next job to run; its lane counts it as running until `done`."""
        ready = self.ready
        if not ready or self.running >= self._most:  # jobs in threads run without a slot that waits for them
            return None
        lane = ready[0]
        record = lane.waiting.popleft()
        lane.running += 1
        lane.taken += 1
        self.running += 1
        self.waiting -= 1
        if not lane.waiting or lane.running >= lane.limit:
            ready.popleft()
            lane.is_ready = False
        elif len(ready) > 1:
            ready.rotate(-1)
        if len(lane.waiting) <= lane.low and not lane.is_dry:
            self.on_low()
        return record

    def can_take(self) -> bool:
        """Whether `take` would find a job."""
        return bool(self.ready) and self.running < self._most

    def take_ahead(self, queue: str, wanted: Callable[[JobRecord], bool]) -> JobRecord | None:
        """The next job of the queue, if it is `wanted`, to inherit the place of one that runs. Only while no place is
        free for it, and no other queue waits for one."""
        lane = self._lanes[queue]
        is_full = lane.running >= lane.limit or self.running >= self.slots
        others_wait = len(self.ready) > lane.is_ready
        if not lane.waiting or not lane.running or not is_full or others_wait or self.is_shut:
            return None
        if not wanted(lane.waiting[0]):
            return None
        record = lane.waiting.popleft()
        lane.taken += 1
        self.waiting -= 1
        if lane.is_ready and not lane.waiting:
            self.ready.remove(lane)
            lane.is_ready = False
        if lane.is_low():
            self.on_low()
        return record

    def put_back(self, queue: str, records: Sequence[JobRecord]) -> None:
        """Puts jobs that were taken ahead before those that wait, in their order."""
        lane = self._lanes[queue]
        lane.waiting.extendleft(reversed(records))
        self.waiting += len(records)
        self._make_ready(lane)

    def done(self, queue: str) -> None:
        """One job less is running."""
        lane = self._lanes[queue]
        lane.running -= 1
        self.running -= 1
        self._make_ready(lane)
        if not self.running and self.is_shut:
            self.on_empty()

    @property
    def is_shut(self) -> bool:
        """Whether jobs that wait may not begin."""
        return self._most < self.slots

    def shut(self) -> None:
        """From now on no job begins."""
        self._most = 0

    def let_in(self, record: JobRecord) -> None:
        """Only this job may begin, before all that wait. The lanes are shut, and nothing runs."""
        self.put_back(record.queue, [record])
        lane = self._lanes[record.queue]
        self.ready.remove(lane)
        self.ready.appendleft(lane)
        self._most = 1

    def open(self) -> None:
        """All may begin again."""
        self._most = self.slots

    def offer(self, queue: str, records: Sequence[JobRecord]) -> None:
        """Puts claimed jobs behind those that wait."""
        lane = self._lanes[queue]
        before = len(lane.waiting)
        lane.waiting.extend(records)
        self.waiting += len(lane.waiting) - before
        most = _most_ahead(records, lane.most_ahead)
        if most < lane.most_ahead:
            lane.most_ahead, lane.ahead, lane.low = most, min(lane.ahead, most), min(lane.low, most)
        self._make_ready(lane)

    def put_aside(self, record: JobRecord) -> None:
        """Keeps a claimed job that may not run yet."""
        self.aside[record.id] = record

    def take_aside(self, record: JobRecord) -> bool:
        """Takes it out again; False when it is not there any more."""
        return self.aside.pop(record.id, None) is not None

    def withdraw(self, ids: Iterable[JobId] | None = None) -> list[JobRecord]:
        """Takes these jobs, or all, out of the lanes again, as far as no slot has them."""
        wanted = None if ids is None else set(ids)
        set_aside = [record for record in self.aside.values() if wanted is None or record.id in wanted]
        for record in set_aside:
            del self.aside[record.id]
        out = []
        for lane in self._lanes.values():
            gone = [record for record in lane.waiting if wanted is None or record.id in wanted]
            if gone:
                lane.waiting = deque(record for record in lane.waiting if record not in gone)
                out += gone
            if lane.is_ready and not lane.waiting:
                self.ready.remove(lane)
                lane.is_ready = False
        self.waiting -= len(out)
        return out + set_aside

    def held(self) -> set[JobId]:
        """The jobs that wait here."""
        return {record.id for lane in self._lanes.values() for record in lane.waiting} | self.aside.keys()

    def asks(self, session: str) -> list[ClaimAsk]:
        """What to claim now; nothing when slots and stocks are full or every queue is dry."""
        self._turn.rotate(-1)  # who is first in line gets the slots that cannot be shared evenly
        hungry = [lane for lane in self._turn if lane.is_low() or (not lane.is_dry and self.waiting == 0)]
        if not hungry:
            return []
        share, rest = divmod(max(0, self.slots - self.running), len(hungry))
        asks = []
        for place, lane in enumerate(hungry):
            fair = min(share + (place < rest), lane.limit - lane.running)
            count = fair + lane.ahead - len(lane.waiting) if lane.room is None else lane.room
            if count > 0:
                asks.append(ClaimAsk(lane.queue, count, session))
        return asks

    def set_room(self, queue: str, room: int) -> None:
        """Of this queue so many more are claimed, however few slots are free: they go many at a time."""
        lane = self._lanes[queue]
        had, lane.room = lane.room, room
        if room > (had or 0) and lane.is_low():
            self.on_low()

    def queues(self) -> tuple[str, ...]:
        """Those that have a lane."""
        return tuple(self._lanes)

    def wakes_of(self, queue: str) -> int:
        """A number that changes with every wake-up of the queue."""
        return self._lanes[queue].wakes

    def answered(self, ask: ClaimAsk, count: int, wakes: int) -> None:
        """A claim got so many jobs; `wakes` was read before it. Less than asked for leaves the lane dry, unless a
        wake-up came meanwhile."""
        lane = self._lanes[ask.queue]
        lane.is_dry = count < ask.count and lane.wakes == wakes

    def wake(self, queue: str | None = None) -> None:
        """There may be jobs again; None: in any queue."""
        for lane in self._lanes.values() if queue is None else filter(None, [self._lanes.get(queue)]):
            lane.wakes += 1
            lane.is_dry = False

    def is_dry(self) -> bool:
        """Whether no queue is known to have more."""
        return all(lane.is_dry for lane in self._lanes.values())

    def pace(self, seconds: float, horizon_seconds: float) -> bool:
        """Sets the stocks: what each lane got through in the last `seconds`, for the time of the horizon. False: that
        is too short a time to tell, and goes on."""
        if seconds < PACE_SECONDS:
            return False
        for lane in self._lanes.values():
            wanted = int(lane.taken / seconds * horizon_seconds)
            lane.ahead = min(wanted, 2 * lane.ahead + AHEAD_GROWTH, lane.most_ahead)
            lane.low = lane.ahead * 3 // 4
            lane.taken = 0
        return True

    def _make_ready(self, lane: Lane) -> None:
        if not lane.is_ready and lane.waiting and lane.running < lane.limit:
            lane.is_ready = True
            self.ready.append(lane)


def _most_ahead(records: Sequence[JobRecord], most: int) -> int:
    """What the rates of these jobs leave of a stock."""
    for record in records:
        if record.rules is not None:
            for key in record.rules.flow:
                if key.kind is not _CONCURRENCY:
                    most = min(most, RATE_AHEAD_MS * key.limit // key.per_ms)
    return most
