"""This module names what a job is about in the application's own world."""

from typing import NamedTuple

from longshore.core.errors import InvalidOption


class Reference(NamedTuple):
    """Something of the application that a job belongs to: `Reference("User", "7")`. Jobs can be searched by it."""

    type: str
    id: str

    @property
    def key(self) -> str:
        """How stores index it."""
        return f"{self.type}:{self.id}"


def check_reference(value: object) -> Reference:
    """A Reference from itself, a pair, or seed 002's `{"type": …, "id": …}`. Raises InvalidOption."""
    parts = (value.get("type"), value.get("id")) if isinstance(value, dict) else value
    if not isinstance(parts, tuple | list) or len(parts) != 2 or None in parts:
        raise InvalidOption("reference", value, 'Reference("User", "7")')
    reference = Reference(str(parts[0]), str(parts[1]))
    if not reference.key.isprintable():  # NUL and lone surrogates cannot be stored everywhere
        raise InvalidOption("reference", value, "printable text")
    return reference
