"""This module opens, prolongs and ends sessions."""

from collections.abc import Sequence

from longshore.backends.sqlite.transaction import Transaction
from longshore.store.commands import Lease
from longshore.store.replies import Extended


def extend(tx: Transaction, leases: Sequence[Lease], now_ms: int) -> list[Extended]:
    """Says of each session whether it is held, and which of its jobs somebody wants stopped."""
    return [_extend(tx, lease, now_ms) for lease in leases]


def _extend(tx: Transaction, lease: Lease, now_ms: int) -> Extended:
    if lease.lease_ms <= 0:
        tx.rows("session_end", (lease.session,))
        return Extended(held=False)
    statement = "session_open" if lease.opens else "session_extend"
    rows = tx.rows(statement, (lease.session, now_ms + lease.lease_ms))
    if not rows and not lease.opens:
        return Extended(held=False)
    asked = tx.rows("session_cancelling", (lease.session,))
    return Extended(held=True, cancel=tuple(job_id for (job_id,) in asked))
