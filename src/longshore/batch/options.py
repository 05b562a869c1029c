"""This module says what can be chosen about a batched queue."""

from collections.abc import Callable
from random import Random
from typing import Any, Literal, TypeVar

import msgspec

from longshore.batch.grouping import Split
from longshore.batch.spool import Persistence
from longshore.core.batch_errors import QueueClosed, QueueFull
from longshore.core.errors import InvalidOption, UnknownOption
from longshore.core.names import check_name
from longshore.core.retry import Retry

T = TypeVar("T")

WhenFull = Literal["reject", "drop_oldest", "wait"]

LEAST_IN_HAND = 10_000


class BatchOptions(msgspec.Struct, frozen=True, kw_only=True):
    """The checked options of one queue; docs/reference/batched-queue.md has what each means. Raises InvalidOption."""

    name: str
    batch_size: int
    flush_seconds: float
    concurrency: int
    throttle_seconds: float
    timeout_seconds: float | None
    priority_levels: int
    retry: Retry
    max_size: int | None
    when_full: WhenFull
    persistence: Persistence | None

    def __post_init__(self) -> None:
        check_name("queue", self.name)
        whole = {
            "batch_size": self.batch_size,
            "concurrency": self.concurrency,
            "priority_levels": self.priority_levels,
            "max_size": self.max_size,
        }
        for option, value in whole.items():
            if value is not None and (not isinstance(value, int) or isinstance(value, bool) or value < 1):
                raise InvalidOption(option, value, "a whole number, 1 or more")
        if self.when_full not in ("reject", "drop_oldest", "wait"):
            raise InvalidOption("when_full", self.when_full, "'reject', 'drop_oldest' or 'wait'")
        if self.persistence is not None and not isinstance(self.persistence, Persistence):
            raise InvalidOption(
                "persistence", self.persistence, "a Persistence: Persistence(FileStorage('folder'))"
            )
        if self.timeout_seconds == 0:
            raise InvalidOption("timeout", 0, "more than 0 seconds, or None for no limit")

    @property
    def full_at(self) -> int:
        """A batch is full with so many: a queue that holds fewer than a batch could wait for the rest for ever."""
        return self.batch_size if self.max_size is None else min(self.batch_size, self.max_size)

    @property
    def in_hand(self) -> int:
        """So many items are taken from an iterator before some have gone."""
        return self.max_size or max(LEAST_IN_HAND, 4 * self.batch_size * self.concurrency)

    def full(self) -> QueueFull:
        """What is raised when no more is taken."""
        return QueueFull(self.name, self.max_size or 0)

    def closed(self) -> QueueClosed:
        """What is raised after the end."""
        return QueueClosed(self.name)

    def check_priority(self, priority: int) -> None:
        """Raises InvalidOption for a level that the queue does not have."""
        if not isinstance(priority, int) or not 0 <= priority < self.priority_levels:
            raise InvalidOption(
                "priority", priority, f"0 (most urgent) to {self.priority_levels - 1}, by priority_levels="
            )


def check_batch_by(batch_by: object) -> None:
    """Raises InvalidOption for what names no field and cannot be asked."""
    is_name = isinstance(batch_by, str) and batch_by != ""
    if batch_by is not None and not is_name and not isinstance(batch_by, Split) and not callable(batch_by):
        expected = "the name of a field of each item, a function of an item, or Split(function)"
        raise InvalidOption("batch_by", batch_by, expected)


def check_for_tests(clock: object, random: object) -> None:
    """Raises InvalidOption for what is no clock, or no source of chance."""
    if clock is not None and not all(
        callable(getattr(clock, each, None)) for each in ("monotonic", "call_later")
    ):
        raise InvalidOption("clock", clock, "a clock such as longshore.core.clock.ManualClock(), for tests")
    if random is not None and not isinstance(random, Random):
        raise InvalidOption("random", random, "a random.Random, for tests")


HOOKS = ("enqueue", "batch_start", "batch_complete", "processed", "size_change", "error")


def check_hooks(hooks: dict[str, Callable[..., Any] | None]) -> dict[str, Callable[..., Any]]:
    """The hooks that are there. Raises InvalidOption for one that cannot be called."""
    for name, hook in hooks.items():
        if name not in HOOKS:
            raise UnknownOption(name, HOOKS, of="the hooks of a batched queue")
        if hook is not None and not callable(hook):
            raise InvalidOption(f"on_{name}", hook, "a function or a coroutine function")
    return {name: hook for name, hook in hooks.items() if hook is not None}
