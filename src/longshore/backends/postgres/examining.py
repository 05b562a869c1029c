"""This module finds out how a server stands, our way to it and the schema, for `findings` to judge."""

from longshore.backends.postgres.connecting import Connection
from longshore.backends.postgres.findings import Facts, Table, Transaction
from longshore.backends.postgres.shape import Drift, find_drift
from longshore.backends.postgres.statements import statements
from longshore.backends.postgres.url import Dsn
from longshore.core.clock import Clock


async def find_facts(
    connection: Connection, dsn: Dsn, clock: Clock, *, hears: bool, contents: bool, long_seconds: float
) -> Facts:
    """The facts; only with `contents` those about tables and their columns."""
    sql = statements(dsn.names)
    before_ms = clock.now_ms()
    row = await connection.fetchrow(sql["examine_server"])
    after_ms = clock.now_ms()
    assert row is not None
    server = dict(row)
    transactions = await connection.fetch(sql["examine_transactions"], long_seconds)
    tables = (
        await connection.fetch(sql["examine_tables"], dsn.names.schema, dsn.names.prefix) if contents else []
    )
    is_writable = not (server["is_replica"] or server["is_read_only"])
    return Facts(
        skew_ms=skew(server.pop("now_ms"), before_ms, after_ms),
        is_pooled=connection.is_pooled,
        hears=hears,
        pool=dsn.pool,
        transactions=tuple(Transaction(**dict(row)) for row in transactions),
        tables=tuple(Table(**dict(row)) for row in tables),
        drift=await find_drift(connection, dsn.names) if contents and is_writable else Drift(),
        **server,
    )


def skew(server_ms: int, before_ms: int, after_ms: int) -> int:
    """By how much a clock that said `server_ms` is ahead, when it was asked between two looks at ours."""
    return max(0, server_ms - after_ms) + min(0, server_ms - before_ms)
