"""What stands between clients and servers in tests: PgBouncer or a pool like it, and a proxy that plays the network."""

import socket
import subprocess
from urllib.parse import urlsplit

import pytest

from servers import redis_versions, start_redis
from servers.binaries import postgres as postgres_programs
from servers.pgbouncer import start_pgbouncer
from servers.proxy import SPARED_REPLIES, Proxy
from servers.redis import says
from servers.transaction_pool import TransactionPool


def psql(url: str, *statements: str) -> subprocess.CompletedProcess[str]:
    """One client with one connection, which runs each statement as a transaction of its own."""
    program = list(postgres_programs().values())[-1] / "psql"
    words = [word for each in statements for word in ("-c", each)]
    return subprocess.run([program, "-XAtq", *words, url], capture_output=True, text=True, check=False)


@pytest.fixture(params=["pgbouncer", "own"])
def pool(request, postgres, tmp_path):
    with (
        start_pgbouncer(postgres.url, tmp_path)
        if request.param == "pgbouncer"
        else TransactionPool(postgres.url, size=2)
    ) as started:
        yield started


def test_a_pool_answers_with_a_few_sessions_for_many_clients(pool):
    sessions = {psql(pool.url, "SELECT pg_backend_pid()").stdout for _ in range(8)}
    assert 1 <= len(sessions) <= 4
    assert "" not in sessions


def test_a_transaction_stays_in_one_session_of_the_pool(pool):
    done = psql(pool.url, "BEGIN; SELECT pg_backend_pid(); SELECT pg_backend_pid(); COMMIT")
    assert len(set(done.stdout.split())) == 1


def test_a_pool_refuses_greetings_with_settings_of_a_session(pool):
    done = psql(f"{pool.url}?options=-cjit%3Doff")
    assert "unsupported startup parameter" in done.stderr


def test_what_belongs_to_a_session_reaches_other_clients_of_the_pool(postgres):
    with TransactionPool(postgres.url, size=1) as pool:
        psql(pool.url, "SET application_name = 'left behind'")
        assert psql(pool.url, "SHOW application_name").stdout == "left behind\n"


def test_a_client_that_leaves_amid_a_transaction_takes_it_along(postgres):
    with TransactionPool(postgres.url, size=1) as pool:
        psql(pool.url, "BEGIN", "CREATE TABLE never_there ()")
        assert psql(pool.url, "SELECT to_regclass('never_there')").stdout == "\n"


@pytest.fixture
def redis(tmp_path):
    with start_redis(redis_versions()[-1], tmp_path) as server:
        yield server


@pytest.fixture
def proxy():
    with Proxy() as started:
        yield started


@pytest.fixture
def line(redis, proxy):
    with socket.create_connection(("127.0.0.1", port_of(proxy.url_for(redis.url))), 5) as opened:
        yield opened


def port_of(url: str) -> int:
    port = urlsplit(url).port
    assert port is not None
    return port


def ask(line: socket.socket, command: str) -> bytes:
    """The answer; nothing when the connection ended instead."""
    try:
        line.sendall(f"{command}\r\n".encode())
        return line.recv(4096)
    except ConnectionError:
        return b""


def test_a_proxy_without_faults_only_passes_on(redis, proxy, line):
    assert ask(line, "SET crate 7") == b"+OK\r\n"
    assert ask(line, "GET crate") == b"$1\r\n7\r\n"
    assert proxy.url_for(redis.url) == proxy.url_for(redis.url) != redis.url


def test_a_dropped_reply_is_of_a_command_that_was_executed(redis, proxy, line):
    for _ in range(SPARED_REPLIES):
        assert ask(line, "INCR crates") != b""
    proxy.drop_replies(1.0)
    assert ask(line, "INCR crates") == b""
    assert proxy.dropped == 1
    assert says(redis.port, "GET crates") == f"$2\r\n{SPARED_REPLIES + 1}\r\n"


def test_a_cut_ends_open_connections_and_lets_new_ones_through(redis, proxy, line):
    assert ask(line, "PING") == b"+PONG\r\n"
    proxy.cut()
    assert ask(line, "PING") == b""
    assert says(port_of(proxy.url_for(redis.url)), "PING") == "+PONG\r\n"


def test_a_swallowed_connection_stays_open_and_never_answers_again(redis, proxy, line):
    assert ask(line, "PING") == b"+PONG\r\n"
    proxy.swallow()
    line.settimeout(0.2)
    with pytest.raises(TimeoutError):
        ask(line, "SET crate 7")
    assert says(redis.port, "EXISTS crate") == ":0\r\n"
    assert says(port_of(proxy.url_for(redis.url)), "PING") == "+PONG\r\n"
    proxy.heal()
    with pytest.raises(TimeoutError):
        ask(line, "PING")


def test_new_connections_are_swallowed_until_it_heals(redis, proxy):
    port = port_of(proxy.url_for(redis.url))
    proxy.swallow(new_ones=True)
    assert says(port, "PING") == ""
    proxy.heal()
    assert says(port, "PING") == "+PONG\r\n"
