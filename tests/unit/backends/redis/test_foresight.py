"""Which settlements are expected to concern jobs for which others wait."""

from longshore.backends.redis.foresight import CALLS, Foresight


def test_nothing_is_expected_of_a_queue_that_nobody_told_of():
    foresight = Foresight()
    foresight.learn(["mail"])
    assert not foresight.expects(["video"])
    assert foresight.expects(["video", "mail"])


def test_after_so_many_calls_it_is_tried_again():
    foresight = Foresight()
    foresight.learn(["mail"])
    assert [foresight.expects(["mail", "mail"]) for _ in range(CALLS + 1)] == [True] * CALLS + [False]
