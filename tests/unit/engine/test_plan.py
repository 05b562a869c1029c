"""Plans: what is checked once, and what each job then costs."""

import contextvars

import msgspec
import pytest

from longshore import PayloadError, bind_context
from longshore.core.context import restore
from longshore.core.ids import new_id
from longshore.core.job import Details
from longshore.core.rules import Rules
from longshore.engine.plan import Plan


def test_a_plain_plan_makes_jobs_with_ids_of_their_own_and_nothing_else():
    jobs = Plan("q", "t").many([b"1", b"2"])
    assert [(job.queue, job.name, job.payload, job.details) for job in jobs] == [
        ("q", "t", b"1", None),
        ("q", "t", b"2", None),
    ]
    assert jobs[0].id < jobs[1].id


def test_details_are_encoded_once_and_search_keys_stand_beside_them():
    details = Details(tags=("a",), reference=("User", "7"), correlation_id="c", metadata={"m": 1})
    plan = Plan("q", "t", priority=1, delay_ms=5, details=details, job_id=(own := new_id()))
    job = plan.one(b"1")
    assert (job.id, job.priority, job.delay_ms) == (own, 1, 5)
    assert (job.tags, job.reference, job.correlation_id) == (("a",), "User:7", "c")
    assert job.details is plan.encoded
    assert msgspec.json.decode(job.details, type=Details) == details


def test_the_callers_context_goes_with_each_job():
    """S1.12"""
    plan = Plan("q", "t", details=Details(metadata={"m": 1}))
    with bind_context(user="7"):
        [job] = plan.many([b"1"])
    details = msgspec.json.decode(job.details, type=Details)
    assert (details.context, details.metadata) == ({"user": "7"}, {"m": 1})
    assert plan.one(b"1").details == plan.encoded


def test_jobs_inherit_the_correlation_of_the_job_that_adds_them():
    def added():
        restore({}, "order-1")
        return Plan("q", "t").one(b"1"), Plan("q", "t", details=Details(correlation_id="own")).one(b"1")

    inherited, own = contextvars.copy_context().run(added)
    assert (inherited.correlation_id, own.correlation_id) == ("order-1", "own")


def test_a_plan_says_when_its_jobs_are_due():
    assert Plan("q", "t", delay_ms=5).due_ms(100) == 105
    assert Plan("q", "t", delay_ms=5, run_ms=7).due_ms(100) == 7


def test_a_context_without_a_json_form_is_refused():
    with bind_context(live=object()), pytest.raises(PayloadError, match="context"):
        Plan("q", "t").one(b"1")


def test_a_plan_computes_the_rules_of_each_job_from_its_payload() -> None:
    def rules_of(payload: bytes) -> Rules | None:
        return Rules(room=int(payload)) if payload != b"0" else None

    plan = Plan("q", "t", rules=rules_of)
    assert [job.rules for job in plan.many([b"1", b"0"])] == [Rules(room=1), None]
    assert plan.one(b"2").rules == Rules(room=2)
    assert [job.rules for job in Plan("q", "t", rules=Rules(room=3)).many([b"1", b"2"])] == [
        Rules(room=3)
    ] * 2
    assert Plan("q", "t").one(b"1").rules is None
