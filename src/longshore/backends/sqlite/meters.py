"""This module keeps the meters that a write transaction works with: each is read once, and written when it ends.

What it knows at its end is as good in the next one, as long as no other connection has written the file in between.
"""

from collections import defaultdict
from collections.abc import Iterable

import apsw

from longshore.backends.sqlite.held import STALE_KEPT, HeldLine
from longshore.backends.sqlite.rows import Row
from longshore.backends.sqlite.statements import sql
from longshore.core.rules import FlowKey, LimitKind
from longshore.store.admission import Meter, meter_for

_KINDS = tuple(LimitKind)
METERS_KEPT = 10_000
"""Known at once, about 6 MB."""
Place = tuple[str, str]
"""A queue and the name of one of its meters."""


class Entry:
    """A meter with the line of those that it holds, and what the file knows of it."""

    __slots__ = ("due_ms", "line", "meter", "place", "written")

    def __init__(
        self, meter: Meter, place: Place, due_ms: int | None, line: HeldLine, written: Row | None
    ) -> None:
        self.meter, self.place, self.due_ms, self.line, self.written = meter, place, due_ms, line, written


class Known:
    """Meters that an older transaction of the same connection has left as the file has them."""

    def __init__(self) -> None:
        self._version = -1
        self._entries: dict[Place, Entry] = {}

    def take(self, connection: apsw.Connection) -> dict[Place, Entry]:
        """Those that still are so, as of the transaction that is open. They are gone from here: should the transaction
        come to nothing, they are not what the file has."""
        version = connection.pragma("data_version")
        known, self._entries = self._entries, {}
        if version != self._version or len(known) > METERS_KEPT:
            self._version, known = version, {}
        return known

    def keep(self, entries: dict[Place, Entry]) -> None:
        """After the commit."""
        self._entries = entries


class MeterTable:
    """The table `meter`, as far as a transaction has looked at it."""

    def __init__(self, connection: apsw.Connection, known: Known) -> None:
        self._connection = connection
        self._keeper = known
        self._known = known.take(connection)
        self.now_ms = 0
        """Of the newest verb."""
        self._entries: defaultdict[str, dict[str, Entry | None]] = defaultdict(dict)
        """By queue and name; None where the file has none."""

    def load(self, queue: str, names: Iterable[str]) -> None:
        """Reads those that are not known yet, with one statement."""
        entries, known = self._entries[queue], self._known
        missing = []
        for name in names:
            if name not in entries:
                entry = entries[name] = known.get((queue, name))
                if entry is None:
                    missing.append(name)
        if missing:
            self._take_new(self._connection.execute(sql("meter_read"), (queue, apsw.carray(tuple(missing)))))

    def load_rule(self, queue: str, rule: str) -> list[Entry]:
        """All meters of a rule that are there."""
        self._take_new(self._connection.execute(sql("meter_of_rule"), (queue, f"{rule}:", f"{rule};")))
        return [
            entry for entry in self._entries[queue].values() if entry is not None and entry.meter.rule == rule
        ]

    def load_due(self, now_ms: int) -> list[Entry]:
        """Those whose time has come."""
        return self._take_new(self._connection.execute(sql("meter_due"), (now_ms,)))

    def load_all(self, queue: str) -> None:
        """All meters of a queue."""
        self._take_new(self._connection.execute(sql("meter_all"), (queue,)))

    def entry(self, queue: str, key: FlowKey, name: str) -> Entry:
        """The meter of a key, which has this name; a new one where there is none."""
        entries = self._entries[queue]
        entry = entries.get(name)
        if entry is None:
            if name not in entries:
                self.load(queue, (name,))
                entry = entries[name]
            if entry is None:
                entry = entries[name] = Entry(meter_for(queue, key), (queue, name), None, HeldLine(), None)
        return entry

    def write(self) -> None:
        """Writes those that have changed, and forgets those that are idle."""
        new: list[Row] = []
        changed: list[Row] = []
        idle: list[Place] = []
        entries = [each for known in self._entries.values() for each in known.values() if each is not None]
        self._trim([entry for entry in entries if entry.line.stale])
        for entry in entries:
            meter = entry.meter
            if not meter.used and not meter.held and meter.is_idle(self.now_ms):
                if entry.written is not None:
                    idle.append(entry.place)
                    entry.written = None
                continue
            row = _row(entry)
            if row != entry.written:
                (new if entry.written is None else changed).append(row)
                entry.written = row
        if new:
            self._connection.executemany(sql("meter_write"), new)
        if changed:
            self._connection.executemany(sql("meter_change"), changed)
        if idle:
            self._connection.executemany(sql("meter_forget"), idle)

    def _trim(self, entries: Iterable[Entry]) -> None:
        """Takes what nobody needs any more out of lines, where it is much, or nobody is held."""
        empty: list[Place] = []
        for entry in entries:
            meter, line = entry.meter, entry.line
            if meter.held:
                if line.stale >= STALE_KEPT:
                    line.trim(self._connection, *entry.place)
            elif line.stale >= STALE_KEPT or (not meter.used and meter.is_idle(self.now_ms)):
                empty.append(entry.place)
                entry.line = HeldLine()
        if empty:
            self._connection.executemany(sql("held_forget"), empty)

    def keep(self) -> None:
        """After the commit: what is in the file is known to the next transaction."""
        known = self._known
        for entries in self._entries.values():
            for entry in entries.values():
                if entry is None:
                    continue
                if entry.written is not None:
                    known[entry.place] = entry
                else:
                    known.pop(entry.place, None)
        self._keeper.keep(known)

    def _take_new(self, rows: Iterable[Row]) -> list[Entry]:
        """The meters of these rows; of those that were read before, as they stand now."""
        found = []
        for row in rows:
            entries = self._entries[row[0]]
            entry = entries.get(row[1])
            if entry is None:
                entry = self._known.get((row[0], row[1])) or Entry(
                    meter_of(row), row[:2], row[10], HeldLine(*row[11:]), row
                )
                entries[row[1]] = entry
            found.append(entry)
        return found


def meter_of(row: Row) -> Meter:
    """What the statements `meter_….sql` gave."""
    queue, name, kind, limit, per_ms, burst, used, spent, held, wanted, *_ = row
    rule, _, key = name.partition(":")
    return Meter(
        queue=queue,
        rule=rule,
        key=key,
        kind=_KINDS[kind],
        limit=limit,
        per_ms=per_ms,
        burst=burst,
        used=used,
        spent=spent,
        held=held,
        wanted=wanted,
    )


def _row(entry: Entry) -> Row:
    meter, line = entry.meter, entry.line
    return (
        *entry.place,
        int(meter.kind),
        meter.limit,
        meter.per_ms,
        meter.burst,
        meter.used,
        meter.spent,
        meter.held,
        meter.wanted,
        entry.due_ms,
        line.past_priority,
        line.past_ord,
        line.stale,
    )
