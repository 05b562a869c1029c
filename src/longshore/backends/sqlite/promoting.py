"""This module makes due jobs pending and sweeps what is over."""

from longshore.backends.sqlite import unsound
from longshore.backends.sqlite.rows import PENDING
from longshore.backends.sqlite.transaction import Transaction
from longshore.store.commands import PAUSE
from longshore.store.replies import Wake, WakeKind

CHUNK = 200
"""Jobs that become pending in one transaction. They lie on scattered pages and cost up to 35 µs each with a million
scheduled: 200 hold the writer for 7 ms, and between two chunks everybody else has a turn."""
MINUTES_KEPT = 24 * 60
"""Of each queue's history."""


def promote(tx: Transaction, limit: int, now_ms: int) -> list[str]:
    """Makes up to `limit` due jobs pending, in the order of their times; gives the queue of each."""
    due = unsound.due(tx, limit, now_ms)
    if due:
        tx.each("line_up", [(tx.places(queue, 1), now_ms, seq) for seq, queue, _ in due])
        for _, queue, state in due:
            tx.moved(queue, state, PENDING)
    return [queue for _, queue, _ in due]


def next_due(tx: Transaction) -> int | None:
    """When the next waiting job is due."""
    found = tx.row("next_due")
    return found[0] if found else None


def sweep(tx: Transaction, now_ms: int) -> None:
    """Deletes records that are over, and sessions that are over and hold nothing. The end of a pause wakes workers."""
    for kind, key in tx.rows("sweep_records", (now_ms,)):
        if kind == PAUSE:
            tx.wakes.add(Wake(WakeKind.PENDING, key))
    tx.rows("sweep_sessions", (now_ms,))


def sweep_minutes(tx: Transaction, now_ms: int) -> None:
    """Deletes the history that is too old."""
    queues = {queue for queue, _, _ in tx.rows("tally_all")}
    tx.each("sweep_minutes", [(queue, now_ms // 60_000 - MINUTES_KEPT + 1) for queue in queues])
