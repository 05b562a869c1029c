"""This module lists the figures that the table shows, with what Longshore must reach in each."""

from collections.abc import Mapping
from typing import NamedTuple


class Row(NamedTuple):
    """A figure: what it is, its targets by store, and the limit of the same run that it is compared with."""

    key: str
    title: str
    unit: str
    targets: dict[str, float]
    at_most: bool = False
    """The target is the most that it may be, instead of the least."""
    limits: dict[str, str | float] = {}  # noqa: RUF012 - read only
    """By store: the key of another figure of the run, or the most there can be."""
    limit_title: str = ""
    share: float | Mapping[str, float] | None = None
    """Of the limit, at least; where it differs, by store."""

    def least(self, store: str) -> float | None:
        """The share that a store must reach."""
        return self.share.get(store) if isinstance(self.share, Mapping) else self.share

    def is_met(self, store: str, figure: float, share: float | None) -> bool | None:
        """Whether every target of the row is reached; None when it has none on this store."""
        verdicts = []
        if store in self.targets:
            target = self.targets[store]
            verdicts.append(figure <= target if self.at_most else figure >= target)
        least = self.least(store)
        if least is not None and share is not None:
            verdicts.append(share >= least)
        return all(verdicts) if verdicts else None


STORES = ("memory", "sqlite", "postgres", "redis")

ROWS = (
    Row(
        "drain",
        "jobs that do nothing",
        "jobs/s",
        {"memory": 100_000, "sqlite": 40_000, "postgres": 40_000, "redis": 50_000},
        limits={"sqlite": "bare_drain"},
        limit_title="bare drain",
        share=0.55,
    ),
    Row(
        "drain2",
        "the same, two workers",
        "jobs/s",
        {},
        limits=dict.fromkeys(("sqlite", "postgres", "redis"), "drain"),
        limit_title="one worker",
        share={"sqlite": 1.0, "postgres": 1.3, "redis": 1.3},
    ),
    Row("limited_none", "jobs that do nothing, without limits", "jobs/s", {}),
    Row(
        "limited_rate",
        "the same, under a rate",
        "jobs/s",
        {},
        limits=dict.fromkeys(STORES, "limited_none"),
        limit_title="no limit",
        share=0.5,
    ),
    Row(
        "limited_key",
        "the same, five at once for a key",
        "jobs/s",
        {},
        limits=dict.fromkeys(STORES, "limited_none"),
        limit_title="no limit",
        share=0.5,
    ),
    Row("workflow_none", "jobs that do nothing, beside workflows", "jobs/s", {}),
    Row(
        "workflow_steps",
        "steps of fan-outs with a join",
        "steps/s",
        {},
        limits=dict.fromkeys(STORES, "workflow_none"),
        limit_title="plain jobs",
        share=1 / 3,
    ),
    Row("workflow_start", "steps added, ten workflows at a time", "steps/s", {}),
    Row(
        "one",
        "enqueue one by one",
        "jobs/s",
        {},
        limits={"sqlite": "bare_one", "postgres": "trips", "redis": "trips"},
        limit_title="bare commit or trip",
        share=0.75,
    ),
    Row(
        "concurrent",
        "enqueue from 100 coroutines",
        "jobs/s",
        {"sqlite": 30_000, "postgres": 20_000, "redis": 40_000},
    ),
    Row(
        "bulk",
        "enqueue in bulk",
        "jobs/s",
        {"memory": 300_000, "sqlite": 100_000, "postgres": 80_000, "redis": 100_000},
        limits={"sqlite": "bare_bulk"},
        limit_title="bare bulk",
    ),
    Row(
        "latency_p50",
        "enqueue to start, p50",
        "ms",
        {"memory": 0.2, "sqlite": 2, "postgres": 2.5, "redis": 0.8},
        at_most=True,
        limits={"memory": "bare_start"},
        limit_title="bare hand-over",
    ),
    Row(
        "latency_p99",
        "enqueue to start, p99",
        "ms",
        {"memory": 1, "sqlite": 6, "postgres": 8, "redis": 3},
        at_most=True,
    ),
    Row(
        "io",
        "10 ms jobs, 100 slots",
        "jobs/s",
        dict.fromkeys(STORES, 9_500),
        limits=dict.fromkeys(STORES, "bare_io"),
        limit_title="bare coroutines",
    ),
    Row(
        "threads",
        "1 ms in threads, 32 slots",
        "jobs/s",
        {},
        limits=dict.fromkeys(STORES, 32_000),
        limit_title="ideal",
        share=0.7,
    ),
    Row("batched_one", "BatchedQueue, one by one", "items/s", {"bare": 200_000}),
    Row("batched_many", "BatchedQueue, from an iterator", "items/s", {"bare": 200_000}),
    Row("idle_cpu", "idle worker, processor", "s/min", dict.fromkeys(STORES, 0.1), at_most=True),
    Row("idle_calls", "idle worker, store calls", "/min", dict.fromkeys(STORES, 60), at_most=True),
    Row(
        "memory", "worker's memory when new", "MB", {"sqlite": 40, "postgres": 45, "redis": 45}, at_most=True
    ),
    Row("memory_growth", "and more after many jobs", "MB", dict.fromkeys(STORES, 5), at_most=True),
    Row("size", "store, for a waiting job", "bytes", {"sqlite": 300}, at_most=True),
    Row("backlog", "rate with many waiting", "% of few", dict.fromkeys(STORES, 90)),
    Row("history", "rate with a history", "% of none", dict.fromkeys(STORES, 90)),
    Row("trips", "bare driver, one after another", "/s", {}),
    Row("bare_drain", "bare prototype: drain", "jobs/s", {}),
    Row("bare_claim_settle", "bare prototype: claim, settle", "jobs/s", {}),
    Row("bare_one", "bare prototype: a commit each", "jobs/s", {}),
    Row("bare_bulk", "bare prototype: bulk", "jobs/s", {}),
    Row("bare_io", "bare coroutines that wait 10 ms", "/s", {}),
    Row("bare_start", "bare hand-over between tasks, p50", "ms", {}),
    Row("bare_threads", "bare threads that block 1 ms", "/s", {}),
)
