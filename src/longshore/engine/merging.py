"""This module says what a new job changes in an older one that is the same, while that waits."""

from typing import Any

import msgspec

from longshore.core.job import JobRecord, NewJob
from longshore.core.payload import decode, encode
from longshore.core.states import State
from longshore.core.unique import OnConflict
from longshore.store.commands import Changes

AT_ONCE_MS = 0
"""A time that is past by every clock."""


def overwriting(new: NewJob, older: JobRecord, choice: OnConflict, now_ms: int) -> Changes:
    """What `choice` ("replace" or "reschedule") changes in the older job."""
    run_ms = _due_ms(new, older, now_ms)
    if choice == "reschedule":
        return Changes(run_ms=run_ms)
    return Changes(
        payload=new.payload,
        priority=new.priority,
        max_attempts=new.max_attempts,
        run_ms=run_ms,
        details=new.details,
        tags=new.tags,
        reference=new.reference,
        correlation_id=new.correlation_id,
    )


def merged(old: bytes, new: bytes, *, what: str, limit_bytes: int) -> bytes:
    """The payload with what the new one adds. Raises PayloadTooLarge."""
    return encode(_merged(decode(old), decode(new)), what=what, limit_bytes=limit_bytes)


def _merged(old: Any, new: Any) -> Any:
    """Objects key by key, lists behind one another, of everything else the new."""
    if isinstance(old, dict) and isinstance(new, dict):
        return {
            **old,
            **{key: _merged(old[key], value) if key in old else value for key, value in new.items()},
        }
    if isinstance(old, list) and isinstance(new, list):
        return [*old, *new]
    return new


def _due_ms(new: NewJob, older: JobRecord, now_ms: int) -> int | msgspec.UnsetType:
    if older.state is State.BLOCKED:
        return msgspec.UNSET
    if new.run_ms is not None:
        return new.run_ms
    if new.delay_ms > 0:
        return now_ms + new.delay_ms
    return msgspec.UNSET if older.state in (State.PENDING, State.HELD) else AT_ONCE_MS
