"""This module is a script of the store as the links send it: by the hash of its text."""

import hashlib
from functools import cached_property


class Script:
    """A Lua text that a server runs as one step.

    `is_repeatable` says that running it twice with the same arguments is the same as once: only then may the links
    send it again when its reply got lost. `is_adding` says that it brings new jobs, from which a server whose memory
    is nearly full is spared.
    """

    def __init__(self, name: str, text: str, *, is_repeatable: bool = False, is_adding: bool = False) -> None:
        self.name = name
        self.text = text
        self.is_repeatable = is_repeatable
        self.is_adding = is_adding

    def __repr__(self) -> str:
        return f"Script({self.name})"

    @cached_property
    def sha(self) -> bytes:
        """By what the server knows it."""
        return hashlib.sha1(self.text.encode()).hexdigest().encode()  # noqa: S324 - the server's choice, no secret
