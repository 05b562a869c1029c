"""This module says how meters stand, and gives them new limits."""

from collections.abc import Sequence

import apsw

from longshore.backends.sqlite.flowing import Flow
from longshore.backends.sqlite.meters import meter_of
from longshore.backends.sqlite.statements import sql
from longshore.backends.sqlite.transaction import Transaction
from longshore.store.admission import Meter
from longshore.store.commands import MeterAsk, Tune
from longshore.store.replies import MeterReading


def gauge(connection: apsw.Connection, asks: Sequence[MeterAsk], now_ms: int) -> list[list[MeterReading]]:
    """The meters asked for that are not idle, by name."""
    return [
        [meter.reading(now_ms) for meter in _read(connection, ask) if not meter.is_idle(now_ms)]
        for ask in asks
    ]


def _read(connection: apsw.Connection, ask: MeterAsk) -> list[Meter]:
    if ask.names is None:
        return [meter_of(row) for row in connection.execute(sql("meter_all"), (ask.queue,))]
    rows = connection.execute(sql("meter_read"), (ask.queue, apsw.carray(tuple(sorted(set(ask.names))))))
    return sorted((meter_of(row) for row in rows), key=lambda meter: meter.name)


def tune(tx: Transaction, tunes: Sequence[Tune], now_ms: int) -> list[int]:
    """Changes limits, and lets more jobs in where there is more room now."""
    flow = Flow(tx, now_ms)
    counts = []
    for each in tunes:
        entries = [
            entry
            for entry in tx.meters.load_rule(each.queue, each.key.rule)
            if not entry.meter.is_idle(now_ms)
        ]
        for entry in entries:
            entry.meter.follow(each.key, now_ms)
            flow.touch(entry)
        counts.append(len(entries))
    flow.serve()
    return counts
