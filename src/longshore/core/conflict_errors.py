"""This module has the errors about what somebody else has already: a lock, or the place of the same job.

They are leaves of the tree in core/errors.py.
"""

from collections.abc import Sequence

from longshore.core.errors import JobError, LongshoreError


class NotUnique(JobError):
    """The same job is there already (`Unique(on_conflict="raise")`): `job_id` and `state` are the older job's. `added`
    are the ids of those jobs of the same call that were added all the same."""

    code = "not-unique"

    def __init__(self, name: str, queue: str, job_id: str, state: str, added: Sequence[str] = ()) -> None:
        super().__init__(f"Job {job_id} is the same '{name}' in queue '{queue}', and is {state}.")
        self.job_id: str = job_id
        self.state: str = state
        self.added: tuple[str, ...] = tuple(added)

    def __str__(self) -> str:
        return super().__str__() + added_too(self.added)


class LockLost(LongshoreError):
    """The lock was over before its block was, so somebody else may hold it already. What the block has done since is
    told apart by the lock's fence."""

    code = "lock-lost"

    def __init__(self, key: str, reason: str) -> None:
        super().__init__(
            f"Lock '{key}' was lost: {reason}. Somebody else may hold it now; give resources its fence, so that they "
            "can refuse what comes late."
        )
        self.key = key


def added_too(ids: Sequence[str]) -> str:
    """What a message says of a list of jobs of which some were added."""
    return f" {len(ids):,} other jobs of this call were added: `error.added`." if ids else ""
