"""This module is the oracle: what a store must do, written slowly and plainly, to be compared with real ones.

It has no index, no counter and no clock. Every answer is worked out from the list of jobs and of what happened, with
`sorted()` each time. It was written from `store/contract.py` alone and shares no code with any store.
"""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field

import msgspec

from longshore.core.ids import JobId
from longshore.core.job import ERRORS_KEPT, LOGS_KEPT, Details, JobRecord, NewJob
from longshore.core.states import LIVE, ORDER, RETRIABLE, TERMINAL, WAITING_FOR_TIME, State
from longshore.core.verdict import Charge
from longshore.store import commands, replies
from longshore.store.commands import JobQuery
from longshore.testing.model_aside import Aside
from longshore.testing.model_reading import Event, Kept, find, history

CLAIM_TELLS = (
    *("id", "queue", "name", "payload", "state", "priority", "max_attempts", "fence"),
    *("failures", "crashes", "releases", "session", "created_ms", "details"),
)
"""The fields that `claim` fills."""


@dataclass
class Model:
    """All jobs of a store. The verbs are those of `Store`, without `async` and always with the time."""

    kept: dict[JobId, Kept] = field(default_factory=dict)
    aside: Aside = field(default_factory=Aside)
    events: list[Event] = field(default_factory=list)
    queues: set[str] = field(default_factory=set)
    last_place: int = 0

    # ------------------------------------------------------------------------------------------ insert, claim, settle

    def insert(self, jobs: Iterable[NewJob], now_ms: int) -> list[replies.Inserted]:
        """New ids become jobs."""
        return [self._insert(job, now_ms) for job in jobs]

    def _insert(self, new: NewJob, now_ms: int) -> replies.Inserted:
        if new.id in self.kept:
            return replies.Inserted.DUPLICATE
        job = JobRecord(
            id=new.id,
            queue=new.queue,
            name=new.name,
            payload=new.payload,
            state=State.PENDING,
            priority=new.priority,
            max_attempts=new.max_attempts,
            details=new.details,
            created_ms=now_ms,
            updated_ms=now_ms,
        )
        self.kept[new.id] = Kept(job, new)
        self.queues.add(new.queue)
        self._happened(now_ms, new.queue, "added")
        self._wait_or_line_up(self.kept[new.id], State.SCHEDULED, due_ms(new, now_ms), now_ms)
        return replies.Inserted.CREATED

    def adopt(self, jobs: Iterable[JobRecord]) -> list[replies.Inserted]:
        """New ids are jobs, with all that is known of them."""
        return [self._adopt(job) for job in jobs]

    def _adopt(self, job: JobRecord) -> replies.Inserted:
        if job.id in self.kept:
            return replies.Inserted.DUPLICATE
        details = msgspec.json.decode(job.details or b"{}", type=Details)
        words = {
            name: getattr(job, name) for name in ("id", "queue", "name", "payload", "priority", "details")
        }
        reference = ":".join(details.reference) if details.reference else None
        new = NewJob(**words, tags=details.tags, reference=reference, correlation_id=details.correlation_id)
        kept = self.kept[job.id] = Kept(msgspec.structs.replace(job), new)
        self.queues.add(job.queue)
        if job.state is State.PENDING:
            self._line_up(kept)
        return replies.Inserted.CREATED

    def claim(self, asks: Iterable[commands.ClaimAsk], now_ms: int) -> list[replies.Claimed]:
        """Pending jobs, by priority and place."""
        return [self._claim(ask, now_ms) for ask in asks]

    def _claim(self, ask: commands.ClaimAsk, now_ms: int) -> replies.Claimed:
        if not self.aside.is_live(ask.session, now_ms):
            return replies.Claimed([], session_lost=True)
        line = [kept for kept in self.line(ask.queue) if ask.id in {None, kept.job.id}]
        if ask.id is None and self.aside.find(commands.PAUSE, ask.queue, now_ms):
            line = []
        taken = line[: ask.count]
        for kept in taken:
            job = kept.job
            job.state, job.fence, job.session = State.RUNNING, job.fence + 1, ask.session
            job.started_ms = job.updated_ms = now_ms
        return replies.Claimed([as_claimed(kept.job) for kept in taken])

    def settle(self, settlements: Iterable[commands.Settlement], now_ms: int) -> list[replies.Settled]:
        """The newest claims end."""
        return [self._settle(settlement, now_ms) for settlement in settlements]

    def _settle(self, settlement: commands.Settlement, now_ms: int) -> replies.Settled:
        kept = self.kept.get(settlement.id)
        if kept is None or (kept.job.session, kept.job.fence) != (settlement.session, settlement.fence):
            return replies.Settled.STALE
        job, verdict = kept.job, settlement.verdict
        if job.state is not State.RUNNING:
            return replies.Settled.APPLIED if kept.settled is verdict.state else replies.Settled.STALE
        if settlement.if_lost:
            if self.aside.is_live(settlement.session, now_ms):
                return replies.Settled.STALE
            self.aside.sessions.pop(settlement.session, None)
        self._count_end(job, settlement, now_ms)
        kept.settled = verdict.state
        job.failures += verdict.charge is Charge.FAILURE
        job.crashes += verdict.charge is Charge.CRASH
        job.releases += verdict.charge is Charge.RELEASE
        job.result, job.cancel_requested, job.updated_ms = settlement.result, False, now_ms
        if settlement.error is not None:
            job.errors = (*job.errors, settlement.error)[-ERRORS_KEPT:]
        if settlement.error_text is not None:
            job.error_text = settlement.error_text
        self._go(kept, settlement, now_ms)
        self.insert(settlement.follow, now_ms)
        return replies.Settled.APPLIED

    def _go(self, kept: Kept, settlement: commands.Settlement, now_ms: int) -> None:
        job, verdict = kept.job, settlement.verdict
        if verdict.state in TERMINAL:
            job.state, job.finished_ms = verdict.state, now_ms
            if not settlement.keep:
                del self.kept[job.id]
        elif verdict.state in WAITING_FOR_TIME:
            job.state = verdict.state
            job.run_ms = now_ms + verdict.delay_ms if verdict.run_ms is None else verdict.run_ms
        elif verdict.charge is Charge.RELEASE:
            job.state = State.PENDING
        else:
            self._line_up(kept)

    def _count_end(self, job: JobRecord, settlement: commands.Settlement, now_ms: int) -> None:
        state, charge = settlement.verdict.state, settlement.verdict.charge
        if charge is Charge.CRASH:
            self._happened(now_ms, job.queue, "crashed")
        words = {State.COMPLETED: "completed", State.FAILED: "failed"}
        word = words.get(state, "retried" if charge is Charge.FAILURE else None)
        if word is not None:
            self._happened(now_ms, job.queue, word)
            self._happened(now_ms, job.queue, "run_ms", now_ms - (job.started_ms or 0))

    # --------------------------------------------------------------------------------------------------------- change

    def change(self, edits: Iterable[commands.Edit], now_ms: int) -> list[replies.Changed]:
        """The jobs that match and may be edited, up to the limit."""
        return [self._change(edit, now_ms) for edit in edits]

    def _change(self, edit: commands.Edit, now_ms: int) -> replies.Changed:
        if isinstance(edit, commands.Note):
            return self._note(edit, now_ms)
        may: Callable[[JobRecord], bool] = {
            commands.Cancel: lambda job: job.state in LIVE and not job.cancel_requested,
            commands.Retry: lambda job: job.state in RETRIABLE,
            commands.Delete: lambda job: job.state is not State.RUNNING,
            commands.Update: lambda job: job.state in LIVE - {State.RUNNING},
        }[type(edit)]
        found = [kept for kept in self.find(edit.where, now_ms) if may(kept.job)]
        touched = found[: edit.where.limit]
        asked = [kept for kept in touched if kept.job.state is State.RUNNING]
        for kept in touched:
            self._edit(kept, edit, now_ms)
        return replies.Changed(
            tuple(kept.job.id for kept in touched if kept not in asked),
            tuple(kept.job.id for kept in asked),
            len(found) > len(touched),
        )

    def _edit(self, kept: Kept, edit: commands.Edit, now_ms: int) -> None:
        job = kept.job
        job.updated_ms = now_ms
        if isinstance(edit, commands.Delete):
            del self.kept[job.id]
        elif isinstance(edit, commands.Retry):
            if job.state in TERMINAL:
                job.failures, job.crashes, job.result = 0, 0, None
            self._line_up(kept)
        elif isinstance(edit, commands.Update):
            self._update(kept, edit.changes, now_ms)
        elif job.state is State.RUNNING:
            job.cancel_requested = True
        else:
            job.state, job.run_ms, job.finished_ms = State.CANCELLED, None, now_ms

    def _update(self, kept: Kept, changes: commands.Changes, now_ms: int) -> None:
        values = {
            name: value
            for name, value in msgspec.structs.asdict(changes).items()
            if value is not msgspec.UNSET
        }
        run_ms = values.pop("run_ms", None)
        kept.new = msgspec.structs.replace(kept.new, **values)
        for name in values.keys() - {"tags", "reference", "correlation_id"}:
            setattr(kept.job, name, values[name])
        if run_ms is not None and (run_ms > now_ms or kept.job.state is not State.PENDING):
            waiting = State.RETRYING if kept.job.state is State.RETRYING else State.SCHEDULED
            self._wait_or_line_up(kept, waiting, run_ms, now_ms)

    def _note(self, note: commands.Note, now_ms: int) -> replies.Changed:
        kept = self.kept.get(note.id)
        if kept is None or kept.job.state is not State.RUNNING:
            return replies.Changed(())
        job = kept.job
        if (job.session, job.fence) != (note.session, note.fence):
            return replies.Changed(())
        job.progress = job.progress if note.progress is None else note.progress
        job.progress_note = job.progress_note if note.progress_note is None else note.progress_note
        job.logs = (*job.logs, *note.logs)[-LOGS_KEPT:]
        job.updated_ms = now_ms
        return replies.Changed((job.id,))

    # ------------------------------------------------------------------------------------------------ extend, promote

    def extend(self, leases: Iterable[commands.Lease], now_ms: int) -> list[replies.Extended]:
        """Sessions begin, go on and end."""
        return [self._extend(lease, now_ms) for lease in leases]

    def _extend(self, lease: commands.Lease, now_ms: int) -> replies.Extended:
        mine = [job for job in self.jobs() if job.state is State.RUNNING and job.session == lease.session]
        if not self.aside.extend(lease, now_ms):
            return replies.Extended(held=False)
        return replies.Extended(held=True, cancel=tuple(job.id for job in mine if job.cancel_requested))

    def promote(self, limit: int, now_ms: int) -> replies.Promoted:
        """Due jobs become pending; what is over goes."""
        holding = {job.session for job in self.jobs() if job.state is State.RUNNING}
        self.aside.sweep(holding, now_ms)
        promoted = self.due(now_ms)[:limit]
        for kept in promoted:
            kept.job.updated_ms = now_ms
            self._line_up(kept)
        return replies.Promoted(
            count=len(promoted),
            queues=tuple(sorted({kept.job.queue for kept in promoted})),
            next_due_ms=min((job.run_ms for job in self.jobs() if job.run_ms is not None), default=None),
            more=bool(self.due(now_ms)),
        )

    # -------------------------------------------------------------------------------------------------------- reading

    def jobs(self) -> list[JobRecord]:
        """All jobs, by id."""
        return [kept.job for _, kept in sorted(self.kept.items())]

    def line(self, queue: str) -> list[Kept]:
        """The pending jobs of a queue, the next one first."""
        pending = [k for k in self.kept.values() if k.job.queue == queue and k.job.state is State.PENDING]
        return sorted(pending, key=lambda kept: (kept.job.priority, kept.place))

    def due(self, now_ms: int) -> list[Kept]:
        """The jobs whose time has come, the earliest first."""
        waiting = [k for k in self.kept.values() if k.job.run_ms is not None and k.job.run_ms <= now_ms]
        return sorted(waiting, key=lambda kept: (kept.job.run_ms, kept.job.id))

    def find(self, query: JobQuery, now_ms: int) -> list[Kept]:
        """Every job that matches, in order, whatever the limit and the cursor."""
        return find(self.kept.values(), query, lambda session: self.aside.is_live(session, now_ms))

    def scan(self, query: JobQuery, now_ms: int) -> list[JobRecord]:
        """All pages of a query as one list of records."""
        blank = {} if query.full else {"errors": (), "logs": ()}
        return [msgspec.structs.replace(kept.job, **blank) for kept in self.find(query, now_ms)]

    def count(self, queues: Sequence[str] | None, minutes: int, now_ms: int) -> list[replies.QueueCounts]:
        """A recount of everything."""
        names = sorted(self.queues) if queues is None else queues
        return [self._count(name, minutes, now_ms) for name in names]

    def _count(self, queue: str, minutes: int, now_ms: int) -> replies.QueueCounts:
        jobs = [job for job in self.jobs() if job.queue == queue]
        line = self.line(queue)
        first_of_each_priority = {kept.job.priority: kept.job for kept in reversed(line)}.values()
        return replies.QueueCounts(
            queue=queue,
            states={state: sum(job.state is state for job in jobs) for state in ORDER},
            oldest_pending_ms=min((job.created_ms for job in first_of_each_priority), default=None),
            next_due_ms=min((job.run_ms for job in jobs if job.run_ms is not None), default=None),
            minutes=history(self.events, queue, minutes, now_ms),
        )

    # --------------------------------------------------------------------------------------------------------- places

    def _line_up(self, kept: Kept) -> None:
        self.last_place += 1
        kept.place = self.last_place
        kept.job.state, kept.job.run_ms, kept.job.finished_ms = State.PENDING, None, None

    def _wait_or_line_up(self, kept: Kept, waiting: State, run_ms: int, now_ms: int) -> None:
        if run_ms > now_ms:
            kept.job.state, kept.job.run_ms = waiting, run_ms
        else:
            self._line_up(kept)

    def _happened(self, now_ms: int, queue: str, what: str, amount: int = 1) -> None:
        self.events.append(Event(now_ms // 60_000, queue, what, amount))


def as_claimed(job: JobRecord) -> JobRecord:
    """The record as `claim` gives it."""
    return JobRecord(**{name: getattr(job, name) for name in CLAIM_TELLS})


def due_ms(new: NewJob, now_ms: int) -> int:
    """When a new job is to run."""
    return new.run_ms if new.run_ms is not None else now_ms + new.delay_ms
