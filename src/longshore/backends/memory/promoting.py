"""This module makes due jobs of the memory store pending."""

import heapq

from longshore.backends.memory.rows import PENDING
from longshore.backends.memory.tables import Tables
from longshore.store.replies import Promoted


def promote(tables: Tables, limit: int, now_ms: int) -> Promoted:
    """Moves up to `limit` due jobs into their lines, over all queues in the order of their times."""
    tables.sweep(now_ms)
    tables.flow.touch_due(now_ms)
    rows = tables.rows
    heads = [
        (*due, queue.name) for queue in tables.queues.values() if (due := queue.next_due(rows)) is not None
    ]
    heapq.heapify(heads)
    count, names = 0, set()
    while heads and heads[0][0] <= now_ms and count < limit:
        _, job_id, name = heads[0]
        row = rows[job_id]
        row.updated_ms = now_ms
        tables.line_up(row, now_ms)
        count += 1
        if row.state == PENDING:
            names.add(name)
        due = tables.queues[name].next_due(rows)
        if due is None:
            heapq.heappop(heads)
        else:
            heapq.heapreplace(heads, (*due, name))
    if tables.dependents.next_look_ms() is not None:
        freed = tables.decide(now_ms, tables.dependents.decide_again(now_ms))
        names.update(row.job.queue for row in freed if row.state == PENDING)
    names |= tables.serve(now_ms)
    dues = [due[0] for queue in tables.queues.values() if (due := queue.next_due(rows)) is not None]
    times = (*dues, tables.flow.next_due_ms(), tables.dependents.next_look_ms())
    return Promoted(
        count=count,
        queues=tuple(sorted(names)),
        next_due_ms=min((time_ms for time_ms in times if time_ms is not None), default=None),
        more=any(due_ms <= now_ms for due_ms in dues),
    )
