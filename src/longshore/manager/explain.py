"""This module answers the question of every operator: why is this job not running?"""

from collections.abc import Sequence
from typing import Self

import msgspec

from longshore.core.job import Details, JobRecord
from longshore.core.rules import LimitKind
from longshore.core.states import State
from longshore.core.unique import FOLLOW_UP
from longshore.engine.engine import Engine
from longshore.flow import parking, pausing
from longshore.flow.pausing import Pause
from longshore.manager.blocked import Parent, parents_of, why_blocked, why_over
from longshore.manager.recorded_steps import sleeps_until, waits_for
from longshore.manager.times import ago, exactly, moment, span
from longshore.manager.worker_cards import WorkerCard, workers_alive
from longshore.moving.holding import is_held
from longshore.steps.entries import Kept
from longshore.store.commands import SCAN_LIMIT, JobQuery, MeterAsk, Order
from longshore.store.replies import MeterReading


class Explanation(str):
    """The answer in words; `code` says it for machines."""

    __slots__ = ("call", "code", "command")
    code: str
    call: str
    """What of the text is a call of the manager."""
    command: str
    """The same for the command line."""

    def __new__(cls, code: str, text: str, *, call: str = "", command: str = "") -> Self:
        explanation = super().__new__(cls, text)
        explanation.code, explanation.call, explanation.command = code, call, command
        return explanation

    def for_the_shell(self) -> str:
        """The text as the command line says it."""
        return self.replace(self.call, f"`{self.command}`") if self.call else str(self)


class Surroundings(msgspec.Struct, frozen=True, kw_only=True):
    """What besides its record decides whether a job runs."""

    now_ms: int
    pause: Pause | None
    workers: list[WorkerCard]
    ahead: int
    """Pending jobs of the queue that come first, as far as they were counted."""
    counted_to_the_end: bool
    meter: MeterReading | None = None
    """Of the limit that holds it."""
    parked: tuple[str, int] | None = None
    """The provider of its task, and until when nobody asks it."""
    is_in_memory: bool = False
    """Whether only this process can run it."""
    steps: tuple[Kept, ...] = ()
    """What is recorded of its run, where it was let go of."""
    parents: tuple[Parent, ...] = ()
    """Jobs that it waits for, or that are the reason why it never ran."""


async def explain(
    engine: Engine,
    record: JobRecord,
    provider: str | None = None,
    steps: Sequence[Kept] = (),
    *,
    memory: Engine | None = None,
) -> Explanation:
    """Why the job is where it is. `provider`: of its task, where that is known; `steps`: what is recorded of it;
    `memory`: of a queue in memory, where workers sign in that run such queues by themselves."""
    ahead, to_the_end = await count_ahead(engine, record) if record.state is State.PENDING else (0, True)
    paused = await pausing.paused(engine.store)
    explanation = reason(
        record,
        Surroundings(
            now_ms=engine.clock.now_ms(),
            pause=paused.get(record.queue),
            workers=[
                *await workers_alive(engine.store),
                *(await workers_alive(memory.store) if memory is not None else ()),
            ],
            is_in_memory=memory is not None,
            ahead=ahead,
            counted_to_the_end=to_the_end,
            meter=await _meter(engine, record),
            parked=await _parked(engine, provider),
            steps=tuple(steps),
            parents=await parents_of(engine, record),
        ),
    )
    return with_schedule(explanation, record)


def with_schedule(explanation: Explanation, record: JobRecord) -> Explanation:
    """The answer, and which schedule added the job for what time, if one did."""
    if record.details is None or b'"schedule"' not in record.details:
        return explanation
    found = msgspec.json.decode(record.details, type=Details).schedule
    if found is None:
        return explanation
    schedule, tick_ms = found
    text = f"{explanation} Schedule '{schedule}' added it for {exactly(tick_ms)}."
    return Explanation(explanation.code, text, call=explanation.call, command=explanation.command)


def reason(record: JobRecord, around: Surroundings) -> Explanation:
    """The one reason that matters most. Pure."""
    state = record.state
    if state.is_terminal:
        return _over(record, around)
    if state is State.BLOCKED and not is_held(record):
        return Explanation("blocked", why_blocked(record, around.parents))
    if state is State.RUNNING:
        return _running(record, around)
    if is_held(record):
        return Explanation(
            "between-stores",
            "It is between two stores: an interrupted `longshore move` holds it. Run the same move again, or take it "
            "back with --give-up.",
        )
    if state is State.HELD:
        return held(record, around.meter, around.now_ms)
    if around.parked is not None and state in (State.SCHEDULED, State.PENDING):
        provider, until_ms = around.parked
        text = f"Its provider '{provider}' wants to be asked again {moment(until_ms, around.now_ms)}."
        return Explanation("parked", text)
    if state is State.SCHEDULED:
        return _scheduled(record, around)
    if state is State.RETRYING:
        last = record.error_text or "an error that was not kept"
        when = moment(record.run_ms, around.now_ms)
        return Explanation(
            "retrying",
            f"It failed {_times(record.failures)}, last with {last}, and will be tried again {when}.",
        )
    return _pending(record, around)


def _scheduled(record: JobRecord, around: Surroundings) -> Explanation:
    when = moment(record.run_ms, around.now_ms)
    if (events := waits_for(around.steps, around.now_ms)) is not None:
        return Explanation("waiting", f"It waits for {events}.")
    if (until := sleeps_until(around.steps, around.now_ms)) is not None:
        return Explanation("sleeping", f"It sleeps until {until}.")
    if record.releases and _is_known_to_nobody(record, around):
        again = f"; it was handed back, and is offered again {when}"
        return Explanation("unknown-task", f"{_unknown(record, around)}{again}.")
    last = f"; last it met {record.error_text.rstrip('.')}" if record.releases and record.error_text else ""
    return Explanation("scheduled", f"It is scheduled for {when}{last}.")


def held(record: JobRecord, meter: MeterReading | None, now_ms: int) -> Explanation:
    """Which limit has no room for it, and when there will be some."""
    name = record.held_by or (meter.name if meter is not None else "")
    rule, _, key = name.partition(":")
    if rule == FOLLOW_UP:
        other = f"a job of task '{record.name}' with the same unique key"
        return Explanation("held", f"It follows up on {other}, and is held until that has ended.")
    limit = f"limit '{rule}' of queue '{record.queue}'" + (f" for '{key}'" if key else "")
    if meter is None:
        return Explanation("held", f"It is held by {limit}.")
    if meter.kind is LimitKind.CONCURRENCY:
        text = f"It is held by {limit}: {meter.used} of {meter.limit} are in use"
    else:
        text = f"It is held by {limit}: {meter.limit} per {meter.per_ms / 1000:g} s"
        if meter.next_ms is not None:
            text += f"; free in {span(meter.next_ms - now_ms)}"
        elif meter.used:
            text += "; what is free is reserved for jobs that are pending"
    others = meter.held - 1
    waiting = "another waits" if others == 1 else f"{others:,} others wait"
    return Explanation("held", text + (f", and {waiting} for it." if others > 0 else "."))


def _is_known_to_nobody(record: JobRecord, around: Surroundings) -> bool:
    serving = [worker for worker in around.workers if record.queue in worker.queues]
    return bool(serving) and not any(worker.knows(record.queue, record.name) for worker in serving)


def _pending(record: JobRecord, around: Surroundings) -> Explanation:
    queue = record.queue
    if around.pause is not None:
        return _paused(queue, around.pause, around.now_ms)
    serving = [worker for worker in around.workers if queue in worker.queues]
    if not serving:
        return Explanation("no-worker", _unserved(queue, around))
    if _is_known_to_nobody(record, around):
        return Explanation("unknown-task", f"{_unknown(record, around)}.")
    if around.ahead:
        count = f"{around.ahead:,}" if around.counted_to_the_end else f"more than {around.ahead:,}"
        return Explanation("behind", f"It is pending behind {count} other jobs of queue '{queue}'.")
    return Explanation("next", f"It is next in line in queue '{queue}'.")


def _unserved(queue: str, around: Surroundings) -> str:
    if around.is_in_memory:
        return (
            f"Queue '{queue}' is in the memory of this process, and no worker of the process serves it: "
            "`await manager.start_workers()` begins one."
        )
    return f"No worker that is alive serves queue '{queue}'."


def _unknown(record: JobRecord, around: Surroundings) -> str:
    if around.is_in_memory:
        return (
            f"Queue '{record.queue}' is in the memory of this process, which has neither a task '{record.name}' nor a "
            "processor for it: set_processor(…) gives it one"
        )
    return f"No worker that serves queue '{record.queue}' knows a task '{record.name}'"


def _paused(queue: str, pause: Pause, now_ms: int) -> Explanation:
    since = ago(pause.since_ms, now_ms)
    if pause.moved_to is None:
        return Explanation(
            "paused",
            f"Queue '{queue}' was paused {since}; resume_queue('{queue}') ends that.",
            call=f"resume_queue('{queue}')",
            command=f"longshore queues resume {queue}",
        )
    return Explanation(
        "moved",
        f"Queue '{queue}' was moved to {pause.moved_to} {since}, and this job came later. Point whoever adds jobs to "
        "there, and run the same `longshore move` again.",
    )


def _running(record: JobRecord, around: Surroundings) -> Explanation:
    since = "" if record.started_ms is None else f", started {ago(record.started_ms, around.now_ms)}"
    stopping = ", and was asked to stop" if record.cancel_requested else ""
    text = f"It runs on {record.session}{since}{stopping}."
    if record.session in {worker.session for worker in around.workers}:
        return Explanation("running", text)
    return Explanation("silent", f"{text} No sign of that worker; the job runs again when its lease is over.")


def _over(record: JobRecord, around: Surroundings) -> Explanation:
    state = record.state
    if (why := why_over(record, around.parents)) is not None:
        return Explanation(state, why)
    error = f" with {record.error_text}" if state is State.FAILED and record.error_text else ""
    return Explanation(state, f"It is over: {state}{error}.")


async def _meter(engine: Engine, record: JobRecord) -> MeterReading | None:
    if record.held_by is None:
        return None
    [readings] = await engine.store.gauge([MeterAsk(record.queue, (record.held_by,))])
    return readings[0] if readings else None


async def _parked(engine: Engine, provider: str | None) -> tuple[str, int] | None:
    if provider is None:
        return None
    found = (await parking.parked(engine.store, [provider])).get(provider)
    return None if found is None else (provider, found.until_ms)


async def count_ahead(engine: Engine, record: JobRecord) -> tuple[int, bool]:
    """How many pending jobs come first: of a lower priority number, or older in its own. An estimate, for the order
    within a priority is that of becoming pending, which ids of retried jobs do not show."""
    query = JobQuery(states=(State.PENDING,), queues=(record.queue,), order=Order.OLDEST, limit=SCAN_LIMIT)
    [page] = await engine.store.scan([query])
    place = (record.priority, record.id)
    return sum((job.priority, job.id) < place for job in page.jobs), page.cursor is None


def _times(count: int) -> str:
    return "once" if count == 1 else f"{count} times"
