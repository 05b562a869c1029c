"""This module brings the file's schema to the newest version, one process at a time."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import apsw

from longshore.backends.migrations import Applied, outstanding, read_steps, report, require_newest
from longshore.backends.sqlite.connecting import Settings, check_version, connect, create_file
from longshore.backends.sqlite.faults import meaning
from longshore.backends.sqlite.statements import PACKAGE, sql
from longshore.core.clock import Clock, SystemClock
from longshore.core.errors import SchemaMismatch
from longshore.store.replies import Migration


def prepare(path: Path, settings: Settings, clock: Clock) -> None:
    """Creates the file and its schema; an older schema is left to `migrate`. Raises what `Store.open` raises."""
    check_version()
    create_file(path)
    with _locked(path, settings) as connection:
        if _applied(connection, path):
            require_newest(read_steps(PACKAGE), _applied(connection, path), str(path))
        else:
            _apply(connection, path, clock)


def migrate(path: Path, settings: Settings, clock: Clock, *, apply: bool) -> Migration:
    """Applies the steps that are outstanding, or only says which they are. Raises what `Store.migrate` raises."""
    check_version()
    steps = read_steps(PACKAGE)
    if not apply and not path.exists():
        return report(steps, [], str(path))
    create_file(path)
    with _locked(path, settings) as connection:
        if apply:
            _apply(connection, path, clock)
        return report(steps, _applied(connection, path), str(path))


@contextmanager
def _locked(path: Path, settings: Settings) -> Iterator[apsw.Connection]:
    """A transaction that holds the write lock: whoever comes second finds the schema ready."""
    connection = None
    try:
        connection = connect(path, settings, SystemClock())
        connection.execute("BEGIN IMMEDIATE")
        yield connection
        connection.execute("COMMIT")
    except apsw.Error as error:
        raise meaning(error, str(path)) from error
    finally:
        if connection is not None:
            connection.close()


def _applied(connection: apsw.Connection, path: Path) -> list[Applied]:
    tables = {name for (name,) in connection.execute(sql("schema_tables"))}
    if "schema_version" in tables:
        return [Applied(version, checksum) for version, checksum in connection.execute(sql("schema_read"))]
    if tables:
        raise SchemaMismatch(
            f"{path} holds the tables of something else ({', '.join(sorted(tables)[:5])}). "
            "Give Longshore a file of its own."
        )
    return []


def _apply(connection: apsw.Connection, path: Path, clock: Clock) -> None:
    """Runs what is outstanding, in the transaction of the caller."""
    for step in outstanding(read_steps(PACKAGE), _applied(connection, path), str(path)):
        connection.execute(sql("schema_create"))
        connection.execute(step.sql)
        connection.execute(sql("schema_write"), (step.version, step.name, step.checksum, clock.now_ms()))
