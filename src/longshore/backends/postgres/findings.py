"""This module judges how a server stands: facts in, findings out, so that a test can plant a misconfiguration."""

from collections.abc import Iterator

import msgspec

from longshore.backends.postgres.shape import Drift
from longshore.store.replies import Finding

OLDEST_SERVER = 14
SKEW_MS = 1000
LONG_TRANSACTION_SECONDS = 300.0
CONNECTIONS_LEFT = 10
"""What a worker and a few producers take."""
SMALLEST_GOOD_POOL = 3
MANY_DEAD_ROWS = 100_000
TIMES_THE_THRESHOLD = 5
RESTED_SECONDS = 600.0
"""Autovacuum looks at every table once a minute: ten of those minutes without a visit are no chance."""
LOOPBACK = ("127.", "::1")


class Transaction(msgspec.Struct, frozen=True, kw_only=True):
    """One that keeps dead rows from being cleaned away."""

    pid: int | None
    """None of one that was prepared and has no session."""
    who: str | None
    application: str | None
    state: str | None
    age_seconds: float
    statement_seconds: float | None


class Table(msgspec.Struct, frozen=True, kw_only=True):
    """How autovacuum gets on with a table."""

    name: str
    is_looked_after: bool
    dead: int
    threshold: float
    rested_seconds: float


class Facts(msgspec.Struct, frozen=True, kw_only=True):
    """What was found out about a server, our way to it, and the schema."""

    version: int
    is_replica: bool = False
    is_read_only: bool = False
    fsync: bool = True
    full_page_writes: bool = True
    synchronous_commit: str = "on"
    autovacuum: bool = True
    track_counts: bool = True
    jit: bool = False
    enable_seqscan: bool = False
    isolation: str = "read committed"
    role: str
    is_superuser: bool = False
    is_encrypted: bool = False
    client: str | None = None
    """The address of our end, as the server sees it; None of a local socket."""
    server: str | None = None
    connections: int
    """How many the server takes from roles like ours."""
    connections_taken: int = 0
    skew_ms: int = 0
    """By how much the server's clock is ahead of ours, beyond what the journey explains."""
    is_pooled: bool = False
    hears: bool = True
    """Whether a notification arrives."""
    pool: int = 4
    transactions: tuple[Transaction, ...] = ()
    tables: tuple[Table, ...] = ()
    drift: Drift = Drift()


def judge(facts: Facts) -> list[Finding]:
    """What is wrong, worst first."""
    checks = (
        _of_durability,
        _of_the_role,
        _of_the_schema,
        _of_the_way,
        _of_the_pooler,
        _of_room,
        _of_dead_rows,
    )
    found = [finding for check in checks for finding in check(facts)]
    return sorted(found, key=lambda finding: finding.level)


def _of_durability(facts: Facts) -> Iterator[Finding]:
    if not facts.fsync:
        yield Finding(
            "error",
            "fsync-off",
            "fsync is off: a loss of power can destroy the database, and not only its last jobs.",
            "ALTER SYSTEM SET fsync = on; SELECT pg_reload_conf();",
        )
    if not facts.full_page_writes:
        yield Finding(
            "error",
            "full-page-writes-off",
            "full_page_writes is off: a page that was half written at a loss of power stays broken.",
            "ALTER SYSTEM SET full_page_writes = on; SELECT pg_reload_conf();",
        )
    if facts.synchronous_commit == "off":
        yield Finding(
            "warning",
            "commit-not-synchronous",
            "synchronous_commit is off: a crash of the server loses the jobs of the last moments.",
            'ALTER SYSTEM SET synchronous_commit = on, or ask for durability="fsync" where a job matters.',
        )


def _of_the_role(facts: Facts) -> Iterator[Finding]:
    if facts.version < OLDEST_SERVER:
        yield Finding(
            "error",
            "old-server",
            f"PostgreSQL {facts.version} gets no corrections any more, and Longshore is not tested with it.",
            f"Upgrade the server to PostgreSQL {OLDEST_SERVER} or newer.",
        )
    if facts.is_replica:
        yield Finding(
            "error",
            "replica",
            "The server is a replica: it takes no writes.",
            "Name all hosts in the URL, postgresql://host1,host2/…, and the one that takes writes is found.",
        )
    elif facts.is_read_only:
        yield Finding(
            "error",
            "read-only",
            f"Transactions of the role {facts.role} are read-only here.",
            f"Unset default_transaction_read_only for the server, the database and the role {facts.role}.",
        )
    if facts.is_superuser:
        yield Finding(
            "warning",
            "superuser",
            f"Longshore's role {facts.role} is a superuser, and so is whoever gets hold of the URL.",
            "Make a role that owns nothing but Longshore's schema: CREATE ROLE jobs LOGIN; "
            "CREATE SCHEMA longshore AUTHORIZATION jobs;",
        )


def _of_the_schema(facts: Facts) -> Iterator[Finding]:
    if facts.drift.missing:
        yield Finding(
            "error",
            "schema-incomplete",
            f"The schema lacks what its migrations make: {_some(facts.drift.missing)}.",
            "Restore it from a backup, or move the jobs to a new schema: longshore move.",
        )
    if facts.drift.changed:
        yield Finding(
            "warning",
            "schema-drift",
            f"The schema is not as its migrations make it: {_some(facts.drift.changed)}.",
            "Put it back as `longshore migrate --sql` prints it for a new schema; REINDEX an invalid index.",
        )


def _of_the_way(facts: Facts) -> Iterator[Finding]:
    is_remote = (
        facts.client is not None and not facts.client.startswith(LOOPBACK) and facts.client != facts.server
    )
    if is_remote and not facts.is_encrypted and not facts.is_pooled:
        yield Finding(
            "warning",
            "no-tls",
            f"Jobs and passwords travel from {facts.client} to {facts.server} unencrypted.",
            "Add ?sslmode=verify-full&sslrootcert=… to the URL.",
        )
    if abs(facts.skew_ms) > SKEW_MS:
        seconds, word = abs(facts.skew_ms) / 1000, "ahead of" if facts.skew_ms > 0 else "behind"
        yield Finding(
            "warning",
            "clock-skew",
            f"The server's clock is {seconds:.1f} s {word} this machine's: jobs run at other times than they are "
            "scheduled for here.",
            "Let both machines follow the same time (chrony, systemd-timesyncd).",
        )


def _of_the_pooler(facts: Facts) -> Iterator[Finding]:
    if not facts.hears:
        yield Finding(
            "warning",
            "no-wake-ups",
            "LISTEN does not work on this way to the server, as behind PgBouncer's transaction mode: workers find new "
            "jobs only when they look, which is once in LONGSHORE_POLL seconds.",
            "Name a direct way in the URL: ?notify=postgresql://user@server/database.",
        )
    if facts.is_pooled and (facts.jit or facts.enable_seqscan or facts.isolation != "read committed"):
        yield Finding(
            "warning",
            "pooled-settings",
            "Through a pooler Longshore cannot set up its sessions, and these plan with jit or enable_seqscan on, or "
            f"isolate as {facts.isolation}: a claim may suddenly take a hundred times as long.",
            "In PgBouncer's [databases], add: connect_query='SET jit = off; SET enable_seqscan = off'.",
        )


def _of_room(facts: Facts) -> Iterator[Finding]:
    left = facts.connections - facts.connections_taken
    if left < CONNECTIONS_LEFT:
        yield Finding(
            "warning",
            "few-connections",
            f"The server takes {facts.connections} connections and has {max(0, left)} left; a worker takes up to "
            f"{facts.pool + 3}.",
            "Raise max_connections, lower ?pool=, or put PgBouncer before the server.",
        )
    if facts.pool < SMALLEST_GOOD_POOL:
        yield Finding(
            "warning",
            "tiny-pool",
            f"With ?pool={facts.pool}, claims, settlements and additions wait for each other.",
            f"Leave ?pool= out of the URL (4 connections), or give it {SMALLEST_GOOD_POOL} at least.",
        )


def _of_dead_rows(facts: Facts) -> Iterator[Finding]:
    neglected = [table.name for table in facts.tables if not table.is_looked_after]
    if not facts.autovacuum or not facts.track_counts or neglected:
        what = f"for {_some(neglected)}" if facts.autovacuum and neglected else "for the whole server"
        yield Finding(
            "warning",
            "autovacuum-off",
            f"autovacuum is off {what}: dead rows pile up and claims get slower and slower.",
            "ALTER SYSTEM SET autovacuum = on, SET track_counts = on; ALTER TABLE … RESET (autovacuum_enabled).",
        )
    if facts.transactions:
        yield Finding(
            "warning",
            "long-transaction",
            f"{_culprit(facts.transactions[0])} and keeps dead rows of the whole database from being cleaned away"
            f"{_others(len(facts.transactions) - 1)}.",
            "Let it end, or end it; and set idle_in_transaction_session_timeout so that none stays open for nothing.",
        )
    late = [
        f"{table.name} ({table.dead:,})"
        for table in facts.tables
        if table.dead >= max(MANY_DEAD_ROWS, TIMES_THE_THRESHOLD * table.threshold)
        and table.rested_seconds > RESTED_SECONDS
    ]
    if late:
        yield Finding(
            "warning",
            "dead-rows",
            f"Dead rows wait to be cleaned away, and autovacuum has not come for ten minutes: {_some(late)}.",
            "VACUUM these tables now; if it happens again, raise autovacuum_max_workers.",
        )


def _culprit(transaction: Transaction) -> str:
    """`A transaction of app (pid 4711, psql, idle in transaction) has been open for 21 min, its statement for …`."""
    if transaction.pid is None:
        who = f"The prepared transaction '{transaction.application}' of {transaction.who}"
    else:
        words = (f"pid {transaction.pid}", transaction.application, transaction.state)
        who = f"A transaction of {transaction.who} ({', '.join(word for word in words if word)})"
    since = (
        ""
        if transaction.statement_seconds is None
        else f", its newest statement for {_time(transaction.statement_seconds)},"
    )
    return f"{who} has been open for {_time(transaction.age_seconds)}{since}"


def _others(count: int) -> str:
    return f"; {count} more like it" if count else ""


def _time(seconds: float) -> str:
    return f"{seconds:.0f} s" if seconds < 120 else f"{seconds / 60:.0f} min"


def _some(names: list[str] | tuple[str, ...]) -> str:
    """The first few."""
    return ", ".join(names[:5]) + (f" and {len(names) - 5} more" if len(names) > 5 else "")
