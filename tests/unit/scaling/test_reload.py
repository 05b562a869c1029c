"""Watching the source: what counts as a change, and which files count."""

import asyncio
import os
from pathlib import Path

import pytest

from longshore.core.clock import ManualClock
from longshore.scaling.reload import SourceWatch


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for name in ("app.py", "notes.txt", ".hidden/x.py", "venv/lib/y.py", "pkg/inner.py", "node_modules/z.py"):
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()
    (tmp_path / "venv" / "pyvenv.cfg").touch()
    return tmp_path


async def changes(folder: Path, *edits: Path) -> list[str]:
    """What a watch says of these edits at its next look."""
    clock, told = ManualClock(), []
    watch = SourceWatch([folder], told.extend, clock=clock)
    for edit in edits:
        if edit.exists():
            os.utime(edit, ns=(1, 1))
        else:
            edit.touch()
    task = asyncio.ensure_future(watch.run())
    await asyncio.sleep(0)
    clock.advance(0.5)
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    task.cancel()
    return [path.relative_to(folder).as_posix() for path in told]


async def test_a_changed_and_a_new_source_file_are_told(folder):
    assert await changes(folder, folder / "app.py", folder / "pkg" / "new.py") == ["app.py", "pkg/new.py"]


async def test_files_that_are_not_the_applications_source_are_not_watched(folder):
    edits = ("notes.txt", ".hidden/x.py", "venv/lib/y.py", "node_modules/z.py")
    assert await changes(folder, *(folder / edit for edit in edits)) == []


async def test_a_removed_source_file_is_a_change(folder):
    clock, told = ManualClock(), []
    watch = SourceWatch([folder], told.extend, clock=clock)
    (folder / "app.py").unlink()
    task = asyncio.ensure_future(watch.run())
    await asyncio.sleep(0)
    clock.advance(0.5)
    for _ in range(3):
        await asyncio.sleep(0)
    task.cancel()
    assert told == [folder / "app.py"]
