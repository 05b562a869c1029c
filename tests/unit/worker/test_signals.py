"""Signals: the first asks for a drain, the next for the end, and none is lost before the worker is there."""

import asyncio
import signal
import threading
from collections.abc import Iterator

import pytest

from longshore.worker.signals import StopSignals


class Asked:
    """Notes what it was asked."""

    def __init__(self) -> None:
        self.requests: list[str] = []

    def drain(self) -> None:
        self.requests.append("drain")

    def stop(self) -> None:
        self.requests.append("stop")


@pytest.fixture(autouse=True)
def handlers_come_back() -> Iterator[None]:
    """Whatever a test does, the handlers after it are those before it."""
    numbers = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP)
    before = [signal.getsignal(number) for number in numbers]
    yield
    found = [signal.getsignal(number) for number in numbers]
    for number, handler in zip(numbers, before, strict=True):
        signal.signal(number, handler)
    assert found == before


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_the_first_signal_drains_and_the_second_stops(number):
    worker = Asked()
    with StopSignals() as signals:
        signals.attach(worker)
        signal.raise_signal(number)
        assert (worker.requests, signals.exit_code) == (["drain"], 0)
        signal.raise_signal(number)
        assert (worker.requests, signals.exit_code) == (["drain", "stop"], 1)


def test_a_signal_before_the_worker_is_there_reaches_it():
    worker = Asked()
    with StopSignals() as signals:
        signal.raise_signal(signal.SIGTERM)
        signals.attach(worker)
    assert worker.requests == ["drain"]


def test_two_signals_before_the_worker_is_there_stop_it():
    worker = Asked()
    with StopSignals() as signals:
        signal.raise_signal(signal.SIGINT)
        signal.raise_signal(signal.SIGTERM)
        signals.attach(worker)
    assert worker.requests == ["stop"]


def test_without_a_signal_a_worker_is_asked_nothing():
    worker = Asked()
    with StopSignals() as signals:
        signals.attach(worker)
    assert (worker.requests, signals.exit_code) == ([], 0)


def test_a_child_of_a_supervisor_is_never_stopped_by_a_repeated_signal():
    worker = Asked()
    with StopSignals(stops=False) as signals:
        signals.attach(worker)
        signal.raise_signal(signal.SIGTERM)
        signal.raise_signal(signal.SIGTERM)
    assert (worker.requests, signals.exit_code) == (["drain", "drain"], 0)


def test_a_hangup_is_passed_on_to_who_asked_for_it():
    worker, hangups = Asked(), []
    with StopSignals(on_hangup=lambda: hangups.append(True)) as signals:
        signals.attach(worker)
        signal.raise_signal(signal.SIGHUP)
    assert (hangups, worker.requests) == ([True], [])


def test_hangups_drain_a_worker_and_never_stop_it():
    worker = Asked()
    with StopSignals() as signals:
        signals.attach(worker)
        signal.raise_signal(signal.SIGHUP)
        signal.raise_signal(signal.SIGHUP)
    assert worker.requests == ["drain", "drain"]


def test_a_hangup_that_nohup_made_ignored_stays_ignored():
    before = signal.signal(signal.SIGHUP, signal.SIG_IGN)
    worker = Asked()
    with StopSignals() as signals:
        signals.attach(worker)
        signal.raise_signal(signal.SIGHUP)
    assert worker.requests == []
    signal.signal(signal.SIGHUP, before)


def test_a_signal_wakes_an_event_loop_that_sleeps():
    async def until_drained() -> None:
        drained, loop = asyncio.Event(), asyncio.get_running_loop()

        class Sleeper(Asked):
            def drain(self) -> None:
                loop.call_soon_threadsafe(drained.set)

        signals.attach(Sleeper())
        threading.Thread(
            target=signal.pthread_kill, args=(threading.main_thread().ident, signal.SIGINT)
        ).start()
        await asyncio.wait_for(drained.wait(), 10)

    with StopSignals() as signals:
        asyncio.run(until_drained())


def test_outside_the_main_thread_nothing_is_touched():
    worker = Asked()

    def elsewhere() -> None:
        with StopSignals() as signals:
            signals.attach(worker)

    thread = threading.Thread(target=elsewhere)
    thread.start()
    thread.join()
    assert worker.requests == []
