"""This module gives tests the real servers that run beside them, names failures at once, and ends what hangs."""

import faulthandler
import signal
from collections.abc import Generator

import pytest
from _pytest.faulthandler import fault_handler_stderr_fd_key  # the stream that is not captured

from servers import running
from servers.sentinel import Sentinel
from servers.server import Group, ServerLike

HUNG_S = 150
"""A test has 60 s (`timeout` in pyproject.toml), but that clock stops when it fails: what hangs while it is cleared
away has these seconds. Then every thread's stack is printed, and the process ends; xdist goes on in another one."""


class FailuresAtOnce:
    """Prints each failure's name and reason when it comes: a run that is cut off still tells what it found."""

    def __init__(self, config: pytest.Config) -> None:
        self.config = config

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        if report.failed:
            reason = report.longreprtext.strip().splitlines()[-4:]
            terminal = self.config.get_terminal_writer()
            terminal.line(f"\nFAILED after {report.duration:.0f} s: {report.nodeid}\n" + "\n".join(reason))


def pytest_configure(config: pytest.Config) -> None:
    """Tests may run under `nohup`: then a hangup is ignored, and a worker leaves it so."""
    signal.signal(signal.SIGHUP, signal.SIG_DFL)
    if not hasattr(config, "workerinput"):
        config.pluginmanager.register(FailuresAtOnce(config))


@pytest.hookimpl(wrapper=True)
def pytest_runtest_protocol(item: pytest.Item) -> Generator[None, object, object]:
    end_if_hung(item)
    try:
        return (yield)
    finally:
        faulthandler.cancel_dump_traceback_later()


@pytest.hookimpl(wrapper=True)
def pytest_runtest_teardown(item: pytest.Item) -> Generator[None]:
    end_if_hung(item)  # again: a failure stops this clock too
    yield


def end_if_hung(item: pytest.Item) -> None:
    faulthandler.dump_traceback_later(HUNG_S, exit=True, file=item.config.stash[fault_handler_stderr_fd_key])


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
