"""A store that differs from the oracle is found, whatever it differs in."""

import pytest

from longshore.backends.memory import MemoryStore
from longshore.core.states import State
from longshore.store.commands import ClaimAsk
from longshore.testing.hand import Hand
from longshore.testing.side_by_side import SideBySide


class ForgetfulStore(MemoryStore):
    async def insert(self, jobs, *, durability=None, now_ms=None):
        return (await super().insert(jobs, now_ms=now_ms))[::-1] if len(jobs) < 2 else []


class MiscountingStore(MemoryStore):
    async def count(self, queues, *, minutes=0, now_ms=None):
        counts = await super().count(queues, minutes=minutes, now_ms=now_ms)
        for queue in counts:
            queue.states[State.PENDING] += 1
        return counts


class LazyStore(MemoryStore):
    async def scan(self, queries, *, now_ms=None):
        return [type(page)(page.jobs[:1], None) for page in await super().scan(queries, now_ms=now_ms)]


def walk(store):
    side = SideBySide(store, ())
    try:
        hand = Hand(side)
        hand.open_sessions()
        side.insert([hand.new_job(1), hand.new_job(2)])
        hand.claim(ClaimAsk("video", 5, "s1"), ClaimAsk("mail", 5, "s1"))
        hand.drain()
        return side.trace
    finally:
        side.close()


def test_a_sound_store_is_walked_to_the_end():
    assert len(walk(MemoryStore())) > 10


@pytest.mark.parametrize(
    ("store", "complaint"),
    [
        (ForgetfulStore, "^insert: the store says"),
        (MiscountingStore, "^the counts after insert"),
        (LazyStore, "^the jobs after insert"),
    ],
)
def test_a_store_that_lies_is_found(store, complaint):
    with pytest.raises(AssertionError, match=complaint):
        walk(store())
