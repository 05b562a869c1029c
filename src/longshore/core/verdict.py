"""This module holds what an attempt came to, in the words that a store understands: a state, a time and a charge.

The engine decides (`engine/judge.py`); a store only applies. So a new policy never touches a store.
"""

from enum import IntEnum

import msgspec

from longshore.core.states import State


class Charge(IntEnum):
    """Which counter of the job an ended claim adds to."""

    NOTHING = 0
    FAILURE = 1
    """User code raised, or took too long; counts against `max_attempts`."""
    CRASH = 2
    """The worker died or lost its lease; counts against `max_crashes`."""
    RELEASE = 3
    """Handed back unharmed: shutdown, unknown task, snooze. Counts against nothing."""


class Verdict(msgspec.Struct, frozen=True, gc=False):
    """The state that a claimed job goes to.

    `delay_ms` counts from the store's own now; `run_ms` is an absolute time and wins over it. Both are only for the
    states that wait for a time (scheduled, retrying). A job that goes back to pending keeps its place in the order
    when it is released, and goes to the tail otherwise.
    """

    state: State
    charge: Charge = Charge.NOTHING
    delay_ms: int = 0
    run_ms: int | None = None


COMPLETED = Verdict(State.COMPLETED)
BURIED = Verdict(State.FAILED, Charge.FAILURE)
"""Failed for the last time."""
POISONED = Verdict(State.FAILED, Charge.CRASH)
"""Has taken its worker down too often."""
CANCELLED = Verdict(State.CANCELLED)
SKIPPED = Verdict(State.SKIPPED, Charge.RELEASE)
"""Its own condition did not hold: nothing of it ran."""
RELEASED = Verdict(State.PENDING, Charge.RELEASE)
"""Handed back at once, to the place where it was."""


def retry_after(delay_ms: int) -> Verdict:
    """Failed; to run again after the delay."""
    return Verdict(State.RETRYING, Charge.FAILURE, delay_ms=delay_ms)


def retry_at(run_ms: int) -> Verdict:
    """Failed; to run again at that time."""
    return Verdict(State.RETRYING, Charge.FAILURE, run_ms=run_ms)


def crashed(delay_ms: int) -> Verdict:
    """Its worker is gone; to run again after the delay, at once and at the tail when that is 0."""
    return Verdict(State.RETRYING if delay_ms else State.PENDING, Charge.CRASH, delay_ms=delay_ms)


def released(delay_ms: int) -> Verdict:
    """Handed back unharmed; to run again after the delay, at once and at its old place when that is 0."""
    return Verdict(State.SCHEDULED, Charge.RELEASE, delay_ms=delay_ms) if delay_ms else RELEASED
