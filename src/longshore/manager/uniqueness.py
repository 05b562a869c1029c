"""This module makes rules of what a task and a job were told about uniqueness, and a queue about its size."""

from collections.abc import Mapping
from typing import Any

from longshore.core.errors import InvalidOption
from longshore.core.picking import PickFailed
from longshore.core.rules import Rules
from longshore.core.signature import Signature
from longshore.core.unique import Unique
from longshore.engine.ruling import Clause, Subject
from longshore.manager.option_parsing import read_unique
from longshore.manager.options import QueueOptions, TaskOptions


class UniqueClause:
    """What a job must not meet, and, for a follow-up, what it must not run beside."""

    def __init__(self, unique: Unique) -> None:
        self._unique = unique

    @property
    def is_fixed(self) -> bool:
        """Whether it is the same for every job: where nothing of the data counts."""
        return self._unique.keys == ()

    def rules(self, subject: Subject) -> Rules:
        """The key. Raises InvalidOption for one that has no JSON form, and where a function of the data raises."""
        try:
            key = self._unique.key_of(subject.name, None if self.is_fixed else subject.data)
        except PickFailed as failed:
            raise failed.of(f"unique= of task '{subject.name}'") from failed.__cause__
        limit = self._unique.limit_of(key)
        return Rules(unique=key, flow=() if limit is None else (limit,))


class RoomClause:
    """How many jobs may wait in the queue."""

    is_fixed = True

    def __init__(self, max_size: int) -> None:
        self._max_size = max_size

    def rules(self, subject: Subject) -> Rules:  # noqa: ARG002 - the same for all
        """The room."""
        return Rules(room=self._max_size)


def unique_of(task: TaskOptions, words: Mapping[str, Any]) -> Unique | None:
    """What is said of this job, else of its task. Raises InvalidOption."""
    return read_unique(words["unique"]) if words.get("unique") is not None else task.unique


def unique_clauses(
    name: str,
    queue: QueueOptions,
    task: TaskOptions,
    words: Mapping[str, Any],
    *,
    signature: Signature | None,
) -> list[Clause]:
    """What the three were told. Raises InvalidOption, also where a key reads what the task does not have."""
    unique = unique_of(task, words)
    clauses: list[Clause] = []
    if unique is not None:
        check_unique(name, signature, unique)
        clauses.append(UniqueClause(unique))
    if queue.max_size is not None:
        clauses.append(RoomClause(queue.max_size))
    return clauses


def check_room(queue: QueueOptions) -> None:
    """Raises InvalidOption where it is said what becomes of one job more, and not of what number."""
    if queue.when_full is not None and queue.max_size is None:
        raise InvalidOption(
            "when_full", queue.when_full, "max_size= beside it, which says when the queue is full"
        )


def check_unique(name: str, signature: Signature | None, unique: Unique | None) -> None:
    """Raises InvalidOption where the key reads an argument that the task does not have."""
    if unique is not None and signature is not None:
        for pick in unique.picks():
            pick.check(name, signature.pickable)
