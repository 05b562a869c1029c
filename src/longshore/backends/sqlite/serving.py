"""This module lets jobs that are held into the line, as far as there is room: the end of every verb that gave some."""

from collections import Counter, defaultdict
from collections.abc import Iterable

from longshore.backends.sqlite.rows import HELD, PENDING, Row, rules_of
from longshore.backends.sqlite.steps import Place, Step
from longshore.core.rules import LimitKind, Rules

MOST_AT_ONCE = 100
"""Held jobs of one meter that are read by one statement."""


class Serving:
    """What is read and written while meters serve: with few statements, however many meters there are."""

    def __init__(self, step: Step) -> None:
        self._step, self._tx = step, step.tx
        self._read: defaultdict[Place, list[Row]] = defaultdict(list)
        """Who is next."""
        self._stands: list[Row] = []
        self._arrivals: set[Place] = set()
        """Meters that others sent a job to, since those were read."""
        self._admitted: Counter[str] = Counter()

    def serve(self, touched: Iterable[Place]) -> set[str]:
        """Has the meters serve in their order; gives the queues of jobs that became pending so."""
        places = [place for place in sorted(touched) if self._may_serve(place)]
        if places:
            self._read_next(places)
        for place in places:
            self._serve(place)
        self._write()
        for queue, count in self._admitted.items():
            self._tx.moved(queue, HELD, PENDING, count)
        return set(self._admitted)

    def _may_serve(self, place: Place) -> bool:
        """Of a rate also the time is of interest at which it has room for the first."""
        meter = self._step.entries[place].meter
        return meter.held > 0 and (meter.kind is not LimitKind.CONCURRENCY or self._room(place) > 0)

    def _room(self, place: Place) -> int:
        return self._step.entries[place].meter.room(self._step.now_ms)

    def _read_next(self, places: list[Place]) -> None:
        asks = [(*place, min(max(self._room(place), 1), MOST_AT_ONCE)) for place in places]
        for queue, name, *row in self._tx.each("held_next", asks):
            self._read[queue, name].append(tuple(row))

    def _serve(self, place: Place) -> None:
        while self._may_serve(place):
            if place in self._arrivals or not self._read[place]:
                self._arrivals.discard(place)
                self._write()
                self._read[place].clear()
                self._read_next([place])
            rows, self._read[place] = self._read[place], []
            if not rows or not all(self._admit(place, *row) for row in rows):
                return

    def _admit(self, place: Place, seq: int, priority: int, packed: bytes) -> bool:
        """Whether the job stands elsewhere from now on: in the line, or held by another limit."""
        step, (queue, name) = self._step, place
        rules = rules_of(packed) or Rules()
        meters = step.meters(queue, rules.flow)
        meters.learn(rules.flow, is_new=False)
        blocker = meters.blocker_of_held(rules.flow, name)
        if blocker is not None and blocker.meter == name:
            meters.is_first(blocker)
            return False
        step.entries[place].meter.held -= 1
        line_place = self._tx.places(queue, 1)
        if blocker is not None:
            meters.hold(blocker)
            self._arrivals.add((queue, blocker.meter))
            self._tx.moved(queue, HELD, HELD)
            self._stands.append((HELD, 0, line_place, blocker.meter, step.now_ms, seq))
        else:
            meters.enter(rules.flow)
            self._admitted[queue] += 1
            turn = step.turn(queue, priority, rules)
            self._stands.append((PENDING, turn, line_place, None, step.now_ms, seq))
        return True

    def _write(self) -> None:
        if self._stands:
            self._tx.each("stand", self._stands)
            self._stands.clear()
