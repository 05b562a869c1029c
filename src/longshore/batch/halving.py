"""This module isolates a job that takes its worker down among those that run in one batch with it: by halving.

Nobody can know which of 64 jobs killed their worker. So a worker says in one record what it runs together before it
begins; when it dies, the jobs of each of its batches come back uncharged, each with a record that they may only run
with each other, and half as many at a time. After seven crashes the guilty one runs alone, and is charged (ADR 0018).
"""

import msgspec

from longshore.core.ids import JobId, format_id
from longshore.store.commands import BATCHES, HALVED, Put
from longshore.store.replies import Record

KEPT_MS = 86_400_000
"""How long what was said outlives its worker, at most."""

Task = tuple[str, str]
"""Queue and name."""


class Begun(msgspec.Struct, frozen=True, array_like=True):
    """What a session runs together now."""

    tasks: tuple[Task, ...]
    """Whose jobs it runs so; those that it holds and that are in no batch have not begun."""
    batches: tuple[tuple[JobId, ...], ...]


class Half(msgspec.Struct, frozen=True, array_like=True):
    """Where a job of a batch that crashed belongs from then on."""

    first: JobId
    """Of that batch; with `most` it tells the jobs of one crash from those of others."""
    most: int
    """How many of them may run together."""


_begun = msgspec.msgpack.Decoder(Begun)
_half = msgspec.msgpack.Decoder(Half)
_encode = msgspec.msgpack.Encoder().encode


def announcement(session: str, begun: Begun) -> Put:
    """Says what a session runs together; nothing, as soon as there is nothing to say."""
    value = _encode(begun) if begun.batches else None
    return Put(kind=BATCHES, key=session, value=value, ttl_ms=KEPT_MS)


def read_begun(record: Record) -> Begun:
    """What a session said last."""
    return _begun.decode(record.value)


def halved(batch: tuple[JobId, ...]) -> list[Put]:
    """What is to be remembered of the jobs of a batch that crashed. The same each time, for any rescuer."""
    value = _encode(Half(batch[0], max(1, len(batch) // 2)))
    return [Put(kind=HALVED, key=format_id(job_id), value=value, ttl_ms=KEPT_MS) for job_id in batch]


def read_half(record: Record) -> Half:
    """What is remembered of a job."""
    return _half.decode(record.value)


def healed(job_id: JobId) -> Put:
    """Forgets it: the job was in a batch that ended with its worker alive."""
    return Put(kind=HALVED, key=format_id(job_id), value=None)
