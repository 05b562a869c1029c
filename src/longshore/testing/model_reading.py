"""This module answers questions about the oracle's jobs: which match, in what order, and what happened when."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from longshore.core.job import JobRecord, NewJob
from longshore.core.rules import UniqueKey
from longshore.core.states import State
from longshore.store.commands import JobQuery, Order
from longshore.store.replies import Minute


@dataclass
class Kept:
    """A job, and what a store must know of it without showing it."""

    job: JobRecord
    new: NewJob
    place: int = 0
    tag: int | None = None
    settled: State | None = None


class Event(NamedTuple):
    """Something that a queue's history counts; `what` is a field of `Minute`."""

    minute: int
    queue: str
    what: str
    amount: int


def history(events: Sequence[Event], queue: str, minutes: int, now_ms: int) -> tuple[Minute, ...]:
    """What happened in the last so many minutes, the current one included."""
    mine = [event for event in events if event.queue == queue and event.minute > now_ms // 60_000 - minutes]
    return tuple(
        Minute(
            minute=minute,
            **{
                what: sum(event.amount for event in mine if (event.minute, event.what) == (minute, what))
                for what in ("added", "completed", "failed", "retried", "crashed", "run_ms")
            },
        )
        for minute in sorted({event.minute for event in mine})
    )


def find(kept: Iterable[Kept], query: JobQuery, is_live: Callable[[str | None], bool]) -> list[Kept]:
    """All jobs that match, in the query's order, without those it spares."""
    found = sorted((one for one in kept if matches(one, query, is_live)), key=lambda one: one.job.id)
    if query.order is Order.FINISHED:
        found = [one for one in found if one.job.finished_ms is not None]
        found.sort(key=lambda one: (one.job.finished_ms or 0, one.job.id), reverse=True)
    elif query.order is Order.NEWEST:
        found.reverse()
    return found[query.spare :]


def matches(kept: Kept, query: JobQuery, is_live: Callable[[str | None], bool]) -> bool:
    """Whether every field that the query gives holds."""
    return _stands_as(kept.job, query, is_live) and _says(kept, query)


def _stands_as(job: JobRecord, query: JobQuery, is_live: Callable[[str | None], bool]) -> bool:
    is_lost = job.state is State.RUNNING and not is_live(job.session)
    cut = query.finished_before_ms
    return all(
        (
            query.ids is None or job.id in query.ids,
            query.states is None or job.state in query.states,
            query.queues is None or job.queue in query.queues,
            query.names is None or job.name in query.names,
            query.session is None or job.session == query.session,
            is_lost or not query.lost,
            cut is None or (job.finished_ms is not None and job.finished_ms < cut),
        )
    )


def _says(kept: Kept, query: JobQuery) -> bool:
    new, error_text = kept.new, kept.job.error_text or ""
    texts = (new.name.encode(), new.payload, new.details or b"", error_text.encode())
    needle = (query.text or "").encode().lower()
    return all(
        (
            set(query.tags) <= set(new.tags),
            query.reference is None or new.reference == query.reference,
            query.correlation_id is None or new.correlation_id == query.correlation_id,
            query.payload is None or query.payload == new.payload,
            query.text is None or any(needle in text.lower() for text in texts),
            query.error is None or query.error in error_text,
        )
    )


def time_of(kept: Kept) -> int:
    """When a job that waits for a time is due."""
    assert kept.job.run_ms is not None, "a job waits for no time"
    return kept.job.run_ms


def later(time_ms: int, now_ms: int) -> int | None:
    """The time, if it is still to come."""
    return time_ms if time_ms > now_ms else None


def has_key(job: JobRecord, unique: UniqueKey) -> bool:
    """Whether the job has the key: one that came again under its id, after it was deleted, may have come
    without."""
    return job.rules is not None and job.rules.unique is not None and job.rules.unique.key == unique.key
