"""`longshore migrate`: how the schema stands, and bringing it up."""

import pytest

from longshore.cli.migrate import sentence
from longshore.store.replies import Migration
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
