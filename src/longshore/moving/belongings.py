"""This module takes along what belongs to queues and not to jobs: pauses, stated retentions, counts of requeues,
and schedules with what became of their ticks."""

from collections.abc import Sequence

import msgspec

from longshore.core.clock import Clock
from longshore.cron.entry import FIRINGS, SCHEDULE
from longshore.dlq.letters import REQUEUES
from longshore.flow.pausing import Pause, read_pause
from longshore.store.commands import PAUSE, RETENTION, SCAN_LIMIT, Put, RecordAsk
from longshore.store.contract import Store
from longshore.store.replies import Record

KINDS = (PAUSE, RETENTION, REQUEUES, SCHEDULE, FIRINGS)
"""The kinds of records that are settings, or memories, of queues and jobs. Those of workers end with them."""


async def copy_records(source: Store, target: Store, clock: Clock) -> int:
    """Copies what the target does not have itself; how many records that were. Again: does nothing."""
    found = [
        record
        for records in await source.get([RecordAsk(kind) for kind in KINDS])
        for record in records
        if record.session is None and not _is_of_a_move(record)
    ]
    puts = [put for record in found for put in _puts(record, clock.now_ms())]
    stored = 0
    for start in range(0, len(puts), SCAN_LIMIT):
        replies = await target.put(puts[start : start + SCAN_LIMIT])
        stored += sum(reply.stored for reply in replies)
    return stored


async def pause_source(source: Store, queues: Sequence[str], to: str, clock: Clock) -> None:
    """Pauses queues because they move; whoever asks is told whereto. Those that somebody paused stay as they are."""
    value = msgspec.json.encode(Pause(since_ms=clock.now_ms(), moved_to=to))
    await source.put([Put(kind=PAUSE, key=queue, value=value, expect=0) for queue in queues])


async def resume_moved(store: Store, to: str | None = None) -> list[str]:
    """Ends the pauses of queues that were moved from here, those to one place, or to any; gives their names."""
    [records] = await store.get([RecordAsk(PAUSE)])
    queues = []
    for record in records:
        moved_to = read_pause(record.value).moved_to
        if moved_to is not None and to in {None, moved_to}:
            queues.append(record.key)
    await store.put([Put(kind=PAUSE, key=queue, value=None) for queue in queues])
    return queues


def _is_of_a_move(record: Record) -> bool:
    return record.kind == PAUSE and read_pause(record.value).moved_to is not None


def _puts(record: Record, now_ms: int) -> list[Put]:
    """The requeues of a dead letter are counted by the version of its record."""
    ttl_ms = None if record.expires_ms is None else max(record.expires_ms - now_ms, 1)
    versions = range(record.version) if record.kind == REQUEUES else (0,)
    return [
        Put(kind=record.kind, key=record.key, value=record.value, expect=version, ttl_ms=ttl_ms)
        for version in versions
    ]
