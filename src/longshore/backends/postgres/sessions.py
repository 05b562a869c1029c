"""This module keeps the leases of workers' sessions."""

from collections.abc import Sequence

from longshore.backends.postgres.dialect import Dialect, Runs
from longshore.backends.postgres.rounds import rounds
from longshore.core.ids import JobId
from longshore.store.commands import Lease
from longshore.store.replies import Extended


async def extend(
    connection: Runs, dialect: Dialect, leases: Sequence[Lease], now_ms: int | None
) -> list[Extended]:
    """Opens, prolongs and ends, with one statement unless a session is named twice."""
    replies: dict[int, Extended] = {}
    for round_ in rounds(leases, lambda lease: lease.session):
        asked = [lease for _, lease in round_]
        rows = await dialect.fetch(
            connection,
            "extend",
            now_ms,
            [lease.session for lease in asked],
            [lease.lease_ms for lease in asked],
            [lease.opens for lease in asked],
        )
        held = {session: tuple(JobId(job_id) for job_id in stopping) for session, stopping in rows}
        for number, lease in round_:
            stopping = held.get(lease.session)
            replies[number] = Extended(held=stopping is not None, cancel=stopping or ())
    return [replies[number] for number in range(len(leases))]
