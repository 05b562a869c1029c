"""This module packs jobs into the bytes that the scripts keep, and reads them back.

`scripts/parts/records.lua` has the same layouts in Lua; a test compares the two. Numbers are little-endian. A job is an
immutable body, of which the script writes the first 14 bytes, and a record of what happened to it, which a new job does
not have: that is what keeps a waiting job under 400 bytes.
"""

import struct
from collections.abc import Iterable, Sequence

from longshore.backends.redis.edging import kept_edges, packed_rare
from longshore.backends.redis.ruling import kept_rules, read_each
from longshore.core.ids import JobId
from longshore.core.job import JobRecord, NewJob
from longshore.core.states import ORDER, State

BLOCKED = State.BLOCKED.code
RUNNING = State.RUNNING.code
COMPLETED = State.COMPLETED.code
PENDING = State.PENDING.code
WAITING = (State.SCHEDULED.code, State.RETRYING.code)
NOWHERE = bytes(6)
"""The place of a job that is in no line."""
RESULT, EXTRAS, ERRORS, LOGS = 2, 8, 16, 32
"""Flags of a record: which of these there are. 1 is the wish to cancel, 4 that it came back to an old place."""
STOPPING = 1
UNSETTLED = 255

NEW = struct.Struct("<16sdBiBiI")
"""An item of `insert`, up to the texts: id, time, and the head of the body."""
_BODY = struct.Struct("<d6sBiBiI")
_CLAIMED = struct.Struct("<16sIIIId6xBiBiI")
_RECORD = struct.Struct("<BBBBIIII6sddddB")
_WORDS = struct.Struct("<ii")
_EXTRAS = struct.Struct("<BdI")
_LENGTH = struct.Struct("<I")


def item(job: NewJob) -> bytes:
    """A new job for `insert` and `settle`: its time over 0 is absolute, below 0 it counts from the server's now."""
    name, details = job.name.encode(), job.details
    words = b""
    if job.tags or job.reference is not None or job.correlation_id is not None:
        words = packed_words(job.reference, job.correlation_id, job.tags)
    if job.run_ms is not None:
        time = max(job.run_ms, 0)
    else:
        time = -job.delay_ms if job.delay_ms > 0 else 0
    head = NEW.pack(
        job.id,
        time,
        job.priority,
        -1 if job.max_attempts is None else job.max_attempts,
        len(name),
        -1 if details is None else len(details),
        len(words),
    )
    return b"".join((head, name, details or b"", words, job.payload))


def ruled_item(job: NewJob) -> bytes:
    """The same with the job's edges and rules in front."""
    rules = packed_rare(job)
    return _LENGTH.pack(len(rules)) + rules + item(job)


def split_item(packed: bytes) -> tuple[bytes, bytes]:
    """Edges and rules, empty for none, and the item."""
    (length,) = _LENGTH.unpack_from(packed)
    return packed[4 : 4 + length], packed[4 + length :]


def packed_words(reference: str | None, correlation_id: str | None, tags: Iterable[str]) -> bytes:
    """The search keys; tags each between line feeds, so that none is found inside another."""
    texts = [None if text is None else text.encode() for text in (reference, correlation_id)]
    lengths = _WORDS.pack(*(-1 if text is None else len(text) for text in texts))
    return b"".join((lengths, *(text or b"" for text in texts), joined_tags(tags)))


def joined_tags(tags: Iterable[str]) -> bytes:
    """Each tag between line feeds."""
    text = "\n".join(tags)
    return f"\n{text}\n".encode() if text else b""


def claimed_jobs(
    blobs: Iterable[bytes], queue: str, session: str, ruled: Sequence[int | bytes] = ()
) -> list[JobRecord]:
    """What `claim` answered; `ruled` are positions and rules of jobs that have some. 2 µs a job, half of them for the
    record."""
    jobs = []
    unpack, running = _CLAIMED.unpack_from, State.RUNNING
    names: dict[bytes, str] = {}
    for blob in blobs:
        (
            job_id,
            fence,
            failures,
            crashes,
            releases,
            created_ms,
            priority,
            max_attempts,
            name_length,
            details_length,
            words_length,
        ) = unpack(blob)
        end = 60 + name_length
        raw = blob[60:end]
        name = names.get(raw)
        if name is None:
            name = names[raw] = raw.decode()
        details = None
        if details_length >= 0:
            details = blob[end : end + details_length]
            end += details_length
        jobs.append(
            JobRecord(
                id=job_id,
                queue=queue,
                name=name,
                payload=blob[end + words_length :],
                state=running,
                priority=priority,
                max_attempts=None if max_attempts < 0 else max_attempts,
                fence=fence,
                failures=failures,
                crashes=crashes,
                releases=releases,
                session=session,
                created_ms=int(created_ms),
                details=details,
            )
        )
    for number, rules in zip(ruled[::2], read_each(ruled[1::2]), strict=True):
        jobs[int(number)].rules = rules
    return jobs


def scanned_job(queue: str, row: Sequence[bytes]) -> JobRecord:
    """What `scan` answered about a job: id, body, record, due time, extras, rules, edges; not errors and logs."""
    job_id, body, record, due, extras, kept, edges = row[:7]
    created_ms, place, priority, max_attempts, name_length, details_length, words_length = _BODY.unpack_from(
        body
    )
    end = _BODY.size + name_length
    name = body[_BODY.size : end].decode()
    details = None
    if details_length >= 0:
        details = body[end : end + details_length]
        end += details_length
    job = JobRecord(
        id=JobId(job_id),
        queue=queue,
        name=name,
        payload=body[end + words_length :],
        state=State.SCHEDULED if place == NOWHERE else State.PENDING,
        priority=priority,
        max_attempts=None if max_attempts < 0 else max_attempts,
        created_ms=int(created_ms),
        updated_ms=int(created_ms),
        run_ms=int(float(due)) if due else None,
        details=details,
    )
    if record:
        _read_record(job, record)
    if extras:
        _read_extras(job, extras)
    if kept:
        job.rules, held_by = kept_rules(kept)
        job.held_by = held_by if job.state is State.HELD else None
    if edges:
        job.edges, job.waits_for = kept_edges(edges)
    return job


def finished_ms(record: bytes) -> int:
    """When a job ended."""
    return int(_RECORD.unpack_from(record)[10])


def lines(packed: bytes) -> tuple[bytes, ...]:
    """Errors or log lines, oldest first."""
    found, at = [], 0
    while at < len(packed):
        (length,) = _LENGTH.unpack_from(packed, at)
        found.append(packed[at + 4 : at + 4 + length])
        at += 4 + length
    return tuple(found)


def packed_lines(texts: Iterable[bytes]) -> bytes:
    """Errors or log lines as they are kept."""
    return b"".join(_LENGTH.pack(len(text)) + text for text in texts)


def packed_extras(job: JobRecord) -> bytes:
    """The newest error in a line, progress and its note as they are kept; empty where there is none of them."""
    text, note = (None if value is None else value.encode() for value in (job.error_text, job.progress_note))
    flags = (text is not None) + 2 * (job.progress is not None) + 4 * (note is not None)
    if not flags:
        return b""
    return _EXTRAS.pack(flags, job.progress or 0, len(text or b"")) + (text or b"") + (note or b"")


def packed_body(job: JobRecord, words: bytes) -> bytes:
    """The body of a job of another store, in no line yet."""
    name, details = job.name.encode(), job.details
    head = _BODY.pack(
        job.created_ms,
        NOWHERE,
        job.priority,
        -1 if job.max_attempts is None else job.max_attempts,
        len(name),
        -1 if details is None else len(details),
        len(words),
    )
    return b"".join((head, name, details or b"", words, job.payload))


def packed_record(job: JobRecord) -> bytes:
    """The record of a job of another store."""
    session = (job.session or "").encode()
    flags = (
        RESULT * (job.result is not None)
        + EXTRAS * bool(packed_extras(job))
        + ERRORS * bool(job.errors)
        + LOGS * bool(job.logs)
    )
    head = _RECORD.pack(
        job.state.code,
        flags,
        UNSETTLED,
        job.priority,
        job.fence,
        job.failures,
        job.crashes,
        job.releases,
        NOWHERE,
        job.started_ms or 0,
        job.finished_ms or 0,
        job.updated_ms,
        job.run_ms or 0,
        len(session),
    )
    return head + session + (job.result or b"")


def _read_record(job: JobRecord, record: bytes) -> None:
    (
        state,
        flags,
        _,
        _,
        job.fence,
        job.failures,
        job.crashes,
        job.releases,
        _,
        started_ms,
        ended_ms,
        updated_ms,
        run_ms,
        length,
    ) = _RECORD.unpack_from(record)
    end = _RECORD.size + length
    job.state = ORDER[state]
    job.session = record[_RECORD.size : end].decode() or None
    job.started_ms = int(started_ms) or None
    job.finished_ms = int(ended_ms) if state >= COMPLETED else None
    job.run_ms = int(run_ms) or None if state == BLOCKED else int(run_ms) if state in WAITING else None
    job.updated_ms = int(updated_ms)
    job.result = record[end:] if flags & RESULT else None
    job.cancel_requested = bool(flags & STOPPING)


def _read_extras(job: JobRecord, extras: bytes) -> None:
    flags, progress, length = _EXTRAS.unpack_from(extras)
    end = _EXTRAS.size + length
    if flags & 1:
        job.error_text = extras[_EXTRAS.size : end].decode()
    if flags & 2:
        job.progress = progress
    if flags & 4:
        job.progress_note = extras[end:].decode()
