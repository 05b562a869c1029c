"""What PostgreSQL's errors and its driver's mean for whoever called."""

import asyncpg
import pytest

from longshore.backends.postgres.faults import meaning
from longshore.core.errors import StoreUnavailable


@pytest.mark.parametrize(
    "error",
    [
        asyncpg.InternalClientError("cannot switch to state 12; another operation (2) is in progress"),
        asyncpg.InterfaceError("cannot perform operation: another operation is in progress"),
        asyncpg.InterfaceError("connection is closed"),
    ],
)
def test_what_the_driver_says_of_a_dying_connection_is_put_plainly(error: Exception):
    meant = meaning(error, "postgresql://db/jobs")
    assert isinstance(meant, StoreUnavailable)
    assert str(meant) == "The store is unreachable: postgresql://db/jobs: the connection to the server broke."


def test_other_words_of_the_driver_are_kept():
    meant = meaning(asyncpg.InterfaceError("unsupported SASL methods"), "db")
    assert "unsupported SASL methods" in str(meant)
