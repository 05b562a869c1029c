"""This module gives tests the real servers that run beside them, each started when the first test asks for it."""

import signal

import pytest

from servers import running
from servers.sentinel import Sentinel
from servers.server import Group, ServerLike


def pytest_configure() -> None:
    """Tests may run under `nohup`: then a hangup is ignored, and a worker leaves it so."""
    signal.signal(signal.SIGHUP, signal.SIG_DFL)


@pytest.fixture(scope="session")
def postgres() -> ServerLike:
    """PostgreSQL, the newest version that is here; a test takes a schema of its own, such as `tmp_path.name`."""
    return running.postgres()


@pytest.fixture(scope="session")
def redis_server() -> ServerLike:
    """Redis or Valkey, the newest version that is here; a test takes a prefix of its own."""
    return running.redis()


@pytest.fixture(scope="session")
def redis_cluster() -> Group:
    """Three masters."""
    return running.cluster()


@pytest.fixture(scope="session")
def redis_sentinel() -> Sentinel:
    """A master, a replica and a sentinel."""
    return running.sentinel()
