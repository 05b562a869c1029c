"""This module spells uniqueness: which jobs are the same, for how long, and what becomes of the second one.

Two jobs of a queue are the same when their task and what is picked from their data are: a digest of canonical JSON, the
same in every process, on every machine and under every version of Python.
"""

import json
from collections.abc import Callable, Iterable
from hashlib import blake2b
from typing import Any, Literal, get_args

from longshore.core.asking import spelled
from longshore.core.errors import InvalidOption, near
from longshore.core.picking import Pick
from longshore.core.retry import Seconds, seconds
from longshore.core.rules import FlowKey, LimitKind, UniqueKey
from longshore.core.states import LIVE, MOVES, ORDER, TERMINAL, State

OnConflict = Literal["return", "raise", "replace", "reschedule", "merge", "follow_up"]
ON_CONFLICT: tuple[OnConflict, ...] = get_args(OnConflict)
CHANGES_THE_OLDER = frozenset({"replace", "reschedule", "merge"})
"""What is done to the older job while it waits."""

ALL = "args"
"""As `by`: all of the data."""
DIGEST_BYTES = 16
FOLLOW_UP = "follow-up"
"""The rule of the limit that keeps a follow-up from running beside the job that it follows."""
BEFORE_THE_END = tuple(state for state in ORDER if state in LIVE)
WAITING = tuple(state for state in BEFORE_THE_END if state is not State.RUNNING)
CHANGEABLE = frozenset(WAITING)
EXACT = 1 << 53
"""Beyond it not every whole number has a float."""


class Unique:
    """What must not be there twice: `Unique()`, `Unique(keys=["to"], within=60)`, `Unique(by=lambda data: …)`.

    The same task with the same data is the same job. `by` picks what of the data counts: "args" (all of it), an
    argument's name, a dotted path, or a function of the data as plain values; `keys` are several names or paths, and
    an empty list means that there is one job of the task at all. A whole number and a float of the same value are the
    same, and arguments that are left out count with their defaults where the task is known.

    The second is in conflict while the older job is in one of the states `while_`: all until it has ended, unless told.
    `within` adds a period: only an older job that was added not longer ago counts, and unless `while_` says otherwise
    also one that has completed. A set of states must have no gap: see `check_states`.

    `on_conflict`:
    - "return": the caller gets the older job, and its `conflict` is true (so it is with all of these);
    - "raise": NotUnique;
    - "replace": the older job, while it waits, gets the new data, time, priority, attempts and details;
    - "reschedule": it gets the new time (debounce: each call puts it off);
    - "merge": the new data is merged into its data: objects key by key, lists behind one another, else the new value;
    - "follow_up": while the older job runs, one more is added, which runs after it.
    Jobs that already run, or are over, are returned as they are. Raises InvalidOption.
    """

    __slots__ = ("_picks", "by", "keys", "on_conflict", "states", "within")

    @spelled("Unique")
    def __init__(
        self,
        by: str | Callable[[Any], Any] = ALL,
        *,
        keys: Iterable[str] | None = None,
        within: Seconds | None = None,
        while_: Iterable[State | str] | None = None,
        on_conflict: OnConflict = "return",
    ) -> None:
        if on_conflict not in ON_CONFLICT:
            raise InvalidOption("on_conflict", on_conflict, " or ".join(map(repr, ON_CONFLICT)))
        self.by: str | Callable[[Any], Any] = by
        self.keys: tuple[str, ...] | None = None if keys is None else _keys(keys)
        if self.keys is not None and by != ALL:
            raise InvalidOption("keys", list(self.keys), "nothing beside by=; one of them says what counts")
        self.within: float | None = None if within is None else _period(within)
        self.on_conflict: OnConflict = on_conflict
        self.states: tuple[State, ...] = _states(while_, self.within, on_conflict)
        if on_conflict in CHANGES_THE_OLDER and not set(self.states) & CHANGEABLE:
            raise InvalidOption(
                "while_",
                [str(state) for state in self.states],
                f"at least one state before 'running' beside on_conflict='{on_conflict}', which changes jobs that wait",
            )
        self._picks = _picks(by, self.keys)

    def __repr__(self) -> str:
        told = [f"by={self.by!r}"] if self.by != ALL else []
        told += [f"keys={list(self.keys)!r}"] if self.keys is not None else []
        told += [f"within={self.within:g}"] if self.within is not None else []
        told += [f"on_conflict={self.on_conflict!r}"] if self.on_conflict != "return" else []
        return f"Unique({', '.join(told)})"

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Unique) and self._told() == other._told()

    def __hash__(self) -> int:
        return hash(self._told())

    def picks(self) -> tuple[Pick, ...]:
        """What it reads of a job's data."""
        return self._picks or ()

    def key_of(self, name: str, data: Any) -> UniqueKey:
        """The key of a job of this task with this data, as plain values. Raises InvalidOption for what `by` gives that
        has no JSON form."""
        picked = data if self._picks is None else {_name(pick): pick(data) for pick in self._picks}
        within_ms = None if self.within is None else round(self.within * 1000)
        return UniqueKey(digest([name, picked]), self.states, within_ms)

    def limit_of(self, key: UniqueKey) -> FlowKey | None:
        """What keeps two jobs with this key from running at once, where a follow-up may wait beside one that runs."""
        if self.on_conflict != "follow_up":
            return None
        return FlowKey(FOLLOW_UP, key.key.hex(), LimitKind.CONCURRENCY, 1)

    def _told(self) -> tuple[object, ...]:
        return self.by, self.keys, self.within, self.states, self.on_conflict


def digest(value: Any) -> bytes:
    """Sixteen bytes of BLAKE2b over the value's canonical JSON: keys sorted, no spaces, ASCII only, whole floats as
    whole numbers. The same under every version of Python. Raises InvalidOption for what has no JSON form."""
    try:
        text = json.dumps(_plain(value), sort_keys=True, separators=(",", ":"), allow_nan=False)
    except (TypeError, ValueError, RecursionError) as error:
        raise InvalidOption(
            "unique", value, "something whose key is plain data: texts, numbers, lists and dicts by text"
        ) from error
    return blake2b(text.encode("ascii"), digest_size=DIGEST_BYTES).digest()


def check_states(states: frozenset[State]) -> None:
    """Raises InvalidOption for a set with a gap: one that leaves out a state through which a job passes on its way
    between two that are in it. There the older job would be out of sight for a while, and two would run.

    Before it runs a job moves one way only: blocked, scheduled, held, pending. A set that ends there is closed; one
    that goes on to "running" must also have what a failed or snoozed attempt goes back through.
    """
    if not states:
        raise InvalidOption("while_", [], "at least one state")
    _check_ways(states, _moves(from_running=False))
    if states & {State.RUNNING, State.RETRYING}:
        _check_ways(states, _moves(from_running=True))


def _check_ways(states: frozenset[State], moves: dict[State, set[State]]) -> None:
    ahead = {state: _reached(moves, state) for state in ORDER}
    for first in (state for state in ORDER if state in states):
        for gap in (state for state in ORDER if state in ahead[first] and state not in states):
            for last in (state for state in ORDER if state in ahead[gap] & states and state is not first):
                raise InvalidOption(
                    "while_",
                    [str(state) for state in ORDER if state in states],
                    f"states without a gap: it leaves out '{gap}', through which a job passes on its way from "
                    f"'{first}' to '{last}'; leave while_ out for all until the job has ended",
                )


def _moves(*, from_running: bool) -> dict[State, set[State]]:
    """The moves of jobs by themselves, not those that somebody asks for; without those back into waiting, unless the
    set holds jobs that have begun."""
    place = {state: number for number, state in enumerate(ORDER)}
    return {
        state: {
            after
            for after in (() if state in TERMINAL else MOVES[state])
            if place[after] > place[state] or (from_running and state in (State.RUNNING, State.RETRYING))
        }
        for state in ORDER
    }


def _reached(moves: dict[State, set[State]], start: State) -> set[State]:
    reached: set[State] = set()
    edge = set(moves[start])
    while edge:
        reached |= edge
        edge = {after for state in edge for after in moves[state]} - reached
    return reached


def _states(while_: Any, within: float | None, on_conflict: OnConflict) -> tuple[State, ...]:
    if on_conflict == "follow_up" and not (while_ is None and within is None):
        option, value = ("within", within) if while_ is None else ("while_", while_)
        raise InvalidOption(
            option, value, "nothing beside on_conflict='follow_up', which looks at what waits"
        )
    if while_ is None:
        waits = WAITING if on_conflict == "follow_up" else BEFORE_THE_END
        return waits if within is None else (*waits, State.COMPLETED)
    if isinstance(while_, str) or not isinstance(while_, Iterable):
        raise InvalidOption("while_", while_, 'a list of states, such as ["scheduled", "held", "pending"]')
    states = frozenset(map(_state, while_))
    check_states(states)
    return tuple(state for state in ORDER if state in states)


def _state(value: Any) -> State:
    try:
        return State(value)
    except ValueError as error:
        known = ", ".join(ORDER)
        hint = near(value, ORDER) if isinstance(value, str) else ""
        raise InvalidOption("while_", value, f"states: {known}{'.' + hint if hint else ''}") from error


def _picks(by: Any, keys: tuple[str, ...] | None) -> tuple[Pick, ...] | None:
    if keys is not None:
        return tuple(Pick("keys", key) for key in keys)
    return None if by == ALL else (Pick("by", by),)


def _name(pick: Pick) -> str:
    return pick.by if isinstance(pick.by, str) else ""


def _keys(keys: Any) -> tuple[str, ...]:
    listed = () if isinstance(keys, str) or not isinstance(keys, Iterable) else tuple(keys)
    if isinstance(keys, str) or not all(isinstance(key, str) for key in listed):
        raise InvalidOption("keys", keys, 'a list of names or paths, such as ["to", "order.id"]')
    return tuple(sorted(set(listed)))


def _period(within: Any) -> float:
    plain = seconds("within", within)
    if plain < 0.001:
        raise InvalidOption("within", within, "more than 0 seconds, or None for no period")
    return plain


def _plain(value: Any) -> Any:
    """The value with whole floats as whole numbers, as JSON has one kind of number only."""
    if isinstance(value, float) and value.is_integer() and abs(value) < EXACT:
        return int(value)
    if isinstance(value, dict):
        if not all(isinstance(key, str) for key in value):
            message = "a key that is no text"
            raise TypeError(message)
        return {key: _plain(each) for key, each in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(each) for each in value]
    return value
