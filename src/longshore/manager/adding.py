"""This module adds jobs by name: from any process that reaches the store, without the task's code."""

from collections.abc import Iterable, Mapping, Sequence
from itertools import islice
from typing import Any, Final, Unpack, overload

from longshore.core.durability import Durability, strongest
from longshore.core.errors import InvalidOption, UnknownOption
from longshore.core.ids import JobId
from longshore.core.job import NewJob
from longshore.core.names import check_name
from longshore.core.unique import OnConflict
from longshore.engine.plan import Plan
from longshore.manager.admitting import admit, admit_all
from longshore.manager.chaining import add_chained, head, refuse_connection, without_chain
from longshore.manager.intake import blocking_intake, without_connection
from longshore.manager.job import AnyJob
from longshore.manager.option_parsing import JobWords
from longshore.manager.part import Part
from longshore.manager.planning import is_news, plan
from longshore.manager.runtime import Runtime
from longshore.workflows.spec import Parts, Step

CHUNK = 1000
"""Jobs that `add_bulk` encodes before it lets others run."""

BulkItem = Mapping[str, Any] | NewJob
"""{"name": …, "data": …, "options": {…}}, or a finished record."""


class Adding(Part):
    """Adding jobs."""

    @overload
    async def add_job(self, queue: str, name: str, data: Any, /, **options: Unpack[JobWords]) -> AnyJob: ...
    @overload
    async def add_job(self, name: str, data: Any, /, **options: Unpack[JobWords]) -> AnyJob: ...
    async def add_job(self, *words: Any, **options: Any) -> AnyJob:
        """Adds a job: `add_job(queue, name, data)`, or `add_job(name, data)` for the queue of that task, else the
        queue of that name.

        `data` is one JSON value; for a task it is the object of its arguments, and is checked where the task is known.
        With `connection`, the job is there when the caller's transaction commits. Raises UnknownOption, InvalidOption,
        InvalidName, the errors of payloads, StoreUnavailable and UnusableConnection.
        """
        queue, name, data = self._addressed(words)
        said, connection = without_connection(options)
        words_of_job, follows = without_chain(said)
        if connection is None:
            await self._look_up(queue)
        if follows is not None:
            first = head(queue, name, data, words_of_job)
            [source] = await add_chained(self.runtime, first, follows, words_of_job, connection)
            return AnyJob(self.runtime, source)
        planned = plan(self.runtime, queue, name, words_of_job)
        if planned.has_rules and await is_news(self.runtime, connection):
            planned = plan(self.runtime, queue, name, words_of_job)
        new = planned.one(self.runtime.payload(queue, name, data))
        return AnyJob.added(self.runtime, new, await admit(self.runtime, (new,), connection, planned))

    async def add_bulk(
        self, queue: str, jobs: Iterable[BulkItem], *, connection: object | None = None
    ) -> list[AnyJob]:
        """Adds many jobs to a queue, in their order. All are checked before the first is stored; then they are
        stored in chunks of 1,000, each all or nothing, all with the strongest durability that one asks for; with a
        `connection`, all are there when the caller's transaction commits. Jobs with the same `chain_to` share it: what
        follows runs once, after all of them, and finds a list of their results. Raises like `add_job`."""
        queue = check_name("queue", queue)
        if connection is None:
            await self._look_up(queue)
        if self.runtime.has_limits(queue):
            await is_news(self.runtime, connection)
        bulk = Bulk(self.runtime, queue)
        remaining = iter(jobs)
        while chunk := list(islice(remaining, CHUNK)):
            bulk.plan(chunk)
            await self.runtime.clock.sleep(0)
        if bulk.chains:
            refuse_connection(connection)
        older = await admit_all(
            self.runtime, bulk.jobs, connection, strongest(bulk.durabilities), choices=bulk.choices
        )
        added = [AnyJob.added(self.runtime, new, older) for new in bulk.jobs]
        for group in bulk.chains:
            steps = [step for _, step in group.heads]
            sources = await add_chained(self.runtime, steps, group.follows, group.words, connection)
            group.jobs = [AnyJob(self.runtime, source) for source in sources]
        return bulk.in_order(added)

    add_job_sync: Final = blocking_intake(add_job)
    add_bulk_sync: Final = blocking_intake(add_bulk)

    async def _look_up(self, queue: str) -> None:
        if queue not in self.runtime.queues:
            engine = await self.runtime.engines.here()
            await self.runtime.spelling.look_up(queue, self.runtime.queues, engine.store)

    def _addressed(self, words: Sequence[Any]) -> tuple[str, str, Any]:
        if len(words) == 3:
            return check_name("queue", words[0]), check_name("task", words[1]), words[2]
        if len(words) != 2:
            raise InvalidOption("add_job", words, "(queue, name, data) or (name, data)")
        name = check_name("task", words[0])
        handler = self.runtime.registry.find(name, name)
        queue = name if handler is None or handler.queue is None else handler.queue
        return queue, name, words[1]


class Bulk:
    """The jobs of one `add_bulk`, planned."""

    choices: dict[JobId, OnConflict]
    """For those that do not return the older job."""

    def __init__(self, runtime: Runtime, queue: str) -> None:
        self._runtime = runtime
        self._queue = queue
        self._plans: dict[str, Plan] = {}
        self.jobs: list[NewJob] = []
        self.durabilities: set[Durability] = set()
        self.chains: list[_Chain] = []
        self._count = 0
        self.choices = {}

    def plan(self, items: Iterable[BulkItem]) -> None:
        """Checks them, and makes jobs of them. Raises UnknownOption, InvalidOption and the errors of payloads."""
        for item in items:
            made = item if isinstance(item, NewJob) else self._made(item)
            if made is not None:
                self.jobs.append(made)
            self._count += 1

    def in_order(self, plain: Sequence[AnyJob]) -> list[AnyJob]:
        """The jobs where they were listed, those with something that follows them among the others."""
        if not self.chains:
            return list(plain)
        apart = {
            place: job
            for chain in self.chains
            for (place, _), job in zip(chain.heads, chain.jobs, strict=True)
        }
        others = iter(plain)
        return [apart[place] if place in apart else next(others) for place in range(self._count)]

    def _made(self, item: Mapping[str, Any]) -> NewJob | None:
        """The job; None where something follows it, which is added with others of the same chain."""
        if isinstance(item, Mapping) and not item.keys() <= _ITEM:
            raise UnknownOption(min(item.keys() - _ITEM), _ITEM, of="a job of add_bulk")
        if not isinstance(item, Mapping) or "name" not in item:
            raise InvalidOption("jobs", item, '{"name": …, "data": …, "options": {…}}')
        name = check_name("task", item["name"])
        words, follows = without_chain(item.get("options") or {})
        if follows is not None:
            self._chain(follows, words).heads.append(
                (self._count, head(self._queue, name, item.get("data"), words))
            )
            return None
        planned = self._planned(name, words)
        if planned.durability is not None:
            self.durabilities.add(planned.durability)
        job = planned.one(self._runtime.payload(self._queue, name, item.get("data")))
        if planned.on_conflict != "return":
            self.choices[job.id] = planned.on_conflict
        return job

    def _chain(self, follows: Parts, words: Mapping[str, Any]) -> "_Chain":
        """Those with the same chain, which they share. A job with an id of its own has its own."""
        has_id = "job_id" in words or "jobId" in words
        for chain in self.chains:
            if chain.follows == follows and not has_id and not chain.has_id:
                return chain
        self.chains.append(_Chain(follows, words, has_id=has_id))
        return self.chains[-1]

    def _planned(self, name: str, options: Mapping[str, Any]) -> Plan:
        if options:
            return plan(self._runtime, self._queue, name, options)
        found = self._plans.get(name)
        if found is None:
            found = self._plans[name] = plan(self._runtime, self._queue, name, {})
        return found


class _Chain:
    """Jobs of one `add_bulk` that are followed by the same."""

    def __init__(self, follows: Parts, words: Mapping[str, Any], *, has_id: bool) -> None:
        self.follows = follows
        self.words = words
        self.has_id = has_id
        self.heads: list[tuple[int, Step]] = []
        """With their places in the list."""
        self.jobs: list[AnyJob] = []


_ITEM = frozenset({"name", "data", "options"})
