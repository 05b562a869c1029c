"""This module lets jobs that are held into the line, as far as there is room: the end of every verb that gave some.

A statement for each meter that says who is next took 7 µs a job; one for all meters with as much room takes 1.
"""

from collections import Counter, defaultdict
from operator import itemgetter

import apsw

from longshore.backends.sqlite.meters import Entry, Place
from longshore.backends.sqlite.rows import HELD, PENDING, Row, rules_of
from longshore.backends.sqlite.steps import Step
from longshore.core.rules import Rules
from longshore.store.admission import blocker_of_held, enter, learn

MOST_AT_ONCE = 100
"""Held jobs of one meter that are read by one statement."""
_turn = itemgetter(1, 2)


class Serving:
    """What is read and written while meters serve: with few statements, however many meters there are."""

    def __init__(self, step: Step) -> None:
        self._step, self._tx = step, step.tx
        self._read: dict[Place, list[Row]] = {}
        """Who is next."""
        self._stands: list[Row] = []
        self._arrivals: set[Place] = set()
        """Meters that others sent a job to, since those were read."""
        self._admitted: Counter[str] = Counter()

    def serve(self) -> set[str]:
        """Has the meters serve in their order; gives the queues of jobs that became pending so."""
        serving = [
            (place, entry)
            for place, entry in self._step.in_turn()
            if entry.meter.held and not entry.meter.is_full
        ]
        if serving:
            self._read_next(serving)
        for place, entry in serving:
            self._serve(place, entry)
        self._write()
        for queue, count in self._admitted.items():
            self._tx.moved(queue, HELD, PENDING, count)
        return set(self._admitted)

    def _read_next(self, serving: list[tuple[Place, Entry]]) -> None:
        alike: defaultdict[tuple[str, int], list[str]] = defaultdict(list)
        for (queue, name), entry in serving:
            room = entry.meter.room(self._step.now_ms)
            alike[queue, min(max(room, 1), MOST_AT_ONCE)].append(name)
            self._read[queue, name] = []
        for (queue, limit), names in alike.items():
            for row in self._tx.rows("held_next", (queue, apsw.carray(tuple(names)), limit)):
                self._read[queue, row[0]].append(row)
            if limit > 1:
                for name in names:
                    self._read[queue, name].sort(key=_turn)

    def _serve(self, place: Place, entry: Entry) -> None:
        """Of a rate also the time is of interest at which it has room for the first."""
        meter = entry.meter
        while meter.held and not meter.is_full:
            if place in self._arrivals or not self._read[place]:
                self._arrivals.discard(place)
                self._write()
                self._read_next([(place, entry)])
            rows, self._read[place] = self._read[place], []
            if not rows:
                return
            for _, priority, _, seq, packed in rows:
                if not self._admit(place, entry, priority, seq, packed):
                    return

    def _admit(self, place: Place, entry: Entry, priority: int, seq: int, packed: bytes) -> bool:
        """Whether the job stands elsewhere from now on: in the line, or held by another limit."""
        step, meter, queue = self._step, entry.meter, place[0]
        rules = rules_of(packed) or Rules()
        flow = rules.flow
        asked = [(flow[0], meter)] if len(flow) == 1 else step.asked(queue, flow)
        learn(asked, step.now_ms, is_new=False)
        key = blocker_of_held(asked, meter, step.now_ms)
        if key is None:
            meter.held -= 1
            enter(asked)
            if len(flow) > 1:
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
        self._hold_by(queue, name, step.table.entry(queue, key, name), key.cost)
        self._stands.append((HELD, 0, self._tx.places(queue, 1), name, step.now_ms, seq))
        return True

    def _hold_by(self, queue: str, name: str, entry: Entry, cost: int) -> None:
        """Another limit has no room."""
        entry.meter.hold(cost)
        self._step.noted[queue, name] = entry
        self._arrivals.add((queue, name))
        self._tx.moved(queue, HELD, HELD)

    def _write(self) -> None:
        if self._stands:
            self._tx.each("stand", self._stands)
            self._stands.clear()
