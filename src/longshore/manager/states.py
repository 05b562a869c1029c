"""This module reads the states that users ask for, in Longshore's words or in those of the seeds."""

from collections.abc import Iterable, Mapping

from longshore.core.errors import InvalidOption
from longshore.core.states import State

SEED_STATES: Mapping[str, tuple[State, ...]] = {
    "active": (State.RUNNING,),
    "processing": (State.RUNNING,),
    "waiting": (State.PENDING, State.HELD, State.BLOCKED),
    "delayed": (State.SCHEDULED, State.RETRYING),
    "max_retries_reached": (State.FAILED,),
}
"""What the seeds call a state, or several."""


def read_states(value: str | Iterable[str] | None) -> tuple[State, ...] | None:
    """The states; None: any. Raises InvalidOption for a word that is no state."""
    if value is None:
        return None
    words = [value] if isinstance(value, str) else list(value)
    return tuple(state for word in words for state in _read(word))


def _read(word: str) -> tuple[State, ...]:
    plain = str(word).lower()
    if plain in SEED_STATES:
        return SEED_STATES[plain]
    try:
        return (State(plain),)
    except ValueError:
        known = ", ".join([*State, *SEED_STATES])
        raise InvalidOption("state", word, known) from None
