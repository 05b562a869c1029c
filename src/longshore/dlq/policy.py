"""This module says what may happen to dead letters by itself: nothing, unless a policy asks for it. Pure."""

from enum import StrEnum

import msgspec

from longshore.core.errors import InvalidOption
from longshore.core.retry import Seconds, seconds


class Fate(StrEnum):
    """What a policy wants for one dead letter, now."""

    STAY = "stay"
    REQUEUE = "requeue"
    DISCARD = "discard"


class DeadLetterPolicy(msgspec.Struct, frozen=True, kw_only=True):
    """Gives dead letters further lives, and discards old ones.

    A letter that has lain for `requeue_after` goes back into its queue, at most `max_requeues` times; one that has
    lain for `discard_after` is forgotten, which comes first. None: never. `forward_to` names a queue that is told of
    each death by a job of its own. (Seed 001 requeues new letters and drops those older than four hours.)
    """

    requeue_after: Seconds | None = None
    max_requeues: int = 1
    discard_after: Seconds | None = None
    forward_to: str | None = None

    def __post_init__(self) -> None:
        for option in ("requeue_after", "discard_after"):
            value = getattr(self, option)
            if value is not None:
                seconds(option, value)
        count = self.max_requeues
        if isinstance(count, bool) or not isinstance(count, int) or count < 0:
            raise InvalidOption("max_requeues", count, "a whole number, 0 or more")

    @property
    def acts(self) -> bool:
        """Whether there is anything to do for a sweeper."""
        return self.requeue_after is not None or self.discard_after is not None

    def fate(self, *, age_seconds: float, requeues: int) -> Fate:
        """What is to happen to a letter that died so long ago, and was requeued so often before."""
        if self.discard_after is not None and age_seconds >= seconds("discard_after", self.discard_after):
            return Fate.DISCARD
        if self.requeue_after is None or requeues >= self.max_requeues:
            return Fate.STAY
        due = age_seconds >= seconds("requeue_after", self.requeue_after)
        return Fate.REQUEUE if due else Fate.STAY
