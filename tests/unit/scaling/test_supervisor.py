"""The supervisor: real processes, and a clock that the tests move."""

import asyncio
import os
import random
import signal
from collections.abc import AsyncIterator, Callable, Iterator
from math import inf
from pathlib import Path

import pytest

from longshore.core.clock import ManualClock, Timer
from longshore.scaling.supervisor import Supervisor
from tests.unit.scaling.processes import Words, command


class WatchedClock(ManualClock):
    """Stands still, and tells when somebody falls asleep."""

    def __init__(self) -> None:
        super().__init__()
        self._fell_asleep = asyncio.Event()

    async def sleep(self, seconds: float) -> None:
        self._fell_asleep.set()
        await super().sleep(seconds)

    def call_later(self, seconds: float, callback: Callable[[], None]) -> Timer:
        timer = super().call_later(seconds, callback)
        self._fell_asleep.set()
        return timer

    async def until_asleep(self, count: int = 1, *, for_at_most: float = inf) -> None:
        """Until so many sleep who wake within that time."""
        while sum(when <= self.monotonic() + for_at_most for when in self._wake_times()) < count:
            self._fell_asleep.clear()
            await asyncio.wait_for(self._fell_asleep.wait(), 20)

    async def pass_time(self, seconds: float) -> None:
        """Moves on once somebody sleeps who wakes by it."""
        await self.until_asleep(for_at_most=seconds)
        self.advance(seconds)

    def _wake_times(self) -> list[float]:
        return [sleeper[0] for sleeper in self._sleepers if not sleeper[1].done()]


class Manners:
    """How the next process of each number behaves."""

    def __init__(self) -> None:
        self.usual = "drain"


@pytest.fixture
async def words(tmp_path: Path) -> AsyncIterator[Words]:
    words = Words(tmp_path / "words")
    yield words
    words.close()


@pytest.fixture
def manners() -> Manners:
    return Manners()


@pytest.fixture
def clock() -> WatchedClock:
    return WatchedClock()


@pytest.fixture
def supervise(words: Words, manners: Manners, clock: WatchedClock) -> Callable[[int], Supervisor]:
    def make(count: int) -> Supervisor:
        return Supervisor(
            lambda number: command(manners.usual, words.path, number),
            count,
            grace_seconds=10.0,
            clock=clock,
            random=random.Random(1),
        )

    return make


@pytest.fixture
def running() -> Iterator[Callable[[Supervisor], "asyncio.Task[int]"]]:
    return lambda supervisor: asyncio.ensure_future(supervisor.run())


async def test_it_runs_as_many_processes_as_asked_and_drains_them_all(supervise, running, words):
    supervisor = supervise(3)
    over = running(supervisor)
    started = await words.started(3)
    assert sorted(started) == [1, 2, 3]
    assert supervisor.pids == sorted(started.values())
    supervisor.drain()
    assert sorted([await words.next() for _ in range(3)]) == [
        ("drained", number, pid) for number, pid in sorted(started.items())
    ]
    assert await over == 0


async def test_a_crashed_process_is_started_again_and_the_others_are_left_alone(
    supervise, running, words, clock
):
    supervisor = supervise(2)
    over = running(supervisor)
    started = await words.started(2)
    os.kill(started[2], signal.SIGKILL)
    await clock.pass_time(0.5)
    again = await words.started()
    assert list(again) == [2]
    assert supervisor.pids == sorted([started[1], again[2]])
    supervisor.drain()
    assert await over == 0


async def test_the_delay_before_a_restart_grows_and_is_forgotten_after_a_stable_minute(
    supervise, running, words, clock, caplog
):
    supervisor = supervise(1)
    over = running(supervisor)
    for lived in (2, 2, 2, 60):
        pid = (await words.started())[1]
        clock.advance(lived)
        os.kill(pid, signal.SIGKILL)
        await clock.pass_time(30)
    await words.started()
    delays = [float(record.getMessage().split(" in ")[1].split()[0]) for record in caplog.records]
    assert delays == [pytest.approx(most * 0.75, rel=0.34) for most in (0.5, 1, 2, 0.5)]
    assert "worker-1 died (signal 9, Killed)" in caplog.text
    supervisor.drain()
    assert await over == 0


async def test_it_gives_up_loudly_when_every_start_fails_five_times_in_a_row(
    supervise, running, words, manners, clock, caplog
):
    manners.usual = "crash"
    over = running(supervise(2))
    for _ in range(4):
        await words.started(2)
        await clock.until_asleep(2)
        clock.advance(30)
    await words.started(2)
    assert await over == 1
    assert [record.levelname for record in caplog.records].count("CRITICAL") == 1
    assert "Giving up: every worker process ended before it was ready, 5 times in a row" in caplog.text


async def test_it_does_not_give_up_while_one_of_them_stands(supervise, running, words, manners, clock):
    supervisor = supervise(1)
    over = running(supervisor)
    stands = await words.started()
    manners.usual = "crash"
    supervisor.scale(2)
    for _ in range(7):
        assert list(await words.started()) == [2]
        await clock.pass_time(30)
    assert stands[1] in supervisor.pids
    supervisor.drain()
    assert await over == 0


async def test_jobs_that_take_their_process_down_at_once_are_no_reason_to_give_up(
    supervise, running, words, manners, clock
):
    manners.usual = "poisoned"
    supervisor = supervise(1)
    over = running(supervisor)
    for _ in range(7):
        await words.started()
        await clock.pass_time(9.9)
    manners.usual = "drain"
    await words.started()
    supervisor.drain()
    assert await over == 0


async def test_a_command_that_cannot_be_run_is_given_up_at_once(clock, caplog):
    supervisor = Supervisor(
        lambda _: ["/no/such/program"], 2, grace_seconds=1.0, clock=clock, random=random.Random(1)
    )
    assert await supervisor.run() == 1
    assert "cannot be run: [Errno 2] No such file or directory: '/no/such/program'" in caplog.text


async def test_processes_that_finish_by_themselves_are_not_started_again(supervise, manners, words):
    manners.usual = "finish"
    assert await supervise(3).run() == 0


async def test_a_process_that_does_not_drain_is_killed_soon_after_the_grace_time(
    supervise, running, words, manners, clock
):
    manners.usual = "stubborn"
    supervisor = supervise(1)
    over = running(supervisor)
    await words.started()
    supervisor.drain()
    assert (await words.next())[0] == "refused"
    await clock.until_asleep(for_at_most=11.5)
    clock.advance(11.4)
    for _ in range(20):
        await asyncio.sleep(0)
    assert not over.done()
    clock.advance(0.2)
    assert await over == 1


async def test_stopping_kills_at_once_even_while_draining(supervise, running, words, manners):
    manners.usual = "stubborn"
    supervisor = supervise(2)
    over = running(supervisor)
    await words.started(2)
    supervisor.drain()
    assert {(await words.next())[0] for _ in range(2)} == {"refused"}
    supervisor.stop()
    assert await over == 1


async def test_a_drain_ends_the_wait_for_a_restart(supervise, running, words, clock):
    supervisor = supervise(1)
    over = running(supervisor)
    os.kill((await words.started())[1], signal.SIGKILL)
    await clock.until_asleep()
    supervisor.drain()
    assert await over == 0


async def test_what_was_asked_before_it_ran_is_not_lost(supervise):
    supervisor = supervise(2)
    supervisor.drain()
    assert await supervisor.run() == 0


async def test_scaling_starts_more_processes_or_drains_the_last(supervise, running, words):
    supervisor = supervise(1)
    over = running(supervisor)
    started = await words.started()
    supervisor.scale(3)
    started |= await words.started(2)
    supervisor.scale(1)
    assert sorted([await words.next() for _ in range(2)]) == [
        ("drained", 2, started[2]),
        ("drained", 3, started[3]),
    ]
    supervisor.scale(2)
    [number] = await words.started()
    assert number in {2, 3, 4}  # those before may not have left yet
    supervisor.drain()
    assert await over == 0


async def test_a_reload_replaces_one_process_after_another_each_before_the_old_one_goes(
    supervise, running, words
):
    supervisor = supervise(2)
    over = running(supervisor)
    old = await words.started(2)
    supervisor.reload()
    for number in (1, 2):
        assert list(await words.started()) == [number]
        assert await words.next() == ("drained", number, old[number])
    supervisor.drain()
    assert await over == 0


async def test_a_reload_that_does_not_stand_leaves_the_running_processes_alone(
    supervise, running, words, manners, caplog
):
    supervisor = supervise(2)
    over = running(supervisor)
    old = await words.started(2)
    manners.usual = "crash"
    supervisor.reload()
    await words.started()
    while "did not stand after a reload" not in caplog.text:  # noqa: ASYNC110 - a log line signals nobody
        await asyncio.sleep(0)
    assert supervisor.pids == sorted(old.values())
    supervisor.drain()
    assert await over == 0


async def test_each_line_of_output_carries_the_name_of_its_process(supervise, running, words, capsys):
    supervisor = supervise(2)
    over = running(supervisor)
    await words.started(2)
    supervisor.drain()
    await over
    assert sorted(capsys.readouterr().out.splitlines()) == ["worker-1 | hello", "worker-2 | hello"]


async def test_errors_of_processes_are_named_and_stay_on_the_error_stream(
    supervise, running, words, manners, clock, capsys
):
    manners.usual = "crash"
    supervisor = supervise(1)
    over = running(supervisor)
    await words.started()
    await clock.until_asleep()
    supervisor.drain()
    await over
    captured = capsys.readouterr()
    assert (captured.out, captured.err) == ("", "worker-1 | no such module\n")
