"""This module takes random walks on which jobs wait for one another as well: in chains and joins, over queues, for
parents that come late or never, with new lives and moves in between."""

from hypothesis import strategies as st
from hypothesis.stateful import precondition, rule

from longshore.core.edges import Edge, Edges, Join, Missed, When
from longshore.core.ids import JobId
from longshore.core.job import NewJob
from longshore.core.rules import Rules
from longshore.core.states import State
from longshore.core.verdict import COMPLETED, POISONED, Verdict
from longshore.store.commands import Cancel, Delete, JobQuery, Order, Retry
from longshore.testing.conformance.stateful import Walk
from longshore.testing.draws import ages, members, new_jobs, queues, sessions, verdicts
from longshore.testing.hand import POOL, pool_id, pool_queue

STRANGER = Edge(JobId(b"\xff" * 16), "mail")
"""To a parent that never comes."""

Wanted = tuple[tuple[int, int, int, Rules | None], list[tuple[int, When, Missed]], Join]
"""What a job is like, whom it waits for and how, and how many of them are enough."""

edges = st.tuples(st.sampled_from((-1, *POOL)), st.sampled_from(When), st.sampled_from(Missed))
waiting = st.tuples(new_jobs, st.lists(edges, min_size=1, max_size=4), st.sampled_from(Join))
ends = st.sampled_from((COMPLETED, COMPLETED, POISONED, Verdict(State.CANCELLED), Verdict(State.SKIPPED)))


def edges_of(member: int, drawn: list[tuple[int, When, Missed]], join: Join) -> Edges | None:
    """Edges to members before it, so that no two wait for one another; each parent once."""
    parents = {}
    for parent, on, missed in drawn:
        known = parent % max(member, 1)
        there = Edge(pool_id(known), pool_queue(known))
        edge = there if parent >= 0 and member else STRANGER
        parents[edge.parent] = Edge(edge.parent, edge.queue, on, missed)
    return Edges(tuple(parents.values()), join)


class EdgeWalk(Walk):
    """A walk for stores with edges."""

    def _waiting(self, wanted: Wanted) -> NewJob:
        (member, priority, delay_ms, rules), drawn, join = wanted
        return self.hand.new_job(member, priority, delay_ms, rules, edges_of(member, drawn, join))

    @rule(wanted=st.lists(waiting, min_size=1, max_size=7), plain=st.lists(new_jobs, max_size=2))
    def insert_waiting(self, wanted: list[Wanted], plain: list[tuple[int, int, int, Rules | None]]) -> None:
        waiting = [self._waiting(one) for one in wanted]
        self.side.insert([*waiting, *(self.hand.new_job(*one) for one in plain)])

    @rule(wanted=st.lists(waiting, min_size=3, max_size=7))
    def insert_workflow(self, wanted: list[Wanted]) -> None:
        """Every member afresh, so that most parents are there."""
        everybody = JobQuery(ids=tuple(map(pool_id, POOL)))
        self.side.change(Delete(where=everybody))
        jobs = {member: self.hand.new_job(member) for member in POOL[:3]}
        jobs |= {one[0][0]: self._waiting(one) for one in wanted}
        self.side.insert([jobs[member] for member in sorted(jobs, reverse=len(wanted) % 2 == 0)])

    @rule(queue=queues, session=sessions, verdict=ends, count=st.integers(1, 3), keep=st.booleans())
    def end_some(self, queue: str, session: str, verdict: Verdict, count: int, keep: bool) -> None:  # noqa: FBT001
        held = self.hand.start(queue, session, count)
        self.side.settle([self.hand.settlement(job, verdict, keep=keep) for job in held])

    @rule(session=sessions, verdict=ends, other=ends)
    def end_in_both_queues(self, session: str, verdict: Verdict, other: Verdict) -> None:
        mail, video = self.hand.start("mail", session, 2), self.hand.start("video", session, 2)
        ends = [(job, verdict) for job in mail] + [(job, other) for job in video]
        self.side.settle([self.hand.settlement(job, verdict) for job, verdict in ends])

    @precondition(lambda self: self.hand.claims)
    @rule(age=ages, verdict=verdicts, follow=waiting)
    def settle_with_a_follower_that_waits(self, age: str, verdict: Verdict, follow: Wanted) -> None:
        job = self.hand.pick(age)
        jobs = () if pool_id(follow[0][0]) == job.id else (self._waiting(follow),)
        self.side.settle([self.hand.settlement(job, verdict, follow=jobs)])

    @rule(chosen=st.sets(members, min_size=1, max_size=6), order=st.sampled_from(Order))
    def rejoin(self, chosen: set[int], order: Order) -> None:
        if order is Order.FINISHED and self.side.has_ties:
            order = Order.OLDEST
        where = JobQuery(ids=tuple(map(pool_id, chosen)), order=order)
        self.side.change(Retry(where=where, rejoin=True))

    @rule(queue=queues, kind=st.sampled_from((Cancel, Delete)), order=st.sampled_from(list(Order)[:2]))
    def end_those_that_wait(self, queue: str, kind: type[Cancel], order: Order) -> None:
        waits = (State.BLOCKED, State.PENDING)
        self.side.change(kind(where=JobQuery(queues=(queue,), states=waits, order=order, limit=2)))

    @rule(
        member=members,
        drawn=st.lists(edges, min_size=1, max_size=3),
        join=st.sampled_from(Join),
        open_=st.integers(0, 3),
    )
    def adopt_waiting(
        self, member: int, drawn: list[tuple[int, When, Missed]], join: Join, open_: int
    ) -> None:
        given = edges_of(member, drawn, join)
        self.side.adopt([self.hand.blocked_job(member, given, open_)])

    @rule(early=st.booleans(), limit=st.integers(0, 3))
    def look_again(self, early: bool, limit: int) -> None:  # noqa: FBT001 - drawn
        looks = self.side.model.family.times()
        if looks:
            self.side.now_ms = max(self.side.now_ms, min(looks) - early)
        self.side.promote(limit)
