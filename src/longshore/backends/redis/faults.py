"""This module says what an error of Redis means for whoever called."""

import re
from ssl import SSLError

from redis.exceptions import (
    AuthenticationError,
    AuthorizationError,
    BusyLoadingError,
    ClusterDownError,
    MasterDownError,
    NoPermissionError,
    OutOfMemoryError,
    ReadOnlyError,
    RedisError,
    ResponseError,
    TryAgainError,
)
from redis.exceptions import ConnectionError as LostConnection
from redis.exceptions import TimeoutError as LateAnswer

from longshore.core.errors import StoreUnavailable

_REASONS: tuple[tuple[type[RedisError], str, str], ...] = (
    (OutOfMemoryError, "full", "give it more memory (maxmemory), or let jobs be finished and pruned"),
    (ReadOnlyError, "read-only", "it is a replica; the URL must lead to the master"),
    (NoPermissionError, "unreachable", "its user lacks a permission that Longshore needs (ACL SETUSER)"),
    (AuthenticationError, "unreachable", "see user and password in the URL"),
    (AuthorizationError, "unreachable", "see user and password in the URL"),
    (BusyLoadingError, "unreachable", "it is loading its data after a start; it will be there when it has"),
    (MasterDownError, "unreachable", "its master is down"),
    (ClusterDownError, "unreachable", "the cluster has no master for every slot; see CLUSTER INFO"),
    (TryAgainError, "unreachable", "the cluster is moving this slot"),
)
_BY_PREFIX = (
    ("BUSY ", "locked", "a script has run for too long; see SCRIPT KILL"),
    ("NOREPLICAS", "read-only", "it has too few replicas for its min-replicas-to-write"),
    ("MISCONF", "read-only", "it cannot save to its disk, and so takes no writes"),
    ("UNBLOCKED", "unreachable", "its role has changed"),
    ("NOAUTH", "unreachable", "see user and password in the URL"),
    (
        "This instance has cluster support disabled",
        "unreachable",
        "it is a single server: write redis:// in the URL",
    ),
    (
        "unknown command 'SENTINEL'",
        "unreachable",
        "it is no Sentinel: write redis:// in the URL, or the Sentinels' addresses",
    ),
    (
        "DB index is out of range",
        "unreachable",
        "it has fewer databases; see the number at the end of the URL",
    ),
)

_PASSING = (BusyLoadingError, MasterDownError, ClusterDownError, TryAgainError, ReadOnlyError)
_ABSENT = (BusyLoadingError, MasterDownError, ClusterDownError)
_INSIDE = re.compile(r"-((READONLY|OOM|MISCONF|NOREPLICAS) .*)", re.DOTALL)
_KINDS = {"READONLY": ReadOnlyError, "OOM": OutOfMemoryError}


def refined(error: ResponseError) -> ResponseError:
    """The same error, or the one inside it: Redis 6 says of a write that a script may not do only that the script
    failed, and at the end of the text why."""
    found = _INSIDE.search(str(error)) if type(error) is ResponseError else None
    return error if found is None else _KINDS.get(found[2], ResponseError)(found[1])


def may_pass(error: BaseException) -> bool:
    """Whether nothing was done, and a moment later, or on another server, the same call may be: a failover is under
    way, or a master is cut off from its replicas."""
    return isinstance(error, _PASSING) or str(error).startswith("NOREPLICAS")


def meaning(error: BaseException, place: str) -> Exception:
    """What to raise instead of redis-py's error: StoreUnavailable, or itself where only one command is wrong."""
    text = str(error).partition(" script: ")[0].rstrip(". ").replace("`", "'")
    for kind, reason, advice in _REASONS:
        if isinstance(error, kind):
            return StoreUnavailable(reason, f"{place}: {text}; {advice}", is_absent=kind in _ABSENT)
    for prefix, reason, advice in _BY_PREFIX:
        if text.startswith(prefix):
            return StoreUnavailable(reason, f"{place}: {text}; {advice}")
    if isinstance(error, StoreUnavailable):
        return error
    if is_loss(error):
        is_absent = not isinstance(error, SSLError) and not isinstance(error.__cause__, SSLError)
        return StoreUnavailable(
            "unreachable", f"{place}: {text or type(error).__name__}", is_absent=is_absent
        )
    assert isinstance(error, Exception)
    return error


def is_loss(error: BaseException) -> bool:
    """Whether the connection broke, so that nobody knows what became of what was asked."""
    return isinstance(error, LostConnection | LateAnswer | OSError)
