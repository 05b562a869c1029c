"""This module is the law for every store: a dozen verbs, list in, list out, aligned one to one.

Rules that hold for all verbs, each a test of `longshore.testing.conformance`:

- A reply has the length and the order of its request; an empty list is answered without a round trip.
- One bad item never spoils a batch: what a rule forbids comes back as a value. `StoreUnavailable` is raised when the
  store cannot be used; then nothing was done, or the caller cannot tell and may repeat the same call.
- `insert`, `adopt`, `settle`, `change` and `put` may be repeated with the same arguments after a lost reply. The
  reply of a `claim` that got lost is undone by the session's lease.
- The number of round trips does not grow with the list. (An edit by query and a `promote` of thousands may go in
  steps.)
- The store owns time. Only tests pass `now_ms`.
- Every verb may be called from any thread that runs an event loop, by several tasks at once.
- Nothing here knows a policy: what to retry, when to bury and whom to tell is decided above, once for all stores.

The order of jobs within a priority is the order in which they became pending: new, promoted, retried and crashed jobs
go to the tail; a released job goes back to its old place.

Rules (`core/rules.py`) hold wherever a job would become pending, by whatever verb:

- **Flow.** A job with flow keys becomes pending only where every one of its meters has room and holds nobody
  (`store/admission.py`); otherwise it is held by the first that stands in its way, in the order of its keys. Those
  that a meter holds are ordered by priority, then by the order of becoming held; a job that was released keeps its
  old place there too. Each verb first does its own work, item by item: a job that leaves pending or running gives its
  room back, and a job that wants to be pending (new, due, released, crashed, retried, adopted) asks for room. After
  the last item the meters that were touched so serve those they hold, in the order of (queue, name): the first in
  order that lacks room here ends it; one that finds room in all its meters becomes pending, at the tail; one that
  lacks room elsewhere is held there from then on, at the tail. `promote` serves, after the due jobs, the meters whose
  time has come, and `tune` those that it changed. A meter that gets a time, or an earlier one, by a claim too, wakes
  like a job that is scheduled. A concurrency limit that holds jobs and has room all the same, because it was a rate
  when those that were claimed came, has its time at once. After some hundreds that it served a step may stop: then
  the meter's time is now, and `promote` goes on, as its `more` says.
  Touched are: by a job that asks, all its meters; by one that leaves pending, all of them; running, those of its keys
  that are concurrency limits; held, the one that held it, also when its priority changes there. A claim touches none.
  A job that is pending and gets another priority keeps its room, its place and its tag; one that is held and gets a
  time that has passed stays held.
  A job that asks when it is new says what the limits of its meters are from then on; any other job only where the
  meter is idle (`Meter.is_idle`). So an idle meter may be forgotten. A store may end a step after it has served
  some hundreds of jobs; then the meter's time has come already, and `promote` goes on.
- **Fairness.** Jobs with a fair key stand in line, within their queue and priority, by tag instead of by the order of
  becoming pending. The tag is FAIR_STEP / weight (rounded, at least 1) after the last tag of its key, or after the
  queue's virtual time if that is later: the tag of the first pending job with a fair key of that priority; where there
  is none, the largest tag that was ever given there. A released job keeps its tag. Jobs without a fair key come before
  those with one.
- **Unique.** `insert` (also of followers) stores no job whose unique key is taken, and says by whom (`Conflict`);
  duplicates by id are told first, and conflicts before want of room. The last job of a queue that was stored with a
  key has it. Followers that conflict are dropped.
- **Edges.** A job with edges (`core/edges.py`) is blocked until they are met. When a parent ends, each of its children
  learns of it: an edge is met, or missed. Join ALL: the job is freed when all are met, and ended by the first that is
  missed. Join ANY: it is freed by the first that is met, and ended when all are missed; it is cancelled if any of
  those would cancel it. Freed, it becomes what a new job would: scheduled where its `run_ms`, or its delay counted from
  its insertion, lies in the future; otherwise it wants to be pending. Ended, it is SKIPPED or CANCELLED (`becomes`)
  from now on, and its own children learn of that.
  Each verb first does its own work, item by item, followers included; so does each edit of a `change`. Then every job
  that came (new, adopted, rejoined) looks at its parents, in the order of its edges, until it is decided: one that is
  over tells it at once, one that is not over will. A parent that comes in the same list is there, wherever it stands.
  Then the jobs that ended in it (settled, cancelled; deleted while not over, which counts as cancelled; ended by a
  parent) tell their children, in the order in which they ended, and those in the order in which they were linked.
  Children that end so tell theirs after all of these. Last, those that were freed ask for room, not as new ones, in the
  order in which they were freed. A child is updated when it is freed or ended, not when it only learns.
  A parent that is not there is looked for once more by `promote`, after the due jobs and whatever its limit, ORPHAN_MS
  after the job came, in the order of these times and then of the ids: is it over, it tells now how it ended; is it
  there, it will tell from now on; is it still not there, the edge is missed as if it had been cancelled. Until then a
  parent that came late tells the job nothing. `next_due_ms` and SCHEDULED wake-ups count these times.
  What a parent tells is told in the step in which it ends, or in one that the call takes right after: for all children,
  so that the meters of the first step have served by then (ADR 24), or for those in queues that lie apart. Where the
  caller died in between, `promote` tells: a job may be told late, but never not, and never twice. After some
  hundreds a step may stop telling; then `promote` goes on, as its `more` says.
  A new job with edges counts as blocked until its step has done its own work, whatever becomes of it then.
  An adopted job that is blocked waits for `waits_for` only: its other edges are met, or where one is enough, missed, as
  if those parents had been cancelled. One with nothing to wait for is decided at once. A job that is adopted in another
  state waits for nobody, and keeps its edges.
  The time of a blocked job (`run_ms`, where it lay in the future when it came) makes nobody due. It may be updated,
  also with a time, which counts when it is freed; it is cancelled, deleted, counted and found like any job that waits.
  One that rejoins has no time.
- **Room.** `insert` turns away a job with `room` where so many jobs of the queue wait already: blocked, scheduled,
  held, pending or retrying. Followers are never turned away.
"""

from collections.abc import Callable, Collection, Sequence
from typing import Protocol

from longshore.core.durability import Durability
from longshore.core.job import JobRecord, NewJob
from longshore.store.commands import (
    ClaimAsk,
    Edit,
    JobQuery,
    Lease,
    MeterAsk,
    Put,
    RecordAsk,
    Settlement,
    Tune,
)
from longshore.store.replies import (
    Changed,
    Claimed,
    Extended,
    Finding,
    Inserted,
    Insertion,
    MeterReading,
    Migration,
    Page,
    Promoted,
    QueueCounts,
    Record,
    Settled,
    Stored,
    Wake,
    WakeKind,
)


class Listener(Protocol):
    """A stream of wake-ups for one event loop."""

    def tell(self, hear: Callable[[Collection[Wake]], None]) -> None:
        """From now on `hear` is called with wake-ups as soon as they have come, in the event loop of the listener, and
        `wait` returns none. It must not call the store. A task that waits is a turn of the loop later."""

    async def wait(self, seconds: float) -> list[Wake]:
        """The wake-ups since the last call, after `seconds` an empty list. Returns at once when some are there."""

    async def close(self) -> None:
        """Ends it; a waiting `wait` returns."""


class Store(Protocol):
    """Where jobs are kept."""

    @property
    def url(self) -> str:
        """Where, without secrets: for people."""

    @property
    def durability(self) -> Durability:
        """What a job outlives as soon as `insert` has answered, where nothing else was asked for."""

    async def open(self) -> None:
        """Connects, and brings an empty store to the newest schema. Again: does nothing.

        Raises StoreUnavailable, and SchemaMismatch where a schema is there and is not the one this version needs.
        """

    async def close(self) -> None:
        """Lets go of everything; calls that wait end with StoreUnavailable("closed"). Again: does nothing."""

    async def twin(self) -> "Store":
        """The same jobs for another thread's event loop: itself where it is safe to share, otherwise an open store
        of its own. Whoever asked closes it; closing a twin never harms the original."""

    async def migrate(self, *, apply: bool = True) -> Migration:
        """Brings the schema to the newest version, or only says how it stands. Needs no `open` before."""

    async def examine(self, *, contents: bool = True) -> list[Finding]:
        """What about the store's settings or place may lose jobs or time; with `contents`, also whether what is kept
        there is sound, which may mean to read all of it."""

    async def insert(
        self, jobs: Sequence[NewJob], *, durability: Durability | None = None, now_ms: int | None = None
    ) -> Sequence[Insertion]:
        """Stores new jobs, all in one atomic step (one for each queue where queues lie apart: ADR 8), and wakes workers
        of the queues that were empty.

        A job with edges is blocked, one whose time lies in the future scheduled, any other pending or, for want of
        room, held. An id that is
        already there, or stands twice in the list, is a duplicate: only the first is created.

        With `durability` it answers when the jobs, those that were there already too, are at least so safe. Raises
        NotDurable when that was not confirmed in time: the jobs are stored, and the same call may be repeated; and
        InvalidOption, with nothing stored, for what this store can never reach.
        """

    async def adopt(self, jobs: Sequence[JobRecord], *, now_ms: int | None = None) -> list[Inserted]:
        """Stores jobs of another store as they are, all in one atomic step (one for each queue where queues lie
        apart), and wakes like `insert`.

        Every field is kept that `scan` with `full` tells; the search keys are read from `details`. Pending jobs go to
        the tail in the order of the list, and held ones ask for room like them. An id that is already there, or stands
        twice in the list, is a duplicate, and nothing of it changes. No claim made elsewhere can be settled here, and
        no history counts them as added.
        Raises InvalidOption, with nothing stored, for a job that is running (`store/adopting.py`).
        """

    async def claim(self, asks: Sequence[ClaimAsk], *, now_ms: int | None = None) -> list[Claimed]:
        """Gives pending jobs to sessions: pending → running, fence + 1. Paused queues give none; a session that is
        over gets none and is told so. One atomic step for each ask."""

    async def settle(self, settlements: Sequence[Settlement], *, now_ms: int | None = None) -> list[Settled]:
        """Ends claims: running → the verdict's state, the counter of its charge + 1, result, error and follow-ups
        stored with it in one atomic step.

        Applied only if the job is running under the same session and fence. A repeat of a settlement that was applied
        is answered "applied" as long as the job is kept and was not claimed again. A newest claim that was asked to
        cancel is settled like any other: what the attempt came to is decided above.
        """

    async def change(self, edits: Sequence[Edit], *, now_ms: int | None = None) -> list[Changed]:
        """Cancels, retries, deletes, updates or annotates jobs, by ids or by query. Each edit is one atomic step, or
        one for each queue, in which every job that is touched still matches."""

    async def extend(self, leases: Sequence[Lease], *, now_ms: int | None = None) -> list[Extended]:
        """Opens, prolongs and ends sessions. A lease is over in the moment when its time has passed, not one later.
        A session whose lease is over but that nobody has rescued from lives on when it is extended; after a rescue it
        is over for good."""

    async def promote(self, limit: int, *, now_ms: int | None = None) -> Promoted:
        """Makes up to `limit` due jobs pending, in the order of their times, looks again for parents that were not
        there, and wakes workers. Also sweeps records
        and sessions that are over (a session with running jobs stays until they are rescued)."""

    async def scan(self, queries: Sequence[JobQuery], *, now_ms: int | None = None) -> list[Page]:
        """Reads jobs, never waiting for writers."""

    async def count(
        self, queues: Sequence[str] | None, *, minutes: int = 0, now_ms: int | None = None
    ) -> list[QueueCounts]:
        """How queues stand, with what happened in the last `minutes` (a day is kept); None: every queue that ever had a
        job, by name. A queue that never had one counts nothing."""

    async def gauge(self, asks: Sequence[MeterAsk], *, now_ms: int | None = None) -> list[list[MeterReading]]:
        """How meters stand, sorted by name; those that are idle are absent."""

    async def tune(self, tunes: Sequence[Tune], *, now_ms: int | None = None) -> list[int]:
        """Changes the limits of meters that are not idle, and says of how many. More room is used at once."""

    async def put(self, puts: Sequence[Put], *, now_ms: int | None = None) -> list[Stored]:
        """Stores small records, by compare-and-set where a version is expected; each is one atomic step. A repeat
        with the same value after a lost reply is answered "stored"."""

    async def get(self, asks: Sequence[RecordAsk], *, now_ms: int | None = None) -> list[list[Record]]:
        """Reads small records, sorted by key; those that are over count as absent."""

    async def listen(self, kinds: Collection[WakeKind], queues: Collection[str] | None = None) -> Listener:
        """Wake-ups of these kinds for these queues (None: all). Polling stays the truth: a wake-up may get lost."""
