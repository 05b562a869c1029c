"""This module lets one suspect run at a time: a job that was running when its worker died.

When a worker dies with ten jobs, nobody knows which of them killed it. Were they to run together again, the same ten
would crash together three times and nine innocents be buried. Run one at a time, a poison job is charged alone with
its second crash, beside jobs that have none yet (ADR 0003).
"""

from collections.abc import Iterable

from longshore.core.ids import JobId
from longshore.core.job import JobRecord
from longshore.core.verdict import Verdict, released

FIRST_DELAY_MS = 50
LAST_DELAY_MS = 5000


def handed_back(record: JobRecord) -> Verdict:
    """For a suspect that comes while another runs: another worker, or this one later, gets it.

    The delay doubles with every time. Most jobs are short, and a whole worker's suspects are through in a second or
    two; half a second for each made a storm of kills last twice as long. A long one is not asked after all the time.
    """
    return released(min(LAST_DELAY_MS, FIRST_DELAY_MS * 2 ** min(record.releases, 10)))


class Suspects:
    """Who of the suspects may be in this worker now."""

    _inside: JobId | None = None

    def sift(self, records: list[JobRecord]) -> tuple[list[JobRecord], list[JobRecord]]:
        """The claimed jobs that may stay, and those that must be handed back."""
        if not any(record.crashes for record in records):
            return records, []
        stay: list[JobRecord] = []
        leave: list[JobRecord] = []
        for record in records:
            (stay if self._may_enter(record) else leave).append(record)
        return stay, leave

    def left(self, records: Iterable[JobRecord]) -> None:
        """These jobs are not in this worker any more."""
        for record in records:
            if record.id == self._inside:
                self._inside = None

    def _may_enter(self, record: JobRecord) -> bool:
        if not record.crashes:
            return True
        if self._inside is not None:
            return False
        self._inside = record.id
        return True
