"""This module holds the states of a job and the one table of legal moves; the diagram in the docs is made from it.

             insert
   ┌───────────┼────────────┬─────────────┐
   ▼           ▼            ▼             ▼
blocked     scheduled      held        pending ──claim──► running ──settle──► completed
   │ deps      │ due        │ admitted    ▲                 │ ├──────────────► failed
   │ met       └────────────┴─────────────┤                 │ └──────────────► cancelled, skipped
   └──────────────────────────────────────┤                 │ snooze, retry, crash, release
   │ branch not taken                     └──── retrying / scheduled ◄────────┘
   └──────► skipped
"""

from collections.abc import Mapping
from enum import StrEnum


class State(StrEnum):
    """Where a job is in its life."""

    BLOCKED = "blocked"
    """Waits for other jobs."""
    SCHEDULED = "scheduled"
    """Waits for its `run_at`."""
    HELD = "held"
    """Waits for room under its key."""
    PENDING = "pending"
    """Can be claimed."""
    RUNNING = "running"
    """Is held by one worker."""
    RETRYING = "retrying"
    """Failed, and waits to run again."""
    COMPLETED = "completed"
    FAILED = "failed"
    """Out of attempts, or not worth another: a dead letter."""
    CANCELLED = "cancelled"
    SKIPPED = "skipped"
    """A branch of a workflow that was not taken."""

    @property
    def code(self) -> int:
        """The small number by which stores keep the state. Numbers are never reused."""
        return CODES[self]

    @property
    def is_terminal(self) -> bool:
        """Whether the job is over."""
        return self in TERMINAL


ORDER: tuple[State, ...] = (
    State.BLOCKED,
    State.SCHEDULED,
    State.HELD,
    State.PENDING,
    State.RUNNING,
    State.RETRYING,
    State.COMPLETED,
    State.FAILED,
    State.CANCELLED,
    State.SKIPPED,
)
"""The states by code. Those from COMPLETED on are terminal, which partial indexes rely on (`state >= 6`)."""

CODES: Mapping[State, int] = {state: code for code, state in enumerate(ORDER)}
STATES: Mapping[int, State] = dict(enumerate(ORDER))
TERMINAL = frozenset(ORDER[6:])
LIVE = frozenset(ORDER[:6])
WAITING_FOR_TIME = frozenset({State.SCHEDULED, State.RETRYING})
"""What `promote` makes pending when its time has come."""
RETRIABLE = frozenset({State.FAILED, State.CANCELLED, State.RETRYING, State.SCHEDULED})
"""What `retry` makes pending at once."""
REJOINABLE = frozenset({State.FAILED, State.CANCELLED, State.SKIPPED})
"""What `retry` lets wait for its parents once more."""

MOVES: Mapping[State | None, frozenset[State]] = {
    None: frozenset({State.BLOCKED, State.SCHEDULED, State.HELD, State.PENDING}),
    State.BLOCKED: frozenset({State.PENDING, State.SCHEDULED, State.HELD, State.SKIPPED, State.CANCELLED}),
    State.SCHEDULED: frozenset({State.PENDING, State.HELD, State.SCHEDULED, State.CANCELLED}),
    State.HELD: frozenset({State.PENDING, State.SCHEDULED, State.CANCELLED}),
    State.PENDING: frozenset({State.RUNNING, State.SCHEDULED, State.CANCELLED}),
    State.RUNNING: frozenset(
        {
            *(State.COMPLETED, State.FAILED, State.CANCELLED, State.SKIPPED),
            *(State.RETRYING, State.SCHEDULED, State.HELD, State.PENDING),
        }
    ),
    State.RETRYING: frozenset({State.PENDING, State.SCHEDULED, State.HELD, State.CANCELLED}),
    State.COMPLETED: frozenset(),
    State.FAILED: frozenset({State.HELD, State.PENDING, State.BLOCKED}),
    State.CANCELLED: frozenset({State.HELD, State.PENDING, State.BLOCKED}),
    State.SKIPPED: frozenset({State.BLOCKED}),
}
"""From each state (None: not there yet) to each that may follow it. FAILED, CANCELLED and SKIPPED are left
only by a retry that somebody asked for, which begins a new life: failures and crashes count from 0 again."""


def is_legal(before: State | None, after: State) -> bool:
    """Whether a job may go from one state to the other."""
    return after in MOVES[before]


def as_shown(code: object, error_text: str | None) -> tuple[State, str | None]:
    """The state behind a code that a store keeps, and the newest error. A code that no Longshore has written, by
    somebody's hand or a newer version, is shown as FAILED with that as the reason: it breaks no page."""
    state = STATES.get(code) if isinstance(code, int) else None
    if state is not None:
        return state, error_text
    return State.FAILED, f"Unknown state {code!r}; the row was not written by this Longshore"
