"""How a file comes to its schema, and which schemas are refused."""

import asyncio

import apsw
import pytest

from longshore.backends.migrations import read_steps
from longshore.backends.sqlite import SqliteStore
from longshore.backends.sqlite.statements import PACKAGE
from longshore.core.errors import SchemaMismatch

LATEST = len(read_steps(PACKAGE))


def execute(path, statement):
    connection = apsw.Connection(str(path))
    connection.execute(statement)
    connection.close()


async def made(path):
    store = SqliteStore(path)
    await store.open()
    await store.close()


async def test_an_unborn_file_is_reported_and_not_made(path):
    report = await SqliteStore(path).migrate(apply=False)
    assert (report.version, report.latest, len(report.pending)) == (0, LATEST, LATEST)
    assert "CREATE TABLE job" in report.sql
    assert not path.exists()


async def test_migrate_makes_the_schema_and_again_does_nothing(path):
    for _ in range(2):
        report = await SqliteStore(path).migrate()
        assert (report.version, report.pending, report.sql) == (LATEST, (), "")


async def test_a_newer_schema_is_refused(path):
    await made(path)
    execute(path, "INSERT INTO schema_version VALUES (999, '0999_future', 'x', 0)")
    with pytest.raises(SchemaMismatch, match=r"schema version 999 .* Upgrade Longshore"):
        await SqliteStore(path).open()
    with pytest.raises(SchemaMismatch):
        await SqliteStore(path).migrate(apply=False)


async def test_a_changed_step_is_refused(path):
    await made(path)
    execute(path, "UPDATE schema_version SET checksum = 'other' WHERE version = 1")
    with pytest.raises(SchemaMismatch, match="another text of schema step 0001"):
        await SqliteStore(path).open()


async def test_a_file_of_something_else_is_refused_and_left_alone(path):
    execute(path, "CREATE TABLE invoices (number INTEGER)")
    with pytest.raises(SchemaMismatch, match="invoices"):
        await SqliteStore(path).open()
    connection = apsw.Connection(str(path))
    assert connection.execute("SELECT name FROM sqlite_schema").fetchall() == [("invoices",)]
    connection.close()


async def test_many_may_open_a_new_file_at_once(path, jobs):
    stores = [SqliteStore(path) for _ in range(8)]
    await asyncio.gather(*(store.open() for store in stores))
    for store in stores:
        await store.insert(jobs(1))
    [counts] = await stores[0].count(["mail"])
    assert sum(counts.states.values()) == 8
    for store in stores:
        await store.close()
