"""This module tells how the meters of a queue stand, and gives them other limits."""

from collections.abc import Sequence

from longshore.backends.redis.calling import Caller
from longshore.backends.redis.links import Lane, Word
from longshore.backends.redis.ruling import packed_key, read_meter
from longshore.store.commands import MeterAsk, Tune
from longshore.store.replies import MeterReading


async def gauge(caller: Caller, asks: Sequence[MeterAsk], now_ms: int | None) -> list[list[MeterReading]]:
    """How meters stand. All of a queue are read in steps, a thousand or so in each."""
    found: list[dict[str, MeterReading]] = [{} for _ in asks]
    cursors = {number: b"0" if ask.names is None else b"" for number, ask in enumerate(asks)}
    while cursors:
        calls = [
            caller.prepared("gauge", [asks[number].queue], [cursor, *(asks[number].names or ())], now_ms)
            for number, cursor in cursors.items()
        ]
        replies = list(zip(cursors, await caller.each(calls, Lane.READ), strict=True))
        for number, (now, _, rows) in replies:
            for name, packed in zip(rows[::2], rows[1::2], strict=True):
                meter = read_meter(asks[number].queue, name.decode(), packed) if packed else None
                if meter is not None and not meter.is_idle(int(now)):
                    found[number][meter.name] = meter.reading(int(now))
        cursors = {number: cursor for number, (_, cursor, _) in replies if cursor != b"0"}
    return [[readings[name] for name in sorted(readings)] for readings in found]


async def tune(caller: Caller, tunes: Sequence[Tune], now_ms: int | None) -> list[int]:
    """Changes limits, one tune after the other, each in steps where a queue has thousands of meters."""
    return [await _tune(caller, each, now_ms) for each in tunes]


async def _tune(caller: Caller, tune: Tune, now_ms: int | None) -> int:
    names: set[bytes] = set()
    cursor = b"0"
    while True:
        words: list[Word] = [tune.queue, cursor, packed_key(tune.key)]
        [(cursor, *some)] = await caller.each([caller.prepared("tune", [tune.queue], words, now_ms)])
        names.update(some)
        if cursor == b"0":
            return len(names)
