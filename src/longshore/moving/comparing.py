"""This module decides which of two records of one job is to stay, when both stores have it. Pure."""

from enum import StrEnum

from longshore.core.job import JobRecord
from longshore.core.states import TERMINAL, State
from longshore.moving.holding import is_held


class Stays(StrEnum):
    """Which record of a job goes on."""

    THEIRS = "theirs"
    """The target's; the source's goes."""
    OURS = "ours"
    """The source's, which takes the place of the target's."""


def compare(ours: JobRecord, theirs: JobRecord) -> Stays:
    """`ours` is at the source, where nobody can run it now; `theirs` has the same id at the target.

    A copy that is held at the target cannot have run there, so only its age matters. One that is not held is the
    target's own job, which may have run, unless it is a dead letter from before the source's job got a new life.
    """
    if theirs.state is State.RUNNING:
        return Stays.THEIRS
    if is_held(theirs):
        is_same = (theirs.fence, theirs.updated_ms) == (ours.fence, ours.updated_ms)
        return Stays.THEIRS if is_same else Stays.OURS
    is_old_letter = theirs.state is State.FAILED and theirs.fence <= ours.fence and ours.state not in TERMINAL
    return Stays.OURS if is_old_letter else Stays.THEIRS
