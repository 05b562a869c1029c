"""`longshore move` to a target that would lose the jobs, and what it tells about those that did not wait for it."""

from collections import Counter

import pytest

from longshore.cli.move import fates
from longshore.core.states import State
from longshore.moving.crossing import Tally
from longshore.moving.mover import Moved, Plan, Standing
from servers import redis_versions, start_redis

PENDING, RUNNING, DONE, CANCELLED = (
    ("mail", state) for state in (State.PENDING, State.RUNNING, State.COMPLETED, State.CANCELLED)
)


@pytest.fixture
def evicting(tmp_path_factory):
    """A Redis that deletes keys when it is full."""
    folder = tmp_path_factory.mktemp("redis")
    with start_redis(redis_versions()[-1], folder, settings={"maxmemory-policy": "allkeys-lru"}) as server:
        yield server.url


@pytest.mark.parametrize("words", [(), ("--dry-run",)])
def test_no_job_goes_where_no_worker_would_start(call, shop, evicting, words, monkeypatch):
    shop.add("a", "b")
    refused = call("move", shop.url, evicting, *words)
    assert refused.exit_code == 1
    assert "maxmemory-policy allkeys-lru" in refused.output
    assert "LONGSHORE_UNSAFE_STORE=1" in refused.output
    monkeypatch.setenv("LONGSHORE_UNSAFE_STORE", "1")
    assert call("move", shop.url, evicting, *words).exit_code == 0


def test_a_target_that_keeps_nothing_on_disk_is_told_in_one_line(call, shop, redis_server):
    shop.add("a")
    result = call("move", shop.url, f"{redis_server.url}?prefix=moved-to")
    [line] = [line for line in result.output.splitlines() if line.startswith("About the target:")]
    assert "keeps nothing on disk" in line


def moved(before, left, crossed):
    standings = {"before": Standing(before), "left": Standing(left), "target": Standing({})}
    return Moved(
        tally=Tally(moved=Counter({PENDING: crossed})), records=0, paused=(), plan=Plan(), **standings
    )


@pytest.mark.parametrize(
    ("before", "left", "crossed", "told"),
    [
        ({PENDING: 3}, {}, 3, []),
        ({PENDING: 3}, {DONE: 1}, 2, ["1 ended"]),
        ({PENDING: 3, DONE: 4}, {DONE: 6}, 1, ["2 ended"]),
        ({PENDING: 3}, {CANCELLED: 1}, 2, ["1 was cancelled"]),
        ({PENDING: 4}, {CANCELLED: 2, DONE: 1}, 1, ["1 ended", "2 were cancelled"]),
        ({PENDING: 3}, {}, 2, ["1 was deleted, or ended and was pruned,"]),
        ({PENDING: 3}, {}, 1, ["2 were deleted, or ended and were pruned,"]),
        ({PENDING: 3, RUNNING: 1}, {DONE: 1}, 2, ["1 ended or was cancelled or deleted"]),
    ],
)
def test_jobs_that_did_not_wait_for_the_move_are_told_for_what_became_of_them(before, left, crossed, told):
    assert fates(moved(before, left, crossed)) == told
