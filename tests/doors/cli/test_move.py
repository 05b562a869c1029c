"""`longshore move`: jobs of one store go to another, and a move that is killed is simply run again."""

import asyncio
import json
import signal
import subprocess
import sys
from collections import Counter
from pathlib import Path

import pytest

from longshore.backends import open_store
from longshore.core.ids import new_id
from longshore.core.job import NewJob
from longshore.core.states import State
from longshore.core.verdict import BURIED
from longshore.store.commands import ClaimAsk, JobQuery, Lease

JOBS = 6_000


@pytest.fixture
def urls(nowhere):
    return f"sqlite:///{nowhere}/jobs.db", f"sqlite:///{nowhere}/other.db"


@pytest.fixture
def filled(shop, urls):
    """Jobs in several states; the URLs of their store and of an empty one."""
    shop.add("a", "b", "c")
    shop.add("later", delay_ms=3_600_000)
    shop.settle(shop.hold(1), BURIED, "ValueError: no")
    shop.add("render", queue="video")
    return urls


async def standing(url):
    store = open_store(url)
    await store.open()
    counts = await store.count(None)
    await store.close()
    return {queue.queue: {state: n for state, n in queue.states.items() if n} for queue in counts}


def test_move_tells_what_went_where(call, filled):
    source, target = filled
    result = call("move", source, target)
    assert result.exit_code == 0, result.output
    assert "5 moved, each seen at the target" in result.output
    assert f"use {target}" in result.output
    there = asyncio.run(standing(target))
    assert there == {
        "emails": {State.PENDING: 2, State.SCHEDULED: 1, State.FAILED: 1},
        "video": {State.PENDING: 1},
    }
    assert asyncio.run(standing(source)) == {"emails": {}, "video": {}}


def test_move_as_json_accounts_for_every_job(call, filled):
    told = json.loads(call("move", *filled, "--json").stdout)
    assert (told["moved"], told["remaining"], told["vanished"]) == (5, 0, 0)
    [video] = [row for row in told["queues"] if row["queue"] == "video"]
    assert (video["state"], video["were"], video["moved"], video["left"]) == ("pending", 1, 1, 0)
    assert (video["were_there"], video["target_has"]) == (0, 1)


def test_a_dry_run_changes_nothing(call, filled, urls):
    source, target = filled
    before = asyncio.run(standing(source))
    result = call("move", source, target, "--dry-run")
    assert result.exit_code == 0
    assert "5 jobs to move; nothing was changed" in result.output
    assert asyncio.run(standing(source)) == before
    assert not Path(target.removeprefix("sqlite:///")).exists()
    assert json.loads(call("move", source, target, "--dry-run", "--json").stdout)["to_move"] == 5


def test_jobs_that_run_make_it_fail_and_say_so(call, shop, urls):
    shop.add("a", "b")
    shop.hold(1)
    result = call("move", *urls, "--wait", "0")
    assert result.exit_code == 1
    assert "1 are left at the source: 1 of them run" in result.output


def test_jobs_of_a_worker_that_is_gone_are_brought_back_and_moved(call, shop, urls):
    shop.add("a")
    shop.hold(1)
    asyncio.run(end_session(urls[0], shop.session))
    result = call("move", *urls)
    assert result.exit_code == 0, result.output
    assert sum(asyncio.run(standing(urls[1]))["emails"].values()) == 1


async def end_session(url, session):
    store = open_store(url)
    await store.open()
    await store.extend([Lease(session=session, lease_ms=0)])
    await store.close()


def test_giving_up_resumes_the_queues(call, filled):
    call("move", *filled)
    result = call("move", *filled, "--give-up")
    assert "resumed: emails, video" in result.output


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (("sqlite:///none.db", "sqlite:///other.db"), "no store at"),
        (("{source}", "{source}"), "to itself"),
        (("{source}", "{target}", "--queue", "emial"), "Did you mean 'emails'"),
        (("{source}", "mysql://x"), "No store speaks mysql://"),
    ],
)
def test_a_move_that_cannot_be_is_refused(call, filled, arguments, says):
    source, target = filled
    result = call("move", *(word.format(source=source, target=target) for word in arguments))
    assert result.exit_code != 0
    assert says in str(result.exception) + result.output


async def fill(url):
    store = open_store(url)
    await store.open()
    for _ in range(JOBS // 1000):
        await store.insert(
            [
                NewJob(id=new_id(), queue="mail", name="t", payload=b"{}", delay_ms=(n % 2) * 3_600_000)
                for n in range(1000)
            ]
        )
    await store.close()


async def ids_of(url):
    store = open_store(url)
    await store.open()
    found, cursor = Counter(), ""
    while cursor is not None:
        [page] = await store.scan([JobQuery(limit=1000, cursor=cursor or None)])
        found.update(job.id for job in page.jobs)
        cursor = page.cursor
    await store.close()
    return found


async def claimable(url):
    """How many jobs a worker gets there."""
    store = open_store(url)
    await store.open()
    await store.extend([Lease(session="s", lease_ms=60_000, opens=True)])
    got = 0
    while True:
        [claimed] = await store.claim([ClaimAsk("mail", 1000, "s")])
        if not claimed.jobs:
            break
        got += len(claimed.jobs)
    await store.close()
    return got


def test_a_move_that_is_killed_by_the_system_again_and_again_loses_and_doubles_nothing(urls):
    source, target = urls
    asyncio.run(fill(source))
    wanted = asyncio.run(ids_of(source))
    command = [sys.executable, "-c", MOVE, source, target]
    kills = 0
    for seconds in (0.15, 0.3, 0.45):
        with subprocess.Popen([*command, str(seconds)], stdout=subprocess.DEVNULL) as moving:
            kills += moving.wait() == -signal.SIGKILL
    assert kills
    done = subprocess.run([*command, "0"], check=False)
    assert done.returncode == 0
    assert asyncio.run(ids_of(target)) == wanted
    assert not asyncio.run(ids_of(source))
    assert asyncio.run(claimable(target)) == JOBS // 2


MOVE = """
import asyncio, os, signal, sys, threading
from longshore.backends import open_store
from longshore.core.clock import SystemClock
from longshore.moving.mover import Mover, Plan

async def move(source, target, seconds):
    here, there = open_store(source), open_store(target)
    await here.open()
    await there.open()
    if seconds:
        threading.Timer(seconds, os.kill, (os.getpid(), signal.SIGKILL)).start()
    moved = await Mover(here, there, Plan(), SystemClock(), lock_seconds=0.5).run()
    await here.close()
    await there.close()
    return moved.remaining

sys.exit(asyncio.run(move(sys.argv[1], sys.argv[2], float(sys.argv[3]))))
"""
