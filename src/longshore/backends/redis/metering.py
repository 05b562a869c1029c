"""This module tells how the meters of a queue stand, and gives them other limits."""

from collections.abc import Sequence

from longshore.backends.redis.calling import Caller
from longshore.backends.redis.links import Call, Lane, Word
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
    """Changes limits, each in steps where a queue has thousands of meters."""
    names: list[set[bytes]] = [set() for _ in tunes]
    cursors = dict.fromkeys(range(len(tunes)), b"0")
    while cursors:
        calls = [_step(caller, tunes[number], cursor, now_ms) for number, cursor in cursors.items()]
        replies = list(zip(cursors, await caller.each(calls), strict=True))
        for number, (_, *some) in replies:
            names[number].update(some)
        cursors = {number: cursor for number, (cursor, *_) in replies if cursor != b"0"}
    return [len(some) for some in names]


def _step(caller: Caller, tune: Tune, cursor: bytes, now_ms: int | None) -> Call:
    words: list[Word] = [tune.queue, cursor, packed_key(tune.key)]
    return caller.prepared("tune", [tune.queue], words, now_ms)
