"""This module deals with followers that belong into the other of two tiers than the job that they follow."""

from collections.abc import Sequence

import msgspec

from longshore.core.job import NewJob
from longshore.core.states import State
from longshore.store.commands import Settlement, by_ids
from longshore.store.contract import Store


async def claimed_followers(
    memory: Store, settlements: Sequence[Settlement], crossing: Sequence[Sequence[NewJob]], now_ms: int | None
) -> list[NewJob]:
    """The followers that cross over from jobs in memory whose claims stand. They are stored before the claim ends: what
    is repeated then is a duplicate. `crossing`: of each settlement, those of the other tier."""
    ids = [each.id for each, jobs in zip(settlements, crossing, strict=True) if jobs]
    pages = await memory.scan(by_ids(ids, states=(State.RUNNING,)), now_ms=now_ms)
    claims = {(job.id, job.session, job.fence) for page in pages for job in page.jobs}
    return [
        job
        for each, jobs in zip(settlements, crossing, strict=True)
        for job in jobs
        if (each.id, each.session, each.fence) in claims
    ]


def without(settlement: Settlement, others: Sequence[NewJob]) -> Settlement:
    """The settlement with the followers that are in its own tier."""
    if not others:
        return settlement
    own = tuple(job for job in settlement.follow if job not in others)
    return msgspec.structs.replace(settlement, follow=own)
