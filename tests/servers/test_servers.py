"""The servers of the tests: each kind starts, answers, comes back at its place, and never outlives who started it."""

import os
import select
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from servers import (
    postgres_versions,
    redis_versions,
    start_cluster,
    start_postgres,
    start_redis,
    start_sentinel,
)
from servers.accounts import Account, data_folder, readable
from servers.binaries import postgres as postgres_programs
from servers.redis import says
from servers.server import CannotStart, Server

ROOT = Path(__file__).resolve().parents[2]


def query(server: Server, statement: str) -> str:
    """What PostgreSQL answers, asked with its own client."""
    psql = postgres_programs()[server.version] / "psql"
    done = subprocess.run([psql, "-XAtc", statement, server.url], capture_output=True, text=True, check=True)
    return done.stdout.strip()


def is_alive(pid: int) -> bool:
    state = Path(f"/proc/{pid}/stat")
    return state.exists() and state.read_text().rpartition(")")[2].split()[0] not in {"Z", "X"}


def test_two_versions_of_each_kind_are_here():
    assert len(postgres_versions()) >= 2
    assert len(redis_versions()) >= 2


@pytest.mark.parametrize("version", postgres_versions())
def test_postgres_answers_and_comes_back_with_its_data_after_a_kill(version, tmp_path):
    with start_postgres(version, tmp_path) as server:
        assert query(server, "SHOW server_version").startswith(version)
        query(server, "CREATE TABLE crates (number int); INSERT INTO crates VALUES (7)")
        before = server.pid
        server.kill()
        server.start()
        assert server.pid != before
        assert query(server, "SELECT number FROM crates") == "7"


@pytest.mark.parametrize("version", redis_versions())
def test_redis_answers_and_comes_back_at_the_same_port(version, tmp_path):
    with start_redis(version, tmp_path) as server:
        assert says(server.port, "SET crate 7") == "+OK\r\n"
        server.stop()
        assert says(server.port, "PING") == ""
        server.start()
        assert says(server.port, "PING") == "+PONG\r\n"
        assert says(server.port, "GET crate") == "$-1\r\n"  # fast settings keep nothing


@pytest.mark.parametrize("version", redis_versions())
def test_redis_with_durable_settings_keeps_its_data_over_a_kill(version, tmp_path):
    with start_redis(version, tmp_path, settings={"appendonly": "yes", "appendfsync": "always"}) as server:
        says(server.port, "SET crate 7")
        server.kill()
        server.start()
        assert says(server.port, "GET crate") == "$1\r\n7\r\n"


def test_a_cluster_is_whole_again_after_its_nodes_restart(tmp_path):
    with start_cluster(tmp_path) as cluster:
        first = cluster.members[0]
        assert "cluster_size:3" in says(first.port, "CLUSTER INFO")
        cluster.stop()
        cluster.start()
        assert "cluster_state:ok" in says(first.port, "CLUSTER INFO")


def test_sentinels_know_the_master_and_its_replica(tmp_path):
    with start_sentinel(tmp_path, sentinels=3) as servers:
        assert servers.master_port() == servers.master.port
        assert "role:slave" in says(servers.replica.port, "INFO replication")


@pytest.mark.parametrize(
    "kind", ["start_postgres(postgres_versions()[-1], folder)", "start_redis(redis_versions()[-1], folder)"]
)
def test_a_server_dies_with_the_process_that_started_it(kind, tmp_path):
    program = f"""if True:
        from pathlib import Path
        from servers import *
        folder = Path({str(tmp_path)!r})
        print(*{kind}.family(), flush=True)
        input()
    """
    parent = subprocess.Popen(
        [sys.executable, "-c", program], cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    assert parent.stdout is not None
    family = [int(pid) for pid in parent.stdout.readline().split()]
    assert family
    assert all(map(is_alive, family))
    watched = [os.pidfd_open(pid) for pid in family]
    parent.kill()
    parent.communicate()
    for each in watched:
        wait_for_end(each)


def wait_for_end(pidfd: int) -> None:
    """Blocks until the process is gone; a pidfd is readable then."""
    assert select.select([pidfd], [], [], 10)[0], "the server is still there"
    os.close(pidfd)


@pytest.mark.parametrize("version", redis_versions()[-1:])
def test_a_frozen_server_answers_nothing_until_it_thaws(version, tmp_path):
    with start_redis(version, tmp_path) as server:
        server.freeze()
        assert says(server.port, "PING") == ""
        server.thaw()
        assert says(server.port, "PING") == "+PONG\r\n"


def test_a_server_that_cannot_start_says_why(tmp_path):
    with pytest.raises(CannotStart, match="no-such-setting"):
        start_redis(redis_versions()[-1], tmp_path, settings={"no-such-setting": "1"})


def test_an_unknown_version_names_the_known_ones(tmp_path):
    with pytest.raises(CannotStart, match=r"No PostgreSQL 9 here\. Known: \d+"):
        start_postgres("9", tmp_path)


def test_a_program_out_of_an_accounts_reach_is_copied_once(tmp_path, monkeypatch):
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path / "temporary"))
    (tmp_path / "temporary").mkdir()
    program = tmp_path / "site" / "wheel" / "bin"
    program.mkdir(parents=True)
    (program / "tool").write_text("#!")
    (tmp_path / "site").chmod(0o700)
    stranger = Account(os.getuid() + 12345, os.getgid() + 12345)
    root = readable(tmp_path / "site", ("wheel",), stranger)
    assert root != tmp_path / "site"
    assert (root / "wheel" / "bin" / "tool").read_text() == "#!"
    assert readable(tmp_path / "site", ("wheel",), stranger) == root
    assert readable(tmp_path / "site", ("wheel",), None) == tmp_path / "site"


def test_data_out_of_reach_stand_elsewhere(tmp_path):
    assert data_folder(tmp_path, None).parent == tmp_path


def test_stopping_a_server_twice_is_harmless(tmp_path):
    with start_redis(redis_versions()[-1], tmp_path) as server:
        server.stop()
        server.stop()
        assert not server.is_running


def test_a_killed_server_has_no_process(tmp_path):
    with start_redis(redis_versions()[-1], tmp_path) as server:
        pid = server.pid
        os.kill(pid, signal.SIGTERM)
        server.kill()
        with pytest.raises(CannotStart, match="is not running"):
            _ = server.pid
