"""This module makes due jobs of the memory store pending."""

import heapq

from longshore.backends.memory.rows import PENDING
from longshore.backends.memory.shelves import Shelves
from longshore.store.replies import Promoted


def promote(shelves: Shelves, limit: int, now_ms: int) -> Promoted:
    """Moves up to `limit` due jobs into their lines, over all queues in the order of their times."""
    shelves.sweep(now_ms)
    shelves.flow.touch_due(now_ms)
    rows = shelves.rows
    heads = [
        (*due, queue.name) for queue in shelves.queues.values() if (due := queue.next_due(rows)) is not None
    ]
    heapq.heapify(heads)
    count, names = 0, set()
    while heads and heads[0][0] <= now_ms and count < limit:
        _, job_id, name = heads[0]
        row = rows[job_id]
        row.updated_ms = now_ms
        shelves.line_up(row, now_ms)
        count += 1
        if row.state == PENDING:
            names.add(name)
        due = shelves.queues[name].next_due(rows)
        if due is None:
            heapq.heappop(heads)
        else:
            heapq.heapreplace(heads, (*due, name))
    if shelves.dependents.next_look_ms() is not None:
        freed = shelves.decide(now_ms, shelves.dependents.decide_again(now_ms))
        names.update(row.job.queue for row in freed if row.state == PENDING)
    names |= shelves.serve(now_ms)
    dues = [due[0] for queue in shelves.queues.values() if (due := queue.next_due(rows)) is not None]
    times = (*dues, shelves.flow.next_due_ms(), shelves.dependents.next_look_ms())
    return Promoted(
        count=count,
        queues=tuple(sorted(names)),
        next_due_ms=min((time_ms for time_ms in times if time_ms is not None), default=None),
        more=any(due_ms <= now_ms for due_ms in dues),
    )
