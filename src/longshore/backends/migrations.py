"""This module decides which steps bring a schema to the newest version. Stores read, lock and write; this compares.

A step is a file `NNNN_name.sql`. What was applied is kept in the database with the checksum of the step's text, so
that a step which was edited after it had been published is noticed, and not only by those who start anew.
"""

import hashlib
from collections.abc import Sequence

import msgspec

from longshore.backends.resources import read_texts
from longshore.core.errors import SchemaMismatch
from longshore.store.replies import Migration


class Step(msgspec.Struct, frozen=True):
    """One step of a schema."""

    version: int
    name: str
    sql: str

    @property
    def checksum(self) -> str:
        """Of its text."""
        return hashlib.sha256(self.sql.encode()).hexdigest()


class Applied(msgspec.Struct, frozen=True):
    """A step as a database remembers it."""

    version: int
    checksum: str


def read_steps(package: str) -> tuple[Step, ...]:
    """The steps of `<package>/schema/*.sql`, oldest first. Their numbers begin at 1 and have no gaps."""
    steps = tuple(
        Step(int(name.partition("_")[0]), name, sql) for name, sql in read_texts(package, "schema").items()
    )
    assert [step.version for step in steps] == list(range(1, len(steps) + 1)), f"{package}: gaps in schema/"
    return steps


def outstanding(steps: Sequence[Step], applied: Sequence[Applied], where: str) -> list[Step]:
    """The steps that are still to be done, oldest first.

    Raises SchemaMismatch where the database knows a step that this version does not, or another one by its number.
    """
    known = {step.version: step for step in steps}
    for done in applied:
        step = known.get(done.version)
        if step is None:
            raise SchemaMismatch(
                f"{where} has schema version {done.version} and this Longshore knows {len(steps)}. "
                "Upgrade Longshore here, or use another database."
            )
        if done.checksum != step.checksum:
            raise SchemaMismatch(
                f"{where} was made with another text of schema step {step.name} than this Longshore has. "
                "Use the Longshore that made it, or move its jobs to a new database."
            )
    done_versions = {done.version for done in applied}
    return [step for step in steps if step.version not in done_versions]


def report(steps: Sequence[Step], applied: Sequence[Applied], where: str) -> Migration:
    """How a schema stands. Raises what `outstanding` raises."""
    pending = outstanding(steps, applied, where)
    return Migration(
        version=max((done.version for done in applied), default=0),
        latest=len(steps),
        pending=tuple(step.name for step in pending),
        sql="\n".join(step.sql for step in pending),
    )


def require_newest(steps: Sequence[Step], applied: Sequence[Applied], where: str) -> None:
    """Lets only the newest schema pass. Raises SchemaMismatch that says what to do otherwise."""
    pending = outstanding(steps, applied, where)
    if pending:
        raise SchemaMismatch(
            f"{where} lacks the schema steps {', '.join(step.name for step in pending)}. "
            "Stop the workers, make a backup and run `longshore migrate`."
        )
