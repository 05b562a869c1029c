"""This module is what a verb knows of meters and tags while it works; the transaction has them for all its verbs."""

from collections.abc import Iterable

from longshore.backends.sqlite.meters import Entry
from longshore.backends.sqlite.transaction import Transaction
from longshore.core.rules import FlowKey, Rules
from longshore.store.admission import Meters

Place = tuple[str, str]
"""A queue and the name of one of its meters."""


class Step:
    """The meters that one verb works with."""

    def __init__(self, tx: Transaction, now_ms: int) -> None:
        self.tx, self.now_ms = tx, now_ms
        self.entries: dict[Place, Entry] = {}
        self._meters: dict[str, Meters] = {}
        tx.meters.now_ms = now_ms

    def meters(self, queue: str, flow: Iterable[FlowKey]) -> Meters:
        """Those of a queue, with these among them."""
        for key in flow:
            if (queue, key.meter) not in self.entries:
                self.know(self.tx.meters.entry(queue, key))
        return self._meters_of(queue)

    def know(self, entry: Entry) -> Place:
        """One more; gives where it is."""
        meter = entry.meter
        place = meter.queue, meter.name
        self.entries[place] = entry
        self._meters_of(meter.queue).add(meter)
        return place

    def turn(self, queue: str, priority: int, rules: Rules, turn: int = 0) -> int:
        """The tag of a job that becomes pending; 0 without a fair key. A `turn` that it has already is kept."""
        if rules.fair is None:
            return 0
        if turn:
            self.tx.turns.lined_up(queue, priority, turn)
            return turn
        return self.tx.turns.tag(queue, priority, rules.fair)

    def note_times(self) -> None:
        """Notes when time gives room to those that the meters hold; one that gets an earlier time wakes."""
        for (queue, _), entry in self.entries.items():
            due_ms = entry.meter.due_ms(self.now_ms)
            if due_ms is not None and (entry.due_ms is None or due_ms < entry.due_ms):
                self.tx.waits(queue, due_ms)
            entry.due_ms = due_ms

    def _meters_of(self, queue: str) -> Meters:
        meters = self._meters.get(queue)
        if meters is None:
            meters = self._meters[queue] = Meters((), self.now_ms)
        return meters
