"""This module gives pending jobs to sessions."""

from collections.abc import Sequence

from longshore.backends.sqlite import unsound
from longshore.backends.sqlite.flowing import Flow, with_rates
from longshore.backends.sqlite.rows import PENDING, RUNNING, Row, numbers
from longshore.backends.sqlite.transaction import Transaction
from longshore.store.commands import PAUSE, ClaimAsk

RULES = 12
"""Its column in `claim_next.sql`."""


def claim(tx: Transaction, asks: Sequence[ClaimAsk], now_ms: int) -> list[list[Row] | None]:
    """The rows that each ask got; None where its session is over. They become records outside the transaction."""
    return [_claim(tx, ask, now_ms) for ask in asks]


def _claim(tx: Transaction, ask: ClaimAsk, now_ms: int) -> list[Row] | None:
    if not is_live(tx, ask.session, now_ms):
        return None
    if ask.count <= 0:
        return []
    if ask.id is not None:
        rows = tx.rows("claim_named", (ask.queue, ask.id))
    elif tx.row("record_read", (PAUSE, ask.queue, now_ms)) is not None:
        return []
    else:
        rows = unsound.next_in_line(tx, ask.queue, ask.count, now_ms)
        if len(rows) < ask.count:
            tx.drained(ask.queue)
    if rows:
        tx.rows("claim_take", (numbers([row[0] for row in rows]), ask.session, now_ms))
        tx.moved(ask.queue, PENDING, RUNNING, len(rows))
        ruled = [row[RULES] for row in rows if row[RULES] is not None]
        if ruled:
            _start(tx, ask.queue, ruled, now_ms)
    return rows


def _start(tx: Transaction, queue: str, packed: list[bytes], now_ms: int) -> None:
    """What claims take of the limits of their jobs."""
    tx.left_the_line()
    rated = [rules for rules in map(with_rates, packed) if rules is not None]
    if rated:
        flow = Flow(tx, now_ms)
        flow.expect((queue, rules) for rules in rated)
        flow.start(queue, rated)
        flow.serve()


def is_live(tx: Transaction, session: str, now_ms: int) -> bool:
    """Whether the session's lease runs."""
    return tx.row("session_live", (session, now_ms)) is not None
