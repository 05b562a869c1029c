"""The store contract, on two tiers of which the jobs of most tests are in the quick one."""

from longshore.backends.memory import MemoryStore
from longshore.backends.tiers import TwoTiers
from longshore.core.clock import SystemClock
from longshore.testing.conformance import conform
from longshore.testing.conformance.jobs import QUEUE


def two_tiers(place):
    memory = MemoryStore(name=f"tier of {place}")
    return TwoTiers(MemoryStore(name=f"slow tier of {place}"), memory, {QUEUE}, SystemClock())


TestTwoTiers = conform(two_tiers, round_trips=lambda store: store.memory.round_trips)

# A session that has been silent for longer than its lease is forgotten by the tier where it runs nothing, and with one
# of both gone it is over: its worker begins a new one, and what it ran is rescued.
del TestTwoTiers.TestLeases.test_a_session_with_running_jobs_outlives_promote
