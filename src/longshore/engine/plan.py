"""This module plans jobs: options that were checked once; from then on a payload goes in and a `NewJob` comes out.

A plan is made when a task is defined or its options are bound, so that adding a job costs an id and a record: nothing
is checked, formatted or encoded again unless the caller carries a context (`core/context.py`).
"""

from collections.abc import Callable, Iterable, Mapping

import msgspec

from longshore.core.context import NOTHING, carried
from longshore.core.durability import Durability
from longshore.core.ids import JobId, new_id
from longshore.core.job import Details, InWorkflow, NewJob
from longshore.core.payload import encode
from longshore.core.priority import Priority
from longshore.core.reference import Reference
from longshore.core.rules import Rules
from longshore.core.unique import OnConflict
from longshore.engine.ruling import Ruling

EMPTY = Details()


class Plan:
    """What all jobs of one task with the same options have in common.

    Raises PayloadNotEncodable when the details have no JSON form.
    """

    __slots__ = (
        *(
            "_common",
            "_rules",
            "details",
            "durability",
            "encoded",
            "is_plain",
            "job_id",
            "max_attempts",
            "name",
            "on_conflict",
            "priority",
            "queue",
        ),
    )

    def __init__(
        self,
        queue: str,
        name: str,
        *,
        priority: int = Priority.NORMAL,
        max_attempts: int | None = None,
        delay_ms: int = 0,
        run_ms: int | None = None,
        job_id: JobId | None = None,
        details: Details = EMPTY,
        durability: Durability | None = None,
        rules: Ruling = None,
    ) -> None:
        """`rules`: of all jobs, or how they follow from a payload (`engine/ruling.py`)."""
        self.queue = queue
        self.name = name
        self.priority = priority
        self.max_attempts = max_attempts
        self.job_id = job_id
        self.details = details
        self.durability = durability
        """What the jobs must outlive once they were added; None: what the store gives unasked."""
        self.encoded: bytes | None = self._encode(details)
        self._common = (priority, max_attempts, delay_ms, run_ms)
        self._rules = rules
        self.is_plain: bool = rules is None and job_id is None
        """Whether nothing can stand in the way of its jobs."""
        self.on_conflict: OnConflict = "return"
        """What becomes of a job when the same one is there already."""

    @property
    def has_rules(self) -> bool:
        """Whether its jobs may have any."""
        return self._rules is not None

    def due_ms(self, now_ms: int) -> int:
        """When a job that is added now is due."""
        _, _, delay_ms, run_ms = self._common
        return now_ms + delay_ms if run_ms is None else run_ms

    def choices(self, jobs: Iterable[NewJob]) -> Mapping[JobId, OnConflict]:
        """What is to be done for which of its jobs if it is in conflict; nothing is said of those that return the older
        one."""
        if self.on_conflict == "return":
            return {}
        return {job.id: self.on_conflict for job in jobs}

    def one(self, payload: bytes, place: InWorkflow | None = None) -> NewJob:
        """A job with this payload, in the caller's context, and perhaps of a workflow. Raises what computing its rules
        raises."""
        details, encoded = self._in_context()
        if place is not None:
            details = msgspec.structs.replace(details, workflow=place)
            encoded = self._encode(details)
        return self._make(self.job_id or new_id(), payload, details, encoded)

    def many(self, payloads: Iterable[bytes]) -> list[NewJob]:
        """A job for each payload, with ids of their own. Raises like `one`."""
        details, encoded = self._in_context()
        if encoded is None and self._common == _PLAIN and self._rules is None:
            queue, name = self.queue, self.name
            return [NewJob(id=new_id(), queue=queue, name=name, payload=payload) for payload in payloads]
        return [self._make(new_id(), payload, details, encoded) for payload in payloads]

    def _make(self, job_id: JobId, payload: bytes, details: Details, encoded: bytes | None) -> NewJob:
        priority, max_attempts, delay_ms, run_ms = self._common
        return NewJob(
            id=job_id,
            queue=self.queue,
            name=self.name,
            payload=payload,
            priority=priority,
            max_attempts=max_attempts,
            delay_ms=delay_ms,
            run_ms=run_ms,
            details=encoded,
            tags=details.tags,
            reference=Reference(*details.reference).key if details.reference else None,
            correlation_id=details.correlation_id,
            rules=self._rules if self._rules is None else self._rules_of(payload),
        )

    def _rules_of(self, payload: bytes) -> Rules | None:
        return self._rules(payload) if callable(self._rules) else self._rules

    def _in_context(self) -> tuple[Details, bytes | None]:
        now = carried.get()
        if now is NOTHING:
            return self.details, self.encoded
        details = msgspec.structs.replace(
            self.details,
            context={**now.values},
            correlation_id=self.details.correlation_id or now.correlation_id,
        )
        return details, self._encode(details)

    def _encode(self, details: Details) -> bytes | None:
        return None if details == EMPTY else encode(details, what=f"{self.name}: its options and context")


class Plans:
    """Plans by queue and name, each kept as long as what it was made of is the same. Making one takes 5 µs."""

    def __init__(self) -> None:
        self._kept: dict[tuple[str, str], tuple[tuple[object, ...], Plan]] = {}

    def get(self, queue: str, name: str, *, made_of: tuple[object, ...], make: Callable[[], Plan]) -> Plan:
        """The plan that is kept, or a new one. Raises what `make` raises."""
        kept = self._kept.get((queue, name))
        if kept is not None and kept[0] == made_of:
            return kept[1]
        plan = make()
        if len(self._kept) >= KEPT:
            self._kept.clear()  # names may be made up without end
        self._kept[queue, name] = made_of, plan
        return plan


KEPT = 1000
_PLAIN = (Priority.NORMAL, None, 0, None)
