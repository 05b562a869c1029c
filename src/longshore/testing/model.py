"""This module is the oracle: what a store must do, written slowly and plainly, to be compared with real ones.

It has no index, no counter and no clock. Every answer is worked out from the list of jobs and of what happened, with
`sorted()` each time. It was written from `store/contract.py` alone and shares no code with any store.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

import msgspec

from longshore.core.ids import JobId
from longshore.core.job import ERRORS_KEPT, JobRecord, NewJob
from longshore.core.rules import Rules, UniqueKey
from longshore.core.states import LIVE, ORDER, TERMINAL, WAITING_FOR_TIME, State
from longshore.core.verdict import Charge
from longshore.store import commands, replies
from longshore.store.commands import JobQuery
from longshore.testing.model_aside import Aside
from longshore.testing.model_edges import Family
from longshore.testing.model_editing import annotate, may_edit, overwrite
from longshore.testing.model_flow import Flow, Turns
from longshore.testing.model_reading import Event, Kept, find, has_key, history, later, time_of
from longshore.testing.model_records import as_adopted, as_claimed, as_new


@dataclass
class Model:
    """All jobs of a store. The verbs are those of `Store`, without `async` and always with the time."""

    kept: dict[JobId, Kept] = field(default_factory=dict)
    aside: Aside = field(default_factory=Aside)
    events: list[Event] = field(default_factory=list)
    queues: set[str] = field(default_factory=set)
    flow: Flow = field(default_factory=Flow)
    turns: Turns = field(default_factory=Turns)
    family: Family = field(default_factory=Family)
    keys: dict[tuple[str, bytes], JobId] = field(default_factory=dict)
    last_place: int = 0

    # ------------------------------------------------------------------------------------------ insert, claim, settle

    def insert(self, jobs: Iterable[NewJob], now_ms: int) -> list[replies.Insertion]:
        """New ids become jobs."""
        inserted = [self._insert(job, now_ms) for job in jobs]
        self._go_on(now_ms)
        return inserted

    def _insert(self, new: NewJob, now_ms: int, *, follows: bool = False) -> replies.Insertion:
        if new.id in self.kept:
            return replies.Inserted.DUPLICATE
        rules = new.rules or Rules()
        conflict = self._conflict(new.queue, rules.unique, now_ms)
        if conflict is not None:
            return conflict
        if rules.room is not None and not follows and self._waiting(new.queue) >= rules.room:
            return replies.Inserted.FULL
        kept = as_new(new, now_ms)
        self._store(kept)
        self._happened(now_ms, new.queue, "added")
        if new.edges is not None:
            self.family.block(kept)
        elif kept.job.state is State.PENDING:
            self._ask(kept, now_ms, is_new=True)
        return replies.Inserted.CREATED

    def _store(self, kept: Kept) -> None:
        self.kept[kept.job.id] = kept
        self.queues.add(kept.job.queue)
        if kept.job.rules is not None and kept.job.rules.unique is not None:
            self.keys[kept.job.queue, kept.job.rules.unique.key] = kept.job.id

    def _conflict(self, queue: str, unique: UniqueKey | None, now_ms: int) -> replies.Conflict | None:
        if unique is None:
            return None
        kept = self.kept.get(self.keys.get((queue, unique.key), JobId(b"")))
        if kept is None or kept.job.state not in unique.states or not has_key(kept.job, unique):
            return None
        is_old = unique.within_ms is not None and now_ms - kept.job.created_ms > unique.within_ms
        return None if is_old else replies.Conflict(kept.job.id, kept.job.state)

    def _waiting(self, queue: str) -> int:
        return sum(job.queue == queue and job.state in LIVE - {State.RUNNING} for job in self.jobs())

    def adopt(self, jobs: Iterable[JobRecord], now_ms: int) -> list[replies.Inserted]:
        """New ids are jobs, with all that is known of them."""
        adopted = [self._adopt(job, now_ms) for job in jobs]
        self._go_on(now_ms)
        return adopted

    def _adopt(self, job: JobRecord, now_ms: int) -> replies.Inserted:
        if job.id in self.kept:
            return replies.Inserted.DUPLICATE
        kept = as_adopted(job)
        self._store(kept)
        if job.state is State.BLOCKED:
            self.family.block(kept, job.waits_for)
        elif job.state in {State.PENDING, State.HELD}:
            self._ask(kept, now_ms)
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
            self.flow.start(job, now_ms)
        return replies.Claimed([as_claimed(kept.job) for kept in taken])

    def settle(self, settlements: Iterable[commands.Settlement], now_ms: int) -> list[replies.Settled]:
        """The newest claims end."""
        settled = [self._settle(settlement, now_ms) for settlement in settlements]
        self._go_on(now_ms)
        return settled

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
        for new in settlement.follow:
            self._insert(new, now_ms, follows=True)
        return replies.Settled.APPLIED

    def _go(self, kept: Kept, settlement: commands.Settlement, now_ms: int) -> None:
        job, verdict = kept.job, settlement.verdict
        self.flow.leave(job)
        if verdict.state in TERMINAL:
            job.state, job.finished_ms = verdict.state, now_ms
            self.family.ended.append((job.id, verdict.state))
            if not settlement.keep:
                del self.kept[job.id]
        elif verdict.state in WAITING_FOR_TIME:
            job.state = verdict.state
            job.run_ms = now_ms + verdict.delay_ms if verdict.run_ms is None else verdict.run_ms
        else:
            self._ask(kept, now_ms, keeps_place=verdict.charge is Charge.RELEASE)

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
        changed = []
        for edit in edits:
            changed.append(self._change(edit, now_ms))
            self._free(self.family.decide(self.kept, now_ms), now_ms)
        self._serve(now_ms)
        return changed

    def _change(self, edit: commands.Edit, now_ms: int) -> replies.Changed:
        if isinstance(edit, commands.Note):
            return self._note(edit, now_ms)
        found = [kept for kept in self.find(edit.where, now_ms) if may_edit(kept.job, edit)]
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
            self._part(kept, State.CANCELLED)
            self.flow.leave(job)
            del self.kept[job.id]
        elif isinstance(edit, commands.Retry):
            if job.state in TERMINAL:
                job.failures, job.crashes, job.result, job.finished_ms = 0, 0, None, None
            if edit.rejoin:
                self.family.block(kept)
            else:
                self._ask(kept, now_ms)
        elif isinstance(edit, commands.Update):
            self._update(kept, edit.changes, now_ms)
        elif job.state is State.RUNNING:
            job.cancel_requested = True
        else:
            self._part(kept, State.CANCELLED)
            self.flow.leave(job)
            job.state, job.run_ms, job.finished_ms = State.CANCELLED, None, now_ms

    def _part(self, kept: Kept, ends_as: State) -> None:
        """The job is about to end, or was over before; whoever waits for it is told in the first case."""
        self.family.part(kept)
        if kept.job.state in LIVE:
            self.family.ended.append((kept.job.id, ends_as))

    def _update(self, kept: Kept, changes: commands.Changes, now_ms: int) -> None:
        before = kept.job.priority
        run_ms = overwrite(kept, changes)
        if kept.job.priority != before and kept.job.held_by is not None:
            self.flow.touch(kept.job.queue, kept.job.held_by)
        if kept.job.state is State.BLOCKED:
            kept.job.run_ms = kept.job.run_ms if run_ms is None else later(run_ms, now_ms)
        elif run_ms is not None and run_ms > now_ms:
            self.flow.leave(kept.job)
            kept.job.state = State.RETRYING if kept.job.state is State.RETRYING else State.SCHEDULED
            kept.job.run_ms = run_ms
        elif run_ms is not None and kept.job.state not in {State.PENDING, State.HELD}:
            self._ask(kept, now_ms)

    def _note(self, note: commands.Note, now_ms: int) -> replies.Changed:
        kept = self.kept.get(note.id)
        is_noted = kept is not None and annotate(kept.job, note, now_ms)
        return replies.Changed((note.id,) if is_noted else ())

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
            self._ask(kept, now_ms)
        freed = self._free(self.family.decide_again(self.kept, now_ms), now_ms)
        self.flow.touch_due(now_ms)
        served = self._serve(now_ms)
        pending = served + [kept for kept in promoted + freed if kept.job.state is State.PENDING]
        times = [*map(time_of, self.due(None)), *self.family.times()]
        return replies.Promoted(
            count=len(promoted),
            queues=tuple(sorted({kept.job.queue for kept in pending})),
            next_due_ms=min(times + self.flow.times(now_ms), default=None),
            more=bool(self.due(now_ms)),
        )

    # -------------------------------------------------------------------------------------------------------- reading

    def jobs(self) -> list[JobRecord]:
        """All jobs, by id."""
        return [kept.job for _, kept in sorted(self.kept.items())]

    def line(self, queue: str) -> list[Kept]:
        """The pending jobs of a queue, the next one first."""
        pending = [k for k in self.kept.values() if k.job.queue == queue and k.job.state is State.PENDING]
        return sorted(pending, key=lambda kept: (kept.job.priority, kept.tag or 0, kept.place))

    def due(self, now_ms: int | None) -> list[Kept]:
        """The jobs whose time has come, the earliest first; None: or will come."""
        waiting = [kept for kept in self.kept.values() if kept.job.state in WAITING_FOR_TIME]
        due = [kept for kept in waiting if now_ms is None or time_of(kept) <= now_ms]
        return sorted(due, key=lambda kept: (time_of(kept), kept.job.id))

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
            next_due_ms=min((time_of(k) for k in self.due(None) if k.job.queue == queue), default=None),
            minutes=history(self.events, queue, minutes, now_ms),
        )

    # ------------------------------------------------------------------------------------------------ flow and places

    def gauge(self, ask: commands.MeterAsk, now_ms: int) -> list[replies.MeterReading]:
        """How the meters that are not idle stand."""
        return self.flow.gauge(ask, now_ms)

    def tune(self, tune: commands.Tune, now_ms: int) -> int:
        """Other limits for the meters that are not idle."""
        tuned = self.flow.tune(tune, now_ms)
        self._serve(now_ms)
        return tuned

    def _ask(self, kept: Kept, now_ms: int, *, keeps_place: bool = False, is_new: bool = False) -> None:
        """The job wants to be pending."""
        kept.job.run_ms = kept.job.finished_ms = None
        if not keeps_place:
            kept.place = self._next_place()
        if self.flow.admits(kept.job, now_ms, is_new=is_new):
            self._line_up(kept, keeps_tag=keeps_place)

    def _go_on(self, now_ms: int) -> None:
        """What a step means to jobs that wait for others, and to those that wait for room."""
        self._free(self.family.decide(self.kept, now_ms), now_ms)
        self._serve(now_ms)

    def _free(self, freed: list[Kept], now_ms: int) -> list[Kept]:
        for kept in freed:
            kept.job.run_ms = None if kept.job.run_ms is None else later(kept.job.run_ms, now_ms)
            if kept.job.run_ms is None:
                self._ask(kept, now_ms)
            else:
                kept.job.state = State.SCHEDULED
        return freed

    def _serve(self, now_ms: int) -> list[Kept]:
        """The meters that were touched serve. Whom they make pending."""
        served = []
        for queue, meter in self.flow.take_touched():
            while (first := self._first_held(queue, meter)) is not None:
                if self.flow.lacks_room(first.job, meter, now_ms):
                    break
                first.job.updated_ms = now_ms
                first.place = self._next_place()
                if self.flow.serves(first.job, now_ms):
                    self._line_up(first)
                    served.append(first)
        return served

    def _first_held(self, queue: str, meter: str) -> Kept | None:
        held = [k for k in self.kept.values() if (k.job.queue, k.job.held_by) == (queue, meter)]
        return min(held, key=lambda kept: (kept.job.priority, kept.place), default=None)

    def _next_place(self) -> int:
        self.last_place += 1
        return self.last_place

    def _line_up(self, kept: Kept, *, keeps_tag: bool = False) -> None:
        fair = kept.job.rules.fair if kept.job.rules is not None else None
        if fair is not None and not keeps_tag:
            line = [other for other in self.line(kept.job.queue) if other.job.priority == kept.job.priority]
            kept.tag = self.turns.tag(kept.job, fair, [other.tag for other in line if other.tag is not None])
        kept.job.state = State.PENDING

    def _happened(self, now_ms: int, queue: str, what: str, amount: int = 1) -> None:
        self.events.append(Event(now_ms // 60_000, queue, what, amount))
