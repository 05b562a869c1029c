"""This module says what PostgreSQL's errors mean for whoever called, and what becomes of the connection."""

import ssl

import asyncpg

from longshore.core.errors import StoreUnavailable

_BY_STATE = {
    "25006": "read-only",  # read_only_sql_transaction: a replica, or a primary that was demoted
    "42501": "read-only",  # insufficient_privilege: the role may not do this
    "53100": "full",  # disk_full
    "53200": "busy",  # out_of_memory
    "53300": "busy",  # too_many_connections
    "53400": "busy",  # configuration_limit_exceeded
    "55P03": "locked",  # lock_not_available, after lock_timeout
    "57014": "busy",  # query_canceled, by statement_timeout
    "42P01": "corrupt",  # undefined_table
    "42703": "corrupt",  # undefined_column
    "42883": "corrupt",  # undefined_function
    "3F000": "corrupt",  # invalid_schema_name
    "XX001": "corrupt",  # data_corrupted
    "XX002": "corrupt",  # index_corrupted
    "40001": "locked",  # serialization_failure, again after a retry
    "40P01": "locked",  # deadlock_detected, again after a retry
    "25P02": "unreachable",  # in_failed_sql_transaction: somebody before us left it so
    "25P03": "unreachable",  # idle_in_transaction_session_timeout
    "26000": "unreachable",  # a prepared statement is gone: a pooler gave us another session
    "42P05": "unreachable",  # a prepared statement is there already: the same
    "3D000": "unreachable",  # no such database
}
_BY_CLASS = {
    "08": "unreachable",  # connection_exception
    "28": "unreachable",  # invalid_authorization
    "53": "busy",  # insufficient_resources
    "57": "unreachable",  # operator_intervention: shut down, starting, crashed
    "58": "unreachable",  # system_error
}
_ADVICE = {
    "read-only": "it is a replica, or the role may not write",
    "full": "make room on its disk",
    "busy": "it has too few connections, or too much to do",
    "locked": "another session holds a lock on Longshore's tables",
    "corrupt": "Longshore's tables are not as this version makes them; see `longshore migrate --check`",
}
_POOLED = "a pooler gives each transaction another session: leave prepared=on out of the URL"

AGAIN = frozenset({"40001", "40P01"})
"""Errors after which nothing was done and the same call may do: a lost race between transactions."""
SOON = frozenset({"53300", "57P03"})
"""What a server says that is there and cannot take one more connection yet: full, or starting."""
_DYING = ("another operation", "closed", "released")
_KEEP = frozenset({"40001", "40P01", "42501", "53100", "53200", "55P03", "57014"})
_ALL_OVER = frozenset({"25006", "57P01", "57P02", "57P03", "57P04"})


def state_of(error: BaseException) -> str:
    """The SQLSTATE of an error; empty where it is none of the server's."""
    found = getattr(error, "sqlstate", None)
    return found if isinstance(found, str) else ""


def is_fault(error: BaseException) -> bool:
    """Whether the error says something about the store, and not about one statement."""
    if isinstance(error, asyncpg.PostgresError):
        return _reason(state_of(error)) is not None
    if isinstance(error, asyncpg.InterfaceError):
        return not isinstance(error, ValueError)  # a value that PostgreSQL's type cannot take
    return isinstance(error, OSError | EOFError | asyncpg.InternalClientError | ssl.SSLError)


def meaning(error: Exception, where: str) -> Exception:
    """What to raise instead of the driver's error: StoreUnavailable, or itself where only one statement is wrong."""
    if not is_fault(error):
        return error
    state = state_of(error)
    reason = _reason(state) or "unreachable"
    if isinstance(error, asyncpg.TargetServerAttributeNotMatched):  # none of several hosts takes writes
        reason = "read-only"
    advice = _POOLED if state in {"26000", "42P05"} else _ADVICE.get(reason)
    said = _broken(error) or " ".join(str(error).split()).rstrip(".") or type(error).__name__
    detail = f"{where}: {said}" + (f"; {advice}" if advice else "")
    return StoreUnavailable(reason, detail, is_absent=_is_absent(error))


def spoils_the_connection(error: BaseException) -> bool:
    """Whether the connection must be opened anew before it is of use again."""
    return is_fault(error) and state_of(error) not in _KEEP


def spoils_all_connections(error: BaseException) -> bool:
    """Whether the others to this server, idle ones too, must not be trusted either: it stops, or is no primary now.

    A pool that kept them was seen to send its writes to a demoted primary for three days (gpustack/gpustack#6105).
    """
    state = state_of(error)
    return state in _ALL_OVER or state.startswith("08") or isinstance(error, OSError)


def _is_absent(error: Exception) -> bool:
    """Whether no server is there, or one that starts, stops or takes no more connections just now."""
    state = state_of(error)
    is_network = isinstance(error, OSError | EOFError) and not isinstance(error, ssl.SSLError)
    return is_network or state.startswith("08") or state in _ALL_OVER - {"25006", "57P04"} | SOON


def _broken(error: Exception) -> str | None:
    """Plain words for what the driver says of its own insides when a connection dies under it."""
    is_inside = type(error) is asyncpg.InternalClientError or (
        type(error) is asyncpg.InterfaceError and any(word in str(error) for word in _DYING)
    )
    return "the connection to the server broke" if is_inside else None


def _reason(state: str) -> str | None:
    return _BY_STATE.get(state) or _BY_CLASS.get(state[:2])
