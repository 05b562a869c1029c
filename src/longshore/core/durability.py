"""This module names how much a stored job survives, from the least to the most."""

from collections.abc import Iterable
from enum import StrEnum

from longshore.core.errors import InvalidOption


class Durability(StrEnum):
    """What a job survives once it is stored; each level includes those before it."""

    MEMORY = "memory"
    """It is gone with the process that keeps it."""
    OS = "os"
    """It survives the death of that process, and not a loss of power."""
    FSYNC = "fsync"
    """It is on the disk: it survives a loss of power."""
    REPLICATED = "replicated"
    """A second server has it too: it survives the loss of the first one, if the failover picks that one."""

    def reaches(self, asked: "Durability") -> bool:
        """Whether this level gives at least what is asked for."""
        order = list(Durability)
        return order.index(self) >= order.index(asked)


def strongest(levels: Iterable[Durability]) -> Durability | None:
    """The one that reaches all others; None of none."""
    return max(levels, key=list(Durability).index, default=None)


def check_durability(value: object) -> Durability:
    """The level of that name. Raises InvalidOption."""
    try:
        return Durability(value)  # type: ignore[arg-type]  # anything may have been written
    except ValueError:
        raise InvalidOption("durability", value, _named(list(Durability))) from None


def check_reachable(asked: Durability | None, *, best: Durability, url: str) -> None:
    """Raises InvalidOption for a level that the store can never reach, so that nothing is stored with less."""
    if asked is not None and not best.reaches(asked):
        levels = [level for level in Durability if best.reaches(level)]
        raise InvalidOption(
            "durability", str(asked), f"{_named(levels)}, which is all that {url} can promise"
        )


def _named(levels: list[Durability]) -> str:
    return " or ".join(f"'{level}'" for level in levels)
