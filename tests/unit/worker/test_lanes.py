"""How many jobs of which queue a worker claims, and in which order its slots take them."""

from longshore.core.ids import new_id
from longshore.core.job import JobRecord
from longshore.core.limits import Concurrency, Rate
from longshore.core.rules import Rules
from longshore.core.states import State
from longshore.worker.lanes import Lanes


def jobs(count, queue="q"):
    return [
        JobRecord(id=new_id(), queue=queue, name="t", payload=b"{}", state=State.RUNNING, priority=3)
        for _ in range(count)
    ]


def asked(lanes):
    return {ask.queue: ask.count for ask in lanes.asks("s")}


def test_an_idle_worker_asks_for_as_many_jobs_as_it_has_slots():
    lanes = Lanes({"q": None}, 10)
    assert asked(lanes) == {"q": 10}
    lanes.offer("q", jobs(10))
    assert asked(lanes) == {}


def test_free_slots_are_shared_among_queues_and_each_limit_holds():
    lanes = Lanes({"a": None, "b": 2, "c": None}, 9)
    assert asked(lanes) == {"a": 3, "b": 2, "c": 3}


def test_when_there_are_fewer_slots_than_queues_each_gets_its_turn():
    lanes = Lanes({"a": None, "b": None, "c": None}, 1)
    assert [list(asked(lanes)) for _ in range(3)] == [["b"], ["c"], ["a"]]


def test_jobs_are_taken_in_turn_from_the_queues_that_have_some():
    lanes = Lanes({"a": None, "b": None}, 10)
    lanes.offer("a", jobs(3, "a"))
    lanes.offer("b", jobs(2, "b"))
    assert [lanes.take().queue for _ in range(5)] == ["a", "b", "a", "b", "a"]
    assert lanes.take() is None


def test_a_queue_at_its_limit_keeps_its_jobs_and_stops_nobody_else():
    lanes = Lanes({"a": 1, "b": None}, 10)
    lanes.offer("a", jobs(2, "a"))
    lanes.offer("b", jobs(2, "b"))
    assert [lanes.take().queue for _ in range(3)] == ["a", "b", "b"]
    assert lanes.take() is None
    lanes.done("a")
    assert lanes.take().queue == "a"


def test_a_queue_that_gave_less_than_asked_for_is_dry_until_a_wake_up():
    lanes = Lanes({"q": None}, 10)
    [ask] = lanes.asks("s")
    lanes.answered(ask, 3, lanes.wakes_of("q"))
    assert lanes.is_dry()
    assert asked(lanes) == {}
    lanes.wake("unheard-of")
    assert lanes.is_dry()
    lanes.wake("q")
    assert asked(lanes) == {"q": 10}


def test_a_wake_up_during_the_claim_is_not_lost():
    lanes = Lanes({"q": None}, 10)
    [ask] = lanes.asks("s")
    before = lanes.wakes_of("q")
    lanes.wake("q")
    lanes.answered(ask, 0, before)
    assert not lanes.is_dry()


def work_off(lanes, count):
    lanes.offer("q", jobs(count))
    for _ in range(count):
        lanes.take()
        lanes.done("q")


def test_two_claims_in_a_row_do_not_look_as_if_jobs_stood_still():
    lanes = Lanes({"q": None}, 10, most_ahead=100)
    work_off(lanes, 1_000)
    assert lanes.pace(0.01, horizon_seconds=0.01)
    assert asked(lanes) == {"q": 26}
    assert not lanes.pace(0.0001, horizon_seconds=0.01)
    assert asked(lanes) == {"q": 26}


def test_the_stock_follows_the_pace_but_grows_step_by_step():
    lanes = Lanes({"q": None}, 10, most_ahead=100)
    stocks = []
    for _ in range(5):
        work_off(lanes, 1_000)
        lanes.pace(0.01, horizon_seconds=0.01)
        stocks.append(asked(lanes)["q"] - 10)
    assert stocks == [16, 48, 100, 100, 100]


def test_slow_jobs_are_not_kept_in_stock():
    lanes = Lanes({"q": None}, 10)
    work_off(lanes, 10)
    lanes.pace(5.0, horizon_seconds=0.01)
    lanes.offer("q", jobs(10))
    for _ in range(10):
        lanes.take()
    assert asked(lanes) == {}


def test_a_stock_that_has_shrunk_by_a_quarter_asks_for_more_and_says_so():
    lanes = Lanes({"q": None}, 2)
    lows = []
    lanes.on_low = lambda: lows.append(lanes.waiting)
    work_off(lanes, 100)
    lanes.pace(0.01, horizon_seconds=0.01)  # a stock of 16
    lows.clear()
    lanes.offer("q", jobs(18))
    lanes.take()
    lanes.take()
    assert (asked(lanes), lows) == ({}, [])
    for _ in range(4):
        lanes.done("q")
        lanes.take()
    assert lows == [12]
    assert asked(lanes) == {"q": 4}


def test_no_more_jobs_are_taken_than_there_are_slots_whoever_takes_them():
    lanes = Lanes({"q": None}, 2)
    lanes.offer("q", jobs(3))
    assert [lanes.take() is not None for _ in range(3)] == [True, True, False]


def test_waiting_jobs_can_be_withdrawn_by_id_or_all():
    lanes = Lanes({"a": None, "b": None}, 10)
    first, second = jobs(2, "a")
    lanes.offer("a", [first, second])
    lanes.offer("b", jobs(1, "b"))
    assert lanes.withdraw([first.id]) == [first]
    assert lanes.held() >= {second.id}
    assert len(lanes.withdraw()) == 2
    assert (lanes.waiting, lanes.take()) == (0, None)


def test_hardly_anything_is_claimed_ahead_where_claims_spend_of_a_rate():
    """B.6: a start follows its claim at once."""
    limits = {Rate(100, per=1): 0, Rate(4000, per=1): 8, Rate(10**6, per=1): 20, Concurrency(9): 20}
    for limit, ahead in limits.items():
        lanes = Lanes({"q": None}, 10)
        for _ in range(3):
            claimed = jobs(10)
            for record in claimed:
                record.rules = Rules(flow=(limit.flow_key("r", "", 1),))
            lanes.offer("q", claimed)
            for _ in claimed:
                lanes.take()
                lanes.done("q")
            lanes.pace(0.01, 0.02)
        assert asked(lanes)["q"] == 10 + ahead, limit
