"""This module writes settlements that were found valid: those that end alike together."""

from collections import defaultdict

from longshore.backends.sqlite.inserting import insert
from longshore.backends.sqlite.rows import FIRST_TERMINAL, PENDING, Row, numbers
from longshore.backends.sqlite.transaction import Transaction
from longshore.core.job import ERRORS_KEPT
from longshore.core.states import CODES, WAITING_FOR_TIME
from longshore.core.verdict import Charge, Verdict
from longshore.store.commands import Settlement


class Batch:
    """Gathers, then writes. Nothing in it is asked of the database again."""

    def __init__(self, tx: Transaction, now_ms: int) -> None:
        self._tx, self._now_ms = tx, now_ms
        self._alike: defaultdict[Verdict, list[int]] = defaultdict(list)
        self._single: list[Row] = []
        self._forgotten: list[int] = []
        self._ended: defaultdict[tuple[str, Verdict], list[int]] = defaultdict(lambda: [0, 0])
        self._belongings: list[tuple[int, Settlement]] = []
        self._queue: str | None = None
        self._verdict: Verdict | None = None
        self._state = 0
        self._needs_place = False
        self._sums: list[int] = []
        self._seqs: list[int] = []

    def add(self, settlement: Settlement, seq: int, queue: str, started_ms: int) -> None:
        """Takes one in that will be applied."""
        verdict = settlement.verdict
        if verdict is not self._verdict or queue != self._queue:
            self._turn_to(queue, verdict)
        self._sums[0] += 1
        self._sums[1] += self._now_ms - started_ms
        if not settlement.keep and self._state >= FIRST_TERMINAL:
            self._forgotten.append(seq)
            self._tx.moved(queue, self._state, None)
        elif settlement.result is None and settlement.error_text is None and not self._needs_place:
            self._seqs.append(seq)
        else:
            self._single.append(self._row(settlement, seq, queue))
        if settlement.error is not None or settlement.follow or settlement.if_lost:
            self._belongings.append((seq, settlement))

    def _turn_to(self, queue: str, verdict: Verdict) -> None:
        """Looks up what the next settlements have in common with this one: mostly they are all alike."""
        self._queue, self._verdict = queue, verdict
        self._state = CODES[verdict.state]
        self._needs_place = (
            self._state == PENDING and verdict.charge != Charge.RELEASE
        )  # released: the old place
        self._sums = self._ended[queue, verdict]
        self._seqs = self._alike[verdict]

    def write(self) -> None:
        """Everything that was added."""
        tx = self._tx
        for verdict, seqs in self._alike.items():
            if seqs:
                tx.rows("settle_alike", (*_columns(verdict, self._now_ms), numbers(seqs)))
        if self._single:
            tx.each("settle_one", self._single)
        if self._forgotten:
            forget(tx, self._forgotten)
        for (queue, verdict), (count, run_ms) in self._ended.items():
            state = CODES[verdict.state]
            if (due_ms := _due_ms(verdict, self._now_ms)) is not None:
                tx.waits(queue, due_ms)
            tx.ended(queue, state, verdict.charge, self._now_ms, count=count, run_ms=run_ms)
        if self._belongings:
            self._add_belongings()

    def _row(self, settlement: Settlement, seq: int, queue: str) -> Row:
        place = self._tx.places(queue, 1) if self._needs_place else None
        return (
            *_columns(settlement.verdict, self._now_ms, place, settlement.result, settlement.error_text),
            seq,
        )

    def _add_belongings(self) -> None:
        """Errors, follow-ups, and the end of sessions that were rescued from: what few settlements have."""
        tx, forgotten = self._tx, set(self._forgotten)
        for seq, settlement in self._belongings:
            if settlement.error is not None and seq not in forgotten:
                tx.rows("failure_add", (seq, settlement.fence, settlement.error))
                if settlement.fence > ERRORS_KEPT:
                    tx.rows("failure_trim", (seq, ERRORS_KEPT))
            if settlement.follow:
                insert(tx, settlement.follow, self._now_ms)
        for session in {settlement.session for _, settlement in self._belongings if settlement.if_lost}:
            tx.rows("session_end", (session,))


def forget(tx: Transaction, seqs: list[int]) -> None:
    """Deletes jobs with their errors and logs."""
    for statement in ("forget", "failure_forget", "log_forget"):
        tx.rows(statement, (numbers(seqs),))


def _columns(
    verdict: Verdict,
    now_ms: int,
    place: int | None = None,
    result: bytes | None = None,
    error_text: str | None = None,
) -> Row:
    """The parameters that `settle_alike.sql` and `settle_one.sql` have in common."""
    state, charge = CODES[verdict.state], verdict.charge
    return (
        state,
        place,
        charge == Charge.FAILURE,
        charge == Charge.CRASH,
        charge == Charge.RELEASE,
        _due_ms(verdict, now_ms),
        now_ms if state >= FIRST_TERMINAL else None,
        result,
        error_text,
        now_ms,
    )


def _due_ms(verdict: Verdict, now_ms: int) -> int | None:
    """When a job that goes on so is due; None for one that does not wait for a time."""
    if verdict.state not in WAITING_FOR_TIME:
        return None
    return verdict.run_ms if verdict.run_ms is not None else now_ms + verdict.delay_ms
