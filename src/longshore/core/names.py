"""This module says which names of queues, tasks and tags are legal. Names are values and never become identifiers."""

import re
from collections.abc import Iterable
from enum import Enum

from longshore.core.errors import InvalidName, InvalidOption

LENGTH_LIMIT = 128
"""Characters in a name."""

_LEGAL = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.:/@+-]*")
# No braces, spaces or control characters: names travel in Redis hash tags, log lines, URLs and file names.


def check_name(kind: str, name: object) -> str:
    """The name as a plain str; `kind` says what it names in the error: "queue", "task", "tag".

    A `str` enum member gives its value. Raises InvalidName with the rule that was broken.
    """
    value = name.value if isinstance(name, Enum) else name
    if not isinstance(value, str) or len(value) > LENGTH_LIMIT or not _LEGAL.fullmatch(value):
        raise InvalidName(kind, value, LENGTH_LIMIT)
    return value


def check_tags(value: object) -> tuple[str, ...]:
    """The tags, each a legal name. Raises InvalidOption for what is no list, and InvalidName."""
    if isinstance(value, str) or not isinstance(value, Iterable):
        raise InvalidOption("tags", value, "a list of names")
    return tuple(check_name("tag", tag) for tag in value)
