"""This module ends claims."""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence

import apsw

from longshore.backends.sqlite.claiming import is_live
from longshore.backends.sqlite.inserting import insert
from longshore.backends.sqlite.rows import FIRST_TERMINAL, PENDING, Row
from longshore.backends.sqlite.transaction import Transaction
from longshore.core.ids import JobId
from longshore.core.job import ERRORS_KEPT
from longshore.core.states import CODES
from longshore.core.verdict import Charge, Verdict
from longshore.store.commands import Settlement
from longshore.store.replies import Settled

Applied = dict[JobId, Row]
"""seq, id, started_ms and queue of the jobs that were settled."""
Group = list[Settlement]
"""Settlements that say the same of different jobs."""

MANY = 4 if "ENABLE_CARRAY" in apsw.compile_options else 1_000_000
"""A group of so many is one statement: 3.4 µs a job instead of 6.2, and the GIL is asked for once. Some builds of apsw
have no arrays; there each job has its own."""
ID = 10
"""The position of the id in a row for `settle.sql`."""


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
    groups = _alike(allowed)
    applied = _write(tx, groups, now_ms)
    for group in groups:
        _count(tx, group, applied, now_ms)
    _add_what_belongs_to_them(tx, allowed, applied, now_ms)
    if len(applied) == len(batch):
        return [Settled.APPLIED] * len(batch)
    return [Settled.APPLIED if s.id in applied or _is_repeat(tx, s) else Settled.STALE for s in batch]


def _without_living(tx: Transaction, batch: Sequence[Settlement], now_ms: int) -> list[Settlement]:
    """All but the rescues from sessions that live."""
    live = {s: is_live(tx, s, now_ms) for s in {each.session for each in batch if each.if_lost}}
    return [s for s in batch if not (s.if_lost and live[s.session])]


def _alike(batch: Iterable[Settlement]) -> Iterable[Group]:
    """The settlements by what they say: jobs that return nothing all end alike."""
    groups: defaultdict[tuple[object, ...], Group] = defaultdict(list)
    for s in batch:  # by the verdict's identity, because verdicts are shared and hashing one costs 0.4 µs
        groups[id(s.verdict), s.result, s.error_text, s.session, s.fence, s.keep].append(s)
    return groups.values()


def _write(tx: Transaction, groups: Iterable[Group], now_ms: int) -> Applied:
    """Applies the settlements, many at once where they are alike."""
    written: list[Row] = []
    others: list[Row] = []
    for group in groups:
        if not group[0].keep and CODES[group[0].verdict.state] >= FIRST_TERMINAL:
            written += _forget(tx, group)
        elif len(group) >= MANY and not _lines_up(group[0].verdict):
            common = _row(tx, group[0], now_ms)
            ids = apsw.carray(tuple(s.id for s in group))
            written += tx.rows("settle_alike", (*common[:ID], ids, *common[ID + 1 :]))
        else:
            others += [_row(tx, s, now_ms) for s in group]
    if others:
        written += tx.each("settle", others)
    return {row[1]: row for row in written}


def _lines_up(verdict: Verdict) -> bool:
    """Whether each job gets a place of its own, at the tail."""
    return CODES[verdict.state] == PENDING and verdict.charge != Charge.RELEASE


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


def _forget(tx: Transaction, batch: Group) -> list[Row]:
    rows = tx.each("settle_forget", [(s.id, s.session, s.fence) for s in batch])
    forget_belongings(tx, [row[0] for row in rows])
    return rows


def forget_belongings(tx: Transaction, seqs: Sequence[int]) -> None:
    """Deletes errors and logs of jobs that are gone."""
    parameters = [(seq,) for seq in seqs]
    tx.each("failure_forget", parameters)
    tx.each("log_forget", parameters)


def _count(tx: Transaction, group: Group, applied: Applied, now_ms: int) -> None:
    """Moves the counts of those that were applied, once for each queue."""
    started_ms: defaultdict[str, list[int]] = defaultdict(list)
    for s in group:
        row = applied.get(s.id)
        if row is not None:
            started_ms[row[3]].append(row[2])
    verdict, keep = group[0].verdict, group[0].keep
    state = CODES[verdict.state]
    for queue, times in started_ms.items():
        count = len(times)
        tx.ended(queue, state, verdict.charge, now_ms, count=count, run_ms=count * now_ms - sum(times))
        if not keep and state >= FIRST_TERMINAL:
            tx.moved(queue, state, None, count)


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
