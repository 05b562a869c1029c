"""Comparing the steps that there are with those that were applied, without a database."""

import pytest

from longshore.backends.migrations import Applied, Step, outstanding, report, require_newest
from longshore.core.errors import SchemaMismatch

STEPS = (Step(1, "0001_jobs", "CREATE 1;"), Step(2, "0002_more", "CREATE 2;"))
FIRST, SECOND = (Applied(step.version, step.checksum) for step in STEPS)


def test_steps_that_were_not_applied_are_outstanding_in_their_order():
    assert outstanding(STEPS, [], "here") == list(STEPS)
    assert outstanding(STEPS, [FIRST], "here") == [STEPS[1]]
    assert outstanding(STEPS, [FIRST, SECOND], "here") == []


def test_a_step_of_the_future_is_refused():
    with pytest.raises(SchemaMismatch, match="here has schema version 3 and this Longshore knows 2"):
        outstanding(STEPS, [FIRST, SECOND, Applied(3, "x")], "here")


def test_a_step_whose_text_was_changed_is_refused():
    with pytest.raises(SchemaMismatch, match="0002_more"):
        outstanding(STEPS, [FIRST, Applied(2, "x")], "here")


def test_a_report_names_the_steps_and_their_statements():
    found = report(STEPS, [FIRST], "here")
    assert (found.version, found.latest, found.pending, found.sql) == (1, 2, ("0002_more",), "CREATE 2;")


def test_an_older_schema_is_sent_to_migrate():
    require_newest(STEPS, [FIRST, SECOND], "here")
    with pytest.raises(SchemaMismatch, match=r"0002_more.*longshore migrate"):
        require_newest(STEPS, [FIRST], "here")
