"""This module says how meters stand, and gives them other limits."""

from collections.abc import Sequence

from longshore.backends.postgres.connecting import Connection
from longshore.backends.postgres.dialect import Dialect, Runs
from longshore.backends.postgres.ledger import Ledger, lock, read_meter
from longshore.store.commands import MeterAsk, Tune
from longshore.store.replies import MeterReading


async def gauge(
    connection: Runs, dialect: Dialect, asks: Sequence[MeterAsk], now_ms: int | None
) -> list[list[MeterReading]]:
    """Those that are not idle, by name."""
    single = [
        (number, ask.queue, name) for number, ask in enumerate(asks, 1) for name in set(ask.names or ())
    ]
    rows = await dialect.fetch(
        connection,
        "gauge",
        now_ms,
        [ask.queue if ask.names is None else None for ask in asks],
        *([one[column] for one in single] for column in range(3)),
    )
    readings: list[list[MeterReading]] = [[] for _ in asks]
    for row in rows:
        meter, store_ms = read_meter(row), row[11]
        if not meter.is_idle(store_ms):
            readings[row[12] - 1].append(meter.reading(store_ms))
    return readings


async def tune(
    connection: Connection, dialect: Dialect, tunes: Sequence[Tune], now_ms: int | None
) -> list[int]:
    """Gives the meters of a rule another limit; those that get more room serve at once."""
    async with connection.transaction():
        locked = await lock(connection, dialect, now_ms, flows=[each.queue for each in tunes])
        ledger = Ledger(connection, dialect, locked)
        rows = await dialect.fetch(
            connection,
            "meters_of_rules",
            [each.queue for each in tunes],
            [each.key.rule for each in tunes],
        )
        counts = [0] * len(tunes)
        for meter, row in zip(ledger.take(rows), rows, strict=True):
            if not meter.is_idle(locked.now_ms):
                counts[row[11] - 1] += 1
                meter.follow(tunes[row[11] - 1].key, locked.now_ms)
                ledger.touch(meter.queue, meter.name)
        await ledger.serve()
        await ledger.keep()
    return counts
