"""Tests: none waits by the clock on the wall; it moves the clock, or waits for a named signal."""

import re

from tests.rules.sources import files, shown, text

SLEEP = re.compile(r"\btime\.sleep\(|\basyncio\.sleep\((?!0\))|\bfrom (time|asyncio) import .*\bsleep\b")


def sleeps(source: str) -> list[int]:
    """Lines that sleep; `asyncio.sleep(0)` only lets others run."""
    return [number for number, line in enumerate(source.splitlines(), 1) if SLEEP.search(line)]


def test_no_test_sleeps_by_the_wall_clock():
    found = {shown(path): sleeps(text(path)) for path in files("tests", ".py")}
    assert {path: lines for path, lines in found.items() if lines} == {}


def test_planted_sleeps_are_found():
    assert sleeps("time." + "sleep(1)\nawait asyncio." + "sleep(0.1)\nfrom time " + "import sleep\n") == [
        1,
        2,
        3,
    ]


def test_letting_others_run_is_no_sleep():
    assert sleeps("await asyncio.sleep(0)\nawait clock.sleep(5)\n") == []
