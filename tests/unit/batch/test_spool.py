"""Snapshots: written in one step, read back as what they were, and never overwritten unread."""

import os
from dataclasses import dataclass

import pytest

from longshore.batch.entry import Entry
from longshore.batch.spool import FileStorage, Persistence, read_snapshot, write_snapshot
from longshore.core.errors import InvalidOption, PayloadError


@dataclass
class Report:
    number: int


async def test_a_file_is_replaced_as_a_whole_and_nothing_else_is_left_beside_it(tmp_path):
    """S0.9."""
    storage = FileStorage(tmp_path / "new" / "folder")
    assert await storage.load("a/b") is None
    await storage.save("a/b", b"1" * 100)
    await storage.save("a/b", b"2")
    assert await storage.load("a/b") == b"2"
    assert [path.name for path in storage.folder.iterdir()] == ["a%2Fb.json"]


async def test_a_crash_before_the_replacing_leaves_the_old_snapshot(tmp_path, monkeypatch):
    """S0.9."""
    storage = FileStorage(tmp_path)
    await storage.save("key", b"old")

    def power_cut(handle: int) -> None:
        raise OSError("power cut")

    monkeypatch.setattr(os, "fsync", power_cut)
    with pytest.raises(OSError, match="power cut"):
        await storage.save("key", b"new")
    assert await storage.load("key") == b"old"


def test_items_come_back_with_their_priority_their_failures_and_their_type():
    """S0.9."""
    written = write_snapshot("q", [Entry(Report(1), 0, 0.0), Entry(Report(2), 2, 0.0, failures=3)])
    assert written.unfit == []
    restored = read_snapshot("q", written.data, Report, levels=2)
    assert restored == [(Report(1), 0, 0), (Report(2), 1, 3)]
    assert read_snapshot("q", written.data, None, levels=3)[0].item == {"number": 1}


def test_an_item_without_json_form_does_not_keep_the_others_from_being_saved():
    written = write_snapshot("q", [Entry(object(), 0, 0.0), Entry("fine", 0, 0.0)])
    assert len(written.unfit) == 1
    assert [each.item for each in read_snapshot("q", written.data, None, levels=1)] == ["fine"]


@pytest.mark.parametrize(
    "data", [b"", b'{"queue":"q","items":[{"item"', b'{"queue":"q","items":[{"item":"text"}]}']
)
def test_a_snapshot_that_cannot_be_read_says_what_to_do(data):
    with pytest.raises(PayloadError, match="left as it is"):
        read_snapshot("q", data, Report, levels=1)


@pytest.mark.parametrize("wrong", [{"every": 0}, {"every": -1}, {"key": ""}])
def test_persistence_refuses_what_makes_no_sense(tmp_path, wrong):
    with pytest.raises(InvalidOption):
        Persistence(FileStorage(tmp_path), **wrong)
