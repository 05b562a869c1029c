"""This module is what a verb knows of meters and tags while it works; the transaction has them for all its verbs."""

from collections.abc import Iterable, Sequence
from itertools import chain
from operator import itemgetter

from longshore.backends.sqlite.meters import Entry, Place
from longshore.backends.sqlite.transaction import Transaction
from longshore.core.rules import FlowKey, Rules
from longshore.store.admission import Asked

_place = itemgetter(0)


class Step:
    """The meters that one verb works with. `touched` are those that have to serve before it ends: only such as hold
    jobs, or may have done so."""

    def __init__(self, tx: Transaction, now_ms: int) -> None:
        self.tx, self.now_ms = tx, now_ms
        self.table = tx.meters
        self.touched: dict[Place, Entry] = {}
        self.noted: dict[Place, Entry] = {}
        """Meters that may have room at another time from now on, and serve then."""
        self.table.now_ms = now_ms

    def asked(self, queue: str, flow: Sequence[FlowKey]) -> Asked:
        """The limits of a job with their meters."""
        entry = self.table.entry
        return [(key, entry(queue, key, key.meter).meter) for key in flow]

    def touch(self, queue: str, flow: Iterable[FlowKey]) -> None:
        """All these meters have to serve."""
        for key in flow:
            name = key.meter
            self.touched[queue, name] = self.table.entry(queue, key, name)

    def note(self, queue: str, flow: Iterable[FlowKey]) -> None:
        """These are not to serve, but may have room at another time."""
        for key in flow:
            name = key.meter
            self.noted[queue, name] = self.table.entry(queue, key, name)

    def in_turn(self) -> list[tuple[Place, Entry]]:
        """Those that have to serve, in their order."""
        return sorted(self.touched.items(), key=_place)

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
        for (queue, _), entry in chain(self.touched.items(), self.noted.items()):
            meter = entry.meter
            due_ms = None if not meter.held or meter.is_full else meter.due_ms(self.now_ms)
            if due_ms is not None and (entry.due_ms is None or due_ms < entry.due_ms):
                self.tx.waits(queue, due_ms)
            entry.due_ms = due_ms
