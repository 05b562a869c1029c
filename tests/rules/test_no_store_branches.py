"""Stores: outside backends/, no code asks which one it has; what differs is a verb or a capability."""

import re

from tests.rules.sources import files, shown, text

BRANCH = re.compile(
    r"(scheme|backend|url|dialect|store)\w*\s*(==|!=|in|\.startswith\()\s*[\(\[\{]?\s*"
    r"[\"'](sqlite|redis|rediss|postgres|postgresql|memory)"
)


def branches(source: str) -> list[int]:
    """Lines that decide by a store's name."""
    return [number for number, line in enumerate(source.splitlines(), 1) if BRANCH.search(line)]


def test_nothing_outside_backends_branches_on_a_stores_name():
    paths = [path for path in files("src", ".py") if "backends" not in path.parts]
    found = {shown(path): branches(text(path)) for path in paths}
    assert {path: lines for path, lines in found.items() if lines} == {}


def test_no_test_branches_on_a_stores_name():
    paths = [path for path in files("tests", ".py") if "backends" not in path.parts]
    found = {shown(path): branches(text(path)) for path in paths}
    assert {path: lines for path, lines in found.items() if lines} == {}


def test_planted_branches_are_found():
    planted = ['url.startswith("{}")', 'backend_name == "{}"', 'scheme in ("{}", "x")', "if dialect != '{}':"]
    assert [branches(line.format("sqlite")) for line in planted] == [[1]] * 4


def test_a_url_that_is_only_handed_on_passes():
    assert branches('manager = QueueManager("sqlite:///jobs.db")\nurl = "memory://"\n') == []
