"""This module is what the links send to a server: the words of a command, and what may be done when it fails."""

from collections.abc import Sequence
from functools import lru_cache
from typing import NamedTuple

from longshore.backends.redis.script import Script
from longshore.backends.redis.wire import Opening, Word


class Call(NamedTuple):
    """One run of a script. All keys lie in one slot."""

    script: Script
    keys: Sequence[bytes]
    arguments: Sequence[Word]


class Request(NamedTuple):
    """A command on its way."""

    words: Sequence[Word]
    key: bytes | None
    """Says which server; None: any."""
    is_repeatable: bool
    script: Script | None = None

    @classmethod
    def of(cls, call: Call) -> "Request":
        """The request that runs a script."""
        script, keys, arguments = call
        words = (_opening(script, tuple(keys)), *arguments)
        return cls(words, keys[0] if keys else None, script.is_repeatable, script)


@lru_cache(maxsize=1000)
def _opening(script: Script, keys: tuple[bytes, ...]) -> Opening:
    """What all calls of a script about the same queues begin with: 24 of the 30 words of a claim."""
    return Opening.of(("EVALSHA", script.sha, len(keys), *keys))
