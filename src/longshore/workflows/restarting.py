"""This module decides which steps of a workflow get another life. Pure: how the steps stand goes in."""

from collections.abc import Mapping, Sequence
from typing import Literal

import msgspec

from longshore.core.edges import Join
from longshore.core.states import REJOINABLE, State
from longshore.workflows.graph import Waits, downstream

Mode = Literal["all", "failed", "failed_and_downstream"]
MODES: tuple[Mode, ...] = ("all", "failed", "failed_and_downstream")


class Restart(msgspec.Struct, frozen=True):
    """Names of steps, in order."""

    again: tuple[str, ...]
    """Run again as they are."""
    rejoin: tuple[str, ...] = ()
    """Wait for their parents again."""


def restart(steps: Sequence[Waits], states: Mapping[str, State | None], mode: Mode) -> Restart:
    """Which steps begin anew. The steps stand in order.

    "failed": those that failed. "failed_and_downstream": those that failed or were cancelled, and what waits for
    them and has not run to its end; what completed stays as it is.
    """
    if mode == "failed":
        return Restart(tuple(step.name for step in steps if states[step.name] is State.FAILED))
    stopped = [step.name for step in steps if states[step.name] in (State.FAILED, State.CANCELLED)]
    below = downstream(steps, stopped)
    again = tuple(name for name in stopped if name not in below)
    rejoin = tuple(step.name for step in steps if step.name in below and states[step.name] in REJOINABLE)
    return Restart(again, rejoin)


def forgotten(
    steps: Sequence[Waits], states: Mapping[str, State | None], rejoin: Sequence[str]
) -> tuple[str, str] | None:
    """A step among those that would wait again, and one it would wait for whose job is not there: nobody knows any
    more how that ended. None where there is no such step."""
    for step in steps:
        if step.name in rejoin and step.join is Join.ALL:
            for link in step.links:
                if states.get(link.parent, State.PENDING) is None:
                    return step.name, link.parent
    return None
