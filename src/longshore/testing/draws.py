"""This module holds what random walks draw from: jobs, sessions, verdicts, edits and queries."""

from hypothesis import strategies as st

from longshore.core.states import State
from longshore.core.verdict import (
    BURIED,
    CANCELLED,
    COMPLETED,
    POISONED,
    RELEASED,
    Verdict,
    crashed,
    released,
    retry_after,
)
from longshore.store.commands import Cancel, Changes, Delete, JobQuery, Order, Tune, Update
from longshore.testing.hand import LONGEST_DELAY_MS, POOL, QUEUES, SESSIONS
from longshore.testing.ruled import RULES, TUNES

LATER_MS = 2_000

members = st.sampled_from(POOL)
queues = st.sampled_from(QUEUES)
sessions = st.sampled_from(SESSIONS)
delays = st.sampled_from((0, 0, LATER_MS, LONGEST_DELAY_MS))
tunes = st.builds(Tune, queues, st.sampled_from(TUNES))
ages = st.sampled_from(("newest", "oldest", "middle"))
verdicts = st.sampled_from(
    (
        *(COMPLETED, COMPLETED, BURIED, POISONED, CANCELLED, RELEASED, Verdict(State.PENDING)),
        *(retry_after(LATER_MS), released(LATER_MS), crashed(LATER_MS), crashed(0)),
    )
)

places = st.builds(
    JobQuery,
    states=st.none() | st.sets(st.sampled_from(State)).map(tuple),
    queues=st.none() | queues.map(lambda queue: (queue,)),
    order=st.sampled_from(Order),
    spare=st.integers(0, 2),
)
words = st.builds(
    JobQuery,
    text=st.none() | st.sampled_from(("NEW", "late", "boom", "1")),
    error=st.none() | st.just("boom"),
    session=st.none() | sessions,
    tags=st.sampled_from(((), ("new",))),
    reference=st.none() | st.just("r"),
)
rules = st.sampled_from(RULES)
new_jobs = st.tuples(members, st.sampled_from((3, 3, 1, 9)), delays, rules)
"""What `Hand.new_job` takes."""
edits = st.sampled_from(
    (
        *(Cancel(where=JobQuery()), Delete(where=JobQuery())),
        *(Update(where=JobQuery(), changes=Changes(priority=priority)) for priority in (1, 3, 9)),
    )
)
"""What takes a job out of its place in line."""
