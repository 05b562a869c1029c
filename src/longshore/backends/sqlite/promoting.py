"""This module makes due jobs pending and sweeps what is over."""

from typing import NamedTuple

from longshore.backends.sqlite import unsound
from longshore.backends.sqlite.dependents import Dependents
from longshore.backends.sqlite.flowing import Flow
from longshore.backends.sqlite.lining import Wanted, line_up
from longshore.backends.sqlite.rows import HELD, PENDING, RUNNING
from longshore.backends.sqlite.transaction import Transaction
from longshore.store.commands import PAUSE
from longshore.store.replies import Wake, WakeKind

CHUNK = 200
"""Jobs that become pending in one transaction. They lie on scattered pages and cost up to 35 µs each with a million
scheduled: 200 hold the writer for 7 ms, and between two chunks everybody else has a turn."""
MINUTES_KEPT = 24 * 60
"""Of each queue's history."""


class Chunk(NamedTuple):
    """What a transaction made of due jobs."""

    number: int
    queues: set[str]
    """Those that got pending jobs."""


def promote(tx: Transaction, now_ms: int, *, limit: int, is_last: bool) -> Chunk:
    """Makes up to `limit` due jobs pending, in the order of their times. Where it is the last chunk, because somebody
    wants no more or because there are no more, parents that were not there are looked for, and the meters whose time
    has come serve as well."""
    flow = Flow(tx, now_ms)
    wanted = [Wanted(*row) for row in unsound.due(tx, limit, now_ms)]
    queues = line_up(tx, wanted, flow, now_ms) if wanted else set()
    if is_last or len(wanted) < limit:
        dependents = Dependents(tx, flow, now_ms)
        dependents.look_again()
        queues |= dependents.finish()
        tx.write_rules()
        for entry in tx.meters.load_due(now_ms):
            flow.touch(entry)
    return Chunk(len(wanted), queues | flow.serve())


def next_due(tx: Transaction) -> int | None:
    """When the next waiting job is due, or a meter has room for one that it holds."""
    tx.write_rules()
    found: int | None = tx.rows("next_due")[0][0]
    return found


def sweep(tx: Transaction, now_ms: int) -> None:
    """Deletes records that are over, and sessions that are over and hold nothing. The end of a pause wakes workers."""
    for kind, key in tx.rows("sweep_records", (now_ms,)):
        if kind == PAUSE:
            tx.wakes.add(Wake(WakeKind.PENDING, key))
    tx.rows("sweep_sessions", (now_ms,))


def sweep_old(tx: Transaction, now_ms: int) -> None:
    """Deletes the history that is too old, and what is known of limits and turns that nobody uses any more."""
    rows = tx.rows("tally_all")
    queues = {queue for queue, _, _ in rows}
    at_work = {queue for queue, state, count in rows if count and state in (HELD, PENDING, RUNNING)}
    tx.each("turn_forget", [(queue,) for queue in queues - at_work])
    tx.meters.now_ms = now_ms
    for queue in queues:
        tx.meters.load_all(queue)  # what is idle is forgotten when the transaction ends
    tx.each("sweep_minutes", [(queue, now_ms // 60_000 - MINUTES_KEPT + 1) for queue in queues])
