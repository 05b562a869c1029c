"""This module holds the figures that the manager reports. Each reads as an attribute and as a key: `stats.failed`,
`stats["failed"]`, `dict(stats)`."""

from collections.abc import Iterator
from typing import Any

import msgspec


class Figures(msgspec.Struct, frozen=True, kw_only=True):
    """Named figures."""

    def __getitem__(self, name: str) -> Any:
        if name not in self.__struct_fields__:
            raise KeyError(name)
        return getattr(self, name)

    def __iter__(self) -> Iterator[str]:
        return iter(self.__struct_fields__)

    def keys(self) -> tuple[str, ...]:
        """The names, so that `dict(figures)` works."""
        return self.__struct_fields__


class Stats(Figures, frozen=True, kw_only=True):
    """All jobs that are kept, in the words of seed 004; `total` is the sum of the others."""

    total: int
    pending: int
    """All that have yet to run: pending, scheduled, retrying, held and blocked."""
    processing: int
    completed: int
    failed: int
    cancelled: int
    """And skipped."""


class QueueMetrics(Figures, frozen=True, kw_only=True):
    """One queue, in the words of seed 003."""

    queue: str
    waiting: int
    """Pending, held and blocked."""
    held: int
    """Of those that wait: by limits."""
    active: int
    """Running."""
    completed: int
    """That are kept now."""
    failed: int
    """Dead letters that are kept now."""
    delayed: int
    """Scheduled and retrying."""
    cancelled: int
    stalled: int
    """Attempts whose worker died, in the window."""
    retried: int
    """Attempts that failed and were to run again, in the window."""
    throughput: float
    """Jobs completed per second, over the window."""
    error_rate: float
    """Of the attempts that ended in the window, the share that failed; from 0 to 1."""
    mean_time: float | None
    """Seconds of an attempt in the window, from claim to end; None where none ended."""
    lag: float
    """Seconds that the pending job which is next in line has waited."""
    paused: bool
    max_size: int | None
    """As this process was told; None: as many as there are."""
    rejected: int
    """Jobs that this process could not add, so far, because the queue was full."""
    dropped: int
    """Jobs that this process has cancelled, so far, to make room."""
    minutes: int
    """The length of the window."""


class LimitState(Figures, frozen=True, kw_only=True):
    """How one limit of one key stands."""

    queue: str
    name: str
    """The limit's own, else "rate", "concurrency", "rate-2", …; with the task's before it where it is a task's."""
    key: str
    """Whose it is; "" where it has no `by`."""
    kind: str
    """"concurrency", "bucket", "sliding" or "fixed"."""
    limit: int
    per: float | None
    """Seconds; None for a concurrency."""
    burst: int | None
    """Only of a bucket."""
    free: int
    """How much is left; below 0 after the limit was lowered."""
    used: int
    """Of a concurrency, by jobs that run or may be claimed; of a rate, reserved by those that may be claimed."""
    held: int
    """Jobs that wait because of it."""
    free_in: float | None
    """Seconds until the first of them has room, where time alone gives it."""


class Status(Figures, frozen=True, kw_only=True):
    """What the manager knows and does in this process (`get_status` of seed 004)."""

    url: str
    """Without secrets."""
    running: bool
    """Whether workers run in this process."""
    queues: tuple[str, ...]
    paused: tuple[str, ...]
    tasks: tuple[str, ...]
    in_flight: int
    """Jobs that run in this process."""


class Thresholds(msgspec.Struct, frozen=True, kw_only=True):
    """From where on a queue counts as unhealthy. None: never."""

    lag: float | None = None
    """Seconds that the oldest pending job may wait."""
    pending: int | None = None
    """Jobs that may wait in one queue."""
    failed: int | None = None
    """Dead letters that one queue may keep."""
    workers: int | None = None
    """Workers that must be alive."""


class Health(Figures, frozen=True, kw_only=True):
    """How it stands; `problems` is empty where all is well."""

    healthy: bool
    store_reachable: bool
    lag: float
    """Seconds that the oldest pending job of all queues has waited."""
    oldest_queue: str | None
    """Where it waits."""
    pending: int
    failed: int
    workers: int
    """That are alive."""
    problems: tuple[str, ...]
    """In words, each naming its queue."""


class RetrySummary(Figures, frozen=True, kw_only=True):
    """What `retry_failed` did, in the words of seed 002."""

    success: bool
    """Whether every job that was found was retried."""
    message: str
    processed: int
    successful: int
    failed: int
    results: tuple[dict[str, Any], ...]
    """{"id", "success"} of each."""
