"""This module takes a store on random walks beside the oracle: every verb, lost replies, zombies, stale rescuers.

    walk = machine(make_store)                        # a class of hypothesis.stateful
    run_state_machine_as_test(walk, settings=BRIEF)
    assert traces(make_store, seed=7) == traces(make_other_store, seed=7)

Jobs come from a tiny pool, so that everything meets everything. What plain rules seldom meet is made on purpose, by
rules that do several things in a row: a third of the bugs of `proofs/mutants.py` is found by 100 walks only so.
"""

from collections.abc import Callable
from typing import ClassVar

import msgspec
from hypothesis import HealthCheck, Phase, settings
from hypothesis import seed as seeded
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    precondition,
    rule,
    run_state_machine_as_test,
)

from longshore.core.rules import Rules
from longshore.core.states import TERMINAL, State
from longshore.core.verdict import Verdict
from longshore.store import commands
from longshore.store.adopting import ADOPTABLE
from longshore.store.commands import (
    PAUSE,
    Changes,
    ClaimAsk,
    JobQuery,
    Lease,
    Order,
    Put,
    RecordAsk,
    Tune,
)
from longshore.store.contract import Store
from longshore.testing.draws import (
    LATER_MS,
    ages,
    delays,
    edits,
    members,
    new_jobs,
    places,
    queues,
    rules,
    sessions,
    tunes,
    verdicts,
    words,
)
from longshore.testing.hand import LEASE_MS, POOL, Hand, pool_id, pool_queue
from longshore.testing.side_by_side import SideBySide, Trace

BRIEF = settings(
    max_examples=100,
    stateful_step_count=40,
    deadline=None,
    print_blob=True,
    report_multiple_bugs=False,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.filter_too_much, HealthCheck.data_too_large],
)
"""For every run of the tests. A proof runs thousands: `settings(BRIEF, max_examples=5000)`."""


class Walk(RuleBasedStateMachine):
    """A walk. `make_store` gives an empty store, not opened; see `machine`."""

    make_store: ClassVar[Callable[[], Store]]
    traces: ClassVar[list[Trace]]

    def __init__(self) -> None:
        super().__init__()
        self.side = SideBySide(type(self).make_store(), (PAUSE, "note"))
        self.hand = Hand(self.side)
        self.hand.open_sessions()

    # ------------------------------------------------------------------------------------------------- jobs come

    @initialize(wanted=st.lists(new_jobs, min_size=3, max_size=9))
    def begin(self, wanted: list[tuple[int, int, int, Rules | None]]) -> None:
        self.insert(wanted)

    @rule(wanted=st.lists(new_jobs, min_size=1, max_size=6))
    def insert(self, wanted: list[tuple[int, int, int, Rules | None]]) -> None:
        self.side.insert([self.hand.new_job(*one) for one in wanted])

    @rule(
        wanted=st.lists(
            st.tuples(
                members, st.sampled_from(sorted(ADOPTABLE - {State.BLOCKED})), st.integers(0, 2), rules
            ),
            min_size=1,
            max_size=3,
        )
    )
    def adopt(self, wanted: list[tuple[int, State, int, Rules | None]]) -> None:
        self.side.adopt([self.hand.foreign_job(*one) for one in wanted])

    @rule(member=members)
    def move_away_and_back(self, member: int) -> None:
        self.hand.move_away_and_back(member)

    @rule(queue=queues, session=sessions, count=st.integers(1, 4))
    def claim(self, queue: str, session: str, count: int) -> None:
        self.hand.claim(ClaimAsk(queue, count, session))

    @rule(session=sessions, other=sessions, count=st.integers(0, 2))
    def claim_from_both_queues(self, session: str, other: str, count: int) -> None:
        self.hand.claim(ClaimAsk("video", count, session), ClaimAsk("mail", count, other))

    @rule(member=members, session=sessions)
    def claim_one_by_name(self, member: int, session: str) -> None:
        self.hand.claim(ClaimAsk(pool_queue(member), 1, session, pool_id(member)))

    @rule(queue=queues, session=sessions)
    def lose_the_reply_of_a_claim(self, queue: str, session: str) -> None:
        self.side.claim([ClaimAsk(queue, 2, session)])

    # -------------------------------------------------------------------------------------------------- claims end

    @precondition(lambda self: self.hand.claims)
    @rule(age=ages, verdict=verdicts, keep=st.booleans(), follow=st.none() | new_jobs)
    def settle(
        self,
        age: str,
        verdict: Verdict,
        keep: bool,  # noqa: FBT001 - drawn
        follow: tuple[int, int, int, Rules | None] | None,
    ) -> None:
        job = self.hand.pick(age)
        jobs = () if follow is None or pool_id(follow[0]) == job.id else (self.hand.new_job(*follow),)
        self.side.settle([self.hand.settlement(job, verdict, keep=keep, follow=jobs)])

    @precondition(lambda self: self.hand.claims)
    @rule(age=ages, verdict=verdicts)
    def settle_again_after_a_lost_reply(self, age: str, verdict: Verdict) -> None:
        settlement = self.hand.settlement(self.hand.pick(age), verdict)
        first = self.side.settle([settlement])
        assert self.side.settle([settlement]) == first, "a repeat was answered otherwise"

    @precondition(lambda self: self.hand.claims)
    @rule(
        age=ages,
        progress=st.none() | st.floats(0, 1),
        text=st.none() | st.just("half"),
        logs=st.integers(0, 2),
    )
    def note(self, age: str, progress: float | None, text: str | None, logs: int) -> None:
        self.hand.note(self.hand.pick(age), progress, text, logs)

    @precondition(lambda self: self.hand.claims)
    @rule(age=ages, session=sessions, steps=st.integers(-1, 1), verdict=verdicts)
    def settle_a_claim_that_never_was(self, age: str, session: str, steps: int, verdict: Verdict) -> None:
        job = self.hand.pick(age)
        never = msgspec.structs.replace(job, session=session, fence=job.fence + steps)
        self.hand.note(never, 0.9, None, 0)
        self.side.settle([self.hand.settlement(never, verdict)])

    @rule()
    def look_for_lost_jobs(self) -> None:
        self.hand.look_for_lost()

    @rule(delay_ms=delays)
    def rescue_those_seen(self, delay_ms: int) -> None:
        self.hand.rescue(self.hand.lost, delay_ms)

    # ------------------------------------------------------------------------------- what plain rules seldom meet

    @rule(queue=queues, session=sessions, thief=sessions, revives=st.booleans())
    def steal(self, queue: str, session: str, thief: str, revives: bool) -> None:  # noqa: FBT001 - drawn
        self.hand.steal(queue, session, thief, revives=revives)

    @rule(queue=queues, session=sessions)
    def hand_back(self, queue: str, session: str) -> None:
        self.hand.hand_back(queue, session)

    @rule(queue=queues, session=sessions, verdict=verdicts)
    def stop(self, queue: str, session: str, verdict: Verdict) -> None:
        self.hand.stop(queue, session, verdict)

    @rule(queue=queues, session=sessions, verdict=verdicts)
    def end_and_retry(self, queue: str, session: str, verdict: Verdict) -> None:
        self.hand.end_and_retry(queue, session, verdict)

    @rule(queue=queues, session=sessions, edit=edits)
    def leave_the_line(self, queue: str, session: str, edit: commands.Update) -> None:
        self.hand.leave_the_line(queue, session, edit)

    @rule(limit=st.integers(1, 9))
    def promote_on_the_dot(self, limit: int) -> None:
        self.hand.promote_on_the_dot(limit)

    # --------------------------------------------------------------------------------------------- sessions and time

    @rule(session=sessions, lease_ms=st.sampled_from((LEASE_MS, LEASE_MS, 1_000, 0)), opens=st.booleans())
    def extend(self, session: str, lease_ms: int, opens: bool) -> None:  # noqa: FBT001 - drawn
        self.side.extend([Lease(session=session, lease_ms=lease_ms, opens=opens)])

    @rule(step_ms=st.sampled_from((1, 999, LATER_MS, LEASE_MS, 61_000)))
    def tick(self, step_ms: int) -> None:
        self.side.now_ms += step_ms

    @rule(limit=st.integers(0, 3))
    def promote(self, limit: int) -> None:
        self.side.promote(limit)

    @rule(tune=tunes)
    def tune(self, tune: Tune) -> None:
        self.side.tune(tune)

    # --------------------------------------------------------------------------------------------------------- edits

    @rule(
        kind=st.sampled_from((commands.Cancel, commands.Retry, commands.Delete)),
        chosen=st.sets(members, max_size=3),
    )
    def edit_by_ids(self, kind: type[commands.Cancel], chosen: set[int]) -> None:
        self.side.change(kind(where=JobQuery(ids=tuple(map(pool_id, chosen)))))

    @rule(
        kind=st.sampled_from((commands.Cancel, commands.Retry, commands.Delete)),
        queue=queues,
        state=st.sampled_from(State),
        order=st.sampled_from((Order.OLDEST, Order.NEWEST)),
        limit=st.integers(1, 3),
    )
    def edit_by_query(
        self, kind: type[commands.Cancel], queue: str, state: State, order: Order, limit: int
    ) -> None:
        self.side.change(kind(where=JobQuery(queues=(queue,), states=(state,), order=order, limit=limit)))

    @rule(chosen=st.sets(members, max_size=3), priority=st.sampled_from((1, 3)), delay=st.none() | delays)
    def update(self, chosen: set[int], priority: int, delay: int | None) -> None:
        changes = Changes(priority=priority, payload=b'"new"', tags=("new",))
        if delay is not None:
            changes = Changes(run_ms=self.hand.time_in(delay), details=b'{"late":1}')
        for member in chosen:  # each at a time of its own
            self.side.change(commands.Update(where=JobQuery(ids=(pool_id(member),)), changes=changes))
            changes = Changes(max_attempts=member, reference="r")

    @rule(age_ms=st.sampled_from((0, LATER_MS)), spare=st.integers(0, 3), limit=st.integers(1, 3))
    def purge(self, age_ms: int, spare: int, limit: int) -> None:
        old = self.side.now_ms - age_ms
        if self.side.has_ties:
            spare, limit = 0, len(POOL)
        where = JobQuery(
            states=tuple(TERMINAL), finished_before_ms=old, order=Order.FINISHED, spare=spare, limit=limit
        )
        self.side.change(commands.Delete(where=where))

    # ------------------------------------------------------------------------------------------------------- records

    @rule(queue=queues, ttl_ms=st.none() | st.just(5_000), session=st.none() | sessions)
    def pause(self, queue: str, ttl_ms: int | None, session: str | None) -> None:
        self.side.put(Put(kind=PAUSE, key=queue, value=b"1", ttl_ms=ttl_ms, session=session))

    @rule(queue=queues)
    def resume(self, queue: str) -> None:
        self.side.put(Put(kind=PAUSE, key=queue, value=None))

    @rule(
        key=st.sampled_from("ab"),
        value=st.sampled_from((b"1", b"2", None)),
        expect=st.none() | st.integers(0, 3),
    )
    def put(self, key: str, value: bytes | None, expect: int | None) -> None:
        self.side.put(Put(kind="note", key=key, value=value, expect=expect))

    @rule(keys=st.none() | st.sets(st.sampled_from("abc")))
    def get(self, keys: set[str] | None) -> None:
        self.side.get(RecordAsk("note", None if keys is None else tuple(keys)))

    # ------------------------------------------------------------------------------------------------------- reading

    @rule(query=places, limit=st.integers(1, 4))
    def scan_in_pages(self, query: JobQuery, limit: int) -> None:
        spare = 0 if query.order is Order.FINISHED and self.side.has_ties else query.spare
        self.side.scan(msgspec.structs.replace(query, limit=limit, spare=spare))

    @rule(query=words, order=st.sampled_from(Order))
    def search(self, query: JobQuery, order: Order) -> None:
        self.side.scan(msgspec.structs.replace(query, order=order))

    # ----------------------------------------------------------------------------------------------------- liveness

    def teardown(self) -> None:
        """Whatever happened: once a sound worker comes, everything ends. Only after a walk that found nothing."""
        try:
            if self.side.is_sound:
                self.hand.drain()
            type(self).traces.append(self.side.trace)
        finally:
            self.side.close()


def machine(make_store: Callable[[], Store], kind: type[Walk] = Walk) -> type[Walk]:
    """The walk of one kind of store. `make_store()` gives an empty store of that kind, not opened."""
    return type("StoreWalk", (kind,), {"make_store": staticmethod(make_store), "traces": []})


def traces(
    make_store: Callable[[], Store], *, seed: int, walks: int = 10, kind: type[Walk] = Walk
) -> list[Trace]:
    """What a few walks by the seed met. Equal for all stores that keep the contract."""
    walk = seeded(seed)(machine(make_store, kind))
    few = settings(BRIEF, max_examples=walks, phases=[Phase.generate], database=None)
    run_state_machine_as_test(walk, settings=few)
    return walk.traces
