"""This module is `manager.dead_letters`: what failed for good, and what a person or a policy does about it."""

from typing import Final

from longshore.core.errors import InvalidOption, JobNotFound
from longshore.core.ids import format_id, parse_id
from longshore.core.names import check_name
from longshore.dlq.letters import DeadLetter, DeadLetterQueue
from longshore.dlq.policy import DeadLetterPolicy
from longshore.dlq.sweeper import Swept, sweep
from longshore.manager.blocking import blocking
from longshore.manager.jobs import JobIdLike
from longshore.manager.part import Part
from longshore.manager.runtime import Runtime
from longshore.store.commands import JobQuery, Order


class LetterPage(list[DeadLetter]):
    """Dead letters, and where the next page begins."""

    cursor: str | None = None
    """For `list(cursor=…)`; None: that was all."""


class DeadLetters(Part):
    """The dead letters of all queues."""

    def __init__(self, runtime: Runtime, policy: DeadLetterPolicy | None = None) -> None:
        super().__init__(runtime)
        self.policy = policy
        """For queues without a policy of their own (`dead_letter=`). None: nothing happens by itself."""

    async def list(
        self,
        queue: str | None = None,
        *,
        name: str | None = None,
        error: str | None = None,
        limit: int = 100,
        cursor: str | None = None,
    ) -> LetterPage:
        """Letters, newest death first: of one queue, one task, or whose error holds a text."""
        query = JobQuery(
            queues=None if queue is None else (check_name("queue", queue),),
            names=None if name is None else (name,),
            error=error,
            order=Order.FINISHED,
            limit=limit,
            cursor=cursor,
        )
        letters, following = await (await self._queue()).find(query)
        page = LetterPage(letters)
        page.cursor = following
        return page

    async def get(self, job_id: JobIdLike) -> DeadLetter | None:
        """The letter of that job; None when there is none, or the job is not dead."""
        letters, _ = await (await self._queue()).find(JobQuery(ids=(parse_id(job_id),), limit=1))
        return letters[0] if letters else None

    async def requeue(self, *ids: JobIdLike) -> int:
        """Gives letters another life, each in its own queue, whatever its type; says how many were dead. Raises
        JobNotFound when one id was given and is no letter."""
        keys = [parse_id(job_id) for job_id in ids]
        done = await (await self._queue()).requeue(keys)
        if len(keys) == 1 and not done:
            raise JobNotFound(format_id(keys[0]))
        return len(done)

    async def discard(self, *ids: JobIdLike) -> int:
        """Forgets letters for good; says how many there were."""
        return len(await (await self._queue()).discard([parse_id(job_id) for job_id in ids]))

    async def process(self, queue: str | None = None, policy: DeadLetterPolicy | None = None) -> Swept:
        """Applies the policy now: the given one, else each queue's own, else `policy`. Raises InvalidOption when
        nobody has given any."""
        engine = await self.runtime.engines.here()
        queues = [queue] if queue is not None else [each.queue for each in await engine.store.count(None)]
        if policy is None and queue is None and not self.has_policies:
            raise InvalidOption("policy", None, "a DeadLetterPolicy here, or as manager.dead_letters.policy")
        total = Swept()
        for each in queues:
            wanted = policy or self.policy_of(each)
            if wanted is not None and wanted.acts:
                total += await sweep(engine.store, self.runtime.clock, each, wanted)
        return total

    @property
    def has_policies(self) -> bool:
        """Whether anything is to happen by itself."""
        own = (options.dead_letter for options in self.runtime.queues.values())
        return any(policy is not None and policy.acts for policy in (self.policy, *own))

    def policy_of(self, queue: str) -> DeadLetterPolicy | None:
        """The queue's own policy, else that for all."""
        own = self.runtime.options_of(queue).dead_letter
        return own if own is not None and own.acts else self.policy

    list_sync: Final = blocking(list)  # noqa: A003 - the method above
    get_sync: Final = blocking(get)
    requeue_sync: Final = blocking(requeue)
    discard_sync: Final = blocking(discard)
    process_sync: Final = blocking(process)

    async def _queue(self) -> DeadLetterQueue:
        return DeadLetterQueue((await self.runtime.engines.here()).store)
