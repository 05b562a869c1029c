"""Which job follows another one in its thread, and what becomes of those that were prepared in vain."""

import pytest

from longshore.core.clock import ManualClock
from longshore.core.ids import new_id
from longshore.core.job import JobRecord
from longshore.core.retry import Retry
from longshore.core.states import State
from longshore.engine.policy import Policy
from longshore.worker.attempt import Attempt
from longshore.worker.lanes import Lanes
from longshore.worker.registry import Handler, Kind
from longshore.worker.relay import AHEAD, Relay
from longshore.worker.tenure import Tenure


class Course:
    """A relay with two queues and three places, and what it told the executor."""

    def __init__(self, limit=None):
        self.clock, self.tenure = ManualClock(), Tenure("host")
        self.tenure.prolong(self.tenure.begin(), 30.0)
        self.lanes = Lanes({"q": limit, "p": None}, 3)
        self.relay = Relay(self.lanes, self.tenure, self.clock)
        self.begun, self.submitted = [], []
        self.relay.wanted = lambda record: record.name == "t"
        self.relay.prepare = self.attempt
        self.relay.begin = lambda attempt: self.begun.append(attempt.record)
        self.relay.submit = lambda attempt: self.submitted.append(attempt.record)

    def attempt(self, record):
        handler = Handler(name="t", queue="q", function=print, kind=Kind.THREAD, policy=Policy(retry=Retry()))
        made = Attempt(record, handler)
        made.relay = self.relay
        return made

    def offer(self, count, queue="q", name="t"):
        made = [
            JobRecord(id=new_id(), queue=queue, name=name, payload=b"{}", state=State.RUNNING, priority=3)
            for _ in range(count)
        ]
        self.lanes.offer(queue, made)
        return made

    def run(self, count):
        """What so many slots take."""
        return [self.attempt(self.lanes.take()) for _ in range(count)]


@pytest.fixture
def course():
    return Course()


def test_the_jobs_of_a_queue_follow_each_other_in_their_order(course):
    records = course.offer(6)
    first, second, third = course.run(3)
    course.relay.fill()
    assert [running.follow().record for running in (second, first, third)] == records[3:]
    assert first.follower.follow() is None


def test_a_job_is_known_to_run_when_the_loop_hears_of_the_end_before_it(course):
    records = course.offer(4)
    first, *_ = course.run(3)
    course.relay.fill()
    first.follow()
    assert course.begun == []
    assert course.relay.has_passed(first)
    assert course.begun == records[3:]
    assert course.submitted == []
    assert course.lanes.running == 3


def test_nothing_is_prepared_while_a_place_is_free(course):
    course.offer(2)
    course.run(1)
    course.relay.fill()
    assert course.relay.held() == set()


def test_nothing_is_prepared_while_another_queue_waits_for_a_place(course):
    course.offer(4)
    course.run(3)
    course.offer(1, "p")
    course.relay.fill()
    assert course.relay.held() == set()


def test_a_queue_at_its_own_limit_passes_its_places_on_and_takes_no_others():
    course = Course(limit=1)
    course.offer(3)
    [only] = course.run(1)
    course.relay.fill()
    assert course.lanes.take() is None
    assert len(course.relay.held()) == 2
    only.follow()
    assert course.relay.has_passed(only)
    assert course.lanes.running == 1


def test_a_job_that_does_not_run_in_a_thread_stops_the_track(course):
    course.offer(3)
    course.run(3)
    course.offer(1, name="coroutine")
    course.offer(1)
    course.relay.fill()
    assert course.relay.held() == set()


def test_a_track_holds_a_few_jobs_for_each_slot(course):
    course.offer(100)
    course.run(3)
    course.relay.fill()
    assert len(course.relay.held()) == 3 * AHEAD


def test_a_thread_that_came_just_before_the_track_was_filled_gets_its_follower_from_the_loop(course):
    records = course.offer(4)
    first, *_ = course.run(3)
    assert first.follow() is None
    course.relay.fill()
    assert course.relay.has_passed(first)
    assert course.begun == course.submitted == records[3:]


def test_nothing_follows_after_the_lease_and_the_jobs_go_back_in_their_order(course):
    records = course.offer(6)
    first, *_ = course.run(3)
    course.relay.fill()
    course.clock.advance(30)
    assert first.follow() is None
    assert not course.relay.has_passed(first)
    course.lanes.done("q")
    assert course.lanes.waiting == 3
    assert course.lanes.take() is records[3]


def test_what_is_withdrawn_is_begun_by_no_thread(course):
    records = course.offer(8)
    first, *_ = course.run(3)
    course.relay.fill()
    course.offer(1)
    assert course.relay.withdraw([records[4].id]) == [records[4]]
    assert first.follow().record is records[3]
    assert first.follower.follow().record is records[5]
    assert len(course.relay.withdraw()) == 3
    assert course.relay.held() == set()
    assert course.lanes.waiting == 0


def test_what_a_thread_has_taken_cannot_be_withdrawn_and_is_known_to_run_at_once(course):
    records = course.offer(4)
    first, *_ = course.run(3)
    course.relay.fill()
    first.follow()
    assert course.relay.withdraw() == []
    assert course.begun == records[3:]
    assert course.relay.has_passed(first)
    assert course.begun == records[3:]


def test_a_job_that_cannot_be_prepared_takes_no_room(course):
    records = course.offer(5)
    first, *_ = course.run(3)
    course.relay.prepare = lambda record: None if record is records[3] else course.attempt(record)
    course.relay.fill()
    assert first.follow().record is records[4]
