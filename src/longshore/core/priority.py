"""This module names the priorities; lower numbers run first, and equal ones in the order of becoming pending."""

from enum import IntEnum

from longshore.core.errors import InvalidOption

LOWEST = 9
"""Numbers from 0 to 9 are accepted, so that a store may keep one list for each."""


class Priority(IntEnum):
    """Five named levels (seed 003 gives the names and numbers); any int from 0 to 9 is accepted too."""

    CRITICAL = 1
    HIGH = 2
    NORMAL = 3
    LOW = 4
    BACKGROUND = 5


def check_priority(value: int) -> int:
    """The priority as a plain int. Raises InvalidOption when it is not a whole number from 0 to 9."""
    if isinstance(value, bool) or not isinstance(value, int) or not 0 <= value <= LOWEST:
        raise InvalidOption(
            "priority", value, "a whole number from 0 (first) to 9, or a Priority such as Priority.HIGH"
        )
    return int(value)
