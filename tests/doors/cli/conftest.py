"""This module gives the tests of the command line a clean place and a way to call it."""

import asyncio
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import click.testing
import msgspec
import pytest

from longshore.backends import open_store
from longshore.cli.main import commands
from longshore.core.ids import format_id, new_id
from longshore.core.job import AttemptFailure, JobRecord, NewJob
from longshore.core.verdict import BURIED, Verdict
from longshore.store.commands import ClaimAsk, JobQuery, Lease, Put, Settlement
from longshore.store.contract import Store

Call = Callable[..., click.testing.Result]


@pytest.fixture(autouse=True)
def nowhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty working directory, and no settings from the environment."""
    monkeypatch.chdir(tmp_path)
    for variable in ("LONGSHORE_URL", "REDIS_URL", "DATABASE_URL", "NO_COLOR"):
        monkeypatch.delenv(variable, raising=False)
    return tmp_path


@pytest.fixture
def call() -> Call:
    """Runs the command line in this process; no outcome may show a traceback."""

    def call(*arguments: str, stdin: str | bytes | None = None) -> click.testing.Result:
        result = click.testing.CliRunner().invoke(
            commands, list(arguments), input=stdin, prog_name="longshore"
        )
        assert "Traceback" not in result.output
        return result

    return call


class Shop:
    """A store in a file with jobs in it, worked on from outside the command line."""

    def __init__(self, url: str) -> None:
        self.url = url
        self.session = "host:4242:0badcafe"

    def add(self, *names: str, queue: str = "emails", **fields: Any) -> list[str]:
        """Adds a job for each name; gives their ids."""
        jobs = [
            NewJob(id=new_id(), queue=queue, name=name, payload=b'{"to":"a@example.com"}', **fields)
            for name in names
        ]
        self._in_store(lambda store: store.insert(jobs))
        return [format_id(job.id) for job in jobs]

    def hold(self, count: int, queue: str = "emails") -> list[JobRecord]:
        """Claims jobs for a worker that does nothing with them."""

        async def claim(store: Store) -> list[JobRecord]:
            await store.extend([Lease(session=self.session, lease_ms=60_000, queues=(queue,), opens=True)])
            (claimed,) = await store.claim([ClaimAsk(queue, count, self.session)])
            return claimed.jobs

        held: list[JobRecord] = self._in_store(claim)
        return held

    def settle(self, jobs: list[JobRecord], verdict: Verdict, error: str | None = None) -> None:
        """Ends what was claimed."""
        kind, _, message = (error or "").partition(": ")
        failure = AttemptFailure(
            type=kind, message=message, traceback="  File x.py", at_ms=1, attempt=1, worker="w"
        )
        kept = msgspec.json.encode(failure) if error else None
        settlements = [
            Settlement(
                id=job.id,
                queue=job.queue,
                session=self.session,
                fence=job.fence,
                verdict=verdict,
                error=kept,
                error_text=error,
            )
            for job in jobs
        ]
        self._in_store(lambda store: store.settle(settlements))

    def bury(self, *errors: str, queue: str = "emails") -> list[str]:
        """Makes one dead letter for each error."""
        ids = []
        for error in errors:
            ids += self.add("send", queue=queue)
            self.settle(self.hold(1, queue), BURIED, error)
        return ids

    def put(self, *puts: Put) -> None:
        """Stores records."""
        self._in_store(lambda store: store.put(puts))

    def states(self) -> dict[str, str]:
        """The state of every job, by id."""
        (page,) = self._in_store(lambda store: store.scan([JobQuery(limit=1000)]))
        return {format_id(job.id): job.state.value for job in page.jobs}

    def _in_store(self, work: Callable[[Store], Awaitable[Any]]) -> Any:
        async def run() -> Any:
            store = open_store(self.url)
            await store.open()
            try:
                return await work(store)
            finally:
                await store.close()

        return asyncio.run(run())


@pytest.fixture
def shop(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Shop:
    """An empty store that the command line finds by LONGSHORE_URL."""
    url = f"sqlite:///{tmp_path / 'jobs.db'}"
    monkeypatch.setenv("LONGSHORE_URL", url)
    shop = Shop(url)
    shop.states()
    return shop
