"""This module ends claims."""

from collections.abc import Iterator, Sequence

from longshore.backends.sqlite.claiming import is_live
from longshore.backends.sqlite.inserting import insert
from longshore.backends.sqlite.rows import FIRST_TERMINAL, PENDING, Row
from longshore.backends.sqlite.transaction import Transaction
from longshore.core.ids import JobId
from longshore.core.job import ERRORS_KEPT
from longshore.core.states import CODES, State
from longshore.core.verdict import Charge
from longshore.store.commands import Settlement
from longshore.store.replies import Settled

Applied = dict[JobId, Row]
"""seq, id, started_ms and queue of the jobs that were settled."""


def settle(tx: Transaction, settlements: Sequence[Settlement], now_ms: int) -> list[Settled]:
    """Applies those whose claim is the newest, and says of the others whether they had been applied before."""
    replies: list[Settled] = []
    for batch in _without_repeats(settlements):
        replies += _settle(tx, batch, now_ms)
    return replies


def _without_repeats(settlements: Sequence[Settlement]) -> Iterator[Sequence[Settlement]]:
    """The list in pieces in which no id stands twice: nearly always the list itself."""
    if len({settlement.id for settlement in settlements}) == len(settlements):
        yield settlements
        return
    batch: dict[JobId, Settlement] = {}
    for settlement in settlements:
        if settlement.id in batch:
            yield list(batch.values())
            batch = {}
        batch[settlement.id] = settlement
    yield list(batch.values())


def _settle(tx: Transaction, batch: Sequence[Settlement], now_ms: int) -> list[Settled]:
    allowed = _without_living(tx, batch, now_ms) if any(s.if_lost for s in batch) else batch
    forgotten = [s for s in allowed if not s.keep and CODES[s.verdict.state] >= FIRST_TERMINAL]
    kept = [s for s in allowed if s.keep or CODES[s.verdict.state] < FIRST_TERMINAL] if forgotten else allowed
    applied = _keep(tx, kept, now_ms)
    if forgotten:
        applied |= _forget(tx, forgotten)
    _count(tx, allowed, applied, now_ms)
    _add_what_belongs_to_them(tx, allowed, applied, now_ms)
    if len(applied) == len(batch):
        return [Settled.APPLIED] * len(batch)
    return [Settled.APPLIED if s.id in applied or _is_repeat(tx, s) else Settled.STALE for s in batch]


def _without_living(tx: Transaction, batch: Sequence[Settlement], now_ms: int) -> list[Settlement]:
    """All but the rescues from sessions that live."""
    live = {s: is_live(tx, s, now_ms) for s in {each.session for each in batch if each.if_lost}}
    return [s for s in batch if not (s.if_lost and live[s.session])]


def _keep(tx: Transaction, batch: Sequence[Settlement], now_ms: int) -> Applied:
    rows = tx.each("settle", [_row(tx, settlement, now_ms) for settlement in batch])
    return {row[1]: row for row in rows}


def _row(tx: Transaction, settlement: Settlement, now_ms: int) -> Row:
    """A settlement as `settle.sql` takes it."""
    verdict = settlement.verdict
    state, charge = CODES[verdict.state], verdict.charge
    place = run_ms = None
    if state == PENDING:
        if charge != Charge.RELEASE:
            place = tx.places(1)
    elif state < FIRST_TERMINAL:
        run_ms = verdict.run_ms if verdict.run_ms is not None else now_ms + verdict.delay_ms
    return (
        state,
        place,
        charge == Charge.FAILURE,
        charge == Charge.CRASH,
        charge == Charge.RELEASE,
        run_ms,
        now_ms if state >= FIRST_TERMINAL else None,
        settlement.result,
        settlement.error_text,
        now_ms,
        settlement.id,
        settlement.session,
        settlement.fence,
    )


def _forget(tx: Transaction, batch: Sequence[Settlement]) -> Applied:
    rows = tx.each("settle_forget", [(s.id, s.session, s.fence) for s in batch])
    forget_belongings(tx, [row[0] for row in rows])
    return {row[1]: row for row in rows}


def forget_belongings(tx: Transaction, seqs: Sequence[int]) -> None:
    """Deletes errors and logs of jobs that are gone."""
    parameters = [(seq,) for seq in seqs]
    tx.each("failure_forget", parameters)
    tx.each("log_forget", parameters)


def _count(tx: Transaction, batch: Sequence[Settlement], applied: Applied, now_ms: int) -> None:
    """Moves the counts, once for each queue and verdict."""
    sums: dict[tuple[str, State, Charge, bool], list[int]] = {}
    for s in batch:
        row = applied.get(s.id)
        if row is not None:
            verdict = s.verdict
            key = (row[3], verdict.state, verdict.charge, s.keep)
            total = sums.get(key)
            if total is None:
                total = sums[key] = [0, 0]
            total[0] += 1
            total[1] += now_ms - row[2]
    for (queue, state, charge, keep), (count, run_ms) in sums.items():
        code = CODES[state]
        tx.ended(queue, code, charge, now_ms, count=count, run_ms=run_ms)
        if not keep and code >= FIRST_TERMINAL:
            tx.moved(queue, code, None, count)


def _add_what_belongs_to_them(
    tx: Transaction, batch: Sequence[Settlement], applied: Applied, now_ms: int
) -> None:
    """Errors, follow-ups, and the end of sessions that were rescued from: what few settlements have."""
    rescued = set()
    for s in batch:
        if s.error is None and not s.follow and not s.if_lost:
            continue
        row = applied.get(s.id)
        if row is None:
            continue
        if s.error is not None and (s.keep or CODES[s.verdict.state] < FIRST_TERMINAL):
            _add_error(tx, row[0], s)
        if s.follow:
            insert(tx, s.follow, now_ms)
        if s.if_lost:
            rescued.add(s.session)
    for session in rescued:
        tx.rows("session_end", (session,))


def _add_error(tx: Transaction, seq: int, settlement: Settlement) -> None:
    tx.rows("failure_add", (seq, settlement.fence, settlement.error))
    if settlement.fence > ERRORS_KEPT:
        tx.rows("failure_trim", (seq, ERRORS_KEPT))


def _is_repeat(tx: Transaction, s: Settlement) -> bool:
    return tx.row("settle_repeat", (s.id, s.session, s.fence, CODES[s.verdict.state])) is not None
