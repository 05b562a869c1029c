"""This module names how much a stored job survives, from the least to the most."""

from enum import StrEnum


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
