"""What the doctor says of facts: each planted misconfiguration is found, and a good set is left in peace."""

import msgspec
import pytest

from longshore.backends.postgres.examining import skew
from longshore.backends.postgres.findings import Facts, Table, Transaction, judge
from longshore.backends.postgres.shape import Drift, compare

GOOD = Facts(
    version=18,
    role="jobs",
    is_encrypted=True,
    client="10.0.0.7",
    server="10.0.0.1",
    connections=97,
    connections_taken=40,
    skew_ms=120,
    tables=(Table(name="ready", is_looked_after=True, dead=400_000, threshold=5000, rested_seconds=70),),
)

IDLE = Transaction(
    pid=4711,
    who="app",
    application="psql",
    state="idle in transaction",
    age_seconds=1260,
    statement_seconds=1200,
)

PLANTED = {
    "fsync-off": {"fsync": False},
    "full-page-writes-off": {"full_page_writes": False},
    "commit-not-synchronous": {"synchronous_commit": "off"},
    "replica": {"is_replica": True, "is_read_only": True},
    "read-only": {"is_read_only": True},
    "old-server": {"version": 13},
    "superuser": {"is_superuser": True},
    "schema-incomplete": {"drift": Drift(missing=("table ready",))},
    "schema-drift": {"drift": Drift(changed=("index ready_line (missing)",))},
    "no-tls": {"is_encrypted": False},
    "clock-skew": {"skew_ms": -1500},
    "no-wake-ups": {"is_pooled": True, "hears": False},
    "pooled-settings": {"is_pooled": True, "jit": True},
    "few-connections": {"connections_taken": 95},
    "tiny-pool": {"pool": 2},
    "autovacuum-off": {"autovacuum": False},
    "long-transaction": {"transactions": (IDLE,)},
    "dead-rows": {
        "tables": (
            Table(name="ready", is_looked_after=True, dead=400_000, threshold=5000, rested_seconds=3600),
        )
    },
}


def codes(facts: Facts) -> list[str]:
    return [finding.code for finding in judge(facts)]


@pytest.mark.parametrize("code", PLANTED)
def test_what_is_planted_is_found_and_nothing_else(code: str) -> None:
    """Each finding has a level, a problem and a remedy."""
    [finding] = judge(msgspec.structs.replace(GOOD, **PLANTED[code]))
    assert finding.code == code
    assert finding.level in {"error", "warning"}
    assert finding.problem.endswith(".")
    assert finding.remedy


def test_a_good_server_is_left_in_peace() -> None:
    assert codes(GOOD) == []


@pytest.mark.parametrize(
    "peaceful",
    [
        {"is_encrypted": False, "client": "127.0.0.1", "server": "127.0.0.1"},
        {"is_encrypted": False, "client": None, "server": None},
        {"is_encrypted": False, "client": "10.0.0.1", "server": "10.0.0.1"},
        {"is_pooled": True, "jit": False, "enable_seqscan": False},
        {"skew_ms": 1000},
        {"synchronous_commit": "local"},
        {
            "tables": (
                Table(name="done", is_looked_after=True, dead=90_000, threshold=50, rested_seconds=9e9),
            )
        },
    ],
)
def test_what_only_looks_wrong_is_left_in_peace(peaceful: dict[str, object]) -> None:
    assert codes(msgspec.structs.replace(GOOD, **peaceful)) == []


def test_errors_come_before_what_is_only_a_warning() -> None:
    facts = msgspec.structs.replace(GOOD, fsync=False, pool=1, is_superuser=True)
    assert codes(facts)[0] == "fsync-off"


def test_the_culprit_of_a_long_transaction_is_named() -> None:
    prepared = Transaction(
        pid=None, who="app", application="order-7", state="prepared", age_seconds=90, statement_seconds=None
    )
    [finding] = judge(msgspec.structs.replace(GOOD, transactions=(IDLE, prepared)))
    assert (
        "A transaction of app (pid 4711, psql, idle in transaction) has been open for 21 min"
        in finding.problem
    )
    assert "its newest statement for 20 min" in finding.problem
    assert "1 more like it" in finding.problem
    [finding] = judge(msgspec.structs.replace(GOOD, transactions=(prepared,)))
    assert "The prepared transaction 'order-7' of app has been open for 90 s" in finding.problem


def test_a_table_that_autovacuum_was_told_to_leave_is_named() -> None:
    left = Table(name="run", is_looked_after=False, dead=0, threshold=50, rested_seconds=0)
    [finding] = judge(msgspec.structs.replace(GOOD, tables=(left,)))
    assert finding.code == "autovacuum-off"
    assert "for run" in finding.problem


def test_a_clock_is_only_wrong_by_what_the_journey_does_not_explain() -> None:
    assert skew(1500, 1000, 2000) == 0
    assert skew(2700, 1000, 2000) == 700
    assert skew(700, 1000, 2000) == -300


def test_drift_is_what_is_missing_or_otherwise_but_not_what_is_more() -> None:
    wanted = {
        ("table", "a"): "",
        ("column", "a.id"): "uuid",
        ("column", "b.id"): "uuid",
        ("index", "a_pkey"): "x",
    }
    assert compare(wanted, {**wanted, ("index", "own"): "y"}) == Drift()
    assert compare(wanted, {("column", "b.id"): "text"}) == Drift(
        missing=("table a",), changed=("column b.id (text instead of uuid)", "index a_pkey (missing)")
    )
