"""Lists for statements that take each subject once."""

from longshore.backends.postgres.rounds import rounds


def test_different_subjects_are_one_round():
    assert list(rounds("abc", str)) == [[(0, "a"), (1, "b"), (2, "c")]]


def test_a_subject_that_comes_again_waits_for_the_next_round():
    assert list(rounds("abaca", str)) == [[(0, "a"), (1, "b"), (3, "c")], [(2, "a")], [(4, "a")]]


def test_nothing_is_no_round():
    assert list(rounds([], str)) == []
