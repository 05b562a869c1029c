"""`longshore migrate`: how the schema stands, and bringing it up."""

from uuid import uuid4

import pytest

from longshore.cli.migrate import sentence
from longshore.store.replies import Migration
from servers.server import ServerLike
from tests.doors.cli.conftest import Call


def test_a_store_at_the_newest_schema_needs_nothing(call: Call):
    result = call("migrate", "--url", "memory://")
    assert result.exit_code == 0
    assert "the newest" in result.stdout
    assert call("migrate", "--check", "--url", "memory://").exit_code == 0
    assert call("migrate", "--sql", "--url", "memory://").stdout == "-- nothing to do\n"


@pytest.mark.parametrize(
    ("applied", "words"),
    [
        (True, "Done: 0002_tags. The schema is at version 2."),
        (False, "The schema is at version 1 of 2. To do: 0002_tags. Run: longshore migrate"),
    ],
)
def test_pending_steps_are_named(*, applied: bool, words: str):
    assert sentence(Migration(1, 2, ("0002_tags",)), applied=applied) == words


def test_a_schema_that_is_not_there_yet_is_pending_until_it_is_made(call: Call, postgres: ServerLike):
    """S2.8: `--check` is for deploys, `--sql` for those who change a schema by hand."""
    url = f"{postgres.url}?schema=migrate_{uuid4().hex}"
    check = call("migrate", "--check", "--url", url)
    assert (check.exit_code, "To do: 0001_jobs" in check.stdout) == (1, True)
    script = call("migrate", "--sql", "--url", url)
    assert script.exit_code == 0
    assert script.stdout.startswith("BEGIN;")
    assert call("migrate", "--check", "--url", url).exit_code == 1
    done = call("migrate", "--url", url)
    assert (done.exit_code, done.stdout.startswith("Done: 0001_jobs")) == (0, True)
    again = call("migrate", "--check", "--url", url)
    assert (again.exit_code, "the newest" in again.stdout) == (0, True)
    assert call("migrate", "--sql", "--url", url).stdout == "-- nothing to do\n"
