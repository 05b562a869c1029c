"""This module lets jobs that are held into the line, as far as there is room: the end of every verb that gave some.

Who is first in the line of a meter is read some ahead, and known to the next transaction as the meter is: see `held`.
"""

from collections import Counter
from collections.abc import Iterable

from longshore.backends.sqlite.held import READ_AHEAD
from longshore.backends.sqlite.meters import Entry, Place
from longshore.backends.sqlite.rows import HELD, PENDING, Row, numbers, rules_of
from longshore.backends.sqlite.steps import Step
from longshore.core.rules import FlowKey, Rules
from longshore.store.admission import Asked, blocker_of_held, enter, learn

MOST_AT_ONCE = 100
"""Held jobs of one meter that are read together."""


class Serving:
    """What is read and written while meters serve: with few statements, however many meters there are."""

    def __init__(self, step: Step) -> None:
        self._step, self._tx = step, step.tx
        self._jobs: dict[int, Row] = {}
        """Held jobs, as `held_read.sql` gave them."""
        self._stands: list[Row] = []
        self._admitted: Counter[str] = Counter()

    def serve(self) -> set[str]:
        """Has the meters serve in their order; gives the queues of jobs that became pending so."""
        serving = [
            (place, entry)
            for place, entry in self._step.in_turn()
            if entry.meter.held and not entry.meter.is_full
        ]
        self._read_next(serving)
        for place, entry in serving:
            self._serve(place, entry)
        self._write()
        for queue, count in self._admitted.items():
            self._tx.moved(queue, HELD, PENDING, count)
        return set(self._admitted)

    def _serve(self, place: Place, entry: Entry) -> None:
        """Of a rate also the time is of interest at which it has room for the first."""
        meter = entry.meter
        while meter.held and not meter.is_full:
            job = self._first(place, entry)
            if job is None or not self._admit(place, entry, job):
                return

    def _first(self, place: Place, entry: Entry) -> Row | None:
        """The first in the line whom the meter holds still."""
        line, jobs = entry.line, self._jobs
        while True:
            ahead = line.ahead
            job = jobs.get(ahead[-1]) if ahead else None
            if job is None:
                self._write()
                self._read_next([(place, entry)])
                ahead = line.ahead
                if not ahead:
                    return None
                job = jobs.get(ahead[-1])
            if job is not None and job[2] == ahead[-2] and job[3] == place[1] and job[1] == ahead[-3]:
                return job
            line.pass_first()

    def _read_next(self, serving: Iterable[tuple[Place, Entry]]) -> None:
        """Who is first in these lines, and what is known of as many of them as there is room for."""
        seqs: list[int] = []
        now_ms, connection = self._step.now_ms, self._tx.connection
        for place, entry in serving:
            room = entry.meter.room(now_ms)
            line = entry.line
            if not line.ahead:
                line.read(connection, *place, min(max(room, READ_AHEAD), MOST_AT_ONCE))
            if room > 1:
                seqs += line.seqs(min(room, MOST_AT_ONCE))
            elif line.ahead:
                seqs.append(line.ahead[-1])
        if seqs:
            for row in self._tx.rows("held_read", (numbers(seqs),)):
                self._jobs[row[0]] = row

    def _admit(self, place: Place, entry: Entry, job: Row) -> bool:
        """Whether the job stands elsewhere from now on: in the line, or held by another limit."""
        step, meter, queue = self._step, entry.meter, place[0]
        seq, priority, _, _, packed = job
        rules = rules_of(packed) or Rules()
        flow = rules.flow
        asked: Asked | None = None
        if len(flow) == 1:  # who holds it is not idle, so there is nothing to learn
            key = None if meter.has_room(flow[0].cost, step.now_ms) else flow[0]
        else:
            asked = step.asked(queue, flow)
            learn(asked, step.now_ms, is_new=False)
            key = blocker_of_held(asked, meter, step.now_ms)
        if key is None:
            meter.held -= 1
            entry.line.pass_first()
            if asked is None:
                meter.used += flow[0].cost
            else:
                enter(asked)
                step.note(queue, flow)
            self._admitted[queue] += 1
            turn = 0 if rules.fair is None else step.turn(queue, priority, rules)
            self._stands.append((PENDING, turn, self._tx.places(queue, 1), None, step.now_ms, seq))
            return True
        name = key.meter
        if name == place[1]:
            meter.wanted = key.cost
            return False
        meter.held -= 1
        entry.line.pass_first()
        self._hold_by(queue, key, priority, seq)
        return True

    def _hold_by(self, queue: str, key: FlowKey, priority: int, seq: int) -> None:
        """Another limit has no room."""
        place, name = self._tx.places(queue, 1), key.meter
        entry = self._step.table.entry(queue, key, name)
        entry.meter.hold(key.cost)
        entry.line.join(priority, place)
        self._step.noted[queue, name] = entry
        self._stands.append((HELD, 0, place, name, self._step.now_ms, seq))
        del self._jobs[seq]  # it says where the job stood
        self._tx.moved(queue, HELD, HELD)

    def _write(self) -> None:
        if self._stands:
            self._tx.stand(self._stands)
            self._stands.clear()
