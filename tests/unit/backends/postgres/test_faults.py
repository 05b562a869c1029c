"""What PostgreSQL's errors and its driver's mean for whoever called."""

import ssl

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


@pytest.mark.parametrize(
    ("error", "is_absent"),
    [
        (ConnectionRefusedError(111, "refused"), True),
        (asyncpg.CannotConnectNowError("starting up"), True),
        (asyncpg.InvalidPasswordError("password authentication failed"), False),
        (asyncpg.InvalidCatalogNameError("no such database"), False),
        (ssl.SSLCertVerificationError("self-signed"), False),
    ],
)
def test_only_a_server_that_may_come_by_itself_is_absent(error: Exception, *, is_absent: bool):
    meant = meaning(error, "db")
    assert isinstance(meant, StoreUnavailable)
    assert meant.is_absent is is_absent
