"""This module brings the schema to the newest version, one process at a time, all in one transaction."""

import re
from collections.abc import Sequence

import asyncpg
import msgspec

from longshore.backends.migrations import Applied, Step, outstanding, read_steps, report, require_newest
from longshore.backends.postgres.connecting import Connection
from longshore.backends.postgres.statements import PACKAGE, statements
from longshore.backends.postgres.url import Dsn
from longshore.core.errors import SchemaMismatch, StoreUnavailable
from longshore.store.replies import Migration

OLDEST_SERVER = 14


async def is_prepared(connection: Connection, dsn: Dsn) -> bool:
    """Whether the newest schema is there; False where there is none at all. Raises SchemaMismatch for an older one,
    which is left to `migrate`."""
    applied = await _applied(connection, dsn)
    if applied:
        require_newest(read_steps(PACKAGE), applied, _where(dsn))
    return bool(applied)


async def migrate(connection: Connection, dsn: Dsn, *, apply: bool) -> Migration:
    """Applies the steps that are outstanding, or only says which they are. Raises what `Store.migrate` raises."""
    steps = read_steps(PACKAGE)
    applied = await _applied(connection, dsn)
    if apply and outstanding(steps, applied, _where(dsn)):
        await _apply(connection, dsn, steps)
        applied = await _applied(connection, dsn)
    found = report(steps, applied, _where(dsn))
    pending = outstanding(steps, applied, _where(dsn))
    return msgspec.structs.replace(found, sql=_script(dsn, pending, is_new=not applied))


async def _applied(connection: Connection, dsn: Dsn) -> list[Applied]:
    """What the database remembers; nothing where there is no schema. Raises StoreUnavailable."""
    try:
        rows = await connection.fetch(statements(dsn.names)["schema_read"])
    except (asyncpg.UndefinedTableError, asyncpg.InvalidSchemaNameError):
        return []
    except asyncpg.InsufficientPrivilegeError as error:
        raise StoreUnavailable("unreachable", _no_right_to_use(dsn, connection)) from error
    return [Applied(row["version"], row["checksum"]) for row in rows]


async def _apply(connection: Connection, dsn: Dsn, steps: Sequence[Step]) -> None:
    """Runs what is outstanding. Whoever came second waits for the lock and finds nothing to do."""
    _require_server(connection, dsn)
    sql = statements(dsn.names)
    try:
        async with connection.transaction():
            await connection.execute(sql["schema_patience"])
            await connection.execute(sql["schema_lock"], f"{dsn.names.schema} {dsn.names.prefix}")
            if not await connection.fetchval(sql["schema_exists"], dsn.names.schema):
                await connection.execute(sql["schema_create"])
            await connection.execute(sql["schema_begin"])
            for step in outstanding(steps, await _applied(connection, dsn), _where(dsn)):
                await connection.execute(dsn.names.fill(step.sql))
                await connection.execute(sql["schema_write"], step.version, step.name, step.checksum)
    except asyncpg.InsufficientPrivilegeError as error:
        raise StoreUnavailable("read-only", _no_right_to_create(dsn, connection, error)) from error
    except (asyncpg.DuplicateTableError, asyncpg.DuplicateObjectError) as error:
        raise SchemaMismatch(
            f"{_where(dsn)} holds something else by the name of one of Longshore's tables ({error}). "
            "Give Longshore a schema of its own (?schema=) or a prefix (?prefix=)."
        ) from error


def _require_server(connection: Connection, dsn: Dsn) -> None:
    version = connection.driver.get_server_version()
    if version.major < OLDEST_SERVER:
        detail = f"{dsn.public} is PostgreSQL {version.major}, and Longshore needs {OLDEST_SERVER} or newer"
        raise StoreUnavailable("unreachable", detail)


def _where(dsn: Dsn) -> str:
    return f"{dsn.public} ({dsn.names.where})"


def _script(dsn: Dsn, pending: Sequence[Step], *, is_new: bool) -> str:
    """The same as psql would run it, for those who let nobody but themselves change a schema."""
    if not pending:
        return ""
    sql = statements(dsn.names)
    key = f"'{dsn.names.schema} {dsn.names.prefix}'"
    lines = ["BEGIN", sql["schema_lock"].replace("$1", key)]
    if is_new:
        lines += [sql["schema_create"].replace("CREATE SCHEMA", "CREATE SCHEMA IF NOT EXISTS")]
        lines += [sql["schema_begin"]]
    for step in pending:
        values = {"$1": str(step.version), "$2": f"'{step.name}'", "$3": f"'{step.checksum}'"}
        written = sql["schema_write"]
        for place, value in values.items():
            written = written.replace(place, value)
        lines += [dsn.names.fill(step.sql).strip().removesuffix(";"), written]
    return ";\n\n".join([*lines, "COMMIT"]) + ";\n"


def _no_right_to_use(dsn: Dsn, connection: Connection) -> str:
    schema, role = dsn.names.schema, connection.role
    tables, sequences = f"ALL TABLES IN SCHEMA {schema}", f"ALL SEQUENCES IN SCHEMA {schema}"
    if dsn.names.prefix:  # then others may have theirs in the same schema
        tables, sequences = f"TABLE {_made('TABLE', dsn)}", f"SEQUENCE {_made('SEQUENCE', dsn)}"
    return (
        f"role {role} may not read {_where(dsn)}; let its owner run: GRANT USAGE ON SCHEMA {schema} TO {role}; "
        f"GRANT SELECT, INSERT, UPDATE, DELETE ON {tables} TO {role}; GRANT USAGE ON {sequences} TO {role}"
    )


def _made(kind: str, dsn: Dsn) -> str:
    """All tables, or all sequences, that the steps make."""
    sources = [
        statements(dsn.names)["schema_begin"],
        *(dsn.names.fill(step.sql) for step in read_steps(PACKAGE)),
    ]
    pattern = rf"CREATE {kind} (?:IF NOT EXISTS )?([\w\".]+)"
    return ", ".join(dict.fromkeys(name for sql in sources for name in re.findall(pattern, sql)))


def _no_right_to_create(dsn: Dsn, connection: Connection, error: Exception) -> str:
    return (
        f"role {connection.role} may not create Longshore's tables in {_where(dsn)} ({error}); run `longshore "
        "migrate` once as the owner of the database, or give the statements of `longshore migrate --sql` to them"
    )
