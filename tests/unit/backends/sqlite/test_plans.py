"""Every statement of the SQLite store runs on the index that its file names."""

import re

import apsw
import pytest

from longshore.backends.migrations import read_steps
from longshore.backends.resources import read_queries, read_texts
from longshore.backends.sqlite.connecting import STATEMENTS_KEPT
from longshore.backends.sqlite.statements import PACKAGE

INDEXES = {
    "the unique index of job.id": "sqlite_autoindex_job_1",
    "the primary key of ": "PRIMARY KEY",
    "the rowid of ": "INTEGER PRIMARY KEY",
    "place (one row)": "INTEGER PRIMARY KEY",
}
WALKS = {"tally_all", "sweep_sessions", "sweep_records", "schema_create", "schema_tables", "schema_read"}
"""Statements that read the whole of something small; their header says so."""
PLAIN_INSERTS = {
    "adopt",
    "edge_add",
    "insert",
    "insert_ruled",
    "last_turn_write",
    "log_add",
    "record_write",
    "failure_add",
    "tally_add",
    "meter_write",
    "minute_add",
    "session_open",
    "schema_write",
    "turn_write",
}
"""SQLite has no plan to show for these: each index of the table gets its entry."""

QUERIES = read_queries(PACKAGE)


@pytest.fixture(scope="module")
def connection():
    connection = apsw.Connection(":memory:")
    connection.execute(QUERIES["schema_create"])
    for step in read_steps(PACKAGE):
        connection.execute(step.sql)
    yield connection
    connection.close()


def named_index(name: str) -> str:
    """What the header of a file says after `-- index:`."""
    [line] = re.findall(r"^-- index: (.+)$", read_texts(PACKAGE, "queries")[name], re.MULTILINE)
    return line


def plan(connection: apsw.Connection, statement: str) -> list[str]:
    count = len(set(re.findall(r"\?\d+", statement))) or statement.count("?")
    names = set(re.findall(r"(?<!\w):(\w+)", statement))
    parameters = dict.fromkeys(names) if names else (None,) * count
    return [row[3] for row in connection.execute("EXPLAIN QUERY PLAN " + statement, parameters)]


@pytest.mark.parametrize("name", sorted(set(QUERIES) - PLAIN_INSERTS - WALKS))
def test_a_statement_uses_the_index_that_its_header_names(connection, name):
    found = plan(connection, QUERIES[name])
    said = named_index(name)
    wanted = next(
        (index for text, index in INDEXES.items() if said.startswith(text)), re.split(r"[ ,;(]", said)[0]
    )
    assert any(wanted in step for step in found), found


@pytest.mark.parametrize("name", sorted(set(QUERIES) - PLAIN_INSERTS - WALKS))
def test_a_statement_never_reads_the_whole_table_of_jobs(connection, name):
    found = plan(connection, QUERIES[name])
    assert not [step for step in found if step.startswith("SCAN job") and "INDEX" not in step]
    assert not [step for step in found if "USE TEMP B-TREE" in step]


@pytest.mark.parametrize(
    "name", ["claim_next", "promote_due", "next_due", "scan_finished", "scan_newest", "scan_oldest"]
)
def test_a_statement_with_an_order_reads_in_that_order(connection, name):
    assert not [step for step in plan(connection, QUERIES[name]) if "TEMP B-TREE" in step]


def test_every_statement_can_be_prepared(connection):
    for statement in QUERIES.values():
        plan(connection, statement)


def test_a_job_ends_in_the_same_way_alone_and_with_others():
    alone, alike = (QUERIES[name].partition("WHERE")[0] for name in ("settle_one", "settle_alike"))
    assert alone == alike


def test_the_driver_keeps_every_statement_prepared():
    assert len(QUERIES) + 3 <= STATEMENTS_KEPT, "BEGIN, COMMIT and ROLLBACK count as well"
