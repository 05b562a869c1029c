"""This module says what SQLite's errors mean for whoever called: whether the store is full, locked, read-only …"""

from typing import NamedTuple

import apsw

from longshore.core.errors import StoreUnavailable

_REASONS: tuple[tuple[type[apsw.Error], str], ...] = (
    (apsw.BusyError, "locked"),
    (apsw.LockedError, "locked"),
    (apsw.FullError, "full"),
    (apsw.ReadOnlyError, "read-only"),
    (apsw.CorruptError, "corrupt"),
    (apsw.NotADBError, "corrupt"),
    (apsw.FormatError, "corrupt"),
    (apsw.IOError, "unreachable"),
    (apsw.CantOpenError, "unreachable"),
    (apsw.PermissionsError, "unreachable"),
    (apsw.AuthError, "unreachable"),
    (apsw.NoMemError, "unreachable"),
    (apsw.ProtocolError, "unreachable"),
    (apsw.InterruptError, "unreachable"),
)
_ADVICE = {
    "locked": "another program has held its write lock for too long",
    "full": "the disk, or the limit set on the file, is full",
    "read-only": "it, or its folder, may not be written",
    "corrupt": "stop the workers and restore a backup, or try the command-line tool's .recover",
    "unreachable": "see whether the disk and the folder are there",
}


class Fault(NamedTuple):
    """What is wrong with the store."""

    reason: str
    detail: str

    def error(self) -> StoreUnavailable:
        """A new error, so that callers who wait together do not share a traceback."""
        return StoreUnavailable(self.reason, self.detail)


def fault(error: apsw.Error, path: str) -> Fault | None:
    """What an error says about the store; None where only one statement is wrong, and not the store."""
    for kind, reason in _REASONS:
        if isinstance(error, kind):
            return Fault(reason, f"{path}: {error}; {_ADVICE[reason]}")
    if isinstance(error, apsw.SQLError) and "no such" in str(
        error
    ):  # a table: the file was replaced by another
        return Fault("corrupt", f"{path}: {error}; it is not a file of Longshore any more")
    return None


def meaning(error: apsw.Error, path: str) -> Exception:
    """What to raise instead of SQLite's error: StoreUnavailable, or itself where only one statement is wrong."""
    found = fault(error, path)
    return error if found is None else found.error()


def spoils_the_connection(error: apsw.Error) -> bool:
    """Whether the connection must be opened anew before it is of use again."""
    return not isinstance(error, apsw.BusyError | apsw.LockedError | apsw.FullError)
