"""This module tests what `insert` promises about durability; whether it is true only a pulled plug can tell."""

import pytest

from longshore.core.durability import Durability
from longshore.core.errors import InvalidOption
from longshore.core.states import State
from longshore.store.contract import Store
from longshore.store.replies import Inserted
from longshore.testing.conformance.jobs import NOW, new_job
from longshore.testing.conformance.steps import states


async def test_a_job_may_be_asked_to_be_as_safe_as_it_is_anyway(store: Store) -> None:
    job = new_job()
    weaker = [level for level in Durability if store.durability.reaches(level)]
    assert weaker
    for level in weaker:
        await store.insert([job], durability=level, now_ms=NOW)
    assert await states(store, [job.id]) == [State.PENDING]


async def test_a_repeat_that_asks_for_more_is_a_duplicate(store: Store) -> None:
    job = new_job()
    await store.insert([job], now_ms=NOW)
    assert await store.insert([job], durability=store.durability, now_ms=NOW) == [Inserted.DUPLICATE]


async def test_a_level_that_cannot_be_reached_stores_nothing(store: Store) -> None:
    job = new_job()
    try:
        replies = await store.insert([job], durability=Durability.REPLICATED, now_ms=NOW)
    except InvalidOption:
        replies = []
    assert await states(store, [job.id]) == [State.PENDING if replies else None]
    assert not (replies and store.durability is Durability.MEMORY), "it is gone with its process"


async def test_the_level_of_a_store_is_one_of_those_there_are(store: Store) -> None:
    assert store.durability in Durability
    assert store.durability.reaches(Durability.MEMORY)
    with pytest.raises(ValueError, match="nothing"):
        Durability("nothing")
