"""Every statement of the verbs runs on indexes, whatever the planner knows of tables that were empty a moment ago."""

import re

import pytest

from longshore.backends.postgres.connecting import session_settings
from longshore.backends.postgres.links import Connection, Lane, Links
from longshore.backends.postgres.statements import statements
from longshore.backends.postgres.url import parse
from longshore.backends.resources import read_queries

VERBS = sorted(
    name
    for name, text in read_queries("longshore.backends.postgres").items()
    if "{prefix}" in text and not name.startswith(("schema_", "announce", "examine", "drift"))
)
SMALL = {"tally", "session", "record", "leaving"}
"""Tables that some statements read as a whole; their headers say so."""


async def plan(links: Links, statement: str) -> str:
    count = max([int(number) for number in re.findall(r"\$(\d+)", statement)], default=0)
    nothing = ", ".join(["NULL"] * count)

    async def explain(connection: Connection) -> str:
        await connection.execute(f"PREPARE asked AS {statement}")
        execute = f"EXECUTE asked({nothing})" if count else "EXECUTE asked"
        rows = await connection.fetch(f"EXPLAIN {execute}")
        await connection.execute("DEALLOCATE asked")
        return "\n".join(row[0] for row in rows)

    return await links.run(Lane.OTHER, explain)


def test_sessions_plan_once_and_trust_no_guess():
    settings = session_settings(parse("postgresql://localhost/jobs"))
    assert settings["plan_cache_mode"] == "force_generic_plan"
    assert settings["enable_seqscan"] == settings["jit"] == "off"


@pytest.mark.parametrize("name", VERBS)
async def test_a_statement_reads_no_large_table_as_a_whole(links: Links, name: str) -> None:
    found = await plan(links, statements(links.dsn.names)[name])
    assert set(re.findall(r"Seq Scan on (\w+)", found)) <= SMALL, found


@pytest.mark.parametrize("name", ["settle", "settle_over", "note"])
async def test_a_claim_is_ended_by_its_id_and_not_through_all_jobs_of_its_session(
    links: Links, name: str
) -> None:
    assert "run_session" not in await plan(links, statements(links.dsn.names)[name])


async def test_records_that_are_asked_for_by_key_are_found_by_it(links: Links) -> None:
    """Jobs with steps are named by the thousands under one kind; to read one must not read them all."""
    found = await plan(links, statements(links.dsn.names)["records"])
    assert re.search(r"Index Cond: \(\(kind = \S+\) AND \(key = \S+\)\)", found), found
