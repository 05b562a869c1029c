"""This module makes jobs pending that waited for a time, or were over: those with rules only where there is room."""

from collections.abc import Iterable
from typing import NamedTuple

from longshore.backends.sqlite.flowing import Flow
from longshore.backends.sqlite.rows import PENDING, Row, rules_of
from longshore.backends.sqlite.transaction import Transaction


class Wanted(NamedTuple):
    """A job that wants to be pending."""

    seq: int
    queue: str
    state: int
    priority: int
    packed: bytes | None
    """Its rules."""


def line_up(tx: Transaction, jobs: Iterable[Wanted], flow: Flow, now_ms: int) -> set[str]:
    """Puts them at the tail of their lines, in their order; gives the queues that got pending jobs. Whoever calls
    ends the flow."""
    queues = set()
    plain: list[Row] = []
    stands: list[Row] = []
    for job in jobs:
        rules = None if job.packed is None else rules_of(job.packed)
        if rules is None:
            plain.append((tx.places(job.queue, 1), now_ms, job.seq))
            tx.moved(job.queue, job.state, PENDING)
            queues.add(job.queue)
        else:
            stand = flow.line_up(job.queue, job.priority, rules)
            stands.append((*stand, now_ms, job.seq))
            tx.moved(job.queue, job.state, stand[0])
            if stand[0] == PENDING:
                queues.add(job.queue)
    if plain:
        tx.each("line_up", plain)
    if stands:
        tx.stand(stands)
    return queues
