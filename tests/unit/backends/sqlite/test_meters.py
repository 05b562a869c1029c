"""What a writer knows of meters from its last transaction, and when it has to read them again."""

import apsw
import pytest

from longshore.backends.sqlite.meters import METERS_KEPT, Known, MeterTable
from longshore.backends.sqlite.statements import sql
from longshore.core.rules import FlowKey, LimitKind

NOW = 1_700_000_000_000
KEY = FlowKey("at-once", "acme", LimitKind.CONCURRENCY, 5)


@pytest.fixture
def connection(store):
    """One that writes beside the store's own."""
    connection = apsw.Connection(str(store._core.path))
    yield connection
    connection.close()


def a_table(connection: apsw.Connection, known: Known) -> MeterTable:
    connection.execute("BEGIN IMMEDIATE")
    table = MeterTable(connection, known)
    table.now_ms = NOW
    return table


def use(table: MeterTable, used: int) -> None:
    table.entry("mail", KEY, KEY.meter).meter.used = used
    table.write()


def read_by(connection: apsw.Connection, known: Known) -> tuple[int, bool]:
    """How much of the limit is used as the next transaction sees it, and whether it had to read the file for that."""
    table, asked = a_table(connection, known), []
    connection.exec_trace = lambda _, statement, __: asked.append(statement) or True
    used = table.entry("mail", KEY, KEY.meter).meter.used
    connection.exec_trace = None
    connection.execute("COMMIT")
    table.keep()
    return used, sql("meter_read") in asked


def commit(table: MeterTable, connection: apsw.Connection) -> None:
    connection.execute("COMMIT")
    table.keep()


def test_a_meter_is_read_once_by_a_connection_that_writes_alone(connection):
    known = Known()
    table = a_table(connection, known)
    use(table, 3)
    commit(table, connection)
    assert read_by(connection, known) == (3, False)
    assert read_by(connection, known) == (3, False)


def test_a_meter_is_read_again_after_another_process_has_written(connection, store):
    known = Known()
    table = a_table(connection, known)
    use(table, 3)
    commit(table, connection)
    other = apsw.Connection(str(store._core.path))
    other.execute("UPDATE meter SET used = 4")
    other.close()
    assert read_by(connection, known) == (4, True)


def test_what_was_rolled_back_is_forgotten(connection):
    known = Known()
    table = a_table(connection, known)
    use(table, 3)
    commit(table, connection)
    use(a_table(connection, known), 5)
    connection.execute("ROLLBACK")
    assert read_by(connection, known) == (3, True)


def test_a_meter_that_became_idle_is_not_kept(connection):
    known = Known()
    table = a_table(connection, known)
    use(table, 3)
    use(table, 0)
    commit(table, connection)
    assert known.take(connection) == {}


def test_no_more_meters_are_kept_than_have_room(connection):
    known = Known()
    table = a_table(connection, known)
    for number in range(METERS_KEPT + 1):
        key = FlowKey("at-once", str(number), LimitKind.CONCURRENCY, 5)
        table.entry("mail", key, key.meter).meter.used = 1
    table.write()
    commit(table, connection)
    assert known.take(connection) == {}
