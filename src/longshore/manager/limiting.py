"""This module makes rules of limits and turns: what a queue, a task and a job were told, for one payload."""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from longshore.core.errors import InvalidOption
from longshore.core.fairness import Turns
from longshore.core.limits import Limit
from longshore.core.picking import Pick, PickFailed, key_text
from longshore.core.rules import FlowKey, Rules
from longshore.core.signature import Signature
from longshore.engine.ruling import Clause, Subject
from longshore.flow.overrides import Overrides
from longshore.manager.option_parsing import limits_of, same_key
from longshore.manager.options import QueueOptions, TaskOptions

KEY_RULE = "key"
"""The rule of `concurrency_key`: one for all tasks of a queue."""
THE_QUEUE = "the queue, so all its tasks need the argument"
Named = tuple[str, Limit]
"""A limit and the rule that it is for the jobs of a queue."""


class LimitClause:
    """The limits that jobs of one queue and name are under."""

    def __init__(self, named: Sequence[Named], overrides: Overrides) -> None:
        self._named = named
        self._overrides = overrides

    @property
    def is_fixed(self) -> bool:
        """Whether they are the same for every job."""
        return not any(limit.picks() for _, limit in self._named)

    def rules(self, subject: Subject) -> Rules:
        """One key for each. Raises InvalidOption for a cost that the code's limit can never give, nor one that was set
        at run time. That somebody has lowered it is no mistake of who adds jobs: theirs need all that it gives."""
        return Rules(flow=tuple(self._key(subject, rule, limit) for rule, limit in self._named))

    def _key(self, subject: Subject, rule: str, limit: Limit) -> FlowKey:
        data = subject.data if limit.picks() else None
        try:
            key = limit.flow_key(rule, key_text(limit.key_of(data)), limit.cost_of(data))
        except PickFailed as failed:
            owner = f"limit '{rule}' of queue '{subject.queue}', for task '{subject.name}',"
            raise failed.of(owner) from failed.__cause__
        override = self._overrides.get(subject.queue, rule)
        held_to = key if override is None else override.over(key)
        most = max(key.most, held_to.most)
        if key.cost > most:
            expected = (
                f"at most {most}, which is all that limit '{rule}' of queue '{subject.queue}' ever gives"
            )
            raise InvalidOption("cost", key.cost, expected)
        return held_to


class TurnsClause:
    """Whose turn a job takes."""

    is_fixed = False

    def __init__(self, turns: Turns) -> None:
        self._turns = turns

    def rules(self, subject: Subject) -> Rules:
        """The fair key. Raises InvalidOption."""
        try:
            return Rules(fair=self._turns.key_of(subject.data))
        except PickFailed as failed:
            raise failed.of(f"task '{subject.name}'") from failed.__cause__


def limit_clauses(
    name: str,
    queue: QueueOptions,
    task: TaskOptions,
    words: Mapping[str, Any],
    *,
    signature: Signature | None,
    overrides: Overrides,
) -> list[Clause]:
    """What the three were told of limits and turns. Raises InvalidOption for what the job was told wrongly."""
    own = limits_of(words)
    check_picks(name, signature, own, None)
    key = same_key(words.get("concurrency_key")) or task.concurrency_key
    named = [*queue_limits(queue), *task_limits(name, own or task.limits)]
    if key is not None:
        named.append((KEY_RULE, key))
    clauses: list[Clause] = [LimitClause(named, overrides)] if named else []
    turns = task.turns or queue.turns
    return clauses if turns is None else [*clauses, TurnsClause(turns)]


def queue_limits(queue: QueueOptions) -> list[Named]:
    """Those that all jobs of the queue are under."""
    return list(zip(_rules("", queue.limits), queue.limits, strict=True))


def task_limits(name: str, limits: Sequence[Limit]) -> list[Named]:
    """Those of a task, or of a job instead of its task's."""
    return list(zip(_rules(f"{name.replace(':', ';')}/", limits), limits, strict=True))


def check_task(name: str, signature: Signature | None, queue: QueueOptions, task: TaskOptions) -> None:
    """Whether the limits and turns of a task and its queue can be had. Raises InvalidOption."""
    task_limits(name, task.limits)
    check_picks(name, signature, queue.limits, None if task.turns else queue.turns, owner=THE_QUEUE)
    check_picks(name, signature, task.limits, task.turns)
    if task.concurrency_key is not None and task.concurrency_key.by is not None and signature is not None:
        Pick("concurrency_key", task.concurrency_key.by).check(name, signature.pickable)


def check_picks(
    task: str,
    signature: Signature | None,
    limits: Iterable[Limit],
    turns: Turns | None,
    *,
    owner: str | None = None,
) -> None:
    """Whether what limits and turns read of the data is there. Raises InvalidOption where the signature has it not."""
    if signature is None:
        return
    picks: list[Pick] = [pick for limit in limits for pick in limit.picks()]
    if turns is not None:
        picks.append(turns.pick)
    for pick in picks:
        pick.check(task, signature.pickable, owner=owner)


def _rules(scope: str, limits: Sequence[Limit]) -> list[str]:
    """A rule for each limit: its own name, else what it is and, from the second of a kind on, the how manieth."""
    seen: Counter[str] = Counter()
    rules = []
    for limit in limits:
        seen[limit.word] += limit.name is None
        nth = seen[limit.word]
        rules.append(scope + (limit.name or (limit.word if nth == 1 else f"{limit.word}-{nth}")))
    if len(set(rules)) < len(rules):
        raise InvalidOption("limit", [*limits], "limits with names of their own")
    return rules
