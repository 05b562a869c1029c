"""This module clears up attempts that completed their job in a transaction of their own (`ctx.complete_in`).

When such an attempt ends, only the database knows whether its transaction was committed. So a failure is settled, as
if it was not: under the fence that is applied if the job still runs, and answered "stale" if the commit has ended it.
Of the stale ones the store is asked which are completed.
"""

from collections.abc import Mapping, Sequence

from longshore.core.ids import JobId
from longshore.core.states import State
from longshore.engine.herald import News
from longshore.store.commands import SCAN_LIMIT, JobQuery, Settlement
from longshore.store.contract import Store
from longshore.store.replies import Settled


class Doubts:
    """The attempts of one worker whose end is in doubt, each with the news should it be completed."""

    _news: dict[JobId, News]

    def __init__(self) -> None:
        self._news = {}

    def note(self, news: News) -> None:
        """Remembers an attempt until its settlement is answered."""
        self._news[news.record.id] = news

    def taken_stale(self, verdicts: Sequence[Settlement], replies: Sequence[Settled]) -> dict[int, News]:
        """By their place, those in doubt that were answered "stale"; the others have no doubt left."""
        if not self._news:
            return {}
        doubtful = {
            place: news
            for place, verdict in enumerate(verdicts)
            if (news := self._news.pop(verdict.id, None)) is not None
        }
        return {place: news for place, news in doubtful.items() if replies[place] is Settled.STALE}


async def completed(store: Store, stale: Mapping[int, News]) -> dict[int, News]:
    """Those that were completed by the attempt itself. Raises StoreUnavailable.

    One that is not there any more was forgotten in the step that completed it: nothing else forgets a running job.
    """
    ids = tuple(news.record.id for news in stale.values())
    pages = await store.scan(
        [
            JobQuery(ids=ids[start : start + SCAN_LIMIT], limit=SCAN_LIMIT)
            for start in range(0, len(ids), SCAN_LIMIT)
        ]
    )
    found = {record.id: record for page in pages for record in page.jobs}
    return {
        place: news
        for place, news in stale.items()
        if (record := found.get(news.record.id)) is None
        or (record.state is State.COMPLETED and record.fence == news.record.fence)
    }
