"""What an error says of a value that an option cannot have."""

from longshore.core.errors import InvalidOption, UnknownOption
from longshore.core.states import State


def test_a_member_of_an_enum_is_shown_as_people_write_it() -> None:
    error = InvalidOption("state", State.RUNNING, "one that is over")
    assert "Option 'state' cannot be 'running'." in str(error)


def test_an_option_that_is_understood_in_two_spellings_is_listed_in_one():
    """Whoever wrote the other one is answered in it all the same."""
    said = str(UnknownOption("scheduledA", ["scheduled_at", "scheduledAt", "jobName"], of="a job"))
    assert said.endswith("Did you mean 'scheduledAt'? Known: jobName, scheduled_at.")
