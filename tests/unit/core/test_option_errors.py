"""What an error says of a value that an option cannot have."""

from longshore.core.errors import InvalidOption
from longshore.core.states import State


def test_a_member_of_an_enum_is_shown_as_people_write_it() -> None:
    error = InvalidOption("state", State.RUNNING, "one that is over")
    assert "Option 'state' cannot be 'running'." in str(error)
