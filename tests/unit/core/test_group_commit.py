"""Items that come while a write is under way share the next one."""

import asyncio

import pytest

from longshore.core.clock import ManualClock
from longshore.core.group_commit import GroupCommit


class Place:
    """Writes when it is let, and says what was written together."""

    def __init__(self) -> None:
        self.may_write = asyncio.Event()
        self.written: list[list[str]] = []

    async def write(self, items):
        await self.may_write.wait()
        self.written.append(list(items))
        if "bad" in items:
            raise OSError("no")
        return [item.upper() for item in items]


async def added(place, items, **limits):
    """What each item's caller gets, where all come at once."""
    group = GroupCommit(place.write, ManualClock(), **{"most": 10, "size_of": len, **limits})
    works = [asyncio.ensure_future(group.add(item)) for item in items]
    await asyncio.sleep(0)
    place.may_write.set()
    return await asyncio.gather(*works, return_exceptions=True)


async def test_what_comes_during_a_write_goes_with_the_next():
    place = Place()
    assert await added(place, ["a", "b", "c"]) == ["A", "B", "C"]
    assert place.written == [["a"], ["b", "c"]]


async def test_a_group_has_a_size_and_one_item_may_be_larger():
    place = Place()
    await added(place, ["a", "bb", "cc", "d" * 9, "e"], most=4)
    assert place.written == [["a"], ["bb", "cc"], ["d" * 9], ["e"]]


async def test_only_items_of_a_kind_share_a_write():
    place = Place()
    await added(place, ["a", "x1", "x2", "y1", "x3"], kind_of=lambda item: item[0])
    assert place.written == [["a"], ["x1", "x2"], ["y1"], ["x3"]]


@pytest.mark.parametrize("items", [["bad", "b"], ["a", "bad", "b"]])
async def test_a_write_that_fails_fails_for_all_who_share_it_and_for_nobody_else(items):
    place = Place()
    results = await added(place, items)
    shared = next(group for group in place.written if "bad" in group)
    assert [isinstance(result, OSError) for result in results] == [item in shared for item in items]
