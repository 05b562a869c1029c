"""The verdict on every way in which an attempt can end."""

from datetime import UTC, datetime
from random import Random

import pytest

from longshore.core.attempt_errors import TaskRaised, WorkerCrashed
from longshore.core.errors import PayloadUndecodable
from longshore.core.ids import new_id
from longshore.core.job import Details, JobRecord
from longshore.core.retry import Retry
from longshore.core.states import State
from longshore.core.task_signals import Cancel, Discard, RetryAt, Snooze
from longshore.core.verdict import BURIED, CANCELLED, POISONED, Charge, crashed
from longshore.engine.judge import judge_crash, judge_error, judge_unknown
from longshore.engine.policy import Policy

STEADY = Policy(retry=Retry(3, initial=2, jitter=False))


def job(**fields):
    defaults = {
        "queue": "q",
        "name": "t",
        "payload": b"{}",
        "state": State.RUNNING,
        "priority": 3,
        "fence": 1,
    }
    return JobRecord(id=new_id(), **(defaults | fields))


def verdict_on(error, *, policy=STEADY, **fields):
    return judge_error(job(**fields), error, policy, Random(1))


def test_an_error_is_retried_after_the_delay_of_its_policy():
    assert verdict_on(ValueError()).state is State.RETRYING
    assert verdict_on(ValueError()).delay_ms == 2_000
    assert verdict_on(ValueError(), failures=1).delay_ms == 4_000


def test_the_last_error_buries_the_job():
    assert verdict_on(ValueError(), failures=2) == BURIED
    assert BURIED.charge is Charge.FAILURE


def test_max_attempts_of_the_job_win_over_those_of_the_policy():
    assert verdict_on(ValueError(), max_attempts=1) == BURIED
    assert verdict_on(ValueError(), failures=50, max_attempts=0).state is State.RETRYING


def test_a_snooze_charges_nothing_and_comes_later_even_when_it_says_now():
    assert verdict_on(Snooze(5)).charge is Charge.RELEASE
    assert verdict_on(Snooze(5)).delay_ms == 5_000
    assert verdict_on(Snooze(0)).state is State.SCHEDULED


def test_retry_at_waits_for_that_time_while_attempts_are_left():
    noon = RetryAt(datetime(2030, 1, 1, 12, tzinfo=UTC))
    assert verdict_on(noon).run_ms == 1_893_499_200_000
    assert verdict_on(noon, failures=2) == BURIED


def test_cancel_and_discard_end_the_job_whatever_attempts_are_left():
    assert verdict_on(Cancel()) == CANCELLED
    assert verdict_on(Discard()) == BURIED
    assert verdict_on(PayloadUndecodable("t", "bad")) == BURIED


def test_a_signal_alone_in_a_group_counts_as_the_signal():
    assert verdict_on(BaseExceptionGroup("g", [ExceptionGroup("h", [Cancel()])])) == CANCELLED
    assert verdict_on(ExceptionGroup("g", [Cancel(), ValueError()])).state is State.RETRYING


def test_a_dead_child_process_is_charged_as_a_crash():
    assert verdict_on(WorkerCrashed("gone")).charge is Charge.CRASH


def test_crashes_come_back_at_once_then_later_then_never():
    assert judge_crash(job(), 5) == crashed(0)
    assert [judge_crash(job(crashes=n), 99).delay_ms for n in (1, 2, 3, 50)] == [1_000, 2_000, 4_000, 30_000]
    assert judge_crash(job(crashes=2), 3) == POISONED


def test_an_unknown_task_is_released_ever_later_and_never_charged():
    delays = [judge_unknown(job(releases=n), Random(1)).delay_ms for n in range(12)]
    assert all(500 * 2**n <= delay <= 1_000 * 2**n for n, delay in enumerate(delays[:5]))
    assert max(delays) <= 60_000
    assert judge_unknown(job(), Random(1)).charge is Charge.RELEASE


def test_a_policys_own_functions_that_raise_never_cost_the_job_its_attempts(caplog):
    def broken(*_):
        raise KeyError("bug")

    assert verdict_on(ValueError(), policy=Policy(retry=Retry(3, retry_if=broken))).state is State.RETRYING
    assert verdict_on(ValueError(), policy=Policy(retry=Retry(3, backoff=broken))).state is State.RETRYING
    assert len(caplog.records) == 2


def test_retry_if_ends_the_attempts_of_an_error_that_is_not_worth_another():
    assert verdict_on(ValueError(), policy=Policy(retry=Retry(9, retry_if=OSError))) == BURIED


@pytest.mark.parametrize("name", ["timeout", "max_crashes", "dead_letter"])
def test_what_a_job_was_given_wins_over_its_tasks_policy(name):
    adapted = STEADY.adapted(Details(timeout=7, max_crashes=7, dead_letter="dead", retry={"max_attempts": 7}))
    assert getattr(adapted, name) in (7, "dead")
    assert adapted.retry.max_attempts == 7
    assert STEADY.adapted(Details()) is STEADY


def test_an_error_from_another_process_is_judged_by_what_was_said_of_it_there():
    assert verdict_on(TaskRaised("Boom", "text", retriable=False)) == BURIED
    by_type = Policy(retry=Retry(9, jitter=False, backoff=lambda n, error: 7 if error == "Boom" else 1))
    assert verdict_on(TaskRaised("Boom", "text"), policy=by_type).delay_ms == 7_000
