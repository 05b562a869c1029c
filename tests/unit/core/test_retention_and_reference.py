"""How long jobs are kept, and what they are about."""

from datetime import timedelta

import pytest

from longshore.core.errors import InvalidOption, UnknownOption
from longshore.core.reference import Reference, check_reference
from longshore.core.retention import Retention


def test_dead_letters_stay_unless_told_otherwise():
    assert Retention().failed_seconds is None
    assert Retention().completed_seconds == 7 * 24 * 3600


def test_a_retention_of_nothing_keeps_nothing():
    forgetful = Retention(completed=0, failed=timedelta(0))
    assert not forgetful.keeps_completed
    assert not forgetful.keeps_failed
    assert not Retention(max_count=0).keeps_completed


@pytest.mark.parametrize("wrong", [{"completed": -1}, {"failed": "a week"}, {"max_count": -1}])
def test_a_retention_that_makes_no_sense_is_refused(wrong):
    with pytest.raises(InvalidOption):
        Retention(**wrong)


def test_a_misspelt_word_of_a_retention_is_answered_with_the_nearest():
    with pytest.raises(UnknownOption, match=r"No option 'complete' of Retention\. Did you mean 'completed'"):
        Retention(complete=60)


def test_a_reference_is_read_from_a_pair_and_from_the_seeds_shape():
    assert check_reference(("User", 7)) == Reference("User", "7")
    assert check_reference({"type": "User", "id": "7"}).key == "User:7"


@pytest.mark.parametrize("wrong", ["User", 7, {"type": "User"}])
def test_what_is_no_reference_is_refused(wrong):
    with pytest.raises(InvalidOption):
        check_reference(wrong)
