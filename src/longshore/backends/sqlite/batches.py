"""This module writes settlements that were found valid: those that end alike together."""

from collections import defaultdict

from longshore.backends.sqlite.dependents import Dependents
from longshore.backends.sqlite.flowing import Flow, slots_of
from longshore.backends.sqlite.inserting import insert_plain, is_plain
from longshore.backends.sqlite.rows import FIRST_TERMINAL, PENDING, Row, numbers, rules_of
from longshore.backends.sqlite.ruled import RuledInsert
from longshore.backends.sqlite.transaction import Transaction
from longshore.core.job import ERRORS_KEPT, NewJob
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
        self._flow: Flow | None = None
        self._dependents: Dependents | None = None
        self._stands: list[Row] = []

    @property
    def flow(self) -> Flow:
        """For jobs with rules; made when the first comes."""
        if self._flow is None:
            self._flow = Flow(self._tx, self._now_ms)
        return self._flow

    @property
    def dependents(self) -> Dependents:
        """For jobs that others wait for, and such that wait; made when the first comes."""
        if self._dependents is None:
            self._dependents = Dependents(self._tx, self.flow, self._now_ms)
        return self._dependents

    def add(self, settlement: Settlement, claim: Row) -> None:
        """Takes one in that will be applied, with the claim as `settle_read.sql` gave it."""
        _, seq, *_, started_ms, queue, packed, awaited = claim
        verdict = settlement.verdict
        if verdict is not self._verdict or queue != self._queue:
            self._turn_to(queue, verdict)
        self._sums[0] += 1
        self._sums[1] += self._now_ms - started_ms
        if not settlement.keep and self._state >= FIRST_TERMINAL:
            self._forgotten.append(seq)
            self._tx.moved(queue, self._state, None)
        elif (
            settlement.result is None
            and settlement.error_text is None
            and (not self._needs_place or packed is not None)
        ):
            self._seqs.append(seq)
        else:
            self._single.append(self._row(settlement, seq, queue, packed))
        if packed is not None:
            self._make_room(seq, queue, packed)
        if awaited is not None and self._state >= FIRST_TERMINAL:
            self.dependents.ended(settlement.id, self._state)
        if settlement.error is not None or settlement.follow or settlement.if_lost:
            self._belongings.append((seq, settlement))
            if not all(is_plain(job) for job in settlement.follow):
                self.write()  # what they meet must be in the file

    def _make_room(self, seq: int, queue: str, packed: bytes) -> None:
        """The claim of a job with rules ends; and where it wants to be pending again, it asks for room like others."""
        if slots := slots_of(packed):
            self.flow.end_claim(queue, slots)
        if self._state != PENDING or (rules := rules_of(packed)) is None:
            return
        [(priority, turn, place)] = self._tx.rows("stood", (seq,))
        if self._needs_place:
            turn = place = 0
        stand = self.flow.line_up(queue, priority, rules, place=place, turn=turn)
        self._stands.append((*stand, None, seq))
        if stand[0] != PENDING:
            self._tx.moved(queue, PENDING, stand[0])

    def _turn_to(self, queue: str, verdict: Verdict) -> None:
        """Looks up what the next settlements have in common with this one: mostly they are all alike."""
        self._queue, self._verdict = queue, verdict
        self._state = CODES[verdict.state]
        self._needs_place = (
            self._state == PENDING and verdict.charge != Charge.RELEASE
        )  # released: the old place
        self._sums = self._ended[queue, verdict]
        self._seqs = self._alike[verdict]

    def end(self) -> None:
        """Everything that was added, and what follows from it."""
        self.write()
        if self._dependents is not None:
            self._dependents.finish()
        if self._flow is not None:
            self._flow.serve()

    def write(self) -> None:
        """Everything that was added since the last time."""
        tx = self._tx
        for verdict, seqs in self._alike.items():
            if seqs:
                tx.rows("settle_alike", (*_columns(verdict, self._now_ms), numbers(seqs)))
        if self._single:
            tx.each("settle_one", self._single)
        if self._stands:
            tx.stand(self._stands)
        if self._forgotten:
            forget(tx, self._forgotten)
        for (queue, verdict), (count, run_ms) in self._ended.items():
            state = CODES[verdict.state]
            if (due_ms := _due_ms(verdict, self._now_ms)) is not None:
                tx.waits(queue, due_ms)
            tx.ended(queue, state, verdict.charge, self._now_ms, count=count, run_ms=run_ms)
        if self._belongings:
            self._add_belongings()
        for kept in (self._alike, self._single, self._stands, self._forgotten, self._ended, self._belongings):
            kept.clear()
        self._verdict = None

    def _row(self, settlement: Settlement, seq: int, queue: str, packed: bytes | None) -> Row:
        place = self._tx.places(queue, 1) if self._needs_place and packed is None else None
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
                self._insert(settlement.follow)
        self._end_sessions()

    def _insert(self, jobs: tuple[NewJob, ...]) -> None:
        if all(is_plain(job) for job in jobs):
            insert_plain(self._tx, jobs, self._now_ms)
        else:
            RuledInsert(self._tx, self.flow, self.dependents, self._now_ms, is_follow=True).insert(jobs)

    def _end_sessions(self) -> None:
        for session in {settlement.session for _, settlement in self._belongings if settlement.if_lost}:
            self._tx.rows("session_end", (session,))


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
